//! The folders of sandboxes and containers: how they are laid out, read and written.
//!
//! `spec.json` what was asked for · `starting` locked while a role is starting · `pid` who runs it · `exit` how it
//! ended · `attach` the shim's socket · `shim.log` what a shim had to say · `upper`, `work`, `merged` the overlay.

use crate::cgroups::Group;
use crate::error::Error;
use crate::process::ProcessId;
use crate::spec::Exit;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// `containers/<id>/pid`: who runs the container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) shim: ProcessId,
    /// The container's first process, by its host pid.
    pub(crate) init: ProcessId,
    pub(crate) started_at: String,
    /// Where its cgroups are: a daemon that adopts it may itself be elsewhere.
    pub(crate) group: Group,
}

/// One container's or sandbox's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn exists(&self) -> bool {
        self.path("spec.json").exists()
    }

    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&std::fs::read(self.path(name)).ok()?).ok()
    }

    /// Whole or not at all, so that a reader never sees half a file. A spec may hold secrets: it is ours alone.
    pub(crate) fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        let temporary = self.path(&format!(".{name}-{}", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(value).map_err(io::Error::other)?)?;
        std::fs::rename(&temporary, self.path(name))
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        self.read("exit")
    }

    pub(crate) fn running(&self) -> Option<Running> {
        self.read("pid")
    }

    /// A new folder with the spec in it; what an earlier one of that name left is gone. The lock goes to the role, which
    /// lets go of it when it has started or failed: as long as it is held, the folder must not be judged.
    pub(crate) fn fresh(&self, spec: &impl Serialize) -> Result<File, Error> {
        self.remove()?;
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.0).map_err(Error::io("make", &self.0))?;
        let lock = File::create(self.path("starting")).map_err(Error::io("make the lock of", &self.0))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| Error::io("lock", &self.0)(errno.into()))?;
        self.write("spec.json", spec).map_err(Error::io("write the spec in", &self.0))?;
        Ok(lock)
    }

    pub(crate) fn remove(&self) -> Result<(), Error> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &self.0)(error)),
            _ => Ok(()),
        }
    }

    /// Whether a role is at its start now.
    pub(crate) fn is_starting(&self) -> bool {
        let Ok(lock) = File::open(self.path("starting")) else { return false };
        flock(&lock, FlockOperation::NonBlockingLockShared).is_err()
    }

    /// Waits until no role is at its start.
    pub(crate) async fn settled(&self) {
        if self.is_starting() {
            let path = self.path("starting");
            let waited = tokio::task::spawn_blocking(move || {
                File::open(path).and_then(|lock| Ok(flock(&lock, FlockOperation::LockShared)?))
            });
            // A lock that cannot be had is of a folder that is gone.
            let _ = waited.await;
        }
    }
}

/// Ids become folder and cgroup names.
pub(crate) fn check_id(id: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if id.is_empty() || id.starts_with('.') || !id.chars().all(legal) {
        return Err(Error::BadId { id: id.to_string() });
    }
    Ok(())
}

/// The names of the folders below `path`.
pub(crate) fn names(path: &Path) -> Vec<String> {
    std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

/// Now, as Kubernetes writes times with nanoseconds.
pub(crate) fn now() -> String {
    format!("{:.9}", jiff::Timestamp::now())
}
