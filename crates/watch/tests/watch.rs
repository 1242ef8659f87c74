//! Real files, real events. A test waits for what must come, with a generous limit; it never sleeps to see that nothing does.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use watch::{ChangeKind, ChangeSet, Watcher};

struct Fixture {
    dir: tempfile::TempDir,
    watcher: Option<Watcher>,
    changes: Receiver<ChangeSet>,
    runtime: tokio::runtime::Runtime,
    fences: usize,
}

impl Fixture {
    fn new(roots: &[&str], before: impl FnOnce(&Path)) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        before(&base);
        let mut roots: Vec<PathBuf> = roots.iter().map(|r| base.join(r)).collect();
        fs::create_dir(base.join("fence")).unwrap();
        roots.push(base.join("fence"));
        let (watcher, changes) = Watcher::start(roots, |path| {
            path.ends_with("node_modules") || path.extension().is_some_and(|e| e == "tmp")
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Fixture { dir, watcher: Some(watcher), changes, runtime, fences: 0 }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Changes up to a file that is written now: when it is reported, all before was.
    fn collect(&mut self) -> String {
        self.fences += 1;
        let fence = self.path(&format!("fence/{}", self.fences));
        fs::write(&fence, "x").unwrap();
        let base = self.path("");
        // how many change sets it takes depends on the machine: the last word on a path counts
        let mut all: BTreeMap<String, ChangeKind> = BTreeMap::new();
        let mut fence_seen = false;
        while !fence_seen {
            let set = self
                .runtime
                .block_on(async { tokio::time::timeout(Duration::from_secs(20), self.changes.recv()).await })
                .expect("changes come")
                .expect("the watcher runs");
            for change in set.changes {
                fence_seen |= change.path == fence;
                let name = change.path.strip_prefix(&base).unwrap().display().to_string();
                if !name.starts_with("fence") {
                    all.insert(name, change.kind);
                }
            }
        }
        all.iter().map(|(name, kind)| format!("{name} {kind:?}\n")).collect()
    }
}

#[test]
fn writes_creations_removals() {
    let mut f = Fixture::new(&["src"], |base| {
        fs::create_dir_all(base.join("src/a")).unwrap();
        fs::write(base.join("src/a/old"), "1").unwrap();
    });
    f.write("src/a/old", "2");
    assert_eq!(f.collect(), "src/a/old Written\n");
    f.write("src/new/deep/file", "1");
    let got = f.collect();
    assert!(got.contains("src/new Written"), "{got}");
    assert!(got.contains("src/new/deep/file Written"), "{got}");
    f.write("src/new/deep/more", "1");
    assert_eq!(f.collect(), "src/new/deep/more Written\n");
    fs::remove_dir_all(f.path("src/new")).unwrap();
    let got = f.collect();
    assert!(got.contains("src/new Removed"), "{got}");
    f.write("elsewhere", "1");
    f.write("src/node_modules/x", "1");
    f.write("src/x.tmp", "1");
    assert_eq!(f.collect(), "");
}

#[test]
fn editors_save_by_renaming() {
    let mut f = Fixture::new(&["src"], |base| {
        fs::create_dir_all(base.join("src")).unwrap();
        fs::write(base.join("src/f"), "1").unwrap();
    });
    f.write("src/f.new", "2");
    fs::rename(f.path("src/f.new"), f.path("src/f")).unwrap();
    assert_eq!(f.collect(), "src/f Written\n");
    // away, then anew, as vim does
    fs::rename(f.path("src/f"), f.path("src/f.tmp")).unwrap();
    f.write("src/f", "3");
    fs::remove_file(f.path("src/f.tmp")).unwrap();
    assert_eq!(f.collect(), "src/f Written\n");
}

#[test]
fn directories_move() {
    let mut f = Fixture::new(&["src"], |base| {
        fs::create_dir_all(base.join("src/a")).unwrap();
        fs::write(base.join("src/a/1"), "1").unwrap();
    });
    fs::rename(f.path("src/a"), f.path("src/b")).unwrap();
    assert_eq!(f.collect(), "src/a Removed\nsrc/b Written\nsrc/b/1 Written\n");
    // the moved directory is watched under its new name
    f.write("src/b/1", "2");
    assert_eq!(f.collect(), "src/b/1 Written\n");
    // away and a new one in its place
    fs::rename(f.path("src/b"), f.path("gone")).unwrap();
    f.write("src/b/2", "1");
    let got = f.collect();
    assert!(got.contains("src/b Replaced") || got.contains("src/b Written"), "{got}");
    assert!(got.contains("src/b/2 Written"), "{got}");
    // what happens where it went is no concern of ours
    f.write("gone/1", "3");
    assert_eq!(f.collect(), "");
}

#[test]
fn files_as_roots_and_roots_that_come_later() {
    let mut f = Fixture::new(&["Tiltfile", "later/on/file", "later/dir"], |base| {
        fs::write(base.join("Tiltfile"), "1").unwrap();
    });
    f.write("Tiltfile", "2");
    f.write("other", "2");
    assert_eq!(f.collect(), "Tiltfile Written\n");
    f.write("later/on/file", "1");
    f.write("later/on/other", "1");
    f.write("later/dir/x", "1");
    let got = f.collect();
    assert!(got.contains("later/on/file Written"), "{got}");
    assert!(got.contains("later/dir/x Written"), "{got}");
    assert!(!got.contains("other"), "{got}");
    fs::remove_dir_all(f.path("later")).unwrap();
    let got = f.collect();
    assert!(got.contains("later/on/file Removed") && got.contains("later/dir Removed"), "{got}");
    f.write("later/dir/y", "1");
    let got = f.collect();
    assert!(got.contains("later/dir/y Written"), "{got}");
}

#[test]
fn a_storm_loses_nothing() {
    let mut f = Fixture::new(&["src"], |base| fs::create_dir_all(base.join("src")).unwrap());
    for i in 0..2000 {
        f.write(&format!("src/d{}/f{i}", i % 40), "x");
    }
    for i in (0..2000).step_by(2) {
        fs::remove_file(f.path(&format!("src/d{}/f{i}", i % 40))).unwrap();
    }
    let got = f.collect();
    let mut there: Vec<String> = got
        .lines()
        .filter(|l| l.contains("/f") && l.ends_with("Written"))
        .map(|l| l.split(' ').next().unwrap().to_owned())
        .collect();
    there.sort();
    let mut want: Vec<String> =
        (0..2000).filter(|i| i % 2 == 1).map(|i| format!("src/d{}/f{i}", i % 40)).collect();
    want.sort();
    assert_eq!(there, want);
}

#[test]
fn dropping_it_ends_it() {
    let mut f = Fixture::new(&["src"], |_| {});
    f.watcher.take();
    let end =
        f.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), f.changes.recv()).await });
    assert!(end.expect("the channel closes").is_none());
}

#[test]
fn finishing_it_tells_the_last_changes() {
    for _ in 0..20 {
        let mut f = Fixture::new(&["src"], |base| fs::create_dir(base.join("src")).unwrap());
        f.write("src/a", "1");
        // the event of the write may not have come yet
        f.watcher.take().unwrap().finish();
        let mut seen = Vec::new();
        loop {
            let next = f
                .runtime
                .block_on(async { tokio::time::timeout(Duration::from_secs(20), f.changes.recv()).await });
            let Some(set) = next.expect("changes or their end come") else { break };
            seen.extend(set.changes.into_iter().map(|change| change.path));
        }
        assert!(seen.contains(&f.path("src/a")), "{seen:?}");
    }
}
