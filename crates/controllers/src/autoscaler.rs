//! HorizontalPodAutoscaler: the number of a target's replicas follows what its pods use.
//!
//! Looked at every 15 seconds, as upstream. `metrics` says what each metric asks for (`replicas` has the arithmetic),
//! `behavior` how fast that may be followed. The events, conditions and their words are upstream's.

use crate::access::{self, at, int_at, list_at, name, namespace, str_at};
use crate::{Controller, Outcome, Scale, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::{Change, ChangeKind, EventKind, Key, Object, Write};

mod behavior;
mod metrics;
mod replicas;
#[cfg(test)]
mod tests;

use behavior::{Bounds, Memory};
use metrics::Target;
use replicas::Tolerances;

const AUTOSCALERS: &str = "autoscaling/horizontalpodautoscalers";
const COMPONENT: &str = "horizontal-pod-autoscaler";
const PERIOD: Duration = Duration::from_secs(15);
const TOLERANCE: f64 = 0.1;

#[derive(Default)]
pub(crate) struct Autoscalers {
    memories: Mutex<HashMap<Key, Memory>>,
}

impl Controller for Autoscalers {
    fn name(&self) -> &'static str {
        COMPONENT
    }

    fn concerns(&self, _server: &dyn Server, change: &Change) -> Vec<Key> {
        let same =
            change.previous.as_ref().is_some_and(|old| at(old, &["spec"]) == at(&change.object, &["spec"]));
        let ours = &*change.key.resource.0 == AUTOSCALERS;
        if ours && (!same || change.kind == ChangeKind::Deleted) {
            vec![change.key.clone()]
        } else {
            Vec::new()
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(scaler) = server.get(AUTOSCALERS, &key.namespace, &key.name) else {
            memories.remove(key);
            return Outcome::default();
        };
        let mut outcome = Outcome::default();
        outcome.again(PERIOD);
        let conditions = list_at(&scaler, &["status", "conditions"]).to_vec();
        let memory = memories.entry(key.clone()).or_default();
        Look { server, scaler: &scaler, memory, conditions, now, outcome: &mut outcome }.run();
        outcome
    }
}

/// One look at an autoscaler.
struct Look<'a> {
    server: &'a dyn Server,
    scaler: &'a Value,
    memory: &'a mut Memory,
    conditions: Vec<Value>,
    now: Timestamp,
    outcome: &'a mut Outcome,
}

/// What the metrics together ask for.
struct Wish {
    replicas: i64,
    metric: String,
    statuses: Vec<Value>,
}

