//! `metrics.k8s.io`: what pods and nodes use, as `kubectl top` and clients ask for it. Nothing of it is stored.

use crate::output::{self, Form};
use crate::query::Query;
use crate::request::Target;
use crate::resources;
use crate::respond::{self, Answer};
use crate::server::Inner;
use api::{ApiError, FieldSelector, Object, Result, Selector};
use http::request::Parts;
use http::{Method, StatusCode};
use schema::measured::{Measured, Used, When, go_seconds};
use serde_json::{Value, json};
use store::View;

pub(crate) const GROUP: &str = "metrics.k8s.io";
pub(crate) const VERSION: &str = "v1beta1";
/// Plural, kind, namespaced.
pub(crate) const RESOURCES: [(&str, &str, bool); 2] =
    [("nodes", "NodeMetrics", false), ("pods", "PodMetrics", true)];
pub(crate) const VERBS: [&str; 2] = ["get", "list"];

pub(crate) fn answer(inner: &Inner, target: &Target, query: &Query, parts: &Parts) -> Result<Answer> {
    let Some((plural, kind, namespaced)) = known(target) else { return Err(resources::missing()) };
    let placed = !target.namespace.is_empty();
    if placed && !namespaced || namespaced && !placed && !target.name.is_empty() {
        return Err(resources::missing());
    }
    if parts.method != Method::GET || target.watch || query.flag("watch") {
        return Err(resources::not_allowed());
    }
    let view = inner.api.view();
    let measured = inner.api.measured();
    let form = output::form(&parts.headers);
    if !target.name.is_empty() {
        let object = view.get(plural, &target.namespace, &target.name);
        let shown = object.and_then(|object| metrics(kind, &object, &measured));
        let Some(shown) = shown else { return Err(not_found(kind, target)) };
        return Ok(respond::json(StatusCode::OK, &in_form(form, kind, vec![shown], true)));
    }
    let labels = Selector::parse(query.text("labelSelector"))?;
    let fields = FieldSelector::parse(query.text("fieldSelector"))?;
    let fields = match inner.api.kinds().by_resource(plural) {
        Some(kind) => inner.api.field_filter(&kind, "v1", &fields)?,
        None => return Err(resources::missing()),
    };
    let all = view.after(plural, &target.namespace, None);
    let wanted = all.filter(|object| labels.matches(&object["metadata"]["labels"]) && fields.matches(object));
    let shown = wanted.filter_map(|object| metrics(kind, object, &measured)).collect();
    Ok(respond::json(StatusCode::OK, &in_form(form, kind, shown, false)))
}

fn known(target: &Target) -> Option<(&'static str, &'static str, bool)> {
    let found = RESOURCES.into_iter().find(|(plural, ..)| *plural == target.plural);
    found.filter(|_| target.version == VERSION && target.subresource.is_empty())
}

fn not_found(kind: &str, target: &Target) -> ApiError {
    let plural = format!("{GROUP}/{}", kind.to_lowercase());
    let name = match target.namespace.as_str() {
        "" => target.name.clone(),
        namespace => format!("{namespace}/{}", target.name),
    };
    ApiError::not_found(&plural, &name)
}

/// `None`: nothing has been measured of it yet.
fn metrics(kind: &str, object: &Object, measured: &Measured) -> Option<Value> {
    let meta = &object["metadata"];
    let mut metadata = json!({ "name": meta["name"] });
    if kind == "PodMetrics" {
        metadata["namespace"] = meta["namespace"].clone();
    }
    // It is made now, as metrics-server has it.
    metadata["creationTimestamp"] = seconds(jiff::Timestamp::now().as_microsecond()).into();
    if meta["labels"].as_object().is_some_and(|labels| !labels.is_empty()) {
        metadata["labels"] = meta["labels"].clone();
    }
    let of = |when: When| {
        json!({
            "kind": kind, "apiVersion": format!("{GROUP}/{VERSION}"), "metadata": metadata,
            "timestamp": seconds(when.at), "window": go_seconds(when.window),
        })
    };
    if kind == "NodeMetrics" {
        let node = measured.nodes.get(meta["name"].as_str()?)?;
        let mut shown = of(node.when);
        shown["usage"] = node.used.to_value();
        return Some(shown);
    }
    let pod = measured.pods.get(meta["uid"].as_str()?)?;
    let mut shown = of(pod.when);
    let containers =
        pod.containers.iter().map(|(name, used)| json!({ "name": name, "usage": used.to_value() }));
    shown["containers"] = containers.collect();
    Some(shown)
}

/// Whole seconds, as the API writes times.
pub(crate) fn seconds(micros: i64) -> String {
    jiff::Timestamp::from_second(micros.div_euclid(1_000_000)).unwrap_or_default().to_string()
}

fn in_form(form: Form, kind: &str, mut items: Vec<Value>, one: bool) -> Value {
    let partial = |item: &Value| {
        json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"],
        })
    };
    match form {
        Form::Table => table(&items),
        Form::Metadata if one => partial(&items[0]),
        Form::Metadata => {
            let items: Vec<Value> = items.iter().map(partial).collect();
            json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": items,
            })
        }
        Form::Object if one => items.swap_remove(0),
        Form::Object => {
            for item in items.iter_mut().filter_map(Value::as_object_mut) {
                item.shift_remove("kind");
                item.shift_remove("apiVersion");
            }
            let api_version = format!("{GROUP}/{VERSION}");
            json!({ "kind": format!("{kind}List"), "apiVersion": api_version, "metadata": {}, "items": items })
        }
    }
}

/// The columns of metrics-server.
fn table(items: &[Value]) -> Value {
    let column = |name: &str, format: &str| json!({ "name": name, "type": "string", "format": format, "description": "", "priority": 0 });
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let usage = total(item);
            let cells = json!([item["metadata"]["name"], usage["cpu"], usage["memory"], item["window"]]);
            let object = json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"],
            });
            json!({ "cells": cells, "object": object })
        })
        .collect();
    let columns = [
        column("Name", "name"),
        column("cpu", "quantity"),
        column("memory", "quantity"),
        column("Window", "duration"),
    ];
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": columns, "rows": rows,
    })
}

/// A node's usage, or the sum of a pod's containers.
fn total(item: &Value) -> Value {
    if item["usage"].is_object() {
        return item["usage"].clone();
    }
    let read = |usage: &Value, name: &str| -> i128 {
        let amount = usage[name].as_str().and_then(schema::quantity::Quantity::parse);
        amount.map_or(0, |amount| amount.nanos())
    };
    let (mut cpu, mut memory) = (0, 0);
    for container in item["containers"].as_array().into_iter().flatten() {
        cpu += read(&container["usage"], "cpu");
        memory += read(&container["usage"], "memory") / 1_000_000_000;
    }
    let whole = |number: i128| u64::try_from(number).unwrap_or(u64::MAX);
    Used { cpu_nanocores: whole(cpu), cpu_nanoseconds: 0, memory_bytes: whole(memory) }.to_value()
}
