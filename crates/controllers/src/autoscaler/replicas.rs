//! How many replicas a resource's usage asks for: the arithmetic of upstream's calculator.
//!
//! Pods that do not run yet, that are not ready, or of which nothing is known are reckoned against the change: it must be
//! wanted whatever they turn out to use.

use crate::access::{at, is_deleting, list_at, name, namespace, str_at, time_at, uid};
use crate::pods;
use jiff::{SignedDuration, Timestamp};
use schema::measured::Measured;
use schema::quantity::Quantity;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use store::Object;

/// How long CPU that a pod uses while it starts is no measure of its work.
const STARTING: SignedDuration = SignedDuration::from_mins(5);
/// A pod that has not become ready this soon after its start has never been.
const FIRST_READINESS: SignedDuration = SignedDuration::from_secs(30);

/// A change that is smaller than this is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerances {
    pub(super) up: f64,
    pub(super) down: f64,
}

impl Tolerances {
    fn cover(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// What the pods of a target use of one resource.
pub(super) struct Scene<'a> {
    pub(super) pods: &'a [Object],
    pub(super) measured: &'a Measured,
    pub(super) resource: &'a str,
    /// Empty: all of a pod's.
    pub(super) container: &'a str,
    pub(super) replicas: i64,
    pub(super) tolerances: Tolerances,
    pub(super) now: Timestamp,
}

pub(super) struct Result {
    pub(super) replicas: i64,
    /// The average, in thousandths.
    pub(super) raw: i64,
    pub(super) utilization: i64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    value: i64,
    at: i64,
    window: i64,
}

type Samples<'a> = BTreeMap<&'a str, Sample>;

/// The pods by what is known of them.
#[derive(Default)]
struct Groups<'a> {
    ready: usize,
    unready: BTreeSet<&'a str>,
    missing: BTreeSet<&'a str>,
    ignored: BTreeSet<&'a str>,
}

