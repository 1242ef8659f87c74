use super::*;
use serde_json::json;
use store::{Store, View};

fn write(journal: &mut Journal, store: &mut Store, name: &str, size: usize) {
    let object = json!({ "metadata": { "name": name }, "data": "x".repeat(size) });
    let change = store.stage(Key::new("configmaps", "a", name), object);
    journal.append(&change).expect("append");
    store.commit(&change);
}

fn remove(journal: &mut Journal, store: &mut Store, name: &str) {
    let change = store.stage_removal(Key::new("configmaps", "a", name), json!({})).expect("is there");
    journal.append(&change).expect("append");
    store.commit(&change);
}

fn names(replayed: &Replayed) -> Vec<String> {
    let mut names: Vec<_> = replayed.objects.iter().map(|(key, _)| key.name.to_string()).collect();
    names.sort();
    names
}

#[test]
fn what_was_written_is_read_back() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut store = Store::default();
    let (mut journal, replayed) = Journal::open(dir.path()).expect("open");
    assert_eq!((replayed.version, names(&replayed)), (0, vec![]));
    write(&mut journal, &mut store, "x", 1);
    write(&mut journal, &mut store, "y", 1);
    remove(&mut journal, &mut store, "x");
    drop(journal);
    let (_journal, replayed) = Journal::open(dir.path()).expect("reopen");
    assert_eq!((replayed.version, names(&replayed)), (3, vec!["y".to_string()]));
    assert_eq!(replayed.objects[0].1["metadata"]["resourceVersion"], "2");
}

#[test]
fn a_torn_tail_is_cut_off_wherever_it_tears() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut store = Store::default();
    let (mut journal, _) = Journal::open(dir.path()).expect("open");
    write(&mut journal, &mut store, "x", 1);
    let whole = journal.end;
    write(&mut journal, &mut store, "y", 40);
    let all = journal.end;
    drop(journal);
    let path = dir.path().join("journal");
    let bytes = std::fs::read(&path).expect("read");
    for torn in whole..all {
        std::fs::write(&path, &bytes[..torn as usize]).expect("write");
        let (journal, replayed) = Journal::open(dir.path()).expect("open a torn journal");
        assert_eq!(names(&replayed), ["x"], "torn at {torn}");
        assert_eq!(journal.end, whole);
    }
    // and it can be written on after that
    let (mut journal, replayed) = Journal::open(dir.path()).expect("open");
    let mut store = Store::restore(replayed.version, replayed.objects);
    write(&mut journal, &mut store, "z", 1);
    drop(journal);
    assert_eq!(names(&Journal::open(dir.path()).expect("open").1), ["x", "z"]);
}

#[test]
fn damage_in_the_middle_is_reported_and_nothing_is_cut() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut store = Store::default();
    let (mut journal, _) = Journal::open(dir.path()).expect("open");
    write(&mut journal, &mut store, "x", 1);
    write(&mut journal, &mut store, "y", 1);
    drop(journal);
    let path = dir.path().join("journal");
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[20] ^= 1;
    std::fs::write(&path, &bytes).expect("write");
    assert!(matches!(Journal::open(dir.path()), Err(OpenError::Damaged { offset: 0, .. })));
    assert_eq!(std::fs::read(&path).expect("read"), bytes);
}

#[test]
fn compaction_keeps_what_lives_and_the_version() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut store = Store::default();
    let (mut journal, _) = Journal::open(dir.path()).expect("open");
    for _ in 0..50 {
        write(&mut journal, &mut store, "x", 1000);
    }
    write(&mut journal, &mut store, "gone", 1);
    remove(&mut journal, &mut store, "gone");
    let before = journal.end;
    journal.compact(store.version(), &store.snapshot().all()).expect("compact");
    assert!(journal.end < before / 10);
    write(&mut journal, &mut store, "y", 1);
    drop(journal);
    let (_journal, replayed) = Journal::open(dir.path()).expect("reopen");
    assert_eq!((replayed.version, names(&replayed)), (53, vec!["x".to_string(), "y".to_string()]));
    let restored = Store::restore(replayed.version, replayed.objects);
    assert_eq!(restored.snapshot().list("configmaps", "a").len(), 2);
}

#[test]
fn two_daemons_never_share_a_journal() {
    let dir = tempfile::tempdir().expect("tempdir");
    let first = Journal::open(dir.path()).expect("open");
    assert!(matches!(Journal::open(dir.path()), Err(OpenError::Locked { .. })));
    drop(first);
    assert!(Journal::open(dir.path()).is_ok());
}
