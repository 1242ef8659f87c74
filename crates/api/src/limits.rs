//! LimitRange at admission: what containers leave open is filled in, and what is out of range refused.

use crate::metadata::{self, text};
use crate::{ApiError, Result};
use schema::quantity::Quantity;
use schema::usage::{self, Amounts};
use serde_json::{Value, json};
use store::{Object, Snapshot, View};

const RANGES: &str = "limitranges";

/// For pods that are created, and claims that are created or changed.
pub(crate) fn admit(view: &Snapshot, resource: &str, object: &mut Value) -> Result<()> {
    let ranges = view.list(RANGES, text(object, "namespace"));
    if ranges.is_empty() {
        return Ok(());
    }
    if resource == "pods" {
        ranges.iter().for_each(|range| fill_in(range, object));
    }
    let mut problems = Vec::new();
    for range in &ranges {
        for item in items(range) {
            match (item["type"].as_str().unwrap_or_default(), resource) {
                ("Container", "pods") => {
                    for container in containers(object) {
                        let resources = &container["resources"];
                        let (requests, limits) = (&resources["requests"], &resources["limits"]);
                        check(item, &usage::amounts(requests), &usage::amounts(limits), &mut problems);
                    }
                }
                ("Pod", "pods") => {
                    let (requests, limits) =
                        (usage::of_pod(object, "requests"), usage::of_pod(object, "limits"));
                    check(item, &requests, &limits, &mut problems);
                }
                ("PersistentVolumeClaim", "persistentvolumeclaims") => {
                    check_claim(
                        item,
                        &usage::amounts(&object["spec"]["resources"]["requests"]),
                        &mut problems,
                    );
                }
                _ => {}
            }
        }
    }
    let why = match problems.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    let name = match text(object, "generateName") {
        "" => text(object, "name"),
        prefix => prefix,
    };
    Err(ApiError::forbidden(resource, name, &why))
}

fn items(range: &Object) -> impl Iterator<Item = &Value> {
    range["spec"]["limits"].as_array().into_iter().flatten()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["containers", "initContainers"].into_iter();
    lists.flat_map(|list| pod["spec"][list].as_array().into_iter().flatten())
}

/// The defaults of a range: `max` stands in for a limit that it does not name, the limit or `min` for a request.
fn defaults_of(range: &Object) -> (Value, Value) {
    let (mut requests, mut limits) = (json!({}), json!({}));
    for item in items(range).filter(|item| item["type"] == "Container") {
        let fill = |target: &mut Value, source: &Value| {
            for (name, amount) in source.as_object().into_iter().flatten() {
                if target.get(name).is_none() {
                    target[name] = amount.clone();
                }
            }
        };
        let mut limit = json!({});
        fill(&mut limit, &item["default"]);
        fill(&mut limit, &item["max"]);
        fill(&mut requests, &item["defaultRequest"]);
        fill(&mut requests, &limit);
        fill(&mut requests, &item["min"]);
        fill(&mut limits, &limit);
    }
    (requests, limits)
}

fn fill_in(range: &Object, pod: &mut Value) {
    let (requests, limits) = defaults_of(range);
    let mut said = Vec::new();
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let name = text_of(container, "name");
            for (which, defaults) in [("requests", &requests), ("limits", &limits)] {
                let set = set_missing(container, which, defaults);
                if !set.is_empty() {
                    let which = which.trim_end_matches('s');
                    said.push(format!("{} {which} for {what} {name}", set.join(", ")));
                }
            }
        }
    }
    if !said.is_empty() {
        let annotations = metadata::field_map(&mut pod["metadata"], "annotations");
        let text = format!("LimitRanger plugin set: {}", said.join("; "));
        annotations.insert("kubernetes.io/limit-ranger".into(), text.into());
    }
}

fn text_of(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_string()
}

fn set_missing(container: &mut Value, which: &str, defaults: &Value) -> Vec<String> {
    let mut set = Vec::new();
    for (name, amount) in defaults.as_object().into_iter().flatten() {
        let resources = metadata::field_map(container, "resources");
        let list = resources.entry(which).or_insert_with(|| json!({}));
        if list.get(name).is_none() {
            list[name] = amount.clone();
            set.push(name.clone());
        }
    }
    set.sort_unstable();
    set
}

fn check(item: &Value, requests: &Amounts, limits: &Amounts, problems: &mut Vec<String>) {
    let kind = item["type"].as_str().unwrap_or_default();
    for (name, least) in usage::amounts(&item["min"]) {
        let rule = format!("minimum {name} usage per {kind} is {}", least.canonical());
        match (requests.get(&name), limits.get(&name)) {
            (None, _) => problems.push(format!("{rule}.  No request is specified")),
            (Some(r), _) if r.nanos() < least.nanos() => {
                problems.push(format!("{rule}, but request is {}", r.canonical()));
            }
            (_, Some(l)) if l.nanos() < least.nanos() => {
                problems.push(format!("{rule}, but limit is {}", l.canonical()));
            }
            _ => {}
        }
    }
    for (name, most) in usage::amounts(&item["max"]) {
        let rule = format!("maximum {name} usage per {kind} is {}", most.canonical());
        match (requests.get(&name), limits.get(&name)) {
            (_, None) => problems.push(format!("{rule}.  No limit is specified")),
            (_, Some(l)) if l.nanos() > most.nanos() => {
                problems.push(format!("{rule}, but limit is {}", l.canonical()));
            }
            (Some(r), _) if r.nanos() > most.nanos() => {
                problems.push(format!("{rule}, but request is {}", r.canonical()));
            }
            _ => {}
        }
    }
    for (name, ratio) in usage::amounts(&item["maxLimitRequestRatio"]) {
        check_ratio(kind, &name, ratio, requests.get(&name), limits.get(&name), problems);
    }
}

fn check_ratio(
    kind: &str,
    name: &str,
    most: Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
    problems: &mut Vec<String>,
) {
    let rule = format!("{name} max limit to request ratio per {kind} is {}", most.canonical());
    let set = |amount: Option<&Quantity>| amount.map(Quantity::nanos).filter(|nanos| *nanos != 0);
    match (set(request), set(limit)) {
        (None, _) => problems.push(format!("{rule}, but no request is specified or request is 0")),
        (_, None) => problems.push(format!("{rule}, but no limit is specified or limit is 0")),
        (Some(request), Some(limit)) => {
            #[expect(
                clippy::cast_precision_loss,
                reason = "shown with six decimals, compared as upstream does"
            )]
            let (ratio, most) = (limit as f64 / request as f64, most.nanos() as f64 / 1e9);
            if ratio > most {
                problems.push(format!("{rule}, but provided ratio is {ratio:.6}"));
            }
        }
    }
}

fn check_claim(item: &Value, requests: &Amounts, problems: &mut Vec<String>) {
    check(
        &json!({ "type": "PersistentVolumeClaim", "min": item["min"] }),
        requests,
        &Amounts::new(),
        problems,
    );
    for (name, most) in usage::amounts(&item["max"]) {
        let rule = format!("maximum {name} usage per PersistentVolumeClaim is {}", most.canonical());
        match requests.get(&name) {
            None => problems.push(format!("{rule}.  No request is specified")),
            Some(r) if r.nanos() > most.nanos() => {
                problems.push(format!("{rule}, but request is {}", r.canonical()));
            }
            Some(_) => {}
        }
    }
}
