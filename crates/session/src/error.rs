//! What can go wrong in a session as a whole. Failures of single updates are events of the dev loop instead.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("cannot connect to the cluster of context {context}")]
    Connect { context: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("No Tiltfile found at paths '{path}'. Check out https://docs.tilt.dev/tutorial.html")]
    NoTiltfile { path: PathBuf },
    #[error("the Tiltfile has an error")]
    Tiltfile { text: String, hint: Option<String> },
    #[error("cannot watch the project's files")]
    Watch(#[from] watch::Error),
    #[error("the cluster refused {what}")]
    Refused { what: String, source: kube::Error },
}

impl SessionError {
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTiltfile { .. } => {
                Some("run it in the project's folder, or name the file with -f".into())
            }
            Self::Tiltfile { hint, .. } => hint.clone(),
            Self::Watch(watch::Error::NoWatchesLeft { hint, .. }) => Some(hint.clone()),
            _ => None,
        }
    }
}

/// An error with its causes, on one line. What the API server refused is told in its own words alone.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let own_words = |e: &(dyn std::error::Error + 'static)| match e.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Some(status.message.clone()),
        _ => None,
    };
    let mut text = own_words(error).unwrap_or_else(|| error.to_string());
    let mut source = if own_words(error).is_some() { None } else { error.source() };
    while let Some(cause) = source {
        let cause_text = own_words(cause).unwrap_or_else(|| cause.to_string());
        // Many libraries repeat their cause in their own text.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
