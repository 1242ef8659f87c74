//! Runs build graphs and caches layers by content.
//!
//! [`Builder::build`] reads the Dockerfile, plans it, and carries the stages out. Every step has a key made of
//! everything that its result depends on (files before it, the command with its environment, digests of what is
//! copied); a known key costs a look-up. RUN steps are containers of [`runtime`]; COPY needs none.

mod build;
mod cache;
mod copy;
mod error;
mod gather;
mod hints;
mod instruction;
mod memo;
mod output;
mod owner;
mod place;
mod request;
mod run;
mod runner;
mod state;
pub mod trust;

#[cfg(test)]
mod tests;

pub use error::{Error, Result};
pub use request::{BuildEvent, BuildRequest};

use build::{Build, blocking};
use images::{Image, Images};
use parking_lot::Mutex;
use runner::Runner;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Sender;

/// Cache mounts that only one step may use at a time.
pub(crate) type Locks = Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>;

/// Builds images into the store. Cheap to clone; builds may run side by side.
#[derive(Clone)]
pub struct Builder {
    images: Images,
    runner: Runner,
    root: PathBuf,
    locks: Locks,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Builder {
    /// `root` keeps the step cache and cache mounts.
    pub fn new(images: Images, runtime: runtime::Runtime, root: PathBuf) -> Builder {
        Builder { images, runner: Runner::Runtime(runtime), root, locks: Locks::default() }
    }

    /// To be called once when the daemon starts, before any build: removes containers of steps that were running when
    /// an earlier daemon was killed (their ids begin with `build-`), and cache entries whose layers are gone.
    pub async fn recover(&self) -> Result<()> {
        self.runner.remove_stale().await.map_err(|source| Error::Recover { source })?;
        let builder = self.clone();
        blocking(move || cache::Cache::open(&builder.root)?.prune(&builder.images).map(drop)).await
    }

    /// Builds and tags. The last event is `Built` or `Failed`. Dropping the future stops the build and cleans up.
    pub async fn build(&self, request: BuildRequest, events: Sender<BuildEvent>) -> Result<Image> {
        let since = Instant::now();
        match self.carry_out(request, events.clone()).await {
            Ok((image, cached)) => {
                let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                let (name, digest) = (image.name.clone(), image.digest.clone());
                // Whoever asked may have stopped listening; the image is there all the same.
                let _gone = events.send(BuildEvent::Built { image: name, digest, cached, millis }).await;
                Ok(image)
            }
            Err(error) => {
                let failed =
                    BuildEvent::Failed { message: error.chain(), line: error.line(), hint: error.hint() };
                let _gone = events.send(failed).await;
                Err(error)
            }
        }
    }

    async fn carry_out(&self, request: BuildRequest, events: Sender<BuildEvent>) -> Result<(Image, bool)> {
        let builder = self.clone();
        let build = blocking(move || {
            Build::prepare(builder.images, builder.runner, builder.root, builder.locks, request, events)
        })
        .await?;
        let image = build.run().await?;
        Ok((image, !build.worked()))
    }
}
