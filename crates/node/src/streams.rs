//! Exec, attach, logs and port forwards, as the API server asks for them.

use crate::Node;
use crate::error::chain;
use crate::fd_stream::FdStream;
use crate::logs::{self, Options};
use crate::shared::{Local, Shared, split_id};
use crate::start::containers;
use api::{ApiError, ByteStream, ExecExit, ExecRequest, ExecStreams, LogRequest, NodeStreams, Result};
use async_trait::async_trait;
use runtime::{Exec, ExecSpec};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use store::Object;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

/// Chunks of a log on their way to a client; a slow one makes the reader wait.
const LOG_QUEUE: usize = 16;

#[async_trait]
impl NodeStreams for Node {
    async fn exec(&self, request: ExecRequest) -> Result<ExecStreams> {
        let id = running(&self.shared, &request.namespace, &request.pod, &request.container)?;
        if request.command.is_empty() {
            return Err(ApiError::bad_request("you must specify at least one command for the container"));
        }
        let spec = ExecSpec {
            container: id,
            args: request.command.clone(),
            env: Vec::new(),
            cwd: String::new(),
            user: String::new(),
            tty: request.tty,
            stdin: request.stdin,
        };
        let exec = self.shared.runtime.exec(spec).await.map_err(|e| ApiError::internal(chain(&e)))?;
        streams(exec, &request)
    }

    async fn attach(&self, request: ExecRequest) -> Result<ExecStreams> {
        let id = running(&self.shared, &request.namespace, &request.pod, &request.container)?;
        let exec = self.shared.runtime.attach(&id).await.map_err(|e| ApiError::internal(chain(&e)))?;
        let mut streams = streams(exec, &request)?;
        let pod = self.shared.api.get("pods", &request.namespace, &request.pod)?;
        let name = split_id(&id).map_or("", |(_, name, _)| name);
        let once = containers(&pod).any(|c| c["name"] == name && c["stdinOnce"] == true);
        if let Some(stdin) = streams.stdin.take() {
            streams.stdin = Some(if once { closing(&self.shared, id, stdin) } else { stdin });
        }
        Ok(streams)
    }

    async fn logs(&self, request: LogRequest) -> Result<mpsc::Receiver<bytes::Bytes>> {
        logs(&self.shared, request).await
    }

    async fn port_forward(&self, namespace: &str, pod: &str, port: u16) -> Result<Box<dyn ByteStream>> {
        let (_, local) = find(&self.shared, namespace, pod)?;
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let failed = |e: std::io::Error| {
            let why = if e.kind() == std::io::ErrorKind::ConnectionRefused {
                "connect: connection refused".to_owned()
            } else {
                e.to_string()
            };
            ApiError::unavailable(format!("dial tcp4 {to}: {why}"))
        };
        if local.host_network {
            return Ok(Box::new(TcpStream::connect(to).await.map_err(failed)?));
        }
        let sandbox = self.shared.runtime.sandbox(&local.uid);
        let sandbox =
            sandbox.ok_or_else(|| ApiError::internal(format!("pod {namespace}/{pod} has no network now")))?;
        let netns = PathBuf::from(format!("/proc/{}/ns/net", sandbox.pid));
        Ok(Box::new(self.shared.network.dial_in(&netns, to).await.map_err(failed)?))
    }
}

fn find(shared: &Shared, namespace: &str, name: &str) -> Result<(Object, Arc<Local>)> {
    let pod = shared.api.get("pods", namespace, name)?;
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let local = shared.pods.lock().get(uid).map(|handle| handle.local.clone());
    let local =
        local.ok_or_else(|| ApiError::bad_request(format!("pod {name} does not have a host assigned")))?;
    Ok((pod, local))
}

/// The container that is meant: the named one, the pod's default one, or its only one.
fn choose(pod: &Value, wanted: &str) -> Result<String> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let names = |list: &str| -> Vec<String> {
        crate::env::items(&pod["spec"][list]).filter_map(|c| c["name"].as_str().map(str::to_owned)).collect()
    };
    if !wanted.is_empty() {
        let known = containers(pod).any(|c| c["name"] == wanted);
        return if known {
            Ok(wanted.to_owned())
        } else {
            Err(ApiError::bad_request(format!("container {wanted} is not valid for pod {name}")))
        };
    }
    let all = names("containers");
    if let Some(default) = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str()
        && all.iter().any(|known| known == default)
    {
        return Ok(default.to_owned());
    }
    if let [only] = all.as_slice() {
        return Ok(only.clone());
    }
    let init = names("initContainers");
    let mut message =
        format!("a container name must be specified for pod {name}, choose one of: [{}]", all.join(" "));
    if !init.is_empty() {
        message.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
    }
    Err(ApiError::bad_request(message))
}

pub(crate) fn running(shared: &Shared, namespace: &str, name: &str, container: &str) -> Result<String> {
    let (pod, local) = find(shared, namespace, name)?;
    let container = choose(&pod, container)?;
    let id = local.running.lock().get(&container).cloned();
    id.ok_or_else(|| ApiError::new(404, "NotFound", format!("container not found (\"{container}\")")))
}

type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// `stdinOnce`: when the first client's input ends, so does the program's.
fn closing(shared: &Arc<Shared>, id: String, mut stdin: Input) -> Input {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let node = shared.clone();
    shared.tasks.spawn(async move {
        let copied = tokio::select! {
            copied = tokio::io::copy(&mut far, &mut stdin) => copied,
            () = node.stop.cancelled() => return,
        };
        tracing::debug!(?copied, id, "the input of a container has ended");
        if let Err(error) = node.runtime.close_stdin(&id).await {
            tracing::debug!(%error, id, "the container has ended already");
        }
    });
    Box::pin(near)
}

