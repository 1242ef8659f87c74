use super::*;
use crate::testing::Small;
use expect_test::{Expect, expect};
use jiff::SignedDuration;
use schema::measured::{Measured, PodUsed, Used, When};

mod rules;
mod said;

const NOW: &str = "2026-01-01T01:00:00Z";

/// A Deployment `web` with its pods, and an autoscaler that is looked at again and again.
struct Bench {
    world: Small,
    scalers: Autoscalers,
    scaler: Value,
    now: Timestamp,
}

impl Bench {
    /// Pods, a line each: `NAME USED REQUESTED [WHAT…]`; CPU in thousandths (memory is as many MiB), `-` is unknown.
    fn new(spec: Value, replicas: i64, pods: &str) -> Self {
        let mut scaler = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "web", "namespace": "default", "uid": "hpa" },
            "spec": {
                "minReplicas": 1, "maxReplicas": 10,
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            },
        });
        for (field, value) in spec.as_object().expect("fields of a spec") {
            scaler["spec"][field] = value.clone();
        }
        let now = NOW.parse().expect("a time");
        let mut bench = Self { world: Small::default(), scalers: Autoscalers::default(), scaler, now };
        bench.scale(replicas);
        bench.pods(pods);
        bench
    }

    fn scale(&mut self, replicas: i64) {
        let spec = json!({ "replicas": replicas, "selector": { "matchLabels": { "app": "web" } } });
        self.world.put(
            "apps/deployments",
            json!({ "metadata": { "name": "web", "namespace": "default" }, "spec": spec }),
        );
    }

    fn pods(&mut self, lines: &str) {
        let mut measured = Measured::default();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split_whitespace();
            let mut next = || words.next().expect("name, used and requested");
            let (name, used, requested) = (next(), next(), next());
            let what: Vec<&str> = words.collect();
            if let Ok(used) = used.parse::<u64>() {
                let own =
                    Used { cpu_nanocores: used * 1_000_000, cpu_nanoseconds: 0, memory_bytes: used << 20 };
                let when = When { at: self.now.as_microsecond(), window: 10_000_000 };
                let containers = [("c".to_string(), own), ("side".to_string(), Used::default())];
                measured.pods.insert(name.into(), PodUsed { when, containers: containers.into() });
            }
            self.world.put("pods", pod(name, requested, &what));
        }
        self.world.measure(measured);
    }

    /// What is written, in short, after so many seconds.
    fn look(&mut self, seconds: i64) -> String {
        self.now = self.now.saturating_add(SignedDuration::from_secs(seconds)).expect("a time");
        let key = self.world.put(AUTOSCALERS, self.scaler.clone());
        let outcome = self.scalers.reconcile(&self.world, &key, self.now);
        assert_eq!(outcome.again_after, Some(PERIOD));
        let mut lines = Vec::new();
        for write in outcome.writes {
            match write {
                Write::Merge { patch, subresource: "scale", .. } => {
                    let replicas = patch["spec"]["replicas"].as_i64().expect("a number");
                    self.scale(replicas);
                    lines.push(format!("to {replicas}"));
                }
                Write::Event { reason, message, .. } => lines.push(format!("{reason}: {message}")),
                Write::UpdateStatus { object, .. } => {
                    lines.push(format!("metrics {}", object["status"]["currentMetrics"]));
                    for condition in list_at(&object, &["status", "conditions"]) {
                        let text = |field: &str| condition[field].as_str().expect("text");
                        lines.push(format!(
                            "{} {} {}: {}",
                            text("type"),
                            text("status"),
                            text("reason"),
                            text("message")
                        ));
                    }
                    self.scaler = object;
                }
                other => lines.push(crate::testing::line(&other)),
            }
        }
        lines.join("\n")
    }

    /// Only the number, and why it is bounded or held.
    fn short(&mut self, seconds: i64) -> String {
        self.look(seconds);
        let replicas = self.scaler["status"]["desiredReplicas"].as_i64().unwrap_or(0);
        let conditions = list_at(&self.scaler, &["status", "conditions"]).iter();
        let reason = |kind: &str| {
            let found = conditions.clone().find(|c| c["type"] == kind);
            found.and_then(|c| c["reason"].as_str()).unwrap_or("-").to_string()
        };
        format!(
            "{replicas} {} {} {}",
            reason("AbleToScale"),
            reason("ScalingActive"),
            reason("ScalingLimited")
        )
    }
}

