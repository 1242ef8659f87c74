use super::*;
use crate::testing::Small;
use expect_test::{Expect, expect};

const NOW: &str = "2026-01-01T01:00:00Z";

fn job(spec: Value, status: Value) -> Value {
    let mut whole = json!({"parallelism": 2, "completions": 3, "backoffLimit": 6, "template": {"spec": {"containers": [{"name": "c"}]}}});
    for (name, value) in spec.as_object().expect("fields") {
        whole[name] = value.clone();
    }
    json!({"metadata": {"name": "j", "namespace": "default", "uid": "u"}, "spec": whole, "status": status})
}

/// `name phase[ index][ ended at minute:second]`; phase `Going` is a pod that is being deleted.
fn pod(line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    let mut pod = json!({
        "metadata": {"name": words[0], "namespace": "default", "uid": words[0], "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u", "controller": true}]},
        "status": {"phase": words[1]},
    });
    if words[1] == "Going" {
        pod["metadata"]["deletionTimestamp"] = json!(NOW);
        pod["status"]["phase"] = json!("Running");
    }
    for word in &words[2..] {
        if let Some((minute, second)) = word.split_once(':') {
            pod["status"]["containerStatuses"] = json!([{"name": "c", "state": {"terminated": {
                "exitCode": 1, "finishedAt": format!("2026-01-01T00:{minute}:{second}Z")}}}]);
        } else {
            pod["metadata"]["annotations"][INDEX] = json!(word);
        }
    }
    pod
}

fn check(job: Value, pods: &[&str], expected: Expect) {
    let mut world = Small::default();
    let key = world.put(JOBS, job);
    pods.iter().for_each(|line| {
        world.put("pods", pod(line));
    });
    let outcome = Jobs.reconcile(&world, &key, NOW.parse().expect("a time"));
    let mut lines: Vec<String> = outcome.writes.iter().map(line).collect();
    if let Some(again) = outcome.again_after {
        lines.push(format!("again after {again:?}"));
    }
    expected.assert_eq(&lines.join("\n"));
}

