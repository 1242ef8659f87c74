//! What a pod's claims ask of the cluster and of a node.

use super::fit::{Misfit, Scene};
use super::ledger::uses_claim;
use super::node_affinity;
use crate::access::{at, is_deleting, list_at, namespace, str_at, uid};
use crate::{Server, volumes};
use serde_json::Value;
use store::Object;

const VOLUMES: &str = "persistentvolumes";

/// What is wrong with the pod's claims, for whatever node.
pub(super) fn claims(server: &dyn Server, pod: &Value) -> Option<String> {
    volumes::claims_of(pod).into_iter().find_map(|claim| {
        match server.get(volumes::CLAIMS, namespace(pod), &claim) {
            None => Some(format!("persistentvolumeclaim \"{claim}\" not found")),
            Some(found) if is_deleting(&found) => {
                Some(format!("persistentvolumeclaim \"{claim}\" is being deleted"))
            }
            Some(found) if volumes::is_lost(&found) => Some(format!(
                "persistentvolumeclaim \"{claim}\" bound to non-existent persistentvolume \"{}\"",
                str_at(&found, &["spec", "volumeName"])
            )),
            Some(found) if volumes::must_be_bound_first(server, &found) => {
                Some("pod has unbound immediate PersistentVolumeClaims".into())
            }
            Some(_) => None,
        }
    })
}

/// Claims that only one pod may use, and volumes that are on other nodes only.
pub(super) fn misfit(scene: &Scene<'_>, node: &Object) -> Option<Misfit> {
    let (server, pod) = (scene.server, scene.pod);
    volumes::claims_of(pod).into_iter().find_map(|claim| {
        let found = server.get(volumes::CLAIMS, namespace(pod), &claim)?;
        let alone = list_at(&found, &["spec", "accessModes"]).iter().any(|mode| mode == "ReadWriteOncePod");
        let uses = |p: &Object| uid(p) != uid(pod) && uses_claim(p, namespace(pod), &claim);
        let others = || scene.nodes.iter().any(|node| scene.on(node).any(uses));
        if alone && others() {
            let reason =
                "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";
            return Some(Misfit::crowded(reason));
        }
        if volumes::finds_none(server, &found, node) {
            return Some(Misfit::new("node(s) didn't find available persistent volumes to bind"));
        }
        let volume = server.get(VOLUMES, "", str_at(&found, &["spec", "volumeName"]))?;
        let required = at(&volume, &["spec", "nodeAffinity", "required"]);
        let near = required.is_null() || selects(required, node);
        (!near).then(|| Misfit::new("node(s) didn't match PersistentVolume's node affinity"))
    })
}

/// Whether a NodeSelector selects the node.
pub(crate) fn selects(selector: &Value, node: &Value) -> bool {
    list_at(selector, &["nodeSelectorTerms"]).iter().any(|term| node_affinity::node_term(term, node))
}
