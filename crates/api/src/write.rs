//! Create and update: the path that every write takes.

mod mutation;
mod prepare;
mod resize;

use crate::admission::{self, Attributes, Operation};
use crate::metadata::{self, text};
use crate::transaction::Transaction;
use crate::{
    ApiError, Key, Object, Origin, Result, WriteOptions, admit, apply, convert, policy, quota, scale,
};
use schema::Kind;
use serde_json::{Value, json};
use store::View;

pub(crate) use resize::resize;

/// Which part of the object a write may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Main,
    Status,
    /// The replicas; the caller has changed nothing else.
    Scale,
}

impl Part {
    fn subresource(self) -> &'static str {
        match self {
            Part::Main => "",
            Part::Status => "status",
            Part::Scale => "scale",
        }
    }
}

/// Who sees to `metadata.managedFields`.
pub(crate) enum Account {
    /// The update: what it changes is its manager's.
    Open,
    /// The caller, who has it here.
    Kept(Value),
}

impl Account {
    /// Writes it into the object. `asked_for` is what the manager has asked for, where policies or webhooks made something
    /// else of it.
    fn close(
        self,
        tx: &Transaction<'_>,
        kind: &Kind,
        (next, asked_for): (&mut Value, Option<Value>),
        previous: &Value,
        subresource: &str,
        manager: &str,
    ) {
        match (self, asked_for) {
            (Self::Kept(managers), _) => {
                metadata::of(next).insert("managedFields".into(), managers);
            }
            (Self::Open, None) => apply::track(tx, kind, next, Some(previous), subresource, manager),
            (Self::Open, Some(mut asked_for)) => {
                apply::track(tx, kind, &mut asked_for, Some(previous), subresource, manager);
                metadata::keep(metadata::of(next), &asked_for["metadata"], "managedFields");
            }
        }
    }
}

pub(crate) fn create(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    mut object: Value,
    options: &WriteOptions,
) -> Result<Object> {
    let resource = kind.resource();
    admit::identify(kind, &mut object)?;
    if !text(&object, "resourceVersion").is_empty() {
        return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let view = tx.view();
    admit::fields(tx.api, &view, kind, &mut object, options)?;
    let nameless = prepare::place(tx, kind, &mut object)?;
    let key = Key::new(&resource, text(&object, "namespace"), text(&object, "name"));
    if kind.subresources.iter().any(|sub| sub == "status") && !prepare::keeps_status_on_create(&resource) {
        object.as_object_mut().map(|fields| fields.remove("status"));
    }
    // A Job's default selector is made of its uid.
    metadata::of(&mut object).insert("uid".into(), tx.luck.uid().into());
    admit::defaults(tx.api, &view, kind, &mut object);
    let attributes = Attributes {
        operation: Operation::Create,
        kind,
        subresource: "",
        namespace: admission::namespace(&key),
        name: if nameless { "" } else { &key.name },
        old: None,
        dry_run: tx.dry_run,
        origin: &options.origin,
    };
    let mut asked_for = mutation::of_new(tx, &attributes, &mut object)?;
    let key = Key { name: text(&object, "name").into(), ..key.clone() };
    prepare::initial(tx, kind, &mut object)?;
    admit::validate(tx.api, &view, kind, &object, None)?;
    admit::warn(kind, &object, None, options);
    drop_empty(&mut object);
    asked_for.iter_mut().for_each(drop_empty);
    let meta = metadata::of(&mut object);
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
        meta.remove(field);
    }
    meta.insert("creationTimestamp".into(), metadata::timestamp(tx.now).into());
    if has_generation(kind) {
        meta.insert("generation".into(), 1.into());
    }
    apply::track(tx, kind, asked_for.as_mut().unwrap_or(&mut object), None, "", &options.field_manager);
    if let Some(asked_for) = asked_for {
        metadata::keep(metadata::of(&mut object), &asked_for["metadata"], "managedFields");
    }
    admission::validate(tx, &Attributes { name: &key.name, ..attributes }, Some(&object))?;
    if view.get(&resource, &key.namespace, &key.name).is_some() {
        return Err(ApiError::already_exists(&resource, &key.name));
    }
    if kind.namespaced {
        quota::admit(&tx.api.inner.quotas, &view, &resource, &object, None)?;
    }
    policy::keep_status(tx.api, &view, kind, &mut object);
    convert::put(tx, kind, key, object, &options.origin)
}

