//! All roles and bindings of a cluster, by whom they speak of.

use crate::{MASTERS, Rule, User};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use store::View;

/// The kinds that the rules are read from.
pub const RESOURCES: [&str; 4] = [
    "rbac.authorization.k8s.io/clusterroles",
    "rbac.authorization.k8s.io/clusterrolebindings",
    "rbac.authorization.k8s.io/roles",
    "rbac.authorization.k8s.io/rolebindings",
];

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `get`, `list`, `watch`, `create`, …; of a path the method in small letters.
    pub verb: &'a str,
    /// Empty for cluster-scoped objects and for all namespaces.
    pub namespace: &'a str,
    pub group: &'a str,
    /// The plural, with a subresource behind a slash; empty if `path` is meant.
    pub resource: &'a str,
    pub name: &'a str,
    pub path: &'a str,
}

/// The answer, with upstream's reason (often empty for a no).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allowed { reason: String },
    Denied { reason: String },
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    pub fn reason(&self) -> &str {
        match self {
            Self::Allowed { reason } | Self::Denied { reason } => reason,
        }
    }
}

/// What a binding gives to one of its subjects.
#[derive(Debug)]
struct Grant {
    /// Empty: everywhere.
    namespace: String,
    /// `ClusterRoleBinding "a" of ClusterRole "b" to Group "c"`.
    text: String,
    /// Or why there are no rules.
    rules: Result<Arc<[Rule]>, String>,
}

#[derive(Debug, Default)]
pub struct Rules {
    users: HashMap<String, Vec<Grant>>,
    groups: HashMap<String, Vec<Grant>>,
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

impl Rules {
    pub fn read(view: &dyn View) -> Self {
        let mut roles: HashMap<(String, String), Arc<[Rule]>> = HashMap::new();
        for resource in [RESOURCES[0], RESOURCES[2]] {
            for role in view.list(resource, "") {
                let place =
                    (text(&role["metadata"], "namespace").into(), text(&role["metadata"], "name").into());
                roles.insert(place, rules_of(&role).into());
            }
        }
        let mut rules = Self::default();
        // Those of the whole cluster first: they are asked first.
        for resource in [RESOURCES[1], RESOURCES[3]] {
            for binding in view.list(resource, "") {
                rules.add(&binding, &roles);
            }
        }
        rules
    }

    fn add(&mut self, binding: &Value, roles: &HashMap<(String, String), Arc<[Rule]>>) {
        let (namespace, name) = (text(&binding["metadata"], "namespace"), text(&binding["metadata"], "name"));
        let (kind, role) = (text(&binding["roleRef"], "kind"), text(&binding["roleRef"], "name"));
        let place = if kind == "Role" { namespace } else { "" };
        let rules = roles
            .get(&(place.to_string(), role.to_string()))
            .cloned()
            .ok_or_else(|| format!("{}.rbac.authorization.k8s.io {role:?} not found", kind.to_lowercase()));
        let head = match namespace {
            "" => format!("ClusterRoleBinding {name:?} of {kind} {role:?} to"),
            _ => format!("RoleBinding {:?} of {kind} {role:?} to", format!("{name}/{namespace}")),
        };
        for subject in binding["subjects"].as_array().into_iter().flatten() {
            let (kind, name) = (text(subject, "kind"), text(subject, "name"));
            let of = match text(subject, "namespace") {
                "" => namespace,
                given => given,
            };
            let grant = |shown: String| Grant {
                namespace: namespace.into(),
                text: format!("{head} {kind} {shown:?}"),
                rules: rules.clone(),
            };
            match kind {
                "User" => self.users.entry(name.into()).or_default().push(grant(name.into())),
                "Group" => self.groups.entry(name.into()).or_default().push(grant(name.into())),
                "ServiceAccount" if !of.is_empty() => {
                    let user = format!("system:serviceaccount:{of}:{name}");
                    self.users.entry(user).or_default().push(grant(format!("{name}/{of}")));
                }
                _ => {}
            }
        }
    }

    /// What speaks of this user in this namespace.
    fn grants<'a>(&'a self, user: &'a User, namespace: &'a str) -> impl Iterator<Item = &'a Grant> {
        let own = self.users.get(&user.name).into_iter().flatten();
        let of_groups = user.groups.iter().filter_map(|group| self.groups.get(group)).flatten();
        own.chain(of_groups).filter(move |grant| {
            grant.namespace.is_empty() || (!namespace.is_empty() && grant.namespace == namespace)
        })
    }

    pub fn decide(&self, user: &User, asked: &Attributes<'_>) -> Decision {
        if user.is_in(MASTERS) {
            return Decision::Allowed { reason: String::new() };
        }
        let mut problems = Vec::new();
        for grant in self.grants(user, asked.namespace) {
            match &grant.rules {
                Ok(rules) if rules.iter().any(|rule| allows(rule, asked)) => {
                    return Decision::Allowed { reason: format!("RBAC: allowed by {}", grant.text) };
                }
                Ok(_) => {}
                Err(problem) => problems.push(problem.as_str()),
            }
        }
        problems.dedup();
        let reason = match problems.as_slice() {
            [] => String::new(),
            [one] => format!("RBAC: {one}"),
            many => format!("RBAC: [{}]", many.join(", ")),
        };
        Decision::Denied { reason }
    }

    /// Everything that a user may do in a namespace (and everywhere).
    pub fn of(&self, user: &User, namespace: &str) -> Vec<Rule> {
        let all = || Rule { verbs: vec!["*".into()], ..Rule::default() };
        if user.is_in(MASTERS) {
            return vec![
                Rule { api_groups: vec!["*".into()], resources: vec!["*".into()], ..all() },
                Rule { non_resource_urls: vec!["*".into()], ..all() },
            ];
        }
        let mut rules: Vec<Rule> = Vec::new();
        for granted in self.grants(user, namespace).filter_map(|grant| grant.rules.as_ref().ok()) {
            rules.extend(granted.iter().cloned());
        }
        rules
    }
}

/// The rules of a role.
pub(crate) fn rules_of(role: &Value) -> Vec<Rule> {
    role["rules"].as_array().into_iter().flatten().map(Rule::read).collect()
}

fn allows(rule: &Rule, asked: &Attributes<'_>) -> bool {
    if asked.resource.is_empty() {
        rule.allows_path(asked.verb, asked.path)
    } else {
        rule.allows_resource(asked.verb, asked.group, asked.resource, asked.name)
    }
}
