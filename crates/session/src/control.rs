//! How other processes of the user talk to a session that runs: a Unix socket, a line of JSON each way.
//!
//! `coracle trigger`, `enable`, `disable`, `button` and `status` use it.

use devloop::{Hold, ResourceStatus, RuntimeStatus, UpdateStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// More than any request that we write.
const LONGEST: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Update a resource now; `(Tiltfile)` evaluates the Tiltfile again.
    Trigger {
        resource: String,
    },
    /// Run these as well, or these alone; `None`: all.
    Enable {
        resources: Option<Vec<String>>,
        only: bool,
    },
    /// Take these down; `None`: all.
    Disable {
        resources: Option<Vec<String>>,
    },
    Status,
    Buttons,
    /// Run a button's commands; the answer comes when they end.
    Press {
        button: String,
        inputs: BTreeMap<String, String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Done,
    Refused { message: String, hint: Option<String> },
    Status { resources: Vec<ResourceLine> },
    Buttons { buttons: Vec<ButtonLine> },
}

impl Reply {
    pub(crate) fn refused(message: impl Into<String>, hint: Option<String>) -> Self {
        Self::Refused { message: message.into(), hint }
    }
}

/// How a resource stands, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLine {
    pub name: String,
    pub enabled: bool,
    /// `none`, `pending`, `in_progress`, `ok`, `error`
    pub update: String,
    /// `unknown`, `not_applicable`, `pending`, `ok`, `error`
    pub runtime: String,
    /// Why it is so, or what is under way.
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ButtonLine {
    pub name: String,
    pub text: String,
    pub resource: Option<String>,
    /// `NAME=VALUE`, with the defaults.
    pub inputs: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("no session of {tiltfile} is running", tiltfile = tiltfile.display())]
    NoSession { tiltfile: PathBuf },
    #[error("the session of {tiltfile} does not answer", tiltfile = tiltfile.display())]
    Broken { tiltfile: PathBuf, source: io::Error },
}

/// Where the session of a Tiltfile is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    path: PathBuf,
    tiltfile: PathBuf,
}

impl Control {
    /// The place for the Tiltfile at an absolute path. Paths of sockets have 107 bytes at most, so names are short.
    pub fn of(directory: &Path, tiltfile: &Path) -> Self {
        let name = crate::arguments::fingerprint(tiltfile.as_os_str().as_encoded_bytes());
        Self { path: directory.join(format!("{name:016x}.sock")), tiltfile: tiltfile.to_owned() }
    }

    /// A session answers there.
    pub fn is_running(&self) -> bool {
        std::os::unix::net::UnixStream::connect(&self.path).is_ok()
    }

    /// Asks the session that runs.
    pub fn ask(&self, request: &Request) -> Result<Reply, ControlError> {
        let tiltfile = || self.tiltfile.clone();
        let mut stream = std::os::unix::net::UnixStream::connect(&self.path)
            .map_err(|_| ControlError::NoSession { tiltfile: tiltfile() })?;
        let mut asked = || -> io::Result<Reply> {
            writeln!(stream, "{}", serde_json::to_string(request)?)?;
            let mut line = String::new();
            io::BufReader::new(&stream).read_line(&mut line)?;
            Ok(serde_json::from_str(&line)?)
        };
        asked().map_err(|source| ControlError::Broken { tiltfile: tiltfile(), source })
    }

    /// Listens until `stop`; what is asked goes to `asked` with a place for the answer.
    pub(crate) fn listen(&self, asked: mpsc::Sender<Asked>, stop: CancellationToken) -> io::Result<()> {
        // what a session left that was killed; its place is taken over
        let _ = std::fs::remove_file(&self.path);
        let listener = UnixListener::bind(&self.path)?;
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(0o600))?;
        let socket = Socket(self.path.clone());
        tokio::spawn(async move {
            let _socket = socket;
            while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
                let Ok((stream, _)) = accepted else { continue };
                let (asked, stop) = (asked.clone(), stop.clone());
                tokio::spawn(async move { stop.run_until_cancelled(answer(stream, asked)).await });
            }
        });
        Ok(())
    }
}

/// The file goes with the listener.
struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<Reply>,
}