pub(crate) fn update(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    object: Value,
    part: Part,
    options: &WriteOptions,
) -> Result<Object> {
    update_with(tx, kind, object, part, Account::Open, options)
}

pub(crate) fn update_with(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    mut object: Value,
    part: Part,
    account: Account,
    options: &WriteOptions,
) -> Result<Object> {
    let resource = kind.resource();
    admit::identify(kind, &mut object)?;
    if kind.namespaced && text(&object, "namespace").is_empty() {
        metadata::of(&mut object).insert("namespace".into(), "default".into());
    }
    if part == Part::Status && !kind.subresources.iter().any(|sub| sub == "status") {
        return Err(ApiError::new(404, "NotFound", "the server could not find the requested resource"));
    }
    let key = Key::new(&resource, text(&object, "namespace"), text(&object, "name"));
    let Some(previous) = convert::current(tx, kind, &key, &options.origin)? else {
        return Err(ApiError::not_found(&resource, &key.name));
    };
    check_current(&key, &object, &previous)?;
    admit::fields(tx.api, &tx.view(), kind, &mut object, options)?;
    let mut next = merge_part(kind, &previous, object, part);
    keep_bookkeeping(&mut next, &previous);
    let paths = if part == Part::Scale { Some(scale::paths(tx.api, kind)?) } else { None };
    let old = paths.as_ref().map(|paths| scale::shown(paths, &previous));
    let attributes = Attributes {
        operation: Operation::Update,
        kind,
        subresource: part.subresource(),
        namespace: admission::namespace(&key),
        name: &key.name,
        old: Some(old.as_ref().unwrap_or(&previous)),
        dry_run: tx.dry_run,
        origin: &options.origin,
    };
    let asked_for = mutation::of_changed(tx, &attributes, &mut next, &previous, part)?;
    admit::validate(tx.api, &tx.view(), kind, &next, Some(&previous))?;
    if part == Part::Main {
        admit::warn(kind, &next, Some(&previous), options);
    }
    match &paths {
        Some(paths) => admission::validate(tx, &attributes, Some(&scale::shown(paths, &next)))?,
        None => admission::validate(tx, &attributes, Some(&next))?,
    }
    if part != Part::Status && kind.namespaced {
        quota::admit(&tx.api.inner.quotas, &tx.view(), &resource, &next, Some(&previous))?;
    }
    account.close(tx, kind, (&mut next, asked_for), &previous, part.subresource(), &options.field_manager);
    finish(tx, kind, key, next, &previous, &options.origin)
}

/// Takes the ephemeral containers of `given`, and nothing else of it.
pub(crate) fn ephemeral_containers(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    key: Key,
    mut given: Value,
    previous: &Object,
    options: &WriteOptions,
) -> Result<Object> {
    check_current(&key, &given, previous)?;
    admit::fields(tx.api, &tx.view(), kind, &mut given, options)?;
    let mut next = with_ephemeral(previous, &mut given);
    admit::defaults(tx.api, &tx.view(), kind, &mut next);
    let attributes = Attributes {
        operation: Operation::Update,
        kind,
        subresource: "ephemeralcontainers",
        namespace: &key.namespace,
        name: &key.name,
        old: Some(previous),
        dry_run: tx.dry_run,
        origin: &options.origin,
    };
    mutation::of_part(tx, &attributes, &mut next, |changed| with_ephemeral(previous, changed))?;
    let causes = crate::link::validate_ephemeral(&next, previous);
    if !causes.is_empty() {
        return Err(ApiError::invalid(&kind.resource(), &kind.kind, &key.name, &causes));
    }
    admission::validate(tx, &attributes, Some(&next))?;
    apply::track(tx, kind, &mut next, Some(previous), "ephemeralcontainers", &options.field_manager);
    finish(tx, kind, key, next, previous, &options.origin)
}

/// `previous` with the ephemeral containers of `given`.
fn with_ephemeral(previous: &Value, given: &mut Value) -> Value {
    let mut next = previous.clone();
    let spec = metadata::field_map(&mut next, "spec");
    match given["spec"]["ephemeralContainers"].take() {
        Value::Array(list) if !list.is_empty() => spec.insert("ephemeralContainers".into(), list.into()),
        _ => spec.shift_remove("ephemeralContainers"),
    };
    next
}

