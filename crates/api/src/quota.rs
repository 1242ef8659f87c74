//! ResourceQuota at admission: what a write would add must fit beside what the namespace uses already.
//!
//! What is used is counted in the snapshot of the write itself, under the same lock: quotas cannot be overrun by writes
//! that race, and nothing waits for the controller that writes `status.used`.

use crate::metadata::text;
use crate::{ApiError, Result};
use parking_lot::Mutex;
use schema::quantity::Quantity;
use schema::usage::{self, Amounts};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use store::{Fold, Snapshot, View};

const QUOTAS: &str = "resourcequotas";
/// What each container must state if a quota limits it.
const STATED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// What the objects of a kind use of each quota, by the quota's uid and the kind; kept up by what has changed.
#[derive(Default)]
pub(crate) struct Memo(Mutex<HashMap<String, Counted>>);

struct Counted {
    spec: Value,
    kinds: HashMap<String, Fold<Amounts>>,
}

/// More quotas than this are not remembered: those that are gone stay in the memo.
const MOST_REMEMBERED: usize = 1000;

impl Memo {
    fn used(&self, view: &Snapshot, quota: &Value, resource: &str) -> Amounts {
        let mut known = self.0.lock();
        let uid = text(quota, "uid");
        let fresh = || Counted { spec: quota["spec"].clone(), kinds: HashMap::new() };
        if known.len() >= MOST_REMEMBERED && !known.contains_key(uid) {
            known.clear();
        }
        let counted = known.entry(uid.to_string()).or_insert_with(fresh);
        // Its scopes may be others now.
        if counted.spec != quota["spec"] {
            *counted = fresh();
        }
        let sum = counted.kinds.entry(resource.to_string()).or_default();
        let step = |used: &mut Amounts, before: Option<&Value>, after: Option<&Value>| {
            usage::recount(used, quota, resource, before, after);
        };
        sum.of(view, resource, text(quota, "namespace"), step).clone()
    }
}

pub(crate) fn admit(
    memo: &Memo,
    view: &Snapshot,
    resource: &str,
    object: &Value,
    previous: Option<&Value>,
) -> Result<()> {
    if previous.is_some() && !matches!(resource, "services" | "persistentvolumeclaims" | "pods") {
        return Ok(());
    }
    for quota in view.list(QUOTAS, text(object, "namespace")) {
        let hard = usage::amounts(&quota["spec"]["hard"]);
        if !usage::concerns(&hard, resource) || !usage::in_scope(&quota, resource, object) {
            continue;
        }
        let refuse = |why: String| {
            let quota = text(&quota, "name");
            Err(ApiError::forbidden(resource, shown_name(object), &why.replace("{quota}", quota)))
        };
        if resource == "pods" && previous.is_none() {
            let missing = unstated(&hard, object);
            if !missing.is_empty() {
                return refuse(format!("failed quota: {{quota}}: must specify {}", missing.join("; ")));
            }
        }
        if let Some(why) = exceeded(memo, view, &quota, &hard, resource, object, previous) {
            return refuse(format!("exceeded quota: {{quota}}, {why}"));
        }
    }
    Ok(())
}

/// The name, or for one that is yet to be made up, what it will start with.
fn shown_name(object: &Value) -> &str {
    match text(object, "generateName") {
        "" => text(object, "name"),
        prefix => prefix,
    }
}

fn unstated(hard: &Amounts, pod: &Value) -> Vec<String> {
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array().into_iter().flatten() {
            for name in STATED.iter().filter(|name| hard.contains_key(**name)) {
                let (which, resource) = name.split_once('.').unwrap_or(("requests", name));
                if container["resources"][which].get(resource).is_none() {
                    missing.entry(name).or_default().push(container["name"].as_str().unwrap_or_default());
                }
            }
        }
    }
    let line = |(name, mut containers): (&str, Vec<&str>)| {
        containers.sort_unstable();
        format!("{name} for: {}", containers.join(","))
    };
    missing.into_iter().map(line).collect()
}

fn exceeded(
    memo: &Memo,
    view: &Snapshot,
    quota: &Value,
    hard: &Amounts,
    resource: &str,
    object: &Value,
    previous: Option<&Value>,
) -> Option<String> {
    let before = previous.map(|old| usage::of_object(resource, old)).unwrap_or_default();
    let mut asked = usage::of_object(resource, object);
    for (name, amount) in &mut asked {
        if let Some(old) = before.get(name) {
            *amount = amount.minus(*old);
        }
    }
    asked.retain(|name, amount| amount.nanos() > 0 && hard.contains_key(name));
    if asked.is_empty() {
        return None;
    }
    let used = memo.used(view, quota, resource);
    let of = |amounts: &Amounts, name: &str| amounts.get(name).copied().unwrap_or_else(Quantity::zero);
    let over: Vec<&String> = asked
        .keys()
        .filter(|name| of(&asked, name).nanos() + of(&used, name).nanos() > of(hard, name).nanos())
        .collect();
    if over.is_empty() {
        return None;
    }
    let show = |amounts: &Amounts| {
        let parts: Vec<String> =
            over.iter().map(|name| format!("{name}={}", of(amounts, name).canonical())).collect();
        parts.join(",")
    };
    Some(format!("requested: {}, used: {}, limited: {}", show(&asked), show(&used), show(hard)))
}
