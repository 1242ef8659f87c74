//! The folders of sandboxes and containers: how they are laid out, read and written.

use crate::error::Error;
use crate::process::ProcessId;
use crate::spec::Exit;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// `containers/<id>/pid`: who runs the container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) shim: ProcessId,
    /// The container's first process, by its host pid.
    pub(crate) init: ProcessId,
    pub(crate) started_at: String,
}

/// One container's or sandbox's folder.
#[derive(Debug, Clone)]
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&std::fs::read(self.path(name)).ok()?).ok()
    }

    /// Whole or not at all, so that a reader never sees half a file.
    pub(crate) fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        let temporary = self.path(&format!(".{name}"));
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(value).map_err(io::Error::other)?)?;
        std::fs::rename(&temporary, self.path(name))
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        self.read("exit")
    }

    pub(crate) fn running(&self) -> Option<Running> {
        self.read("pid")
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
