//! The configurations of webhooks as they are used: read once when one is written, matched with every write.

use super::Attributes;
use super::conditions::Conditions;
use super::matching::{Concern, Matcher, word, words};
use crate::{Api, Result};
use base64::Engine as _;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store::{Snapshot, View};

const GROUP: &str = "admissionregistration.k8s.io";
const MUTATING: &str = "admissionregistration.k8s.io/mutatingwebhookconfigurations";
const VALIDATING: &str = "admissionregistration.k8s.io/validatingwebhookconfigurations";

/// Upstream's, for a hook that says none.
const TIMEOUT: u64 = 10;

/// What nothing may be asked about: whoever breaks admission must be able to mend it.
const EXEMPT: [&str; 6] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
];

/// Whether a resource is a configuration of webhooks.
pub(crate) fn is_configuration(resource: &str) -> bool {
    matches!(resource, MUTATING | VALIDATING)
}

pub(crate) fn is_exempt(attributes: &Attributes<'_>) -> bool {
    attributes.kind.group == GROUP && EXEMPT.contains(&attributes.kind.kind.as_str())
}

/// All webhooks, in the order in which they are asked.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) mutating: Vec<Arc<Hook>>,
    pub(crate) validating: Vec<Arc<Hook>>,
}

/// Where a webhook is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookTarget {
    Url(String),
    Service { namespace: String, name: String, port: u16, path: String },
}

impl WebhookTarget {
    /// A `clientConfig`.
    pub(crate) fn read(config: &Value) -> Self {
        let service = &config["service"];
        if !service.is_object() {
            return Self::Url(word(&config["url"]));
        }
        let port = service["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        Self::Service {
            namespace: word(&service["namespace"]),
            name: word(&service["name"]),
            port: port.filter(|port| *port > 0).unwrap_or(443),
            path: word(&service["path"]),
        }
    }

    /// The address as errors name it, and as it is requested.
    pub fn url(&self, timeout: Duration) -> String {
        let base = match self {
            Self::Url(url) => url.clone(),
            Self::Service { namespace, name, port, path } => {
                let slash = if path.starts_with('/') { "" } else { "/" };
                format!("https://{name}.{namespace}.svc:{port}{slash}{path}")
            }
        };
        format!("{base}?timeout={}s", timeout.as_secs())
    }
}

pub(crate) struct Hook {
    /// What tells it from all others.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) ignores_failures: bool,
    pub(crate) is_asked_again: bool,
    pub(crate) side_effects: String,
    pub(crate) timeout: Duration,
    pub(crate) versions: Vec<String>,
    pub(crate) target: WebhookTarget,
    /// PEM.
    pub(crate) ca_bundle: Vec<u8>,
    matcher: Matcher,
    conditions: Conditions,
}

impl Hooks {
    pub(crate) fn read(view: &Snapshot) -> Self {
        let all = |resource: &str| -> Vec<Arc<Hook>> {
            let configurations = view.list(resource, "");
            let hooks = configurations.iter().flat_map(|configuration| {
                let name = word(&configuration["metadata"]["name"]);
                let hooks = configuration["webhooks"].as_array().into_iter().flatten().enumerate();
                hooks.map(move |(index, hook)| Arc::new(Hook::read(&format!("{name}/{index}"), hook)))
            });
            hooks.collect()
        };
        Self { mutating: all(MUTATING), validating: all(VALIDATING) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.mutating.is_empty() && self.validating.is_empty()
    }
}

impl Hook {
    fn read(id: &str, hook: &Value) -> Self {
        let bundle = hook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
        Self {
            id: id.to_string(),
            name: word(&hook["name"]),
            ignores_failures: hook["failurePolicy"] == "Ignore",
            is_asked_again: hook["reinvocationPolicy"] == "IfNeeded",
            side_effects: word(&hook["sideEffects"]),
            timeout: Duration::from_secs(hook["timeoutSeconds"].as_u64().unwrap_or(TIMEOUT).clamp(1, 30)),
            versions: words(&hook["admissionReviewVersions"]),
            target: WebhookTarget::read(&hook["clientConfig"]),
            ca_bundle: base64::engine::general_purpose::STANDARD.decode(bundle).unwrap_or_default(),
            matcher: Matcher::of_hook(hook),
            conditions: Conditions::read(&hook["matchConditions"], hook["failurePolicy"] != "Ignore"),
        }
    }

    /// Whether the rules are about a write, whatever its object.
    pub(crate) fn may_concern(&self, attributes: &Attributes<'_>) -> bool {
        self.matcher.by_rules(attributes).is_some()
    }

    /// How the hook is told of a write; `None` if the write is not its concern. `object` is in its stored version.
    pub(crate) fn invocation(
        &self,
        api: &Api,
        view: &dyn View,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<Option<Concern>> {
        let Some(concern) = self.matcher.concern(view, attributes, object)? else { return Ok(None) };
        let matches = self.conditions.hold(api, view, attributes, &concern, object)?;
        Ok(matches.then_some(concern))
    }
}

#[cfg(test)]
mod tests;
