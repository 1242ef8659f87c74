//! The ring of the latest changes, from which watches catch up.

use crate::Change;
use std::collections::VecDeque;

/// The wanted version is older than the history reaches; the reader must list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {wanted} ({oldest})")]
pub struct Expired {
    pub wanted: u64,
    /// The oldest version that a watch could start from.
    pub oldest: u64,
}

#[derive(Debug)]
pub(crate) struct History {
    ring: VecDeque<Change>,
    capacity: usize,
    /// Everything after this version is in the ring.
    complete_after: u64,
}

impl History {
    pub(crate) fn new(capacity: usize, complete_after: u64) -> Self {
        Self { ring: VecDeque::new(), capacity, complete_after }
    }

    pub(crate) fn push(&mut self, change: Change) {
        if self.ring.len() == self.capacity
            && let Some(dropped) = self.ring.pop_front()
        {
            self.complete_after = dropped.version;
        }
        self.ring.push_back(change);
    }

    pub(crate) fn since(&self, version: u64, limit: usize) -> Result<Vec<Change>, Expired> {
        if version < self.complete_after {
            return Err(Expired { wanted: version, oldest: self.complete_after });
        }
        let start = self.ring.partition_point(|change| change.version <= version);
        Ok(self.ring.iter().skip(start).take(limit).cloned().collect())
    }
}
