//! What a pod needs before its containers: sandbox, address, hosts files, volumes; and its removal.

use crate::error::chain;
use crate::shared::{Local, Shared, split_id};
use crate::volumes::{self, Problem, Source, memory_dir};
use crate::{env, hosts, start};
use pod::Event;
use runtime::SandboxSpec;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::Object;

/// Told to work that was still waiting when its pod was removed; nobody listens by then.
const TORN_DOWN: &str = "the pod has been removed";

pub(crate) async fn sandbox(shared: &Shared, local: &Local, pod: &Object) -> Event {
    let gone = local.setup.lock().await;
    if *gone {
        return Event::SandboxFailed { message: TORN_DOWN.into() };
    }
    match make_sandbox(shared, local, pod).await {
        Ok(ip) => Event::SandboxReady { ip: Some(ip) },
        Err(message) => Event::SandboxFailed { message },
    }
}

async fn make_sandbox(shared: &Shared, local: &Local, pod: &Object) -> Result<Ipv4Addr, String> {
    let sysctls = env::items(&pod["spec"]["securityContext"]["sysctls"])
        .filter_map(|s| Some((s["name"].as_str()?.to_owned(), s["value"].as_str()?.to_owned())))
        .collect();
    let spec = SandboxSpec {
        id: local.uid.clone(),
        hostname: hosts::hostname(pod, &shared.config.name),
        host_network: local.host_network,
        sysctls,
        share_processes: pod["spec"]["shareProcessNamespace"] == true,
    };
    let sandbox = shared.runtime.create_sandbox(spec).await.map_err(|e| chain(&e))?;
    let ip = if local.host_network {
        shared.host_ip
    } else {
        let netns = PathBuf::from(format!("/proc/{}/ns/net", sandbox.pid));
        shared.network.attach(&local.uid, &netns).await.map_err(|e| chain(&e))?
    };
    write_hosts(shared, local, pod, ip).map_err(|e| format!("cannot write {}: {e}", local.dir.display()))?;
    Ok(ip)
}

fn write_hosts(shared: &Shared, local: &Local, pod: &Object, ip: Ipv4Addr) -> io::Result<()> {
    std::fs::create_dir_all(&local.dir)?;
    let of_host = if local.host_network { std::fs::read_to_string("/etc/hosts")? } else { String::new() };
    let resolv_conf = hosts::resolv_conf(pod, &shared.config, &hosts::host_resolv_conf());
    for (name, text) in [
        ("etc-hosts", hosts::hosts_file(pod, &shared.config, ip, &of_host)),
        ("resolv.conf", resolv_conf),
        ("hostname", format!("{}\n", hosts::hostname(pod, &shared.config.name))),
    ] {
        std::fs::write(local.dir.join(name), text)?;
    }
    Ok(())
}

/// How long we wait without a word for what controllers are about to make.
const SOON: Duration = Duration::from_secs(5);

/// Makes the volumes, or brings them up to date.
pub(crate) async fn volumes(shared: &Arc<Shared>, local: &Arc<Local>, pod: &Object) -> Result<(), String> {
    let patience = tokio::time::sleep(SOON);
    tokio::pin!(patience);
    loop {
        let version = shared.api.version();
        let why = match make_volumes(shared, local, pod).await {
            Ok(()) => return Ok(()),
            Err(Problem::Other(why)) => return Err(why),
            Err(Problem::Soon(why)) => why,
        };
        tokio::select! {
            () = made_meanwhile(shared, version) => {}
            () = &mut patience => return Err(why),
        }
    }
}

/// A claim has been bound, or a service account made.
async fn made_meanwhile(shared: &Shared, version: u64) {
    let mut changes = shared.api.changes(version);
    while let Ok(change) = changes.next().await {
        if matches!(
            change.key.resource.as_str(),
            "persistentvolumeclaims" | "persistentvolumes" | "serviceaccounts"
        ) {
            return;
        }
    }
}

async fn make_volumes(shared: &Arc<Shared>, local: &Arc<Local>, pod: &Object) -> Result<(), Problem> {
    let gone = local.setup.lock().await;
    if *gone {
        return Err(Problem::Other(TORN_DOWN.into()));
    }
    let (for_work, here, pod) = (shared.clone(), local.clone(), pod.clone());
    let made = tokio::task::spawn_blocking(move || {
        let view = for_work.api.view();
        volumes::prepare(&Source {
            view: &view,
            config: &for_work.config,
            pod: &pod,
            fields: start::fields(&for_work, &here, &pod),
            tokens: &here.tokens,
            dir: &here.dir,
        })
    });
    let made = made.await.map_err(|e| Problem::Other(e.to_string()))??;
    *local.volumes.lock() = Some(made);
    Ok(())
}

pub(crate) async fn remove_sandbox(shared: &Shared, local: &Local) {
    let _alone = local.setup.lock().await;
    end_sandbox(shared, local).await;
}

async fn end_sandbox(shared: &Shared, local: &Local) {
    if !local.host_network
        && let Err(error) = shared.network.detach(&local.uid).await
    {
        tracing::warn!(%error, pod = local.name, "cannot give back a pod's address");
    }
    if let Err(error) = shared.runtime.remove_sandbox(&local.uid).await {
        tracing::warn!(%error, pod = local.name, "cannot remove a pod's sandbox");
    }
}

/// A container that ends just now may still write its last word into the folder that we remove: then again.
pub(crate) async fn remove_container(shared: &Shared, id: &str) {
    let mut wait = Duration::from_millis(20);
    loop {
        match shared.runtime.remove_container(id).await {
            Ok(()) => return,
            Err(error) if wait > Duration::from_secs(1) => {
                tracing::warn!(error = chain(&error), id, "cannot remove a container");
                return;
            }
            Err(_) => tokio::time::sleep(wait).await,
        }
        wait *= 2;
    }
}

/// Nothing of the pod stays on this machine.
pub(crate) async fn tear_down(shared: &Shared, local: &Local) {
    let mut gone = local.setup.lock().await;
    *gone = true;
    for (id, _) in shared.runtime.containers() {
        if split_id(&id).is_some_and(|(uid, ..)| uid == local.uid) {
            remove_container(shared, &id).await;
        }
    }
    end_sandbox(shared, local).await;
    let memory = memory_dir(&shared.config.name);
    let dirs = [local.dir.clone(), local.logs.clone(), memory.join(&local.uid)];
    let removed = tokio::task::spawn_blocking(move || {
        dirs.iter().for_each(|dir| remove(dir));
        // Only when it was the last one's.
        let _ = std::fs::remove_dir(memory);
    });
    if let Err(error) = removed.await {
        tracing::warn!(%error, pod = local.name, "cannot remove a pod's files");
    }
}

fn remove(dir: &Path) {
    if let Err(error) = std::fs::remove_dir_all(dir)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, dir = %dir.display(), "cannot remove a pod's folder");
    }
}
