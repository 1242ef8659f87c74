//! Discovery: which kinds are served, in the aggregated form that clients prefer and in the older ones.

use crate::metrics;
use crate::resources;
use crate::respond::{self, Answer};
use crate::reviews::REVIEWS;
use crate::server::Inner;
use api::{Kind, Result};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// What can be done with objects of a kind. Namespaces go one by one.
pub(crate) fn verbs(kind: &Kind) -> Vec<&'static str> {
    let all = VERBS.into_iter();
    all.filter(|verb| !(*verb == "deletecollection" && kind.resource() == "namespaces")).collect()
}

/// The groups as upstream's aggregator orders them: clients that know a kind by its short name alone take the first.
/// Groups of custom resources follow by name.
const ORDER: [&str; 20] = [
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Groups with their versions, preferred first; the core group is first.
pub(crate) fn group_versions(inner: &Inner) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = vec![(String::new(), vec!["v1".into()])];
    let mut add = |group: &str, version: &str| {
        let known = match groups.iter_mut().find(|known| known.0 == group) {
            Some(known) => known,
            None => {
                groups.push((group.to_string(), Vec::new()));
                groups.last_mut().expect("just pushed")
            }
        };
        if !known.1.iter().any(|v| v == version) {
            known.1.push(version.to_string());
        }
    };
    for kind in inner.api.kinds().all() {
        kind.versions.iter().for_each(|version| add(&kind.group, version));
    }
    REVIEWS.iter().for_each(|review| add(review.0, "v1"));
    add(metrics::GROUP, metrics::VERSION);
    groups.sort_by_key(|(group, _)| {
        (ORDER.iter().position(|known| known == group).unwrap_or(ORDER.len()), group.clone())
    });
    groups
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_string() } else { format!("{group}/{version}") }
}

/// `/api`.
pub(crate) fn core(inner: &Inner, headers: &HeaderMap) -> Answer {
    if let Some(version) = aggregated(headers) {
        let groups = group_versions(inner).into_iter().filter(|(group, _)| group.is_empty()).collect();
        return aggregate(inner, groups, version);
    }
    respond::json(
        StatusCode::OK,
        &json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "" }],
        }),
    )
}

/// `/apis`.
pub(crate) fn groups(inner: &Inner, headers: &HeaderMap) -> Answer {
    let named: Vec<_> = group_versions(inner).into_iter().filter(|(group, _)| !group.is_empty()).collect();
    if let Some(version) = aggregated(headers) {
        return aggregate(inner, named, version);
    }
    let groups: Vec<Value> = named.iter().map(|(group, versions)| group_value(group, versions)).collect();
    respond::json(StatusCode::OK, &json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
}

fn group_value(group: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{group}/{version}"), "version": version }))
        .collect();
    json!({ "name": group, "versions": versions, "preferredVersion": versions[0] })
}

/// `/apis/GROUP`.
pub(crate) fn group(inner: &Inner, group: &str) -> Option<Answer> {
    let all = group_versions(inner);
    let (name, versions) = all.iter().find(|known| known.0 == group)?;
    let mut value = group_value(name, versions);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Some(respond::json(StatusCode::OK, &value))
}

/// `/api/v1`, `/apis/GROUP/VERSION`.
pub(crate) fn resources(inner: &Inner, group: &str, version: &str) -> Result<Answer> {
    let known = group_versions(inner);
    if !known.iter().any(|(name, versions)| name == group && versions.iter().any(|v| v == version)) {
        return Err(resources::missing());
    }
    let mut list = Vec::new();
    for kind in served(inner, group, version) {
        list.push(json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": verbs(&kind), "shortNames": kind.short_names, "categories": kind.categories,
        }));
        for sub in &kind.subresources {
            let of = subresource(&kind, sub, group, version);
            let mut entry = json!({
                "name": format!("{}/{sub}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": of.kind, "verbs": of.verbs,
            });
            if of.group != group || of.version != version {
                entry["group"] = of.group.into();
                entry["version"] = of.version.into();
            }
            list.push(entry);
        }
    }
    for (_, plural, kind, namespaced) in reviews(group, version) {
        list.push(json!({
            "name": plural, "singularName": kind.to_lowercase(), "namespaced": namespaced, "kind": kind, "verbs": ["create"],
        }));
    }
    for (plural, kind, namespaced) in measured(group, version) {
        list.push(json!({
            "name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": metrics::VERBS,
        }));
    }
    for entry in list.iter_mut().filter_map(Value::as_object_mut) {
        entry.retain(|field, value| {
            !matches!(field.as_str(), "shortNames" | "categories") || value != &json!([])
        });
    }
    Ok(respond::json(
        StatusCode::OK,
        &json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version(group, version), "resources": list,
        }),
    ))
}

fn served(inner: &Inner, group: &str, version: &str) -> Vec<std::sync::Arc<Kind>> {
    let kinds = inner.api.kinds();
    let serves =
        |kind: &&std::sync::Arc<Kind>| kind.group == group && kind.versions.iter().any(|v| v == version);
    let mut served: Vec<_> = kinds.all().iter().filter(serves).cloned().collect();
    served.sort_by(|a, b| a.plural.cmp(&b.plural));
    served
}

