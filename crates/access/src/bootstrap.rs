//! The roles and bindings that every cluster has.

use crate::Rule;
use serde_json::{Value, json};

const ROLES: &str = include_str!("../data/roles.txt");
const BINDINGS: &str = include_str!("../data/bindings.txt");
const API_VERSION: &str = "rbac.authorization.k8s.io/v1";

/// Resource and object of each.
pub fn objects() -> Vec<(&'static str, Value)> {
    let mut objects: Vec<(&'static str, Value)> =
        roles().into_iter().map(|role| (ROLE[scope(&role)], role)).collect();
    for line in lines(BINDINGS) {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default();
        let (name, role) = name.split_once('=').unwrap_or((name, name));
        let subjects: Vec<Value> = words.map(subject).collect();
        let mut binding = object(["ClusterRoleBinding", "RoleBinding"], name);
        let namespaced = scope(&binding);
        let (_, role) = role.split_once('/').unwrap_or(("", role));
        let kind = ["ClusterRole", "Role"][namespaced];
        binding["roleRef"] = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role });
        if !subjects.is_empty() {
            binding["subjects"] = subjects.into();
        }
        objects.push((BINDING[namespaced], binding));
    }
    objects
}

/// Of the cluster, of a namespace.
const ROLE: [&str; 2] = ["rbac.authorization.k8s.io/clusterroles", "rbac.authorization.k8s.io/roles"];
const BINDING: [&str; 2] =
    ["rbac.authorization.k8s.io/clusterrolebindings", "rbac.authorization.k8s.io/rolebindings"];

/// 0: of the cluster; 1: of a namespace.
fn scope(object: &Value) -> usize {
    usize::from(object["metadata"]["namespace"].is_string())
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// `kinds`: of the cluster, of a namespace; `name` may have its namespace before a slash.
fn object(kinds: [&str; 2], name: &str) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let mut object = json!({
        "apiVersion": API_VERSION, "kind": kinds[usize::from(!namespace.is_empty())],
        "metadata": {
            "name": name,
            "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" },
            "annotations": { "rbac.authorization.kubernetes.io/autoupdate": "true" },
        },
    });
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

fn subject(text: &str) -> Value {
    let group = "rbac.authorization.k8s.io";
    match text.split('/').collect::<Vec<_>>()[..] {
        [kind, namespace, name] => json!({ "kind": kind, "name": name, "namespace": namespace }),
        [kind, name] => json!({ "apiGroup": group, "kind": kind, "name": name }),
        _ => unreachable!("the table has kinds and names: {text}"),
    }
}

fn roles() -> Vec<Value> {
    let mut roles: Vec<Value> = Vec::new();
    for line in lines(ROLES) {
        if let Some(rule) = line.strip_prefix(' ') {
            let role = roles.last_mut().expect("a rule stands below its role");
            if !role["rules"].is_array() {
                role["rules"] = json!([]);
            }
            let rules = role["rules"].as_array_mut().expect("made above");
            rules.push(rule_of(rule).write());
            continue;
        }
        let mut words = line.split(' ');
        let mut role = object(["ClusterRole", "Role"], words.next().unwrap_or_default());
        for word in words {
            let label = |what: &str| format!("rbac.authorization.k8s.io/aggregate-to-{what}");
            match word.split_once('=') {
                Some(("into", what)) => role["metadata"]["labels"][label(what)] = "true".into(),
                Some(("aggregates", what)) => {
                    let selector = json!({ "matchLabels": { label(what): "true" } });
                    role["aggregationRule"] = json!({ "clusterRoleSelectors": [selector] });
                }
                _ => unreachable!("the table has no word {word}"),
            }
        }
        roles.push(role);
    }
    roles
}

fn rule_of(line: &str) -> Rule {
    let words: Vec<&str> = line.split(' ').collect();
    let list = |word: &str| -> Vec<String> { word.split(',').map(str::to_string).collect() };
    let mut verbs: Vec<String> = words[2].split(',').flat_map(verbs).map(str::to_string).collect();
    verbs.sort();
    if words[0] == "url" {
        return Rule { verbs, non_resource_urls: list(words[1]), ..Rule::default() };
    }
    let names = words.get(3).and_then(|word| word.strip_prefix("names="));
    let groups = list(words[0]).into_iter().map(|group| if group == "core" { String::new() } else { group });
    Rule {
        verbs,
        api_groups: groups.collect(),
        resources: list(words[1]),
        resource_names: names.map(list).unwrap_or_default(),
        ..Rule::default()
    }
}

fn verbs(word: &str) -> Vec<&str> {
    match word {
        "read" => vec!["get", "list", "watch"],
        "write" => vec!["create", "delete", "deletecollection", "patch", "update"],
        verb => vec![verb],
    }
}
