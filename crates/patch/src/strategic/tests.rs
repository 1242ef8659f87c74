//! Cases from the API conventions and from what kubectl sends; laws by property.

use super::strategic_merge;
use crate::{FieldRule, ListRule, Schema, TypeId};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

/// `Thing`: `items` keyed by `name`, `set` a set, `atomic` replaced, `child` a Thing, `strategy` retains keys.
struct Things;

impl Schema for Things {
    fn object(&self, api_version: &str, kind: &str) -> Option<TypeId> {
        (api_version == "v1" && kind == "Thing").then_some(TypeId(0))
    }

    fn field(&self, _: TypeId, name: &str) -> FieldRule {
        match name {
            "items" => {
                FieldRule { ty: Some(TypeId(0)), list: ListRule::Map("name".into()), ..Default::default() }
            }
            "ports" => {
                FieldRule { ty: Some(TypeId(0)), list: ListRule::Map("port".into()), ..Default::default() }
            }
            "set" => FieldRule { list: ListRule::Set, ..Default::default() },
            "child" => FieldRule { ty: Some(TypeId(0)), ..Default::default() },
            "strategy" => FieldRule { ty: Some(TypeId(0)), retain_keys: true, ..Default::default() },
            _ => FieldRule::default(),
        }
    }
}

fn merge(mut target: Value, patch: &Value) -> Result<Value, crate::Error> {
    strategic_merge(&Things, "v1", "Thing", &mut target, patch).map(|()| target)
}

fn check(target: Value, patch: Value, expected: Expect) {
    expected.assert_eq(&match merge(target, &patch) {
        Ok(merged) => merged.to_string(),
        Err(e) => format!("error: {e}"),
    });
}

