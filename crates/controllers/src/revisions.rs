//! ControllerRevisions: the templates that a StatefulSet or DaemonSet had, for `kubectl rollout history` and `undo`.
//!
//! A revision's name is the set's with the template's hash, so that a template that comes back finds its old revision,
//! which then gets the newest number.

use crate::access::{self, at, int_at, name, namespace, str_at};
use crate::{Outcome, Server};
use serde_json::{Value, json};
use store::{Object, Propagation, Resource, Write};

const REVISIONS: &str = "apps/controllerrevisions";

/// How a kind keeps its revisions.
pub(crate) struct Kept {
    pub(crate) kind: &'static str,
    /// The label of a revision that holds the template's hash.
    pub(crate) hash_label: &'static str,
}

/// Those of this set, the oldest first.
fn of(server: &dyn Server, set: &Value) -> Vec<Object> {
    let owned = server.owned_by(access::uid(set)).into_iter();
    let mut all: Vec<Object> =
        owned.filter(|(key, _)| &*key.resource.0 == REVISIONS).map(|(_, revision)| revision).collect();
    all.sort_by_key(|revision| number(revision));
    all
}

fn number(revision: &Value) -> i64 {
    int_at(revision, &["revision"]).unwrap_or(0)
}

/// The template that a revision of this name holds.
pub(crate) fn template(server: &dyn Server, set: &Value, revision: &str) -> Option<Value> {
    let found = server.get(REVISIONS, namespace(set), revision)?;
    let mut template = found.pointer("/data/spec/template")?.clone();
    template.as_object_mut()?.shift_remove("$patch");
    Some(template)
}

/// Sees to it that the present template has the newest revision, and forgets old ones that nothing uses.
pub(crate) fn keep(
    server: &dyn Server,
    set: &Value,
    hash: &str,
    kept: &Kept,
    used: &[&str],
    outcome: &mut Outcome,
) {
    let all = of(server, set);
    let wanted = format!("{}-{hash}", name(set));
    let newest = all.last().map_or(0, |revision| number(revision));
    match all.iter().find(|revision| name(revision) == wanted) {
        Some(current) if number(current) < newest => outcome.write(Write::Merge {
            key: access::key_of(REVISIONS, current),
            subresource: "",
            patch: json!({"revision": newest + 1}),
        }),
        Some(_) => {}
        None => outcome.write(create(set, &wanted, hash, kept, newest + 1)),
    }
    let limit = int_at(set, &["spec", "revisionHistoryLimit"]).unwrap_or(10).max(0) as usize;
    let idle: Vec<&Object> =
        all.iter().filter(|revision| name(revision) != wanted && !used.contains(&name(revision))).collect();
    for revision in idle.iter().take(idle.len().saturating_sub(limit)) {
        outcome.write(Write::Delete {
            key: access::key_of(REVISIONS, revision),
            uid: Some(access::uid(revision).into()),
            grace_seconds: None,
            propagation: Propagation::Background,
        });
    }
}

fn create(set: &Value, revision: &str, hash: &str, kept: &Kept, number: i64) -> Write {
    let mut template = at(set, &["spec", "template"]).clone();
    // `kubectl rollout undo` sends the data as a strategic merge patch.
    template["$patch"] = json!("replace");
    let mut labels = at(set, &["spec", "template", "metadata", "labels"]).clone();
    labels[kept.hash_label] = json!(hash);
    let mut annotations = at(set, &["metadata", "annotations"]).as_object().cloned().unwrap_or_default();
    annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
    Write::Create {
        resource: Resource::new(REVISIONS),
        object: json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": {
                "name": revision, "namespace": namespace(set), "labels": labels, "annotations": annotations,
                "ownerReferences": [access::owner_reference("apps/v1", kept.kind, set)],
            },
            "data": {"spec": {"template": template}},
            "revision": number,
        }),
    }
}

/// Whether a change of a revision concerns a set of this kind.
pub(crate) fn owner(change: &store::Change, kind: &str, resource: &str) -> Option<store::Key> {
    let is_revision = &*change.key.resource.0 == REVISIONS;
    is_revision.then(|| access::owner_key(&change.object, kind, resource)).flatten()
}

/// The name of the revision that a pod's label holds, whether the label is the hash or the whole name.
pub(crate) fn of_pod(set: &Value, pod: &Value, label: &str) -> String {
    let value = str_at(pod, &["metadata", "labels", label]);
    let prefix = format!("{}-", name(set));
    if value.starts_with(&prefix) { value.to_string() } else { format!("{prefix}{value}") }
}
