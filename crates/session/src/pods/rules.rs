//! Which pods belong to which resource.

use super::ancestry::Ancestor;
use crate::cluster::Cluster;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tiltfile::Plan;
use tiltfile::plan::{DiscoveryStrategy, Resource};

/// What makes a pod belong to a resource.
#[derive(Debug, Clone, PartialEq)]
struct Rule {
    namespace: String,
    labels: BTreeMap<String, String>,
    /// `ReplicaSet`, `StatefulSet`, …: the kind of the pod's controller and how its name begins.
    owner: Option<(&'static str, String)>,
    /// A bare pod's own name.
    name: Option<String>,
    /// A custom resource: some program makes the pods for it, by whatever objects between.
    ancestor: Option<Identity>,
}

/// An object, for its kind's group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rules(BTreeMap<String, Vec<Rule>>);

impl Rules {
    /// Of the resources that are enabled. `deployed` is what deploys by command applied, by resource.
    pub(crate) fn of(plan: &Plan, cluster: &Cluster, deployed: &BTreeMap<String, Vec<Value>>) -> Self {
        let rules = |resource: &Resource| {
            let mut out = Vec::new();
            let Some(k8s) = resource.k8s() else { return out };
            let objects = match &k8s.custom_deploy {
                Some(_) => deployed.get(&resource.name).map(Vec::as_slice).unwrap_or_default(),
                None => &k8s.objects,
            };
            for object in objects {
                let namespace = cluster.namespace_of(object);
                for labels in &k8s.extra_pod_selectors {
                    out.push(Rule { labels: labels.clone(), ..Rule::in_namespace(&namespace) });
                }
                if k8s.discovery_strategy == DiscoveryStrategy::Default {
                    out.extend(workload_rule(object, namespace));
                }
            }
            out
        };
        let enabled = plan.resources.iter().filter(|r| plan.is_enabled(&r.name));
        Self(enabled.map(|r| (r.name.clone(), rules(r))).collect())
    }

    pub(crate) fn namespaces(&self) -> BTreeSet<String> {
        self.0.values().flatten().map(|rule| rule.namespace.clone()).collect()
    }

    /// Resources that may have pods.
    pub(super) fn resources(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, rules)| !rules.is_empty()).map(|(name, _)| name.as_str())
    }

    /// The resource of this pod; the first that claims it.
    pub(super) fn resource_of(&self, pod: &Pod, ancestors: &[Ancestor]) -> Option<&str> {
        self.0
            .iter()
            .find(|(_, rules)| rules.iter().any(|rule| rule.matches(pod, ancestors)))
            .map(|(name, _)| name.as_str())
    }

    /// Who made the pod must be known to tell whose it is.
    pub(super) fn need_ancestors(&self, pod: &Pod) -> bool {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let mut rules = self.0.values().flatten();
        rules.any(|rule| rule.ancestor.is_some() && rule.namespace == namespace)
            && self.resource_of(pod, &[]).is_none()
    }
}

/// Kinds of Kubernetes itself, of which we know what makes pods.
fn is_custom(group: &str) -> bool {
    !matches!(group, "" | "apps" | "batch" | "autoscaling" | "policy" | "extensions")
        && !group.ends_with(".k8s.io")
}

fn workload_rule(object: &Value, namespace: String) -> Option<Rule> {
    let name = object["metadata"]["name"].as_str()?.to_string();
    let kind = object["kind"].as_str()?;
    let any = Rule::in_namespace(&namespace);
    let group = crate::cluster::gvk(object).group;
    if is_custom(&group) {
        let identity = Identity { group, kind: kind.to_owned(), name };
        return Some(Rule { ancestor: Some(identity), ..any });
    }
    let pairs = object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let labels = pairs.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_string()))).collect();
    let owner = match kind {
        "Deployment" => ("ReplicaSet", format!("{name}-")),
        "ReplicaSet" => ("ReplicaSet", name),
        "StatefulSet" => ("StatefulSet", name),
        "DaemonSet" => ("DaemonSet", name),
        "Job" => ("Job", name),
        "CronJob" => ("Job", format!("{name}-")),
        "Pod" => return Some(Rule { name: Some(name), ..any }),
        _ => return None,
    };
    Some(Rule { labels, owner: Some(owner), ..any })
}

