//! How a command fails: what to print, and the exit code that says whose fault it was.

use std::error::Error;

#[derive(Debug)]
pub struct Failure {
    pub message: String,
    pub causes: Vec<String>,
    pub hint: Option<String>,
    pub exit: u8,
}

/// The user's code or manifests.
pub const YOURS: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;
/// Ours, or the machine's.
pub const OURS: u8 = 3;
pub const INTERRUPTED: u8 = 130;

impl Failure {
    pub fn new(exit: u8, message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), hint: None, exit }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn of(exit: u8, error: &dyn Error) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { message: error.to_string(), causes, hint: None, exit }
    }
}

impl From<cluster::control::ControlError> for Failure {
    fn from(error: cluster::control::ControlError) -> Self {
        use cluster::control::ControlError;
        match error {
            ControlError::Boot { error, causes, hint } => Self { message: error, causes, hint, exit: OURS },
            ControlError::NotFound { .. } => Self::of(USAGE, &error)
                .hint("`coracle cluster list` shows the clusters, `coracle cluster create` makes one"),
            ControlError::Exists { .. } => Self::of(USAGE, &error),
            other => Self::of(OURS, &other),
        }
    }
}

impl From<session::SessionError> for Failure {
    fn from(error: session::SessionError) -> Self {
        let hint = error.hint();
        let (exit, message) = match &error {
            // a message without a traceback says by itself what is wrong
            session::SessionError::Tiltfile { text, .. } if !text.starts_with("Traceback") => {
                (YOURS, text.clone())
            }
            session::SessionError::Tiltfile { text, .. } => (YOURS, format!("{error}\n{text}")),
            session::SessionError::NoTiltfile { .. } => (USAGE, error.to_string()),
            _ => (OURS, error.to_string()),
        };
        Self { message, hint, ..Self::of(exit, &error) }
    }
}

impl From<images::Error> for Failure {
    fn from(error: images::Error) -> Self {
        let hint = error.hint();
        Self { hint, ..Self::of(OURS, &error) }
    }
}

pub type Done = Result<(), Failure>;
