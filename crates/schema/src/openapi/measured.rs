//! The kinds of `metrics.k8s.io`, which are made when they are asked for and never written.

use super::Custom;
use crate::Kind;
use serde_json::{Value, json};
use std::sync::LazyLock;

const VERSION: &str = "v1beta1";

struct Measured {
    kind: Kind,
    schema: Value,
}

static KINDS: LazyLock<[Measured; 2]> = LazyLock::new(|| {
    let usage = json!({
        "type": "object", "description": "What was used, by the name of the resource: cpu and memory.",
        "additionalProperties": { "type": "string", "description": "A quantity, such as 250m or 64Mi." },
    });
    let container = json!({
        "type": "object", "description": "What a container used.", "required": ["name", "usage"],
        "properties": {
            "name": { "type": "string", "description": "The container's name in its pod." }, "usage": usage,
        },
    });
    let of = |kind: &str, plural: &str, namespaced: bool, what: &str, field: &str, value: &Value| {
        let mut schema = json!({
            "type": "object", "description": what, "required": ["timestamp", "window", field],
            "properties": {
                "timestamp": { "type": "string", "format": "date-time", "description": "The end of the time that was measured." },
                "window": { "type": "string", "description": "The length of the time that was measured." },
            },
        });
        schema["properties"][field] = value.clone();
        let kind = Kind {
            group: "metrics.k8s.io".into(),
            versions: vec![VERSION.into()],
            kind: kind.into(),
            plural: plural.into(),
            singular: String::new(),
            short_names: Vec::new(),
            categories: Vec::new(),
            namespaced,
            subresources: Vec::new(),
        };
        Measured { kind, schema }
    };
    let containers =
        json!({ "type": "array", "description": "Each container of the pod.", "items": container });
    [
        of("NodeMetrics", "nodes", false, "What a node used of its resources.", "usage", &usage),
        of("PodMetrics", "pods", true, "What the containers of a pod used.", "containers", &containers),
    ]
});

/// As kinds beside those that definitions add.
pub fn measured() -> impl Iterator<Item = Custom<'static>> {
    KINDS.iter().map(|measured| Custom {
        kind: &measured.kind,
        version: VERSION,
        schema: Some(&measured.schema),
        is_read_only: true,
    })
}