fn streams(mut exec: Exec, request: &ExecRequest) -> Result<ExecStreams> {
    let open = |fd: Option<OwnedFd>| -> Result<Option<FdStream>> {
        fd.map(FdStream::new).transpose().map_err(|e| ApiError::internal(e.to_string()))
    };
    let stdin = open(exec.stdin.take())?.filter(|_| request.stdin);
    let stdout = open(exec.stdout.take())?;
    let stderr = open(exec.stderr.take())?;
    let (resize, sizes) = mpsc::channel(4);
    let (done, exit) = oneshot::channel();
    tokio::spawn(drive(exec, sizes, done));
    let reader = |stream: FdStream| Box::pin(stream) as Pin<Box<dyn AsyncRead + Send>>;
    Ok(ExecStreams {
        stdin: stdin.map(|stream| Box::pin(stream) as Input),
        stdout: stdout.filter(|_| request.stdout || request.tty).map(reader),
        stderr: stderr.filter(|_| request.stderr).map(reader),
        resize: request.tty.then_some(resize),
        exit,
    })
}

/// Waits for the process, sizes its terminal, and kills it when its client has gone.
async fn drive(mut exec: Exec, mut sizes: mpsc::Receiver<(u16, u16)>, mut done: oneshot::Sender<ExecExit>) {
    let mut sized = true;
    loop {
        tokio::select! {
            code = exec.wait() => {
                // Nobody may be left to hear it.
                let _ = done.send(ExecExit::Code(code));
                return;
            }
            size = sizes.recv(), if sized => match size {
                Some((columns, rows)) => exec.resize(columns, rows),
                None => sized = false,
            },
            () = done.closed() => {
                exec.kill();
                let _ = exec.wait().await;
                return;
            }
        }
    }
}

async fn logs(shared: &Arc<Shared>, request: LogRequest) -> Result<mpsc::Receiver<bytes::Bytes>> {
    let pod = shared.api.get("pods", &request.namespace, &request.pod)?;
    if pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
        // As upstream: what has no place yet has said nothing.
        choose(&pod, &request.container)?;
        return Ok(mpsc::channel(1).1);
    }
    let (pod, local) = find(shared, &request.namespace, &request.pod)?;
    let container = choose(&pod, &request.container)?;
    let since = match (&request.since_time, request.since_seconds) {
        (Some(time), _) => {
            Some(time.parse().map_err(|e| ApiError::bad_request(format!("invalid sinceTime: {e}")))?)
        }
        (None, Some(seconds)) => {
            jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_secs(seconds)).ok()
        }
        (None, None) => None,
    };
    let options = Options {
        tail: request.tail_lines,
        since,
        timestamps: request.timestamps,
        limit_bytes: request.limit_bytes,
        stream: request.stream.name(),
    };
    let (attempt, path) = log_file(&pod, &local, &container, request.previous)?;
    let (sender, receiver) = mpsc::channel(LOG_QUEUE);
    let id = format!("{}_{container}_{attempt}", local.uid);
    let node = shared.clone();
    let follow = request.follow && !request.previous;
    shared.tasks.spawn(async move {
        let ended = async {
            tokio::select! {
                _ = node.runtime.wait(&id) => {}
                () = node.stop.cancelled() => {}
            }
        };
        let sent = logs::send(&path, &options, follow.then_some(ended), sender).await;
        if let Err(error) = sent {
            tracing::warn!(%error, path = %path.display(), "cannot read a log");
        }
    });
    Ok(receiver)
}

/// The log of the running, the last, or the instance before.
fn log_file(pod: &Value, local: &Local, container: &str, previous: bool) -> Result<(u32, PathBuf)> {
    let name = &local.name;
    let statuses = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"].into_iter();
    let mut statuses = statuses.flat_map(|list| crate::env::items(&pod["status"][list]));
    let status = statuses.find(|s| s["name"] == container).unwrap_or(&Value::Null);
    let count = status["restartCount"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
    let waits_again =
        status["state"].get("waiting").is_some() && status["lastState"].get("terminated").is_some();
    if previous {
        let attempt = if waits_again { Some(count) } else { count.checked_sub(1) };
        let found =
            attempt.map(|attempt| (attempt, local.log(container, attempt))).filter(|(_, path)| path.exists());
        return found.ok_or_else(|| {
            ApiError::bad_request(format!(
                "previous terminated container \"{container}\" in pod \"{name}\" not found"
            ))
        });
    }
    // While an instance is being started its number counts already, but its log may not be there yet.
    let tries = [Some(count), count.checked_sub(1)].into_iter().flatten();
    let mut existing =
        tries.map(|attempt| (attempt, local.log(container, attempt))).filter(|(_, path)| path.exists());
    existing.next().ok_or_else(|| {
        let why = match status["state"]["waiting"]["reason"].as_str() {
            Some("ErrImagePull") => "image can't be pulled",
            Some("ImagePullBackOff") => "trying and failing to pull image",
            Some(reason) => reason,
            None => "ContainerCreating",
        };
        ApiError::bad_request(format!(
            "container \"{container}\" in pod \"{name}\" is waiting to start: {why}"
        ))
    })
}
