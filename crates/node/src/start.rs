//! Starting one container: environment, mounts, layers, and then the runtime.

use crate::container_spec::{self, Input};
use crate::error::chain;
use crate::fields::Fields;
use crate::pod_task::StartResult;
use crate::shared::{Local, Shared, split_id};
use crate::{env, hosts};
use jiff::Timestamp;
use pod::{PodState, StartFailure};
use runtime::ContainerState;
use serde_json::Value;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use store::Object;

pub(crate) async fn container(
    shared: &Shared,
    local: &Local,
    pod: &Object,
    name: &str,
    id: &str,
    attempt: u32,
) -> StartResult {
    let create = |why: String| (StartFailure::Create, why);
    let container = containers(pod).find(|c| c["name"] == name);
    let container =
        container.ok_or_else(|| create(format!("container {name} is not in the pod any more")))?;
    let image_name = container["image"].as_str().unwrap_or_default();
    let image = shared.images.require(image_name).map_err(|e| create(chain(&e)))?;
    let rootfs = shared.images.rootfs(&image).await.map_err(|e| create(chain(&e)))?;
    let view = shared.api.view();
    let fields = fields(shared, local, pod);
    let env = env::resolve(&view, &shared.config, pod, container, &fields)
        .map_err(|why| (StartFailure::Config, why))?;
    let volumes = local.volumes.lock().clone().unwrap_or_default();
    let (log, termination_log) = (local.log(name, attempt), local.termination_log(name, attempt));
    prepare_files(&log, &termination_log)
        .map_err(|e| create(format!("cannot make the container's files: {e}")))?;
    let mut spec = container_spec::build(Input {
        id,
        pod,
        container,
        image: &image.config,
        layers: rootfs.layers,
        env,
        volumes: &volumes,
        hostname: &hosts::hostname(pod, &shared.config.name),
        dir: &local.dir,
        termination_log: &termination_log,
        log,
        processes_of: target(local, container).map_err(create)?,
    })
    .map_err(|why| (StartFailure::Config, why))?;
    keep_files(shared, local, name, attempt)
        .map_err(|e| create(format!("cannot keep the container's files: {e}")))?;
    spec.layers.extend(kept_layers(local, name));
    remove_older(shared, local, name, attempt).await;
    shared.runtime.start_container(spec).await.map_err(|e| (StartFailure::Run, chain(&e)))?;
    Ok(started_at(shared, id))
}

/// The running container that an ephemeral one looks into.
fn target(local: &Local, container: &Value) -> Result<Option<String>, String> {
    let Some(name) = container["targetContainerName"].as_str().filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let id = local.running.lock().get(name).cloned();
    id.map(Some).ok_or_else(|| format!("unable to find target container \"{name}\""))
}

fn started_at(shared: &Shared, id: &str) -> Timestamp {
    let time = match shared.runtime.container(id) {
        Some(ContainerState::Running { started_at, .. }) => started_at.parse().ok(),
        Some(ContainerState::Exited(exit)) => exit.started_at.parse().ok(),
        _ => None,
    };
    time.unwrap_or_else(Timestamp::now)
}

pub(crate) fn fields<'a>(shared: &Shared, local: &Local, pod: &'a Value) -> Fields<'a> {
    Fields {
        pod,
        pod_ip: local.ip.lock().map(|ip| ip.to_string()).unwrap_or_default(),
        host_ip: shared.host_ip.to_string(),
        allocatable: shared.allocatable,
    }
}

/// Init containers, containers and ephemeral containers.
pub(crate) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(|list| env::items(&pod["spec"][list]))
}

/// The address that the state has for the pod.
pub(crate) fn status_ip(state: &PodState) -> Option<Ipv4Addr> {
    pod::status(state)["podIP"].as_str()?.parse().ok()
}

/// Instances that ended before this one: their logs stay, the rest has served.
async fn remove_older(shared: &Shared, local: &Local, name: &str, attempt: u32) {
    for (id, _) in shared.runtime.containers() {
        let older = split_id(&id).is_some_and(|(uid, container, number)| {
            uid == local.uid && container == name && number <= attempt
        });
        if older {
            crate::setup::remove_container(shared, &id).await;
        }
    }
}

/// What a container had written before it was restarted on purpose lies over its image from then on.
fn keep_files(shared: &Shared, local: &Local, name: &str, attempt: u32) -> io::Result<()> {
    if !local.keep.lock().remove(name) {
        return Ok(());
    }
    let Some(previous) = attempt.checked_sub(1) else { return Ok(()) };
    let written = shared.runtime.upper(&format!("{}_{name}_{previous}", local.uid));
    let folder = local.dir.join("kept").join(name);
    std::fs::create_dir_all(&folder)?;
    // Numbers sort as they were made.
    std::fs::rename(written, folder.join(format!("{previous:010}")))
}

fn kept_layers(local: &Local, name: &str) -> Vec<std::path::PathBuf> {
    let folder = std::fs::read_dir(local.dir.join("kept").join(name));
    let mut layers: Vec<_> = folder.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    layers.sort();
    layers
}

fn prepare_files(log: &Path, termination_log: &Path) -> io::Result<()> {
    for path in [log, termination_log] {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
    }
    std::fs::OpenOptions::new().create(true).append(true).open(log)?;
    std::fs::File::create(termination_log)?;
    // Whoever runs in the container may leave a message.
    std::fs::set_permissions(termination_log, std::fs::Permissions::from_mode(0o666))
}

/// What asks the container to end, by its pod or its image.
pub(crate) fn stop_signal(shared: &Shared, pod: &Value, name: &str) -> Option<i32> {
    let container = containers(pod).find(|c| c["name"] == name)?;
    let own = container["lifecycle"]["stopSignal"].as_str().map(str::to_owned);
    let of_image = || shared.images.get(container["image"].as_str()?)?.config.stop_signal;
    signal_number(&own.or_else(of_image)?)
}

fn signal_number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let names = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("ALRM", 14),
        ("TERM", 15),
        ("CONT", 18),
        ("STOP", 19),
        ("WINCH", 28),
        ("PWR", 30),
    ];
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = name.strip_prefix("RTMIN+") {
        return offset.parse::<i32>().ok().map(|offset| 34 + offset);
    }
    names.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for (text, expected) in [
            ("SIGQUIT", Some(3)),
            ("quit", Some(3)),
            ("15", Some(15)),
            ("SIGRTMIN+3", Some(37)),
            ("NONE", None),
        ] {
            assert_eq!(signal_number(text), expected, "{text}");
        }
    }
}
