//! ResourceQuota: `status.used`, for people to read. What a quota refuses, `api` decides by counting itself.

use crate::access::{self, at};
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use schema::quantity::Quantity;
use schema::usage::{self, Amounts};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use store::{Change, Fold, Key};

const QUOTAS: &str = "resourcequotas";

/// What the objects of a kind use of each quota, kept up by what has changed.
#[derive(Default)]
pub(crate) struct Quotas {
    counted: Mutex<HashMap<Key, Counted>>,
}

struct Counted {
    spec: Value,
    kinds: BTreeMap<String, Fold<Amounts>>,
}

impl Controller for Quotas {
    fn name(&self) -> &'static str {
        "resourcequota-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        let resource = &*change.key.resource.0;
        if resource == QUOTAS {
            // A quota also counts among the objects that quotas limit.
            let others = server.list(QUOTAS, &change.key.namespace);
            return others.iter().map(|quota| access::key_of(QUOTAS, quota)).collect();
        }
        if change.key.namespace.is_empty() || resource == "events" {
            return Vec::new();
        }
        let quotas = server.list(QUOTAS, &change.key.namespace);
        if quotas.is_empty() {
            return Vec::new();
        }
        let used = |object| usage::of_object(resource, object);
        let moves = change.kind != store::ChangeKind::Modified
            || change.previous.as_ref().is_none_or(|old| used(old) != used(&change.object));
        let limits = |quota: &&store::Object| {
            moves && usage::concerns(&usage::amounts(at(quota, &["spec", "hard"])), resource)
        };
        quotas.iter().filter(limits).map(|quota| access::key_of(QUOTAS, quota)).collect()
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(quota) = server.get(QUOTAS, &key.namespace, &key.name) else {
            counted.remove(key);
            return outcome;
        };
        let hard = usage::amounts(at(&quota, &["spec", "hard"]));
        let mut used: Amounts = hard.keys().map(|name| (name.clone(), Quantity::zero())).collect();
        let spec = at(&quota, &["spec"]);
        let fresh = || Counted { spec: spec.clone(), kinds: BTreeMap::new() };
        let counted = counted.entry(key.clone()).or_insert_with(fresh);
        // Its scopes may be others now.
        if counted.spec != *spec {
            *counted = fresh();
        }
        for resource in server.namespaced_resources() {
            if !usage::concerns(&hard, &resource) {
                continue;
            }
            let sum = counted.kinds.entry(resource.clone()).or_default();
            let step = |used: &mut Amounts, before: Option<&Value>, after: Option<&Value>| {
                usage::recount(used, &quota, &resource, before, after);
            };
            for (name, amount) in sum.of(server, &resource, &key.namespace, step) {
                used.entry(name.clone()).and_modify(|sum| *sum = sum.plus(*amount));
            }
        }
        let status = json!({"hard": at(&quota, &["spec", "hard"]), "used": usage::to_value(&used)});
        outcome.writes.extend(access::status_write(QUOTAS, &quota, status));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Small;

    #[test]
    fn what_is_used() {
        let mut world = Small::default();
        let key = world.put(
            QUOTAS,
            json!({
                "metadata": {"name": "q", "namespace": "default"},
                "spec": {"hard": {"pods": "5", "requests.cpu": "2", "count/configmaps": "9", "secrets": "1"}},
            }),
        );
        for (name, phase) in [("a", "Running"), ("b", "Pending"), ("c", "Succeeded")] {
            world.put(
                "pods",
                json!({
                    "metadata": {"name": name, "namespace": "default"}, "status": {"phase": phase},
                    "spec": {"containers": [{"resources": {"requests": {"cpu": "250m"}}}]},
                }),
            );
        }
        world.put("configmaps", json!({"metadata": {"name": "m", "namespace": "default"}}));
        world.put("configmaps", json!({"metadata": {"name": "m", "namespace": "other"}}));
        let outcome = Quotas::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH);
        let [store::Write::UpdateStatus { object, .. }] = &outcome.writes[..] else { panic!("one status") };
        let want = json!({"count/configmaps": "1", "pods": "2", "requests.cpu": "500m", "secrets": "0"});
        assert_eq!(object["status"]["used"], want);
    }
}
