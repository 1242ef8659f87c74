//! A process that the daemon has in a container: started there by an exec, or the container's own by an attach.

use crate::error::Error;
use crate::join::{Request, Word};
use crate::refusal::Refusal;
use crate::state::Dir;
use crate::supervisor::{Ask, Attached, socket_path};
use crate::zygote::{Role, Zygote};
use crate::{Result, channel};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::sync::watch;

/// The streams are non-blocking. With a terminal, `stdin` and `stdout` are its two directions and `stderr` is `None`.
/// Dropping it kills the process of an exec, and detaches from a container's own.
#[derive(Debug)]
pub struct Exec {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    exit: watch::Receiver<Option<i32>>,
    /// Closing it ends the process.
    role: Option<Arc<UnixStream>>,
}

impl Exec {
    pub(crate) async fn start(zygote: &Zygote, request: &Request) -> Result<Self> {
        let id = request.spec.container.clone();
        let failed = |source| Error::Spawn { role: "exec", id: id.clone(), source };
        let mut exec = Self::empty();
        let mut theirs = Vec::new();
        if !request.spec.tty {
            let (stdin, ours) = pipe(Ours::Writes).map_err(failed)?;
            // Without a wish for input our end is dropped: the process sees the end at once.
            exec.stdin = request.spec.stdin.then_some(ours);
            let (stdout, ours) = pipe(Ours::Reads).map_err(failed)?;
            exec.stdout = Some(ours);
            let (stderr, ours) = pipe(Ours::Reads).map_err(failed)?;
            exec.stderr = Some(ours);
            theirs = vec![stdin, stdout, stderr];
        }
        let fds: Vec<_> = theirs.iter().map(AsFd::as_fd).collect();
        let role = zygote.fork(Role::Exec, &fds).map_err(failed)?;
        drop(theirs);
        channel::send_from(&role, request, &[]).await.map_err(failed)?;
        let refused =
            |refusal: Refusal| Error::Start { id: id.clone(), code: refusal.code, message: refusal.message };
        let mut code = None;
        if request.spec.tty {
            match channel::receive_from::<Word>(&role).await.map_err(failed)? {
                Some((Word::Terminal, mut fds)) => {
                    let master = fds.pop().ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))?;
                    exec.use_terminal(master).map_err(failed)?;
                }
                Some((Word::Refused(refusal), _)) => return Err(refused(refusal)),
                Some((Word::Exited(ended), _)) => code = Some(ended),
                None => return Err(failed(io::Error::other("it ended without an answer"))),
            }
        }
        let (told, exit) = watch::channel(code);
        let role = Arc::new(role);
        exec.exit = exit;
        exec.role = Some(role.clone());
        if code.is_none() {
            tokio::spawn(async move {
                let code = match channel::receive_from::<Word>(&role).await {
                    Ok(Some((Word::Exited(code), _))) => code,
                    Ok(Some((Word::Refused(refusal), _))) => {
                        tracing::warn!(id, message = refusal.message, "an exec was refused");
                        refusal.code
                    }
                    _ => 255,
                };
                let _ = told.send(Some(code));
            });
        }
        Ok(exec)
    }

    /// The streams of a container's own program; `exit` is told when it ends.
    pub(crate) async fn attach(dir: &Dir, exit: watch::Receiver<Option<i32>>) -> io::Result<Self> {
        let mut exec = Self::empty();
        exec.exit = exit;
        let (stdout, ours) = pipe(Ours::Reads)?;
        exec.stdout = Some(ours);
        let (stderr, ours) = pipe(Ours::Reads)?;
        exec.stderr = Some(ours);
        match ask(dir, &Ask::Attach, &[stdout, stderr]).await? {
            (Attached::Pipe, mut fds) => exec.stdin = fds.pop(),
            (Attached::Terminal, mut fds) => {
                exec.stdin = fds.pop();
                exec.terminal = exec.stdin.as_ref().map(OwnedFd::try_clone).transpose()?;
                exec.stderr = None;
            }
            (Attached::NoInput, _) => {}
        }
        if let Some(stdin) = &exec.stdin {
            nonblocking(stdin)?;
        }
        Ok(exec)
    }

    fn empty() -> Self {
        Self {
            stdin: None,
            stdout: None,
            stderr: None,
            terminal: None,
            exit: watch::channel(None).1,
            role: None,
        }
    }

    fn use_terminal(&mut self, master: OwnedFd) -> io::Result<()> {
        nonblocking(&master)?;
        self.stdin = Some(master.try_clone()?);
        self.stdout = Some(master.try_clone()?);
        self.terminal = Some(master);
        Ok(())
    }

    /// Sets the terminal's size; without one it does nothing.
    pub fn resize(&self, columns: u16, rows: u16) {
        if let Some(terminal) = &self.terminal {
            let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            let _ = rustix::termios::tcsetwinsize(terminal, size);
        }
    }

    /// The terminal, for a task that resizes while another waits.
    pub fn terminal(&self) -> Option<OwnedFd> {
        self.terminal.as_ref().and_then(|t| t.try_clone().ok())
    }

    /// The process's exit code; 128 + the signal if it was killed.
    pub async fn wait(&mut self) -> i32 {
        match self.exit.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(255),
            Err(_) => 255,
        }
    }

    /// Ends the process of an exec; a container's own is left alone.
    pub fn kill(&mut self) {
        if let Some(role) = &self.role {
            // It has ended already, perhaps.
            let _ = rustix::net::shutdown(role.as_ref(), rustix::net::Shutdown::Write);
        }
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One question to a container's shim.
pub(crate) async fn ask(dir: &Dir, ask: &Ask, fds: &[OwnedFd]) -> io::Result<(Attached, Vec<OwnedFd>)> {
    let (path, folder) = socket_path(dir)?;
    let socket = UnixStream::connect(path).await?;
    drop(folder);
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    channel::send_from(&socket, ask, &fds).await?;
    let answer = channel::receive_from(&socket).await?;
    answer.ok_or_else(|| io::Error::other("the container's shim gave no answer"))
}

enum Ours {
    Reads,
    Writes,
}

/// The process's end, as it expects it, and ours, which never blocks.
fn pipe(which: Ours) -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let (theirs, ours) = match which {
        Ours::Reads => (write, read),
        Ours::Writes => (read, write),
    };
    nonblocking(&ours)?;
    Ok((theirs, ours))
}

fn nonblocking(fd: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?)
}
