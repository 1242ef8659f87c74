//! Images become archives.
use crate::error::{Error, Result};
use crate::Images;
use std::io::Write;

impl Images {
    pub fn export(&self, names: &[&str], _out: impl Write) -> Result<()> {
        Err(Error::NoImage { name: names.join(", ") })
    }
}
