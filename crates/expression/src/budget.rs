//! What an evaluation may cost.

use crate::Failure;
use std::cell::Cell;

/// Steps that are left; a step is about what upstream counts as a cost of one.
#[derive(Debug)]
pub struct Budget {
    left: Cell<u64>,
    given: u64,
}

impl Budget {
    pub fn new(steps: u64) -> Self {
        Self { left: Cell::new(steps), given: steps }
    }

    pub fn spent(&self) -> u64 {
        self.given - self.left.get()
    }

    pub(crate) fn take(&self, steps: usize) -> Result<(), Failure> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        match self.left.get().checked_sub(steps) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(Failure::Budget)
            }
        }
    }

    /// Going through a text or bytes: a tenth of its length.
    pub(crate) fn take_length(&self, length: usize) -> Result<(), Failure> {
        self.take(length / 10)
    }
}
