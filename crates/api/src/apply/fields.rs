//! Sets of field paths: `fieldsV1`.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// `f:NAME`
    Field(String),
    /// `k:{"name":"x"}`: the item of a keyed list; the text is the JSON of its keys.
    Key(String),
    /// `v:"x"`: an item of a set; the text is its JSON.
    Item(String),
}

impl Step {
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let rest = rest.to_string();
        match kind {
            "f" => Some(Self::Field(rest)),
            "k" => Some(Self::Key(rest)),
            "v" => Some(Self::Item(rest)),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Item(value) => format!("v:{value}"),
        }
    }
}

/// `.spec.containers[name="c"]`
impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Item(value) => write!(f, "[={value}]"),
            Self::Key(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", keys.join(","))
            }
        }
    }
}

/// A tree of steps; a node is in the set itself when it is a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    pub(crate) member: bool,
    pub(crate) children: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// The set of one field.
    pub(crate) fn of_path(path: &[String]) -> Self {
        path.iter().rev().fold(Self { member: true, children: BTreeMap::new() }, |below, name| Self {
            member: false,
            children: BTreeMap::from([(Step::Field(name.clone()), below)]),
        })
    }

    pub(crate) fn parse(fields: &Value) -> Self {
        let mut set = Self::default();
        for (step, below) in fields.as_object().into_iter().flatten() {
            if step == "." {
                set.member = true;
                continue;
            }
            let Some(step) = Step::parse(step) else { continue };
            let mut child = Self::parse(below);
            child.member |= child.children.is_empty();
            set.children.insert(step, child);
        }
        set
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut fields = Map::new();
        if self.member && !self.children.is_empty() {
            fields.insert(".".into(), Value::Object(Map::new()));
        }
        for (step, child) in &self.children {
            fields.insert(step.text(), child.to_value());
        }
        Value::Object(fields)
    }

    pub(crate) fn union(mut self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        self.member |= other.member;
        for (step, child) in other.children {
            match self.children.get_mut(&step) {
                Some(known) => *known = std::mem::take(known).union(child),
                None => {
                    self.children.insert(step, child);
                }
            }
        }
        self
    }

    pub(crate) fn difference(mut self, other: &Self) -> Self {
        self.member &= !other.member;
        for (step, gone) in &other.children {
            if let Some(child) = self.children.get_mut(step) {
                *child = std::mem::take(child).difference(gone);
                if child.is_empty() {
                    self.children.remove(step);
                }
            }
        }
        self
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { member: self.member && other.member, children: BTreeMap::new() };
        for (step, child) in &self.children {
            let shared = other.children.get(step).map(|known| child.intersection(known)).unwrap_or_default();
            if !shared.is_empty() {
                both.children.insert(step.clone(), shared);
            }
        }
        both
    }

    /// The whole subtree of one field of the object.
    pub(crate) fn only(mut self, field: &str) -> Self {
        self.keep(&[field]);
        self
    }

    pub(crate) fn without(mut self, field: &str) -> Self {
        self.children.remove(&Step::Field(field.to_string()));
        self
    }

    /// What of a pod is resized: the resources and the resize policies of its containers.
    pub(crate) fn resources(mut self) -> Self {
        self.keep(&["spec"]);
        for spec in self.children.values_mut() {
            spec.keep(&["containers", "initContainers"]);
            for containers in spec.children.values_mut() {
                containers.member = false;
                containers
                    .children
                    .values_mut()
                    .for_each(|fields| fields.keep(&["resources", "resizePolicy"]));
                containers.children.retain(|_, fields| !fields.is_empty());
            }
            spec.children.retain(|_, containers| !containers.is_empty());
        }
        self.children.retain(|_, spec| !spec.is_empty());
        self
    }

    /// Only these fields, and what is below them.
    fn keep(&mut self, names: &[&str]) {
        self.member = false;
        self.children.retain(|step, _| matches!(step, Step::Field(name) if names.contains(&name.as_str())));
    }

    /// Nobody owns what identifies an object or what the server counts.
    pub(crate) fn without_bookkeeping(self) -> Self {
        const SERVERS: [&str; 8] = [
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        ];
        let mut set = self.without("apiVersion").without("kind");
        let metadata = Step::Field("metadata".into());
        if let Some(mut below) = set.children.remove(&metadata) {
            below.member = false;
            let below = SERVERS.iter().fold(below, |set, field| set.without(field));
            if !below.is_empty() {
                set.children.insert(metadata, below);
            }
        }
        set
    }

    /// The paths of all members, as messages show them.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect(&mut String::new(), &mut paths);
        paths
    }

    fn collect(&self, path: &mut String, paths: &mut Vec<String>) {
        if self.member {
            paths.push(path.clone());
        }
        for (step, child) in &self.children {
            let length = path.len();
            path.push_str(&step.to_string());
            child.collect(path, paths);
            path.truncate(length);
        }
    }
}
