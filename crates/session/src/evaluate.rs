//! An evaluation of the Tiltfile on a thread of its own: it runs commands, and its recursion needs a deep stack.

use crate::host::OsHost;
use std::path::PathBuf;
use tiltfile::{Evaluation, Settings, TiltfileError};

/// Evaluates. A panic of the interpreter is an error of the evaluation, and not the end of the session.
pub async fn evaluate(host: OsHost, tiltfile: PathBuf, settings: Settings) -> Evaluation {
    let (ended, end) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("tiltfile".into())
        .stack_size(tiltfile::STACK_BYTES)
        .spawn(move || drop(ended.send(tiltfile::evaluate(&host, &tiltfile, &settings))));
    let broken = |message: String| Evaluation {
        error: Some(TiltfileError { message, traceback: String::new(), position: None, hint: None }),
        ..Evaluation::default()
    };
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => return broken(format!("cannot start a thread for the evaluation: {error}")),
    };
    match end.await {
        Ok(evaluation) => evaluation,
        Err(_) => {
            let panic = thread.join().err();
            let text = panic.as_ref().and_then(|p| {
                p.downcast_ref::<String>().map(String::as_str).or_else(|| p.downcast_ref::<&str>().copied())
            });
            broken(format!("the evaluation broke: {}", text.unwrap_or("its thread ended")))
        }
    }
}
