//! `/metrics`: requests, objects and the process in the text form of Prometheus, under upstream's names.

use crate::authorize;
use crate::query::Query;
use crate::request::Target;
use crate::respond::{self, Answer};
use crate::server::Inner;
use http::{HeaderValue, Method, StatusCode, header};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const FORM: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Upper bounds of the buckets of durations, in seconds, as upstream's.
const BOUNDS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];

/// What has been asked of the server since it started.
#[derive(Default)]
pub(crate) struct Counted {
    /// By labels, which begin with `component`.
    requests: Mutex<HashMap<String, Series>>,
    reading: AtomicI64,
    writing: AtomicI64,
}

#[derive(Default)]
struct Series {
    codes: BTreeMap<u16, u64>,
    /// Not of requests that last as long as their client wants.
    durations: Option<Durations>,
}

#[derive(Default)]
struct Durations {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

/// A request while it runs.
pub(crate) struct Running<'a> {
    of: &'a AtomicI64,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.of.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counted {
    pub(crate) fn begin(&self, method: &Method) -> Running<'_> {
        let of = if matches!(*method, Method::GET | Method::HEAD) { &self.reading } else { &self.writing };
        of.fetch_add(1, Ordering::Relaxed);
        Running { of }
    }

    pub(crate) fn end(&self, asked: Asked, code: StatusCode, took: Duration) {
        let mut requests = self.requests.lock();
        let series = requests.entry(asked.labels).or_default();
        *series.codes.entry(code.as_u16()).or_default() += 1;
        if asked.lasts {
            return;
        }
        let durations = series.durations.get_or_insert_default();
        let seconds = took.as_secs_f64();
        durations.count += 1;
        durations.seconds += seconds;
        for (bucket, _) in durations.buckets.iter_mut().zip(BOUNDS).filter(|(_, bound)| seconds <= *bound) {
            *bucket += 1;
        }
    }
}

/// What a request is counted as.
pub(crate) struct Asked {
    labels: String,
    lasts: bool,
}

/// Only what the server knows becomes a label: nobody can make more of them than there are kinds.
pub(crate) fn asked(inner: &Inner, method: &Method, target: Option<&Target>, query: &Query) -> Asked {
    let known = target.filter(|target| {
        inner.api.kinds().by_plural(&target.group, &target.version, &target.plural).is_some()
    });
    let (verb, scope) = match known {
        Some(target) => (verb(method, target, query), scope(method, target)),
        None => (spelled(method), ""),
    };
    let of = |part: fn(&Target) -> &str| known.map_or("", part);
    let subresource = Some(of(|target| &target.subresource)).filter(|name| is_subresource(name));
    let dry_run = if query.dry_run() { "All" } else { "" };
    let labels = format!(
        "component=\"apiserver\",dry_run=\"{dry_run}\",group=\"{}\",resource=\"{}\",scope=\"{scope}\",\
         subresource=\"{}\",verb=\"{verb}\",version=\"{}\"",
        of(|target| &target.group),
        of(|target| &target.plural),
        subresource.unwrap_or_default(),
        of(|target| &target.version),
    );
    Asked { labels, lasts: matches!(verb, "WATCH" | "CONNECT") || subresource == Some("log") }
}

fn is_subresource(name: &str) -> bool {
    !name.is_empty() && name.len() < 24 && name.bytes().all(|letter| letter.is_ascii_lowercase())
}

fn verb(method: &Method, target: &Target, query: &Query) -> &'static str {
    if matches!(target.subresource.as_str(), "exec" | "attach" | "portforward" | "proxy") {
        return "CONNECT";
    }
    match authorize::verb(method, target, query) {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "deletecollection" => "DELETECOLLECTION",
        _ => spelled(method),
    }
}

fn spelled(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

fn scope(method: &Method, target: &Target) -> &'static str {
    match (target.name.is_empty(), target.namespace.is_empty()) {
        (false, _) => "resource",
        (true, _) if method == Method::POST => "resource",
        (true, false) => "namespace",
        (true, true) => "cluster",
    }
}

pub(crate) fn answer(inner: &Inner) -> Answer {
    let mut page = Page::default();
    requests(inner, &mut page);
    objects(inner, &mut page);
    process(&mut page);
    let version = crate::information::version(inner);
    let version = version["gitVersion"].as_str().unwrap_or_default();
    page.head("kubernetes_build_info", "gauge", "Always 1, with the version that the server speaks.");
    page.line("kubernetes_build_info", &format!("git_version=\"{version}\""), 1);
    let mut answer = respond::text(StatusCode::OK, page.0);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM));
    answer
}

fn requests(inner: &Inner, page: &mut Page) {
    let name = "apiserver_current_inflight_requests";
    page.head(name, "gauge", "Requests under way.");
    for (kind, of) in [("mutating", &inner.counted.writing), ("readOnly", &inner.counted.reading)] {
        page.line(name, &format!("request_kind=\"{kind}\""), of.load(Ordering::Relaxed));
    }
    let requests = inner.counted.requests.lock();
    let mut all: Vec<_> = requests.iter().collect();
    all.sort_by_key(|(labels, _)| *labels);
    let name = "apiserver_request_total";
    page.head(name, "counter", "Requests by verb, kind and code of the answer.");
    for (labels, series) in &all {
        for (code, count) in &series.codes {
            page.line(name, &format!("code=\"{code}\",{labels}"), count);
        }
    }
    let name = "apiserver_request_duration_seconds";
    page.head(
        name,
        "histogram",
        "How long requests took, without those that last as long as their client wants.",
    );
    for (labels, durations) in all.iter().filter_map(|(l, s)| Some((l, s.durations.as_ref()?))) {
        for (bound, count) in BOUNDS.iter().zip(durations.buckets) {
            page.line(&format!("{name}_bucket"), &format!("{labels},le=\"{bound}\""), count);
        }
        page.line(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), durations.count);
        page.line(&format!("{name}_sum"), labels, durations.seconds);
        page.line(&format!("{name}_count"), labels, durations.count);
    }
}

fn objects(inner: &Inner, page: &mut Page) {
    let name = "apiserver_resource_objects";
    page.head(name, "gauge", "Objects that are stored, by kind.");
    let view = inner.api.view();
    for kind in inner.api.kinds().all() {
        let resource = kind.resource();
        let count = view.after(resource.as_str(), "", None).count();
        let (group, plural) = (&kind.group, &kind.plural);
        page.line(name, &format!("group=\"{group}\",resource=\"{plural}\""), count);
    }
}

/// As Prometheus' clients tell of their own process. What the system does not say is left out.
fn process(page: &mut Page) {
    /// `USER_HZ`, the same on all machines that Coracle is built for; and the size of a page.
    const TICKS: f64 = 100.0;
    const PAGE: u64 = 4096;
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
    // After the name, which may have anything in it, come the state and the numbers.
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
    let number = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
    if let (Some(user), Some(system)) = (number(11), number(12)) {
        let name = "process_cpu_seconds_total";
        page.head(name, "counter", "CPU time that the daemon has used.");
        #[expect(clippy::cast_precision_loss, reason = "seconds of a process fit")]
        page.line(name, "", (user + system) as f64 / TICKS);
    }
    if let Some(pages) = number(21) {
        let name = "process_resident_memory_bytes";
        page.head(name, "gauge", "Memory of the daemon.");
        page.line(name, "", pages * PAGE);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.head("process_open_fds", "gauge", "Open files of the daemon.");
        page.line("process_open_fds", "", open.count());
    }
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}
