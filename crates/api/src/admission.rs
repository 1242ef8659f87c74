//! Admission: what may change or refuse a write after authorization, before it is stored.
//!
//! A write comes here twice, as upstream: [`mutate`] when its object has its defaults and what the server's own rules
//! add, [`validate`] when the object that results is valid. Both are plain functions of the transaction and of
//! [`Attributes`], which say what the write is about. What they refuse is the write's error. Webhooks are asked in
//! between; see [`dialogue`] and [`talk`].

mod conditions;
mod dialogue;
mod hooks;
pub(crate) mod matching;
mod origin;
mod review;
mod talk;

pub use dialogue::{WebhookCall, WebhookCaller};
pub use hooks::WebhookTarget;
pub(crate) use hooks::{Hooks, is_configuration};
pub use origin::{Origin, UserInfo};
pub(crate) use review::request;
pub(crate) use talk::Talk;

use crate::transaction::Transaction;
use crate::{Api, Key, Result, policy, split_api_version};
use schema::Kind;
use serde_json::{Map, Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    /// As rules and requests name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// Which time a write comes to [`mutate`]. What it changes in the first may concern those who have been asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    First,
    Again,
}

/// What a write is about. Objects are in their stored version, or what the subresource has (a Scale, a Binding).
pub(crate) struct Attributes<'a> {
    pub(crate) operation: Operation,
    /// The kind of resource that the request is about.
    pub(crate) kind: &'a Kind,
    pub(crate) subresource: &'a str,
    /// Empty for cluster-scoped kinds; of a Namespace its name, as upstream has it.
    pub(crate) namespace: &'a str,
    /// Empty while the server has still to find one.
    pub(crate) name: &'a str,
    /// The object before the write.
    pub(crate) old: Option<&'a Value>,
    pub(crate) dry_run: bool,
    pub(crate) origin: &'a Origin,
}

impl Attributes<'_> {
    /// The version of the request, such as `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.origin.api_version.is_empty() {
            self.kind.api_version()
        } else {
            self.origin.api_version.clone()
        }
    }

    /// Group, version and plural of what the URL is about.
    pub(crate) fn resource(&self) -> (String, String, String) {
        let api_version = self.api_version();
        let (group, version) = split_api_version(&api_version);
        (group.into(), version.into(), self.kind.plural.clone())
    }

    /// Group and version of the other resources that show the same objects.
    pub(crate) fn equivalents(&self) -> Vec<(String, String)> {
        let api_version = self.api_version();
        let mut all: Vec<(String, String)> =
            self.kind.versions.iter().map(|version| (self.kind.group.clone(), version.clone())).collect();
        if self.kind.group.is_empty() && self.kind.plural == "events" {
            all.push(("events.k8s.io".into(), "v1".into()));
        }
        let asked = split_api_version(&api_version);
        all.retain(|(group, version)| (group.as_str(), version.as_str()) != asked);
        all
    }

    /// Group, version and kind of the object that the request carries.
    pub(crate) fn object_type(&self) -> (String, String, String) {
        let of = |group: &str, version: &str, kind: &str| (group.into(), version.into(), kind.into());
        match (self.kind.resource().as_str(), self.subresource) {
            (_, "scale") => of("autoscaling", "v1", "Scale"),
            ("pods", "binding") => of("", "v1", "Binding"),
            ("pods", "eviction") => of("policy", "v1", "Eviction"),
            ("pods", "exec") => of("", "v1", "PodExecOptions"),
            ("pods", "attach") => of("", "v1", "PodAttachOptions"),
            ("pods", "portforward") => of("", "v1", "PodPortForwardOptions"),
            ("pods", "proxy") => of("", "v1", "PodProxyOptions"),
            ("services", "proxy") => of("", "v1", "ServiceProxyOptions"),
            ("nodes", "proxy") => of("", "v1", "NodeProxyOptions"),
            ("serviceaccounts", "token") => of("authentication.k8s.io", "v1", "TokenRequest"),
            _ => {
                let api_version = self.api_version();
                let (group, version) = split_api_version(&api_version);
                of(group, version, &self.kind.kind)
            }
        }
    }

    /// The options of the request as an object; null where a request has none.
    pub(crate) fn options(&self) -> Value {
        let kind = match self.operation {
            Operation::Create => "CreateOptions",
            Operation::Update => "UpdateOptions",
            Operation::Delete => "DeleteOptions",
            Operation::Connect => return Value::Null,
        };
        let mut options = Map::new();
        options.insert("kind".into(), kind.into());
        options.insert("apiVersion".into(), "meta.k8s.io/v1".into());
        options.extend(self.origin.options.iter().map(|(name, value)| (name.clone(), value.clone())));
        if self.dry_run {
            options.insert("dryRun".into(), json!(["All"]));
        }
        options.into()
    }
}

/// The object as it shall be, if something changes it. `object` is `None` when something is deleted.
pub(crate) fn mutate(
    tx: &Transaction<'_>,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
    pass: Pass,
) -> Result<Option<Value>> {
    let is_new = attributes.operation == Operation::Create && attributes.subresource.is_empty();
    let shown = |object: &Value| if is_new { as_asked_for(attributes, object) } else { object.clone() };
    let by_policies = match object {
        Some(object) if policy::mutates(tx, attributes) => {
            policy::mutate(tx, attributes, &shown(object), pass)?
        }
        _ => None,
    };
    if !tx.api.hooks().mutating.iter().any(|hook| hook.may_concern(attributes)) {
        return Ok(by_policies);
    }
    let object = by_policies.clone().or_else(|| object.map(shown));
    let by_webhooks = talk::mutate(tx, attributes, object.as_ref(), pass)?;
    Ok(by_webhooks.or(by_policies))
}

/// Of a new object the server has drawn some things already that nobody is told of before it is accepted.
fn as_asked_for(attributes: &Attributes<'_>, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.shift_remove("uid");
        if attributes.name.is_empty() {
            meta.shift_remove("name");
        }
    }
    object
}

/// `object` is what will be stored, `None` when something is deleted.
pub(crate) fn validate(
    tx: &Transaction<'_>,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
) -> Result<()> {
    policy::validate(tx, attributes, object)?;
    talk::validate(tx, attributes, object)
}

/// For writes that store no object of their own: both, one after the other.
pub(crate) fn admit(
    tx: &Transaction<'_>,
    attributes: &Attributes<'_>,
    object: Option<Value>,
) -> Result<Option<Value>> {
    let mut object = object;
    for pass in [Pass::First, Pass::Again] {
        match mutate(tx, attributes, object.as_ref(), pass)? {
            Some(changed) => object = Some(changed),
            None => break,
        }
    }
    validate(tx, attributes, object.as_ref())?;
    Ok(object)
}

impl Api {
    /// What admission makes of a request that stores nothing, such as a connection with a pod.
    pub fn ask(
        &self,
        operation: Operation,
        key: &Key,
        subresource: &str,
        object: Value,
        origin: &Origin,
    ) -> Result<Value> {
        let kind = self.kind(key.resource.as_str())?;
        let tx = Transaction::begin(self, false, origin);
        let attributes = Attributes {
            operation,
            kind: &kind,
            subresource,
            namespace: namespace(key),
            name: &key.name,
            old: None,
            dry_run: false,
            origin,
        };
        admit(&tx, &attributes, Some(object)).map(Option::unwrap_or_default)
    }
}

/// The namespace of [`Attributes`]: a Namespace is in itself.
pub(crate) fn namespace(key: &Key) -> &str {
    if key.resource.as_str() == "namespaces" { &key.name } else { &key.namespace }
}
