//! Waiting for the world: look, pause a little, look again.

use anyhow::Context;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Tries until it succeeds; after `seconds` the last error is the answer.
pub fn until<T>(what: &str, seconds: u64, mut look: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let limit = Duration::from_secs(seconds);
    let began = Instant::now();
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(error) if began.elapsed() > limit => {
                return Err(error).with_context(|| format!("waited {seconds} s: {what}"));
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
