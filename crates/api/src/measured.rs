//! What the node has measured last. It is of the moment and is not stored.

use crate::Api;
use parking_lot::RwLock;
use schema::measured::Measured;
use std::sync::Arc;

#[derive(Default)]
pub(crate) struct Latest(RwLock<Arc<Measured>>);

impl Api {
    /// Empty until a node has measured twice.
    pub fn measured(&self) -> Arc<Measured> {
        self.inner.measured.0.read().clone()
    }

    pub fn set_measured(&self, measured: Measured) {
        *self.inner.measured.0.write() = Arc::new(measured);
    }
}