impl Rule {
    fn in_namespace(namespace: &str) -> Self {
        let namespace = namespace.to_owned();
        Self { namespace, labels: BTreeMap::new(), owner: None, name: None, ancestor: None }
    }

    fn matches(&self, pod: &Pod, ancestors: &[Ancestor]) -> bool {
        let metadata = &pod.metadata;
        if metadata.namespace.as_deref() != Some(&self.namespace) {
            return false;
        }
        if let Some(identity) = &self.ancestor {
            return ancestors.iter().any(|a| a.identity == *identity);
        }
        if let Some(name) = &self.name {
            return metadata.name.as_ref() == Some(name);
        }
        let have = metadata.labels.clone().unwrap_or_default();
        let labelled = self.labels.iter().all(|(k, v)| have.get(k) == Some(v));
        let owned = self.owner.as_ref().is_none_or(|(kind, name)| {
            let owners = metadata.owner_references.as_deref().unwrap_or_default();
            owners.iter().any(|o| {
                o.kind == *kind
                    && if name.ends_with('-') { o.name.starts_with(name) } else { o.name == *name }
            })
        });
        labelled && owned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(labels: Value, owner: (&str, &str)) -> Pod {
        let owners = json!([{"apiVersion": "apps/v1", "kind": owner.0, "name": owner.1, "uid": "u"}]);
        serde_json::from_value(json!({"metadata": {
            "name": "p", "namespace": "ns", "labels": labels, "ownerReferences": owners
        }}))
        .expect("a pod")
    }

    fn rules(objects: &[(&str, Value)]) -> Rules {
        let rule = |object: &Value| workload_rule(object, "ns".into()).into_iter().collect();
        Rules(objects.iter().map(|(name, object)| ((*name).to_owned(), rule(object))).collect())
    }

    #[test]
    fn workloads_and_custom_resources() {
        let workload = |kind: &str, name: &str| {
            json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
                "spec": {"selector": {"matchLabels": {"app": name}}}})
        };
        let rules = rules(&[
            ("web", workload("Deployment", "web")),
            ("db", workload("StatefulSet", "db")),
            ("queue", json!({"apiVersion": "mq.example/v1", "kind": "Queue", "metadata": {"name": "q"}})),
            ("svc", json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}})),
        ]);
        assert_eq!(rules.resources().collect::<Vec<_>>(), ["db", "queue", "web"]);
        let made_by = |group: &str, name: &str| {
            let identity = Identity { group: group.into(), kind: "Queue".into(), name: name.into() };
            [Ancestor { uid: "x".into(), identity }]
        };
        let (none, by_queue) = ([], made_by("mq.example", "q"));
        for (pod, ancestors, want) in [
            (pod(json!({"app": "web"}), ("ReplicaSet", "web-5")), &none[..], Some("web")),
            (pod(json!({"app": "web"}), ("ReplicaSet", "other-5")), &none, None),
            (pod(json!({}), ("ReplicaSet", "web-5")), &none, None),
            (pod(json!({"app": "db"}), ("StatefulSet", "db")), &none, Some("db")),
            (pod(json!({}), ("StatefulSet", "queue-nodes")), &none, None),
            (pod(json!({}), ("StatefulSet", "queue-nodes")), &by_queue, Some("queue")),
            (pod(json!({}), ("StatefulSet", "queue-nodes")), &made_by("mq.example", "other"), None),
            (pod(json!({}), ("StatefulSet", "queue-nodes")), &made_by("other.example", "q"), None),
        ] {
            assert_eq!(rules.resource_of(&pod, ancestors), want, "{pod:?}");
        }
        // what is claimed already need not be looked up
        assert!(!rules.need_ancestors(&pod(json!({"app": "db"}), ("StatefulSet", "db"))));
        assert!(rules.need_ancestors(&pod(json!({}), ("StatefulSet", "queue-nodes"))));
    }
}
