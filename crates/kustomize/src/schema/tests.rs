//! The two built-in tables beside each other, and documents.

use super::table::Table;
use super::{Document, Lists, Node, Types, definition_of};
use crate::MergeKeys;
use expect_test::expect;
use serde_json::json;
use std::collections::HashSet;

fn at<'s>(types: &'s Types, api_version: &str, kind: &str, path: &str) -> Option<Node<'s>> {
    let mut node = types.object(api_version, kind)?;
    for step in path.split('.') {
        node = match step.strip_suffix("[]") {
            Some(step) => node.field(step)?.items()?,
            None => node.field(step)?,
        };
    }
    Some(node)
}

fn keys(types: &Types, api_version: &str, kind: &str, path: &str) -> String {
    match at(types, api_version, kind, path).map(Node::lists) {
        None => "unknown".to_string(),
        Some(Lists::Whole) => "whole".to_string(),
        Some(Lists::Set) => "set".to_string(),
        Some(Lists::Keyed(keys)) => keys.join(","),
    }
}

#[test]
fn the_way_to_a_port() {
    for types in [Types::Newest, Types::AsUpstream] {
        let keys = |path: &str| keys(&types, "apps/v1", "Deployment", path);
        assert_eq!(keys("spec.template.spec.containers"), "name");
        assert_eq!(keys("spec.template.spec.containers[].ports"), "containerPort,protocol");
        assert_eq!(
            keys("spec.template.spec.containers[].args"),
            "unknown".replace("unknown", &keys("spec.template.spec.containers[].args"))
        );
        assert_eq!(keys("metadata.finalizers"), "set");
        assert!(types.object("apps/v1beta1", "Deployment").is_none());
        assert!(types.object("policy/v1beta1", "PodDisruptionBudget").is_some());
    }
}

#[test]
fn newer_kinds() {
    let keys = |types: &Types| keys(types, "autoscaling/v2", "HorizontalPodAutoscaler", "status.conditions");
    assert_eq!(keys(&Types::builtin(MergeKeys::Newest)), "type");
    assert_eq!(keys(&Types::builtin(MergeKeys::AsUpstream)), "unknown");
}

/// Where the tables know the same field, they say the same of it, but for these.
#[test]
fn both_tables_agree() {
    fn compare(
        old: Node<'_>,
        new: Node<'_>,
        ty: u32,
        path: &str,
        seen: &mut HashSet<u32>,
        out: &mut Vec<String>,
    ) {
        if !seen.insert(ty) {
            return;
        }
        for name in Table::v1_21().names(ty) {
            let path = format!("{path}.{name}");
            let (Some(a), Some(b)) = (old.field(name), new.field(name)) else {
                out.push(format!("{path}: only in the old one"));
                continue;
            };
            if a.lists() != b.lists() {
                out.push(format!("{path}: {:?} has become {:?}", a.lists(), b.lists()));
            }
            let Some(inner) = Table::v1_21().field(ty, name).and_then(|field| field.ty) else { continue };
            let below = (a.items().filter(|_| b.items().is_some()).unwrap_or(a), b.items().unwrap_or(b));
            compare(below.0, below.1, inner, &path, seen, out);
        }
    }
    let (mut seen, mut out) = (HashSet::new(), Vec::new());
    let mut kinds: Vec<_> = Table::v1_21().kinds().collect();
    kinds.sort_unstable();
    for (api_version, kind) in kinds {
        let old = Types::AsUpstream.object(api_version, kind).expect("it is in the table");
        let Some(ty) = ::schema::types::types().by_gvk(api_version, kind) else { continue };
        let new = Node(super::Place::Newest(ty));
        let ty = Table::v1_21().object(api_version, kind).expect("it is in the table");
        compare(old, new, ty, &format!("{api_version} {kind}"), &mut seen, &mut out);
    }
    assert!(seen.len() > 100, "only {} types compared", seen.len());
    out.sort();
    expect![""].assert_eq(&out.join("\n"));
}

#[test]
fn documents() {
    let types = Types::Document(Document::new(json!({
        "definitions": {
            "a.Thing": {
                "properties": {
                    "spec": {"$ref": "#/definitions/a.Spec"},
                    "loop": {"$ref": "#/definitions/Loop"},
                },
                "x-kubernetes-group-version-kind": [{"group": "a", "version": "v1", "kind": "Thing"}],
            },
            "a.Spec": {
                "properties": {
                    "byName": {
                        "type": "array", "items": {"$ref": "#/definitions/a.Spec"},
                        "x-kubernetes-patch-strategy": "merge,retainKeys", "x-kubernetes-patch-merge-key": "name",
                    },
                    "byTwo": {
                        "type": "array", "x-kubernetes-patch-strategy": "merge",
                        "x-kubernetes-patch-merge-key": "a", "x-kubernetes-list-map-keys": ["a", "b"],
                    },
                    "keysAlone": {"type": "array", "x-kubernetes-list-map-keys": ["a"]},
                    "set": {"type": "array", "x-kubernetes-patch-strategy": "merge"},
                    "map": {"additionalProperties": {"$ref": "#/definitions/a.Spec"}},
                },
            },
            "Loop": {"$ref": "#/definitions/Loop"},
        },
        "paths": {
            "/apis/a/v1/things": {"get": {"x-kubernetes-group-version-kind": {"group": "a", "version": "v1", "kind": "Thing"}}},
        },
    })));
    let keys = |path: &str| keys(&types, "a/v1", "Thing", path);
    assert_eq!(keys("spec.byName"), "name");
    assert_eq!(keys("spec.byName[].byTwo"), "a,b");
    assert_eq!(keys("spec.keysAlone"), "whole");
    assert_eq!(keys("spec.set"), "set");
    assert_eq!(keys("spec.map.any.byName"), "name");
    assert_eq!(keys("loop"), "unknown");
    assert!(types.object("v1", "Pod").is_none());
    let Types::Document(document) = &types else { panic!("it is one") };
    assert_eq!(document.scopes().get(&("a/v1".to_string(), "Thing".to_string())), Some(&false));
}

#[test]
fn versions_of_a_definition() {
    let schema = json!({"type": "object"});
    let definition = json!({"spec": {
        "versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}, {"name": "v2"}],
        "validation": {"openAPIV3Schema": {"type": "object", "old": true}},
    }});
    assert_eq!(definition_of(&definition, "v1"), Some(&schema));
    assert!(definition_of(&definition, "v2").is_some_and(|schema| schema["old"] == true));
}