impl Look<'_> {
    fn run(mut self) {
        let (target, scale) = match target(self.server, self.scaler) {
            Ok(found) => found,
            Err(why) => {
                self.warn("FailedGetScale", why.clone());
                let message =
                    format!("the HPA controller was unable to get the target's current scale: {why}");
                self.set("AbleToScale", "False", "FailedGetScale", &message);
                let mut status = at(self.scaler, &["status"]).clone();
                status["conditions"] = json!(self.conditions);
                self.outcome.writes.extend(access::status_write(AUTOSCALERS, self.scaler, status));
                return;
            }
        };
        let message = "the HPA controller was able to get the target's current scale";
        self.set("AbleToScale", "True", "SucceededGetScale", message);
        let current = scale.replicas;
        self.memory.begin(current, self.now);
        let most = int_at(self.scaler, &["spec", "maxReplicas"]).unwrap_or(0);
        let least = int_at(self.scaler, &["spec", "minReplicas"]).unwrap_or(1);
        if current == 0 && least != 0 {
            let message = "scaling is disabled since the replica count of the target is zero";
            self.set("ScalingActive", "False", "ScalingDisabled", message);
            self.finish(current, Some(current), Vec::new(), false);
        } else if current > most {
            let reason = "Current number of replicas above Spec.MaxReplicas";
            self.rescale(&target, current, most, reason, Vec::new());
        } else if current < least {
            let reason = "Current number of replicas below Spec.MinReplicas";
            self.rescale(&target, current, least, reason, Vec::new());
        } else {
            self.by_metrics(&target, &scale, Bounds { least, most, current });
        }
    }

    fn by_metrics(mut self, target: &Key, scale: &Scale, bounds: Bounds) {
        let current = bounds.current;
        let wish = match self.wish(scale) {
            Ok(wish) => wish,
            Err((why, statuses)) => {
                self.warn("FailedComputeMetricsReplicas", why);
                return self.finish(current, None, statuses, false);
            }
        };
        let reason = match wish.replicas.cmp(&current) {
            std::cmp::Ordering::Greater => format!("{} above target", wish.metric),
            std::cmp::Ordering::Less => "All metrics below target".into(),
            std::cmp::Ordering::Equal => String::new(),
        };
        let rules = at(self.scaler, &["spec", "behavior"]);
        let allowed = behavior::allow(self.memory, rules, wish.replicas, &bounds, self.now);
        self.set("AbleToScale", "True", allowed.able.0, allowed.able.1);
        let limited = if allowed.limited { "True" } else { "False" };
        self.set("ScalingLimited", limited, allowed.limit.0, allowed.limit.1);
        if allowed.replicas == current {
            self.finish(current, Some(current), wish.statuses, false);
        } else {
            self.rescale(target, current, allowed.replicas, &reason, wish.statuses);
        }
    }

    /// The largest number that a metric asks for. Metrics that fail keep the target from shrinking, and if all of them fail
    /// there is nothing to go by.
    fn wish(&mut self, scale: &Scale) -> Result<Wish, (String, Vec<Value>)> {
        let pods = self.pods(scale).map_err(|why| (why, Vec::new()))?;
        let measured = self.server.measured();
        let target = Target {
            namespace: namespace(self.scaler),
            pods: &pods,
            measured: &measured,
            replicas: scale.replicas,
            tolerances: tolerances(self.scaler),
            now: self.now,
        };
        let specs = metrics_of(self.scaler);
        let mut wish = Wish { replicas: 0, metric: String::new(), statuses: Vec::new() };
        let mut failures = Vec::new();
        for spec in &specs {
            match metrics::propose(&target, spec) {
                Ok(found) => {
                    wish.statuses.push(found.status);
                    if wish.replicas == 0 || found.replicas > wish.replicas {
                        (wish.replicas, wish.metric) = (found.replicas, found.name);
                    }
                }
                Err(failure) => {
                    wish.statuses.push(json!({ "type": "" }));
                    self.warn(failure.reason, failure.why.clone());
                    failures.push(failure);
                }
            }
        }
        if let Some(first) = failures.first()
            && (failures.len() == specs.len() || wish.replicas < scale.replicas)
        {
            let message = format!("the HPA was unable to compute the replica count: {}", first.why);
            self.set("ScalingActive", "False", first.reason, &message);
            let why = format!(
                "invalid metrics ({} invalid out of {}), first error is: {}",
                failures.len(),
                specs.len(),
                first.whole
            );
            return Err((why, wish.statuses));
        }
        let message =
            format!("the HPA was able to successfully calculate a replica count from {}", wish.metric);
        self.set("ScalingActive", "True", "ValidMetricFound", &message);
        Ok(wish)
    }

    /// The pods that the target selects, if no other autoscaler does.
    fn pods(&mut self, scale: &Scale) -> Result<Vec<Object>, String> {
        if scale.selector.is_empty() {
            self.warn("SelectorRequired", "selector is required".into());
            let message = "the HPA target's scale is missing a selector";
            self.set("ScalingActive", "False", "InvalidSelector", message);
            return Err("selector is required".into());
        }
        let here = namespace(self.scaler);
        let pods = match self.server.pods_of(here, &scale.selector) {
            Ok(pods) => pods,
            Err(why) => {
                let why =
                    format!("couldn't convert selector into a corresponding internal selector object: {why}");
                self.warn("InvalidSelector", why.clone());
                self.set("ScalingActive", "False", "InvalidSelector", &why);
                return Err(why);
            }
        };
        let rivals = self.rivals(&pods);
        if rivals.len() > 1 {
            let all: Vec<String> = rivals.into_iter().collect();
            let why = format!(
                "pods by selector {} are controlled by multiple HPAs: [{}]",
                scale.selector,
                all.join(" ")
            );
            self.warn("AmbiguousSelector", why.clone());
            self.set("ScalingActive", "False", "AmbiguousSelector", &why);
            return Err(why);
        }
        Ok(pods)
    }

    /// The autoscalers whose targets select one of these pods.
    fn rivals(&self, pods: &[Object]) -> BTreeSet<String> {
        let here = namespace(self.scaler);
        let ours: BTreeSet<&str> = pods.iter().map(|pod| access::uid(pod)).collect();
        let selects = |scaler: &Object| {
            let selector = target(self.server, scaler).map(|(_, scale)| scale.selector).unwrap_or_default();
            let theirs = self.server.pods_of(here, &selector).unwrap_or_default();
            !selector.is_empty() && theirs.iter().any(|pod| ours.contains(access::uid(pod)))
        };
        let all = self.server.list(AUTOSCALERS, here);
        if all.len() < 2 {
            return BTreeSet::new();
        }
        all.iter().filter(|scaler| selects(scaler)).map(|scaler| format!("{here}/{}", name(scaler))).collect()
    }

    fn rescale(mut self, target: &Key, from: i64, to: i64, reason: &str, statuses: Vec<Value>) {
        self.memory.decide(from, to, self.now);
        self.outcome.write(Write::Merge {
            key: target.clone(),
            subresource: "scale",
            patch: json!({ "spec": { "replicas": to } }),
        });
        let message = format!("the HPA controller was able to update the target scale to {to}");
        self.set("AbleToScale", "True", "SucceededRescale", &message);
        let message = format!("New size: {to}; reason: {reason}");
        self.say(EventKind::Normal, "SuccessfulRescale", message);
        self.finish(from, Some(to), statuses, true);
    }

    /// `desired`: as it was, if nothing could be computed.
    fn finish(self, current: i64, desired: Option<i64>, statuses: Vec<Value>, rescaled: bool) {
        let old = at(self.scaler, &["status"]);
        let mut status = json!({});
        let last = at(old, &["lastScaleTime"]);
        if rescaled {
            status["lastScaleTime"] = json!(access::format_time(self.now));
        } else if !last.is_null() {
            status["lastScaleTime"] = last.clone();
        }
        if current != 0 {
            status["currentReplicas"] = json!(current);
        }
        status["desiredReplicas"] =
            json!(desired.unwrap_or_else(|| int_at(old, &["desiredReplicas"]).unwrap_or(0)));
        if !statuses.is_empty() {
            status["currentMetrics"] = json!(statuses);
        }
        status["conditions"] = json!(self.conditions);
        self.outcome.writes.extend(access::status_write(AUTOSCALERS, self.scaler, status));
    }

    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        set(&mut self.conditions, kind, status, reason, message, self.now);
    }

    fn warn(&mut self, reason: &str, message: String) {
        self.say(EventKind::Warning, reason, message);
    }

    fn say(&mut self, kind: EventKind, reason: &str, message: String) {
        let regarding = access::reference("autoscaling/v2", "HorizontalPodAutoscaler", self.scaler);
        self.outcome.write(access::event(kind, regarding, COMPONENT, reason, message));
    }
}

