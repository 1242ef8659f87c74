//! What a build is asked for, and what it tells while it runs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildRequest {
    /// Folder whose files COPY and ADD see.
    pub context: PathBuf,
    /// The Dockerfile's text, and the path that messages name.
    pub dockerfile: String,
    pub dockerfile_path: PathBuf,
    /// `.dockerignore` text if it is not `context/.dockerignore` (a `<Dockerfile>.dockerignore` beside it wins).
    pub ignore: Option<String>,
    pub args: BTreeMap<String, String>,
    pub target: Option<String>,
    /// Names that the result gets.
    pub tags: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// Do not read the cache (it is still written).
    pub no_cache: bool,
    /// Give RUN steps the host's CA bundle and proxy variables (on unless the user turned it off).
    pub host_trust: bool,
}

/// Progress, in order. Sent as JSON lines by the daemon.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum BuildEvent {
    /// A step begins: `[stage 2/5] RUN pip install .`
    Step {
        number: usize,
        of: usize,
        text: String,
    },
    /// The step's result was in the cache.
    Cached {
        number: usize,
    },
    /// Bytes that a RUN step printed (lossy UTF-8, may be half a line).
    Output {
        text: String,
    },
    Done {
        number: usize,
        millis: u64,
    },
    /// A base image is being pulled: name, bytes so far.
    Pull {
        name: String,
        bytes: u64,
    },
    /// The last event of a good build.
    Built {
        image: String,
        digest: String,
        cached: bool,
        millis: u64,
    },
    /// The last event of a failed one. `line` is in the Dockerfile, 1-based.
    Failed {
        message: String,
        line: Option<usize>,
        hint: Option<String>,
    },
}
