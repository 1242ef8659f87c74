//! EndpointSlices: endpoints stay in the slice that they are in, so that a change of one writes one slice.

use super::{MANAGED_BY, SLICES};
use crate::access::{self, at, list_at, str_at};
use crate::{Outcome, Server};
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use store::{Key, Object, Propagation, Resource, Term, Write};

/// Endpoints of one slice, as upstream's controllers have it.
pub(super) const MOST: usize = 100;

/// What slices say of where they come from.
#[derive(Default)]
pub(crate) struct Owner {
    pub(crate) labels: Map<String, Value>,
    pub(crate) annotations: Map<String, Value>,
    pub(crate) reference: Value,
}

/// Endpoints of one address family with the same ports.
pub(crate) struct Group {
    pub(crate) family: &'static str,
    pub(crate) ports: Vec<Value>,
    pub(crate) endpoints: Vec<Value>,
}

/// Slices of a Service that one controller writes; `owner` is what they are labelled and annotated with and belong to.
pub(crate) fn write_slices(
    server: &dyn Server,
    service: &Key,
    manager: &str,
    owner: Option<Owner>,
    groups: &[Group],
    outcome: &mut Outcome,
) {
    let of_service =
        [Term::Label("kubernetes.io/service-name", &service.name), Term::Label(MANAGED_BY, manager)];
    let mut existing = server.select(SLICES, &service.namespace, &of_service);
    let writer = Writer { service, owner: owner.unwrap_or_default() };
    let mut open: Vec<(&Group, Vec<Value>)> = Vec::new();
    for group in groups {
        let fits = |slice: &Object| {
            str_at(slice, &["addressType"]) == group.family
                && list_at(slice, &["ports"]) == group.ports.as_slice()
        };
        let (ours, others): (Vec<Object>, Vec<Object>) = existing.into_iter().partition(fits);
        existing = others;
        let (kept, emptied, rest) = writer.fill(group, ours, outcome);
        existing.extend(emptied);
        // A group of nothing is one slice that says so.
        if !rest.is_empty() || kept == 0 && group.endpoints.is_empty() {
            open.push((group, rest));
        }
    }
    // What has no place yet takes over slices that are not needed any more.
    for (group, rest) in open {
        let parts: Vec<&[Value]> = if rest.is_empty() { vec![&[]] } else { rest.chunks(MOST).collect() };
        for part in parts {
            match existing.iter().position(|slice| str_at(slice, &["addressType"]) == group.family) {
                Some(place) => writer.update(&existing.remove(place), &group.ports, part, outcome),
                None => outcome.write(writer.create(group, part)),
            }
        }
    }
    for surplus in &existing {
        outcome.write(Write::Delete {
            key: access::key_of(SLICES, surplus),
            uid: Some(access::uid(surplus).into()),
            grace_seconds: None,
            propagation: Propagation::Background,
        });
    }
}

/// Address and pod.
fn identity(endpoint: &Value) -> (&str, &str, &str) {
    let target = at(endpoint, &["targetRef"]);
    let address = list_at(endpoint, &["addresses"]).first().and_then(Value::as_str).unwrap_or("");
    (address, str_at(target, &["namespace"]), str_at(target, &["name"]))
}

struct Writer<'a> {
    service: &'a Key,
    owner: Owner,
}

