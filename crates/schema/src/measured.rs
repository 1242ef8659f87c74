//! What containers and nodes have used of late: the numbers of `metrics.k8s.io` and of the kubelet's summary.
//!
//! The node measures, the API shows, the autoscaler reckons; they meet in these values. Times are microseconds since 1970.

use crate::quantity::Quantity;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// A rate over a window and an amount at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Billionths of a CPU.
    pub cpu_nanocores: u64,
    /// CPU time since the start.
    pub cpu_nanoseconds: u64,
    /// The working set: what cannot be taken back without harm.
    pub memory_bytes: u64,
}

impl Used {
    /// As a resource list.
    pub fn to_value(&self) -> Value {
        json!({ "cpu": cpu(self.cpu_nanocores), "memory": memory(self.memory_bytes) })
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu_nanocores: self.cpu_nanocores.saturating_add(other.cpu_nanocores),
            cpu_nanoseconds: self.cpu_nanoseconds.saturating_add(other.cpu_nanoseconds),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }

    /// Thousandths of `cpu` or `memory`, rounded up as a quantity is.
    pub fn millis(&self, resource: &str) -> Option<i64> {
        match resource {
            "cpu" => i64::try_from(self.cpu_nanocores.div_ceil(1_000_000)).ok(),
            "memory" => i64::try_from(self.memory_bytes).ok()?.checked_mul(1000),
            _ => None,
        }
    }
}

fn cpu(nanocores: u64) -> String {
    Quantity::parse(&format!("{nanocores}n")).map_or_else(|| "0".into(), |amount| amount.canonical())
}

fn memory(bytes: u64) -> String {
    Quantity::parse(&format!("{}Ki", bytes / 1024)).map_or_else(|| "0".into(), |amount| amount.canonical())
}

/// When something was measured, and over which time before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct When {
    pub at: i64,
    pub window: i64,
}

/// A running pod: all of its running containers, or nothing is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodUsed {
    pub when: When,
    pub containers: BTreeMap<String, Used>,
}

impl PodUsed {
    pub fn total(&self) -> Used {
        self.containers.values().fold(Used::default(), |sum, used| sum.plus(*used))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeUsed {
    pub when: When,
    pub used: Used,
    pub memory_available_bytes: u64,
}

/// One round of measuring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// By name.
    pub nodes: BTreeMap<String, NodeUsed>,
    /// By uid.
    pub pods: HashMap<String, PodUsed>,
}

/// A window as Go writes durations: `10.5s`.
pub fn go_seconds(micros: i64) -> String {
    let (minutes, rest) = (micros / 60_000_000, micros % 60_000_000);
    let (whole, part) = (rest / 1_000_000, rest % 1_000_000);
    let part = format!("{part:06}");
    let part = part.trim_end_matches('0');
    let seconds = if part.is_empty() { format!("{whole}s") } else { format!("{whole}.{part}s") };
    if minutes == 0 { seconds } else { format!("{minutes}m{seconds}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_clients_read_it() {
        let used = Used { cpu_nanocores: 1_500_000, cpu_nanoseconds: 9, memory_bytes: 3 << 20 };
        assert_eq!(used.to_value(), json!({ "cpu": "1500u", "memory": "3Mi" }));
        assert_eq!((used.millis("cpu"), used.millis("memory")), (Some(2), Some(3145728000)));
        assert_eq!(Used::default().to_value(), json!({ "cpu": "0", "memory": "0" }));
        for (micros, text) in [(10_000_000, "10s"), (10_012_300, "10.0123s"), (61_500_000, "1m1.5s")] {
            assert_eq!(go_seconds(micros), text);
        }
    }
}
