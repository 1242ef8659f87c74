//! What the node agent can do for the HTTP server: exec, attach, logs and port-forward as plain byte streams.

use crate::Result;
use async_trait::async_trait;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// What `kubectl exec` and `attach` ask for.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    pub namespace: String,
    pub pod: String,
    /// Empty: the pod's only (or default) container.
    pub container: String,
    pub command: Vec<String>,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

/// How an exec ended.
#[derive(Debug, Clone)]
pub enum ExecExit {
    Code(i32),
    /// Could not be started or was cut off; the text is for the user.
    Failed(String),
}

/// The streams of one exec or attach. What the caller did not ask for is `None`.
pub struct ExecStreams {
    pub stdin: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    pub stdout: Option<Pin<Box<dyn AsyncRead + Send>>>,
    pub stderr: Option<Pin<Box<dyn AsyncRead + Send>>>,
    /// Terminal sizes (columns, rows), if a tty was asked for.
    pub resize: Option<tokio::sync::mpsc::Sender<(u16, u16)>>,
    pub exit: tokio::sync::oneshot::Receiver<ExecExit>,
}

/// Query of `GET …/pods/NAME/log`.
#[derive(Debug, Clone, Default)]
pub struct LogRequest {
    pub namespace: String,
    pub pod: String,
    pub container: String,
    pub follow: bool,
    pub previous: bool,
    pub timestamps: bool,
    pub tail_lines: Option<u64>,
    pub since_seconds: Option<i64>,
    pub since_time: Option<String>,
    pub limit_bytes: Option<u64>,
    pub stream: LogStream,
}

/// Which of a container's outputs a log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogStream {
    #[default]
    All,
    Stdout,
    Stderr,
}

impl LogStream {
    /// As the log file names it; `None`: both.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::All => None,
            Self::Stdout => Some("stdout"),
            Self::Stderr => Some("stderr"),
        }
    }
}

/// What the node agent can do for the HTTP server. Implemented by `node`; the server answers 503 without one.
#[async_trait]
pub trait NodeStreams: Send + Sync {
    async fn exec(&self, request: ExecRequest) -> Result<ExecStreams>;
    async fn attach(&self, request: ExecRequest) -> Result<ExecStreams>;
    /// Bytes as they come; the stream ends at the end of the log (or of the container, when following).
    async fn logs(&self, request: LogRequest) -> Result<tokio::sync::mpsc::Receiver<bytes::Bytes>>;
    /// A connection to a port of a pod (to `127.0.0.1:port` inside its network namespace).
    async fn port_forward(&self, namespace: &str, pod: &str, port: u16) -> Result<Box<dyn ByteStream>>;
}

/// Where the HTTP server finds the node: set once it has booted.
pub type NodeHandle = Arc<dyn NodeStreams>;
