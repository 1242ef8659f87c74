//! `behavior`: how fast there may be more and fewer.

use super::*;

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
