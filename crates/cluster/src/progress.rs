//! What the daemon tells the command that started it: one JSON line a phase, until it is ready or has failed.

use serde::{Deserialize, Serialize};
use std::io::Write;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum BootLine {
    /// A phase is done: its name, what there is to say of it, and how long it took.
    Phase {
        name: String,
        detail: String,
        millis: u64,
    },
    /// Something that the user should know, and that does not stop the cluster.
    Warning {
        text: String,
    },
    Ready,
    /// The daemon gives up: an error, its causes outermost first, and what to do.
    Failed {
        error: String,
        causes: Vec<String>,
        hint: Option<String>,
    },
}

/// The daemon's end of the pipe.
pub(crate) struct Reporter(Option<std::io::Stdout>);

impl Reporter {
    pub(crate) fn to_stdout() -> Self {
        Self(Some(std::io::stdout()))
    }

    /// A starter that went away is no reason to stop.
    pub(crate) fn say(&mut self, line: &BootLine) {
        let text = serde_json::to_string(line).expect("plain data");
        if let Some(out) = &mut self.0
            && writeln!(out, "{text}").and_then(|()| out.flush()).is_err()
        {
            self.0 = None;
        }
    }
}
