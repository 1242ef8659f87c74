//! One pod's task: carries out what `pod::step` decides and brings back what came of it.

use crate::ends::terminated;
use crate::error::chain;
use crate::probes::{self, Target};
use crate::shared::{Input, Local, PodHandle, Shared, split_id};
use crate::{pull, resize, setup, start};
use api::{DeleteOptions, WriteOptions};
use jiff::Timestamp;
use pod::{Action, Event, EventKind, PodState, StartFailure};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{Object, View, Write};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Facts that may wait to be taken in; a sender that finds no room waits.
const INBOX: usize = 256;

/// How often tokens are looked at: they live ten minutes at least, and are renewed in the last fifth of it.
const TOKEN_CHECK: Duration = Duration::from_secs(60);

const SIGTERM: i32 = 15;

pub(crate) fn spawn(shared: &Arc<Shared>, pod: Object, state: PodState, actions: Vec<Action>) {
    let local = Arc::new(Local::new(&shared.config, &pod));
    let (inbox, receiver) = mpsc::channel(INBOX);
    let handle = PodHandle { inbox: inbox.clone(), local: local.clone() };
    let uid = local.uid.clone();
    let mut task = PodTask {
        shared: shared.clone(),
        local,
        state,
        inbox,
        work: JoinSet::new(),
        written: Value::Null,
        downward: downward(&pod),
    };
    // Before anybody can ask for the pod, what runs of it is known.
    task.take_over();
    shared.pods.lock().insert(uid, handle);
    shared.tasks.spawn(task.run(receiver, actions));
}

struct PodTask {
    shared: Arc<Shared>,
    local: Arc<Local>,
    state: PodState,
    inbox: mpsc::Sender<Input>,
    work: JoinSet<()>,
    /// The status that the API has from us.
    written: Value,
    /// Labels and annotations that downward API volumes show.
    downward: Value,
}

fn downward(pod: &Value) -> Value {
    json!([pod["metadata"]["labels"], pod["metadata"]["annotations"]])
}

impl PodTask {
    async fn run(mut self, mut receiver: mpsc::Receiver<Input>, actions: Vec<Action>) {
        self.perform(actions);
        self.warn_of_limits();
        self.take(Event::Tick);
        self.judge_resize();
        let mut token_check = tokio::time::interval(TOKEN_CHECK);
        token_check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        token_check.tick().await;
        while !self.state.is_over() {
            let wait = self.until_wake();
            let input = tokio::select! {
                input = receiver.recv() => input,
                () = tokio::time::sleep(wait) => Some(Input::Event(Event::Tick)),
                _ = token_check.tick() => {
                    self.refresh_volumes();
                    self.judge_resize();
                    continue;
                }
                () = self.shared.stop.cancelled() => return,
            };
            let Some(input) = input else { break };
            match input {
                Input::Event(event) => self.take(event),
                Input::ObjectsChanged => {
                    self.refresh_volumes();
                    self.take(Event::ObjectsChanged);
                }
            }
            while self.work.try_join_next().is_some() {}
        }
        self.shared.pods.lock().remove(&self.local.uid);
    }

    /// Containers that ran before us are waited for, and can be reached.
    fn take_over(&mut self) {
        let pod = self.state.object().clone();
        let ip = crate::start::status_ip(&self.state);
        *self.local.ip.lock() = ip;
        for name in container_names(&pod) {
            if let Some(id) = self.state.running_id(&name).map(str::to_owned) {
                self.watch_exit(name, id);
            }
        }
        self.note_running();
    }

    fn until_wake(&self) -> Duration {
        let now = Timestamp::now();
        let Some(wake) = self.state.next_wake(now) else { return Duration::from_secs(24 * 3600) };
        let wait = Duration::try_from(wake.duration_since(now)).unwrap_or_default();
        // Timers fire on whole milliseconds: not a moment early.
        (wait + Duration::from_millis(1)).min(Duration::from_secs(24 * 3600))
    }

