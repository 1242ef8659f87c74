//! `pods/resize`: the CPU and the memory of a pod's containers, while it runs.

use super::{Account, check_current, finish, mutation};
use crate::admission::{self, Attributes, Operation};
use crate::transaction::Transaction;
use crate::{ApiError, Key, Object, Result, WriteOptions, admit, limits, link, metadata, pods, quota};
use schema::Kind;
use serde_json::Value;

/// Takes the resources of the containers of `given`, and nothing else of it.
pub(crate) fn resize(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    key: Key,
    mut given: Value,
    previous: &Object,
    account: Account,
    options: &WriteOptions,
) -> Result<Object> {
    check_current(&key, &given, previous)?;
    admit::fields(tx.api, &tx.view(), kind, &mut given, options)?;
    let mut next = with_resources(previous, &given);
    admit::defaults(tx.api, &tx.view(), kind, &mut next);
    let attributes = Attributes {
        operation: Operation::Update,
        kind,
        subresource: "resize",
        namespace: &key.namespace,
        name: &key.name,
        old: Some(previous),
        dry_run: tx.dry_run,
        origin: &options.origin,
    };
    mutation::of_part(tx, &attributes, &mut next, |changed| with_resources(previous, changed))?;
    let view = tx.view();
    limits::admit(&view, "pods", &mut next)?;
    let class = previous["status"]["qosClass"].as_str().unwrap_or_else(|| pods::qos_class(previous));
    let causes = link::validate_resize(&next, previous, (class, pods::qos_class(&next)));
    if !causes.is_empty() {
        return Err(ApiError::invalid(&kind.resource(), &kind.kind, &key.name, &causes));
    }
    admission::validate(tx, &attributes, Some(&next))?;
    quota::admit(&tx.api.inner.quotas, &view, "pods", &next, Some(previous))?;
    account.close(tx, kind, (&mut next, None), previous, "resize", &options.field_manager);
    finish(tx, kind, key, next, previous, &options.origin)
}

/// `previous` with the resources of the containers of `given`, in its order: what is moved or new is refused later.
fn with_resources(previous: &Value, given: &Value) -> Value {
    let mut next = previous.clone();
    let spec = metadata::field_map(&mut next, "spec");
    for field in ["containers", "initContainers"] {
        let Some(list) = given["spec"][field].as_array() else { continue };
        let known = |name: &Value| -> Option<&Value> {
            previous["spec"][field].as_array()?.iter().find(|old| old["name"] == *name)
        };
        let merged = list.iter().map(|container| {
            let Some(old) = known(&container["name"]) else { return container.clone() };
            let mut merged = old.clone();
            for part in ["resources", "resizePolicy"] {
                match (container.get(part), merged.as_object_mut()) {
                    (Some(value), Some(merged)) => drop(merged.insert(part.into(), value.clone())),
                    (None, Some(merged)) => drop(merged.shift_remove(part)),
                    _ => {}
                }
            }
            merged
        });
        spec.insert(field.into(), merged.collect());
    }
    next
}