fn pod(name: &str, requested: &str, what: &[&str]) -> Value {
    let is = |word: &str| what.contains(&word);
    let mut pod = json!({
        "metadata": { "name": name, "namespace": "default", "uid": name, "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "c" }, { "name": "side", "resources": { "requests": { "cpu": "0", "memory": "0" } } }] },
        "status": {
            "phase": "Running", "startTime": "2026-01-01T00:00:00Z",
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z" }],
        },
    });
    if requested != "-" {
        let requests = json!({ "cpu": format!("{requested}m"), "memory": format!("{requested}Mi") });
        pod["spec"]["containers"][0]["resources"] = json!({ "requests": requests });
    }
    if is("unready") {
        pod["status"]["conditions"][0]["status"] = json!("False");
    }
    if is("young") {
        pod["status"]["startTime"] = json!("2026-01-01T00:59:00Z");
        pod["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-01-01T00:59:10Z");
    }
    if is("just-ready") {
        pod["status"]["startTime"] = json!("2026-01-01T00:59:00Z");
        pod["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-01-01T00:59:55Z");
    }
    if is("broke-later") {
        pod["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-01-01T00:30:00Z");
    }
    if is("deleting") {
        pod["metadata"]["deletionTimestamp"] = json!(NOW);
    }
    for phase in ["Pending", "Failed", "Succeeded"] {
        if is(phase) {
            pod["status"]["phase"] = json!(phase);
        }
    }
    pod
}

fn metric(kind: &str, name: &str, target: Value) -> Value {
    match kind {
        "Resource" => json!({ "type": kind, "resource": { "name": name, "target": target } }),
        "ContainerResource" => {
            json!({ "type": kind, "containerResource": { "name": name, "container": "c", "target": target } })
        }
        "Pods" => json!({ "type": kind, "pods": { "metric": { "name": name }, "target": target } }),
        "Object" => json!({
            "type": kind,
            "object": { "metric": { "name": name }, "describedObject": { "kind": "Ingress", "name": "front" }, "target": target },
        }),
        _ => json!({
            "type": kind, "external": { "metric": { "name": name, "selector": { "matchLabels": { "queue": "q" } } }, "target": target },
        }),
    }
}

fn percent(target: i64) -> Value {
    json!({ "metrics": [metric("Resource", "cpu", json!({ "type": "Utilization", "averageUtilization": target }))] })
}

/// How many replicas a target of so many percent of CPU asks for.
#[test]
fn wanted_by_utilization() {
    // (target, replicas now, pods, replicas then)
    let cases: [(i64, i64, &str, i64); 20] = [
        // in proportion, rounded up
        (50, 2, "a 100 100\nb 100 100", 4),
        (50, 2, "a 80 100\nb 75 100", 4),
        (80, 4, "a 10 100\nb 10 100\nc 10 100\nd 10 100", 4),
        // within a tenth nothing happens
        (50, 2, "a 54 100\nb 54 100", 2),
        (50, 2, "a 56 100\nb 56 100", 3),
        (50, 3, "a 46 100\nb 46 100\nc 46 100", 3),
        // requests count together
        (50, 2, "a 100 100\nb 0 300", 2),
        (50, 2, "a 300 300\nb 100 100", 4),
        // pods that go or have failed are not there
        (50, 2, "a 100 100\nb 100 100 deleting\nc 100 100 Failed", 2),
        // those that do not run yet use nothing if there are to be more
        (50, 3, "a 100 100\nb - 100 Pending\nc - 100 Pending", 3),
        (50, 2, "a 200 100\nb - 100 Pending", 4),
        // unknown: nothing if there are to be more
        (50, 2, "a 100 100\nb - 100", 2),
        (50, 2, "a 190 100\nb - 100", 4),
        // CPU of the start does not count
        (50, 2, "a 100 100\nb 900 100 young unready", 2),
        (50, 2, "a 100 100\nb 900 100 just-ready", 2),
        (50, 2, "a 100 100\nb 100 100 young", 4),
        // one that has been ready and is not any more counts; one that never was does not
        (50, 2, "a 100 100\nb 100 100 unready broke-later", 4),
        (50, 2, "a 100 100\nb 100 100 unready", 2),
        // at most as many as allowed, and at most twice as many at once
        (10, 2, "a 100 100\nb 100 100", 4),
        (10, 6, "a 100 100\nb 100 100\nc 100 100\nd 100 100\ne 100 100\nf 100 100", 10),
    ];
    for (target, replicas, pods, wanted) in cases {
        let mut bench = Bench::new(percent(target), replicas, pods);
        let said = bench.look(0);
        let got = bench.scaler["status"]["desiredReplicas"].as_i64();
        assert_eq!(got, Some(wanted), "{target} % of {replicas} with\n{pods}\n{said}");
    }
}

/// What was wanted in the last five minutes holds; then fewer are enough.
#[test]
fn fewer_replicas_wait() {
    let quiet = "a 10 100\nb 10 100\nc - 100\nd 10 100";
    let mut bench = Bench::new(percent(50), 4, quiet);
    assert_eq!(bench.short(0), "4 ScaleDownStabilized ValidMetricFound DesiredWithinRange");
    assert_eq!(bench.short(285), "4 ScaleDownStabilized ValidMetricFound DesiredWithinRange");
    // The unknown pod is reckoned to use all that it requests: 130 of 400 where 50 % are wanted.
    assert_eq!(bench.short(16), "3 SucceededRescale ValidMetricFound DesiredWithinRange");
    let mut bench = Bench::new(percent(50), 1, "a 100 100");
    assert_eq!(bench.short(0), "2 SucceededRescale ValidMetricFound DesiredWithinRange");
}

fn check(spec: Value, replicas: i64, pods: &str, expected: Expect) {
    expected.assert_eq(&Bench::new(spec, replicas, pods).look(0));
}
