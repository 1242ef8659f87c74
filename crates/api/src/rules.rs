//! The rules of custom resources in CEL (`x-kubernetes-validations`).
//!
//! Rules are checked against their schema's types when a definition is written ([`mod@check`]), compiled ([`compile`]) and kept until
//! it changes; those that may be too expensive are refused ([`cost`]). They are evaluated ([`walk`]) when an object has the shape of its schema, within upstream's limits of cost.

mod check;
mod compile;
mod cost;
mod walk;

pub(crate) use check::problems;

use crate::{Api, Object, structural};
use compile::Rules;
use parking_lot::Mutex;
use schema::Kind;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use store::Snapshot;

/// Field, reason, text.
type Cause = (String, String, String);

const RULES: &str = "x-kubernetes-validations";

/// Problems of an object that make its rules meaningless; with others they are looked at all the same.
pub(crate) const HINDERS: [&str; 5] = [
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
];

struct Compiled {
    made_from: Object,
    /// None: the kind has no rules.
    rules: Option<Arc<Rules>>,
}

/// The rules of custom kinds as they were compiled last, by kind and version.
#[derive(Default)]
pub(crate) struct Known(Mutex<HashMap<String, Compiled>>);

/// What the rules of a custom kind refuse, in upstream's words. `fits`: whether the object has the shape of its schema.
pub(crate) fn check(
    api: &Api,
    view: &Snapshot,
    kind: &Kind,
    object: &Value,
    previous: Option<&Value>,
    fits: bool,
) -> Vec<Cause> {
    let Some((definition, rules)) = compiled(api, view, kind) else { return Vec::new() };
    if !fits {
        let text = "Invalid value: \"null\": some validation rules were not checked because the object was invalid; \
                    correct the existing errors to complete validation";
        return vec![("<nil>".into(), "FieldValueInvalid".into(), text.into())];
    }
    walk::check(&rules, structural::schema_in(&definition, kind), object, previous)
}

fn compiled(api: &Api, view: &Snapshot, kind: &Kind) -> Option<(Object, Arc<Rules>)> {
    let definition = structural::definition_of(view, kind)?;
    let resource = format!("{} {}", kind.resource(), kind.api_version());
    let mut known = api.inner.rules.0.lock();
    let is_fresh = |known: &Compiled| Arc::ptr_eq(&known.made_from, &definition);
    if !known.get(&resource).is_some_and(is_fresh) {
        let rules = compile::compile(structural::schema_in(&definition, kind)).map(Arc::new);
        let made = Compiled { made_from: definition.clone(), rules };
        known.insert(resource.clone(), made);
    }
    let rules = known.get(&resource)?.rules.clone()?;
    Some((definition, rules))
}

#[cfg(test)]
mod tests;
