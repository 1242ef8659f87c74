//! Back-off between restarts and between pulls: 10 s, doubling up to 5 minutes.

use jiff::{SignedDuration, Timestamp};

const FIRST: i64 = 10;
const MOST: i64 = 300;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    seconds: i64,
    updated: Option<Timestamp>,
}

impl Backoff {
    /// When something that failed at `failed` may be tried again; the past for the first failure.
    pub(crate) fn until(&self, failed: Timestamp) -> Timestamp {
        match self.updated {
            Some(updated) if !expired(updated, failed) => after(failed, self.seconds),
            _ => failed,
        }
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.seconds
    }

    pub(crate) fn updated(&self) -> Option<Timestamp> {
        self.updated
    }

    /// Counts one more try, of something that failed at `failed`.
    pub(crate) fn next(&mut self, failed: Timestamp, now: Timestamp) {
        self.seconds = match self.updated {
            Some(updated) if !expired(updated, failed) => (self.seconds * 2).min(MOST),
            _ => FIRST,
        };
        self.updated = Some(now);
    }

    /// The back-off of something that has been tried so often already.
    pub(crate) fn after_tries(tries: u32, now: Timestamp) -> Self {
        let seconds = FIRST << tries.saturating_sub(1).min(5);
        if tries == 0 { Self::default() } else { Self { seconds: seconds.min(MOST), updated: Some(now) } }
    }
}

/// Ten good minutes make up for everything.
fn expired(updated: Timestamp, failed: Timestamp) -> bool {
    failed.duration_since(updated).as_secs() > 2 * MOST
}

pub(crate) fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}
