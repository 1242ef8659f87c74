//! ClusterRoles that are made of others: `aggregationRule` selects them by label, this controller writes their rules.

use crate::access::{self, at, list_at, name};
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, Key, Write};

const ROLES: &str = "rbac.authorization.k8s.io/clusterroles";

pub(crate) struct Aggregation;

impl Controller for Aggregation {
    fn name(&self) -> &'static str {
        "clusterrole-aggregation-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        if &*change.key.resource.0 != ROLES {
            return Vec::new();
        }
        let aggregated = |role: &Value| at(role, &["aggregationRule"]).is_object();
        server
            .list(ROLES, "")
            .iter()
            .filter(|role| aggregated(role))
            .map(|role| access::key_of(ROLES, role))
            .collect()
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(role) = server.get(ROLES, &key.namespace, &key.name) else { return outcome };
        let selectors = list_at(&role, &["aggregationRule", "clusterRoleSelectors"]);
        if selectors.is_empty() {
            return outcome;
        }
        let mut rules: Vec<Value> = Vec::new();
        for other in server.list(ROLES, "") {
            let labels = at(&other, &["metadata", "labels"]);
            if name(&other) == &*key.name || !selectors.iter().any(|s| access::labels_match(s, labels)) {
                continue;
            }
            for rule in list_at(&other, &["rules"]) {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
        if list_at(&role, &["rules"]) != rules.as_slice() {
            let patch = json!({ "rules": rules });
            outcome.write(Write::Merge { key: key.clone(), subresource: "", patch });
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Small;

    #[test]
    fn rules_are_gathered_and_written_once() {
        let mut world = Small::default();
        let rule = |verb: &str| json!({ "verbs": [verb], "apiGroups": [""], "resources": ["pods"] });
        let selector = json!({ "clusterRoleSelectors": [{ "matchLabels": { "to": "all" } }] });
        let key = world.put(
            ROLES,
            json!({ "metadata": { "name": "all", "labels": { "to": "all" } }, "aggregationRule": selector }),
        );
        let part = |name: &str, label: &str, verb: &str| json!({ "metadata": { "name": name, "labels": { "to": label } }, "rules": [rule(verb), rule("list")] });
        for (name, label, verb) in [("b", "all", "get"), ("a", "all", "watch"), ("c", "none", "delete")] {
            world.put(ROLES, part(name, label, verb));
        }
        let rules = json!([rule("watch"), rule("list"), rule("get")]);
        let outcome = Aggregation.reconcile(&world, &key, Timestamp::UNIX_EPOCH);
        let patch = json!({ "rules": rules });
        assert_eq!(outcome.writes, [Write::Merge { key: key.clone(), subresource: "", patch }]);
        world.put(
            ROLES,
            json!({ "metadata": { "name": "all" }, "aggregationRule": selector, "rules": rules }),
        );
        assert_eq!(Aggregation.reconcile(&world, &key, Timestamp::UNIX_EPOCH).writes, []);
    }
}
