//! What clients send, before it is an object: protobuf, selectors, SPDY.

use crate::values::Bytes;
use serde_json::json;
use std::sync::OnceLock;

/// Every sequence of bytes is an object or is refused; what is an object has a kind.
pub fn protobuf(bytes: &[u8]) {
    if let Ok(object) = schema::protobuf::decode(bytes) {
        assert!(object["kind"].is_string() && object["apiVersion"].is_string(), "{object}");
    }
    // Behind an envelope that is right, the body is what counts.
    let Some((kind, body)) = bytes.split_first() else { return };
    let kinds = schema::builtin_kinds();
    let kind = &kinds[usize::from(*kind) % kinds.len()];
    let field = |tag: u8, bytes: &[u8]| {
        let mut out = vec![tag << 3 | 2];
        let mut length = bytes.len();
        while length >= 0x80 {
            out.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(bytes);
        out
    };
    let mut meta = field(1, kind.api_version().as_bytes());
    meta.extend(field(2, kind.kind.as_bytes()));
    let mut whole = b"k8s\0".to_vec();
    whole.extend(field(1, &meta));
    whole.extend(field(2, body));
    if let Ok(object) = schema::protobuf::decode(&whole) {
        assert_eq!(object["kind"], kind.kind.as_str());
        // What was decoded fits the kind's type.
        schema::fields::unknown(&kind.api_version(), &kind.kind, &object);
    }
}

/// Every text selects or is refused, and selects the same each time.
pub fn selectors(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let labels = [json!(null), json!({}), json!({ "a": "b", "x": "" }), json!({ "a": "c", "app.io/n": "1" })];
    if let Ok(selector) = api::Selector::parse(&text) {
        for labels in &labels {
            assert_eq!(selector.matches(labels), selector.matches(labels));
        }
        assert!(!selector.is_empty() || labels.iter().all(|labels| selector.matches(labels)));
    }
    if let Ok(selector) = api::FieldSelector::parse(&text) {
        let object = json!({ "metadata": { "name": "a", "namespace": "b" }, "spec": { "nodeName": "n" } });
        for kind in schema::builtin_kinds() {
            let Ok(filter) = selector.on(kind) else { continue };
            let matches = filter.matches(&object);
            if let Some(name) = selector.exact("metadata.name") {
                assert!(name == "a" || !matches, "{text}");
            }
        }
    }
    // Those of objects, too.
    let mut bytes = Bytes(bytes);
    let selector = api::Selector::of_object(&bytes.value());
    for labels in &labels {
        selector.matches(labels);
    }
}

/// Every sequence of bytes is a conversation that ends.
pub fn spdy(bytes: &[u8]) {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    });
    runtime.block_on(apiserver::drain_spdy(bytes));
}
