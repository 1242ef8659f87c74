use crate::*;
use serde_json::json;

fn pod(name: &str, owner: Option<&str>) -> Value {
    let owners = owner.map(|uid| json!([{ "uid": uid }])).unwrap_or(json!([]));
    json!({ "metadata": { "name": name, "namespace": "a", "ownerReferences": owners } })
}

fn put(store: &mut Store, name: &str, owner: Option<&str>) -> u64 {
    recorded(store, None, "a", name, owner)
}

/// As `put`; the history is told too.
fn recorded(
    store: &mut Store,
    history: Option<&mut History>,
    namespace: &str,
    name: &str,
    owner: Option<&str>,
) -> u64 {
    let change = store.stage(Key::new("pods", namespace, name), pod(name, owner));
    let version = change.version;
    store.commit(&change);
    if let Some(history) = history {
        history.push(change, |_, _| {});
    }
    version
}

fn versions(history: &History, since: u64, interest: &Interest) -> Vec<u64> {
    history.since(since, 100, interest).iter().map(|record| record.change().version).collect()
}

#[test]
fn versions_rise_and_snapshots_do_not_move() {
    let mut store = Store::default();
    assert_eq!(put(&mut store, "x", None), 1);
    let before = store.snapshot();
    assert_eq!(put(&mut store, "y", None), 2);
    assert_eq!(before.list("pods", "").len(), 1);
    assert_eq!(before.version(), 1);
    let now = store.snapshot();
    assert_eq!(now.list("pods", "a").len(), 2);
    assert_eq!(now.get("pods", "a", "y").expect("just put")["metadata"]["resourceVersion"], "2");
    assert!(now.list("pods", "b").is_empty());
    assert!(now.list("services", "").is_empty());
}

#[test]
fn removal_is_a_change_with_its_own_version() {
    let mut store = Store::default();
    put(&mut store, "x", None);
    let change = store.stage_removal(Key::new("pods", "a", "x"), pod("x", None)).expect("x is there");
    store.commit(&change);
    assert_eq!((change.kind, change.version), (ChangeKind::Deleted, 2));
    assert_eq!(change.object["metadata"]["resourceVersion"], "2");
    assert!(change.previous.is_some());
    assert!(store.snapshot().all().is_empty());
    assert!(store.stage_removal(Key::new("pods", "a", "x"), json!({})).is_none());
}

#[test]
fn lists_go_on_behind_a_place() {
    let mut store = Store::default();
    for (namespace, name) in [("a", "x"), ("a", "y"), ("b", "a"), ("b", "b"), ("c", "x")] {
        recorded(&mut store, None, namespace, name, None);
    }
    let snapshot = store.snapshot();
    let names = |namespace, place| -> String {
        snapshot
            .after("pods", namespace, place)
            .map(|o| o["metadata"]["name"].as_str().unwrap_or("?"))
            .collect()
    };
    assert_eq!(names("", None), "xyabx");
    assert_eq!(names("b", None), "ab");
    assert_eq!(names("", Some(("a", "x"))), "yabx");
    assert_eq!(names("", Some(("a", "z"))), "abx");
    assert_eq!(names("b", Some(("b", "a"))), "b");
    assert_eq!(names("", Some(("bb", "a"))), "x");
    assert_eq!(snapshot.after("services", "", None).count(), 0);
}

#[test]
fn owners_are_indexed_and_follow_changes() {
    let mut store = Store::default();
    put(&mut store, "x", Some("u1"));
    put(&mut store, "y", Some("u1"));
    put(&mut store, "x", Some("u2"));
    let snapshot = store.snapshot();
    let names = |uid: &str| -> Vec<String> {
        snapshot.owned_by(uid).iter().map(|(key, _)| key.name.to_string()).collect()
    };
    assert_eq!(names("u1"), ["y"]);
    assert_eq!(names("u2"), ["x"]);
    assert!(names("u3").is_empty());
}

#[test]
fn marks_tell_whether_a_kind_was_written() {
    let mut store = Store::default();
    let none = store.snapshot().mark("pods");
    assert_eq!(none, store.snapshot().mark("pods"));
    put(&mut store, "x", None);
    let one = store.snapshot().mark("pods");
    assert_ne!(one, none);
    let change = store.stage(Key::new("services", "a", "s"), json!({ "metadata": {} }));
    store.commit(&change);
    assert_eq!(one, store.snapshot().mark("pods"));
    put(&mut store, "x", None);
    assert_ne!(one, store.snapshot().mark("pods"));
}

#[test]
fn history_expires_by_what_the_reader_wants_to_see() {
    let (mut store, mut history) = (Store::default(), History::new(2, 0));
    for (namespace, name) in [("a", "x"), ("b", "x"), ("a", "y")] {
        recorded(&mut store, Some(&mut history), namespace, name, None);
    }
    let pods = Interest { resource: Some(Resource::new("pods")), namespace: None };
    let in_a = Interest { namespace: Some("a".into()), ..pods.clone() };
    let services = Interest { resource: Some(Resource::new("services")), namespace: None };
    assert_eq!(history.oldest(&Interest::default()), 1);
    assert_eq!(history.oldest(&pods), 1);
    assert_eq!(history.oldest(&services), 0, "nothing of it has been dropped");
    assert_eq!(versions(&history, 1, &pods), [2, 3]);
    assert_eq!(versions(&history, 1, &in_a), [3]);
    assert_eq!(versions(&history, 3, &pods), [0; 0]);
    let restored = Store::restore(store.version(), store.snapshot().all());
    assert_eq!(restored.version(), 3);
    assert_eq!(History::new(2, restored.version()).oldest(&services), 3);
}

