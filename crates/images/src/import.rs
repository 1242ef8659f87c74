//! Archives become images.
use crate::error::{Error, Result};
use crate::{Image, Images};
use oci::RunConfig;
use std::io::Read;
use std::path::Path;

impl Images {
    pub async fn import(&self, path: &Path) -> Result<Vec<Image>> {
        Err(Error::NotAnArchive { what: path.display().to_string() })
    }
    pub fn import_reader(&self, _reader: impl Read, what: &str) -> Result<Vec<Image>> {
        Err(Error::NotAnArchive { what: what.to_owned() })
    }
    /// Blocks.
    pub fn import_rootfs(&self, _reader: impl Read, name: &str, _config: RunConfig) -> Result<Image> {
        Err(Error::NotAnArchive { what: name.to_owned() })
    }
}
