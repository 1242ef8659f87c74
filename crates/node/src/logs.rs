//! Container logs: files in the CRI format (`TIME STREAM TAG TEXT`), served plain, whole or as they grow.

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use rustix::fs::inotify;
use std::future::Future;
use std::io::{self, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;
use tokio::fs::File;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;

#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) tail: Option<u64>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) timestamps: bool,
    pub(crate) limit_bytes: Option<u64>,
    /// `stdout` or `stderr`; both without.
    pub(crate) stream: Option<&'static str>,
}

const CHUNK: usize = 64 * 1024;

/// Sends the log; with `ended`, follows it until that future is through. Ends early when nobody listens any more.
pub(crate) async fn send(
    path: &Path,
    options: &Options,
    ended: Option<impl Future<Output = ()>>,
    to: mpsc::Sender<Bytes>,
) -> io::Result<()> {
    let mut file = File::open(path).await?;
    if let Some(lines) = options.tail {
        let start = tail_start(&mut file, lines).await?;
        file.seek(SeekFrom::Start(start)).await?;
    }
    let mut filter =
        Filter { options: options.clone(), rest: BytesMut::new(), new_line: true, left: options.limit_bytes };
    let Some(ended) = ended else {
        copy(&mut file, &mut filter, &to).await?;
        return Ok(());
    };
    let watch = Watch::new(path)?;
    tokio::pin!(ended);
    let mut over = false;
    loop {
        // What is written after this reading is signalled by the watch, which is older.
        if !copy(&mut file, &mut filter, &to).await? || over {
            return Ok(());
        }
        tokio::select! {
            () = &mut ended => over = true,
            changed = watch.changed() => changed?,
            () = to.closed() => return Ok(()),
        }
    }
}

/// Sends all that there is now; false when that is enough.
async fn copy(file: &mut File, filter: &mut Filter, to: &mpsc::Sender<Bytes>) -> io::Result<bool> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk).await?;
        if count == 0 {
            return Ok(filter.left != Some(0));
        }
        let out = filter.take(&chunk[..count]);
        if !out.is_empty() && to.send(out).await.is_err() {
            return Ok(false);
        }
        if filter.left == Some(0) {
            return Ok(false);
        }
    }
}

struct Filter {
    options: Options,
    /// The beginning of a line whose end is not there yet.
    rest: BytesMut,
    /// What comes next begins a line: long lines are in several pieces.
    new_line: bool,
    left: Option<u64>,
}

impl Filter {
    fn take(&mut self, bytes: &[u8]) -> Bytes {
        self.rest.extend_from_slice(bytes);
        let mut out = BytesMut::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line = self.rest.split_to(end + 1);
            self.line(&line[..end], &mut out);
        }
        if let Some(left) = &mut self.left {
            out.truncate(usize::try_from(*left).unwrap_or(usize::MAX).min(out.len()));
            *left -= out.len() as u64;
        }
        out.freeze()
    }

    fn line(&mut self, line: &[u8], out: &mut BytesMut) {
        let Some(entry) = Entry::read(line) else { return };
        if let Some(since) = self.options.since
            && entry.time().is_some_and(|time| time < since)
        {
            return;
        }
        if self.options.stream.is_some_and(|wanted| entry.stream != wanted.as_bytes()) {
            return;
        }
        if self.options.timestamps && self.new_line {
            out.extend_from_slice(entry.time);
            out.extend_from_slice(b" ");
        }
        out.extend_from_slice(entry.text);
        self.new_line = !entry.partial;
        if !entry.partial {
            out.extend_from_slice(b"\n");
        }
    }
}

struct Entry<'a> {
    time: &'a [u8],
    stream: &'a [u8],
    partial: bool,
    text: &'a [u8],
}

impl<'a> Entry<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let (time, stream, tag) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            time,
            stream,
            partial: tag.first() == Some(&b'P'),
            text: parts.next().unwrap_or_default(),
        })
    }

    fn time(&self) -> Option<Timestamp> {
        std::str::from_utf8(self.time).ok()?.parse().ok()
    }
}

/// Where the last `lines` whole lines begin.
async fn tail_start(file: &mut File, lines: u64) -> io::Result<u64> {
    let size = file.seek(SeekFrom::End(0)).await?;
    if lines == 0 {
        return Ok(size);
    }
    let mut window = CHUNK as u64;
    loop {
        let begin = size.saturating_sub(window);
        file.seek(SeekFrom::Start(begin)).await?;
        let mut bytes = Vec::new();
        (&mut *file).take(size - begin).read_to_end(&mut bytes).await?;
        // In the middle of the file the first line is a piece of one.
        let skip = if begin == 0 {
            0
        } else {
            bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1)
        };
        let starts = whole_lines(&bytes[skip..]);
        let wanted = usize::try_from(lines).unwrap_or(usize::MAX);
        if starts.len() >= wanted {
            return Ok(begin + (skip + starts[starts.len() - wanted]) as u64);
        }
        if begin == 0 {
            return Ok(0);
        }
        window = window.saturating_mul(4);
    }
}

