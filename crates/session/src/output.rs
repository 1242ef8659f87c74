//! What a session says, as values; the command line prints them, tests collect them.

use devloop::{Line, ResourceStatus};

/// Where a session's words go. Called from several tasks.
pub trait Output: Send + Sync {
    /// A step of the dev loop.
    fn line(&self, line: &Line);
    /// Text of a build, a command or a container: whole lines or pieces of them, not to be trusted in a terminal.
    fn log(&self, resource: &str, source: LogSource, text: &str);
    fn status(&self, resource: &str, status: &ResourceStatus);
    /// A resource's local address, when it begins to listen.
    fn forwarding(&self, resource: &str, url: &str);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    Build,
    Container,
    Local,
    Tiltfile,
}