    fn take(&mut self, event: Event) {
        if let Event::Spec(pod) = &event {
            let now = downward(pod);
            if now != self.downward {
                self.downward = now;
                self.refresh_volumes_of(pod.clone());
            }
        }
        if let Event::SandboxReady { ip } = &event {
            *self.local.ip.lock() = *ip;
        }
        let asks = matches!(event, Event::Spec(_));
        let actions = pod::step(&mut self.state, event, Timestamp::now());
        self.note_running();
        self.write_status();
        self.perform(actions);
        if asks {
            self.judge_resize();
        }
    }

    /// Resources that the pod asks for anew are given if there is room; what is deferred is looked at again later.
    fn judge_resize(&mut self) {
        if self.state.wants_resize() {
            let refusal = resize::judge(&self.shared, self.state.object());
            self.take(Event::ResizeJudged { refusal });
        }
    }

    fn note_running(&self) {
        let names = container_names(self.state.object());
        let running = names
            .into_iter()
            .filter_map(|name| self.state.running_id(&name).map(|id| (name.clone(), id.to_owned())));
        *self.local.running.lock() = running.collect();
    }

    fn write_status(&mut self) {
        let status = pod::status(&self.state);
        if status == self.written {
            return;
        }
        // Somebody may write a condition between our reading and our writing; then we read again.
        for _ in 0..5 {
            let current = self.shared.api.view().get("pods", &self.local.namespace, &self.local.name);
            let Some(current) = current.filter(|pod| pod["metadata"]["uid"] == self.local.uid.as_str())
            else {
                return;
            };
            if current["status"] == status {
                self.written = status;
                return;
            }
            let mut next = (*current).clone();
            next["status"] = with_foreign_conditions(&status, &current);
            match self.shared.api.update_status("pods", next, &WriteOptions::by("kubelet")) {
                Ok(_) => {
                    self.written = status;
                    return;
                }
                Err(error) if error.reason == "Conflict" => {}
                Err(error) => {
                    tracing::warn!(%error, pod = self.local.name, "cannot write a pod's status");
                    return;
                }
            }
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.perform_one(action);
        }
    }

    fn perform_one(&mut self, action: Action) {
        let (shared, local, pod) = (self.shared.clone(), self.local.clone(), self.state.object().clone());
        match action {
            Action::CreateSandbox => {
                self.work(async move { Some(setup::sandbox(&shared, &local, &pod).await) })
            }
            Action::PrepareVolumes => self.work(async move {
                Some(match setup::volumes(&shared, &local, &pod).await {
                    Ok(()) => Event::VolumesReady,
                    Err(message) => Event::VolumesFailed { message },
                })
            }),
            Action::EnsureImage { container, image, policy } => self.work(async move {
                let pulling = || {
                    let message = format!("Pulling image \"{image}\"");
                    record(&shared, &pod, EventKind::Normal, "Pulling", message, Some(&container));
                };
                Some(match pull::ensure(&shared, &image, policy, pulling).await {
                    Ok(available) => {
                        Event::ImageReady { container, image_id: available.image_id, pulled: available.told }
                    }
                    Err((failure, message)) => Event::ImageFailed { container, failure, message },
                })
            }),
            Action::StartContainer { container, id, attempt } => self.start(container, id, attempt),
            Action::Signal { container, id, signal } => self.work(async move {
                let signal = signal
                    .unwrap_or_else(|| start::stop_signal(&shared, &pod, &container).unwrap_or(SIGTERM));
                if let Err(error) = shared.runtime.signal(&id, signal).await {
                    tracing::debug!(%error, id, signal, "the container has ended already");
                }
                None
            }),
            Action::Resize { container, id, resources } => {
                self.work(async move { Some(resize::carry_out(&shared, container, id, resources)) });
            }
            Action::RunHook { container, id, kind, handler, seconds } => {
                let target = self.target();
                self.work(async move {
                    let failure = probes::hook(&shared, &id, target, &handler, seconds).await;
                    Some(Event::HookDone { container, id, kind, failure })
                });
            }
            Action::Probe { container, id, kind, handler, seconds } => {
                let target = self.target();
                self.work(async move {
                    let outcome = probes::probe(&shared, &id, target, &handler, seconds).await;
                    Some(Event::Probed { container, id, kind, outcome })
                });
            }
            Action::Record { kind, reason, message, container } => {
                record(&shared, &pod, kind, reason, message, container.as_deref());
            }
            Action::RemoveSandbox => self.work(async move {
                setup::remove_sandbox(&shared, &local).await;
                None
            }),
            Action::TearDown => self.work(async move {
                setup::tear_down(&shared, &local).await;
                Some(Event::TornDown)
            }),
            Action::FinalDelete => self.final_delete(),
        }
    }

