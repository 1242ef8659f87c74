//! What a kustomize build needs from outside its directory, for real: addresses, git repositories, programs.
//!
//! One [`World`] serves one build. What comes over the network is kept in a cache in the user's folder, see
//! [`cache`]; scratch files go with the value. kustomize builds are synchronous while HTTP is not, so that runs on a
//! thread of its own, whoever calls.

mod cache;
mod http;
mod process;

use crate::repositories::{file_error, git};
use kustomize::{Checkout, Fetched, Output, Outside, OutsideError, Program, Repository};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

pub use cache::{Cache, Mode};

/// The world, as it is.
pub struct World {
    cache: Cache,
    /// Ends what it runs.
    interrupt: CancellationToken,
    /// Made on first use, removed with this value.
    scratch: Mutex<Option<Scratch>>,
    /// What this build has asked for already: it sees one state of the world.
    fetched: Mutex<HashMap<String, Fetched>>,
    checked_out: Mutex<HashMap<String, Checkout>>,
}

impl World {
    pub fn new(cache: Cache) -> World {
        World {
            cache,
            interrupt: CancellationToken::new(),
            scratch: Mutex::default(),
            fetched: Mutex::default(),
            checked_out: Mutex::default(),
        }
    }

    pub(crate) fn interrupted_by(self, interrupt: CancellationToken) -> World {
        World { interrupt, ..self }
    }

    /// With the cache that the environment asks for.
    pub fn from_environment() -> World {
        World::new(Cache::from_environment(|name| std::env::var(name).ok()))
    }

    fn scratch_dir(&self) -> Result<PathBuf, OutsideError> {
        let mut scratch = self.scratch.lock();
        if scratch.is_none() {
            *scratch = Some(Scratch::make(&std::env::temp_dir())?);
        }
        let made = scratch.as_mut().expect("it has just been made");
        made.next()
    }
}

impl Outside for World {
    fn fetch(&self, url: &str) -> Result<Fetched, OutsideError> {
        if let Some(known) = self.fetched.lock().get(url) {
            return Ok(Fetched { warnings: Vec::new(), ..known.clone() });
        }
        let fetched = self.cache.fetch(url, &self.interrupt)?;
        self.fetched.lock().insert(url.to_string(), fetched.clone());
        Ok(fetched)
    }

    fn checkout(&self, repository: &Repository) -> Result<Checkout, OutsideError> {
        let key = format!("{} {} {}", repository.clone_spec(), repository.reference, repository.submodules);
        if let Some(known) = self.checked_out.lock().get(&key) {
            return Ok(Checkout { warnings: Vec::new(), ..known.clone() });
        }
        let anew = || {
            let dir = self.scratch_dir()?;
            let commit = git::clone(&cache::source_of(repository), &dir, &self.interrupt)?;
            Ok(Checkout { dir: dir.to_string_lossy().into_owned(), commit, warnings: Vec::new() })
        };
        let checkout = match self.cache.mode {
            Mode::Off => anew()?,
            _ => match self.cache.checkout(repository, &self.interrupt) {
                // a build does not fail because nothing can be kept
                Err(OutsideError::File { .. }) => anew()?,
                other => other?,
            },
        };
        self.checked_out.lock().insert(key, checkout.clone());
        Ok(checkout)
    }

    fn run(&self, program: &Program) -> Result<Output, OutsideError> {
        process::run(program, &self.interrupt)
    }

    fn scratch(&self, name: &str, content: &[u8]) -> Result<String, OutsideError> {
        let path = self.scratch_dir()?.join(name);
        std::fs::write(&path, content).map_err(|e| file_error(&path, &e))?;
        Ok(path.to_string_lossy().into_owned())
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn is_executable(&self, path: &str) -> Option<bool> {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(path).ok()?;
        Some(metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    }
}

/// A folder of directories for one build.
struct Scratch {
    dir: PathBuf,
    count: usize,
}

impl Scratch {
    fn make(parent: &Path) -> Result<Scratch, OutsideError> {
        use std::os::unix::fs::DirBuilderExt;
        let dir = parent.join(format!("coracle-kustomize-{:016x}", rand::random::<u64>()));
        // rendered Secrets may pass through it
        std::fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|e| file_error(&dir, &e))?;
        Ok(Scratch { dir, count: 0 })
    }

    fn next(&mut self) -> Result<PathBuf, OutsideError> {
        let dir = self.dir.join(self.count.to_string());
        self.count += 1;
        std::fs::create_dir(&dir).map_err(|e| file_error(&dir, &e))?;
        Ok(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // what cannot be removed is in the system's own folder for that
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// Waits for a future on a thread of its own, as the caller may be one that must not wait in its runtime.
fn wait<T: Send>(future: impl Future<Output = T> + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(future))
        });
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests;