impl Writer<'_> {
    /// Puts a group's endpoints into its slices: where they are, then into slices that change anyway, the fullest first, then
    /// into others. Returns how many slices stay, those that nothing is left in, and the endpoints without a place.
    fn fill(
        &self,
        group: &Group,
        slices: Vec<Object>,
        outcome: &mut Outcome,
    ) -> (usize, Vec<Object>, Vec<Value>) {
        let mut wanted: BTreeMap<_, &Value> = group.endpoints.iter().map(|e| (identity(e), e)).collect();
        let mut stays: Vec<Vec<Value>> = Vec::new();
        for slice in &slices {
            let there = list_at(slice, &["endpoints"]).iter();
            stays.push(there.filter_map(|e| wanted.remove(&identity(e)).cloned()).collect());
        }
        // One of a kind, should there be several.
        let rest = group.endpoints.iter().filter_map(|e| wanted.remove(&identity(e)).cloned());
        let mut rest = rest.collect::<Vec<Value>>().into_iter();
        let mut parts: Vec<(Object, Vec<Value>)> = slices.into_iter().zip(stays).collect();
        parts.sort_by_key(|(slice, stay)| {
            let unchanged = list_at(slice, &["endpoints"]) == stay.as_slice();
            (unchanged, Reverse(stay.len()))
        });
        for (_, stay) in &mut parts {
            let room = MOST.saturating_sub(stay.len());
            stay.extend(rest.by_ref().take(room));
        }
        let needs_one = group.endpoints.is_empty();
        let (mut kept, mut emptied) = (0, Vec::new());
        for (slice, stay) in parts {
            if stay.is_empty() && !(needs_one && kept == 0) {
                emptied.push(slice);
            } else {
                kept += 1;
                self.update(&slice, &group.ports, &stay, outcome);
            }
        }
        (kept, emptied, rest.collect())
    }

    fn update(&self, slice: &Object, ports: &[Value], endpoints: &[Value], outcome: &mut Outcome) {
        let Owner { labels, annotations, .. } = &self.owner;
        let annotated =
            |(key, value): (&String, &Value)| at(slice, &["metadata", "annotations", key]) == value;
        let same = list_at(slice, &["ports"]) == ports
            && list_at(slice, &["endpoints"]) == endpoints
            && at(slice, &["metadata", "labels"]).as_object() == Some(labels)
            && annotations.iter().all(annotated);
        if same {
            return;
        }
        let mut next = (**slice).clone();
        next["ports"] = json!(ports);
        next["endpoints"] = json!(endpoints);
        next["metadata"]["labels"] = json!(labels);
        for (key, value) in annotations {
            next["metadata"]["annotations"][key] = value.clone();
        }
        outcome.write(Write::Update { resource: Resource::new(SLICES), object: next });
    }

    fn create(&self, group: &Group, endpoints: &[Value]) -> Write {
        let Owner { labels, annotations, reference } = &self.owner;
        let service = self.service;
        let mut slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": group.family,
            "metadata": {
                "generateName": format!("{}-", service.name), "namespace": &*service.namespace,
                "labels": labels, "ownerReferences": [reference],
            },
            "ports": group.ports, "endpoints": endpoints,
        });
        if !annotations.is_empty() {
            slice["metadata"]["annotations"] = json!(annotations);
        }
        Write::Create { resource: Resource::new(SLICES), object: slice }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Small;

    fn endpoints(numbers: impl Iterator<Item = usize>) -> Vec<Value> {
        numbers.map(|n| json!({"addresses": [format!("10.0.{}.{}", n / 100, n % 100)]})).collect()
    }

    /// Sizes of the slices that are there, the numbers of the endpoints that are wanted, and what is written.
    fn check(sizes: &[usize], wanted: impl Iterator<Item = usize>, expected: &str) {
        let mut world = Small::default();
        let service = Key::new("services", "n", "s");
        let labels = json!({"kubernetes.io/service-name": "s", MANAGED_BY: "m"});
        let mut first = 0;
        for (number, size) in sizes.iter().enumerate() {
            let there = endpoints(first..first + size);
            first += size;
            world.put(
                SLICES,
                json!({"addressType": "IPv4", "ports": [{"port": 1}], "endpoints": there,
                "metadata": {"name": format!("s-{number}"), "namespace": "n", "labels": labels}}),
            );
        }
        let owner = Owner { labels: labels.as_object().cloned().unwrap_or_default(), ..Owner::default() };
        let group = Group { family: "IPv4", ports: vec![json!({"port": 1})], endpoints: endpoints(wanted) };
        let mut outcome = Outcome::default();
        write_slices(&world, &service, "m", Some(owner), &[group], &mut outcome);
        let lines = outcome.writes.iter().map(|write| match write {
            Write::Create { object, .. } => format!("new {}", list_at(object, &["endpoints"]).len()),
            Write::Update { object, .. } => {
                format!("{} {}", access::name(object), list_at(object, &["endpoints"]).len())
            }
            Write::Delete { key, .. } => format!("{} goes", key.name),
            other => panic!("{other:?}"),
        });
        assert_eq!(lines.collect::<Vec<_>>().join(", "), expected, "{sizes:?}");
    }

    #[test]
    fn endpoints_stay_where_they_are() {
        check(&[], 0..250, "new 100, new 100, new 50");
        check(&[100, 100, 50], 0..250, "");
        // One that goes from the first slice is one write, and so is one that comes.
        check(&[100, 100, 50], 1..250, "s-0 99");
        check(&[100, 100, 50], 0..251, "s-2 51");
        // What changes anyway is filled first.
        check(&[100, 60, 50], 1..211, "s-0 100");
        check(&[100, 100], 0..201, "new 1");
        check(&[100, 1], 0..100, "s-1 goes");
        check(&[3, 2], 0..0, "s-0 0, s-1 goes");
        check(&[0], 0..2, "s-0 2");
        check(&[], 0..0, "new 0");
    }
}
