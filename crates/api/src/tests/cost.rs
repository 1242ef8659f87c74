//! What one write costs beside how many other objects.

use crate::{Api, WriteOptions};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use store::{EventKind, Key, Resource, Write};

fn pod(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "default", "labels": { "app": name } },
        "spec": { "containers": [{ "name": "c", "image": "i", "resources": { "requests": { "cpu": "1m" } } }] },
    })
}

/// The average of some repetitions.
fn timed(mut work: impl FnMut(usize)) -> Duration {
    const TIMES: usize = 200;
    let begin = Instant::now();
    (0..TIMES).for_each(&mut work);
    begin.elapsed() / u32::try_from(TIMES).expect("it is small")
}

fn costs(others: usize) -> Vec<(&'static str, Duration)> {
    let (api, _dir) = super::bench();
    let options = WriteOptions::default();
    let event = |api: &Api, number: usize| {
        let regarding = json!({ "kind": "Pod", "namespace": "default", "name": format!("p{number}"), "uid": format!("u{number}") });
        let (reason, component) = ("Started".to_string(), "kubelet".to_string());
        let write = Write::Event {
            regarding,
            kind: EventKind::Normal,
            reason,
            message: "Started it".into(),
            component,
        };
        api.write(write).expect("written");
    };
    for number in 0..others {
        api.create("pods", pod(&format!("p{number}")), &options).expect("made");
        event(&api, number);
    }
    let quota = json!({ "metadata": { "name": "q", "namespace": "default" }, "spec": { "hard": { "requests.cpu": "999" } } });
    let status = |api: &Api, n: usize| {
        let key = Key { resource: Resource::new("pods"), namespace: "default".into(), name: "mine".into() };
        let patch = json!({ "status": { "message": n.to_string() } });
        api.write(Write::Merge { key, subresource: "status", patch }).expect("written");
    };
    let mine = pod("mine");
    api.create("pods", mine, &options).expect("made");
    vec![
        ("a status", timed(|n| status(&api, n))),
        ("an event", timed(|n| event(&api, 1_000_000 + n))),
        ("a pod", timed(|n| drop(api.create("pods", pod(&format!("new{n}")), &options).expect("made")))),
        ("a pod under a quota", {
            api.create("resourcequotas", quota, &options).expect("made");
            timed(|n| drop(api.create("pods", pod(&format!("more{n}")), &options).expect("made")))
        }),
    ]
}

/// By hand: `cargo test -p api what_a_write_costs -- --ignored --nocapture`.
#[test]
#[ignore = "prints times; there is nothing to check"]
fn what_a_write_costs() {
    let all: Vec<_> = [10, 1000, 5000].iter().map(|count| costs(*count)).collect();
    let mut table = String::from("beside 10, 1,000, 5,000 pods and events:\n");
    for (row, (label, _)) in all[0].iter().enumerate() {
        let cells: Vec<String> =
            all.iter().map(|costs| format!("{:8.1} us", costs[row].1.as_secs_f64() * 1e6)).collect();
        writeln!(table, "{label:24} {}", cells.join(" ")).expect("a String takes everything");
    }
    std::io::Write::write_all(&mut std::io::stdout(), table.as_bytes()).expect("somebody reads it");
}
