//! Field selectors: their text, and which fields of which kind can be selected by.

use crate::{Api, ApiError, Result, structural};
use schema::Kind;
use serde_json::Value;

/// `status.phase=Running,spec.nodeName!=a`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: String,
    equal: bool,
    value: String,
}

impl FieldSelector {
    /// `\\` takes the meaning from a comma, an equals sign and itself in a value.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = split(text);
        // As upstream, which also tells of the first one that is wrong in this order.
        parts.sort_unstable();
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let terms = parts.map(|part| {
            let (field, equal, value) = term(part).ok_or_else(|| {
                ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'"))
            })?;
            Ok(Term { field: field.to_string(), equal, value: unescaped(value)? })
        });
        Ok(Self { terms: terms.collect::<Result<_>>()? })
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that a field must have, if the selector says so.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.equal && term.field == field).map(|term| term.value.as_str())
    }

    /// What it means for a built-in kind; refuses fields that the kind cannot be selected by.
    pub fn on(&self, kind: &Kind) -> Result<FieldFilter> {
        let resource = kind.resource();
        let known = BUILTIN.iter().find(|(known, _)| *known == resource);
        self.resolve(|field| match known {
            Some((_, fields)) => fields
                .iter()
                .find(|(label, _)| *label == field)
                .map(|(_, read)| *read)
                .ok_or_else(|| unsupported(&resource, field)),
            None if matches!(field, "metadata.name" | "metadata.namespace") => Ok(Read::Text),
            None => Err(format!(
                "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            )),
        })
    }

    /// The same for a custom kind, of which a version may declare more fields.
    fn on_custom(&self, kind: &Kind, declared: &[&str]) -> Result<FieldFilter> {
        self.resolve(|field| match field {
            "metadata.name" => Ok(Read::Text),
            "metadata.namespace" if kind.namespaced => Ok(Read::Text),
            field if declared.contains(&field) => Ok(Read::Text),
            field => Err(format!("field label not supported: {field}")),
        })
    }

    fn resolve(&self, read: impl Fn(&str) -> std::result::Result<Read, String>) -> Result<FieldFilter> {
        let terms = self.terms.iter().map(|term| {
            let read = read(&term.field).map_err(ApiError::bad_request)?;
            Ok((term.clone(), read))
        });
        Ok(FieldFilter { terms: terms.collect::<Result<_>>()? })
    }
}

fn unsupported(resource: &str, field: &str) -> String {
    match resource {
        "batch/jobs" => format!("field label {field:?} not supported for Job"),
        _ => format!("field label not supported: {field}"),
    }
}

impl Api {
    /// What a field selector means for a kind in a version.
    pub fn field_filter(&self, kind: &Kind, version: &str, selector: &FieldSelector) -> Result<FieldFilter> {
        if self.is_builtin(&kind.resource()) || kind.group == "events.k8s.io" {
            return selector.on(kind);
        }
        let definition = structural::definition_of(&self.view(), kind);
        let versions = definition.as_ref().and_then(|definition| definition["spec"]["versions"].as_array());
        let asked = versions.into_iter().flatten().find(|known| known["name"] == version);
        let fields = asked.and_then(|asked| asked["selectableFields"].as_array()).into_iter().flatten();
        let paths = fields.filter_map(|field| field["jsonPath"].as_str());
        let declared: Vec<&str> = paths.map(|path| path.trim_start_matches('.')).collect();
        selector.on_custom(kind, &declared)
    }
}

/// A field selector on a kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldFilter {
    terms: Vec<(Term, Read)>,
}

impl FieldFilter {
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|(term, read)| (read.of(object, &term.field) == term.value) == term.equal)
    }
}

/// How a field's value is read as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// At the path that the field is named by; empty if it is not there.
    Text,
    /// The same elsewhere.
    At(&'static str),
    /// A flag, which is false if it is not there.
    Flag,
    /// A number, which is zero if it is not there.
    Count(&'static str),
    /// Who reports an event, by the older field or the newer.
    Source,
    /// Upstream takes the field and has no value for it.
    Nothing,
}

impl Read {
    fn of(self, object: &Value, field: &str) -> String {
        match self {
            Read::Text => text_at(object, field),
            Read::At(path) => text_at(object, path),
            Read::Flag => or(text_at(object, field), "false"),
            Read::Count(path) => or(text_at(object, path), "0"),
            Read::Source => {
                let older = text_at(object, "source.component");
                if older.is_empty() { text_at(object, "reportingComponent") } else { older }
            }
            Read::Nothing => String::new(),
        }
    }
}

fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_string() } else { text }
}

