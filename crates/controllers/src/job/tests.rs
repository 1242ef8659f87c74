use super::*;
use crate::testing::Small;
use expect_test::{Expect, expect};

const NOW: &str = "2026-01-01T01:00:00Z";

fn job(spec: Value, status: Value) -> Value {
    let mut whole = json!({"parallelism": 2, "completions": 3, "backoffLimit": 6, "template": {"spec": {"containers": [{"name": "c"}]}}});
    for (name, value) in spec.as_object().expect("fields") {
        whole[name] = value.clone();
    }
    whole["selector"] = json!({});
    json!({"metadata": {"name": "j", "namespace": "default", "uid": "u"}, "spec": whole, "status": status})
}

/// `name phase[ index][ ended at minute:second][ counted]`; phase `Going` is a pod that is being deleted, `counted` one
/// that nothing holds any more.
fn pod(line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    let mut pod = json!({
        "metadata": {"name": words[0], "namespace": "default", "uid": words[0], "finalizers": ["batch.kubernetes.io/job-tracking"], "ownerReferences": [
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
        } else if *word == "counted" {
            pod["metadata"]["finalizers"] = Value::Null;
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
        Write::Merge { key, patch, .. } if patch["metadata"]["finalizers"].is_null() => {
            format!("let go {}", key.name)
        }
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
                    "uncountedTerminatedPods" if value == &json!({}) => {}
                    "uncountedTerminatedPods" => text += &format!(" noted={value}"),
                    "startTime" | "ready" | "terminating" if value == &json!(0) || !value.is_i64() => {}
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
        expect![[r#"status active=1 noted={"succeeded":["a","b"]}"#]],
    );
    check(
        job(json!({"parallelism": 1}), json!({})),
        &["a Running", "b Running"],
        expect![[r#"
            let go a
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
            let go d
            delete d
            SuccessfulDelete: Deleted pod: d
            status SuccessCriteriaMet=True(CompletionsReached: Reached expected number of succeeded pods) terminating=1 noted={"succeeded":["a","b","c"]}"#]],
    );
    let decided = json!({"conditions": [{"type": "SuccessCriteriaMet", "status": "True", "reason": "CompletionsReached", "message": "m"}]});
    check(
        job(json!({}), decided),
        &["a Succeeded", "b Succeeded", "c Succeeded"],
        expect![[
            r#"status SuccessCriteriaMet=True(CompletionsReached: m) noted={"succeeded":["a","b","c"]}"#
        ]],
    );
}

#[test]
fn failures_are_paused_after_and_limited() {
    check(
        job(json!({}), json!({})),
        &["a Failed 59:55"],
        expect![[r#"
            status noted={"failed":["a"]}
            again after 5s"#]],
    );
    check(
        job(json!({}), json!({})),
        &["a Failed 59:00", "b Failed 59:45"],
        expect![[r#"
            status noted={"failed":["a","b"]}
            again after 5s"#]],
    );
    check(
        job(json!({"backoffLimit": 1}), json!({})),
        &["a Failed 59:00", "b Failed 59:45"],
        expect![[
            r#"status FailureTarget=True(BackoffLimitExceeded: Job has reached the specified backoff limit) noted={"failed":["a","b"]}"#
        ]],
    );
    check(
        job(json!({"activeDeadlineSeconds": 60}), json!({"startTime": "2026-01-01T00:59:00Z"})),
        &["a Running"],
        expect![[
            r#"status FailureTarget=True(DeadlineExceeded: Job was active longer than specified deadline) active=1 noted={"failed":["a"]}"#
        ]],
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
            status active=1 noted={"failed":["a"]} failedIndexes="0""#]],
    );
    check(
        job(per_index, json!({})),
        &["a Failed 0 10:00", "b Succeeded 1", "c Succeeded 2"],
        expect![[
            r#"status FailureTarget=True(FailedIndexes: Job has failed indexes) succeeded=2 noted={"failed":["a"]} completedIndexes="1,2" failedIndexes="0""#
        ]],
    );
    let made = pods::new_pod(&job(indexed, json!({})), Some(2), None);
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
            let go a
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
            create "j-"
            Resumed: Job resumed
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
            status terminating=1 noted={"failed":["a"]}
            again after 10s"#]],
    );
}

#[test]
fn each_pod_is_noted_then_let_go_then_counted() {
    let pods = |counted: &str| [format!("a Succeeded{counted}"), "b Running".into(), "c Failed 10:00".into()];
    let check = |status: Value, pods: [String; 3], expected: Expect| {
        let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
        check(job(json!({"parallelism": 1}), status), &pods, expected);
    };
    check(
        json!({"succeeded": 1, "failed": 1}),
        pods(""),
        expect![[r#"status active=1 succeeded=1 failed=1 noted={"succeeded":["a"],"failed":["c"]}"#]],
    );
    let noted = json!({"succeeded": ["a"], "failed": ["c"]});
    check(
        json!({"succeeded": 1, "failed": 1, "uncountedTerminatedPods": noted}),
        pods(""),
        expect![[r#"
        status active=1 succeeded=1 failed=1 noted={"succeeded":["a"],"failed":["c"]}
        let go a
        let go c"#]],
    );
    let noted = json!({"succeeded": ["a"], "failed": ["c"]});
    // `c` could not be written yet.
    check(
        json!({"succeeded": 1, "failed": 1, "uncountedTerminatedPods": noted}),
        pods(" counted"),
        expect![[r#"
            status active=1 succeeded=2 failed=1 noted={"failed":["c"]}
            let go c"#]],
    );
}

#[test]
fn pods_of_jobs_that_are_gone_are_let_go() {
    let finished = json!({"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": NOW}]});
    for (job, want) in [
        (None, true),
        (Some(job(json!({}), json!({}))), false),
        (Some(job(json!({}), finished.clone())), true),
        (Some(job(json!({"managedBy": "example.com/x"}), finished)), false),
    ] {
        let mut world = Small::default();
        job.iter().for_each(|job| drop(world.put(JOBS, job.clone())));
        let key = world.put("pods", pod("a Running"));
        let writes = Jobs.reconcile(&world, &key, NOW.parse().expect("a time")).writes;
        assert_eq!(
            writes.iter().map(line).collect::<Vec<_>>(),
            if want { vec!["let go a"] } else { vec![] },
            "{job:?}"
        );
    }
}

/// The controller may be stopped between any two writes: no pod is lost, none is counted twice.
#[test]
fn counts_are_exact_whatever_is_interrupted() {
    for seed in 0..300_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let indexed = if next(2) == 0 { "Indexed" } else { "NonIndexed" };
        let limit = next(4) as i64;
        let mut world = crate::testing::World::default();
        let mut object = job(
            json!({"completionMode": indexed, "completions": 4, "backoffLimit": limit, "podReplacementPolicy": "TerminatingOrFailed"}),
            json!({}),
        );
        object["apiVersion"] = json!("batch/v1");
        world.add(JOBS, object);
        let key = access::key(JOBS, "default", "j");
        let (mut succeeded, mut failed) = (0, 0);
        let mut made = std::collections::BTreeSet::new();
        let mut clock: Timestamp = NOW.parse().expect("a time");
        for round in 0.. {
            assert!(round < 2000, "seed {seed} does not end: {}", world.objects[&key]);
            clock = clock.checked_add(jiff::SignedDuration::from_secs(60)).expect("in range");
            let writes = Jobs.reconcile(&world, &key, clock).writes;
            if writes.is_empty() && finished_at(&world.objects[&key]).is_some() {
                break;
            }
            let most = next(writes.len() as u64 + 1) as usize;
            writes.into_iter().take(most.max(1)).for_each(|write| world.apply(write));
            made.extend(
                world
                    .objects
                    .iter()
                    .filter(|(key, _)| &*key.resource.0 == "pods")
                    .map(|(key, _)| key.clone()),
            );
            // A pod comes to its end.
            let running = |(key, pod): &(&Key, &store::Object)| {
                &*key.resource.0 == "pods"
                    && str_at(pod, &["status", "phase"]).is_empty()
                    && !is_deleting(pod)
            };
            let found: Vec<Key> = world.objects.iter().filter(running).map(|(key, _)| key.clone()).collect();
            if let Some(key) = found.get(next(found.len() as u64 + 1) as usize) {
                let mut pod = (*world.objects[key]).clone();
                let fails = next(3) == 0;
                *(if fails { &mut failed } else { &mut succeeded }) += 1;
                pod["status"] = json!({"phase": if fails { "Failed" } else { "Succeeded" }});
                world.objects.insert(key.clone(), std::sync::Arc::new(pod));
            }
        }
        let status = &world.objects[&key]["status"];
        let of = |field: &str| int_at(status, &[field]).unwrap_or(0);
        let complete = status["conditions"].to_string().contains("Complete");
        if complete {
            assert_eq!((of("succeeded"), of("failed")), (succeeded, failed), "seed {seed}: {status}");
        }
        // What ran when the Job failed has failed too.
        assert_eq!(of("succeeded") + of("failed"), made.len() as i64, "seed {seed}: {status}");
        assert!(!complete || succeeded >= 4, "seed {seed}: {status}");
        assert!(complete || of("failed") > limit, "seed {seed}: {status}");
    }
}
