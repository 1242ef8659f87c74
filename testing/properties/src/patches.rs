//! Any value patches any other, or is refused.

use serde_json::{Value, json};

use crate::values::Bytes;

pub fn patches(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let (target, change) = (bytes.value(), bytes.value());
    patch::merge_patch(&mut target.clone(), &change);
    for (api_version, kind) in [("v1", "Pod"), ("apps/v1", "Deployment"), ("example.com/v1", "Thing")] {
        // an error leaves the target in an undefined state, but never panics
        let _ = patch::strategic_merge(schema::builtin(), api_version, kind, &mut target.clone(), &change);
    }
    let operations = operations(&mut bytes, &target);
    if let Ok(operations) = patch::parse_operations(&operations) {
        let mut patched = target.clone();
        if patch::json_patch(&mut patched, &operations).is_err() {
            assert_eq!(patched, target, "a failed JSON patch changes nothing");
        }
    }
    let _ = patch::parse_operations(&change);
}

/// Operations whose paths are mostly those of the target.
fn operations(bytes: &mut Bytes<'_>, target: &Value) -> Value {
    let count = bytes.byte() % 5;
    (0..count)
        .map(|_| {
            let op = ["add", "remove", "replace", "move", "copy", "test", "x"][usize::from(bytes.byte() % 7)];
            let (from, path) = (pointer(bytes, target), pointer(bytes, target));
            json!({ "op": op, "from": from, "path": path, "value": bytes.value() })
        })
        .collect()
}

fn pointer(bytes: &mut Bytes<'_>, target: &Value) -> String {
    let mut pointer = String::new();
    let mut at = Some(target);
    for _ in 0..bytes.byte() % 6 {
        let choice = usize::from(bytes.byte());
        let step = match at {
            Some(Value::Object(map)) if !map.is_empty() => {
                map.keys().nth(choice % map.len()).cloned().unwrap_or_default()
            }
            Some(Value::Array(items)) if choice % 4 > 0 => (choice % (items.len() + 1)).to_string(),
            _ => bytes.text(),
        };
        let step = if choice == 255 { "-".to_string() } else { step };
        pointer = format!("{pointer}/{}", step.replace('~', "~0").replace('/', "~1"));
        at = target.pointer(&pointer);
    }
    pointer
}
