//! An evaluation of the Tiltfile on a thread of its own: it runs commands, and its recursion needs a deep stack.

use crate::deploy::in_gos_words;
use crate::host::OsHost;
use std::path::PathBuf;
use std::time::Instant;
use tiltfile::{Evaluation, Level, Report, Settings, TiltfileError};

/// As [`evaluate`], with the lines before and after it that Tilt's users know.
pub async fn evaluate_aloud(host: OsHost, tiltfile: PathBuf, settings: Settings) -> Evaluation {
    let (print, began) = (host.print.clone(), Instant::now());
    print(Level::Info, &format!("Loading Tiltfile at: {}", tiltfile.display()));
    let evaluation = evaluate(host, tiltfile, settings).await;
    if evaluation.error.is_none() {
        print(Level::Info, &format!("Successfully loaded Tiltfile ({})", in_gos_words(began.elapsed())));
    }
    evaluation
}

/// Evaluates. A panic of the interpreter is an error of the evaluation, and not the end of the session.
pub async fn evaluate(host: OsHost, tiltfile: PathBuf, settings: Settings) -> Evaluation {
    let evaluated = on_a_deep_stack(move || tiltfile::evaluate(&host, &tiltfile, &settings)).await;
    evaluated.unwrap_or_else(|message| Evaluation {
        error: Some(TiltfileError {
            message,
            traceback: String::new(),
            position: None,
            excerpt: None,
            hint: None,
        }),
        ..Evaluation::default()
    })
}

/// Looks for all that is wrong with a Tiltfile.
pub async fn check(host: OsHost, tiltfile: PathBuf, settings: Settings) -> Result<Report, String> {
    on_a_deep_stack(move || tiltfile::check(&host, &tiltfile, &settings)).await
}

async fn on_a_deep_stack<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, String> {
    let (ended, end) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("tiltfile".into())
        .stack_size(tiltfile::STACK_BYTES)
        .spawn(move || {
            widen_heap();
            drop(ended.send(work()));
        })
        .map_err(|error| format!("cannot start a thread for the evaluation: {error}"))?;
    if let Ok(result) = end.await {
        return Ok(result);
    }
    let panic = thread.join().err();
    let text = panic.as_ref().and_then(|p| {
        p.downcast_ref::<String>().map(String::as_str).or_else(|| p.downcast_ref::<&str>().copied())
    });
    Err(format!("the evaluation broke: {}", text.unwrap_or("its thread ended")))
}

/// Makes the thread's heap large at once. glibc lets the heap of a thread that is not the first grow page by page, with a
/// system call for each: 300 of them for a small Tiltfile, a tenth of its time. Memory that is not used is not taken.
fn widen_heap() {
    // below the size from which blocks get mappings of their own
    const BLOCK: usize = 96 << 10;
    const BLOCKS: usize = 48;
    let blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| Vec::with_capacity(BLOCK)).collect();
    drop(std::hint::black_box(blocks));
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_panic_is_an_error() {
        let result = super::on_a_deep_stack(|| assert_eq!(1, 2, "no")).await;
        assert!(result.is_err_and(|text| text.starts_with("the evaluation broke: assertion")));
    }
}
