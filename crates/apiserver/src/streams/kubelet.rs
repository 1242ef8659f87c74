//! `nodes/NAME/proxy`: what a kubelet would answer, for clients that ask it directly. There is none here; its summary, its
//! metrics and its pods are made of what this server knows.

use crate::metrics::seconds;
use crate::resources::{self, Call};
use crate::respond::{self, Answer};
use api::{ApiError, Object, Result};
use http::{Method, StatusCode};
use schema::measured::{Measured, NodeUsed, PodUsed, Used, When};
use serde_json::{Value, json};
use std::fmt::Write as _;
use store::{Term, View};

pub(super) fn handle(call: &Call) -> Result<Answer> {
    // `https:NAME:10250` means the same node.
    let name = match call.target.name.split(':').collect::<Vec<_>>()[..] {
        [_, name, _] => name,
        [name, ..] => name,
        [] => "",
    };
    let view = call.inner.api.view();
    view.get("nodes", "", name).ok_or_else(|| ApiError::not_found("nodes", name))?;
    if call.parts.method != Method::GET {
        return Err(resources::not_allowed());
    }
    let pods = view.select("pods", "", &[Term::Node(name)]);
    let measured = call.inner.api.measured();
    match call.target.rest.trim_end_matches('/') {
        "stats/summary" => Ok(respond::json(StatusCode::OK, &summary(name, &pods, &measured))),
        "metrics/resource" => Ok(respond::text(StatusCode::OK, resource_metrics(name, &pods, &measured))),
        "pods" => {
            let list = json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods });
            Ok(respond::json(StatusCode::OK, &list))
        }
        "healthz" => Ok(respond::text(StatusCode::OK, "ok")),
        other => {
            let why = format!(
                "a node here has no kubelet to proxy to: /{other} is not served, /stats/summary, /metrics/resource, \
                 /pods and /healthz are"
            );
            Err(ApiError::new(501, "NotImplemented", why))
        }
    }
}

/// The pods of which something has been measured.
fn known<'a>(pods: &'a [Object], measured: &'a Measured) -> impl Iterator<Item = (&'a Object, &'a PodUsed)> {
    pods.iter().filter_map(|pod| Some((pod, measured.pods.get(pod["metadata"]["uid"].as_str()?)?)))
}

fn summary(name: &str, pods: &[Object], measured: &Measured) -> Value {
    let pods: Vec<Value> = known(pods, measured)
        .map(|(pod, used)| {
            let meta = &pod["metadata"];
            let containers: Vec<Value> = used
                .containers
                .iter()
                .map(|(name, own)| {
                    let mut shown = numbers(own, used.when, None);
                    shown["name"] = json!(name);
                    shown["startTime"] = started(pod, name);
                    shown
                })
                .collect();
            let mut shown = numbers(&used.total(), used.when, None);
            shown["podRef"] =
                json!({ "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"] });
            shown["startTime"] = pod["status"]["startTime"].clone();
            shown["containers"] = containers.into();
            shown
        })
        .collect();
    let mut node = json!({ "nodeName": name, "systemContainers": [] });
    if let Some(NodeUsed { when, used, memory_available_bytes }) = measured.nodes.get(name) {
        let found = numbers(used, *when, Some(*memory_available_bytes));
        node["cpu"] = found["cpu"].clone();
        node["memory"] = found["memory"].clone();
    }
    json!({ "node": node, "pods": pods })
}

fn numbers(used: &Used, when: When, available: Option<u64>) -> Value {
    let time = seconds(when.at);
    let mut shown = json!({
        "cpu": {
            "time": time, "usageNanoCores": used.cpu_nanocores, "usageCoreNanoSeconds": used.cpu_nanoseconds,
        },
        "memory": { "time": time, "workingSetBytes": used.memory_bytes },
    });
    if let Some(available) = available {
        shown["memory"]["availableBytes"] = available.into();
    }
    shown
}

fn started(pod: &Value, container: &str) -> Value {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"].into_iter();
    let mut all = lists.filter_map(|list| pod["status"][list].as_array()).flatten();
    let status = all.find(|status| status["name"] == container);
    status.map_or(Value::Null, |status| status["state"]["running"]["startedAt"].clone())
}

/// In the text form of Prometheus.
fn resource_metrics(name: &str, pods: &[Object], measured: &Measured) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(String, String, i64)>| {
        if !samples.is_empty() {
            // A String takes everything.
            let _ = writeln!(text, "# HELP {name} [STABLE] {help}\n# TYPE {name} {kind}");
        }
        for (labels, value, at) in samples {
            let _ = writeln!(text, "{name}{labels} {value} {}", at / 1000);
        }
    };
    let place = |pod: &Value| {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_string();
        format!("namespace=\"{}\",pod=\"{}\"", text("namespace"), text("name"))
    };
    let cpu = |used: &Used| format!("{}", used.cpu_nanoseconds as f64 / 1e9);
    let memory = |used: &Used| used.memory_bytes.to_string();
    let containers = |value: &dyn Fn(&Used) -> String| -> Vec<(String, String, i64)> {
        known(pods, measured)
            .flat_map(|(pod, used)| used.containers.iter().map(move |(name, own)| (pod, used, name, own)))
            .map(|(pod, used, name, own)| {
                (format!("{{container=\"{name}\",{}}}", place(pod)), value(own), used.when.at)
            })
            .collect()
    };
    let whole = |value: &dyn Fn(&Used) -> String| -> Vec<(String, String, i64)> {
        known(pods, measured)
            .map(|(pod, used)| (format!("{{{}}}", place(pod)), value(&used.total()), used.when.at))
            .collect()
    };
    let node = |value: &dyn Fn(&Used) -> String| -> Vec<(String, String, i64)> {
        measured.nodes.get(name).map(|n| (String::new(), value(&n.used), n.when.at)).into_iter().collect()
    };
    family(
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the container in core-seconds",
        containers(&cpu),
    );
    family(
        "container_memory_working_set_bytes",
        "gauge",
        "Current working set of the container in bytes",
        containers(&memory),
    );
    family(
        "node_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the node in core-seconds",
        node(&cpu),
    );
    family(
        "node_memory_working_set_bytes",
        "gauge",
        "Current working set of the node in bytes",
        node(&memory),
    );
    family(
        "pod_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the pod in core-seconds",
        whole(&cpu),
    );
    family(
        "pod_memory_working_set_bytes",
        "gauge",
        "Current working set of the pod in bytes",
        whole(&memory),
    );
    text.push_str("# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container metrics, 0 otherwise\n# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n");
    text
}
