//! Server-side apply, and who owns which field.
//!
//! [`types`] says how fields merge, [`fields`] is a set of field paths (`fieldsV1`), [`walk`] makes such sets of objects
//! and of the difference of two, [`merge`] merges an applied configuration into an object, [`managers`] reads and writes
//! `metadata.managedFields`. What happens follows Kubernetes' structured merge and diff.

mod fields;
mod managers;
mod merge;
mod types;
mod walk;

use crate::metadata::{self, text};
use crate::transaction::Transaction;
use crate::write::{self, Part};
use crate::{ApiError, Key, Object, Result, WriteOptions, admit};
use fields::FieldSet;
use managers::{Managers, Operation, Owner};
use schema::Kind;
use serde_json::{Value, json};
use store::View;
pub(crate) use types::{Custom, Keys, Shape};

/// Whose the fields are of an object that was made when nobody kept account.
const BEFORE: &str = "before-first-apply";

pub(crate) fn apply(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    key: &Key,
    force: bool,
    subresource: &str,
    config: &Value,
    options: &WriteOptions,
) -> Result<Object> {
    let mut config = checked(kind, key, config)?;
    admit::fields(tx.api, &tx.view(), kind, &mut config, options)?;
    let resource = key.resource.as_str();
    let live = tx.view().get(resource, &key.namespace, &key.name);
    if let Some(live) = &live {
        let uid = text(&config, "uid");
        if !uid.is_empty() && uid != text(live, "uid") {
            let is = text(live, "uid");
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {is}");
            return Err(ApiError::conflict(key, &why));
        }
    } else if !text(&config, "uid").is_empty() {
        let uid = text(&config, "uid");
        let why = format!(
            "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        );
        return Err(ApiError::conflict(key, &why));
    }
    let owner = Owner {
        manager: options.field_manager.clone(),
        operation: Operation::Apply,
        api_version: kind.api_version(),
        subresource: subresource.to_string(),
    };
    let root = types::root(tx, kind);
    if let Some(problem) = walk::repeated(&config, &root, "") {
        return Err(untypable(kind, key, &problem));
    }
    let given = walk::fields_of(&config, &root);
    let wanted = scoped(given.clone(), kind, subresource);
    let Some(live) = live else {
        if !subresource.is_empty() {
            return Err(ApiError::not_found(resource, &key.name));
        }
        let mut managers = Managers::default();
        managers.set(owner, wanted, &now(tx));
        metadata::of(&mut config).insert("managedFields".into(), managers.to_value());
        // The account is this apply's; creating must not add an entry of its own.
        let untracked = WriteOptions { field_manager: String::new(), ..options.clone() };
        return write::create(tx, kind, config, &untracked);
    };
    let mut managers = Managers::of(&live);
    if managers.is_empty() {
        let all = walk::fields_of(&live, &root).without_bookkeeping();
        let before = Owner { manager: BEFORE.into(), operation: Operation::Update, ..owner.clone() };
        managers.set(Owner { subresource: String::new(), ..before }, all, &now(tx));
    }
    let last = managers.fields(&owner);
    let mut next = merge::merge(&live, &config, &root);
    // Also what nobody owns, such as the name, keeps what it stands in.
    let keep = managers.union_without(&owner).union(&given);
    merge::prune(&mut next, &last, &keep, &root);
    let difference = walk::compare(&live, &next, &root);
    let changed = scoped(difference.changed(), kind, subresource);
    managers.give_up(&owner, &changed, &difference.removed, force)?;
    managers.set(owner, wanted, &now(tx));
    metadata::of(&mut next).insert("managedFields".into(), managers.to_value());
    // The applied version is checked like any other, if the caller gave one.
    match config["metadata"].get("resourceVersion") {
        Some(version) => metadata::of(&mut next).insert("resourceVersion".into(), version.clone()),
        None => metadata::of(&mut next).remove("resourceVersion"),
    };
    let part = if subresource == "status" { Part::Status } else { Part::Main };
    let untracked = WriteOptions { field_manager: String::new(), ..options.clone() };
    write::update(tx, kind, next, part, &untracked)
}

/// A configuration whose lists cannot be merged; upstream's answer has no reason either.
fn untypable(kind: &Kind, key: &Key, problem: &str) -> ApiError {
    let message = format!(
        "failed to create typed patch object ({}/{}; {}, Kind={}): {problem}",
        key.namespace,
        key.name,
        kind.api_version(),
        kind.kind
    );
    ApiError::new(500, "", message)
}

fn now(tx: &Transaction<'_>) -> String {
    metadata::timestamp(tx.now)
}

fn checked(kind: &Kind, key: &Key, config: &Value) -> Result<Value> {
    let mut config = config.clone();
    if !config.is_object() {
        return Err(ApiError::bad_request("the body of the request must be an object"));
    }
    for field in ["apiVersion", "kind"] {
        if config[field].as_str().is_none_or(str::is_empty) {
            return Err(ApiError::bad_request(format!("invalid object type: {field} must be set")));
        }
    }
    admit::identify(kind, &mut config)?;
    if config["metadata"]
        .get("managedFields")
        .is_some_and(|managed| managed != &json!([]) && !managed.is_null())
    {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    for (field, wanted) in [("name", &key.name), ("namespace", &key.namespace)] {
        let given = text(&config, field);
        if given.is_empty() && !wanted.is_empty() {
            metadata::of(&mut config).insert(field.into(), Value::String(wanted.to_string()));
        } else if given != &**wanted {
            return Err(ApiError::bad_request(format!(
                "the {field} of the object ({given}) does not match the {field} on the URL ({wanted})"
            )));
        }
    }
    drop_nulls(&mut config);
    Ok(config)
}

/// A null in an applied configuration says nothing about its field.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Only what a write of this part of the object can own.
fn scoped(set: FieldSet, kind: &Kind, subresource: &str) -> FieldSet {
    let set = set.without_bookkeeping();
    let has_status = kind.subresources.iter().any(|sub| sub == "status");
    match subresource {
        "status" => set.only("status"),
        _ if has_status => set.without("status"),
        _ => set,
    }
}

/// A client that sends one empty entry wants the account to be empty.
fn forget_if_asked(object: &mut Value) {
    let managed = object["metadata"].get("managedFields").and_then(Value::as_array);
    let asked =
        managed.is_some_and(|list| matches!(list.as_slice(), [one] if one == &json!({}) || one.is_null()));
    if asked {
        metadata::of(object).remove("managedFields");
    }
}

/// Keeps account of an update or a patch: what it changed is now its manager's.
pub(crate) fn track(
    tx: &Transaction<'_>,
    kind: &Kind,
    next: &mut Value,
    previous: Option<&Value>,
    subresource: &str,
    manager: &str,
) {
    if manager.is_empty() {
        return;
    }
    let root = types::root(tx, kind);
    forget_if_asked(next);
    let owner = Owner {
        manager: manager.to_string(),
        operation: Operation::Update,
        api_version: kind.api_version(),
        subresource: subresource.to_string(),
    };
    // A client may clear the account, or hand over what `kubectl apply` owned: what it sends counts then.
    let mut managers = Managers::of(next);
    let empty = json!({});
    let difference = walk::compare(previous.unwrap_or(&empty), next, &root);
    let changed = scoped(difference.changed(), kind, subresource);
    if changed.is_empty() && difference.removed.is_empty() {
        return;
    }
    managers.give_up(&owner, &changed, &difference.removed, true).expect("forced");
    let fields = managers.fields(&owner).union(&changed).difference(&difference.removed);
    managers.set(owner, fields, &now(tx));
    metadata::of(next).insert("managedFields".into(), managers.to_value());
}

#[cfg(test)]
mod tests;