    fn work(&mut self, task: impl Future<Output = Option<Event>> + Send + 'static) {
        let inbox = self.inbox.clone();
        self.work.spawn(async move {
            if let Some(event) = task.await {
                // The task that would listen is over: so is the pod.
                let _ = inbox.send(Input::Event(event)).await;
            }
        });
    }

    fn start(&mut self, container: String, id: String, attempt: u32) {
        let (shared, local) = (self.shared.clone(), self.local.clone());
        let mut pod = self.state.object().clone();
        if self.state.wants_resize() {
            // What it asks for is not granted (yet).
            pod = Arc::new(self.state.allocated_object());
        }
        let inbox = self.inbox.clone();
        self.work.spawn(async move {
            let started = start::container(&shared, &local, &pod, &container, &id, attempt).await;
            let event = match started {
                Ok(at) => Event::Started { container: container.clone(), id: id.clone(), at },
                Err((failure, message)) => {
                    Event::StartFailed { container: container.clone(), failure, message }
                }
            };
            let running = !matches!(event, Event::StartFailed { .. });
            let _ = inbox.send(Input::Event(event)).await;
            if running {
                let event = exit_of(&shared, &local, &pod, container, id).await;
                let _ = inbox.send(Input::Event(event)).await;
            }
        });
    }

    fn watch_exit(&mut self, container: String, id: String) {
        let (shared, local, pod) = (self.shared.clone(), self.local.clone(), self.state.object().clone());
        self.work(async move { Some(exit_of(&shared, &local, &pod, container, id).await) });
    }

    fn target(&self) -> Option<Target> {
        let ip = (*self.local.ip.lock())?;
        Some(Target { ip, host_network: self.local.host_network })
    }

    fn refresh_volumes(&mut self) {
        self.refresh_volumes_of(self.state.object().clone());
    }

    /// Brings volumes that show objects up to date. What fails now was there before and stays as it is.
    fn refresh_volumes_of(&mut self, pod: Object) {
        let (shared, local) = (self.shared.clone(), self.local.clone());
        if local.volumes.lock().is_none() {
            return;
        }
        self.work(async move {
            if let Err(why) = setup::volumes(&shared, &local, &pod).await {
                tracing::debug!(why, pod = local.name, "volumes stay as they are");
            }
            None
        });
    }

    fn final_delete(&self) {
        let options = DeleteOptions {
            uid: Some(self.local.uid.clone()),
            grace_seconds: Some(0),
            ..DeleteOptions::default()
        };
        match self.shared.api.delete(&self.local.key(), &options) {
            Err(error) if !matches!(error.reason, "NotFound" | "Conflict") => {
                tracing::error!(%error, pod = self.local.name, "cannot delete a pod that has ended");
            }
            _ => {}
        }
    }

