//! Server-side apply, and who owns which field.
//!
//! [`types`] says how fields merge, [`fields`] is a set of field paths (`fieldsV1`), [`walk`] makes such sets of objects
//! and of the difference of two, [`merge`] merges an applied configuration into an object, [`managers`] reads and writes
//! `metadata.managedFields`, [`last_applied`] lets objects of older kubectls move here, [`scale`] is the same for the `scale`
//! subresource, [`always`] knows structs that are never missing. What happens follows Kubernetes' structured merge and diff.

mod always;
mod fields;
mod last_applied;
mod managers;
mod merge;
mod scale;
mod types;
mod walk;

use crate::metadata::{self, text};
use crate::transaction::Transaction;
use crate::write::{self, Account, Part};
use crate::{ApiError, Key, Object, Result, WriteOptions, admit, convert};
use fields::FieldSet;
use managers::{Conflicts, Managers, Operation, Owner};
pub(crate) use merge::merge;
pub(crate) use scale::apply as apply_scale;
use schema::Kind;
use serde_json::{Value, json};
pub(crate) use types::{Custom, Keys, Shape, problems, root};

const RESIZE: &str = "resize";
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
    let given_config = config;
    let mut config = checked(kind, key, config)?;
    let problems = types::problems(tx, kind, &config);
    if !problems.is_empty() {
        return Err(untypable(key, &kind.api_version(), &kind.kind, &problems));
    }
    admit::fields(tx.api, &tx.view(), kind, &mut config, options)?;
    let resource = key.resource.as_str();
    let live = convert::current(tx, kind, key, &options.origin)?;
    same_object(key, live.as_deref(), text(&config, "uid"))?;
    if live.is_none() && !subresource.is_empty() {
        return Err(ApiError::not_found(resource, &key.name));
    }
    let owner = Owner {
        manager: options.field_manager.clone(),
        operation: Operation::Apply,
        api_version: kind.api_version(),
        subresource: subresource.to_string(),
    };
    let root = types::root(tx, kind);
    let given = walk::fields_of(&config, &root);
    let wanted = scoped(given.clone(), kind, subresource);
    // What is written has its account, or gets it below; none is kept on the way.
    let untracked = WriteOptions { field_manager: String::new(), ..options.clone() };
    let Some(live) = live else {
        let mut managers = Managers::default();
        managers.set(owner, wanted, &now(tx));
        metadata::of(&mut config).insert("managedFields".into(), managers.into_value());
        return write::create(tx, kind, config, &untracked);
    };
    let mut managers = Managers::of(&live);
    if managers.is_empty() {
        let all = scoped(walk::fields_of(&live, &root), kind, subresource);
        managers.set(before(&owner), all, &now(tx));
    }
    let last = managers.fields(&owner);
    let mut next = merge::merge(&live, &config, &root);
    // Also what nobody owns, such as the name, keeps what it stands in.
    let keep = managers.union_without(&owner).union(given);
    merge::prune(&mut next, &last, &keep, &root);
    let difference = walk::compare(&live, &next, &root, always::of(kind));
    let (changed, removed) = difference.into_parts();
    let changed = scoped(changed, kind, subresource);
    if !force {
        without_conflict(tx, kind, &live, &root, managers.conflicts(&owner, &changed), &owner)?;
    }
    managers.give_up(&owner, &changed, &removed);
    if last_applied::concerns(&owner.manager) && subresource.is_empty() {
        last_applied::keep_current(&mut next, given_config);
    }
    managers.set(owner, wanted, &now(tx));
    // The applied version is checked like any other, if the caller gave one.
    match config["metadata"].get("resourceVersion") {
        Some(version) => metadata::of(&mut next).insert("resourceVersion".into(), version.clone()),
        None => metadata::of(&mut next).remove("resourceVersion"),
    };
    if subresource == RESIZE {
        let account = Account::Kept(managers.into_value());
        return write::resize(tx, kind, key.clone(), next, &live, account, &untracked);
    }
    let part = if subresource == "status" { Part::Status } else { Part::Main };
    write::update_with(tx, kind, next, part, Account::Kept(managers.into_value()), &untracked)
}

