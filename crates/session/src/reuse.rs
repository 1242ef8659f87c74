//! What `kustomize()` and `helm()` gave in an earlier evaluation, for as long as nothing that it was made of changes.
//!
//! `local()` is not here: nobody knows what a command reads, so its output is never used twice.

use std::collections::HashMap;
use std::hash::Hash;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tiltfile::{HelmRequest, HostError, KustomizeRequest, Rendered};

/// Results by what was asked for; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Renderings {
    known: Arc<Mutex<HashMap<Key, Known>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Kustomize(KustomizeRequest),
    /// With the variables of the environment that helm reads.
    Helm(HelmRequest, Vec<(String, String)>),
}

impl Key {
    pub(crate) fn helm(request: &HelmRequest, environ: Vec<(String, String)>) -> Self {
        let reads =
            |name: &str| name.starts_with("HELM_") || matches!(name, "PATH" | "HOME" | "XDG_CONFIG_HOME");
        Self::Helm(request.clone(), environ.into_iter().filter(|(name, _)| reads(name)).collect())
    }
}

/// A new result.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) rendered: Rendered,
    /// Nothing but the files that were read has a say in it.
    pub(crate) of_files_alone: bool,
}

#[derive(Debug)]
struct Known {
    rendered: Rendered,
    inputs: Vec<(PathBuf, Stamp)>,
}

/// What a path was. `None`: nothing.
type Stamp = Option<Identity>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// File systems keep times in ticks of up to 10 ms: a file that was written just before it was read may be written
/// once more within the same tick.
const TICK: Duration = Duration::from_millis(50);
/// More inputs than this cost more to look at than the rendering.
const MAX_INPUTS: usize = 5_000;

impl Renderings {
    /// The result of last time if all its inputs are as they were, else a new one, made at `began`.
    pub(crate) fn get(
        &self,
        key: Key,
        began: SystemTime,
        render: impl FnOnce() -> Result<Fresh, HostError>,
    ) -> Result<Rendered, HostError> {
        if let Some(known) = self.lock().get(&key)
            && known.inputs.iter().all(|(path, stamp)| stamp_of(path) == *stamp)
        {
            tracing::debug!(?key, "reused");
            return Ok(known.rendered.clone());
        }
        let Fresh { rendered, of_files_alone } = render()?;
        let inputs = match of_files_alone {
            true => inputs(&rendered.files_read).filter(|i| i.iter().all(|(_, s)| is_older(s, began))),
            false => None,
        };
        match inputs {
            Some(inputs) => drop(self.lock().insert(key, Known { rendered: rendered.clone(), inputs })),
            None => drop(self.lock().remove(&key)),
        }
        Ok(rendered)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp_of(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// It did not change since well before that moment.
fn is_older(stamp: &Stamp, moment: SystemTime) -> bool {
    let Some(identity) = stamp else { return true };
    let limit = moment.checked_sub(TICK).and_then(|m| m.duration_since(SystemTime::UNIX_EPOCH).ok());
    let Some(limit) = limit else { return false };
    let limit = (i64::try_from(limit.as_secs()).unwrap_or(i64::MAX), i64::from(limit.subsec_nanos()));
    identity.modified.max(identity.changed) < limit
}

/// The files with their directories: in these a file may appear that would be read too. `None`: too many.
fn inputs(files: &[PathBuf]) -> Option<Vec<(PathBuf, Stamp)>> {
    let mut paths = std::collections::BTreeSet::new();
    let mut waiting: Vec<PathBuf> = files.to_vec();
    while let Some(path) = waiting.pop() {
        if paths.len() > MAX_INPUTS {
            return None;
        }
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).ok()?.flatten().map(|e| e.path()));
        } else {
            paths.extend(path.parent().map(Path::to_owned));
        }
        paths.insert(path);
    }
    Some(paths.into_iter().map(|path| (path.clone(), stamp_of(&path))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn as_long_as_inputs_stay() {
        let scratch = tempfile::tempdir().expect("a folder");
        let (file, chart) = (scratch.path().join("values.yaml"), scratch.path().join("chart"));
        let write = |path: &Path, text: &str| std::fs::write(path, text).expect("a file");
        std::fs::create_dir(&chart).expect("a folder");
        write(&file, "a");
        write(&chart.join("Chart.yaml"), "b");
        let renderings = Renderings::default();
        let rounds = Cell::new(0);
        let ask = |later: Duration| {
            let key = KustomizeRequest { dir: chart.clone(), flags: Vec::new(), program: None };
            let files_read = vec![file.clone(), chart.clone()];
            let render = || {
                rounds.set(rounds.get() + 1);
                let rendered = Rendered { yaml: rounds.get().to_string(), files_read };
                Ok(Fresh { rendered, of_files_alone: true })
            };
            let now = SystemTime::now() + later;
            renderings.get(Key::Kustomize(key), now, render).expect("it renders").yaml
        };
        let (now, later) = (Duration::ZERO, Duration::from_secs(60));
        // files that were written just now may change within the same tick: nothing is kept
        assert_eq!([ask(now), ask(now)], ["1", "2"]);
        assert_eq!([ask(later), ask(later)], ["3", "3"]);
        write(&file, "longer");
        assert_eq!([ask(later), ask(later)], ["4", "4"]);
        // a new file in a directory that was read
        write(&chart.join("new.yaml"), "d");
        assert_eq!([ask(later), ask(later)], ["5", "5"]);
        std::fs::remove_file(&file).expect("it goes");
        assert_eq!([ask(later), ask(later)], ["6", "6"]);
    }
}