    /// What the pod asks for and this machine or this node cannot do is said once.
    fn warn_of_limits(&self) {
        let pod = self.state.object();
        if pod["status"]["containerStatuses"].is_array() {
            return;
        }
        let support = self.shared.runtime.capabilities();
        let limits =
            |name: &str| crate::start::containers(pod).any(|c| c["resources"]["limits"].get(name).is_some());
        for (name, able) in [("memory", support.memory), ("cpu", support.cpu)] {
            if !able && limits(name) {
                let message = format!("{name} limits are not enforced: {}", support.notes.join("; "));
                record(&self.shared, pod, EventKind::Warning, "LimitsNotEnforced", message, None);
            }
        }
        for container in crate::start::containers(pod) {
            let ports: Vec<String> = crate::env::items(&container["ports"])
                .filter_map(|port| port["hostPort"].as_u64().filter(|_| !self.local.host_network))
                .map(|port| port.to_string())
                .collect();
            if !ports.is_empty() {
                let message = format!(
                    "host port {} is not opened: this node has no host ports yet; use a Service, an Ingress or a port forward",
                    ports.join(", ")
                );
                record(
                    &self.shared,
                    pod,
                    EventKind::Warning,
                    "HostPortNotSupported",
                    message,
                    container["name"].as_str(),
                );
            }
        }
    }
}

async fn exit_of(shared: &Shared, local: &Local, pod: &Object, container: String, id: String) -> Event {
    let attempt = split_id(&id).map_or(0, |(_, _, attempt)| attempt);
    match shared.runtime.wait(&id).await {
        Ok(exit) => {
            let exit = terminated(local, pod, &container, &id, attempt, &exit);
            Event::Exited { container, id, exit }
        }
        Err(error) => {
            let now = Timestamp::now();
            let exit = pod::Terminated {
                exit_code: 137,
                reason: "ContainerStatusUnknown".into(),
                message: chain(&error),
                started_at: None,
                finished_at: now,
                container_id: format!("coracle://{id}"),
            };
            Event::Exited { container, id, exit }
        }
    }
}

fn container_names(pod: &Value) -> Vec<String> {
    start::containers(pod).filter_map(|c| c["name"].as_str().map(str::to_owned)).collect()
}

/// Conditions that others have written stay.
fn with_foreign_conditions(status: &Value, current: &Value) -> Value {
    let mut out = status.clone();
    let own = |kind: &Value| {
        kind.as_str().is_some_and(pod::is_own)
            || crate::env::items(&status["conditions"]).any(|c| c["type"] == *kind)
    };
    let foreign: Vec<Value> =
        crate::env::items(&current["status"]["conditions"]).filter(|c| !own(&c["type"])).cloned().collect();
    if let Some(conditions) = out["conditions"].as_array_mut() {
        conditions.extend(foreign);
    }
    out
}

pub(crate) fn record(
    shared: &Shared,
    pod: &Value,
    kind: EventKind,
    reason: &str,
    message: String,
    container: Option<&str>,
) {
    let meta = &pod["metadata"];
    let mut regarding = json!({
        "apiVersion": "v1", "kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"],
        "resourceVersion": meta["resourceVersion"],
    });
    if let Some(container) = container {
        let lists = ["initContainers", "ephemeralContainers"];
        let list = lists
            .into_iter()
            .find(|list| crate::env::items(&pod["spec"][*list]).any(|c| c["name"] == container));
        let list = list.unwrap_or("containers");
        regarding["fieldPath"] = format!("spec.{list}{{{container}}}").into();
    }
    let kind = match kind {
        EventKind::Normal => store::EventKind::Normal,
        EventKind::Warning => store::EventKind::Warning,
    };
    let event = Write::Event { regarding, kind, reason: reason.into(), message, component: "kubelet".into() };
    if let Err(error) = shared.api.write(event) {
        tracing::warn!(%error, reason, "cannot record an event");
    }
}

/// So that failures of starting keep their kind on the way.
pub(crate) type StartResult = Result<Timestamp, (StartFailure, String)>;
