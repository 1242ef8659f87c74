//! Measuring what the pods and the machine use, for `kubectl top` and the autoscaler.
//!
//! CPU is a rate between two readings of a counter. A container that has only just started is reckoned from its start, so
//! that figures are there after one round.

use crate::shared::Shared;
use jiff::Timestamp;
use schema::measured::{Measured, NodeUsed, PodUsed, Used, When};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// As often as the kubelet looks.
const PERIOD: Duration = Duration::from_secs(10);
/// A rate over less time than this says nothing.
const SHORTEST: i64 = 1_000_000;

/// One reading of a counter and of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    /// Microseconds since 1970.
    at: i64,
    cpu_usec: u64,
    memory_bytes: u64,
}

/// A container now, and when it began.
struct Container {
    pod: String,
    name: String,
    id: String,
    started: i64,
    now: Reading,
}

/// What was read before, by the container's id; ids are of one run of a container.
#[derive(Default)]
struct Meter {
    containers: HashMap<String, Reading>,
    machine: Option<Reading>,
}

/// Measures until the node stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut meter = Meter::default();
    loop {
        let source = shared.clone();
        let read = tokio::task::spawn_blocking(move || (containers(&source), machine()));
        if let Ok((containers, machine)) = read.await {
            let mut measured = Measured { pods: meter.pods(containers), ..Measured::default() };
            if let Some((machine, available)) = machine
                && let Some(mut node) = meter.node(machine)
            {
                node.memory_available_bytes = available;
                measured.nodes.insert(shared.config.name.clone(), node);
            }
            shared.api.set_measured(measured);
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// The running containers of all pods.
fn containers(shared: &Shared) -> Vec<Container> {
    let mut found = Vec::new();
    let pods: Vec<_> = shared.pods.lock().values().map(|handle| handle.local.clone()).collect();
    for pod in pods {
        let running: Vec<_> = pod.running.lock().iter().map(|(n, id)| (n.clone(), id.clone())).collect();
        for (name, id) in running {
            let Some((usage, started)) = shared.runtime.usage(&id) else { continue };
            let now = Timestamp::now().as_microsecond();
            let started = started.parse::<Timestamp>().map_or(now, |time| time.as_microsecond());
            let now = Reading { at: now, cpu_usec: usage.cpu_usec, memory_bytes: usage.memory_bytes };
            found.push(Container { pod: pod.uid.clone(), name, id, started, now });
        }
    }
    found
}

impl Meter {
    /// A pod is told of when all of its running containers are.
    fn pods(&mut self, containers: Vec<Container>) -> HashMap<String, PodUsed> {
        let mut pods: HashMap<String, Option<PodUsed>> = HashMap::new();
        let mut next = HashMap::new();
        for container in containers {
            let began = Reading { at: container.started, cpu_usec: 0, memory_bytes: 0 };
            // One that has run for long before we looked first would be told its average of all that time.
            let young = container.now.at - container.started < 2 * PERIOD.as_micros() as i64;
            let before = self.containers.get(&container.id).copied().or(young.then_some(began));
            let rate = before.and_then(|before| rate(before, container.now));
            let slot = pods.entry(container.pod).or_insert_with(|| Some(PodUsed::default()));
            match (rate, slot.as_mut()) {
                (Some((used, when)), Some(pod)) => {
                    if pod.containers.is_empty() || when.at < pod.when.at {
                        pod.when = when;
                    }
                    pod.containers.insert(container.name, used);
                }
                _ => *slot = None,
            }
            next.insert(container.id, container.now);
        }
        self.containers = next;
        pods.into_iter().filter_map(|(uid, pod)| Some((uid, pod?))).collect()
    }

    fn node(&mut self, now: Reading) -> Option<NodeUsed> {
        let before = self.machine.replace(now)?;
        let (used, when) = rate(before, now)?;
        Some(NodeUsed { when, used, memory_available_bytes: 0 })
    }
}

fn rate(before: Reading, now: Reading) -> Option<(Used, When)> {
    let window = now.at - before.at;
    if window < SHORTEST {
        return None;
    }
    let spent = now.cpu_usec.saturating_sub(before.cpu_usec);
    let nanocores = u128::from(spent) * 1_000_000_000 / u128::from(window.unsigned_abs());
    let used = Used {
        cpu_nanocores: u64::try_from(nanocores).unwrap_or(u64::MAX),
        cpu_nanoseconds: now.cpu_usec.saturating_mul(1000),
        memory_bytes: now.memory_bytes,
    };
    Some((used, When { at: now.at, window }))
}

/// The whole machine, and how much memory is left on it.
fn machine() -> Option<(Reading, u64)> {
    let cpu_usec = busy_usec(&std::fs::read_to_string("/proc/stat").ok()?)?;
    let (memory_bytes, available) = memory(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    Some((Reading { at: Timestamp::now().as_microsecond(), cpu_usec, memory_bytes }, available))
}

/// Everything but idle and waiting; guests are in the user's time already.
fn busy_usec(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|t| t.parse().ok()).collect();
    let busy = ticks.iter().take(8).enumerate().filter(|(place, _)| !matches!(place, 3 | 4));
    // A tick is a hundredth of a second on every architecture that we run on.
    (ticks.len() >= 4).then(|| busy.map(|(_, ticks)| ticks * 10_000).sum())
}

/// The working set: what is not free and is no cache that could go at once; and the rest.
fn memory(meminfo: &str) -> Option<(u64, u64)> {
    let field = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    let total = field("MemTotal:")?;
    let left = field("MemFree:")? + field("Inactive(file):").unwrap_or(0);
    let used = total.saturating_sub(left);
    Some((used, total - used))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn container(pod: &str, id: &str, started: i64, at: i64, cpu_usec: u64) -> Container {
        let now = Reading { at: at * SECOND, cpu_usec, memory_bytes: 4096 };
        let name = id.chars().take(1).collect();
        Container { pod: pod.into(), name, id: id.into(), started: started * SECOND, now }
    }

    #[test]
    fn rates_between_readings() {
        let mut meter = Meter::default();
        let shown = |pods: &HashMap<String, PodUsed>| -> Vec<String> {
            let line = |(uid, pod): (&String, &PodUsed)| {
                let all: Vec<String> =
                    pod.containers.iter().map(|(n, used)| format!("{n} {}", used.cpu_nanocores)).collect();
                format!("{uid} over {} s: {}", pod.when.window / SECOND, all.join(", "))
            };
            let sorted: std::collections::BTreeMap<&String, &PodUsed> = pods.iter().collect();
            sorted.into_iter().map(line).collect()
        };
        let first = meter.pods(vec![
            container("old", "a1", 0, 1000, 500_000_000),
            container("new", "a2", 996, 1000, 2_000_000),
        ]);
        assert_eq!(shown(&first), ["new over 4 s: a 500000000"], "of the old one nothing is known yet");
        let second = meter.pods(vec![
            container("old", "a1", 0, 1010, 501_000_000),
            container("new", "a2", 996, 1010, 2_000_000),
            container("new", "b2", 1010, 1010, 0),
        ]);
        assert_eq!(shown(&second), ["old over 10 s: a 100000000"], "b has not run for a second");
        // A container that was started again is another one.
        let third = meter.pods(vec![
            container("old", "a3", 1015, 1020, 5_000_000),
            container("new", "a2", 996, 1020, 2_000_000),
            container("new", "b2", 1010, 1020, 20_000_000),
        ]);
        assert_eq!(shown(&third), ["new over 10 s: a 0, b 2000000000", "old over 5 s: a 1000000000"]);
        assert!(meter.pods(Vec::new()).is_empty() && meter.containers.is_empty());
    }

    #[test]
    fn of_the_machine() {
        assert_eq!(busy_usec("cpu  10 1 5 1000 50 2 3 4 9 9\ncpu0 1\n"), Some(250_000));
        assert_eq!(busy_usec("nothing"), None);
        let meminfo = "MemTotal: 100 kB\nMemFree: 40 kB\nInactive(file):  10 kB\n";
        assert_eq!(memory(meminfo), Some((50 * 1024, 50 * 1024)));
        let (reading, available) = machine().expect("every Linux has these files");
        assert!(reading.cpu_usec > 0 && reading.memory_bytes > 0 && available > 0);
    }
}
