use super::*;
use crate::testing::Small;
use expect_test::{Expect, expect};

fn cron_job(spec: Value, status: Value) -> Value {
    let mut whole = json!({
        "schedule": "0 * * * *", "concurrencyPolicy": "Allow", "suspend": false,
        "successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1,
        "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {}}},
    });
    for (name, value) in spec.as_object().expect("fields") {
        whole[name] = value.clone();
    }
    json!({
        "metadata": {"name": "tidy", "namespace": "default", "uid": "c", "creationTimestamp": "2026-01-01T00:30:00Z"},
        "spec": whole, "status": status,
    })
}

fn job(name: &str, end: Option<&str>, scheduled: bool) -> Value {
    let mut job = json!({
        "metadata": {
            "name": name, "namespace": "default", "uid": format!("uid-{name}"),
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "tidy", "uid": "c", "controller": true}],
        },
        "status": {"startTime": format!("2026-01-01T01:00:0{}Z", name.len() % 10)},
    });
    if scheduled {
        job["metadata"]["annotations"][SCHEDULED] = json!("2026-01-01T01:00:00Z");
    }
    if let Some(end) = end {
        job["status"]["conditions"] = json!([{"type": end, "status": "True"}]);
        job["status"]["completionTime"] = json!("2026-01-01T01:10:00Z");
    }
    job
}

