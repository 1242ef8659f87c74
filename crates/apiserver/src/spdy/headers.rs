//! Header blocks: name-value pairs, compressed by one zlib stream a direction and connection.

use super::dictionary::dictionary;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};

/// More than any client sends.
const LARGEST: usize = 1 << 20;

fn broken(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

pub(super) struct Inflate(Decompress);

impl Inflate {
    pub(super) fn new() -> Self {
        Self(Decompress::new(true))
    }

    pub(super) fn headers(&mut self, block: &[u8]) -> Result<HashMap<String, String>> {
        parse(&self.inflate(block)?).ok_or_else(|| broken("header block cut short"))
    }

    fn inflate(&mut self, mut block: &[u8]) -> Result<Vec<u8>> {
        let mut plain = Vec::with_capacity(1024);
        loop {
            plain.reserve(1024);
            let before = (self.0.total_in(), self.0.total_out());
            match self.0.decompress_vec(block, &mut plain, FlushDecompress::Sync) {
                Err(error) if error.needs_dictionary().is_some() => {
                    let taken = (self.0.total_in() - before.0) as usize;
                    self.0.set_dictionary(&dictionary()).map_err(|_| broken("another header dictionary"))?;
                    block = &block[taken..];
                    continue;
                }
                Err(_) => return Err(broken("header block not compressed as it should be")),
                Ok(Status::StreamEnd) => return Ok(plain),
                Ok(Status::Ok | Status::BufError) => {}
            }
            block = &block[(self.0.total_in() - before.0) as usize..];
            if plain.len() > LARGEST {
                return Err(broken("header block too large"));
            }
            let still = (self.0.total_in(), self.0.total_out()) == before;
            if still || (block.is_empty() && plain.len() < plain.capacity()) {
                return Ok(plain);
            }
        }
    }
}

fn parse(mut plain: &[u8]) -> Option<HashMap<String, String>> {
    let number = |plain: &mut &[u8]| -> Option<usize> {
        let (head, rest) = plain.split_at_checked(4)?;
        *plain = rest;
        Some(u32::from_be_bytes(head.try_into().ok()?) as usize)
    };
    let count = number(&mut plain)?;
    let mut headers = HashMap::new();
    for _ in 0..count {
        let mut text = || {
            let length = number(&mut plain)?;
            let (head, rest) = plain.split_at_checked(length)?;
            plain = rest;
            Some(String::from_utf8_lossy(head).into_owned())
        };
        let (name, value) = (text()?, text()?);
        headers.insert(name.to_ascii_lowercase(), value);
    }
    Some(headers)
}

pub(super) struct Deflate(Compress);

impl Deflate {
    pub(super) fn new() -> Self {
        let mut deflate = Compress::new(Compression::fast(), true);
        deflate.set_dictionary(&dictionary()).expect("a fresh stream takes a dictionary");
        Self(deflate)
    }

    /// A block without headers: what a stream is answered with.
    pub(super) fn no_headers(&mut self) -> Result<Vec<u8>> {
        self.block(&0u32.to_be_bytes())
    }

    fn block(&mut self, plain: &[u8]) -> Result<Vec<u8>> {
        let mut block = Vec::with_capacity(plain.len() + 256);
        self.0
            .compress_vec(plain, &mut block, FlushCompress::Sync)
            .map_err(|_| broken("cannot compress a header block"))?;
        Ok(block)
    }

    #[cfg(test)]
    pub(super) fn headers(&mut self, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = (headers.len() as u32).to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend_from_slice(&(text.len() as u32).to_be_bytes());
            plain.extend_from_slice(text.as_bytes());
        }
        self.block(&plain).expect("compresses")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_one_connection_share_their_history() {
        let (mut deflate, mut inflate) = (Deflate::new(), Inflate::new());
        let long = "x".repeat(5000);
        for value in ["stdin", "stdout", &long, "", "error"] {
            let block = deflate.headers(&[("streamType", value), ("port", "80")]);
            let headers = inflate.headers(&block).expect("inflates");
            assert_eq!(headers["streamtype"], value);
            assert_eq!(headers["port"], "80");
        }
        assert!(inflate.headers(b"nonsense").is_err());
    }
}
