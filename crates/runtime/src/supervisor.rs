//! The shim while its container runs: output to the log and to those who are attached, input, and the end.
//!
//! One thread that sleeps until something happens: idle it costs nothing.

use crate::channel;
use crate::log::{Log, Stream};
use crate::spec::Exit;
use crate::state::{Dir, Running, now};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// Who is attached and reads slower than this is let go: the program must not wait for him.
const MOST_PENDING: usize = 4 * 1024 * 1024;

/// Where the container's standard input is written.
#[derive(Debug, Default)]
pub(crate) enum Input {
    #[default]
    None,
    /// Held open, so that a program that reads waits instead of seeing the end.
    Pipe(OwnedFd),
    Terminal(OwnedFd),
}

/// What may be asked at the shim's socket.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Ask {
    /// Two pipes come with it, for output and errors.
    Attach,
    /// The program is to see the end of its standard input.
    CloseStdin,
}

/// The answer; the container's input comes with it where there is one.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Attached {
    NoInput,
    Pipe,
    Terminal,
}

/// The socket at which clients attach.
pub(crate) struct Attachments {
    listener: UnixListener,
}

impl Attachments {
    pub(crate) fn listen(dir: &Dir) -> io::Result<Self> {
        let (path, _folder) = socket_path(dir)?;
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener })
    }
}

/// A socket's path has at most 107 bytes, and our folders may be deeper: the way is through an open folder.
pub(crate) fn socket_path(dir: &Dir) -> io::Result<(PathBuf, File)> {
    let folder = File::open(&dir.0)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}/attach", folder.as_raw_fd())), folder))
}

/// One who is attached: a pipe, and what it has not taken yet.
pub(crate) struct Sink {
    stream: Stream,
    pipe: OwnedFd,
    pending: Vec<u8>,
}

impl Sink {
    /// `false` when the other side is gone or too slow.
    fn push(&mut self, bytes: &[u8]) -> bool {
        self.pending.extend_from_slice(bytes);
        self.flush() && self.pending.len() <= MOST_PENDING
    }

