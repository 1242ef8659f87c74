use super::*;
use crate::testing::Small;
use expect_test::{Expect, expect};
use jiff::SignedDuration;
use schema::measured::{Measured, PodUsed, Used, When};

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

#[test]
fn what_is_said() {
    let busy = "a 100 100\nb 100 100";
    check(
        percent(50),
        2,
        busy,
        expect![[r#"
        to 4
        SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target
        metrics [{"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"100m","averageUtilization":100}}}]
        AbleToScale True SucceededRescale: the HPA controller was able to update the target scale to 4
        ScalingActive True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited False DesiredWithinRange: the desired count is within the acceptable range"#]],
    );
    check(
        json!({}),
        2,
        "a 80 100\nb 80 100",
        expect![[r#"
        metrics [{"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"80m","averageUtilization":80}}}]
        AbleToScale True ReadyForNewScale: recommended size matches current size
        ScalingActive True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited False DesiredWithinRange: the desired count is within the acceptable range"#]],
    );
    check(
        percent(50),
        0,
        "",
        expect![[r#"
        metrics null
        AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive False ScalingDisabled: scaling is disabled since the replica count of the target is zero"#]],
    );
    check(
        percent(50),
        12,
        busy,
        expect![[r#"
        to 10
        SuccessfulRescale: New size: 10; reason: Current number of replicas above Spec.MaxReplicas
        metrics null
        AbleToScale True SucceededRescale: the HPA controller was able to update the target scale to 10"#]],
    );
    check(
        json!({ "minReplicas": 3 }),
        2,
        busy,
        expect![[r#"
        to 3
        SuccessfulRescale: New size: 3; reason: Current number of replicas below Spec.MinReplicas
        metrics null
        AbleToScale True SucceededRescale: the HPA controller was able to update the target scale to 3"#]],
    );
    check(
        json!({ "maxReplicas": 3 }),
        2,
        "a 200 100\nb 200 100",
        expect![[r#"
        to 3
        SuccessfulRescale: New size: 3; reason: cpu resource utilization (percentage of request) above target
        metrics [{"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"200m","averageUtilization":200}}}]
        AbleToScale True SucceededRescale: the HPA controller was able to update the target scale to 3
        ScalingActive True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited True TooManyReplicas: the desired replica count is more than the maximum replica count"#]],
    );
    check(
        percent(10),
        2,
        busy,
        expect![[r#"
        to 4
        SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target
        metrics [{"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"100m","averageUtilization":100}}}]
        AbleToScale True SucceededRescale: the HPA controller was able to update the target scale to 4
        ScalingActive True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited True ScaleUpLimit: the desired replica count is increasing faster than the maximum scale rate"#]],
    );
    let memory = |target| json!({ "metrics": [metric("Resource", "memory", target)] });
    check(
        memory(json!({ "type": "AverageValue", "averageValue": "40Mi" })),
        2,
        busy,
        expect![[r#"
        to 4
        SuccessfulRescale: New size: 4; reason: memory resource above target
        metrics [{"type":"Resource","resource":{"name":"memory","current":{"averageValue":"104857600"}}}]
        AbleToScale True SucceededRescale: the HPA controller was able to update the target scale to 4
        ScalingActive True ValidMetricFound: the HPA was able to successfully calculate a replica count from memory resource
        ScalingLimited True ScaleUpLimit: the desired replica count is increasing faster than the maximum scale rate"#]],
    );
    check(
        memory(json!({ "type": "AverageValue" })),
        2,
        busy,
        expect![[r#"
        FailedGetResourceMetric: invalid resource metric source: neither an average utilization target nor an average value (usage) target was set
        FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get memory resource metric value: invalid resource metric source: neither an average utilization target nor an average value (usage) target was set
        metrics [{"type":""}]
        AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive False FailedGetResourceMetric: the HPA was unable to compute the replica count: invalid resource metric source: neither an average utilization target nor an average value (usage) target was set"#]],
    );
    let container = |target| json!({ "metrics": [metric("ContainerResource", "cpu", target)] });
    check(
        container(json!({ "averageUtilization": 40 })),
        2,
        busy,
        expect![[r#"
        to 4
        SuccessfulRescale: New size: 4; reason: cpu container resource utilization (percentage of request) above target
        metrics [{"type":"ContainerResource","containerResource":{"name":"cpu","current":{"averageValue":"100m","averageUtilization":100},"container":"c"}}]
        AbleToScale True SucceededRescale: the HPA controller was able to update the target scale to 4
        ScalingActive True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu container resource utilization (percentage of request)
        ScalingLimited True ScaleUpLimit: the desired replica count is increasing faster than the maximum scale rate"#]],
    );
}

#[test]
fn what_cannot_be_known() {
    let reference = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "none" });
    check(
        json!({ "scaleTargetRef": reference }),
        2,
        "",
        expect![[r#"
        FailedGetScale: apps/deployments "none" not found
        metrics null
        AbleToScale False FailedGetScale: the HPA controller was unable to get the target's current scale: apps/deployments "none" not found"#]],
    );
    let reference = json!({ "apiVersion": "x/v1", "kind": "Thing", "name": "none" });
    check(
        json!({ "scaleTargetRef": reference }),
        2,
        "",
        expect![[r#"
        FailedGetScale: no matches for kind "Thing" in group "x"
        metrics null
        AbleToScale False FailedGetScale: the HPA controller was unable to get the target's current scale: no matches for kind "Thing" in group "x""#]],
    );
    check(
        percent(50),
        2,
        "",
        expect![[r#"
        FailedGetResourceMetric: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API
        FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API
        metrics [{"type":""}]
        AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive False FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API"#]],
    );
    check(
        percent(50),
        2,
        "a - 100\nb - 100",
        expect![[r#"
        FailedGetResourceMetric: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API
        FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API
        metrics [{"type":""}]
        AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive False FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API"#]],
    );
    check(
        percent(50),
        2,
        "a 100 - \nb 100 100",
        expect![[r#"
        FailedGetResourceMetric: failed to get cpu utilization: missing request for cpu in container c of Pod a
        FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: missing request for cpu in container c of Pod a
        metrics [{"type":""}]
        AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive False FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in container c of Pod a"#]],
    );
    check(
        percent(50),
        2,
        "a 100 100 young unready",
        expect![[r#"
        FailedGetResourceMetric: failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)
        FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)
        metrics [{"type":""}]
        AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive False FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)"#]],
    );
    let average = json!({ "type": "AverageValue", "averageValue": "10" });
    let all = |kinds: &[(&str, &str)]| -> Value {
        kinds.iter().map(|(kind, name)| metric(kind, name, average.clone())).collect()
    };
    let others = all(&[("Pods", "hits"), ("Object", "rate"), ("External", "depth")]);
    check(
        json!({ "metrics": others }),
        2,
        "a 100 100",
        expect![[r#"
        FailedGetPodsMetric: unable to get metric hits: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered
        FailedGetObjectMetric: unable to get metric rate: Ingress on default front/unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered
        FailedGetExternalMetric: unable to get external metric default/depth/&LabelSelector{MatchLabels:map[string]string{queue: q,},MatchExpressions:[]LabelSelectorRequirement{},}: unable to fetch metrics from external metrics API: the server could not find the requested resource (get depth.external.metrics.k8s.io)
        FailedComputeMetricsReplicas: invalid metrics (3 invalid out of 3), first error is: failed to get pods metric value: unable to get metric hits: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered
        metrics [{"type":""},{"type":""},{"type":""}]
        AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive False FailedGetPodsMetric: the HPA was unable to compute the replica count: unable to get metric hits: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"#]],
    );
    // What works may make it grow, and must not make it shrink.
    let mut mixed = all(&[("Pods", "hits")]);
    let cpu = percent(50)["metrics"][0].clone();
    mixed.as_array_mut().expect("a list").push(cpu);
    check(
        json!({ "metrics": mixed }),
        1,
        "a 100 100",
        expect![[r#"
        FailedGetPodsMetric: unable to get metric hits: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered
        to 2
        SuccessfulRescale: New size: 2; reason: cpu resource utilization (percentage of request) above target
        metrics [{"type":""},{"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"100m","averageUtilization":100}}}]
        AbleToScale True SucceededRescale: the HPA controller was able to update the target scale to 2
        ScalingActive True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)
        ScalingLimited False DesiredWithinRange: the desired count is within the acceptable range"#]],
    );
    check(
        json!({ "metrics": mixed }),
        2,
        "a 10 100\nb 10 100",
        expect![[r#"
        FailedGetPodsMetric: unable to get metric hits: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered
        FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 2), first error is: failed to get pods metric value: unable to get metric hits: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered
        metrics [{"type":""},{"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"10m","averageUtilization":10}}}]
        AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive False FailedGetPodsMetric: the HPA was unable to compute the replica count: unable to get metric hits: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"#]],
    );
}

#[test]
fn two_for_the_same_pods() {
    let mut bench = Bench::new(percent(50), 1, "a 100 100");
    let mut other = bench.scaler.clone();
    other["metadata"]["name"] = json!("other");
    bench.world.put(AUTOSCALERS, other);
    expect![[r#"
        AmbiguousSelector: pods by selector app=web are controlled by multiple HPAs: [default/other default/web]
        FailedComputeMetricsReplicas: pods by selector app=web are controlled by multiple HPAs: [default/other default/web]
        metrics null
        AbleToScale True SucceededGetScale: the HPA controller was able to get the target's current scale
        ScalingActive False AmbiguousSelector: pods by selector app=web are controlled by multiple HPAs: [default/other default/web]"#]].assert_eq(&bench.look(0));
}

/// Rules with the defaults of the API filled in.
fn rules(up: Value, down: Value) -> Value {
    let mut spec = percent(50);
    let all = json!({ "type": "Percent", "value": 100, "periodSeconds": 15 });
    let mut behavior = json!({
        "scaleUp": {
            "stabilizationWindowSeconds": 0, "selectPolicy": "Max",
            "policies": [{ "type": "Pods", "value": 4, "periodSeconds": 15 }, all],
        },
        "scaleDown": { "selectPolicy": "Max", "policies": [all] },
    });
    for (way, given) in [("scaleUp", up), ("scaleDown", down)] {
        for (field, value) in given.as_object().expect("fields") {
            behavior[way][field] = value.clone();
        }
    }
    spec["behavior"] = behavior;
    spec["maxReplicas"] = json!(100);
    spec
}

fn many(count: usize, used: u64) -> String {
    (0..count).map(|n| format!("p{n} {used} 100\n")).collect()
}

#[test]
fn growing_by_rules() {
    let grow = |rule: Value, expected: &[&str]| {
        let mut bench = Bench::new(rules(rule, json!({})), 10, &many(10, 500));
        let mut seen = Vec::new();
        for _ in expected {
            seen.push(bench.short(15));
        }
        assert_eq!(seen, expected);
    };
    // The pods stay ten here, each ten times over: a hundred are wanted.
    let plain = "SucceededRescale ValidMetricFound";
    grow(json!({}), &[&format!("20 {plain} ScaleUpLimit"), &format!("40 {plain} ScaleUpLimit")]);
    let pods = |select: &str, period: i64| {
        json!({ "selectPolicy": select, "policies": [
            { "type": "Pods", "value": 3, "periodSeconds": period }, { "type": "Percent", "value": 50, "periodSeconds": period },
        ] })
    };
    grow(pods("Max", 15), &[&format!("15 {plain} ScaleUpLimit"), &format!("23 {plain} ScaleUpLimit")]);
    // Within a minute only three are added to what there was at its beginning.
    let held = "ReadyForNewScale ValidMetricFound ScaleUpLimit";
    grow(
        pods("Min", 60),
        &[
            &format!("13 {plain} ScaleUpLimit"),
            &format!("13 {held}"),
            &format!("13 {held}"),
            &format!("13 {held}"),
            &format!("16 {plain} ScaleUpLimit"),
        ],
    );
    grow(json!({ "selectPolicy": "Disabled" }), &[&format!("10 {held}")]);
    // A wish has to last.
    let mut bench =
        Bench::new(rules(json!({ "stabilizationWindowSeconds": 60 }), json!({})), 10, &many(10, 50));
    let calm = "ReadyForNewScale ValidMetricFound DesiredWithinRange";
    assert_eq!(bench.short(0), format!("10 {calm}"));
    bench.pods(&many(10, 500));
    assert_eq!(bench.short(30), "10 ScaleUpStabilized ValidMetricFound DesiredWithinRange");
    assert_eq!(bench.short(31), format!("20 {plain} ScaleUpLimit"));
}

#[test]
fn shrinking_by_rules() {
    let shrink = |rule: Value, expected: &[&str]| {
        let mut bench = Bench::new(rules(json!({}), rule), 10, &many(10, 5));
        let seen: Vec<String> = expected.iter().map(|_| bench.short(15)).collect();
        assert_eq!(seen, expected);
    };
    let now = |policies: Value, select: &str| json!({ "stabilizationWindowSeconds": 0, "policies": policies, "selectPolicy": select });
    let one = json!([{ "type": "Pods", "value": 2, "periodSeconds": 15 }]);
    let done = "SucceededRescale ValidMetricFound ScaleDownLimit";
    shrink(now(one, "Max"), &[&format!("8 {done}"), &format!("6 {done}")]);
    let both = json!([{ "type": "Pods", "value": 2, "periodSeconds": 15 }, { "type": "Percent", "value": 50, "periodSeconds": 15 }]);
    shrink(now(both.clone(), "Max"), &[&format!("5 {done}")]);
    shrink(now(both, "Min"), &[&format!("8 {done}")]);
    shrink(
        json!({ "stabilizationWindowSeconds": 0 }),
        &["1 SucceededRescale ValidMetricFound DesiredWithinRange"],
    );
    shrink(
        json!({ "selectPolicy": "Disabled", "stabilizationWindowSeconds": 0 }),
        &["10 ReadyForNewScale ValidMetricFound ScaleDownLimit"],
    );
    shrink(json!({}), &["10 ScaleDownStabilized ValidMetricFound DesiredWithinRange"]);
}

#[test]
fn tolerance_can_be_told() {
    let mut bench = Bench::new(rules(json!({ "tolerance": "500m" }), json!({})), 2, "a 74 100\nb 74 100");
    assert_eq!(bench.short(0), "2 ReadyForNewScale ValidMetricFound DesiredWithinRange");
    let mut bench = Bench::new(rules(json!({ "tolerance": "0" }), json!({})), 2, "a 51 100\nb 51 100");
    assert_eq!(bench.short(0), "3 SucceededRescale ValidMetricFound DesiredWithinRange");
}

#[test]
fn a_refused_change_is_told() {
    let mut bench = Bench::new(percent(50), 2, "a 100 100\nb 100 100");
    let key = bench.world.put(AUTOSCALERS, bench.scaler.clone());
    let writes = bench.scalers.reconcile(&bench.world, &key, bench.now).writes;
    let after = &writes[1..];
    let told = refused(&bench.world, &key, after, "quota", bench.now);
    let lines: Vec<String> = told.iter().map(crate::testing::line).collect();
    expect![[r#"
        Warning FailedRescale on HorizontalPodAutoscaler web: New size: 4; reason: cpu resource utilization (percentage of request) above target; error: quota
        status autoscaling/horizontalpodautoscalers web {"conditions":[{"type":"AbleToScale","status":"False","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"FailedUpdateScale","message":"the HPA controller was unable to update the target scale: quota"}]}"#]].assert_eq(&lines.join("\n"));
}