/// The time moves when the status does.
fn set(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) {
    let old = conditions.iter().position(|c| str_at(c, &["type"]) == kind);
    let same = old.map(|place| &conditions[place]).filter(|c| str_at(c, &["status"]) == status);
    let since =
        same.map_or_else(|| json!(access::format_time(now)), |c| at(c, &["lastTransitionTime"]).clone());
    let condition = json!({
        "type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message,
    });
    match old {
        Some(place) => conditions[place] = condition,
        None => conditions.push(condition),
    }
}

/// What an autoscaler scales, and how large it is.
fn target(server: &dyn Server, scaler: &Value) -> Result<(Key, Scale), String> {
    let reference = at(scaler, &["spec", "scaleTargetRef"]);
    let (version, kind) = (str_at(reference, &["apiVersion"]), str_at(reference, &["kind"]));
    if version.matches('/').count() > 1 {
        return Err(format!("unexpected GroupVersion string: {version}"));
    }
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let resource = server
        .resource_of(version, kind)
        .ok_or_else(|| format!("no matches for kind {kind:?} in group {group:?}"))?;
    let key = access::key(&resource, namespace(scaler), str_at(reference, &["name"]));
    let scale = server.scale(&key)?;
    Ok((key, scale))
}

/// CPU at 80 %, if nothing is said.
fn metrics_of(scaler: &Value) -> Vec<Value> {
    match list_at(scaler, &["spec", "metrics"]) {
        [] => vec![json!({
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } },
        })],
        given => given.to_vec(),
    }
}

fn tolerances(scaler: &Value) -> Tolerances {
    let of = |way: &str| {
        let given = at(scaler, &["spec", "behavior", way, "tolerance"]);
        replicas::millis(given)
            .filter(|_| !given.is_null())
            .map_or(TOLERANCE, |millis| millis as f64 / 1000.0)
    };
    Tolerances { up: of("scaleUp"), down: of("scaleDown") }
}

/// What is written when an autoscaler's target could not be scaled, instead of what was to come `after` that.
pub fn refused(server: &dyn Server, key: &Key, after: &[Write], why: &str, now: Timestamp) -> Vec<Write> {
    let Some(scaler) = server.get(AUTOSCALERS, &key.namespace, &key.name) else { return Vec::new() };
    let mut conditions = list_at(&scaler, &["status", "conditions"]).to_vec();
    let message = format!("the HPA controller was unable to update the target scale: {why}");
    set(&mut conditions, "AbleToScale", "False", "FailedUpdateScale", &message, now);
    let mut status = at(&scaler, &["status"]).clone();
    status["conditions"] = json!(conditions);
    let regarding = access::reference("autoscaling/v2", "HorizontalPodAutoscaler", &scaler);
    let size = after.iter().find_map(|write| match write {
        Write::Event { message, .. } => Some(message.as_str()),
        _ => None,
    });
    let message = format!("{}; error: {why}", size.unwrap_or_default());
    let mut writes = vec![access::event(EventKind::Warning, regarding, COMPONENT, "FailedRescale", message)];
    writes.extend(access::status_write(AUTOSCALERS, &scaler, status));
    writes
}
