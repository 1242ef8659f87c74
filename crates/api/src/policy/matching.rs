//! Which writes a policy or its binding is about: `matchConstraints` and `matchResources`.

use super::{word, words};
use crate::admission::{Attributes, Operation};
use crate::{ApiError, Result, Selector, split_api_version};
use serde_json::Value;
use store::{Snapshot, View};

pub(super) struct Matcher {
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    equivalent: bool,
    namespaces: Selector,
    objects: Selector,
}

/// Group, version and a name: of a kind or of a resource.
pub(super) type Name = (String, String, String);

/// How a policy sees a write: the resource that its rules name, which may be another version than the request's.
pub(super) struct Concern {
    pub(super) resource: Name,
    pub(super) kind: Name,
}

impl Matcher {
    pub(super) fn read(given: &Value) -> Self {
        let rules = |field: &str| given[field].as_array().into_iter().flatten().map(Rule::read).collect();
        let selector = |given: &Value| match given {
            Value::Null => Selector::default(),
            given => Selector::of_object(given),
        };
        Self {
            rules: rules("resourceRules"),
            excluded: rules("excludeResourceRules"),
            equivalent: given["matchPolicy"] != "Exact",
            namespaces: selector(&given["namespaceSelector"]),
            objects: selector(&given["objectSelector"]),
        }
    }

    pub(super) fn concern(
        &self,
        view: &Snapshot,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<Option<Concern>> {
        // A namespace that is not there is a problem only of writes that the rules are about.
        let namespace = self.concerns_namespace(view, attributes, object);
        if matches!(namespace, Ok(false)) || !self.concerns_object(attributes, object) {
            return Ok(None);
        }
        if self.find(&self.excluded, attributes).is_some() {
            return Ok(None);
        }
        let found = if self.rules.is_empty() {
            Some(Concern { resource: resource(attributes), kind: attributes.object_type() })
        } else {
            self.find(&self.rules, attributes)
        };
        if found.is_some() {
            namespace?;
        }
        Ok(found)
    }

    fn find(&self, rules: &[Rule], attributes: &Attributes<'_>) -> Option<Concern> {
        let asked = resource(attributes);
        if rules.iter().any(|rule| rule.fits(attributes, &asked)) {
            return Some(Concern { resource: asked, kind: attributes.object_type() });
        }
        if !self.equivalent {
            return None;
        }
        let others: Vec<Name> = equivalents(attributes, &asked);
        let mut pairs = rules.iter().flat_map(|rule| others.iter().map(move |other| (rule, other)));
        let (_, found) = pairs.find(|(rule, other)| rule.fits(attributes, other))?;
        let (group, version, kind) = attributes.object_type();
        // What a subresource carries has a version of its own.
        let kind = match kind == attributes.kind.kind {
            true => (found.0.clone(), found.1.clone(), kind),
            false => (group, version, kind),
        };
        Some(Concern { resource: found.clone(), kind })
    }

    fn concerns_namespace(
        &self,
        view: &Snapshot,
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

/// What the URL of the request is about.
pub(super) fn resource(attributes: &Attributes<'_>) -> Name {
    let api_version = attributes.api_version();
    let (group, version) = split_api_version(&api_version);
    (group.into(), version.into(), attributes.kind.plural.clone())
}

/// Other resources that show the same objects.
fn equivalents(attributes: &Attributes<'_>, asked: &Name) -> Vec<Name> {
    let kind = attributes.kind;
    let name = |group: &str, version: &str| (group.to_string(), version.to_string(), kind.plural.clone());
    let mut all: Vec<Name> = kind.versions.iter().map(|version| name(&kind.group, version)).collect();
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "events") => all.push(name("events.k8s.io", "v1")),
        ("events.k8s.io", "events") => all.push(name("", "v1")),
        _ => {}
    }
    all.retain(|other| other != asked);
    all
}

struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    /// With their subresources.
    resources: Vec<(String, String)>,
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

    fn fits(&self, attributes: &Attributes<'_>, (group, version, plural): &Name) -> bool {
        let same = |wanted: &str, is: &str| wanted == "*" || wanted == is;
        let any = |wanted: &[String], is: &str| wanted.iter().any(|wanted| same(wanted, is));
        any(&self.operations, attributes.operation.name())
            && any(&self.groups, group)
            && any(&self.versions, version)
            && self
                .resources
                .iter()
                .any(|(resource, sub)| same(resource, plural) && same(sub, attributes.subresource))
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
