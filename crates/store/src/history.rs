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

/// How much of the past is kept. Old changes hold old objects in memory, so their number alone is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Never more changes than this.
    pub changes: usize,
    /// Nor more than this weight (bytes of JSON, as the committer tells it) …
    pub weight: usize,
    /// … but so many changes are kept whatever they weigh.
    pub at_least: usize,
}

/// Only their number is limited.
impl From<usize> for Limits {
    fn from(changes: usize) -> Self {
        Self { changes, weight: usize::MAX, at_least: 0 }
    }
}

#[derive(Debug)]
pub(crate) struct History {
    ring: VecDeque<(Change, usize)>,
    limits: Limits,
    weight: usize,
    /// Everything after this version is in the ring.
    complete_after: u64,
}

impl History {
    pub(crate) fn new(limits: Limits, complete_after: u64) -> Self {
        Self { ring: VecDeque::new(), limits, weight: 0, complete_after }
    }

    pub(crate) fn push(&mut self, change: Change, weight: usize) {
        self.ring.push_back((change, weight));
        self.weight += weight;
        while self.is_over() {
            let Some((dropped, weight)) = self.ring.pop_front() else { break };
            self.weight -= weight;
            self.complete_after = dropped.version;
        }
    }

    fn is_over(&self) -> bool {
        let Limits { changes, weight, at_least } = self.limits;
        self.ring.len() > changes || (self.weight > weight && self.ring.len() > at_least)
    }

    pub(crate) fn since(&self, version: u64, limit: usize) -> Result<Vec<Change>, Expired> {
        if version < self.complete_after {
            return Err(Expired { wanted: version, oldest: self.complete_after });
        }
        let start = self.ring.partition_point(|(change, _)| change.version <= version);
        Ok(self.ring.iter().skip(start).take(limit).map(|(change, _)| change.clone()).collect())
    }
}
