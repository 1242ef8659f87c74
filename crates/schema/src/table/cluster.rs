//! Namespaces, nodes, events, and who may do what.

use super::format::{list, number, or, or_none, plain, since, text};
use super::{age_of, name_of};
use serde_json::Value;

pub(super) fn created(object: &Value, _now: i64) -> Vec<Value> {
    vec![name_of(object), object["metadata"]["creationTimestamp"].clone()]
}

pub(super) fn namespace(object: &Value, now: i64) -> Vec<Value> {
    vec![name_of(object), text(&object["status"]["phase"]).into(), age_of(object, now)]
}

pub(super) fn node(object: &Value, now: i64) -> Vec<Value> {
    let info = &object["status"]["nodeInfo"];
    let address = |wanted: &str| {
        let addresses = list(&object["status"]["addresses"]);
        let found = addresses.iter().find(|address| address["type"] == wanted);
        Value::from(or_none(found.map_or("", |address| text(&address["address"]))))
    };
    let unknown = |field: &str| Value::from(or(text(&info[field]), "<unknown>"));
    vec![
        name_of(object),
        node_status(object).into(),
        node_roles(object).into(),
        age_of(object, now),
        text(&info["kubeletVersion"]).into(),
        address("InternalIP"),
        address("ExternalIP"),
        unknown("osImage"),
        unknown("kernelVersion"),
        unknown("containerRuntimeVersion"),
    ]
}

fn node_status(object: &Value) -> String {
    let ready = list(&object["status"]["conditions"]).iter().find(|condition| condition["type"] == "Ready");
    let mut status = match ready {
        Some(condition) if condition["status"] == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_string();
    if object["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    status
}

fn node_roles(object: &Value) -> String {
    let labels = object["metadata"]["labels"].as_object();
    let mut roles: Vec<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(label, value)| match label.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None => (label == "kubernetes.io/role").then(|| text(value)),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    or_none(&roles.join(",")).to_string()
}

pub(super) fn service_account(object: &Value, now: i64) -> Vec<Value> {
    vec![name_of(object), list(&object["secrets"]).len().into(), age_of(object, now)]
}

pub(super) fn event(object: &Value, now: i64) -> Vec<Value> {
    let series = &object["series"];
    let first = or(text(&object["firstTimestamp"]), text(&object["eventTime"]));
    let last = or(or(text(&series["lastObservedTime"]), text(&object["lastTimestamp"])), first);
    let count = series["count"].as_i64().unwrap_or_else(|| number(&object["count"]).max(1));
    let target = &object["involvedObject"];
    let target_name = match (text(&target["kind"]).to_lowercase(), text(&target["name"])) {
        (kind, "") => kind,
        (kind, name) => format!("{kind}/{name}"),
    };
    let source = &object["source"];
    let component = or(text(&source["component"]), text(&object["reportingComponent"]));
    let host = or(text(&source["host"]), text(&object["reportingInstance"]));
    let source = if host.is_empty() { component.to_string() } else { format!("{component}, {host}") };
    vec![
        since(&last.into(), now).into(),
        text(&object["type"]).into(),
        text(&object["reason"]).into(),
        target_name.into(),
        text(&target["fieldPath"]).into(),
        source.into(),
        text(&object["message"]).trim().into(),
        since(&first.into(), now).into(),
        count.into(),
        name_of(object),
    ]
}

pub(super) fn quota(object: &Value, now: i64) -> Vec<Value> {
    let (hard, used) = (&object["status"]["hard"], &object["status"]["used"]);
    let mut names: Vec<&String> = hard.as_object().into_iter().flat_map(|map| map.keys()).collect();
    names.sort();
    let shown = |limits: bool| {
        let of_side = names.iter().filter(|name| name.starts_with("limits") == limits);
        let all: Vec<String> = of_side
            .map(|name| {
                format!("{name}: {}/{}", plain(&used[name.as_str()], "0"), plain(&hard[name.as_str()], "0"))
            })
            .collect();
        Value::from(all.join(", "))
    };
    vec![name_of(object), shown(false), shown(true), age_of(object, now)]
}

pub(super) fn lease(object: &Value, now: i64) -> Vec<Value> {
    vec![name_of(object), text(&object["spec"]["holderIdentity"]).into(), age_of(object, now)]
}

pub(super) fn priority_class(object: &Value, now: i64) -> Vec<Value> {
    vec![
        name_of(object),
        number(&object["value"]).into(),
        (object["globalDefault"] == true).into(),
        age_of(object, now),
        or(text(&object["preemptionPolicy"]), "PreemptLowerPriority").into(),
    ]
}

pub(super) fn runtime_class(object: &Value, now: i64) -> Vec<Value> {
    vec![name_of(object), text(&object["handler"]).into(), age_of(object, now)]
}

pub(super) fn binding(object: &Value, now: i64) -> Vec<Value> {
    let role = &object["roleRef"];
    let of_kind = |wanted: &str| {
        let subjects = list(&object["subjects"]).iter().filter(|subject| subject["kind"] == wanted);
        let names: Vec<String> = subjects
            .map(|subject| match text(&subject["namespace"]) {
                "" => text(&subject["name"]).to_string(),
                namespace => format!("{namespace}/{}", text(&subject["name"])),
            })
            .collect();
        Value::from(names.join(", "))
    };
    vec![
        name_of(object),
        format!("{}/{}", text(&role["kind"]), text(&role["name"])).into(),
        age_of(object, now),
        of_kind("User"),
        of_kind("Group"),
        of_kind("ServiceAccount"),
    ]
}

pub(super) fn webhooks(object: &Value, now: i64) -> Vec<Value> {
    vec![name_of(object), list(&object["webhooks"]).len().into(), age_of(object, now)]
}

#[cfg(test)]
#[test]
fn no_roles_are_none() {
    assert_eq!(node_roles(&Value::Null), "<none>");
}