impl<'a> Scene<'a> {
    /// By the percentage of what the pods request.
    pub(super) fn by_utilization(&self, target: i64) -> std::result::Result<Result, String> {
        let (mut samples, groups) = self.known()?;
        let requests = self.requests()?;
        let of = |samples: &Samples<'_>| -> std::result::Result<(f64, i64, i64), String> {
            let known = || samples.iter().filter_map(|(pod, s)| Some((s.value, *requests.get(pod)?)));
            let used: i128 = known().map(|(value, _)| i128::from(value)).sum();
            let requested: i128 = known().map(|(_, request)| i128::from(request)).sum();
            if requested == 0 {
                return Err("no metrics returned matched known pods".into());
            }
            let percent = number(used * 100 / requested);
            Ok((percent as f64 / target as f64, percent, number(used / known().count() as i128)))
        };
        let (ratio, utilization, raw) = of(&samples)?;
        let given = |replicas| Ok(Result { replicas, raw, utilization });
        if let Some(replicas) = self.at_once(ratio, &groups) {
            return given(replicas);
        }
        let most = 100.max(target);
        let absent = |pod: &str| number(i128::from(requests.get(pod).copied().unwrap_or(0) * most / 100));
        imagine(&mut samples, &groups, ratio, absent);
        let (again, ..) = of(&samples)?;
        given(self.second_look(ratio, again, samples.len()))
    }

    /// By what a pod uses on average.
    pub(super) fn by_value(&self, target: i64) -> std::result::Result<Result, String> {
        let (mut samples, groups) = self.known()?;
        let of = |samples: &Samples<'_>| {
            let used: i128 = samples.values().map(|s| i128::from(s.value)).sum();
            let average = number(used / samples.len() as i128);
            (average as f64 / target as f64, average)
        };
        let (ratio, raw) = of(&samples);
        let given = |replicas| Ok(Result { replicas, raw, utilization: 0 });
        if let Some(replicas) = self.at_once(ratio, &groups) {
            return given(replicas);
        }
        imagine(&mut samples, &groups, ratio, |_| target);
        let (again, _) = of(&samples);
        given(self.second_look(ratio, again, samples.len()))
    }

    /// What is measured of pods that count.
    fn known(&self) -> std::result::Result<(Samples<'a>, Groups<'a>), String> {
        let resource = self.resource;
        let unable = |why: String| format!("unable to get metrics for resource {resource}: {why}");
        let mut samples = self.samples().map_err(unable)?;
        if self.pods.is_empty() {
            return Err("no pods returned by selector while calculating replica count".into());
        }
        let groups = self.group(&samples);
        samples.retain(|pod, _| !groups.ignored.contains(pod) && !groups.unready.contains(pod));
        if samples.is_empty() {
            return Err("did not receive metrics for targeted pods (pods might be unready)".into());
        }
        Ok((samples, groups))
    }

    fn samples(&self) -> std::result::Result<Samples<'a>, String> {
        let mut samples = Samples::new();
        let mut any = false;
        for pod in self.pods {
            let Some(used) = self.measured.pods.get(uid(pod)) else { continue };
            any = true;
            let value = match self.container {
                "" => used.containers.values().map(|c| c.millis(self.resource)).sum::<Option<i64>>(),
                container => match used.containers.get(container) {
                    Some(used) => used.millis(self.resource),
                    None => {
                        let place = format!("{}/{}", namespace(pod), name(pod));
                        return Err(format!(
                            "failed to get container metrics: container {container} not present in metrics for pod {place}"
                        ));
                    }
                },
            };
            if let Some(value) = value {
                let sample = Sample { value, at: used.when.at, window: used.when.window };
                samples.insert(name(pod), sample);
            }
        }
        if any { Ok(samples) } else { Err("no metrics returned from resource metrics API".into()) }
    }

    fn group(&self, samples: &Samples<'_>) -> Groups<'a> {
        let mut groups = Groups::default();
        for pod in self.pods {
            let phase = str_at(pod, &["status", "phase"]);
            if is_deleting(pod) || phase == "Failed" {
                groups.ignored.insert(name(pod));
            } else if matches!(phase, "Pending" | "") {
                groups.unready.insert(name(pod));
            } else {
                match samples.get(name(pod)) {
                    None => {
                        groups.missing.insert(name(pod));
                    }
                    Some(sample) if self.resource == "cpu" && self.is_warming_up(pod, *sample) => {
                        groups.unready.insert(name(pod));
                    }
                    Some(_) => groups.ready += 1,
                }
            }
        }
        groups
    }

    /// Whether the CPU that a pod uses is that of its start.
    fn is_warming_up(&self, pod: &Value, sample: Sample) -> bool {
        let condition = pods::ready_condition(pod);
        let started = time_at(pod, &["status", "startTime"]);
        let (Some(condition), Some(started)) = (condition, started) else { return true };
        let unready = str_at(condition, &["status"]) == "False";
        let changed = time_at(condition, &["lastTransitionTime"]).unwrap_or(Timestamp::UNIX_EPOCH);
        if started.saturating_add(STARTING).is_ok_and(|end| end > self.now) {
            return unready || sample.at < changed.as_microsecond().saturating_add(sample.window);
        }
        unready && started.saturating_add(FIRST_READINESS).is_ok_and(|end| end > changed)
    }

    /// Thousandths by pod.
    fn requests(&self) -> std::result::Result<BTreeMap<&'a str, i64>, String> {
        self.pods.iter().map(|pod| Ok((name(pod), self.requested(pod)?))).collect()
    }

    fn requested(&self, pod: &Value) -> std::result::Result<i64, String> {
        let (resource, pod_name) = (self.resource, name(pod));
        let whole = at(pod, &["spec", "resources", "requests"]);
        let is_set = whole.as_object().is_some_and(|requests| {
            requests
                .keys()
                .any(|key| matches!(key.as_str(), "cpu" | "memory") || key.starts_with("hugepages-"))
        });
        if self.container.is_empty() && is_set {
            return millis(at(whole, &[resource]))
                .ok_or_else(|| format!("missing pod-level request for {resource} in Pod {pod_name}"));
        }
        let mut sum: i64 = 0;
        let mut found = false;
        for container in list_at(pod, &["spec", "containers"]).iter().chain(pods::sidecars(pod)) {
            if self.container.is_empty() || self.container == str_at(container, &["name"]) {
                found = true;
                let request = millis(at(container, &["resources", "requests", resource]));
                sum = sum.saturating_add(request.ok_or_else(|| {
                    let container = str_at(container, &["name"]);
                    format!("missing request for {resource} in container {container} of Pod {pod_name}")
                })?);
            }
        }
        if !found && !self.container.is_empty() {
            return Err(format!("container {} not found in Pod {pod_name}", self.container));
        }
        Ok(sum)
    }

    /// The answer where nobody is missing or has to be reckoned with.
    fn at_once(&self, ratio: f64, groups: &Groups<'_>) -> Option<i64> {
        if !groups.missing.is_empty() || waits(groups, ratio) {
            return None;
        }
        Some(if self.tolerances.cover(ratio) { self.replicas } else { ceil(ratio * groups.ready as f64) })
    }

    /// A change that the imagined numbers would turn around is none.
    fn second_look(&self, first: f64, again: f64, counted: usize) -> i64 {
        let turned = (first < 1.0 && again > 1.0) || (first > 1.0 && again < 1.0);
        let replicas = ceil(again * counted as f64);
        let against = (again < 1.0 && replicas > self.replicas) || (again > 1.0 && replicas < self.replicas);
        if self.tolerances.cover(again) || turned || against { self.replicas } else { replicas }
    }
}

/// Whether the target grows and pods that are not ready yet may carry a part of it.
fn waits(groups: &Groups<'_>, ratio: f64) -> bool {
    !groups.unready.is_empty() && ratio > 1.0
}

/// When there are to be fewer, pods that nothing is known of use `absent`; when there are to be more, they and those that
/// are not ready use nothing.
fn imagine<'a>(samples: &mut Samples<'a>, groups: &Groups<'a>, ratio: f64, absent: impl Fn(&str) -> i64) {
    let mut put = |pod: &'a str, value| {
        samples.insert(pod, Sample { value, at: 0, window: 0 });
    };
    for pod in &groups.missing {
        if ratio < 1.0 {
            put(pod, absent(pod));
        } else if ratio > 1.0 {
            put(pod, 0);
        }
    }
    if waits(groups, ratio) {
        groups.unready.iter().for_each(|pod| put(pod, 0));
    }
}

pub(super) fn millis(quantity: &Value) -> Option<i64> {
    let text = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_string);
    Quantity::parse(&text).map(|amount| amount.millis())
}

fn number(wide: i128) -> i64 {
    i64::try_from(wide).unwrap_or(i64::MAX)
}

/// Kubernetes counts replicas in 32 bits.
fn ceil(value: f64) -> i64 {
    value.ceil().clamp(0.0, f64::from(i32::MAX)) as i64
}