fn text_at(object: &Value, path: &str) -> String {
    match path.split('.').fold(object, |value, field| &value[field]) {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

type Fields = &'static [(&'static str, Read)];

/// The kinds with fields of their own; the others have name and namespace.
const BUILTIN: [(&str, Fields); 10] = [
    (
        "pods",
        &[
            ("metadata.name", Read::Text),
            ("metadata.namespace", Read::Text),
            ("spec.nodeName", Read::Text),
            ("spec.host", Read::At("spec.nodeName")),
            ("spec.restartPolicy", Read::Text),
            ("spec.schedulerName", Read::Text),
            ("spec.serviceAccountName", Read::Text),
            ("spec.hostNetwork", Read::Flag),
            ("status.phase", Read::Text),
            ("status.podIP", Read::Text),
            ("status.podIPs", Read::Nothing),
            ("status.nominatedNodeName", Read::Text),
        ],
    ),
    ("nodes", &[("metadata.name", Read::Text), ("spec.unschedulable", Read::Flag)]),
    ("namespaces", &[("metadata.name", Read::Text), ("status.phase", Read::Text)]),
    ("secrets", &[("metadata.name", Read::Text), ("metadata.namespace", Read::Text), ("type", Read::Text)]),
    (
        "services",
        &[
            ("metadata.name", Read::Text),
            ("metadata.namespace", Read::Text),
            ("spec.clusterIP", Read::Text),
            ("spec.type", Read::Text),
        ],
    ),
    (
        "replicationcontrollers",
        &[
            ("metadata.name", Read::Text),
            ("metadata.namespace", Read::Text),
            ("status.replicas", Read::Count("status.replicas")),
        ],
    ),
    (
        "events",
        &[
            ("metadata.name", Read::Text),
            ("metadata.namespace", Read::Text),
            ("involvedObject.kind", Read::Text),
            ("involvedObject.namespace", Read::Text),
            ("involvedObject.name", Read::Text),
            ("involvedObject.uid", Read::Text),
            ("involvedObject.apiVersion", Read::Text),
            ("involvedObject.resourceVersion", Read::Text),
            ("involvedObject.fieldPath", Read::Text),
            ("reason", Read::Text),
            ("reportingComponent", Read::Text),
            ("source", Read::Source),
            ("type", Read::Text),
        ],
    ),
    // Stored as the events of the core group, whose names for these fields are not taken here.
    (
        "events.k8s.io/events",
        &[
            ("metadata.name", Read::Text),
            ("metadata.namespace", Read::Text),
            ("regarding.kind", Read::At("involvedObject.kind")),
            ("regarding.namespace", Read::At("involvedObject.namespace")),
            ("regarding.name", Read::At("involvedObject.name")),
            ("regarding.uid", Read::At("involvedObject.uid")),
            ("regarding.apiVersion", Read::At("involvedObject.apiVersion")),
            ("regarding.resourceVersion", Read::At("involvedObject.resourceVersion")),
            ("regarding.fieldPath", Read::At("involvedObject.fieldPath")),
            ("reason", Read::Text),
            ("reportingController", Read::At("reportingComponent")),
            ("type", Read::Text),
        ],
    ),
    (
        "batch/jobs",
        &[
            ("metadata.name", Read::Text),
            ("metadata.namespace", Read::Text),
            ("status.successful", Read::Count("status.succeeded")),
        ],
    ),
    (
        "certificates.k8s.io/certificatesigningrequests",
        &[("metadata.name", Read::Text), ("spec.signerName", Read::Text)],
    ),
];

/// At commas that are not escaped.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// At the first operator.
fn term(part: &str) -> Option<(&str, bool, &str)> {
    let at = part.find(['!', '=']).into_iter();
    let places = at.flat_map(|first| first..part.len()).filter(|at| part.is_char_boundary(*at));
    for at in places {
        let (field, rest) = part.split_at(at);
        for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
            if let Some(value) = rest.strip_prefix(operator) {
                return Some((field, equal, value));
            }
        }
    }
    None
}

fn unescaped(value: &str) -> Result<String> {
    let bad = |what: String| ApiError::bad_request(format!("invalid field selector: {what}"));
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => plain.push(c),
                other => {
                    let sequence: String = std::iter::once('\\').chain(other).collect();
                    return Err(bad(format!("invalid escape sequence: {sequence}")));
                }
            },
            // Go prints the character as its number.
            ',' | '=' => return Err(bad(format!("unescaped character in value: {}", u32::from(c)))),
            c => plain.push(c),
        }
    }
    Ok(plain)
}