#[test]
fn old_changes_are_kept_as_text_and_come_back_the_same() {
    let limits = Limits { changes: 100, weight: 0, most: usize::MAX, parsed: 1 };
    let (mut store, mut history) = (Store::default(), History::new(limits, 0));
    for owner in ["u1", "u2", "u3"] {
        recorded(&mut store, Some(&mut history), "a", "x", Some(owner));
    }
    let gone = store.stage_removal(Key::new("pods", "a", "x"), pod("x", None)).expect("x is there");
    store.commit(&gone);
    history.push(gone, |_, _| {});
    let owners = |object: &Object| object["metadata"]["ownerReferences"][0]["uid"].clone();
    let changes: Vec<Change> =
        history.since(0, 10, &Interest::default()).iter().map(Record::change).collect();
    let seen: Vec<_> =
        changes.iter().map(|c| (c.kind, owners(&c.object), c.previous.as_ref().map(owners))).collect();
    assert_eq!(
        seen,
        [
            (ChangeKind::Added, json!("u1"), None),
            (ChangeKind::Modified, json!("u2"), Some(json!("u1"))),
            (ChangeKind::Modified, json!("u3"), Some(json!("u2"))),
            (ChangeKind::Deleted, Value::Null, Some(json!("u3"))),
        ]
    );
}

