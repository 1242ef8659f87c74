//! The log of a container: raw bytes, or lines in the CRI format with a stamp, a stream name and a tag
//! (`F` for a full line, `P` for a part of one).

use crate::spec::LogTarget;
use crate::state::now;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Longer lines are written in parts, as the kubelet's runtimes do.
const LINE_LIMIT: usize = 16 * 1024;
/// Then the file becomes `<file>.1` and a new one begins.
const FILE_LIMIT: u64 = 10 * 1024 * 1024;

pub(crate) struct Log {
    target: LogTarget,
    file: File,
    written: u64,
    /// What each stream has of an unfinished line.
    pending: [Vec<u8>; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl Log {
    pub(crate) fn open(target: &LogTarget) -> io::Result<Self> {
        let (LogTarget::File(path) | LogTarget::Raw(path)) = target;
        let file = append(path)?;
        let written = file.metadata()?.len();
        Ok(Self { target: target.clone(), file, written, pending: Default::default() })
    }

    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if matches!(self.target, LogTarget::Raw(_)) {
            return self.file.write_all(bytes);
        }
        let mut pending = std::mem::take(&mut self.pending[stream as usize]);
        pending.extend_from_slice(bytes);
        let mut rest = pending.as_slice();
        let mut out = Vec::new();
        loop {
            let window = &rest[..rest.len().min(LINE_LIMIT)];
            match window.iter().position(|b| *b == b'\n') {
                Some(end) => {
                    line(&mut out, stream, "F", &rest[..end]);
                    rest = &rest[end + 1..];
                }
                None if rest.len() >= LINE_LIMIT => {
                    line(&mut out, stream, "P", window);
                    rest = &rest[LINE_LIMIT..];
                }
                None => break,
            }
        }
        self.pending[stream as usize] = rest.to_vec();
        self.append(&out)
    }

    /// An unfinished line at the end of a stream is a part, as it has no line end.
    pub(crate) fn finish(&mut self, stream: Stream) -> io::Result<()> {
        let rest = std::mem::take(&mut self.pending[stream as usize]);
        if rest.is_empty() || matches!(self.target, LogTarget::Raw(_)) {
            return Ok(());
        }
        let mut out = Vec::new();
        line(&mut out, stream, "P", &rest);
        self.append(&out)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.written > FILE_LIMIT {
            self.rotate()?;
        }
        self.written += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let LogTarget::File(path) = &self.target else { return Ok(()) };
        let mut old = path.clone().into_os_string();
        old.push(".1");
        std::fs::rename(path, PathBuf::from(old))?;
        self.file = append(path)?;
        self.written = 0;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

fn line(out: &mut Vec<u8>, stream: Stream, tag: &str, text: &[u8]) {
    out.extend_from_slice(now().as_bytes());
    out.extend_from_slice(format!(" {} {tag} ", stream.name()).as_bytes());
    out.extend_from_slice(text);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_stamped_and_long_ones_are_split() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("0.log");
        let mut log = Log::open(&LogTarget::File(path.clone())).expect("opened");
        log.write(Stream::Stdout, b"one\ntw").expect("written");
        log.write(Stream::Stderr, b"err\n").expect("written");
        log.write(Stream::Stdout, b"o\n").expect("written");
        log.write(Stream::Stdout, &vec![b'x'; LINE_LIMIT + 1]).expect("written");
        log.finish(Stream::Stdout).expect("written");
        let text = std::fs::read_to_string(path).expect("readable");
        let lines: Vec<String> = text
            .lines()
            .map(|l| {
                let (stamp, rest) = l.split_once(' ').expect("a stamp");
                assert_eq!(stamp.len(), 30, "{stamp}");
                if rest.len() > 100 { format!("{}…{}", &rest[..10], rest.len()) } else { rest.to_string() }
            })
            .collect();
        assert_eq!(lines, ["stdout F one", "stderr F err", "stdout F two", "stdout P x…16393", "stdout P x"]);
    }
}
