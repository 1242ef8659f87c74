//! Whether an applied configuration fits its type, as structured merge and diff sees it.
//!
//! Other than decoding, which drops what it does not know, an apply must be told whose every field is: one that is not
//! declared is refused, and so is an item of a list that cannot be told from its siblings. The words are upstream's, a path
//! before each: `.spec.containers[name="c"].imag: field not declared in schema`.

use crate::types::{Field, FieldType, Type, types};
use serde_json::Value;
use std::collections::HashSet;

/// What a configuration is checked by.
#[derive(Debug, Clone, Copy)]
pub enum Root<'a> {
    Builtin {
        api_version: &'a str,
        kind: &'a str,
    },
    /// The structural schema of a custom kind; null if it has none.
    Custom(&'a Value),
}

/// What is wrong, at most one undeclared field an object: there upstream stops to look at it.
pub fn problems(root: Root<'_>, object: &Value) -> Vec<String> {
    let node = match root {
        Root::Builtin { api_version, kind } => match types().by_gvk(api_version, kind) {
            Some(ty) => Node::Struct(types().get(ty)),
            None => Node::Any,
        },
        Root::Custom(schema) => Node::Custom { schema, open: false, whole: true },
    };
    let mut walk = Walk { path: String::new(), found: Vec::new() };
    walk.value(node, object);
    walk.found
}

#[derive(Debug, Clone, Copy)]
enum Node<'a> {
    Any,
    Scalar(Scalar),
    Struct(&'static Type),
    /// A field of a built-in type; the items of a list and the values of a map have no rule of their own.
    Field(&'static FieldType, Option<&'static Field>),
    Custom {
        schema: &'a Value,
        /// Something around it keeps fields that it does not know.
        open: bool,
        /// An object with a version, a kind and metadata.
        whole: bool,
    },
}

#[derive(Debug, Clone, Copy)]
enum Scalar {
    Text,
    Number,
    Flag,
    Untyped,
}

