//! Whether the defaults of a definition are values that its own schema takes.

use super::{prune_within, validate};
use serde_json::Value;

/// Field, reason, text.
type Cause = (String, String, String);

/// What is wrong with the defaults of a definition.
pub(crate) fn problems(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (index, version) in definition["spec"]["versions"].as_array().into_iter().flatten().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        problems_at(&version["schema"]["openAPIV3Schema"], &path, true, &mut causes);
    }
    causes
}

fn problems_at(schema: &Value, path: &str, is_object: bool, causes: &mut Vec<Cause>) {
    if let Some(given) = schema.get("default").filter(|given| !given.is_null()) {
        check(schema, given, &format!("{path}.default"), causes);
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        // The metadata of an object has a schema of its own.
        if is_object && name == "metadata" {
            continue;
        }
        let embedded = below["x-kubernetes-embedded-resource"] == true;
        problems_at(below, &format!("{path}.properties[{name}]"), embedded, causes);
    }
    if schema["items"].is_object() {
        let embedded = schema["items"]["x-kubernetes-embedded-resource"] == true;
        problems_at(&schema["items"], &format!("{path}.items"), embedded, causes);
    }
}

fn check(schema: &Value, given: &Value, path: &str, causes: &mut Vec<Cause>) {
    if !prune_within(schema, &mut given.clone()).is_empty() {
        let text = format!("Invalid value: {given}: must not have unknown fields");
        causes.push((path.to_string(), "FieldValueInvalid".into(), text));
    }
    for (field, reason, text) in validate(schema, given, None) {
        let field = match field.as_str() {
            "" | "<nil>" => path.to_string(),
            within => format!("{path}.{within}"),
        };
        causes.push((field, reason, text));
    }
}

#[cfg(test)]
mod tests {
    use super::problems;
    use serde_json::{Value, json};

    fn said(fields: Value) -> Vec<String> {
        let schema = json!({ "type": "object", "properties": fields });
        let definition = json!({ "spec": { "versions": [{ "schema": { "openAPIV3Schema": schema } }] } });
        let at = "spec.versions[0].schema.openAPIV3Schema.";
        let line = |(field, _, text): &(String, String, String)| format!("{}: {text}", field.replace(at, ""));
        problems(&definition).iter().map(line).collect()
    }

    #[test]
    fn defaults_are_values_of_their_schema() {
        let inner =
            json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" } } });
        let with = |given: Value| {
            let mut schema = inner.clone();
            schema["default"] = given;
            json!({ "spec": schema })
        };
        for (fields, expected) in [
            (with(json!({ "a": 1 })), vec![]),
            (with(json!({})), vec!["properties[spec].default.a: Required value"]),
            (
                with(json!({ "a": 1, "b": 2 })),
                vec![
                    "properties[spec].default: Invalid value: {\"a\":1,\"b\":2}: must not have unknown fields",
                ],
            ),
            (
                with(json!({ "a": "" })),
                vec![
                    "properties[spec].default.a: Invalid value: \"string\": a in body must be of type integer: \"string\"",
                ],
            ),
            (
                json!({ "list": { "type": "array", "items": { "type": "string", "enum": ["x"], "default": "y" } } }),
                vec!["properties[list].items.default: Unsupported value: \"y\": supported values: \"x\""],
            ),
        ] {
            assert_eq!(said(fields.clone()), expected, "{fields}");
        }
    }
}
