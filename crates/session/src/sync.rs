//! Live update: files and commands into a running container.
//!
//! The embedded cluster takes a tar stream and writes through the container's root, needing no program in the
//! image. Any other cluster gets `tar` by exec, as `kubectl cp` does.

use crate::cluster::Cluster;
use crate::error::chain;
use crate::ignore::Ignores;
use crate::output::{LogSource, Output};
use devloop::{ContainerRef, Sync, SyncError, SyncFile};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, Patch, PatchParams};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// On pods whose files were changed, so that a later session knows that their content is not their image's.
pub(crate) const LIVE_UPDATED: &str = "coracle.dev/live-updated";

pub(crate) async fn sync(
    cluster: &Cluster,
    output: &Arc<dyn Output>,
    ignores: &Ignores,
    sync: &Sync,
    host_trust: bool,
) -> Result<(), SyncError> {
    mark(cluster, &sync.container).await?;
    if !sync.files.is_empty() || !sync.deletes.is_empty() {
        let files = sync.files.clone();
        let ignores = ignores.clone();
        let archive = tokio::task::spawn_blocking(move || archive(&files, &ignores))
            .await
            .map_err(|e| transport(e.to_string()))?
            .map_err(|e| transport(e.to_string()))?;
        if cluster.embedded().is_some() {
            send(cluster, &sync.container, &sync.deletes, archive).await?;
        } else {
            send_by_exec(cluster, &sync.container, &sync.deletes, archive).await?;
        }
    }
    for step in &sync.then {
        if !step.echo_off {
            output.log(
                &sync.resource,
                LogSource::Build,
                &format!("running in the container: {}\n", step.argv.join(" ")),
            );
        }
        let (code, text) = if cluster.embedded().is_some() {
            run_embedded(cluster, output, sync, &step.argv, host_trust).await?
        } else {
            let (code, text) = exec(cluster, &sync.container, &step.argv, None).await?;
            output.log(&sync.resource, LogSource::Build, &text);
            (code, text)
        };
        if code != 0 {
            return Err(SyncError::Step { argv: step.argv.clone(), code, output: text });
        }
    }
    if sync.restart {
        restart(cluster, &sync.container).await?;
    }
    Ok(())
}

/// A step on the embedded cluster, which lends it what it lends to builds.
async fn run_embedded(
    cluster: &Cluster,
    output: &Arc<dyn Output>,
    sync: &Sync,
    argv: &[String],
    host_trust: bool,
) -> Result<(i32, String), SyncError> {
    let to = &sync.container;
    let path =
        format!("/coracle/v1/namespaces/{}/pods/{}/containers/{}/run", to.namespace, to.pod, to.container);
    let request = json!({"argv": argv, "hostTrust": host_trust});
    let mut lines = Box::pin(cluster.lines(&path, &request).await.map_err(|e| transport(chain(&e)))?);
    let mut text = String::new();
    while let Some(line) = lines.next().await {
        let line = line.map_err(|e| transport(format!("the connection to the container broke: {e}")))?;
        let value: serde_json::Value = serde_json::from_str(&line).map_err(|e| transport(e.to_string()))?;
        if let Some(code) = value["code"].as_i64() {
            return Ok((i32::try_from(code).unwrap_or(255), text));
        }
        let part = value["output"].as_str().unwrap_or("");
        output.log(&sync.resource, LogSource::Build, part);
        text.push_str(part);
    }
    Err(transport("the step ended without a result".into()))
}

fn transport(message: String) -> SyncError {
    SyncError::Transport { message }
}

async fn mark(cluster: &Cluster, container: &ContainerRef) -> Result<(), SyncError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &container.namespace);
    let patch = json!({"metadata": {"annotations": {LIVE_UPDATED: "true"}}});
    pods.patch(&container.pod, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map(drop)
        .map_err(|e| transport(chain(&e)))
}

/// The files as a tar stream, paths without the leading `/`. A file that has gone is left out: its removal comes
/// by itself.
fn archive(files: &[SyncFile], ignores: &Ignores) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    for file in files {
        add(&mut builder, &file.local, &file.container, file.recursive, ignores)?;
    }
    builder.into_inner()
}

