//! What a step prints, as it prints it.

use crate::error::{Error, Result};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// How many of the last lines an error shows.
const LAST: usize = 25;

pub(crate) struct Output {
    file: File,
    /// The beginning of a character whose end is not written yet.
    half: Vec<u8>,
    lines: VecDeque<String>,
    line: String,
    /// A carriage return was the last thing: either a line ends, or a progress bar draws over itself.
    returned: bool,
}

impl Output {
    /// How long to wait before looking for more.
    pub(crate) const PAUSE: Duration = Duration::from_millis(25);

    pub(crate) fn open(path: &Path) -> Result<Output> {
        let file = File::open(path).map_err(Error::file("open", path))?;
        Ok(Output { file, half: Vec::new(), lines: VecDeque::new(), line: String::new(), returned: false })
    }

    /// What was printed since the last time, a piece at a time.
    pub(crate) fn read(&mut self) -> Option<String> {
        let mut buffer = vec![0; 1 << 14];
        let count = self.file.read(&mut buffer).ok().filter(|count| *count > 0)?;
        self.half.extend_from_slice(&buffer[..count]);
        let whole = match std::str::from_utf8(&self.half) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.half.len(),
        };
        let text = String::from_utf8_lossy(&self.half[..whole]).into_owned();
        self.half.drain(..whole);
        for char in text.chars() {
            if std::mem::replace(&mut self.returned, char == '\r') && char != '\n' {
                self.line.clear();
            }
            match char {
                '\n' => {
                    self.lines.push_back(std::mem::take(&mut self.line));
                    if self.lines.len() > LAST {
                        self.lines.pop_front();
                    }
                }
                '\r' => {}
                other => self.line.push(other),
            }
        }
        Some(text)
    }

    pub(crate) fn last_lines(&self) -> Vec<String> {
        let rest = (!self.line.is_empty()).then(|| self.line.clone());
        self.lines.iter().cloned().chain(rest).filter(|line| !line.trim().is_empty()).collect()
    }
}
