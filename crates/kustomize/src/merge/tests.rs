//! Cases of strategic merges, most as kustomize v5.5.0 answers them; and laws.

use super::{BareNulls, merge_object};
use crate::schema::{Schema, Types};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

fn merge(object: Value, patch: &Value) -> Result<Option<Value>, String> {
    let schema = Schema { types: &Types::Newest, definition: None };
    merge_object(schema, object, patch, &BareNulls::new()).map_err(|e| e.to_string())
}

fn pod(spec: &str) -> Value {
    let spec: Value = yaml::parse_documents(spec).unwrap().remove(0);
    json!({"apiVersion": "v1", "kind": "Pod", "spec": spec})
}

/// What becomes of a Pod's spec; both in YAML.
fn check(spec: &str, patch: &str, expected: Expect) {
    let text = match merge(pod(spec), &pod(patch)) {
        Ok(Some(merged)) => yaml::to_string(&merged["spec"]),
        Ok(None) => "deleted\n".to_string(),
        Err(e) => format!("error: {e}\n"),
    };
    expected.assert_eq(&text);
}

#[test]
fn keyed_lists() {
    check(
        "containers: [{name: a, image: x}, {name: b}]",
        "containers: [{name: c}, {name: b, image: w}]",
        expect![[r#"
            containers:
            - name: c
            - image: w
              name: b
            - image: x
              name: a
        "#]],
    );
    check(
        "containers: [{name: a}]",
        "containers: []",
        expect![[r#"
        containers:
        - name: a
    "#]],
    );
    check(
        "containers: [{name: a}]",
        "containers: null",
        expect![[r#"
        {}
    "#]],
    );
}

#[test]
fn directives() {
    let spec = "{containers: [{name: a, x: 1}, {name: b}], m: {a: 1, b: 2}}";
    check(
        spec,
        "containers: [{name: a, $patch: delete}]",
        expect![[r#"
        containers:
        - name: b
        m:
          a: 1
          b: 2
    "#]],
    );
    check(
        spec,
        "containers: [{name: a, $patch: replace, z: 2}]",
        expect![[r#"
        containers:
        - name: a
          z: 2
        - name: b
        m:
          a: 1
          b: 2
    "#]],
    );
    check(
        spec,
        "{containers: [{$patch: delete}], m: {$patch: delete}}",
        expect![[r#"
        {}
    "#]],
    );
    check(
        spec,
        "{containers: [{name: c}, {$patch: replace}], m: {$patch: replace, c: null, d: 1}}",
        expect![[r#"
        containers:
        - name: c
        m:
          d: 1
    "#]],
    );
    check(
        spec,
        "{containers: [{name: c}, {$patch: merge}], m: {$patch: merge, c: 3}}",
        expect![[r#"
        containers:
        - name: c
        - name: a
          x: 1
        - name: b
        m:
          a: 1
          b: 2
          c: 3
    "#]],
    );
    check(
        spec,
        "m: {$patch: frob}",
        expect![[r#"
        error: unknown patch strategy 'frob'
    "#]],
    );
    check(
        "{}",
        "{m: {$patch: delete}, o: {a: null, b: {$patch: replace, c: 1}}, l: [{$patch: delete, a: null}]}",
        expect![[r#"
            l:
            - $patch: delete
              a: null
            o:
              b:
                c: 1
        "#]],
    );
}

#[test]
fn equal_keys() {
    // the object's last one stays, of the patch's the first counts
    check(
        "containers: [{name: a, x: 1}, {name: b}, {name: a, x: 2}]",
        "z: 1",
        expect![[r#"
            containers:
            - name: a
              x: 2
            - name: b
            z: 1
        "#]],
    );
    check(
        "containers: [{name: a}]",
        "containers: [{name: a, x: 1}, {name: a, x: 2}, {name: c, x: 1}, {name: c, x: 2}]",
        expect![[r#"
            containers:
            - name: a
              x: 1
            - name: c
              x: 1
        "#]],
    );
    check(
        "x: 1",
        "containers: [{name: a, x: 1}, {name: b}, {name: a, x: 2}]",
        expect![[r#"
        containers:
        - name: a
          x: 2
        - name: b
        x: 1
    "#]],
    );
}

#[test]
fn lists_of_two_keys() {
    let ports = |text: &str| format!("containers: [{{name: a, ports: {text}}}]");
    // without any protocol, patch items come first; with one, all stay where they are
    check(
        &ports("[{containerPort: 80}, {containerPort: 81}]"),
        &ports("[{containerPort: 81, name: x}]"),
        expect![[r#"
            containers:
            - name: a
              ports:
              - containerPort: 81
                name: x
              - containerPort: 80
        "#]],
    );
    check(
        &ports("[{containerPort: 80}, {containerPort: 81}, {containerPort: 81, protocol: UDP}]"),
        &ports("[{containerPort: 82}, {containerPort: 81, protocol: UDP, name: x}]"),
        expect![[r#"
            containers:
            - name: a
              ports:
              - containerPort: 82
              - containerPort: 80
              - containerPort: 81
              - containerPort: 81
                name: x
                protocol: UDP
        "#]],
    );
    // what lacks a protocol goes to the first that fits
    check(
        &ports("[{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP}]"),
        &ports("[{containerPort: 80, name: x}]"),
        expect![[r#"
            containers:
            - name: a
              ports:
              - containerPort: 80
                name: x
                protocol: TCP
              - containerPort: 80
                protocol: UDP
        "#]],
    );
}

#[test]
fn items_without_the_key() {
    check(
        "containers: [{name: a}]",
        "containers: [{image: x}]",
        expect![[r#"
        error: an item of the list /spec/containers in the patch has no name:
        image: x
    "#]],
    );
    check(
        "x: 1",
        "containers: [{image: x}]",
        expect![[r#"
        containers:
        - image: x
        x: 1
    "#]],
    );
    check(
        "containers: [{name: a}, {image: x}]",
        "containers: [{name: a, image: z}]",
        expect![[r#"
        containers:
        - image: z
          name: a
        - image: x
    "#]],
    );
}

#[test]
fn nulls() {
    check(
        "{a: null, b: {c: null}}",
        "b: {d: 1, e: null}",
        expect![[r#"
        a: null
        b:
          c: null
          d: 1
    "#]],
    );
    check(
        "{a: null, b: 1}",
        "{a: 1, b: null}",
        expect![[r#"
        a: 1
    "#]],
    );
}

#[test]
fn quotes_of_the_object_stay() {
    check(
        r#"{a: "8080", b: http, c: 1, d: "", e: "true"}"#,
        r#"{a: 9090, b: 80, c: "2", d: true, e: x}"#,
        expect![[r#"
            a: "9090"
            b: 80
            c: "2"
            d: "true"
            e: x
        "#]],
    );
}

#[test]
fn kinds_of_values() {
    check(
        "a: {x: 1}",
        "a: [1]",
        expect![[r#"
            error: wrong node kind: expected MappingNode but got SequenceNode: node contents:
            - 1
        "#]],
    );
    check(
        "a: 5",
        "a: {x: {z: 1}}",
        expect![[r#"
            error: wrong node kind: expected ScalarNode but got MappingNode: node contents:
            x:
              z: 1
        "#]],
    );
}

#[test]
fn objects_in_objects() {
    let pod =
        |containers: Value| json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers}});
    let object = json!({"apiVersion": "a/v1", "kind": "Own", "pod": pod(json!([{"name": "a"}, {"name": "b"}])), "other": [1]});
    let patch = json!({"pod": {"spec": {"containers": [{"name": "b", "x": 1}]}}, "other": [2]});
    let merged = merge(object, &patch).unwrap().unwrap();
    assert_eq!(merged["pod"], pod(json!([{"name": "b", "x": 1}, {"name": "a"}])));
    assert_eq!(merged["other"], json!([2]));
}

/// Containers with unique names, ports and environment; maps; lists without keys.
fn spec() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![(0..3i64).prop_map(Value::from), "[a-c]".prop_map(Value::from)];
    let map = prop::collection::btree_map("[p-s]", scalar.clone(), 0..3);
    let ports = prop::collection::btree_set((80..83i64, prop::option::of(prop_oneof!["TCP", "UDP"])), 0..3);
    let container =
        (map.clone(), ports, prop::collection::vec(scalar, 0..3)).prop_map(|(map, ports, args)| {
            let ports: Vec<Value> = ports
                .into_iter()
                .map(|(port, protocol)| match protocol {
                    Some(protocol) => json!({"containerPort": port, "protocol": protocol}),
                    None => json!({"containerPort": port}),
                })
                .collect();
            let mut container = json!(map);
            container["ports"] = ports.into();
            container["args"] = args.into();
            container
        });
    (prop::collection::btree_map("[a-d]", container, 0..4), prop::option::of(map)).prop_map(
        |(containers, map)| {
            let containers: Vec<Value> = containers
                .into_iter()
                .map(|(name, mut container)| {
                    container["name"] = name.into();
                    container
                })
                .collect();
            let mut spec = json!({"containers": containers});
            if let Some(map) = map {
                spec["nodeSelector"] = json!(map);
            }
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"finalizers": ["x"]}, "spec": spec})
        },
    )
}

/// Any value, directives and wrong kinds among them.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (0..3i64).prop_map(Value::from),
        "[a-c]".prop_map(Value::from),
        prop_oneof!["delete", "replace", "merge"].prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let key = prop_oneof![
            "name",
            "containers",
            "ports",
            "containerPort",
            "protocol",
            "env",
            "spec",
            "\\$patch",
            "[a-c]",
            "finalizers"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn object(spec: Value, metadata: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

/// Whether a field that a patch sets to null is gone.
fn is_gone(merged: &Value, patch: &Value) -> bool {
    match (merged, patch) {
        (Value::Object(merged), Value::Object(patch)) => patch.iter().all(|(key, value)| match value {
            Value::Null => !merged.contains_key(key),
            value => merged.get(key).is_none_or(|merged| is_gone(merged, value)),
        }),
        _ => true,
    }
}

proptest! {
    #[test]
    fn the_empty_patch_changes_nothing(target in spec()) {
        prop_assert_eq!(merge(target.clone(), &json!({})).unwrap(), Some(target));
    }

    #[test]
    fn twice_is_once(target in spec(), patch in spec()) {
        let once = merge(target, &patch).unwrap().unwrap();
        prop_assert_eq!(merge(once.clone(), &patch).unwrap(), Some(once));
    }

    #[test]
    fn onto_nothing_the_patch_is_the_result(patch in spec()) {
        let bare = json!({"apiVersion": "v1", "kind": "Pod"});
        prop_assert_eq!(merge(bare, &patch).unwrap(), Some(patch));
    }

    #[test]
    fn patches_of_other_fields_commute(target in spec(), a in "[a-d]", b in "[e-h]", value in 0..9i64) {
        let one = object(json!({"containers": [{"name": a, "image": "x"}]}), json!({}));
        let two = object(json!({"nodeSelector": {"q": value}, "volumes": [{"name": b}]}), json!({}));
        let apply = |x: &Value, y: &Value| merge(merge(target.clone(), x).unwrap().unwrap(), y).unwrap();
        prop_assert_eq!(apply(&one, &two), apply(&two, &one));
    }

    #[test]
    fn never_panics_and_null_deletes(target in anything(), patch in anything(), meta in anything()) {
        let (target, patch) = (object(target, meta.clone()), object(patch, meta));
        if let Ok(Some(merged)) = merge(target, &patch) {
            prop_assert!(is_gone(&merged["spec"], &patch["spec"]) || patch.to_string().contains("$patch"));
        }
    }
}
