//! The operations one by one, and the words of their errors.

use super::{json_patch, json_patch_within, parse_operations};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

fn run(mut target: Value, patch: Value) -> String {
    let operations = match parse_operations(&patch) {
        Ok(operations) => operations,
        Err(e) => return e.to_string(),
    };
    match json_patch(&mut target, &operations) {
        Ok(()) => target.to_string(),
        Err(e) => e.to_string(),
    }
}

fn check(target: Value, patch: Value, expected: Expect) {
    expected.assert_eq(&run(target, patch));
}

#[test]
fn each_operation() {
    check(
        json!({"a": {"b": [1, 2]}, "z": 1}),
        json!([
            {"op": "add", "path": "/a/b/-", "value": 3},
            {"op": "add", "path": "/a/b/0", "value": 0},
            {"op": "add", "path": "/a/b/-1", "value": 4},
            {"op": "replace", "path": "/a/b/-2", "value": 33},
            {"op": "remove", "path": "/z"},
            {"op": "copy", "from": "/a/b", "path": "/c"},
            {"op": "move", "from": "/c/0", "path": "/d"},
            {"op": "test", "path": "/d", "value": 0.0},
            {"op": "add", "path": "/x~1y~0z", "value": null},
            {"op": "replace", "path": "/new", "value": "replace adds"},
        ]),
        expect![[r#"{"a":{"b":[0,1,2,33,4]},"c":[1,2,33,4],"d":0,"x/y~z":null,"new":"replace adds"}"#]],
    );
}

#[test]
fn order_of_keys_is_kept() {
    check(
        json!({"a": 1, "b": 2, "c": 3}),
        json!([{"op": "remove", "path": "/a"}, {"op": "replace", "path": "/b", "value": 9}]),
        expect![[r#"{"b":9,"c":3}"#]],
    );
}

#[test]
fn errors_in_the_words_of_the_api_server() {
    let doc = || json!({"a": [1], "s": "x", "spec": {}});
    let errors: Vec<String> = [
        json!([{"op": "add", "path": "/a/9", "value": 1}]),
        json!([{"op": "add", "path": "/a/x", "value": 1}]),
        json!([{"op": "add", "path": "/q/r", "value": 1}]),
        json!([{"op": "add", "path": "/s/r", "value": 1}]),
        json!([{"op": "remove", "path": "/spec/nope"}]),
        json!([{"op": "remove", "path": "/a/3"}]),
        json!([{"op": "remove", "path": "/q/r"}]),
        json!([{"op": "replace", "path": "/q/r", "value": 1}]),
        json!([{"op": "replace", "path": "/a/4", "value": 1}]),
        json!([{"op": "replace", "path": "", "value": 1}]),
        json!([{"op": "test", "path": "/a/0", "value": 2}]),
        json!([{"op": "test", "path": "/q/0", "value": 2}]),
        json!([{"op": "move", "from": "/q/r", "path": "/x"}]),
        json!([{"op": "move", "from": "/nope", "path": "/x"}]),
        json!([{"op": "copy", "from": "/a/7", "path": "/x"}]),
        json!([{"op": "copy", "from": "/s", "path": "/a/9"}]),
        json!([{"op": "frob", "path": "/x"}]),
        json!([{"path": "/x"}]),
        json!([{"op": "copy", "path": "/x"}]),
        json!([{"op": "copy", "path": "/x", "from": 5}]),
        json!([{"op": "copy", "from": "/s"}]),
        json!([{"op": "move", "from": "/s"}]),
        json!([{"op": "add", "path": 5}]),
        json!([{"op": "remove"}]),
        json!([{"op": "replace", "path": {}}]),
        json!([{"op": "test", "path": null}]),
        json!([null]),
        json!([7]),
        json!({}),
    ]
    .into_iter()
    .map(|patch| run(doc(), patch))
    .collect();
    expect![[r#"
        error in add for path: '/a/9': Unable to access invalid index: 9: invalid index referenced
        error in add for path: '/a/x': value was not a proper array index: 'x': strconv.Atoi: parsing "x": invalid syntax
        add operation does not apply: doc is missing path: "/q/r": missing value
        add operation does not apply: doc is missing path: "/s/r": missing value
        error in remove for path: '/spec/nope': Unable to remove nonexistent key: nope: missing value
        error in remove for path: '/a/3': Unable to access invalid index: 3: invalid index referenced
        remove operation does not apply: doc is missing path: "/q/r": missing value
        replace operation does not apply: doc is missing path: /q/r: missing value
        replace operation does not apply: doc is missing key: /a/4: missing value
        replace operation value must be object or array
        testing value /a/0 failed: test failed
        test operation does not apply: is missing path: /q/0: missing value
        move operation does not apply: doc is missing from path: /q/r: missing value
        error in move for path: 'nope': Unable to remove nonexistent key: nope: missing value
        error in copy for from: '/a/7': Unable to access invalid index: 7: invalid index referenced
        error while adding value during copy: Unable to access invalid index: 9: invalid index referenced
        Unexpected kind: frob
        Unexpected kind: unknown
        copy operation failed to decode from: operation, missing from field: missing value
        copy operation failed to decode from: json: cannot unmarshal number into Go value of type string
        copy operation failed to decode path: missing value
        move operation failed to decode path: operation missing path field: missing value
        add operation failed to decode path: missing value
        remove operation failed to decode path: missing value
        replace operation failed to decode path: json: cannot unmarshal object into Go value of type string
        test operation failed to decode path: operation missing path field: missing value
        Unexpected kind: unknown
        json: cannot unmarshal number into Go value of type jsonpatch.Operation
        json: cannot unmarshal object into Go value of type jsonpatch.Patch
    "#]]
    .assert_eq(&(errors.join("\n") + "\n"));
}

#[test]
fn a_failing_patch_changes_nothing() {
    let mut target = json!({"a": 1});
    let operations = parse_operations(&json!([
        {"op": "add", "path": "/b", "value": 1},
        {"op": "test", "path": "/a", "value": 2},
    ]))
    .unwrap();
    json_patch(&mut target, &operations).unwrap_err();
    assert_eq!(target, json!({"a": 1}));
}

#[test]
fn copies_are_bounded_together() {
    // {"x":"<1234"} has 13 bytes, and 5 more because Go escapes the bracket.
    let doubling = json!([
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "copy", "from": "/a", "path": "/c"},
    ]);
    let operations = parse_operations(&doubling).unwrap();
    let target = || json!({"a": {"x": "<1234"}});
    for (limit, expected) in [
        (36, "ok"),
        (
            35,
            "Unable to complete the copy, the accumulated size increase of copy is 36, exceeding the limit 35",
        ),
        (
            17,
            "Unable to complete the copy, the accumulated size increase of copy is 18, exceeding the limit 17",
        ),
    ] {
        let mut target = target();
        let done = json_patch_within(&mut target, &operations, limit);
        assert_eq!(done.map_or_else(|e| e.to_string(), |()| "ok".into()), expected, "{limit}");
    }
    // A null costs nothing, and the document doubles thirty times only in words.
    let nulls: Vec<Value> = (0..9).map(|_| json!({"op": "copy", "from": "/none", "path": "/n"})).collect();
    json_patch_within(&mut target(), &parse_operations(&json!(nulls)).unwrap(), 0).unwrap();
    let nested: Vec<Value> =
        (0..64).map(|n| json!({"op": "copy", "from": "/a", "path": format!("/a/{n}")})).collect();
    let error = json_patch_within(&mut target(), &parse_operations(&json!(nested)).unwrap(), 1 << 20);
    assert!(error.unwrap_err().to_string().starts_with("Unable to complete the copy"));
}

#[test]
fn depth_is_bounded() {
    // Each copy into the deepest place doubles the depth; moves to and fro do not deepen anything.
    let deeper: Vec<Value> =
        (0..20).map(|n| json!({"op": "copy", "from": "/a", "path": "/a".repeat(1 << n) + "/a"})).collect();
    let error = json_patch(&mut json!({"a": {}}), &parse_operations(&json!(deeper)).unwrap());
    assert_eq!(error.unwrap_err().to_string(), "exceeded max depth");
    let nested = (0..200).fold(json!(1), |below, _| json!({ "a": below }));
    let error = json_patch(
        &mut json!({"x": {"y": {}}}),
        &parse_operations(&json!([
            {"op": "add", "path": "/x/y/z", "value": nested},
            {"op": "add", "path": format!("/x/y/z{}", "/a".repeat(100)), "value": nested},
        ]))
        .unwrap(),
    );
    assert_eq!(error.unwrap_err().to_string(), "exceeded max depth");
    let fro: Vec<Value> = (0..500)
        .flat_map(|_| {
            [
                json!({"op": "move", "from": "/a", "path": "/b/c"}),
                json!({"op": "move", "from": "/b/c", "path": "/a"}),
            ]
        })
        .collect();
    let mut target = json!({"a": {}, "b": {}});
    json_patch(&mut target, &parse_operations(&json!(fro)).unwrap()).unwrap();
    assert_eq!(target, json!({"a": {}, "b": {}}));
}

#[test]
fn a_test_for_null_passes_on_a_missing_key() {
    check(json!({"a": 1}), json!([{"op": "test", "path": "/b", "value": null}]), expect![[r#"{"a":1}"#]]);
}