/// How the items of a list are told apart.
enum Items<'a> {
    ByPlace,
    Themselves,
    ByKeys(Vec<(&'a str, Option<Value>)>),
}

struct Walk {
    path: String,
    found: Vec<String>,
}

impl Walk {
    fn problem(&mut self, what: &str) {
        let path = &self.path;
        self.found.push(if path.is_empty() { what.to_string() } else { format!("{path}: {what}") });
    }

    fn within(&mut self, step: &str, node: Node<'_>, value: &Value) {
        let length = self.path.len();
        self.path.push_str(step);
        self.value(node, value);
        self.path.truncate(length);
    }

    fn value(&mut self, node: Node<'_>, value: &Value) {
        if value.is_null() {
            return;
        }
        match node {
            Node::Any => {}
            Node::Scalar(scalar) => self.scalar(scalar, value),
            Node::Struct(ty) => self.fields(value, |name| of_struct(ty, name)),
            Node::Field(ty, field) => self.builtin(ty, field, value),
            Node::Custom { schema, open, whole } => self.custom(schema, open, whole, value),
        }
    }

    fn builtin(&mut self, ty: &'static FieldType, field: Option<&'static Field>, value: &Value) {
        let scalar = match ty {
            FieldType::String | FieldType::Bytes => Scalar::Text,
            FieldType::Bool => Scalar::Flag,
            FieldType::Int32 | FieldType::Int64 | FieldType::Float => Scalar::Number,
            FieldType::Quantity | FieldType::IntOrString | FieldType::Time | FieldType::MicroTime => {
                Scalar::Untyped
            }
            FieldType::Object(id) => return self.value(Node::Struct(types().get(*id)), value),
            FieldType::Map(values) => return self.fields(value, |_| Some(Node::Field(values, None))),
            FieldType::List(item) => {
                let items = match field.map(|field| &field.merge) {
                    Some(merge) if !merge.apply_keys.is_empty() => {
                        // The only default that is part of a key of a built-in kind.
                        let default = |key: &str| (key == "protocol").then(|| Value::from("TCP"));
                        Items::ByKeys(merge.apply_keys.iter().map(|key| (*key, default(key))).collect())
                    }
                    Some(merge) if merge.apply_set => Items::Themselves,
                    _ => Items::ByPlace,
                };
                return self.items(items, Node::Field(item, None), value);
            }
            FieldType::Raw
            | FieldType::Json
            | FieldType::FieldsV1
            | FieldType::SchemaOrBool
            | FieldType::SchemaOrArray
            | FieldType::SchemaOrStrings
            | FieldType::AnyObject => return,
        };
        self.scalar(scalar, value);
    }

    fn custom(&mut self, schema: &Value, open: bool, whole: bool, value: &Value) {
        let open = open || schema["x-kubernetes-preserve-unknown-fields"] == true;
        let below = |schema| Node::Custom { schema, open, whole: is_whole(schema) };
        if schema["x-kubernetes-int-or-string"] == true {
            return self.scalar(Scalar::Untyped, value);
        }
        let properties = schema["properties"].as_object().filter(|fields| !fields.is_empty());
        let others = &schema["additionalProperties"];
        match schema["type"].as_str() {
            _ if whole => self.fields(value, |name| match name {
                "apiVersion" | "kind" => Some(Node::Scalar(Scalar::Text)),
                "metadata" => Some(metadata()),
                _ => of_custom(properties, others, open, name, &below),
            }),
            Some("object") => self.fields(value, |name| of_custom(properties, others, open, name, &below)),
            Some("array") => {
                let item = &schema["items"];
                let items = match schema["x-kubernetes-list-type"].as_str() {
                    Some("set") => Items::Themselves,
                    Some("map") => Items::ByKeys(keys_of(schema)),
                    _ => Items::ByPlace,
                };
                self.items(items, below(item), value);
            }
            Some("string") => self.scalar(Scalar::Text, value),
            Some("boolean") => self.scalar(Scalar::Flag, value),
            Some("integer" | "number") => self.scalar(Scalar::Number, value),
            _ => {}
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value) {
        match (scalar, value) {
            (Scalar::Text, Value::String(_))
            | (Scalar::Number, Value::Number(_))
            | (Scalar::Flag, Value::Bool(_))
            | (Scalar::Untyped, Value::String(_) | Value::Number(_) | Value::Bool(_)) => {}
            (Scalar::Text, _) => {
                self.problem(&format!(
                    "expected string, got &value.valueUnstructured{{Value:{}}}",
                    go_syntax(value)
                ));
            }
            (Scalar::Number, _) => {
                self.problem(&format!("expected numeric (int or float), got {}", go_type(value)));
            }
            (Scalar::Flag, _) => self.problem(&format!("expected boolean, got &{{{}}}", go_text(value))),
            (Scalar::Untyped, _) => {
                self.problem(&format!("expected any scalar, got &{{{}}}", go_text(value)))
            }
        }
    }

    fn fields<'a>(&mut self, value: &Value, field: impl Fn(&str) -> Option<Node<'a>>) {
        let Some(fields) = value.as_object() else {
            return self.problem(&format!("expected map, got &{{{}}}", go_text(value)));
        };
        for (name, value) in fields {
            let step = format!(".{name}");
            match field(name) {
                Some(node) => self.within(&step, node, value),
                None => {
                    let length = self.path.len();
                    self.path.push_str(&step);
                    self.problem("field not declared in schema");
                    self.path.truncate(length);
                    return;
                }
            }
        }
    }

    fn items(&mut self, how: Items<'_>, node: Node<'_>, value: &Value) {
        let Some(list) = value.as_array() else {
            return self.problem(&format!("expected list, got &{{{}}}", go_text(value)));
        };
        let mut seen = HashSet::new();
        for (index, item) in list.iter().enumerate() {
            let step = match step(&how, index, item) {
                Ok(step) => step,
                Err(why) => return self.problem(&format!("element {index}: {why}")),
            };
            if !seen.insert(step.clone()) {
                self.problem(&format!("duplicate entries for key {step}"));
            }
            self.within(&step, node, item);
        }
    }
}

fn of_struct(ty: &'static Type, name: &str) -> Option<Node<'static>> {
    match ty.field(name) {
        Some(field) => Some(Node::Field(&field.ty, Some(field))),
        None if ty.gvk.is_some() && matches!(name, "apiVersion" | "kind") => Some(Node::Scalar(Scalar::Text)),
        None => None,
    }
}

fn of_custom<'a>(
    properties: Option<&'a serde_json::Map<String, Value>>,
    others: &'a Value,
    open: bool,
    name: &str,
    below: &impl Fn(&'a Value) -> Node<'a>,
) -> Option<Node<'a>> {
    if let Some(schema) = properties.and_then(|fields| fields.get(name)) {
        return Some(below(schema));
    }
    match others {
        Value::Object(_) => Some(below(others)),
        Value::Bool(true) => Some(Node::Any),
        Value::Bool(false) => None,
        // An object without any fields is free in its form.
        _ => (open || properties.is_none()).then_some(Node::Any),
    }
}

fn is_whole(schema: &Value) -> bool {
    schema["x-kubernetes-embedded-resource"] == true
}

fn metadata() -> Node<'static> {
    let ty = types().by_name("meta.v1.ObjectMeta").expect("every object has metadata");
    Node::Struct(types().get(ty))
}

