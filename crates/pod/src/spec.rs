//! The part of a pod's spec that its life depends on, read once per change of the object.

use jiff::Timestamp;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub struct PodSpec {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub restart_policy: RestartPolicy,
    pub grace_seconds: i64,
    /// When the pod must be gone, if it is being deleted.
    pub deletion: Option<Timestamp>,
    pub active_deadline_seconds: Option<i64>,
    pub host_network: bool,
    /// Init containers first, ephemeral ones last, each list in order.
    pub containers: Vec<ContainerSpec>,
    pub readiness_gates: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerKind {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container with `restartPolicy: Always`: runs as long as the pod.
    Sidecar,
    Main,
    /// Added to a running pod, for looking into it: never restarted, and nothing waits for it.
    Ephemeral,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ContainerSpec {
    pub name: String,
    pub kind: ContainerKind,
    pub image: String,
    pub pull_policy: PullPolicy,
    pub startup: Option<Probe>,
    pub readiness: Option<Probe>,
    pub liveness: Option<Probe>,
    pub post_start: Option<Handler>,
    pub pre_stop: Option<Handler>,
    /// The container whose processes an ephemeral one shares.
    pub target: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    pub handler: Handler,
    pub initial_delay: i64,
    pub period: i64,
    pub timeout: i64,
    pub success_threshold: u32,
    pub failure_threshold: u32,
    /// Overrides the pod's grace period when a failure of this probe ends the container.
    pub grace_seconds: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

/// What a probe or a hook does.
#[derive(Debug, Clone, PartialEq)]
pub enum Handler {
    Exec {
        command: Vec<String>,
    },
    /// `host` is empty for the pod's own address.
    Http {
        scheme: Scheme,
        host: String,
        port: u16,
        path: String,
        headers: Vec<(String, String)>,
    },
    Tcp {
        host: String,
        port: u16,
    },
    Grpc {
        port: u16,
        service: String,
    },
    Sleep {
        seconds: i64,
    },
    /// It names a port that the container does not have, or nothing at all.
    Unusable {
        why: String,
    },
}

impl PodSpec {
    pub fn read(pod: &Value) -> Self {
        let (meta, spec) = (&pod["metadata"], &pod["spec"]);
        let mut containers = Vec::new();
        for container in list(&spec["initContainers"]) {
            let sidecar = container["restartPolicy"] == "Always";
            containers.push(read_container(
                container,
                if sidecar { ContainerKind::Sidecar } else { ContainerKind::Init },
            ));
        }
        containers.extend(list(&spec["containers"]).map(|c| read_container(c, ContainerKind::Main)));
        let ephemeral = list(&spec["ephemeralContainers"]);
        containers.extend(ephemeral.map(|c| read_container(c, ContainerKind::Ephemeral)));
        Self {
            namespace: text(&meta["namespace"]),
            name: text(&meta["name"]),
            uid: text(&meta["uid"]),
            restart_policy: match spec["restartPolicy"].as_str() {
                Some("Never") => RestartPolicy::Never,
                Some("OnFailure") => RestartPolicy::OnFailure,
                _ => RestartPolicy::Always,
            },
            grace_seconds: spec["terminationGracePeriodSeconds"].as_i64().unwrap_or(30),
            deletion: meta["deletionTimestamp"].as_str().and_then(|time| time.parse().ok()),
            active_deadline_seconds: spec["activeDeadlineSeconds"].as_i64(),
            host_network: spec["hostNetwork"] == true,
            containers,
            readiness_gates: list(&spec["readinessGates"]).map(|gate| text(&gate["conditionType"])).collect(),
        }
    }

    pub fn container(&self, name: &str) -> Option<&ContainerSpec> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// `web_default(0b1c…)`, as the kubelet's messages call a pod.
    pub(crate) fn title(&self) -> String {
        format!("{}_{}({})", self.name, self.namespace, self.uid)
    }
}

fn read_container(container: &Value, kind: ContainerKind) -> ContainerSpec {
    let image = text(&container["image"]);
    let probe =
        |field: &str| container.get(field).filter(|p| p.is_object()).map(|p| read_probe(p, container));
    let hook = |field: &str| {
        container["lifecycle"].get(field).filter(|h| h.is_object()).map(|h| read_handler(h, container))
    };
    ContainerSpec {
        name: text(&container["name"]),
        kind,
        pull_policy: match container["imagePullPolicy"].as_str() {
            Some("Always") => PullPolicy::Always,
            Some("Never") => PullPolicy::Never,
            Some("IfNotPresent") => PullPolicy::IfNotPresent,
            _ if moves(&image) => PullPolicy::Always,
            _ => PullPolicy::IfNotPresent,
        },
        image,
        startup: probe("startupProbe"),
        readiness: probe("readinessProbe"),
        liveness: probe("livenessProbe"),
        post_start: hook("postStart"),
        pre_stop: hook("preStop"),
        target: container["targetContainerName"].as_str().filter(|name| !name.is_empty()).map(str::to_owned),
    }
}

/// Whether a name without a pull policy means another image from day to day.
fn moves(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    !image.contains('@') && last.rsplit_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn read_probe(probe: &Value, container: &Value) -> Probe {
    let number = |field: &str, default: i64, least: i64| probe[field].as_i64().unwrap_or(default).max(least);
    let count = |field: &str, default: i64| u32::try_from(number(field, default, 1)).unwrap_or(u32::MAX);
    Probe {
        handler: read_handler(probe, container),
        initial_delay: number("initialDelaySeconds", 0, 0),
        period: number("periodSeconds", 10, 1),
        timeout: number("timeoutSeconds", 1, 1),
        success_threshold: count("successThreshold", 1),
        failure_threshold: count("failureThreshold", 3),
        grace_seconds: probe["terminationGracePeriodSeconds"].as_i64(),
    }
}

fn read_handler(from: &Value, container: &Value) -> Handler {
    if let Some(exec) = from.get("exec") {
        return Handler::Exec { command: list(&exec["command"]).map(text).collect() };
    }
    if let Some(http) = from.get("httpGet") {
        let headers = list(&http["httpHeaders"]).map(|h| (text(&h["name"]), text(&h["value"]))).collect();
        let path = text(&http["path"]);
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        return match port(&http["port"], container) {
            Ok(port) => Handler::Http {
                scheme: if http["scheme"] == "HTTPS" { Scheme::Https } else { Scheme::Http },
                host: text(&http["host"]),
                port,
                path,
                headers,
            },
            Err(why) => Handler::Unusable { why },
        };
    }
    if let Some(tcp) = from.get("tcpSocket") {
        return match port(&tcp["port"], container) {
            Ok(port) => Handler::Tcp { host: text(&tcp["host"]), port },
            Err(why) => Handler::Unusable { why },
        };
    }
    if let Some(grpc) = from.get("grpc") {
        return match port(&grpc["port"], container) {
            Ok(port) => Handler::Grpc { port, service: text(&grpc["service"]) },
            Err(why) => Handler::Unusable { why },
        };
    }
    if let Some(sleep) = from.get("sleep") {
        return Handler::Sleep { seconds: sleep["seconds"].as_i64().unwrap_or(0) };
    }
    Handler::Unusable { why: "missing probe handler".into() }
}

/// A port number, or the number of the container's port of that name.
fn port(value: &Value, container: &Value) -> Result<u16, String> {
    let number = value.as_i64().or_else(|| value.as_str().and_then(|name| name.parse().ok())).or_else(|| {
        let name = value.as_str()?;
        list(&container["ports"]).find(|port| port["name"] == name)?["containerPort"].as_i64()
    });
    match number.map(u16::try_from) {
        Some(Ok(number)) if number > 0 => Ok(number),
        Some(_) => Err(format!("invalid port number: {value}")),
        None => Err(format!("couldn't find port: {value}")),
    }
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
