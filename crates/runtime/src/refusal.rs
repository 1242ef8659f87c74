//! Why a role could not do what it was asked, as it goes over the channel to the daemon.

use serde::{Deserialize, Serialize};
use std::io;

/// Why a program could not be started, and the exit code that a shell would give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: i32,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn setup(what: &str) -> impl Fn(io::Error) -> Self + '_ {
        move |error| Self::new(128, format!("{what}: {}", plain(&error)))
    }
}

/// The error as C and Go programs write it: "no such file or directory", without a number.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    match error.raw_os_error() {
        Some(_) => text.to_lowercase(),
        None => text.to_string(),
    }
}
