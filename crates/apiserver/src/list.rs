//! Lists, whole or in parts.
//!
//! All parts of a list are of one moment: the snapshot that its first part was taken from is kept for some minutes.

use crate::options;
use crate::resources::{Call, Filter};
use crate::respond::{self, Answer};
use api::{ApiError, Object, Result, Snapshot};
use base64::Engine as _;
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// For how long a list in parts can be gone on with, as with upstream's compaction of five minutes.
const KEPT_FOR: Duration = Duration::from_secs(300);
/// A snapshot keeps old objects in memory; so many lists can be under way at different versions.
const KEPT: usize = 32;

/// The snapshots of lists that are under way.
#[derive(Default)]
pub(crate) struct Pages {
    kept: Mutex<VecDeque<(Instant, Snapshot)>>,
}

impl Pages {
    fn keep(&self, snapshot: &Snapshot) {
        let mut kept = self.kept.lock();
        kept.retain(|(used, other)| other.version() != snapshot.version() && used.elapsed() < KEPT_FOR);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((Instant::now(), snapshot.clone()));
    }

    fn at(&self, version: u64) -> Option<Snapshot> {
        let mut kept = self.kept.lock();
        kept.retain(|(used, _)| used.elapsed() < KEPT_FOR);
        kept.iter().find(|(_, snapshot)| snapshot.version() == version).map(|(_, snapshot)| snapshot.clone())
    }
}

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    options::check_list(&call.query, false)?;
    call.query.integer("timeoutSeconds")?;
    let from = Continue::parse(call.query.text("continue"))?;
    let Some(view) = view(call, from.as_ref())? else {
        return Ok(from.map_or_else(respond::not_found, |from| from.expired()));
    };
    let filter = Filter::new(call)?;
    let limit = call.query.integer("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let (resource, namespace) = (call.resource(), call.target.namespace.as_str());
    let after = from.as_ref().map(|from| (from.after.0.as_str(), from.after.1.as_str()));
    let mut all = view.after(&resource, namespace, after).filter(|object| filter.matches(object));
    let objects: Vec<Object> = all.by_ref().take(limit).cloned().collect();
    let mut metadata = json!({ "resourceVersion": view.version().to_string() });
    if let Some(last) = objects.last()
        && all.next().is_some()
    {
        metadata["continue"] = Continue { version: Some(view.version()), after: place(last) }.token().into();
        if filter.is_empty() {
            metadata["remainingItemCount"] = (all.count() + 1).into();
        }
        call.inner.pages.keep(&view);
    }
    let objects = call.shown(objects).await?;
    Ok(respond::bytes(StatusCode::OK, call.output().list(&objects, metadata)))
}

fn version(call: &Call) -> Result<Option<u64>> {
    let invalid = |why| ApiError::bad_request(format!("invalid resource version: {why}"));
    call.query.version().map_err(invalid)
}

/// Whether the state is as new as the caller wants it.
pub(crate) fn reached(call: &Call) -> Result<()> {
    let current = call.inner.api.version();
    match version(call)? {
        Some(wanted) if wanted > current => Err(ApiError::version_too_large(wanted, current)),
        _ => Ok(()),
    }
}

/// The state that the caller wants to see; none if it is not kept any more.
fn view(call: &Call, from: Option<&Continue>) -> Result<Option<Snapshot>> {
    let now = call.inner.api.view();
    let wanted = version(call)?;
    if let Some(from) = from {
        if wanted.is_some() {
            return Err(ApiError::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        return Ok(match from.version {
            Some(version) if version != now.version() => call.inner.pages.at(version),
            _ => Some(now),
        });
    }
    match wanted {
        Some(wanted) if wanted > now.version() => Err(ApiError::version_too_large(wanted, now.version())),
        Some(wanted) if wanted < now.version() && call.query.text("resourceVersionMatch") == "Exact" => {
            let old = "The resourceVersion for the provided list is too old.";
            call.inner.pages.at(wanted).map(Some).ok_or_else(|| ApiError::expired(old))
        }
        _ => Ok(Some(now)),
    }
}

/// Where a list in parts goes on: behind this namespace and name.
struct Continue {
    /// Of the first part; none: whatever is the state by then.
    version: Option<u64>,
    after: (String, String),
}

impl Continue {
    fn token(&self) -> String {
        let version = self.version.map_or(json!(-1), Value::from);
        let value = json!({ "v": "meta.k8s.io/v1", "rv": version, "ns": self.after.0, "name": self.after.1 });
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    }

    fn parse(token: &str) -> Result<Option<Self>> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).ok();
        let value: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let text = |value: &Value, field: &str| value[field].as_str().map(str::to_string);
        value
            .and_then(|v| {
                let version = match v["rv"].as_i64()? {
                    -1 => None,
                    version => Some(u64::try_from(version).ok()?),
                };
                Some(Self { version, after: (text(&v, "ns")?, text(&v, "name")?) })
            })
            .map(Some)
            .ok_or_else(|| ApiError::bad_request("continue key is not valid"))
    }

    /// The snapshot is not kept any more. The answer has a token that goes on with the state as it is.
    fn expired(&self) -> Answer {
        let error = ApiError::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new \
             list without the continue parameter, or use the continue token in this response to retrieve the \
             remainder of the results. Continuing with the provided token results in an inconsistent list - \
             objects that were created, modified, or deleted between the time the first chunk was returned and \
             now may show up in the list.",
        );
        let token = Self { version: None, after: self.after.clone() }.token();
        let mut status = error.status();
        status["metadata"]["continue"] = token.into();
        respond::json(StatusCode::GONE, &status)
    }
}

pub(crate) fn place(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_string();
    (text("namespace"), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for version in [Some(7), None] {
            let token = Continue { version, after: ("a".into(), "b".into()) }.token();
            let back = Continue::parse(&token).expect("our own token").expect("not empty");
            assert_eq!((back.version, back.after), (version, ("a".into(), "b".into())));
        }
        assert!(Continue::parse("").expect("none").is_none());
        for wrong in ["x", "e30", "eyJydiI6LTIsIm5zIjoiIiwibmFtZSI6IiJ9"] {
            assert!(Continue::parse(wrong).is_err(), "{wrong}");
        }
    }
}
