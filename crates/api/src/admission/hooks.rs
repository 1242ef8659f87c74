//! The configurations of webhooks as they are used: read once when one is written, matched with every write.

use super::conditions::Conditions;
use super::{Attributes, Operation};
use crate::{ApiError, Result, Selector};
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
    rules: Vec<Rule>,
    equivalent: bool,
    namespaces: Selector,
    objects: Selector,
    conditions: Conditions,
}

/// The form in which a webhook is told of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// Group, version, plural.
    pub(crate) resource: (String, String, String),
    /// Group, version, kind.
    pub(crate) kind: (String, String, String),
}

impl Invocation {
    /// The `apiVersion` of the objects that it is told of.
    pub(crate) fn api_version(&self) -> String {
        let (group, version, _) = &self.kind;
        if group.is_empty() { version.clone() } else { format!("{group}/{version}") }
    }
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
        let everything = |selector: &Value| match selector {
            Value::Null => Selector::default(),
            given => Selector::of_object(given),
        };
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
            rules: hook["rules"].as_array().into_iter().flatten().map(Rule::read).collect(),
            equivalent: hook["matchPolicy"] != "Exact",
            namespaces: everything(&hook["namespaceSelector"]),
            objects: everything(&hook["objectSelector"]),
            conditions: Conditions::read(&hook["matchConditions"], hook["failurePolicy"] != "Ignore"),
        }
    }

    /// Whether the rules are about a write, whatever its object.
    pub(crate) fn may_concern(&self, attributes: &Attributes<'_>) -> bool {
        self.by_rules(attributes).is_some()
    }

    /// How the hook is told of a write; `None` if the write is not its concern. `object` is in its stored version.
    pub(crate) fn invocation(
        &self,
        view: &dyn View,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<Option<Invocation>> {
        // An unknown namespace is a problem only of a write that the rules are about.
        let namespace = self.concerns_namespace(view, attributes, object);
        if matches!(namespace, Ok(false)) || !self.concerns_object(attributes, object) {
            return Ok(None);
        }
        let Some(invocation) = self.by_rules(attributes) else { return Ok(None) };
        namespace?;
        let matches = self.conditions.hold(attributes, &invocation, object)?;
        Ok(matches.then_some(invocation))
    }

    fn by_rules(&self, attributes: &Attributes<'_>) -> Option<Invocation> {
        let (group, version, plural) = attributes.resource();
        let fits = |rule: &Rule, group: &str, version: &str| {
            rule.scope_fits(attributes)
                && rule.operation_fits(attributes.operation)
                && fits(&rule.groups, group)
                && fits(&rule.versions, version)
                && rule.resource_fits(&plural, attributes.subresource)
        };
        if self.rules.iter().any(|rule| fits(rule, &group, &version)) {
            return Some(Invocation { resource: (group, version, plural), kind: attributes.object_type() });
        }
        if !self.equivalent {
            return None;
        }
        let others = attributes.equivalents();
        let mut found = self.rules.iter().flat_map(|rule| others.iter().map(move |other| (rule, other)));
        let (_, (group, version)) = found.find(|(rule, (group, version))| fits(rule, group, version))?;
        let (_, _, kind) = attributes.object_type();
        // The object of most subresources has a kind of its own, whatever the version of the resource.
        let of_own_kind = kind != attributes.kind.kind;
        let kind =
            if of_own_kind { attributes.object_type() } else { (group.clone(), version.clone(), kind) };
        Some(Invocation { resource: (group.clone(), version.clone(), plural.clone()), kind })
    }

    fn concerns_namespace(
        &self,
        view: &dyn View,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<bool> {
        let is_namespace = attributes.kind.plural == "namespaces";
        if self.namespaces.is_empty() || attributes.namespace.is_empty() && !is_namespace {
            return Ok(true);
        }
        let written = matches!(attributes.operation, Operation::Create | Operation::Update);
        if is_namespace && attributes.subresource.is_empty() && written {
            return Ok(object.is_some_and(|object| self.namespaces.matches(&object["metadata"]["labels"])));
        }
        let name = if is_namespace { attributes.name } else { attributes.namespace };
        let found = view.get("namespaces", "", name);
        let namespace = found.ok_or_else(|| ApiError::not_found("namespaces", name))?;
        Ok(self.namespaces.matches(&namespace["metadata"]["labels"]))
    }

    fn concerns_object(&self, attributes: &Attributes<'_>, object: Option<&Value>) -> bool {
        let fits = |object: Option<&Value>| {
            let meta = object.and_then(|object| object.get("metadata"));
            meta.is_some_and(|meta| self.objects.matches(&meta["labels"]))
        };
        self.objects.is_empty() || fits(object) || fits(attributes.old)
    }
}

struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    /// With their subresources.
    resources: Vec<(String, String)>,
    scope: String,
}

impl Rule {
    fn read(rule: &Value) -> Self {
        let split = |word: String| match word.split_once('/') {
            Some((resource, sub)) => (resource.to_string(), sub.to_string()),
            None => (word, String::new()),
        };
        Self {
            operations: words(&rule["operations"]),
            groups: words(&rule["apiGroups"]),
            versions: words(&rule["apiVersions"]),
            resources: words(&rule["resources"]).into_iter().map(split).collect(),
            scope: word(&rule["scope"]),
        }
    }

    fn operation_fits(&self, operation: Operation) -> bool {
        fits(&self.operations, operation.name())
    }

    fn resource_fits(&self, plural: &str, subresource: &str) -> bool {
        let same = |wanted: &str, is: &str| wanted == "*" || wanted == is;
        self.resources.iter().any(|(resource, sub)| same(resource, plural) && same(sub, subresource))
    }

    fn scope_fits(&self, attributes: &Attributes<'_>) -> bool {
        let is_namespace = attributes.kind.group.is_empty() && attributes.kind.plural == "namespaces";
        let clustered = is_namespace || attributes.namespace.is_empty();
        match self.scope.as_str() {
            "" | "*" => true,
            "Namespaced" => !clustered,
            "Cluster" => clustered,
            _ => false,
        }
    }
}

fn fits(wanted: &[String], is: &str) -> bool {
    wanted.iter().any(|wanted| wanted == "*" || wanted == is)
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(word).collect()
}

#[cfg(test)]
mod tests;
