//! Which writes a webhook, a policy or its binding is about: rules, `matchConstraints` and `matchResources`.

use super::{Attributes, Operation};
use crate::{ApiError, Result, Selector};
use serde_json::Value;
use store::View;

pub(crate) struct Matcher {
    /// `None`: every write.
    rules: Option<Vec<Rule>>,
    excluded: Vec<Rule>,
    equivalent: bool,
    namespaces: Selector,
    objects: Selector,
}

/// Group, version and a name: of a kind or of a resource.
pub(crate) type Name = (String, String, String);

/// The form in which a webhook or a policy is told of a write: the resource that its rules name, which may be another
/// version than the request's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Concern {
    pub(crate) resource: Name,
    pub(crate) kind: Name,
}

impl Concern {
    /// The `apiVersion` of the objects that it is told of.
    pub(crate) fn api_version(&self) -> String {
        let (group, version, _) = &self.kind;
        if group.is_empty() { version.clone() } else { format!("{group}/{version}") }
    }
}

impl Matcher {
    /// A webhook; without rules it is about nothing.
    pub(crate) fn of_hook(hook: &Value) -> Self {
        Self { rules: Some(rules(&hook["rules"])), ..Self::selecting(hook) }
    }

    /// The resources of a policy or a binding; without rules these are all.
    pub(crate) fn of_policy(given: &Value) -> Self {
        let rules_given = Some(rules(&given["resourceRules"])).filter(|rules| !rules.is_empty());
        Self { rules: rules_given, excluded: rules(&given["excludeResourceRules"]), ..Self::selecting(given) }
    }

    fn selecting(given: &Value) -> Self {
        let selector = |given: &Value| match given {
            Value::Null => Selector::default(),
            given => Selector::of_object(given),
        };
        Self {
            rules: None,
            excluded: Vec::new(),
            equivalent: given["matchPolicy"] != "Exact",
            namespaces: selector(&given["namespaceSelector"]),
            objects: selector(&given["objectSelector"]),
        }
    }

    /// Whether and how this is about a write. `object` is in its stored version.
    pub(crate) fn concern(
        &self,
        view: &dyn View,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<Option<Concern>> {
        // A namespace that is not there is a problem only of writes that the rules are about.
        let namespace = self.concerns_namespace(view, attributes, object);
        if matches!(namespace, Ok(false)) || !self.concerns_object(attributes, object) {
            return Ok(None);
        }
        let found = self.by_rules(attributes);
        if found.is_some() {
            namespace?;
        }
        Ok(found)
    }

    /// The same by the rules alone, whatever the object.
    pub(crate) fn by_rules(&self, attributes: &Attributes<'_>) -> Option<Concern> {
        if !self.excluded.is_empty() && self.find(&self.excluded, attributes).is_some() {
            return None;
        }
        match &self.rules {
            None => Some(Concern { resource: attributes.resource(), kind: attributes.object_type() }),
            Some(rules) => self.find(rules, attributes),
        }
    }

    fn find(&self, rules: &[Rule], attributes: &Attributes<'_>) -> Option<Concern> {
        let (group, version, plural) = attributes.resource();
        if rules.iter().any(|rule| rule.fits(attributes, &group, &version)) {
            return Some(Concern { resource: (group, version, plural), kind: attributes.object_type() });
        }
        if !self.equivalent {
            return None;
        }
        let others = attributes.equivalents();
        let mut pairs = rules.iter().flat_map(|rule| others.iter().map(move |other| (rule, other)));
        let (_, (group, version)) =
            pairs.find(|(rule, (group, version))| rule.fits(attributes, group, version))?;
        let (own_group, own_version, kind) = attributes.object_type();
        // What most subresources carry has a kind and a version of its own, whatever the version of the resource.
        let kind = match kind == attributes.kind.kind {
            true => (group.clone(), version.clone(), kind),
            false => (own_group, own_version, kind),
        };
        Some(Concern { resource: (group.clone(), version.clone(), plural), kind })
    }

    fn concerns_namespace(
        &self,
        view: &dyn View,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<bool> {
        let is_namespace = attributes.kind.group.is_empty() && attributes.kind.plural == "namespaces";
        if self.namespaces.is_empty() || (attributes.namespace.is_empty() && !is_namespace) {
            return Ok(true);
        }
        let written = matches!(attributes.operation, Operation::Create | Operation::Update);
        if is_namespace && attributes.subresource.is_empty() && written {
            return Ok(object.is_some_and(|object| self.namespaces.matches(&object["metadata"]["labels"])));
        }
        let name = if is_namespace { attributes.name } else { attributes.namespace };
        let namespace =
            view.get("namespaces", "", name).ok_or_else(|| ApiError::not_found("namespaces", name))?;
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

fn rules(given: &Value) -> Vec<Rule> {
    given.as_array().into_iter().flatten().map(Rule::read).collect()
}

struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    /// With their subresources.
    resources: Vec<(String, String)>,
    /// Only policies have them; empty: any.
    names: Vec<String>,
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
            names: words(&rule["resourceNames"]),
            scope: word(&rule["scope"]),
        }
    }

    fn fits(&self, attributes: &Attributes<'_>, group: &str, version: &str) -> bool {
        let same = |wanted: &str, is: &str| wanted == "*" || wanted == is;
        let any = |wanted: &[String], is: &str| wanted.iter().any(|wanted| same(wanted, is));
        any(&self.operations, attributes.operation.name())
            && any(&self.groups, group)
            && any(&self.versions, version)
            && self.resources.iter().any(|(resource, sub)| {
                same(resource, &attributes.kind.plural) && same(sub, attributes.subresource)
            })
            && self.scope_fits(attributes)
            && (self.names.is_empty() || self.names.iter().any(|name| name == attributes.name))
    }

    fn scope_fits(&self, attributes: &Attributes<'_>) -> bool {
        let is_namespace = attributes.kind.group.is_empty() && attributes.kind.plural == "namespaces";
        let clustered = is_namespace || attributes.namespace.is_empty();
        match self.scope.as_str() {
            "Namespaced" => !clustered,
            "Cluster" => clustered,
            _ => true,
        }
    }
}

pub(crate) fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

pub(crate) fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(word).collect()
}
