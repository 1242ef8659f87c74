//! Whether this node has room for the resources that a running pod asks for anew, and giving them to a container.

use crate::container_spec;
use crate::error::chain;
use crate::shared::Shared;
use pod::Event;
use schema::usage::{self, Amounts};
use serde_json::{Value, json};
use store::{Term, View};

/// `Infeasible` (never) or `Deferred` (not now), and why; `None`: it has.
pub(crate) fn judge(shared: &Shared, pod: &Value) -> Option<(String, String)> {
    let (cpu, memory) = shared.allocatable;
    let wanted = usage::of_pod(pod, "requests");
    let room = [("cpu", cpu), ("memory", memory)];
    // The kubelet names memory first here, and the processor first below.
    for (name, capacity) in room.into_iter().rev() {
        let requested = amount(&wanted, name);
        if requested > capacity {
            let why = format!(
                "Node didn't have enough capacity: {name}, requested: {requested}, capacity: {capacity}"
            );
            return Some(("Infeasible".into(), why));
        }
    }
    let view = shared.api.view();
    let others = view.select("pods", "", &[Term::Node(&shared.config.name)]);
    let others: Vec<Amounts> = others
        .iter()
        .filter(|other| other["metadata"]["uid"] != pod["metadata"]["uid"])
        .filter(|other| !matches!(other["status"]["phase"].as_str(), Some("Succeeded" | "Failed")))
        .map(|other| usage::of_placed_pod(other))
        .collect();
    for (name, capacity) in room {
        let requested = amount(&wanted, name);
        let used: u64 = others.iter().map(|other| amount(other, name)).sum();
        if requested + used > capacity {
            let why = format!(
                "Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}"
            );
            return Some(("Deferred".into(), why));
        }
    }
    None
}

/// Thousandths of the processor, bytes of memory.
fn amount(amounts: &Amounts, name: &str) -> u64 {
    let Some(amount) = amounts.get(name) else { return 0 };
    let number = if name == "cpu" { amount.millis() } else { amount.value() };
    number.max(0).unsigned_abs()
}

pub(crate) fn carry_out(shared: &Shared, container: String, id: String, resources: Value) -> Event {
    let limits = container_spec::resources(&json!({ "resources": resources }));
    let failure = shared.runtime.resize(&id, &limits).err().map(|error| chain(&error));
    Event::Resized { container, id, resources, failure }
}