fn line(write: &Write) -> String {
    match write {
        Write::Create { object, .. } => format!("create {}", object["metadata"]["generateName"]),
        Write::Delete { key, .. } => format!("delete {}", key.name),
        Write::Event { reason, message, .. } => format!("{reason}: {message}"),
        Write::UpdateStatus { object, .. } => {
            let mut text = String::from("status");
            for (name, value) in object["status"].as_object().expect("fields") {
                match name.as_str() {
                    "conditions" => value.as_array().into_iter().flatten().for_each(|c| {
                        text += &format!(
                            " {}={}({}: {})",
                            str_at(c, &["type"]),
                            str_at(c, &["status"]),
                            str_at(c, &["reason"]),
                            str_at(c, &["message"])
                        );
                    }),
                    "startTime" | "uncountedTerminatedPods" | "ready" | "terminating"
                        if value == &json!(0) || !value.is_i64() => {}
                    _ => text += &format!(" {name}={value}"),
                }
            }
            text
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn starts_as_many_as_may_run() {
    check(
        job(json!({}), json!({})),
        &[],
        expect![[r#"
        create "j-"
        create "j-"
        status"#]],
    );
    check(
        job(json!({}), json!({})),
        &["a Succeeded", "b Succeeded", "c Running"],
        expect!["status active=1 succeeded=2"],
    );
    check(
        job(json!({"parallelism": 1}), json!({})),
        &["a Running", "b Running"],
        expect![[r#"
        delete a
        SuccessfulDelete: Deleted pod: a
        status active=1 terminating=1"#]],
    );
}

#[test]
fn a_finished_job_waits_for_its_last_pod() {
    check(
        job(json!({}), json!({})),
        &["a Succeeded", "b Succeeded", "c Succeeded", "d Running"],
        expect![[r#"
        delete d
        SuccessfulDelete: Deleted pod: d
        status SuccessCriteriaMet=True(CompletionsReached: Reached expected number of succeeded pods) succeeded=3 terminating=1"#]],
    );
    let decided = json!({"conditions": [{"type": "SuccessCriteriaMet", "status": "True", "reason": "CompletionsReached", "message": "m"}]});
    check(
        job(json!({}), decided),
        &["a Succeeded", "b Succeeded", "c Succeeded"],
        expect![[r#"
        Completed: Job completed
        status SuccessCriteriaMet=True(CompletionsReached: m) Complete=True(CompletionsReached: m) succeeded=3 completionTime="2026-01-01T01:00:00Z""#]],
    );
}

#[test]
fn failures_are_paused_after_and_limited() {
    check(
        job(json!({}), json!({})),
        &["a Failed 59:55"],
        expect![[r#"
        status failed=1
        again after 5s"#]],
    );
    check(
        job(json!({}), json!({})),
        &["a Failed 59:00", "b Failed 59:45"],
        expect![[r#"
        status failed=2
        again after 5s"#]],
    );
    check(
        job(json!({"backoffLimit": 1}), json!({})),
        &["a Failed 59:00", "b Failed 59:45"],
        expect![[r#"
        BackoffLimitExceeded: Job has reached the specified backoff limit
        status FailureTarget=True(BackoffLimitExceeded: Job has reached the specified backoff limit) Failed=True(BackoffLimitExceeded: Job has reached the specified backoff limit) failed=2"#]],
    );
    check(
        job(json!({"activeDeadlineSeconds": 60}), json!({"startTime": "2026-01-01T00:59:00Z"})),
        &["a Running"],
        expect![[r#"
        delete a
        SuccessfulDelete: Deleted pod: a
        status FailureTarget=True(DeadlineExceeded: Job was active longer than specified deadline) terminating=1"#]],
    );
}

#[test]
fn indexes() {
    let indexed = json!({"completionMode": "Indexed"});
    check(
        job(indexed.clone(), json!({"completedIndexes": "0"})),
        &["b Running 1"],
        expect![[r#"
        create "j-2-"
        status active=1 succeeded=1 completedIndexes="0""#]],
    );
    let per_index = json!({"completionMode": "Indexed", "backoffLimitPerIndex": 0});
    check(
        job(per_index.clone(), json!({})),
        &["a Failed 0 10:00", "b Running 1"],
        expect![[r#"
        create "j-2-"
        status active=1 failed=1 failedIndexes="0""#]],
    );
    check(
        job(per_index, json!({})),
        &["a Failed 0 10:00", "b Succeeded 1", "c Succeeded 2"],
        expect![[r#"
        FailedIndexes: Job has failed indexes
        status FailureTarget=True(FailedIndexes: Job has failed indexes) Failed=True(FailedIndexes: Job has failed indexes) succeeded=2 failed=1 completedIndexes="1,2" failedIndexes="0""#]],
    );
    let made = pods::new_pod(&job(indexed, json!({})), Some(2), 0);
    expect![[r#"[{"name":"JOB_COMPLETION_INDEX","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.annotations['batch.kubernetes.io/job-completion-index']"}}}]"#]]
        .assert_eq(&made["spec"]["containers"][0]["env"].to_string());
    assert_eq!(made["spec"]["hostname"], "j-2");
}

#[test]
fn suspends_and_resumes() {
    check(
        job(json!({"suspend": true}), json!({"startTime": NOW})),
        &["a Running"],
        expect![[r#"
        delete a
        SuccessfulDelete: Deleted pod: a
        Suspended: Job suspended
        status Suspended=True(JobSuspended: Job suspended) terminating=1"#]],
    );
    let suspended = json!({"conditions": [{"type": "Suspended", "status": "True"}]});
    check(
        job(json!({"completions": 1}), suspended),
        &[],
        expect![[r#"
        Resumed: Job resumed
        create "j-"
        status Suspended=False(JobResumed: Job resumed)"#]],
    );
}

#[test]
fn replacement_waits_for_the_end_if_told_so() {
    check(
        job(json!({"podReplacementPolicy": "Failed", "parallelism": 1}), json!({})),
        &["a Going"],
        expect!["status terminating=1"],
    );
    check(
        job(json!({"parallelism": 1}), json!({})),
        &["a Going"],
        expect![[r#"
        create "j-"
        status terminating=1"#]],
    );
}
