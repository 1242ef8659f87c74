//! Nobody grants what they may not do themselves.

use crate::rules::rules_of;
use crate::{Attributes, Rule, Rules, User};
use serde_json::Value;
use store::View;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Whether this user may write this role or binding; the error is what upstream says after the object's name.
pub fn check(
    rules: &Rules,
    view: &dyn View,
    user: &User,
    plural: &str,
    object: &Value,
) -> Result<(), String> {
    if user.is_in(crate::MASTERS) {
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let namespace = text(&object["metadata"]["namespace"]);
    let may = |verb: &str, resource: &str, name: &str| {
        let asked = Attributes { verb, namespace: &namespace, group: GROUP, resource, name, path: "" };
        rules.decide(user, &asked).is_allowed()
    };
    let wanted = match plural {
        "roles" | "clusterroles" => {
            let name = text(&object["metadata"]["name"]);
            if may("escalate", plural, &name) {
                return Ok(());
            }
            // One who may everything on everything may aggregate too; others get the rules by its controller.
            rules_of(object)
        }
        "rolebindings" | "clusterrolebindings" => {
            let (kind, name) = (text(&object["roleRef"]["kind"]), text(&object["roleRef"]["name"]));
            let (plural, place) =
                if kind == "Role" { ("roles", namespace.as_str()) } else { ("clusterroles", "") };
            if may("bind", plural, &name) {
                return Ok(());
            }
            match view.get(&format!("{GROUP}/{plural}"), place, &name) {
                Some(role) => rules_of(&role),
                None => return Err(format!("{plural}.{GROUP} {name:?} not found")),
            }
        }
        _ => return Ok(()),
    };
    let missing = uncovered(&rules.of(user, &namespace), &wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = user.groups.iter().map(|group| format!("{group:?}")).collect();
    let mut lines: Vec<String> = missing.iter().map(Rule::compact).collect();
    lines.sort();
    Err(format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        groups.join(" "),
        lines.join("\n")
    ))
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
