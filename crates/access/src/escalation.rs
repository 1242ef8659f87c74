//! Nobody grants what they may not do themselves.

use crate::rules::rules_of;
use crate::{Attributes, Rule, Rules, User};
use serde_json::Value;
use store::View;

const GROUP: &str = "rbac.authorization.k8s.io";

/// A write of a role or a binding, as the request has it.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    pub plural: &'a str,
    /// Of the URL: empty for what is of the whole cluster, whatever the object says.
    pub namespace: &'a str,
    /// Of the URL; empty when an object is created.
    pub name: &'a str,
    pub old: Option<&'a Value>,
    pub new: &'a Value,
}

/// Why a write is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What upstream says after the object's name.
    Forbidden(String),
    /// The role that a binding speaks of is not there: its resource and its name.
    NoRole(String, String),
}

/// Whether this user may write this role or binding.
pub fn check(rules: &Rules, view: &dyn View, user: &User, write: &Write<'_>) -> Result<(), Refusal> {
    if user.is_in(crate::MASTERS) || write.old.is_some_and(|old| only_for_the_collector(old, write.new)) {
        return Ok(());
    }
    let may = |verb: &str, resource: &str, name: &str| {
        let asked = Attributes { verb, namespace: write.namespace, group: GROUP, resource, name, path: "" };
        rules.decide(user, &asked).is_allowed()
    };
    match write.plural {
        "roles" | "clusterroles" => {
            if may("escalate", write.plural, write.name) {
                return Ok(());
            }
            covered(rules, user, write.namespace, &rules_of(write.new))?;
            // Such a role gets whatever the roles have that it selects, now and later.
            if (aggregates(write.new) || write.old.is_some_and(aggregates))
                && covered(rules, user, write.namespace, &everything()).is_err()
            {
                let why = "must have cluster-admin privileges to use the aggregationRule";
                return Err(Refusal::Forbidden(why.into()));
            }
            Ok(())
        }
        "rolebindings" | "clusterrolebindings" => {
            let text = |field: &str| write.new["roleRef"][field].as_str().unwrap_or_default();
            let (plural, place) =
                if text("kind") == "Role" { ("roles", write.namespace) } else { ("clusterroles", "") };
            if may("bind", plural, text("name")) {
                return Ok(());
            }
            let resource = format!("{GROUP}/{plural}");
            match view.get(&resource, place, text("name")) {
                Some(role) => covered(rules, user, write.namespace, &rules_of(&role)),
                None => Err(Refusal::NoRole(resource, text("name").into())),
            }
        }
        _ => Ok(()),
    }
}

/// Whether the garbage collector's fields alone change: it must be able to let go of what it may not grant.
fn only_for_the_collector(old: &Value, new: &Value) -> bool {
    let rest = |object: &Value| {
        let mut rest = object.clone();
        if let Some(metadata) = rest["metadata"].as_object_mut() {
            for field in ["finalizers", "ownerReferences", "managedFields", "resourceVersion"] {
                metadata.remove(field);
            }
        }
        rest
    };
    old["metadata"]["uid"].is_string() && rest(old) == rest(new)
}

fn aggregates(role: &Value) -> bool {
    role["aggregationRule"]["clusterRoleSelectors"].as_array().is_some_and(|all| !all.is_empty())
}

/// What a cluster-admin has.
fn everything() -> [Rule; 2] {
    let star = || vec!["*".to_string()];
    [
        Rule { verbs: star(), api_groups: star(), resources: star(), ..Rule::default() },
        Rule { verbs: star(), non_resource_urls: star(), ..Rule::default() },
    ]
}

fn covered(rules: &Rules, user: &User, namespace: &str, wanted: &[Rule]) -> Result<(), Refusal> {
    if wanted.iter().map(size).fold(0, usize::saturating_add) > MOST_PARTS {
        let why =
            format!("its rules allow more than {MOST_PARTS} single things, which are not looked through");
        return Err(Refusal::Forbidden(why));
    }
    let missing = uncovered(&rules.of(user, namespace), wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = user.groups.iter().map(|group| format!("{group:?}")).collect();
    let mut lines: Vec<String> = missing.iter().map(Rule::compact).collect();
    lines.sort();
    Err(Refusal::Forbidden(format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        groups.join(" "),
        lines.join("\n")
    )))
}

/// A rule of a thousand verbs, groups and resources is a billion single things: nobody writes one who means well.
const MOST_PARTS: usize = 100_000;

/// How many rules [`parts`] makes of it.
fn size(rule: &Rule) -> usize {
    let things = rule
        .api_groups
        .len()
        .saturating_mul(rule.resources.len())
        .saturating_mul(rule.resource_names.len().max(1));
    rule.verbs.len().saturating_mul(things.saturating_add(rule.non_resource_urls.len()))
}

/// What of `wanted` these rules do not allow, as few rules.
pub fn uncovered(held: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let mut missing: Vec<Rule> = Vec::new();
    for part in wanted.iter().flat_map(parts) {
        if held.iter().any(|rule| covers(rule, &part)) {
            continue;
        }
        // One rule for all verbs on the same thing.
        let same = |known: &&mut Rule| {
            known.api_groups == part.api_groups
                && known.resources == part.resources
                && known.resource_names == part.resource_names
                && known.non_resource_urls == part.non_resource_urls
        };
        match missing.iter_mut().find(same) {
            Some(known) if !known.verbs.contains(&part.verbs[0]) => known.verbs.extend(part.verbs),
            Some(_) => {}
            None => missing.push(part),
        }
    }
    missing
}

/// A rule as rules of one verb on one thing.
fn parts(rule: &Rule) -> Vec<Rule> {
    let one = |text: &String| vec![text.clone()];
    let mut out = Vec::new();
    for verb in &rule.verbs {
        for group in &rule.api_groups {
            for resource in &rule.resources {
                let part = Rule {
                    verbs: one(verb),
                    api_groups: one(group),
                    resources: one(resource),
                    ..Rule::default()
                };
                if rule.resource_names.is_empty() {
                    out.push(part.clone());
                }
                for name in &rule.resource_names {
                    out.push(Rule { resource_names: one(name), ..part.clone() });
                }
            }
        }
        for url in &rule.non_resource_urls {
            out.push(Rule { verbs: one(verb), non_resource_urls: one(url), ..Rule::default() });
        }
    }
    out
}

/// Whether `rule` allows a rule of one verb on one thing, stars and all.
fn covers(rule: &Rule, part: &Rule) -> bool {
    let verb = &part.verbs[0];
    match (part.non_resource_urls.first(), part.resources.first(), part.api_groups.first()) {
        (Some(url), ..) => rule.allows_path(verb, url),
        (None, Some(resource), Some(group)) => {
            let name = part.resource_names.first().map_or("", String::as_str);
            // All names are allowed only by a rule without names.
            let names = rule.resource_names.is_empty() || !name.is_empty();
            names && rule.allows_resource(verb, group, resource, name)
        }
        _ => false,
    }
}
