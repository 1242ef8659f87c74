//! Fields that the types do not have, and values that do not fit their types.

use crate::types::{FieldType, Type, types};
use serde_json::Value;

/// `unknown field "spec.foo"` for each field that the type lacks; empty for kinds that are not built in.
pub fn unknown(api_version: &str, kind: &str, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(ty) = types().by_gvk(api_version, kind) {
        // One walk serves both: it takes out what it names.
        walk_object(types().get(ty), &mut object.clone(), "", &mut found);
    }
    found
}

/// As [`unknown`], and takes the fields out.
pub fn prune(api_version: &str, kind: &str, object: &mut Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(ty) = types().by_gvk(api_version, kind) {
        walk_object(types().get(ty), object, "", &mut found);
    }
    found
}

fn walk_object(ty: &Type, value: &mut Value, path: &str, found: &mut Vec<String>) {
    let Some(object) = value.as_object_mut() else { return };
    object.retain(|name, value| {
        if let Some(field) = ty.field(name) {
            walk(&field.ty, value, &joined(path, name), found);
            return true;
        }
        // Objects know their version and kind, and so may what is embedded (a claim's template, an owner's options).
        let known = matches!(name.as_str(), "apiVersion" | "kind") && (path.is_empty() || ty.gvk.is_some());
        if !known {
            found.push(format!("unknown field {:?}", joined(path, name)));
        }
        known
    });
}

fn walk(ty: &FieldType, value: &mut Value, path: &str, found: &mut Vec<String>) {
    match ty {
        FieldType::Object(id) => walk_object(types().get(*id), value, path, found),
        FieldType::List(item) if item.inner().is_some() => {
            for (index, value) in value.as_array_mut().into_iter().flatten().enumerate() {
                walk(item, value, &format!("{path}[{index}]"), found);
            }
        }
        FieldType::Map(item) if item.inner().is_some() => {
            let Some(map) = value.as_object_mut() else { return };
            for (key, value) in map.iter_mut() {
                walk(item, value, &joined(path, key), found);
            }
        }
        FieldType::SchemaOrBool | FieldType::SchemaOrArray | FieldType::SchemaOrStrings => {
            let schema = types()
                .by_name("apiextensions.v1.JSONSchemaProps")
                .expect("the table has the schemas of CRDs");
            walk(&FieldType::Object(schema), value, path, found);
        }
        _ => {}
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// What decoding would refuse, the first such value only, as in Go:
/// `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`.
pub fn type_errors(api_version: &str, kind: &str, object: &Value) -> Vec<String> {
    let Some(ty) = types().by_gvk(api_version, kind) else { return Vec::new() };
    let short = types().get(ty).name.rsplit('.').next().unwrap_or(kind);
    if !object.is_object() {
        return vec![format!("json: cannot unmarshal {} into Go value of type {short}", json_kind(object))];
    }
    object_error(types().get(ty), object, "").into_iter().collect()
}

fn object_error(ty: &Type, value: &Value, path: &str) -> Option<String> {
    let object = value.as_object()?;
    object.iter().find_map(|(name, value)| match ty.field(name) {
        Some(field) => error(&Place { owner: ty.name, path: joined(path, name) }, &field.ty, value),
        None if path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind") => {
            error(&Place { owner: ty.name, path: joined(path, name) }, &FieldType::String, value)
        }
        None => None,
    })
}

/// Go names the innermost struct and the path of names, without indices.
struct Place<'a> {
    owner: &'a str,
    path: String,
}

fn error(place: &Place<'_>, ty: &FieldType, value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let refuse = |kind: &str, go: &str| {
        let owner = place.owner.rsplit('.').next().unwrap_or_default();
        Some(format!(
            "json: cannot unmarshal {kind} into Go struct field {owner}.{} of type {go}",
            place.path
        ))
    };
    let mismatch = || refuse(json_kind(value), &go_type(ty));
    match (ty, value) {
        (FieldType::String, Value::String(_)) | (FieldType::Bool, Value::Bool(_)) => None,
        (FieldType::Int32 | FieldType::Int64, Value::Number(number)) => {
            let fits = match number.as_i64() {
                Some(number) => *ty == FieldType::Int64 || i32::try_from(number).is_ok(),
                None => false,
            };
            if fits { None } else { refuse(&format!("number {number}"), &go_type(ty)) }
        }
        (FieldType::Float, Value::Number(_)) => None,
        (FieldType::Bytes, Value::String(text)) => base64_error(text),
        (FieldType::Quantity, Value::String(text)) => quantity_error(text),
        (FieldType::Quantity, Value::Number(number)) => quantity_error(&number.to_string()),
        (FieldType::Quantity, _) => quantity_error(""),
        (FieldType::IntOrString, Value::String(_)) => None,
        (FieldType::IntOrString, Value::Number(number)) => {
            let fits = number.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
            if fits { None } else { refuse(&format!("number {number}"), "int32") }
        }
        (FieldType::Time | FieldType::MicroTime, Value::String(text)) => time_error(text),
        (FieldType::Object(id), Value::Object(_)) => object_error(types().get(*id), value, &place.path),
        (FieldType::List(item), Value::Array(list)) => {
            list.iter().find_map(|value| error(place, item, value))
        }
        (FieldType::Map(item), Value::Object(map)) => map.iter().find_map(|(key, value)| {
            // A map of texts is one field to Go; a map of structs is a path.
            let path = if item.inner().is_some() { joined(&place.path, key) } else { place.path.clone() };
            error(&Place { owner: place.owner, path }, item, value)
        }),
        (FieldType::Raw | FieldType::AnyObject | FieldType::FieldsV1, Value::Object(_)) => None,
        (FieldType::Json | FieldType::Raw, _) => None,
        (FieldType::SchemaOrBool, Value::Bool(_) | Value::Object(_)) => None,
        (FieldType::SchemaOrArray | FieldType::SchemaOrStrings, Value::Array(_) | Value::Object(_)) => None,
        _ => mismatch(),
    }
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The name of a type in Go.
fn go_type(ty: &FieldType) -> String {
    match ty {
        FieldType::String => "string".into(),
        FieldType::Bool => "bool".into(),
        FieldType::Int32 => "int32".into(),
        FieldType::Int64 => "int64".into(),
        FieldType::Float => "float64".into(),
        FieldType::Bytes => "[]uint8".into(),
        FieldType::Quantity => "resource.Quantity".into(),
        FieldType::IntOrString => "string".into(),
        FieldType::Time | FieldType::MicroTime => "string".into(),
        FieldType::Object(id) => {
            let name = types().get(*id).name;
            let mut parts = name.split('.');
            // Go's packages are named by the version alone.
            format!("{}.{}", parts.nth(1).unwrap_or_default(), parts.next().unwrap_or_default())
        }
        FieldType::List(item) => format!("[]{}", go_type(item)),
        FieldType::Map(item) => format!("map[string]{}", go_type(item)),
        _ => "map[string]interface {}".into(),
    }
}

