//! OpenAPI v2 in protobuf, as gnostic has it (`openapiv2/OpenAPIv2.proto`): the only form that kubectl before 1.27 and its
//! relatives read. Made from the JSON document; only what those clients look at is there: the definitions, and of the paths
//! what PATCH takes (`kubectl diff` asks whether a kind knows `dryRun`).

use serde_json::{Map, Value};

/// What clients ask for: the older name is no valid media type, so the answer always has the newer one.
pub(crate) const ASKED: [&str; 2] =
    ["com.github.proto-openapi.spec.v2@v1.0+protobuf", "com.github.proto-openapi.spec.v2.v1.0+protobuf"];
pub(crate) const MEDIA: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// A message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u32, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn flag(&mut self, field: u32, flag: bool) {
        if flag {
            self.varint(u64::from(field) << 3);
            self.varint(1);
        }
    }

    fn message(&mut self, field: u32, message: &Message) {
        self.bytes(field, &message.0);
    }
}

/// A `Document`.
pub(crate) fn encode(document: &Value) -> Vec<u8> {
    let mut info = Message::default();
    info.text(1, document["info"]["title"].as_str());
    info.text(2, document["info"]["version"].as_str());
    let mut definitions = Message::default();
    for (name, schema) in document["definitions"].as_object().into_iter().flatten() {
        definitions.message(1, &named_schema(name, schema));
    }
    let mut message = Message::default();
    message.text(1, Some("2.0"));
    message.message(2, &info);
    message.message(8, &paths(document));
    message.message(9, &definitions);
    message.0
}

/// The paths that have a PATCH, with its query parameters and its kind.
fn paths(document: &Value) -> Message {
    let mut paths = Message::default();
    for (name, path) in document["paths"].as_object().into_iter().flatten() {
        let Some(patch) = path["patch"].as_object() else { continue };
        let own = patch.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let shared = path["parameters"].as_array().into_iter().flatten();
        let mut operation = Message::default();
        for parameter in own.chain(shared).filter(|parameter| parameter["in"] == "query") {
            let mut query = Message::default();
            query.text(2, Some("query"));
            query.text(4, parameter["name"].as_str());
            operation.message(8, &nested(1, &nested(2, &nested(3, &query))));
        }
        extensions(&mut operation, patch, 13);
        let mut named = Message::default();
        named.text(1, Some(name));
        named.message(2, &nested(8, &operation));
        paths.message(2, &named);
    }
    paths
}

/// A message with nothing but this in it.
fn nested(field: u32, inner: &Message) -> Message {
    let mut message = Message::default();
    message.message(field, inner);
    message
}

fn named_schema(name: &str, value: &Value) -> Message {
    let mut named = Message::default();
    named.text(1, Some(name));
    named.message(2, &schema(value));
    named
}

fn schema(value: &Value) -> Message {
    let mut message = Message::default();
    let Some(fields) = value.as_object() else { return message };
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    message.text(1, text("$ref"));
    message.text(2, text("format"));
    message.text(3, text("title"));
    message.text(4, text("description"));
    if let Some(default) = fields.get("default") {
        message.message(5, &any(default));
    }
    message.text(13, text("pattern"));
    for required in fields.get("required").and_then(Value::as_array).into_iter().flatten() {
        message.text(19, required.as_str());
    }
    for value in fields.get("enum").and_then(Value::as_array).into_iter().flatten() {
        message.message(20, &any(value));
    }
    match fields.get("additionalProperties") {
        Some(Value::Bool(allowed)) => {
            let mut item = Message::default();
            item.flag(2, *allowed);
            message.message(21, &item);
        }
        Some(of) => {
            let mut item = Message::default();
            item.message(1, &schema(of));
            message.message(21, &item);
        }
        None => {}
    }
    if let Some(kind) = text("type") {
        let mut item = Message::default();
        item.text(1, Some(kind));
        message.message(22, &item);
    }
    if let Some(items) = fields.get("items") {
        let mut item = Message::default();
        item.message(1, &schema(items));
        message.message(23, &item);
    }
    for part in fields.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        message.message(24, &schema(part));
    }
    if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
        let mut all = Message::default();
        for (name, property) in properties {
            all.message(1, &named_schema(name, property));
        }
        message.message(25, &all);
    }
    extensions(&mut message, fields, 31);
    message
}

/// `x-kubernetes-group-version-kind` and the like, as YAML in an `Any`; JSON is YAML.
fn extensions(message: &mut Message, fields: &Map<String, Value>, field: u32) {
    for (name, value) in fields.iter().filter(|(name, _)| name.starts_with("x-")) {
        let mut named = Message::default();
        named.text(1, Some(name));
        named.message(2, &any(value));
        message.message(field, &named);
    }
}

fn any(value: &Value) -> Message {
    let mut message = Message::default();
    message.text(2, Some(&value.to_string()));
    message
}

#[cfg(test)]
#[test]
fn definitions_are_encoded() {
    let document = serde_json::json!({ "info": { "title": "K", "version": "1" },
        "definitions": { "a.B": { "type": "object", "required": ["c"], "properties": { "c": { "$ref": "#/d" } },
            "x-kubernetes-group-version-kind": [] } } });
    let expected =
        b"\x0a\x032.0\x12\x06\x0a\x01K\x12\x011\x42\x00\x4a\x51\x0a\x4f\x0a\x03a.B\x12\x48\x9a\x01\x01c\
        \xb2\x01\x08\x0a\x06object\xca\x01\x0c\x0a\x0a\x0a\x01c\x12\x05\x0a\x03#/d\
        \xfa\x01\x27\x0a\x1fx-kubernetes-group-version-kind\x12\x04\x12\x02[]";
    assert_eq!(String::from_utf8_lossy(&encode(&document)), String::from_utf8_lossy(expected));
    assert_eq!(encode(&document), expected);
}