#[test]
fn fixture_answers_as_the_store_does() {
    let fixture = Fixture::default().with("pods", pod("y", Some("u"))).with("pods", pod("x", None));
    let names: Vec<_> = fixture.list("pods", "").iter().map(|o| o["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["x", "y"]);
    assert_eq!(fixture.owned_by("u").len(), 1);
}

#[test]
fn heavy_changes_are_forgotten_sooner() {
    let weights = |limits: Limits| {
        let (mut store, mut history, mut dropped) = (Store::default(), History::new(limits, 0), Vec::new());
        for n in 0..6 {
            let mut change = store.stage(Key::new("pods", "a", &n.to_string()), pod("x", None));
            store.commit(&change);
            change.text = vec![b' '; 1000].into();
            history.push(change, |_, version| dropped.push(version));
        }
        dropped
    };
    let limits = Limits { changes: 2, weight: 4500, most: 10_000, parsed: 9 };
    assert_eq!(weights(limits), [1, 2, 3], "more than two are kept while they are light");
    assert_eq!(weights(Limits { weight: 0, ..limits }), [1, 2, 3, 4], "two are kept");
    assert_eq!(weights(Limits { most: 1500, ..limits }), [1, 2, 3, 4, 5], "but never more than so much");
}

#[test]
fn what_has_changed_since_a_mark() {
    let mut store = Store::default();
    let write = |store: &mut Store, name: &str, value: i64| {
        let object = json!({"metadata": {"name": name, "namespace": "n"}, "value": value});
        let change = store.stage(Key::new("pods", "n", name), object);
        store.commit(&change);
    };
    let shown = |since: &crate::Since| -> Vec<String> {
        let value =
            |object: &Option<crate::Object>| object.as_ref().map_or("-".into(), |o| o["value"].to_string());
        let mut lines: Vec<String> =
            since.changes.iter().map(|(old, new)| format!("{}>{}", value(old), value(new))).collect();
        lines.sort();
        lines
    };
    (0..300).for_each(|number| write(&mut store, &format!("p{number:03}"), number));
    let first = store.snapshot().since("pods", &crate::Mark::default());
    assert!(first.from_scratch && first.changes.len() == 300);
    assert!(store.snapshot().since("pods", &first.mark).changes.is_empty());
    write(&mut store, "p100", 1000);
    write(&mut store, "new", 1);
    let gone =
        store.stage_removal(Key::new("pods", "n", "p200"), json!({"metadata": {}})).expect("it is there");
    store.commit(&gone);
    let since = store.snapshot().since("pods", &first.mark);
    assert!(!since.from_scratch);
    assert_eq!(shown(&since), ["->1", "100>1000", "200>-"]);
}

#[test]
fn whom_nobody_controls() {
    let mut store = Store::default();
    let write = |store: &mut Store, namespace: &str, name: &str, owners: serde_json::Value| {
        let object = json!({"metadata": {"name": name, "namespace": namespace, "ownerReferences": owners}});
        let change = store.stage(Key::new("pods", namespace, name), object);
        store.commit(&change);
    };
    let names = |store: &Store, namespace: &str| -> Vec<String> {
        let free = store.snapshot().unowned("pods", namespace);
        free.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap_or_default().to_string()).collect()
    };
    write(&mut store, "n", "a", json!([{"uid": "o", "controller": true}]));
    write(&mut store, "n", "b", json!([{"uid": "o"}]));
    write(&mut store, "m", "c", json!(null));
    assert_eq!((names(&store, "n"), names(&store, "m")), (vec!["b".into()], vec!["c".into()]));
    write(&mut store, "n", "a", json!([]));
    write(&mut store, "n", "b", json!([{"uid": "o", "controller": true}]));
    assert_eq!(names(&store, "n"), ["a"]);
    assert_eq!(names(&store, ""), ["c", "a"]);
}

#[test]
fn who_says_what() {
    let mut store = Store::default();
    let mut write = |namespace: &str, number: usize, pod: serde_json::Value| {
        let change = store.stage(Key::new("pods", namespace, &format!("p{number:03}")), pod);
        store.commit(&change);
    };
    let pod = |number: usize, namespace: &str, app: &str| {
        json!({
            "metadata": {"name": format!("p{number:03}"), "namespace": namespace, "labels": {"app": app, "n": number.to_string()}},
            "spec": {
                "nodeName": format!("node{}", number % 2),
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": app}}, {"name": "e", "ephemeral": {}}],
            },
        })
    };
    (0..60).for_each(|number| write("a", number, pod(number, "a", "web")));
    (0..5).for_each(|number| write("b", number, pod(number, "b", "web")));
    // Labels that are changed leave the index, from either kind of set.
    (0..50).for_each(|number| write("a", number, pod(number, "a", "db")));
    write("a", 0, pod(0, "a", "odd"));
    let view = store.snapshot();
    let fixture = view
        .all()
        .into_iter()
        .fold(Fixture::default(), |all, (_, object)| all.with("pods", (*object).clone()));
    let questions: [(&str, &[Term<'_>], usize); 10] = [
        ("a", &[Term::Label("app", "web")], 10),
        ("", &[Term::Label("app", "web")], 15),
        ("a", &[Term::Label("app", "db"), Term::Label("n", "7")], 1),
        ("a", &[Term::Label("app", "web"), Term::Label("n", "7")], 0),
        ("a", &[Term::Label("none", "")], 0),
        ("a", &[Term::Node("node1")], 30),
        ("", &[Term::Node("node1")], 32),
        ("a", &[Term::Claim("odd")], 1),
        ("b", &[Term::Claim("p003-e")], 1),
        ("b", &[], 5),
    ];
    for (namespace, terms, count) in questions {
        let found = view.select("pods", namespace, terms);
        assert_eq!(found.len(), count, "{namespace} {terms:?}");
        assert_eq!(found, fixture.select("pods", namespace, terms), "{namespace} {terms:?}");
    }
}

/// Addresses and ports of Services, and how claims and volumes belong together, before and after each of them moves.
#[test]
fn who_holds_what() {
    let mut store = Store::default();
    let mut write = |resource: &str, namespace: &str, name: &str, mut object: serde_json::Value| {
        object["metadata"] = json!({"name": name, "namespace": namespace});
        let change = store.stage(Key::new(resource, namespace, name), object);
        store.commit(&change);
    };
    let service =
        |address: &str, port: u64| json!({"spec": {"clusterIPs": [address], "ports": [{"nodePort": port}]}});
    write("services", "a", "s", service("10.0.0.1", 30000));
    write("services", "b", "s", service("10.0.0.2", 30001));
    write("services", "b", "s", service("10.0.0.3", 30002));
    write("services", "b", "t", json!({"spec": {"clusterIPs": ["None"], "healthCheckNodePort": 30003}}));
    write("persistentvolumeclaims", "a", "c", json!({"status": {"phase": "Pending"}}));
    write(
        "persistentvolumeclaims",
        "b",
        "c",
        json!({"spec": {"volumeName": "v"}, "status": {"phase": "Pending"}}),
    );
    write(
        "persistentvolumeclaims",
        "b",
        "c",
        json!({"spec": {"volumeName": "v"}, "status": {"phase": "Bound"}}),
    );
    write("persistentvolumes", "", "v", json!({"spec": {"claimRef": {"namespace": "b", "name": "c"}}}));
    let view = store.snapshot();
    let questions: [(&str, Term<'_>, usize); 11] = [
        ("services", Term::Address("10.0.0.1"), 1),
        ("services", Term::Address("10.0.0.2"), 0),
        ("services", Term::Address("10.0.0.3"), 1),
        ("services", Term::NodePort(30000), 1),
        ("services", Term::NodePort(30001), 0),
        ("services", Term::NodePort(30003), 1),
        ("persistentvolumeclaims", Term::Unbound, 1),
        ("persistentvolumeclaims", Term::Volume("v"), 1),
        ("persistentvolumes", Term::For("b", "c"), 1),
        ("persistentvolumes", Term::For("a", "c"), 0),
        ("pods", Term::Unbound, 0),
    ];
    for (resource, term, count) in questions {
        let found = view.select(resource, "", &[term]);
        assert_eq!(found.len(), count, "{term:?}");
        let held = view.list(resource, "").into_iter().filter(|object| term.holds(resource, object));
        assert_eq!(found, held.collect::<Vec<_>>(), "{term:?}");
    }
}
