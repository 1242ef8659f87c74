//! Strategic merge patches of built-in kinds: `strategic.jsonl` has an object, a patch and what comes of it (or the error) in
//! each line. The lines were generated, and each was compared with `kubectl patch --local --type=strategic` (1.32). Fields
//! that are empty do not count: kubectl reads objects into structs, which leave them out.

use serde_json::{Map, Value};

fn without_empty(value: &Value) -> Value {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), without_empty(value)));
            Value::Object(fields.filter(|(_, value)| !empty(value)).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_empty).collect()),
        other => other.clone(),
    }
}

#[test]
fn patches_merge_as_upstream_merges_them() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (number, line) in include_str!("strategic.jsonl").lines().enumerate() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let text = |name: &str| case["object"][name].as_str().expect("a kind and its version");
        let mut object = case["object"].clone();
        let patch = &case["patch"];
        let merged =
            patch::strategic_merge(schema::builtin(), text("apiVersion"), text("kind"), &mut object, patch);
        let (is, want) = match merged {
            Ok(()) => (without_empty(&object), without_empty(&case["result"])),
            Err(error) => (error.to_string().into(), case["error"].clone()),
        };
        if is != want {
            wrong.push(format!("line {}: {is}\n  instead of {want}", number + 1));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 100, "{count} cases");
}
