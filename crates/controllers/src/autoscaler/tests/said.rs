//! Conditions and events: what is said of a target, and of what cannot be known.

use super::*;

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