/// What is written at a time, a line each, and when the next look is.
fn check(now: &str, cron_job: Value, jobs: Vec<Value>, expected: Expect) {
    let mut world = Small::default();
    let key = world.put(CRON_JOBS, cron_job);
    for job in jobs {
        world.put(JOBS, job);
    }
    let outcome = CronJobs.reconcile(&world, &key, now.parse().expect("a time"));
    let mut lines: Vec<String> = outcome
        .writes
        .iter()
        .map(|write| match write {
            Write::Create { object, .. } => {
                format!(
                    "create {} {} {}",
                    name(object),
                    object["metadata"]["labels"],
                    object["metadata"]["annotations"]
                )
            }
            Write::UpdateStatus { object, .. } => format!("status {}", object["status"]),
            Write::Delete { key, .. } => format!("delete {}", key.name),
            Write::Event { reason, message, .. } => format!("{reason}: {message}"),
            other => format!("{other:?}"),
        })
        .collect();
    lines.push(format!("again {:?}", outcome.again_after));
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn before_the_first_time() {
    let expected = expect!["again Some(900.1s)"];
    check("2026-01-01T00:45:00Z", cron_job(json!({}), json!({})), vec![], expected);
}

#[test]
fn when_it_is_due() {
    let expected = expect![[r#"
        create tidy-29453820 {"a":"b"} {"batch.kubernetes.io/cronjob-scheduled-timestamp":"2026-01-01T02:00:00+01:00"}
        SuccessfulCreate: Created job tidy-29453820
        status {"lastScheduleTime":"2026-01-01T01:00:00Z"}
        again Some(3599.1s)"#]];
    let zone = json!({"timeZone": "Europe/Berlin"});
    check("2026-01-01T01:00:01Z", cron_job(zone, json!({})), vec![], expected);
}

#[test]
fn once_for_a_time() {
    let expected = expect!["again Some(3540.1s)"];
    let status = json!({"lastScheduleTime": "2026-01-01T01:00:00Z"});
    check("2026-01-01T01:01:00Z", cron_job(json!({}), status), vec![], expected);
}

#[test]
fn once_for_a_time_although_the_status_was_lost() {
    let expected = expect![[r#"
        status {"active":[{"apiVersion":"batch/v1","kind":"Job","name":"tidy-29453820","namespace":"default","resourceVersion":"","uid":"uid-tidy-29453820"}],"lastScheduleTime":"2026-01-01T01:00:00Z"}
        again Some(3540.1s)"#]];
    let made = job("tidy-29453820", None, true);
    check("2026-01-01T01:01:00Z", cron_job(json!({}), json!({})), vec![made], expected);
}

#[test]
fn many_missed_times_are_one_start() {
    let expected = expect![[r#"
        TooManyMissedTimes: too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew
        create tidy-29460990 {"a":"b"} {"batch.kubernetes.io/cronjob-scheduled-timestamp":"2026-01-06T00:30:00Z"}
        SuccessfulCreate: Created job tidy-29460990
        status {"lastScheduleTime":"2026-01-06T00:30:00Z"}
        again Some(60.1s)"#]];
    check("2026-01-06T00:30:00Z", cron_job(json!({"schedule": "* * * * *"}), json!({})), vec![], expected);
}

#[test]
fn too_late() {
    // The time before the deadline does not count as missed; there is nothing to start and nothing to tell.
    let spec = json!({"startingDeadlineSeconds": 20});
    let status = json!({"lastScheduleTime": "2026-01-01T00:00:00Z"});
    check("2026-01-01T01:00:30Z", cron_job(spec, status), vec![], expect!["again Some(3570.1s)"]);
}

#[test]
fn a_run_forbids_the_next() {
    let expected = expect![[r#"
        JobAlreadyActive: Not starting job because prior execution is running and concurrency policy is Forbid
        again Some(3599.1s)"#]];
    let status = json!({"active": [{"uid": "uid-tidy-1", "name": "tidy-1"}], "lastScheduleTime": "2026-01-01T01:00:00Z"});
    let spec = json!({"concurrencyPolicy": "Forbid"});
    check("2026-01-01T02:00:01Z", cron_job(spec, status), vec![job("tidy-1", None, true)], expected);
}

#[test]
fn a_run_is_replaced_by_the_next() {
    let expected = expect![[r#"
        delete tidy-1
        SuccessfulDelete: Deleted job tidy-1
        create tidy-29453880 {"a":"b"} {"batch.kubernetes.io/cronjob-scheduled-timestamp":"2026-01-01T02:00:00Z"}
        SuccessfulCreate: Created job tidy-29453880
        status {"lastScheduleTime":"2026-01-01T02:00:00Z"}
        again Some(3599.1s)"#]];
    let status = json!({"active": [{"uid": "uid-tidy-1", "name": "tidy-1"}], "lastScheduleTime": "2026-01-01T01:00:00Z"});
    let spec = json!({"concurrencyPolicy": "Replace"});
    check("2026-01-01T02:00:01Z", cron_job(spec, status), vec![job("tidy-1", None, true)], expected);
}

#[test]
fn ends_are_seen_and_history_is_short() {
    let expected = expect![[r#"
        SawCompletedJob: Saw completed job: tidy-22, condition: Complete
        UnexpectedJob: Saw a job that the controller did not create or forgot: by-hand
        MissingJob: Active job went missing: gone
        delete tidy-1
        SuccessfulDelete: Deleted job tidy-1
        status {"lastScheduleTime":"2026-01-01T01:00:00Z","lastSuccessfulTime":"2026-01-01T01:10:00Z"}
        again Some(2400.1s)"#]];
    let status = json!({
        "active": [{"uid": "uid-tidy-22", "name": "tidy-22"}, {"uid": "x", "name": "gone"}],
        "lastScheduleTime": "2026-01-01T01:00:00Z",
    });
    let jobs = vec![
        job("tidy-1", Some("Complete"), true),
        job("tidy-22", Some("Complete"), true),
        job("tidy-333", Some("Failed"), true),
        job("by-hand", None, false),
    ];
    check("2026-01-01T01:20:00Z", cron_job(json!({}), status), jobs, expected);
}

#[test]
fn suspended() {
    let expected = expect!["again None"];
    check("2026-01-01T09:00:00Z", cron_job(json!({"suspend": true}), json!({})), vec![], expected);
}

#[test]
fn what_cannot_be_read_is_told() {
    let now = "2026-01-01T09:00:00Z";
    let expected = expect![[r#"
        UnparseableSchedule: unparseable schedule: 61 * * * * : end of range (61) above maximum (59): 61
        again None"#]];
    check(now, cron_job(json!({"schedule": "61 * * * *"}), json!({})), vec![], expected);
    let expected = expect![[r#"
        UnknownTimeZone: invalid timeZone: "Mars": unknown time zone Mars
        again None"#]];
    check(now, cron_job(json!({"timeZone": "Mars"}), json!({})), vec![], expected);
}