fn add(
    builder: &mut tar::Builder<Vec<u8>>,
    local: &Path,
    container: &str,
    recursive: bool,
    ignores: &Ignores,
) -> io::Result<()> {
    let metadata = match std::fs::symlink_metadata(local) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let name = PathBuf::from(container.trim_start_matches('/'));
    let mut header = tar::Header::new_gnu();
    header.set_metadata(&metadata);
    // Who owns a file in the container is the container's affair, as with `docker cp`.
    header.set_uid(0);
    header.set_gid(0);
    if metadata.is_dir() {
        if !name.as_os_str().is_empty() {
            builder.append_data(&mut header, &name, io::empty())?;
        }
        if recursive {
            for entry in std::fs::read_dir(local)? {
                let entry = entry?;
                if !ignores.is_ignored(&entry.path()) {
                    let below = format!(
                        "{}/{}",
                        container.trim_end_matches('/'),
                        entry.file_name().to_string_lossy()
                    );
                    add(builder, &entry.path(), &below, true, ignores)?;
                }
            }
        }
    } else if metadata.is_symlink() {
        header.set_size(0);
        builder.append_link(&mut header, &name, std::fs::read_link(local)?)?;
    } else if metadata.is_file() {
        let content = match std::fs::read(local) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        // The size of what was read, not of a moment before.
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, &name, content.as_slice())?;
    }
    Ok(())
}

async fn send(
    cluster: &Cluster,
    to: &ContainerRef,
    deletes: &[String],
    archive: Vec<u8>,
) -> Result<(), SyncError> {
    let path =
        format!("/coracle/v1/namespaces/{}/pods/{}/containers/{}/files", to.namespace, to.pod, to.container);
    let mut body = json!({"deletes": deletes}).to_string().into_bytes();
    body.push(b'\n');
    body.extend(archive);
    cluster.call("PUT", &path, body).await.map(drop).map_err(|e| transport(chain(&e)))
}

async fn send_by_exec(
    cluster: &Cluster,
    to: &ContainerRef,
    deletes: &[String],
    archive: Vec<u8>,
) -> Result<(), SyncError> {
    if !deletes.is_empty() {
        let argv: Vec<String> =
            ["rm", "-rf", "--"].iter().map(|s| s.to_string()).chain(deletes.iter().cloned()).collect();
        run_checked(cluster, to, &argv, None).await?;
    }
    let argv: Vec<String> =
        ["tar", "-xf", "-", "-C", "/", "--no-same-owner"].iter().map(|s| s.to_string()).collect();
    run_checked(cluster, to, &argv, Some(archive)).await
}

async fn run_checked(
    cluster: &Cluster,
    to: &ContainerRef,
    argv: &[String],
    input: Option<Vec<u8>>,
) -> Result<(), SyncError> {
    match exec(cluster, to, argv, input).await? {
        (0, _) => Ok(()),
        (code, text) => Err(transport(format!(
            "`{}` in the container failed with exit code {code}: {}",
            argv.join(" "),
            text.trim()
        ))),
    }
}

/// Runs a command in the container; gives its exit code and what it printed.
async fn exec(
    cluster: &Cluster,
    to: &ContainerRef,
    argv: &[String],
    input: Option<Vec<u8>>,
) -> Result<(i32, String), SyncError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &to.namespace);
    let params =
        AttachParams::default().container(&to.container).stdin(input.is_some()).stdout(true).stderr(true);
    let mut process = pods.exec(&to.pod, argv, &params).await.map_err(|e| transport(chain(&e)))?;
    let (stdin, stdout, stderr) = (process.stdin(), process.stdout(), process.stderr());
    let status = process.take_status();
    let write = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A process that ends early closes its end; its exit code tells the rest.
            let _ = stdin.write_all(&input).await;
            let _ = stdin.shutdown().await;
        }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let read_out = async {
        if let Some(mut stdout) = stdout {
            let _ = stdout.read_to_end(&mut out).await;
        }
    };
    let read_err = async {
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_end(&mut err).await;
        }
    };
    tokio::join!(write, read_out, read_err);
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let code = status.map_or(0, |status| exit_code_of(&status));
    let text = String::from_utf8_lossy(&[out, err].concat()).into_owned();
    Ok((code, text))
}

/// The exit code in the Status that ends an exec (`details.causes`, reason `ExitCode`).
fn exit_code_of(status: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Status) -> i32 {
    if status.status.as_deref() == Some("Success") {
        return 0;
    }
    let causes = status.details.iter().flat_map(|d| d.causes.iter().flatten());
    causes
        .filter(|c| c.reason.as_deref() == Some("ExitCode"))
        .find_map(|c| c.message.as_ref()?.parse().ok())
        .unwrap_or(1)
}

/// Ends the container's first process; the kubelet starts the container again, with its files as they are.
async fn restart(cluster: &Cluster, container: &ContainerRef) -> Result<(), SyncError> {
    if cluster.embedded().is_some() {
        let path = format!(
            "/coracle/v1/namespaces/{}/pods/{}/containers/{}/restart",
            container.namespace, container.pod, container.container
        );
        return cluster.call("POST", &path, Vec::new()).await.map(drop).map_err(|e| transport(chain(&e)));
    }
    Err(transport(
        "restart_container() works on Coracle's own cluster only; use the restart_process extension".into(),
    ))
}