fn reviews(
    group: &str,
    version: &str,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str, bool)> {
    let wanted = version == "v1";
    let group = group.to_string();
    REVIEWS.into_iter().filter(move |review| wanted && review.0 == group)
}

fn measured(group: &str, version: &str) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let wanted = group == metrics::GROUP && version == metrics::VERSION;
    metrics::RESOURCES.into_iter().filter(move |_| wanted)
}

struct Subresource {
    group: String,
    version: String,
    kind: String,
    verbs: Vec<&'static str>,
}

/// What a subresource takes and gives.
fn subresource(kind: &Kind, name: &str, group: &str, version: &str) -> Subresource {
    let (g, v, k, verbs): (&str, &str, &str, &[&str]) = match name {
        "scale" => ("autoscaling", "v1", "Scale", &["get", "patch", "update"]),
        "log" => (group, version, &kind.kind, &["get"]),
        "exec" => (group, version, "PodExecOptions", &["create", "get"]),
        "attach" => (group, version, "PodAttachOptions", &["create", "get"]),
        "portforward" => (group, version, "PodPortForwardOptions", &["create", "get"]),
        "proxy" => (group, version, "PodProxyOptions", &["create", "delete", "get", "patch", "update"]),
        "eviction" => ("policy", "v1", "Eviction", &["create"]),
        "binding" => (group, version, "Binding", &["create"]),
        "token" => ("authentication.k8s.io", "v1", "TokenRequest", &["create"]),
        "finalize" => (group, version, &kind.kind, &["update"]),
        _ => (group, version, &kind.kind, &["get", "patch", "update"]),
    };
    Subresource { group: g.into(), version: v.into(), kind: k.into(), verbs: verbs.to_vec() }
}

/// The version of the aggregated form that the client asked for.
fn aggregated(headers: &HeaderMap) -> Option<&'static str> {
    let accept = headers.get(header::ACCEPT)?.to_str().ok()?;
    let asks = |version: &str| {
        accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            parts.next() == Some("application/json")
                && ["g=apidiscovery.k8s.io", "as=APIGroupDiscoveryList", &format!("v={version}")]
                    .iter()
                    .all(|wanted| range.split(';').any(|part| part.trim() == *wanted))
        })
    };
    ["v2", "v2beta1"].into_iter().find(|version| asks(version))
}

fn aggregate(inner: &Inner, groups: Vec<(String, Vec<String>)>, form: &'static str) -> Answer {
    let items: Vec<Value> = groups
        .iter()
        .map(|(group, versions)| {
            let versions: Vec<Value> =
                versions.iter().map(|version| aggregate_version(inner, group, version)).collect();
            json!({ "metadata": { "name": group, "creationTimestamp": null }, "versions": versions })
        })
        .collect();
    let value = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{form}"), "metadata": {},
        "items": items,
    });
    let mut answer = respond::json(StatusCode::OK, &value);
    let media = format!("application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList");
    if let Ok(media) = HeaderValue::from_str(&media) {
        answer.headers_mut().insert(header::CONTENT_TYPE, media);
    }
    answer
}

fn aggregate_version(inner: &Inner, group: &str, version: &str) -> Value {
    let gvk =
        |group: &str, version: &str, kind: &str| json!({ "group": group, "version": version, "kind": kind });
    let scope = |namespaced: bool| if namespaced { "Namespaced" } else { "Cluster" };
    let mut resources = Vec::new();
    for kind in served(inner, group, version) {
        let subresources: Vec<Value> = kind
            .subresources
            .iter()
            .map(|sub| {
                let of = subresource(&kind, sub, group, version);
                json!({
                    "subresource": sub, "responseKind": gvk(&of.group, &of.version, &of.kind), "verbs": of.verbs,
                })
            })
            .collect();
        let mut entry = json!({
            "resource": kind.plural, "responseKind": gvk(group, version, &kind.kind), "scope": scope(kind.namespaced),
            "singularResource": kind.singular, "verbs": verbs(&kind),
        });
        for (field, value) in [
            ("shortNames", json!(kind.short_names)),
            ("categories", json!(kind.categories)),
            ("subresources", json!(subresources)),
        ] {
            if value != json!([]) {
                entry[field] = value;
            }
        }
        resources.push(entry);
    }
    for (_, plural, kind, namespaced) in reviews(group, version) {
        resources.push(json!({
            "resource": plural, "responseKind": gvk(group, version, kind), "scope": scope(namespaced),
            "singularResource": kind.to_lowercase(), "verbs": ["create"],
        }));
    }
    for (plural, kind, namespaced) in measured(group, version) {
        resources.push(json!({
            "resource": plural, "responseKind": gvk(group, version, kind), "scope": scope(namespaced),
            "singularResource": "", "verbs": metrics::VERBS,
        }));
    }
    json!({ "version": version, "resources": resources, "freshness": "Current" })
}
