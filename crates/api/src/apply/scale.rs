//! Applying the `scale` subresource: of the object's fields it is about one, the replicas.

use super::fields::FieldSet;
use super::managers::{Managers, Operation, Owner};
use super::{before, now, same_object, untypable};
use crate::metadata::text;
use crate::transaction::Transaction;
use crate::write::{self, Account, Part};
use crate::{ApiError, Key, Object, Result, WriteOptions, convert, link, patching, scale};
use schema::Kind;
use serde_json::{Value, json};
use std::sync::Arc;

const API_VERSION: &str = "autoscaling/v1";
const KIND: &str = "Scale";

pub(crate) fn apply(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    key: &Key,
    force: bool,
    config: &Value,
    options: &WriteOptions,
) -> Result<Object> {
    let paths = scale::paths(tx.api, kind)?;
    let config = checked(key, config)?;
    let live = convert::current(tx, kind, key, &options.origin)?;
    let live = live.ok_or_else(|| ApiError::not_found(key.resource.as_str(), &key.name))?;
    same_object(key, Some(&live), text(&config, "uid"))?;
    let owner = Owner {
        manager: options.field_manager.clone(),
        operation: Operation::Apply,
        api_version: kind.api_version(),
        subresource: "scale".into(),
    };
    let replicas = FieldSet::of_path(&paths.spec);
    let mut managers = Managers::of(&live);
    if managers.is_empty() {
        managers.set(before(&owner), replicas.clone(), &now(tx));
    }
    let mut asked = scale::shown(&paths, &live);
    let before = asked["spec"]["replicas"].clone();
    let wanted = match config["spec"].get("replicas") {
        Some(number) => {
            asked["spec"]["replicas"] = number.clone();
            replicas.clone()
        }
        None => {
            // Who lets go of what nobody else holds removes it, and none are no replicas.
            let held = |set: FieldSet| !set.intersection(&replicas).is_empty();
            if held(managers.fields(&owner)) && !held(managers.union_without(&owner)) {
                asked["spec"]["replicas"] = json!(0);
            }
            FieldSet::default()
        }
    };
    let changed = if asked["spec"]["replicas"] == before { FieldSet::default() } else { replicas };
    let conflicts = managers.conflicts(&owner, &changed);
    if !force && !conflicts.is_empty() {
        return Err(conflicts.error());
    }
    managers.give_up(&owner, &changed, &FieldSet::default());
    managers.set(owner, wanted, &now(tx));
    if let Some(version) = config["metadata"].get("resourceVersion") {
        asked["metadata"]["resourceVersion"] = version.clone();
    }
    let next = scale::scaled(&paths, key, &live, &asked)?;
    let untracked = WriteOptions { field_manager: String::new(), ..options.clone() };
    let account = Account::Kept(managers.into_value());
    let stored = write::update_with(tx, kind, next, Part::Scale, account, &untracked)?;
    Ok(Arc::new(scale::shown(&paths, &stored)))
}

fn checked(key: &Key, config: &Value) -> Result<Value> {
    let mut config = config.clone();
    super::is_configuration(&config)?;
    let (api_version, kind) = (config["apiVersion"].as_str(), config["kind"].as_str());
    if (api_version, kind) != (Some(API_VERSION), Some(KIND)) {
        let of = super::gvk(api_version.unwrap_or_default(), kind.unwrap_or_default());
        return Err(ApiError::bad_request(format!("invalid object type: {of}")));
    }
    patching::unmoved(key, &mut config)?;
    super::drop_nulls(&mut config);
    let problems = link::untypable(API_VERSION, KIND, &config);
    if problems.is_empty() { Ok(config) } else { Err(untypable(key, API_VERSION, KIND, &problems)) }
}