/// Offsets of the beginnings of lines, a line in several parts counting once.
fn whole_lines(bytes: &[u8]) -> Vec<usize> {
    let (mut out, mut at, mut goes_on) = (Vec::new(), 0, false);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if !goes_on {
            out.push(at);
        }
        goes_on = Entry::read(line).is_some_and(|entry| entry.partial);
        at += line.len();
    }
    out
}

/// Tells when a file has been written to.
struct Watch {
    fd: AsyncFd<OwnedFd>,
}

impl Watch {
    #[expect(
        deprecated,
        reason = "its replacement is unsafe for descriptors that may close; an OwnedFd does not"
    )]
    fn new(path: &Path) -> io::Result<Self> {
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        inotify::add_watch(&fd, path, inotify::WatchFlags::MODIFY)?;
        Ok(Self { fd: AsyncFd::with_interest(fd, tokio::io::Interest::READABLE)? })
    }

    async fn changed(&self) -> io::Result<()> {
        let mut guard = self.fd.readable().await?;
        let mut buffer = [0u8; 4096];
        while rustix::io::read(self.fd.get_ref(), &mut buffer).is_ok_and(|count| count > 0) {}
        guard.clear_ready();
        Ok(())
    }
}

/// The last words of a container, for its termination message.
pub(crate) fn last_words(path: &Path) -> String {
    const LINES: usize = 80;
    const BYTES: usize = 2048;
    let bytes = std::fs::read(path).unwrap_or_default();
    let starts = whole_lines(&bytes);
    let begin = starts.len().checked_sub(LINES).map_or(0, |at| starts[at]);
    let mut filter =
        Filter { options: Options::default(), rest: BytesMut::new(), new_line: true, left: None };
    let text = filter.take(&bytes[begin..]);
    String::from_utf8_lossy(&text[text.len().saturating_sub(BYTES)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-01T00:00:01.000000001Z stdout F one\n\
                       2026-01-01T00:00:02.5Z stderr P tw\n2026-01-01T00:00:02.6Z stderr F o\n\
                       2026-01-01T00:00:03Z stdout F three\n2026-01-01T00:00:04Z stdout F \n";

    async fn read(path: &Path, options: Options) -> String {
        let (sender, mut receiver) = mpsc::channel(16);
        send(path, &options, None::<std::future::Ready<()>>, sender).await.unwrap();
        let mut out = Vec::new();
        while let Some(bytes) = receiver.recv().await {
            out.extend_from_slice(&bytes);
        }
        String::from_utf8(out).unwrap()
    }

    #[tokio::test]
    async fn selections() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        std::fs::write(&path, LOG).unwrap();
        let all = Options::default();
        for (options, expected) in [
            (all.clone(), "one\ntwo\nthree\n\n"),
            (Options { tail: Some(3), ..all.clone() }, "two\nthree\n\n"),
            (Options { tail: Some(0), ..all.clone() }, ""),
            (Options { tail: Some(99), ..all.clone() }, "one\ntwo\nthree\n\n"),
            (Options { limit_bytes: Some(5), ..all.clone() }, "one\nt"),
            (Options { stream: Some("stderr"), ..all.clone() }, "two\n"),
            (Options { stream: Some("stdout"), ..all.clone() }, "one\nthree\n\n"),
            (
                Options { timestamps: true, stream: Some("stderr"), ..all.clone() },
                "2026-01-01T00:00:02.5Z two\n",
            ),
            (Options { since: "2026-01-01T00:00:03Z".parse().ok(), ..all.clone() }, "three\n\n"),
            (
                Options { timestamps: true, tail: Some(2), ..all.clone() },
                "2026-01-01T00:00:03Z three\n2026-01-01T00:00:04Z \n",
            ),
        ] {
            assert_eq!(read(&path, options.clone()).await, expected, "{options:?}");
        }
        assert_eq!(last_words(&path), "one\ntwo\nthree\n\n");
    }

    #[tokio::test]
    async fn following_ends_with_the_container() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        std::fs::write(&path, LOG).unwrap();
        let (sender, mut receiver) = mpsc::channel(16);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let file = path.clone();
        let task = tokio::spawn(async move {
            let options = Options { tail: Some(1), ..Options::default() };
            send(&file, &options, Some(async { drop(ended.await) }), sender).await
        });
        assert_eq!(receiver.recv().await.unwrap(), "\n");
        let mut log = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        log.write_all(b"2026-01-01T00:00:05Z stdout F more\n").unwrap();
        assert_eq!(receiver.recv().await.unwrap(), "more\n");
        log.write_all(b"2026-01-01T00:00:06Z stdout F last\n").unwrap();
        end.send(()).unwrap();
        assert_eq!(receiver.recv().await.unwrap(), "last\n");
        assert!(receiver.recv().await.is_none());
        task.await.unwrap().unwrap();
    }
}