async fn answer(stream: UnixStream, asked: mpsc::Sender<Asked>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(LONGEST)).read_line(&mut line).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(request) => {
            let (reply, answer) = oneshot::channel();
            let sent = asked.send(Asked { request, reply }).await.is_ok();
            let ended = || Reply::refused("the session has ended", None);
            if sent { answer.await.unwrap_or_else(|_| ended()) } else { ended() }
        }
        Err(error) => Reply::refused(
            format!("the session does not understand this: {error}"),
            Some("is it of another version? End it and run `coracle up` again".into()),
        ),
    };
    write.write_all(format!("{}\n", serde_json::to_string(&reply)?).as_bytes()).await
}

impl ResourceLine {
    pub(crate) fn new(name: &str, enabled: bool, status: &ResourceStatus) -> Self {
        let (update, doing) = match &status.update {
            UpdateStatus::None => ("none", None),
            UpdateStatus::Pending => ("pending", None),
            UpdateStatus::InProgress { what } => ("in_progress", Some(crate::driver::activity(what))),
            UpdateStatus::Ok => ("ok", None),
            UpdateStatus::Error { message } => ("error", Some(message.clone())),
        };
        let (runtime, being) = match &status.runtime {
            RuntimeStatus::Unknown => ("unknown", None),
            RuntimeStatus::NotApplicable => ("not_applicable", None),
            RuntimeStatus::Pending { reason } => ("pending", Some(reason.clone())),
            RuntimeStatus::Ok => ("ok", None),
            RuntimeStatus::Error { message } => ("error", Some(message.clone())),
        };
        let hold = status.hold.as_ref().map(in_words);
        let detail = if enabled { doing.or(hold).or(being) } else { Some("disabled".to_owned()) };
        Self {
            name: name.to_owned(),
            enabled,
            update: update.to_owned(),
            runtime: runtime.to_owned(),
            detail: detail.unwrap_or_default(),
        }
    }
}

fn in_words(hold: &Hold) -> String {
    match hold {
        Hold::TiltfileReload => "waits for the Tiltfile".into(),
        Hold::Dependencies { names } => format!("waits for {}", names.join(", ")),
        Hold::Uncategorized => "waits for uncategorized".into(),
        Hold::Parallelism => "waits for other updates".into(),
        Hold::Local { name } => format!("waits for {name}"),
        Hold::SharedImage { image } => format!("waits for the image {image}"),
        Hold::Manual => "waits for `coracle trigger`".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn questions_and_answers() {
        let scratch = tempfile::tempdir().expect("a folder");
        let control = Control::of(scratch.path(), Path::new("/p/Tiltfile"));
        assert_ne!(control, Control::of(scratch.path(), Path::new("/q/Tiltfile")));
        let ask = |request: Request| {
            let control = control.clone();
            async move { tokio::task::spawn_blocking(move || control.ask(&request)).await.expect("no panic") }
        };
        let none = ask(Request::Status).await.expect_err("nobody is there");
        assert_eq!(none.to_string(), "no session of /p/Tiltfile is running");
        // a socket that a killed session left
        drop(std::os::unix::net::UnixListener::bind(&control.path).expect("a socket"));
        assert!(!control.is_running());
        let (asked, mut received) = mpsc::channel(1);
        let stop = CancellationToken::new();
        control.listen(asked, stop.clone()).expect("it listens");
        let mode = std::fs::metadata(&control.path).expect("a socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        tokio::spawn(async move {
            while let Some(Asked { request, reply }) = received.recv().await {
                let answer = match request {
                    Request::Trigger { resource } => Reply::refused(resource, None),
                    _ => Reply::Done,
                };
                let _ = reply.send(answer);
            }
        });
        let trigger = Request::Trigger { resource: "a\nb".into() };
        assert_eq!(ask(trigger).await.expect("an answer"), Reply::refused("a\nb", None));
        let press = Request::Press { button: "x".into(), inputs: BTreeMap::new() };
        assert_eq!(ask(press).await.expect("an answer"), Reply::Done);
        stop.cancel();
        while control.path.exists() {
            tokio::task::yield_now().await;
        }
        assert!(matches!(ask(Request::Status).await, Err(ControlError::NoSession { .. })));
    }
}
