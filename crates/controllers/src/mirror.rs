//! EndpointSlices of Endpoints that people write themselves, for Services without a selector.

use crate::access::{self, at, is_deleting, list_at, str_at};
use crate::endpoints::{ENDPOINTS, Group, MANAGED_BY, Owner, SERVICES, SLICES, are_managed, write_slices};
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::{Change, ChangeKind, Key};

const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

const NOT_COPIED: [&str; 2] =
    ["endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"];

pub(crate) struct Mirror;

impl Controller for Mirror {
    fn name(&self) -> &'static str {
        "endpointslice-mirroring-controller"
    }

    fn concerns(&self, _server: &dyn Server, change: &Change) -> Vec<Key> {
        let named = |name: &str| vec![access::key(ENDPOINTS, &change.key.namespace, name)];
        match &*change.key.resource.0 {
            ENDPOINTS | SERVICES => named(&change.key.name),
            SLICES if change.kind == ChangeKind::Deleted => {
                let labels = at(&change.object, &["metadata", "labels"]);
                if str_at(labels, &[MANAGED_BY]) == MANAGER {
                    named(str_at(labels, &["kubernetes.io/service-name"]))
                } else {
                    Vec::new()
                }
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let source = server.get(ENDPOINTS, &key.namespace, &key.name).filter(|e| mirrored(e));
        let service = server.get(SERVICES, &key.namespace, &key.name).filter(|s| {
            !is_deleting(s) && at(s, &["spec", "selector"]).as_object().is_none_or(Map::is_empty)
        });
        let groups = match (&source, &service) {
            (Some(source), Some(_)) => groups(source),
            _ => Vec::new(),
        };
        let owner = source.as_ref().map(|source| {
            let mut labels = at(source, &["metadata", "labels"]).as_object().cloned().unwrap_or_default();
            labels.insert("kubernetes.io/service-name".into(), json!(&*key.name));
            labels.insert(MANAGED_BY.into(), json!(MANAGER));
            let mut annotations =
                at(source, &["metadata", "annotations"]).as_object().cloned().unwrap_or_default();
            NOT_COPIED.iter().for_each(|key| drop(annotations.shift_remove(*key)));
            Owner { labels, annotations, reference: access::owner_reference("v1", "Endpoints", source) }
        });
        write_slices(server, key, MANAGER, owner, &groups, &mut outcome);
        outcome
    }
}

fn mirrored(endpoints: &Value) -> bool {
    !is_deleting(endpoints)
        && str_at(endpoints, &["metadata", "labels", SKIP]) != "true"
        && !are_managed(endpoints)
        && at(endpoints, &["metadata", "annotations", LEADER]).is_null()
}

/// Those of each subset.
fn groups(source: &Value) -> Vec<Group> {
    let mut groups = Vec::new();
    for subset in list_at(source, &["subsets"]) {
        let ports: Vec<Value> = list_at(subset, &["ports"])
            .iter()
            .map(|port| {
                let mut port = port.clone();
                port["name"] = json!(str_at(&port, &["name"]));
                port
            })
            .collect();
        for family in ["IPv4", "IPv6"] {
            let mut endpoints = Vec::new();
            for (list, ready) in [("addresses", true), ("notReadyAddresses", false)] {
                let of_family = |a: &&Value| str_at(a, &["ip"]).contains(':') == (family == "IPv6");
                endpoints
                    .extend(list_at(subset, &[list]).iter().filter(of_family).map(|a| endpoint(a, ready)));
            }
            if !endpoints.is_empty() {
                groups.push(Group { family, ports: ports.clone(), endpoints });
            }
        }
    }
    groups
}

fn endpoint(address: &Value, ready: bool) -> Value {
    let mut endpoint = json!({"addresses": [str_at(address, &["ip"])], "conditions": {"ready": ready}});
    for field in ["hostname", "nodeName", "targetRef"] {
        if let Some(value) = address.get(field) {
            endpoint[field] = value.clone();
        }
    }
    endpoint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Small;
    use expect_test::expect;
    use store::Write;

    #[test]
    fn endpoints_made_by_hand() {
        let mut world = Small::default();
        let source = |labels: Value| {
            json!({
                "metadata": {"name": "db", "namespace": "default", "uid": "e", "labels": labels},
                "subsets": [{"ports": [{"port": 5432}], "addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
                    "notReadyAddresses": [{"ip": "10.0.0.2"}]}],
            })
        };
        world.put(SERVICES, json!({"metadata": {"name": "db", "namespace": "default"}, "spec": {}}));
        let key = world.put(ENDPOINTS, source(json!({})));
        let lines = |world: &Small| {
            let outcome = Mirror.reconcile(world, &key, Timestamp::UNIX_EPOCH);
            let line = |write: &Write| match write {
                Write::Create { object, .. } => {
                    format!(
                        "{} {} {}",
                        str_at(object, &["addressType"]),
                        object["ports"],
                        object["endpoints"]
                    )
                }
                other => format!("{other:?}"),
            };
            outcome.writes.iter().map(line).collect::<Vec<_>>().join("\n")
        };
        expect![[r#"
            IPv4 [{"port":5432,"name":""}] [{"addresses":["10.0.0.1"],"conditions":{"ready":true}},{"addresses":["10.0.0.2"],"conditions":{"ready":false}}]
            IPv6 [{"port":5432,"name":""}] [{"addresses":["fd00::1"],"conditions":{"ready":true}}]"#]]
        .assert_eq(&lines(&world));
        world.put(ENDPOINTS, source(json!({SKIP: "true"})));
        assert_eq!(lines(&world), "");
        world.put(ENDPOINTS, source(json!({})));
        world.put(
            SERVICES,
            json!({"metadata": {"name": "db", "namespace": "default"}, "spec": {"selector": {"a": "b"}}}),
        );
        assert_eq!(lines(&world), "");
    }
}