#[test]
fn keyed_lists_merge_by_key() {
    check(
        json!({"items": [{"name": "a", "v": 1, "w": 1}, {"name": "b"}]}),
        json!({"items": [{"name": "a", "v": 2}, {"name": "c"}]}),
        expect![[r#"{"items":[{"name":"a","v":2,"w":1},{"name":"c"},{"name":"b"}]}"#]],
    );
    check(
        json!({"items": [{"name": "a"}, {"name": "b"}]}),
        json!({"items": [{"name": "c"}]}),
        expect![[r#"{"items":[{"name":"c"},{"name":"a"},{"name":"b"}]}"#]],
    );
}

#[test]
fn numbers_are_keys_too() {
    check(
        json!({"ports": [{"port": 80, "name": "http"}, {"port": 443}]}),
        json!({"ports": [{"port": 443, "name": "https"}]}),
        expect![[r#"{"ports":[{"port":80,"name":"http"},{"port":443,"name":"https"}]}"#]],
    );
}

#[test]
fn list_directives() {
    let target = || json!({"items": [{"name": "a"}, {"name": "b", "v": 1}]});
    check(
        target(),
        json!({"items": [{"name": "a", "$patch": "delete"}]}),
        expect![[r#"{"items":[{"name":"b","v":1}]}"#]],
    );
    check(
        target(),
        json!({"items": [{"name": "b"}, {"$patch": "replace"}]}),
        expect![[r#"{"items":[{"name":"b"}]}"#]],
    );
    check(target(), json!({"items": [{"$patch": "replace"}]}), expect![[r#"{"items":[]}"#]]);
    check(
        target(),
        json!({"items": [{"$patch": "merge", "name": "a"}]}),
        expect!["error: merging lists cannot yet be specified in the patch"],
    );
    check(
        target(),
        json!({"items": [{"$patch": "frob", "name": "a"}]}),
        expect!["error: unknown patch type: frob in map: map[$patch:frob name:a]"],
    );
    check(
        target(),
        json!({"items": [{"$patch": "delete"}]}),
        expect!["error: map: map[$patch:delete] does not contain declared merge key: name"],
    );
    check(
        target(),
        json!({"items": [{"v": 1}]}),
        expect!["error: map: map[v:1] does not contain declared merge key: name"],
    );
}

#[test]
fn map_directives() {
    let target = || json!({"child": {"a": 1, "b": 2}, "z": 1});
    check(target(), json!({"child": {"$patch": "replace", "c": 3}}), expect![[r#"{"child":{"c":3},"z":1}"#]]);
    check(target(), json!({"child": {"$patch": "delete"}}), expect![[r#"{"child":{},"z":1}"#]]);
    check(target(), json!({"$patch": "delete"}), expect!["{}"]);
    check(target(), json!({"$patch": "replace", "q": 1}), expect![[r#"{"q":1}"#]]);
    check(
        target(),
        json!({"child": {"$patch": "merge", "a": 9}}),
        expect!["error: unknown patch type: merge in map: map[$patch:merge a:9]"],
    );
    check(
        target(),
        json!({"child": {"$patch": 7}}),
        expect!["error: unknown patch type: 7 in map: map[$patch:7]"],
    );
}

#[test]
fn no_directive_is_ever_stored() {
    check(
        json!({}),
        json!({
            "child": {"$retainKeys": ["a"], "a": 1, "gone": null},
            "other": {"$patch": "delete"},
            "items": [{"name": "a", "child": {"$patch": "replace", "x": 1}}, {"name": "b", "$patch": "delete"}],
            "$setElementOrder/items": [{"name": "a"}],
            "$deleteFromPrimitiveList/set": ["x"],
        }),
        expect![[r#"{"items":[{"name":"a","child":{"x":1}}],"child":{"a":1}}"#]],
    );
}

#[test]
fn retain_keys() {
    check(
        json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}),
        json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}),
        expect![[r#"{"strategy":{"type":"Recreate"}}"#]],
    );
    check(
        json!({"strategy": {}}),
        json!({"strategy": {"$retainKeys": ["type"], "other": 1}}),
        expect!["error: invalid patch format of retainKeys"],
    );
}

#[test]
fn sets_of_scalars() {
    check(json!({"set": ["a", "b"]}), json!({"set": ["c", "a"]}), expect![[r#"{"set":["c","a","b"]}"#]]);
    check(
        json!({"set": ["a", "b", "c"]}),
        json!({"$deleteFromPrimitiveList/set": ["b"], "$setElementOrder/set": ["c", "a"]}),
        expect![[r#"{"set":["c","a"]}"#]],
    );
    check(json!({"atomic": ["a", "b"]}), json!({"atomic": ["c"]}), expect![[r#"{"atomic":["c"]}"#]]);
}

#[test]
fn element_order() {
    let target = || json!({"items": [{"name": "a"}, {"name": "srv"}, {"name": "b"}, {"name": "c"}]});
    check(
        target(),
        json!({"$setElementOrder/items": [{"name": "c"}, {"name": "a"}, {"name": "b"}]}),
        expect![[r#"{"items":[{"name":"srv"},{"name":"c"},{"name":"a"},{"name":"b"}]}"#]],
    );
    check(
        target(),
        json!({
            "$setElementOrder/items": [{"name": "a"}, {"name": "n"}, {"name": "b"}],
            "items": [{"name": "n", "v": 1}, {"name": "c", "$patch": "delete"}],
        }),
        expect![[r#"{"items":[{"name":"a"},{"name":"n","v":1},{"name":"srv"},{"name":"b"}]}"#]],
    );
    check(
        target(),
        json!({"$setElementOrder/items": [{"name": "a"}], "items": [{"name": "n"}]}),
        expect![[r#"
            error: The order in patch list:
            [map[name:n]]
             doesn't match $setElementOrder list:
            [map[name:a]]
        "#]],
    );
}

#[test]
fn nulls_delete_and_are_never_stored() {
    check(
        json!({"a": 1, "child": {"x": 1}}),
        json!({"a": null, "missing": null, "child": {"x": null}, "new": {"y": null, "z": 1}}),
        expect![[r#"{"child":{},"new":{"z":1}}"#]],
    );
}

#[test]
fn types_of_target_and_patch_differ() {
    check(json!({"child": 5}), json!({"child": {"a": 1}}), expect![[r#"{"child":{"a":1}}"#]]);
    check(json!({"child": {"a": 1}}), json!({"child": 5}), expect![[r#"{"child":5}"#]]);
    check(json!({"items": 5}), json!({"items": [{"name": "a"}]}), expect![[r#"{"items":[{"name":"a"}]}"#]]);
    check(
        json!({"items": [1]}),
        json!({"items": [{"name": "a"}]}),
        expect!["error: cannot merge lists of different or nested element types in field items"],
    );
}

#[test]
fn unknown_types_are_the_callers_to_decide() {
    let mut target = json!({});
    let error = strategic_merge(&Things, "example.com/v1", "Odd", &mut target, &json!({})).unwrap_err();
    expect!["no type information for example.com/v1, Kind=Odd: strategic merge patch is not supported"]
        .assert_eq(&error.to_string());
}

/// Objects of the schema, with unique names in keyed lists.
fn thing() -> impl Strategy<Value = Value> {
    let leaf = (
        prop::option::of(0..3i64),
        prop::collection::btree_set("[a-d]", 0..3),
        prop::collection::vec(0..3i64, 0..3),
    )
        .prop_map(|(v, set, atomic)| json!({"v": v.unwrap_or(7), "set": set, "atomic": atomic}));
    leaf.prop_recursive(2, 12, 3, |inner| {
        (prop::collection::btree_map("[a-d]", inner.clone(), 0..4), prop::option::of(inner)).prop_map(
            |(items, child)| {
                let items: Vec<Value> = items
                    .into_iter()
                    .map(|(name, mut item)| {
                        item["name"] = name.into();
                        item
                    })
                    .collect();
                let mut thing = json!({"items": items});
                if let Some(child) = child {
                    thing["child"] = child;
                }
                thing
            },
        )
    })
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(target in thing(), patch in thing()) {
        let once = merge(target, &patch).unwrap();
        let twice = merge(once.clone(), &patch).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn the_empty_patch_changes_nothing(target in thing()) {
        prop_assert_eq!(merge(target.clone(), &json!({})).unwrap(), target);
    }

    #[test]
    fn onto_nothing_the_patch_is_the_result(patch in thing()) {
        prop_assert_eq!(merge(json!({}), &patch).unwrap(), patch);
    }

    #[test]
    fn a_thing_onto_itself_is_itself(target in thing()) {
        prop_assert_eq!(merge(target.clone(), &target).unwrap(), target);
    }
}
