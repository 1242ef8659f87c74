//! Each schema within the schemas of a definition.

use serde_json::Value;

/// Calls `with` with each schema and its place, in all versions.
pub(super) fn each(definition: &Value, with: &mut dyn FnMut(&Value, &str)) {
    for (index, version) in definition["spec"]["versions"].as_array().into_iter().flatten().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        node(&version["schema"]["openAPIV3Schema"], &path, with);
    }
}

fn node(schema: &Value, path: &str, with: &mut dyn FnMut(&Value, &str)) {
    let Some(fields) = schema.as_object() else { return };
    with(schema, path);
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (property, below) in properties {
                    node(below, &format!("{path}.properties[{property}]"), with);
                }
            }
            ("items" | "additionalProperties" | "not", below) => {
                node(below, &format!("{path}.{name}"), with);
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                for (index, below) in parts.iter().enumerate() {
                    node(below, &format!("{path}.{name}[{index}]"), with);
                }
            }
            _ => {}
        }
    }
}