    /// Poll says so without being asked.
    fn is_alone(&self) -> bool {
        let mut polled = [PollFd::new(self.pipe.as_fd(), PollFlags::empty())];
        poll(&mut polled, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    fn flush(&mut self) -> bool {
        while !self.pending.is_empty() {
            match rustix::io::write(&self.pipe, &self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

pub(crate) struct Supervisor {
    pub(crate) dir: Dir,
    pub(crate) running: Running,
    /// A pidfd of the container's first process.
    pub(crate) handle: OwnedFd,
    pub(crate) log: Log,
    pub(crate) outputs: Vec<(Stream, File)>,
    pub(crate) input: Input,
    pub(crate) attachments: Attachments,
    pub(crate) sinks: Vec<Sink>,
}

/// What woke us.
#[derive(Debug, Clone, Copy)]
enum Event {
    Ended,
    Asked,
    Output(Stream),
    Sinks,
}

impl Supervisor {
    /// Until the program has ended and all that it wrote is in the log.
    pub(crate) fn run(mut self) {
        for (_, file) in &self.outputs {
            let _ = nonblocking(file.as_fd());
        }
        let mut buffer = vec![0u8; 32 * 1024];
        let mut ended = false;
        while !ended {
            for event in self.sleep() {
                match event {
                    Event::Output(stream) => self.copy(stream, &mut buffer),
                    Event::Sinks => self.sinks.retain_mut(|sink| sink.flush() && !sink.is_alone()),
                    Event::Asked => self.answer(),
                    Event::Ended => ended = true,
                }
            }
        }
        // Everything in the container is dead by now; what it has written is still in the pipes.
        for stream in [Stream::Stdout, Stream::Stderr] {
            while self.has_more(stream) {
                self.copy(stream, &mut buffer);
            }
        }
        self.finish();
    }

    fn sleep(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut polled = Vec::new();
        // Standard output is served before errors.
        for (stream, file) in &self.outputs {
            polled.push(PollFd::new(file.as_fd(), PollFlags::POLLIN));
            events.push(Event::Output(*stream));
        }
        for sink in &self.sinks {
            // Without interest in writing, poll still says when the reader has gone.
            let wanted = if sink.pending.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            polled.push(PollFd::new(sink.pipe.as_fd(), wanted));
            events.push(Event::Sinks);
        }
        polled.push(PollFd::new(self.attachments.listener.as_fd(), PollFlags::POLLIN));
        events.push(Event::Asked);
        polled.push(PollFd::new(self.handle.as_fd(), PollFlags::POLLIN));
        events.push(Event::Ended);
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) => events
                .into_iter()
                .zip(polled)
                .filter(|(_, p)| p.any() != Some(false))
                .map(|(e, _)| e)
                .collect(),
            Err(_) => Vec::new(),
        }
    }

    fn has_more(&self, stream: Stream) -> bool {
        let Some((_, file)) = self.outputs.iter().find(|(s, _)| *s == stream) else { return false };
        let mut polled = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// From one output to the log and to all who are attached; an output that has ended is taken off the list.
    fn copy(&mut self, stream: Stream, buffer: &mut [u8]) {
        let Some((_, file)) = self.outputs.iter_mut().find(|(s, _)| *s == stream) else { return };
        match file.read(buffer) {
            Ok(count @ 1..) => {
                let bytes = &buffer[..count];
                // A full disk must not stop the program.
                let _ = self.log.write(stream, bytes);
                self.sinks.retain_mut(|sink| sink.stream != stream || sink.push(bytes));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            // A terminal whose other side is closed says EIO: that is its end.
            Ok(_) | Err(_) => {
                let _ = self.log.finish(stream);
                self.outputs.retain(|(s, _)| *s != stream);
            }
        }
    }

    fn answer(&mut self) {
        let Ok((client, _)) = self.attachments.listener.accept() else { return };
        // Only the daemon can come here; still, one that says nothing must not hold the log.
        let _ = client.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = client.set_write_timeout(Some(Duration::from_secs(1)));
        if let Ok(Some((ask, fds))) = channel::receive::<Ask>(&client) {
            self.serve(&client, &ask, fds);
        }
    }

    fn serve(&mut self, client: &UnixStream, ask: &Ask, fds: Vec<OwnedFd>) {
        if matches!(ask, Ask::CloseStdin) {
            if let Input::Pipe(_) = self.input {
                self.input = Input::None;
            }
            let _ = channel::send(client, &Attached::NoInput, &[]);
            return;
        }
        for (stream, pipe) in [Stream::Stdout, Stream::Stderr].into_iter().zip(fds) {
            if nonblocking(pipe.as_fd()).is_ok() {
                self.sinks.push(Sink { stream, pipe, pending: Vec::new() });
            }
        }
        let _ = match &self.input {
            Input::None => channel::send(client, &Attached::NoInput, &[]),
            Input::Pipe(fd) => channel::send(client, &Attached::Pipe, &[fd.as_fd()]),
            Input::Terminal(fd) => channel::send(client, &Attached::Terminal, &[fd.as_fd()]),
        };
    }

    fn finish(mut self) {
        for (stream, _) in std::mem::take(&mut self.outputs) {
            let _ = self.log.finish(stream);
        }
        let (code, signal) = loop {
            match waitpid(Pid::from_raw(self.running.init.pid), None) {
                Ok(WaitStatus::Exited(_, code)) => break (code, None),
                Ok(WaitStatus::Signaled(_, signal, _)) => break (128 + signal as i32, Some(signal as i32)),
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(_) => break (255, None),
            }
        };
        let exit = Exit {
            code,
            signal,
            oom_killed: self.running.group.was_oom_killed(),
            started_at: self.running.started_at.clone(),
            finished_at: now(),
            error: None,
        };
        // The daemon looks for this when the shim is gone; a failure shows as a lost container.
        let _ = self.dir.write("exit", &exit);
        let _ = std::fs::remove_file(self.dir.path("attach"));
        self.running.group.remove();
        // Who reads gets the rest; who does not has a second.
        for sink in &mut self.sinks {
            while sink.flush() && !sink.pending.is_empty() {
                let mut polled = [PollFd::new(sink.pipe.as_fd(), PollFlags::POLLOUT)];
                if !poll(&mut polled, PollTimeout::from(1000u16)).is_ok_and(|count| count > 0) {
                    break;
                }
            }
        }
    }
}

fn nonblocking(fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)
}
