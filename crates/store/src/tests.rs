use crate::*;
use serde_json::json;

fn pod(name: &str, owner: Option<&str>) -> Value {
    let owners = owner.map(|uid| json!([{ "uid": uid }])).unwrap_or(json!([]));
    json!({ "metadata": { "name": name, "namespace": "a", "ownerReferences": owners } })
}

fn put(store: &mut Store, name: &str, owner: Option<&str>) -> u64 {
    let change = store.stage(Key::new("pods", "a", name), pod(name, owner));
    let version = change.version;
    store.commit(change);
    version
}

#[test]
fn versions_rise_and_snapshots_do_not_move() {
    let mut store = Store::new(10);
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
    let mut store = Store::new(10);
    put(&mut store, "x", None);
    let change = store.stage_removal(Key::new("pods", "a", "x"), pod("x", None)).expect("x is there");
    store.commit(change);
    let changes = store.since(0, 10).expect("in the ring");
    assert_eq!(changes.iter().map(|c| c.kind).collect::<Vec<_>>(), [ChangeKind::Added, ChangeKind::Deleted]);
    assert_eq!(changes[1].object["metadata"]["resourceVersion"], "2");
    assert!(changes[1].previous.is_some());
    assert!(store.snapshot().all().is_empty());
    assert!(store.stage_removal(Key::new("pods", "a", "x"), json!({})).is_none());
}

#[test]
fn owners_are_indexed_and_follow_changes() {
    let mut store = Store::new(10);
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
fn history_expires() {
    let mut store = Store::new(2);
    for name in ["a", "b", "c"] {
        put(&mut store, name, None);
    }
    assert_eq!(store.since(0, 10).expect_err("one change was dropped"), Expired { wanted: 0, oldest: 1 });
    assert_eq!(store.since(1, 10).expect("complete").len(), 2);
    assert_eq!(store.since(3, 10).expect("nothing yet").len(), 0);
    let restored = Store::restore(store.version(), store.snapshot().all(), 2.into());
    assert_eq!(restored.version(), 3);
    assert!(restored.since(2, 10).is_err());
    assert!(restored.since(3, 10).is_ok());
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
    let mut store = Store::new(Limits { changes: 100, weight: 10, at_least: 2 });
    for (n, weight) in [4, 4, 4, 100, 1].into_iter().enumerate() {
        let change = store.stage(Key::new("pods", "a", &n.to_string()), pod("x", None));
        store.commit_weighed(change, weight);
    }
    assert!(store.since(2, 10).is_err());
    assert_eq!(store.since(3, 10).expect("the last two stay").len(), 2);
}
