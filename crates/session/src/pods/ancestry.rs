//! Who made a pod: its owners, their owners, and so on. Asked of the cluster once for each owner.

use super::rules::{Identity, Rules};
use super::{Known, Pods};
use crate::cluster::Cluster;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

/// Chains are short; a longer one is a circle.
const DEPTH: usize = 10;
/// Pods are not to wait for an API that hangs.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ancestor {
    pub(super) uid: String,
    pub(super) identity: Identity,
}

pub(super) struct Ancestry {
    cluster: Cluster,
    /// The owners of an object, by its uid.
    owners: HashMap<String, Vec<OwnerReference>>,
}

impl Ancestry {
    pub(super) fn new(cluster: Cluster) -> Self {
        Self { cluster, owners: HashMap::new() }
    }

    /// Looks up the makers of those pods of which the rules need them.
    pub(super) async fn look_up(&mut self, rules: &Rules, pods: &mut Pods) {
        for Known { pod, ancestors } in pods.values_mut() {
            if ancestors.is_none() && rules.need_ancestors(pod) {
                let namespace = pod.metadata.namespace.clone().unwrap_or_default();
                let owners = pod.metadata.owner_references.clone().unwrap_or_default();
                *ancestors = Some(self.of(&namespace, owners).await);
            }
        }
    }

    async fn of(&mut self, namespace: &str, mut next: Vec<OwnerReference>) -> Vec<Ancestor> {
        let mut found: Vec<Ancestor> = Vec::new();
        for _ in 0..DEPTH {
            let mut above = Vec::new();
            for owner in next {
                if found.iter().any(|a| a.uid == owner.uid) {
                    continue;
                }
                above.extend(self.owners_of(namespace, &owner).await);
                let group = owner.api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
                let identity = Identity { group, kind: owner.kind, name: owner.name };
                found.push(Ancestor { uid: owner.uid, identity });
            }
            if above.is_empty() {
                break;
            }
            next = above;
        }
        found
    }

    async fn owners_of(&mut self, namespace: &str, object: &OwnerReference) -> Vec<OwnerReference> {
        if let Some(known) = self.owners.get(&object.uid) {
            return known.clone();
        }
        let asked = tokio::time::timeout(PATIENCE, self.ask(namespace, object)).await;
        let owners = match asked {
            Ok(Ok(owners)) => owners,
            // it may be gone, or not ours to see: the chain ends there
            Ok(Err(error)) => {
                tracing::debug!(kind = object.kind, name = object.name, error = crate::error::chain(&error));
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        self.owners.insert(object.uid.clone(), owners.clone());
        owners
    }

    async fn ask(
        &self,
        namespace: &str,
        object: &OwnerReference,
    ) -> Result<Vec<OwnerReference>, kube::Error> {
        let like = json!({
            "apiVersion": object.api_version, "kind": object.kind, "metadata": {"namespace": namespace},
        });
        let found = self.cluster.api_for(&like).await?.get_metadata_opt(&object.name).await?;
        let same = found.filter(|found| found.metadata.uid.as_ref() == Some(&object.uid));
        Ok(same.and_then(|found| found.metadata.owner_references).unwrap_or_default())
    }
}
