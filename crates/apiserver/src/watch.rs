//! Watches: a stream of events, a JSON object a line, each sent as soon as it has happened.

use crate::options;
use crate::output::{Form, Output, to_bytes};
use crate::resources::{Call, Filter};
use crate::respond::Answer;
use api::{Api, ApiError, Change, ChangeKind, Changes, Expired, Object, Result, View};
use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, Stream};
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a quiet watch tells its version, if the client wants to know.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// When the client sets no end: as upstream, half an hour to an hour.
const LONGEST: Duration = Duration::from_secs(2700);

/// What the client wants to see first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Everything that there is, as ADDED.
    State { bookmark_at_end: bool },
    /// Only what changes after this version.
    After(u64),
}

/// What is to be sent next.
enum Item {
    Line(Bytes),
    /// An object of a custom kind that may have to be converted first.
    Object(&'static str, Object),
}

struct Watch {
    api: Api,
    output: Output,
    filter: Filter,
    resource: String,
    namespace: String,
    changes: Changes,
    ready: VecDeque<Item>,
    /// A Table's columns are told once.
    headed: bool,
    next_bookmark: Option<Instant>,
    until: Instant,
    closing: CancellationToken,
    over: bool,
}

pub(crate) fn start(call: &Call) -> Result<Answer> {
    let api = &call.inner.api;
    options::check_list(&call.query, true)?;
    let start = start_of(call)?;
    let view = api.view();
    let since = match start {
        Start::State { .. } => view.version(),
        Start::After(version) => version,
    };
    if since > view.version() {
        return Err(ApiError::version_too_large(since, view.version()));
    }
    let mut changes = api.changes_of(since, &call.resource(), &call.target.namespace);
    // A version that is too old is told in the stream, as upstream does: there clients look for it (kube-rs begins anew
    // for an event, and asks for the same version for ever after a plain 410).
    let first = changes.try_next();
    let bookmarks = call.query.flag("allowWatchBookmarks");
    let seconds = call.query.integer("timeoutSeconds")?.and_then(|seconds| u64::try_from(seconds).ok());
    let mut watch = Watch {
        api: api.clone(),
        output: call.output(),
        filter: Filter::new(call)?,
        resource: call.resource(),
        namespace: call.target.namespace.clone(),
        changes,
        ready: VecDeque::new(),
        headed: true,
        next_bookmark: bookmarks.then(|| Instant::now() + BOOKMARK_EVERY),
        until: Instant::now() + seconds.filter(|s| *s > 0).map_or(LONGEST, Duration::from_secs),
        closing: call.inner.closing.clone(),
        over: false,
    };
    if let Start::State { bookmark_at_end } = start {
        for object in view.list(&watch.resource, &watch.namespace) {
            if watch.filter.matches(&object) {
                watch.push("ADDED", &object);
            }
        }
        if bookmark_at_end {
            watch.bookmark(view.version(), true);
        }
    }
    match first {
        Ok(Some(change)) => watch.take(&change),
        Ok(None) => {}
        Err(expired) => watch.expire(expired),
    }
    let mut answer = Response::new(Body::from_stream(watch.into_stream()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(answer)
}

fn start_of(call: &Call) -> Result<Start> {
    let version = call.query.version().map_err(|why| {
        let cause =
            ("resourceVersion".into(), "FieldValueInvalid".into(), why.replacen("resourceVersion: ", "", 1));
        ApiError::invalid(&call.kind.resource(), &call.kind.plural, "", &[cause])
    })?;
    Ok(match (call.query.optional_flag("sendInitialEvents"), version) {
        (Some(true), _) => Start::State { bookmark_at_end: call.query.flag("allowWatchBookmarks") },
        (Some(false), None) => Start::After(call.inner.api.version()),
        (None, None) => Start::State { bookmark_at_end: false },
        (_, Some(version)) => Start::After(version),
    })
}

impl Watch {
    fn into_stream(self) -> impl Stream<Item = std::result::Result<Bytes, std::convert::Infallible>> {
        stream::unfold(self, |mut watch| async move {
            let line = watch.next().await?;
            Some((Ok(line), watch))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.ready.pop_front() {
                Some(Item::Line(line)) => return Some(line),
                Some(Item::Object(kind, object)) => {
                    self.convert(kind, object).await;
                    continue;
                }
                None => {}
            }
            if self.over {
                return None;
            }
            let bookmark = self.next_bookmark.unwrap_or(self.until);
            let closing = self.closing.clone();
            tokio::select! {
                biased;
                () = closing.cancelled() => return None,
                change = self.changes.next() => match change {
                    Ok(change) => self.take(&change),
                    Err(expired) => self.expire(expired),
                },
                () = tokio::time::sleep_until(self.until) => return None,
                () = tokio::time::sleep_until(bookmark), if self.next_bookmark.is_some() => {
                    self.next_bookmark = Some(Instant::now() + BOOKMARK_EVERY);
                    // A quiet watch has seen everything up to now, also what did not concern it.
                    match self.changes.try_next() {
                        Ok(None) => self.bookmark(self.changes.seen(), false),
                        Ok(Some(change)) => self.take(&change),
                        Err(expired) => self.expire(expired),
                    }
                }
            }
        }
    }

    fn expire(&mut self, expired: Expired) {
        self.line("ERROR", &ApiError::expired(expired.to_string()).status());
        self.over = true;
    }

    /// What a change means to this watch: an object that starts to match is new to it, one that stops is gone.
    fn take(&mut self, change: &Change) {
        if change.key.resource.as_str() != self.resource
            || !(self.namespace.is_empty() || *change.key.namespace == *self.namespace)
        {
            return;
        }
        let matched = change.previous.as_ref().is_some_and(|previous| self.filter.matches(previous));
        let matches = change.kind != ChangeKind::Deleted && self.filter.matches(&change.object);
        match (matched, matches) {
            (false, true) => self.pass_on("ADDED", change),
            (true, true) => self.pass_on("MODIFIED", change),
            (true, false) if change.kind == ChangeKind::Deleted => self.pass_on("DELETED", change),
            (true, false) => self.push("DELETED", &last_seen(change)),
            (false, false) => {}
        }
    }

    /// An object as it was written goes to all its watchers without being written again.
    fn pass_on(&mut self, kind: &'static str, change: &Change) {
        if !self.output.is_as_stored(&change.object) || change.text.is_empty() {
            return self.push(kind, &change.object);
        }
        let mut line = Vec::with_capacity(change.text.len() + 40);
        line.extend_from_slice(b"{\"type\":\"");
        line.extend_from_slice(kind.as_bytes());
        line.extend_from_slice(b"\",\"object\":");
        line.extend_from_slice(&change.text);
        line.extend_from_slice(b"}\n");
        self.ready.push_back(Item::Line(line.into()));
    }

    fn push(&mut self, kind: &'static str, object: &Object) {
        if self.output.form != Form::Metadata && self.output.must_convert(object) {
            self.ready.push_back(Item::Object(kind, object.clone()));
            return;
        }
        let line = self.told(kind, object);
        self.ready.push_back(Item::Line(line));
    }

    /// What cannot be shown in the version of the request ends the watch, as upstream.
    async fn convert(&mut self, kind: &str, object: Object) {
        let shown = self.api.shown(&self.output.kind, &self.output.api_version, vec![object]).await;
        let line = match shown {
            Ok(shown) => shown.first().map(|object| self.told(kind, object)),
            Err(error) => {
                self.over = true;
                self.ready.clear();
                Some(line("ERROR", &error.status()))
            }
        };
        if let Some(line) = line {
            self.ready.push_front(Item::Line(line));
        }
    }

    fn told(&mut self, kind: &str, object: &Object) -> Bytes {
        let shown = match self.output.form {
            Form::Table => {
                let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
                let headed = std::mem::take(&mut self.headed);
                self.output.table(std::slice::from_ref(object), metadata, headed)
            }
            Form::Object | Form::Metadata => self.output.object(object),
        };
        line(kind, &shown)
    }

    fn bookmark(&mut self, version: u64, initial_events_end: bool) {
        let bookmark = self.output.bookmark(version, initial_events_end);
        self.line("BOOKMARK", &bookmark);
    }

    fn line(&mut self, kind: &str, object: &Value) {
        self.ready.push_back(Item::Line(line(kind, object)));
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    let mut line = to_bytes(&json!({ "type": kind, "object": object })).to_vec();
    line.push(b'\n');
    line.into()
}

/// The state in which the client knew the object, with the version in which it went.
fn last_seen(change: &Change) -> Object {
    let Some(previous) = &change.previous else { return change.object.clone() };
    let mut last = (**previous).clone();
    last["metadata"]["resourceVersion"] = change.version.to_string().into();
    last.into()
}
