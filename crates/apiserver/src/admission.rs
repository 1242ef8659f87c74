//! What admission is told of a request.

use crate::resources::Call;
use api::{Origin, UserInfo, Warnings};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Where a write comes from. Its warnings go where those of the write go.
pub(crate) fn origin(call: &Call, warnings: &Warnings) -> Origin {
    let user = &call.user;
    let user = UserInfo {
        username: user.name.clone(),
        uid: user.uid.clone(),
        groups: user.groups.clone(),
        extra: user.extra.clone(),
    };
    let mut origin = Origin::of(Arc::new(user));
    origin.api_version = call.output().api_version;
    for name in ["fieldManager", "fieldValidation"] {
        let given = call.query.text(name);
        if !given.is_empty() {
            origin.options.insert(name.into(), given.into());
        }
    }
    origin.warnings = warnings.clone();
    origin
}

/// The options of a deletion, those of its body or else those of its URL.
pub(crate) fn of_deletion(call: &Call, warnings: &Warnings, body: &Value) -> Origin {
    let mut origin = origin(call, warnings);
    origin.options = match body.as_object() {
        Some(given) if !given.is_empty() => given.clone(),
        _ => from_query(call),
    };
    for field in ["kind", "apiVersion", "dryRun"] {
        origin.options.shift_remove(field);
    }
    origin
}

fn from_query(call: &Call) -> Map<String, Value> {
    let mut options = Map::new();
    if let Ok(seconds) = call.query.text("gracePeriodSeconds").parse::<i64>() {
        options.insert("gracePeriodSeconds".into(), seconds.into());
    }
    let propagation = call.query.text("propagationPolicy");
    if !propagation.is_empty() {
        options.insert("propagationPolicy".into(), propagation.into());
    }
    options
}