fn base64_error(text: &str) -> Option<String> {
    // Go ignores line breaks inside.
    let plain: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let body = plain.iter().take_while(|byte| good(**byte)).count();
    let padding = plain.len() - body;
    let padded =
        plain[body..].iter().all(|byte| *byte == b'=') && padding == (4 - body % 4) % 4 && body % 4 != 1;
    if padded { None } else { Some(format!("illegal base64 data at input byte {}", body.min(text.len()))) }
}

fn quantity_error(text: &str) -> Option<String> {
    if crate::quantity::Quantity::parse(text).is_some() {
        return None;
    }
    Some(format!("quantities must match the regular expression '{}'", crate::validate::QUANTITY))
}

fn time_error(text: &str) -> Option<String> {
    if crate::time::parse(text).is_some() {
        return None;
    }
    Some(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields() {
        let mut object = json!({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","labels":{"x":"y"},"lables":{}},
            "spec":{"replica":1,"template":{"spec":{"containers":[{"name":"c","imagee":"i"}],"nodeSelector":{"any":"thing"}}}}});
        let expected = [
            "unknown field \"metadata.lables\"",
            "unknown field \"spec.replica\"",
            "unknown field \"spec.template.spec.containers[0].imagee\"",
        ];
        assert_eq!(unknown("apps/v1", "Deployment", &object), expected);
        assert_eq!(prune("apps/v1", "Deployment", &mut object), expected);
        assert!(prune("apps/v1", "Deployment", &mut object).is_empty());
        assert!(unknown("example.com/v1", "Widget", &json!({"x":1})).is_empty());
    }

    #[test]
    fn claims_in_stateful_sets_have_kinds() {
        let object = json!({"spec":{"volumeClaimTemplates":[{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"d"}}]}});
        assert!(unknown("apps/v1", "StatefulSet", &object).is_empty());
    }

    #[test]
    fn schemas_of_definitions() {
        let object = json!({"spec":{"versions":[{"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"typo":1,
            "x-kubernetes-preserve-unknown-fields":true,"additionalProperties":{"type":"string"},"items":{"type":"a"},"default":{"free":1}}}}}}]}});
        let path = "unknown field \"spec.versions[0].schema.openAPIV3Schema.properties.spec.typo\"";
        assert_eq!(unknown("apiextensions.k8s.io/v1", "CustomResourceDefinition", &object), [path]);
        assert!(type_errors("apiextensions.k8s.io/v1", "CustomResourceDefinition", &object).is_empty());
    }

    #[test]
    fn values_of_the_wrong_type() {
        let check = |kind: &str, object: Value, expected: &str| {
            let (api_version, kind) = kind.rsplit_once('/').expect("a version and a kind");
            assert_eq!(type_errors(api_version, kind, &object).join("; "), expected);
        };
        check(
            "apps/v1/Deployment",
            json!({"spec":{"replicas":"3"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        );
        check(
            "v1/Pod",
            json!({"spec":{"containers":[{"ports":[{"containerPort":"80"}]}]}}),
            "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
        );
        check(
            "v1/ConfigMap",
            json!({"data":{"DEBUG":true}}),
            "json: cannot unmarshal bool into Go struct field ConfigMap.data of type string",
        );
        check(
            "v1/Service",
            json!({"spec":{"ports":{"port":1}}}),
            "json: cannot unmarshal object into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort",
        );
        check("v1/Secret", json!({"data":{"a":"not base64!"}}), "illegal base64 data at input byte 3");
        check("v1/Secret", json!({"data":{"a":"eA==","b":"","c":"eHh4"}}), "");
        check(
            "v1/Pod",
            json!({"metadata":{"labels":null},"spec":{"priority":2147483647,"hostNetwork":null}}),
            "",
        );
        let all = json!({"spec":{"strategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":"1%"}},"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":1,"memory":"1Gi"}}}]}}}});
        check("apps/v1/Deployment", all, "");
    }
}