/// Refuses what would take fields from others, but for those that older kubectls hold in the applier's name.
fn without_conflict(
    tx: &Transaction<'_>,
    kind: &Kind,
    live: &Value,
    root: &Shape,
    mut conflicts: Conflicts,
    owner: &Owner,
) -> Result<()> {
    if last_applied::concerns(&owner.manager) && !conflicts.is_empty() {
        let fits = |object: &Value| types::problems(tx, kind, object).is_empty();
        let allowed = last_applied::unchanged(live, &kind.api_version(), root, fits);
        conflicts = conflicts.without(&allowed.unwrap_or_default());
    }
    if conflicts.is_empty() { Ok(()) } else { Err(conflicts.error()) }
}

/// Whose everything is in an object of which nobody kept account, when somebody begins to.
fn before(owner: &Owner) -> Owner {
    Owner { manager: BEFORE.into(), operation: Operation::Update, ..owner.clone() }
}

/// An apply that names an object by its uid means no other, and no new one.
fn same_object(key: &Key, live: Option<&Value>, uid: &str) -> Result<()> {
    match live {
        _ if uid.is_empty() => Ok(()),
        Some(live) if text(live, "uid") == uid => Ok(()),
        Some(live) => {
            let is = text(live, "uid");
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {is}");
            Err(ApiError::conflict(key, &why))
        }
        None => {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            Err(ApiError::conflict(key, &why))
        }
    }
}

/// A configuration that does not fit its type; upstream's answer has no reason either.
fn untypable(key: &Key, api_version: &str, kind: &str, problems: &[String]) -> ApiError {
    let what = match problems {
        [one] => one.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    let of = gvk(api_version, kind);
    let message =
        format!("failed to create typed patch object ({}/{}; {of}): {what}", key.namespace, key.name);
    ApiError::new(500, "", message)
}

/// `apps/v1, Kind=Deployment`, as Go prints a group, version and kind.
fn gvk(api_version: &str, kind: &str) -> String {
    let (group, version) = crate::split_api_version(api_version);
    format!("{group}/{version}, Kind={kind}")
}

fn now(tx: &Transaction<'_>) -> String {
    metadata::timestamp(tx.now)
}

fn checked(kind: &Kind, key: &Key, config: &Value) -> Result<Value> {
    let mut config = config.clone();
    is_configuration(&config)?;
    let (api_version, named) = (config["apiVersion"].as_str(), config["kind"].as_str());
    let (api_version, named) = (api_version.unwrap_or_default(), named.unwrap_or_default());
    let (group, version) = crate::split_api_version(api_version);
    if named != kind.kind || group != kind.group || !kind.versions.iter().any(|known| known == version) {
        return Err(ApiError::bad_request(format!("invalid object type: {}", gvk(api_version, named))));
    }
    admit::identify(kind, &mut config)?;
    crate::patching::unmoved(key, &mut config)?;
    drop_nulls(&mut config);
    Ok(config)
}

/// An object, which does not say itself whose its fields are.
fn is_configuration(config: &Value) -> Result<()> {
    if !config.is_object() {
        return Err(ApiError::bad_request("the body of the request must be an object"));
    }
    if config["metadata"].get("managedFields").is_some_and(|managed| !managed.is_null()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
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
        RESIZE => set.resources(),
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
    forget_if_asked(next);
    // A client may clear the account, or hand over what `kubectl apply` owned: what it sends counts then.
    let mut managers = Managers::of(next);
    if previous.is_some() && managers.is_empty() {
        // As upstream: what nobody has kept account of is not begun with in the middle.
        return;
    }
    let root = types::root(tx, kind);
    let owner = Owner {
        manager: manager.to_string(),
        operation: Operation::Update,
        api_version: kind.api_version(),
        subresource: subresource.to_string(),
    };
    let empty = json!({});
    let difference = walk::compare(previous.unwrap_or(&empty), next, &root, always::of(kind));
    let (changed, removed) = difference.into_parts();
    let changed = scoped(changed, kind, subresource);
    if changed.is_empty() && removed.is_empty() {
        return;
    }
    managers.give_up(&owner, &changed, &removed);
    let fields = managers.fields(&owner).union(changed).difference(&removed);
    managers.set(owner, fields, &now(tx));
    managers.cap();
    metadata::of(next).insert("managedFields".into(), managers.into_value());
}

#[cfg(test)]
mod tests;
