//! Kinds that are stored but on which nothing acts yet: the user is told by an event, once an object.

use crate::access;
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use store::{Change, ChangeKind, EventKind, Key};

/// Resource, apiVersion, kind, and what to use meanwhile.
const KINDS: &[(&str, &str, &str, &str)] = &[(
    "networking.k8s.io/networkpolicies",
    "networking.k8s.io/v1",
    "NetworkPolicy",
    "all traffic is allowed",
)];

pub(crate) struct Unsupported;

impl Controller for Unsupported {
    fn name(&self) -> &'static str {
        "coracle"
    }

    fn concerns(&self, _server: &dyn Server, change: &Change) -> Vec<Key> {
        let known = KINDS.iter().any(|(resource, ..)| *resource == &*change.key.resource.0);
        if known && change.kind == ChangeKind::Added { vec![change.key.clone()] } else { Vec::new() }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let object = server.get(&key.resource.0, &key.namespace, &key.name);
        let kind = KINDS.iter().find(|(resource, ..)| *resource == &*key.resource.0);
        if let (Some(object), Some((_, api_version, kind, instead))) = (object, kind) {
            outcome.write(access::event(
                EventKind::Warning,
                access::reference(api_version, kind, &object),
                self.name(),
                "NotBuilt",
                format!("this cluster stores {kind} objects but does not act on them yet: {instead}"),
            ));
        }
        outcome
    }
}