/// Optimistic concurrency: what the caller says about the object that it has read must still be so.
fn check_current(key: &Key, object: &Value, previous: &Value) -> Result<()> {
    let uid = text(object, "uid");
    if !uid.is_empty() && uid != text(previous, "uid") {
        let is = text(previous, "uid");
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {is}");
        return Err(ApiError::conflict(key, &why));
    }
    let version = text(object, "resourceVersion");
    if !version.is_empty() && version != text(previous, "resourceVersion") {
        return Err(ApiError::stale(key));
    }
    Ok(())
}

fn merge_part(kind: &Kind, previous: &Value, mut object: Value, part: Part) -> Value {
    match part {
        Part::Main | Part::Scale => {
            if kind.subresources.iter().any(|sub| sub == "status")
                && let Some(fields) = object.as_object_mut()
            {
                metadata::keep(fields, previous, "status");
            }
            object
        }
        Part::Status => {
            let mut next = previous.clone();
            if let Some(fields) = next.as_object_mut() {
                metadata::keep(fields, &object, "status");
            }
            next
        }
    }
}

/// What upstream leaves out of the metadata when it is empty.
fn drop_empty(object: &mut Value) {
    let meta = metadata::of(object);
    for field in ["labels", "annotations", "finalizers", "ownerReferences", "managedFields"] {
        if meta.get(field).is_some_and(|value| value.is_null() || value == &json!([]) || value == &json!({}))
        {
            meta.remove(field);
        }
    }
}

/// Fields of the metadata that are the server's own.
fn keep_bookkeeping(next: &mut Value, previous: &Value) {
    let was = &previous["metadata"];
    let meta = metadata::of(next);
    for field in [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
        "generateName",
        "selfLink",
    ] {
        metadata::keep(meta, was, field);
    }
    // An empty list clears the account; nothing leaves it as it is.
    if meta.get("managedFields").is_none_or(Value::is_null) {
        metadata::keep(meta, was, "managedFields");
    }
    drop_empty(next);
}

/// Stores `next` unless nothing has changed; an object that has only waited for this goes.
pub(crate) fn finish(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    key: Key,
    mut next: Value,
    previous: &Object,
    origin: &Origin,
) -> Result<Object> {
    if has_generation(kind) && metadata::spec_differs(&next, previous) {
        let generation = previous["metadata"]["generation"].as_i64().unwrap_or_default();
        metadata::of(&mut next).insert("generation".into(), (generation + 1).into());
        policy::keep_status(tx.api, &tx.view(), kind, &mut next);
    }
    if metadata::is_deleting(&next) && may_go(&key, &next, previous) {
        return convert::remove(tx, kind, key, next, origin);
    }
    if metadata::same(&next, previous) {
        return Ok(previous.clone());
    }
    convert::put(tx, kind, key, next, origin)
}

/// Whether an object that is being deleted has nothing left to wait for. Pods also wait for their node, which
/// deletes them finally itself; namespaces for their emptying.
fn may_go(key: &Key, next: &Value, previous: &Value) -> bool {
    if !metadata::finalizers(next).is_empty() {
        return false;
    }
    match key.resource.as_str() {
        "namespaces" => next["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty),
        "pods" => {
            next["metadata"]["deletionGracePeriodSeconds"].as_i64() == Some(0)
                && !metadata::finalizers(previous).is_empty()
        }
        _ => true,
    }
}

/// Which kinds count their changes, as upstream does.
pub(crate) fn has_generation(kind: &Kind) -> bool {
    match kind.group.as_str() {
        "" => matches!(kind.plural.as_str(), "pods" | "replicationcontrollers"),
        "apps" => kind.plural != "controllerrevisions",
        "batch"
        | "networking.k8s.io"
        | "policy"
        | "discovery.k8s.io"
        | "apiextensions.k8s.io"
        | "scheduling.k8s.io"
        | "admissionregistration.k8s.io" => true,
        "autoscaling"
        | "coordination.k8s.io"
        | "events.k8s.io"
        | "rbac.authorization.k8s.io"
        | "storage.k8s.io"
        | "node.k8s.io"
        | "certificates.k8s.io"
        | "apiregistration.k8s.io"
        | "authentication.k8s.io"
        | "authorization.k8s.io" => false,
        // custom resources
        _ => true,
    }
}
