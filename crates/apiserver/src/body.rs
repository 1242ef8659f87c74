//! Reading request bodies: JSON, YAML, protobuf.

use crate::link;
use api::{ApiError, Result};
use axum::body::Body;
use http::{HeaderMap, header};
use serde_json::{Value, json};

/// As upstream limits requests.
const LIMIT: usize = 3 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Yaml,
    Protobuf,
    JsonPatch,
    MergePatch,
    StrategicPatch,
    /// Server-side apply; its body is YAML, of which JSON is a part.
    Apply,
}

pub(crate) fn media(headers: &HeaderMap) -> Result<Media> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match text.split(';').next().unwrap_or_default().trim() {
        "" | "application/json" | "*/*" => Ok(Media::Json),
        "application/yaml" => Ok(Media::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Media::Protobuf),
        "application/json-patch+json" => Ok(Media::JsonPatch),
        "application/merge-patch+json" => Ok(Media::MergePatch),
        "application/strategic-merge-patch+json" => Ok(Media::StrategicPatch),
        "application/apply-patch+yaml" | "application/apply-patch" | "application/apply-patch+json" => {
            Ok(Media::Apply)
        }
        _ => Err(unknown_format("application/json, application/yaml, application/vnd.kubernetes.protobuf")),
    }
}

/// 415, with what is accepted.
pub(crate) fn unknown_format(accepted: &str) -> ApiError {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {accepted}"
    );
    let mut error = ApiError::new(415, "UnsupportedMediaType", message);
    error.details = json!({});
    error
}

/// The body as a value; an empty one is null. `kind` is what it should be; `problems` gets what strict decoding would
/// refuse.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    kind: &str,
    problems: &mut Vec<String>,
) -> Result<Value> {
    let bytes = axum::body::to_bytes(body, LIMIT).await.map_err(|error| {
        tracing::debug!(%error, "cannot read a request's body");
        ApiError::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {LIMIT}"))
    })?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    match media(headers)? {
        Media::Protobuf => link::decode_protobuf(&bytes),
        Media::Yaml => {
            yaml(&bytes, problems).map_err(|why| unrecognized(kind, &format!("yaml: {why}"), &bytes))
        }
        Media::Apply => yaml(&bytes, problems).map_err(|why| {
            ApiError::bad_request(format!("error decoding YAML: error converting YAML to JSON: yaml: {why}"))
        }),
        Media::Json | Media::JsonPatch | Media::MergePatch | Media::StrategicPatch => {
            problems.extend(crate::body::duplicates::of(&bytes));
            serde_json::from_slice(&bytes)
                .map_err(|error| unrecognized(kind, &format!("json parse error: {error}"), &bytes))
        }
    }
}

/// In upstream's words: what is wrong, and how the body begins.
fn unrecognized(kind: &str, why: &str, bytes: &[u8]) -> ApiError {
    const SHOWN: usize = 30;
    let (head, more) = if bytes.len() > SHOWN { (&bytes[..SHOWN], " ...") } else { (bytes, "") };
    let head = match head.first() {
        Some(b'{') => String::from_utf8_lossy(head).into_owned(),
        _ => head.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    ApiError::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; {why} ({head}{more})"
    ))
}

fn yaml(bytes: &[u8], problems: &mut Vec<String>) -> std::result::Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let bad = |error: yaml::Error| format!("line {error}");
    let mut documents = match yaml::parse_documents(text) {
        Ok(documents) => documents,
        Err(error) => {
            let lenient =
                yaml::Options { duplicates: yaml::Duplicates::LastWins, ..yaml::Options::default() };
            let documents = yaml::parse_documents_with(text, &lenient).map_err(bad)?;
            problems.push(error.to_string());
            documents
        }
    };
    match documents.len() {
        0 => Ok(Value::Null),
        1 => Ok(documents.remove(0)),
        _ => Err("the body of the request holds more than one document".into()),
    }
}

mod duplicates {
    //! Fields that occur twice in a JSON text: the last one counts, as in Go, but it deserves a warning.

    use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
    use std::cell::RefCell;
    use std::collections::HashSet;

    pub(super) fn of(json: &[u8]) -> Vec<String> {
        FOUND.with_borrow_mut(Vec::clear);
        PATH.with_borrow_mut(String::clear);
        // What is wrong beyond that is told by the real parser.
        let _ = serde_json::from_slice::<Walk>(json);
        FOUND.take()
    }

    thread_local! {
        static FOUND: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
        static PATH: RefCell<String> = const { RefCell::new(String::new()) };
    }

    struct Walk;

    impl<'de> Deserialize<'de> for Walk {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Walk)
        }
    }

    /// The value behind a part of the path.
    fn within<T>(part: &str, walk: impl FnOnce() -> T) -> T {
        let length = PATH.with_borrow(String::len);
        PATH.with_borrow_mut(|path| path.push_str(part));
        let done = walk();
        PATH.with_borrow_mut(|path| path.truncate(length));
        done
    }

    impl<'de> Visitor<'de> for Walk {
        type Value = Walk;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("any JSON")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Walk, A::Error> {
            let mut seen = HashSet::new();
            while let Some(field) = map.next_key::<String>()? {
                let start = if PATH.with_borrow(String::is_empty) { "" } else { "." };
                let part = format!("{start}{field}");
                if !seen.insert(field) {
                    let path = PATH.with_borrow(|path| format!("{path}{part}"));
                    FOUND.with_borrow_mut(|found| found.push(format!("duplicate field {path:?}")));
                }
                within(&part, || map.next_value::<Walk>())?;
            }
            Ok(Walk)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Walk, A::Error> {
            let mut index = 0;
            while within(&format!("[{index}]"), || list.next_element::<Walk>())?.is_some() {
                index += 1;
            }
            Ok(Walk)
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Walk, D::Error> {
            IgnoredAny::deserialize(deserializer).map(|_| Walk)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Walk, E> {
            Ok(Walk)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Walk, E> {
            Ok(Walk)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Walk, E> {
            Ok(Walk)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Walk, E> {
            Ok(Walk)
        }

        fn visit_str<E>(self, _: &str) -> Result<Walk, E> {
            Ok(Walk)
        }

        fn visit_unit<E>(self) -> Result<Walk, E> {
            Ok(Walk)
        }
    }

    #[cfg(test)]
    #[test]
    fn duplicates_are_found_where_they_are() {
        let json = br#"{"a":1,"b":[{"c":1.5,"c":"x"}],"a":null,"d":{"a":true}}"#;
        assert_eq!(of(json), ["duplicate field \"b[0].c\"", "duplicate field \"a\""]);
        assert!(of(br#"{"a":1}"#).is_empty());
    }
}