fn keys_of(schema: &Value) -> Vec<(&str, Option<Value>)> {
    let names = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
    let properties = &schema["items"]["properties"];
    let mut keys: Vec<_> = names
        .filter_map(Value::as_str)
        .map(|name| (name, properties[name].get("default").cloned()))
        .collect();
    keys.sort_by_key(|(name, _)| *name);
    keys
}

/// `[name="c"]`, `[="x"]`, `[0]`.
fn step(how: &Items<'_>, index: usize, item: &Value) -> Result<String, String> {
    match (how, item) {
        (Items::ByPlace, _) => Ok(format!("[{index}]")),
        (Items::Themselves, Value::Object(_)) => {
            Err("associative list without keys has an element that's a map type".into())
        }
        (Items::Themselves, Value::Array(_)) => {
            Err("not supported: associative list with lists as elements".into())
        }
        (Items::Themselves, Value::Null) => {
            Err("associative list without keys has an element that's an explicit null".into())
        }
        (Items::Themselves, scalar) => Ok(format!("[={scalar}]")),
        (Items::ByKeys(_), Value::Null) => {
            Err("associative list with keys may not have a null element".into())
        }
        (Items::ByKeys(keys), Value::Object(fields)) => {
            let mut parts = Vec::new();
            for (key, default) in keys {
                let given = fields.get(*key).filter(|value| !value.is_null()).or(default.as_ref());
                let value = given.ok_or_else(|| {
                    format!(
                        "associative list with keys has an element that omits key field {key:?} (and doesn't have default value)"
                    )
                })?;
                parts.push(format!("{key}={value}"));
            }
            Ok(format!("[{}]", parts.join(",")))
        }
        (Items::ByKeys(_), _) => Err("associative list with keys may not have non-map elements".into()),
    }
}

/// The name of a decoded value's type in Go.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go prints it with `%v`.
fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(_) => {
            let parts = sorted(value).into_iter().map(|(name, value)| format!("{name}:{}", go_text(value)));
            format!("map[{}]", parts.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

/// The same with `%#v`.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".into(),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(_) => {
            let parts =
                sorted(value).into_iter().map(|(name, value)| format!("{name:?}:{}", go_syntax(value)));
            format!("map[string]interface {{}}{{{}}}", parts.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn sorted(value: &Value) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = value.as_object().into_iter().flatten().collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

#[cfg(test)]
mod tests;
