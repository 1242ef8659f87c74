//! The driver of the dev loop: events into `devloop::step`, its effects carried out by tasks that answer with events.

use crate::arguments::SessionArgs;
use crate::build::Build;
use crate::cluster::Cluster;
use crate::control::{Asked, Control};
use crate::deploy::{Deploy, in_gos_words};
use crate::error::{SessionError, chain};
use crate::extensions::ExtensionCache;
use crate::forward::Forwards;
use crate::host::{OsHost, Print};
use crate::ignore::Ignores;
use crate::logs::Logs;
use crate::output::{LogSource, Output};
use crate::pods::Rules;
use crate::programs::Programs;
use crate::reuse::Renderings;
use crate::secrets::Scrubbed;
use crate::serve::Serving;
use crate::{apply, bootstrap, evaluate, files, objects, pods, sync};
use devloop::{Activity, Effect, Event, Line, Mark, ObjectRef, PodRef, State};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tiltfile::{Evaluation, KubeContext, NO_RESOURCES, Plan, Settings};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What a session is told by the command line.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Absolute.
    pub tiltfile: PathBuf,
    pub settings: Settings,
    /// Where `coracle args` changes the arguments of the settings.
    pub arguments: Option<SessionArgs>,
    /// Where other processes reach the session.
    pub control: Option<Control>,
    /// Give builds the host's CA bundle and proxy settings.
    pub host_trust: bool,
    /// `false`: one round, no watching (`coracle ci`).
    pub watch: bool,
    /// Create namespaces and secrets that the manifests need and nothing defines.
    pub bootstrap: bool,
    /// What the Tiltfile runs, now and later, runs with these.
    pub programs: Programs,
}

/// A file event to a served file is 20 ms of the user's patience: the queue must never be the reason.
const QUEUE: usize = 4096;

pub struct Session {
    cluster: Cluster,
    config: SessionConfig,
    output: Arc<dyn Output>,
    secrets: Arc<Scrubbed>,
    events: mpsc::Sender<Event>,
    received: mpsc::Receiver<Event>,
    asked: (mpsc::Sender<Asked>, mpsc::Receiver<Asked>),
    /// What was enabled and disabled by hand: it outlives evaluations, but not other arguments.
    by_hand: BTreeMap<String, bool>,
    /// Buttons whose commands may run.
    pressed: BTreeMap<String, CancellationToken>,
    state: State,
    plan: Arc<Plan>,
    began: Instant,
    rules: watch::Sender<Rules>,
    wanted: watch::Sender<Vec<ObjectRef>>,
    forwards: Forwards,
    watcher: Option<files::Watching>,
    serving: Serving,
    /// What deploys by command said that is in the cluster, by resource.
    deployed: BTreeMap<String, Vec<Value>>,
    /// What evaluations read, since the last that went well.
    files_read: BTreeSet<PathBuf>,
    /// The session's own tasks end.
    stop: CancellationToken,
    /// The user wants the session to end.
    interrupt: CancellationToken,
    renderings: Renderings,
    extensions: ExtensionCache,
}

impl Session {
    pub fn new(cluster: Cluster, config: SessionConfig, output: Arc<dyn Output>) -> Self {
        let (events, received) = mpsc::channel(QUEUE);
        let secrets = Scrubbed::new(output);
        let output: Arc<dyn Output> = secrets.clone();
        let stop = CancellationToken::new();
        let forwards = Forwards::new(cluster.clone(), output.clone(), stop.clone());
        let dir = config.tiltfile.parent().unwrap_or(Path::new("/")).to_owned();
        let serving = Serving::new(config.programs.clone(), output.clone(), events.clone(), dir);
        Self {
            cluster,
            config,
            output,
            secrets,
            events,
            received,
            asked: mpsc::channel(16),
            by_hand: BTreeMap::new(),
            pressed: BTreeMap::new(),
            state: State::new(),
            plan: Arc::default(),
            began: Instant::now(),
            rules: watch::Sender::new(Rules::default()),
            wanted: watch::Sender::new(Vec::new()),
            forwards,
            watcher: None,
            serving,
            deployed: BTreeMap::new(),
            files_read: BTreeSet::new(),
            stop,
            interrupt: CancellationToken::new(),
            renderings: Renderings::default(),
            extensions: ExtensionCache::of_user(),
        }
    }

    /// Where others put events: triggers from the terminal or another process.
    pub fn events(&self) -> mpsc::Sender<Event> {
        self.events.clone()
    }

    /// Loads the Tiltfile and follows until `done` says so (it is asked after each step) or `stop` fires.
    /// An evaluation that fails keeps the last good plan; without watching, nothing could mend it, and the session ends.
    pub async fn run(
        mut self,
        stop: CancellationToken,
        mut done: impl FnMut(&State, &Plan) -> bool,
    ) -> Result<(), SessionError> {
        let logs = Logs::new(self.output.clone(), self.stop.clone());
        tokio::spawn(pods::follow(
            self.cluster.clone(),
            self.rules.subscribe(),
            self.events.clone(),
            logs,
            self.output.clone(),
            self.stop.clone(),
        ));
        tokio::spawn(objects::follow(
            self.cluster.clone(),
            self.wanted.subscribe(),
            self.events.clone(),
            self.stop.clone(),
        ));
        self.listen();
        self.interrupt = stop.clone();
        let first = self.evaluation().await;
        if first.interrupted {
            self.stop.cancel();
            return Ok(());
        }
        let first = loaded(first);
        if let (Event::PlanFailed { message, .. }, false) = (&first, self.config.watch) {
            self.stop.cancel();
            self.config.programs.end().await;
            return Err(SessionError::Tiltfile { text: message.clone(), hint: None });
        }
        let mut next = Some(first);
        loop {
            if let Some(event) = next.take() {
                self.take(event).await?;
                if done(&self.state, &self.plan) {
                    break;
                }
            }
            let tick = self.state.next_tick();
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.received.recv() => next = event,
                Some(asked) = self.asked.1.recv() => next = self.answer(asked),
                () = sleep_until(self.began, tick) => next = Some(Event::Tick),
            }
        }
        self.stop.cancel();
        self.config.programs.end().await;
        Ok(())
    }

    fn listen(&self) {
        let Some(control) = &self.config.control else { return };
        if let Err(error) = control.listen(self.asked.0.clone(), self.stop.clone()) {
            let text = format!("`coracle trigger` and its like will not reach this session: {error}");
            self.say("", Mark::Warning, text);
        }
    }

    async fn take(&mut self, mut event: Event) -> Result<(), SessionError> {
        if let Event::PlanLoaded { plan, .. } = &mut event
            && !self.by_hand.is_empty()
        {
            let plan = Arc::make_mut(plan);
            plan.enabled.retain(|name| self.by_hand.get(name) != Some(&false));
            for (name, _) in self.by_hand.iter().filter(|(_, enabled)| **enabled) {
                if plan.resource(name).is_some() && !plan.is_enabled(name) {
                    plan.enabled.push(name.clone());
                }
            }
        }
        match &event {
            Event::PlanLoaded { plan, files_read } => {
                self.plan = plan.clone();
                self.config.programs.set_changed(plan.settings.env.clone());
                self.deployed.retain(|name, _| plan.resource(name).is_some());
                self.find_pods();
                if self.config.bootstrap {
                    bootstrap::run(&self.cluster, plan, &self.output).await;
                }
                if self.config.watch {
                    self.rewatch(files_read)?;
                }
            }
            Event::EnabledChanged { resources } => {
                Arc::make_mut(&mut self.plan).enabled.clone_from(resources);
                self.find_pods();
            }
            // What the Tiltfile read until it failed may be what mends it.
            Event::PlanFailed { files_read, .. } if self.config.watch => {
                let read = files_read.union(&self.files_read).cloned().collect();
                self.rewatch(&read)?;
            }
            Event::ApplyDone { resource, result: Ok(objects), .. } if self.is_custom(resource) => {
                self.deployed.insert(resource.clone(), objects.clone());
                self.find_pods();
            }
            _ => {}
        }
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        for effect in devloop::step(&mut self.state, event, now) {
            self.carry_out(effect).await;
        }
        Ok(())
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn config(&self) -> &SessionConfig {
        &self.config
    }

    pub(crate) fn output(&self) -> Arc<dyn Output> {
        self.output.clone()
    }

    pub(crate) fn remember_enabled(&mut self, enabled: BTreeMap<String, bool>) {
        self.by_hand = enabled;
    }

    /// Ends what an earlier press started; gives what ends the commands of this one.
    pub(crate) fn pressed(&mut self, button: &str) -> CancellationToken {
        let stop = CancellationToken::new();
        if let Some(before) = self.pressed.insert(button.to_owned(), stop.clone()) {
            before.cancel();
        }
        stop
    }

    fn is_custom(&self, resource: &str) -> bool {
        self.plan.resource(resource).and_then(|r| r.k8s()).is_some_and(|k| k.custom_deploy.is_some())
    }

    /// Which pods belong to whom may have changed.
    fn find_pods(&self) {
        self.rules.send_replace(Rules::of(&self.plan, &self.cluster, &self.deployed));
    }

    fn rewatch(&mut self, files_read: &BTreeSet<PathBuf>) -> Result<(), SessionError> {
        self.files_read.clone_from(files_read);
        let mut read = files_read.clone();
        read.insert(self.config.tiltfile.clone());
        match &mut self.watcher {
            Some(watching) => watching.update(&self.plan, &read, self.events.clone())?,
            None => self.watcher = Some(files::Watching::start(&self.plan, &read, self.events.clone())?),
        }
        Ok(())
    }

    fn say(&self, resource: &str, mark: Mark, text: String) {
        self.output.line(&Line { resource: resource.to_string(), mark, text });
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::LoadTiltfile { reason } => {
                let reason = self.in_words(reason);
                self.say("", Mark::Info, format!("reading the Tiltfile again: {reason}"));
                let (evaluation, events) = (self.evaluation(), self.events.clone());
                tokio::spawn(async move { events.send(loaded(evaluation.await)).await });
            }
            Effect::BuildImage { image, round, reason, base_images } => {
                self.build(image, round, &reason, base_images)
            }
            Effect::Apply { resource, round, objects, images } => {
                self.apply(resource, round, objects, images)
            }
            Effect::Delete { round, objects } => {
                let (cluster, events) = (self.cluster.clone(), self.events.clone());
                tokio::spawn(async move {
                    let result = apply::delete(&cluster, &objects, false).await.map(drop);
                    let _ = events.send(Event::DeleteDone { round, result }).await;
                });
            }
            Effect::Sync(work) => self.sync(work),
            Effect::DeleteByCommand { resource, round, command } => {
                let (output, events) = (self.output.clone(), self.events.clone());
                let programs = self.config.programs.clone();
                self.deployed.remove(&resource);
                tokio::spawn(async move {
                    let result = programs.run(&output, &resource, LogSource::Build, &command).await;
                    let _ = events.send(Event::DeleteDone { round, result }).await;
                });
            }
            Effect::RunLocal { resource, round, command } => {
                let (output, events) = (self.output.clone(), self.events.clone());
                let programs = self.config.programs.clone();
                tokio::spawn(async move {
                    let result = programs.run(&output, &resource, LogSource::Local, &command).await;
                    let _ = events.send(Event::LocalDone { resource, round, result }).await;
                });
            }
            Effect::Serve { resource, command, probe } => self.serving.start(resource, command, probe),
            Effect::StopServe { resource } => drop(self.serving.stop(&resource)),
            Effect::WatchObjects { objects } => drop(self.wanted.send_replace(objects)),
            Effect::ForwardPorts { resource, forwards, pod } => {
                for problem in self.forwards.set(&resource, &forwards, pod.as_ref()).await {
                    self.say(&resource, Mark::Failed, problem);
                }
            }
            Effect::ReplacePod { resource, pod, reason } => self.replace_pod(resource, pod, reason),
            Effect::Status { resource, status } => self.output.status(&resource, &status),
            Effect::Say(line) => self.output.line(&line),
        }
    }

    fn build(&self, image: String, round: u64, reason: &str, base_images: Vec<(String, String)>) {
        let events = self.events.clone();
        let Some(index) = self.plan.images.iter().position(|i| i.reference == image) else {
            let result = Err(format!("the plan has no image {image}"));
            tokio::spawn(async move { events.send(Event::BuildDone { image, round, result }).await });
            return;
        };
        let owner = self.plan.resources.iter().find(|r| r.k8s().is_some_and(|k| k.images.contains(&index)));
        let resource = owner.map(|r| r.name.clone()).unwrap_or_default();
        tracing::info!(image, reason, "build");
        let build = Build {
            cluster: self.cluster.clone(),
            programs: self.config.programs.clone(),
            output: self.output.clone(),
            image: self.plan.images[index].clone(),
            resource,
            registry: self.plan.settings.default_registry.clone(),
            base_images,
            host_trust: self.config.host_trust,
        };
        tokio::spawn(async move {
            let result = build.run().await;
            let _ = events.send(Event::BuildDone { image, round, result }).await;
        });
    }

    fn apply(
        &self,
        resource: String,
        round: u64,
        objects: Vec<serde_json::Value>,
        images: Vec<(String, String)>,
    ) {
        let (cluster, events, output) = (self.cluster.clone(), self.events.clone(), self.output.clone());
        let custom =
            self.plan.resource(&resource).and_then(|r| r.k8s()).and_then(|k| k.custom_deploy.clone());
        let limit = Duration::from_secs(self.plan.settings.k8s_upsert_timeout_secs);
        let programs = self.config.programs.clone();
        tokio::spawn(async move {
            let result = match custom {
                None => applied(apply::apply(&cluster, &objects), limit).await.map(|()| objects),
                Some(deploy) => {
                    let work = Deploy { programs: &programs, output: &output, resource: &resource, limit };
                    work.run(deploy.apply, &images).await
                }
            };
            let _ = events.send(Event::ApplyDone { resource, round, result }).await;
        });
    }

    fn sync(&self, work: devloop::Sync) {
        let (cluster, events, output) = (self.cluster.clone(), self.events.clone(), self.output.clone());
        let host_trust = self.config.host_trust;
        let image = self.plan.images.iter().find(|i| i.reference == work.image);
        let ignores =
            Ignores::new(image.iter().flat_map(|i| &i.ignores).chain(&self.plan.settings.watch_ignores));
        tokio::spawn(async move {
            let result = sync::sync(&cluster, &output, &ignores, &work, host_trust).await;
            let event = Event::SyncDone {
                resource: work.resource,
                container: work.container,
                round: work.round,
                result,
            };
            let _ = events.send(event).await;
        });
    }

    /// Why the Tiltfile is read again, as the user knows it.
    fn in_words(&mut self, reason: String) -> String {
        let arguments = self.config.arguments.as_ref();
        match arguments.filter(|a| reason.ends_with(&a.path().display().to_string())) {
            Some(arguments) => {
                self.by_hand.clear();
                let now = arguments.read().unwrap_or_default().join(" ");
                format!("its arguments changed\nTiltfile args changed to: [{now}]")
            }
            None => reason,
        }
    }

    fn replace_pod(&self, resource: String, pod: PodRef, reason: String) {
        use k8s_openapi::api::core::v1::Pod;
        use kube::api::{DeleteParams, Preconditions};
        self.say(&resource, Mark::Info, format!("replacing the pod {}: {reason}", pod.name));
        let api: kube::Api<Pod> = kube::Api::namespaced(self.cluster.client(), &pod.namespace);
        let output = self.output.clone();
        tokio::spawn(async move {
            let only_this = Preconditions { uid: Some(pod.uid.clone()), resource_version: None };
            let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
            match api.delete(&pod.name, &params).await {
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(error) => output.line(&Line {
                    resource,
                    mark: Mark::Failed,
                    text: format!("cannot delete the pod {}: {}", pod.name, chain(&error)),
                }),
                Ok(_) => {}
            }
        });
    }

    /// What an evaluation needs, so that it can go on beside the loop.
    fn evaluation(&self) -> impl Future<Output = Evaluation> + Send + use<> {
        let output = self.output.clone();
        let context = KubeContext {
            name: self.cluster.context().to_string(),
            namespace: self.cluster.default_namespace().to_string(),
            is_local: self.cluster.is_local(),
        };
        let print: Print = Arc::new(move |_, text| output.log("", LogSource::Tiltfile, &format!("{text}\n")));
        let host = OsHost {
            renderings: self.renderings.clone(),
            extensions: self.extensions.clone(),
            environment: self.config.programs.environment().to_vec(),
            ..OsHost::new(Some(context), print, self.interrupt.clone())
        };
        let (path, mut settings) = (self.config.tiltfile.clone(), self.config.settings.clone());
        let arguments = self.config.arguments.clone();
        if let Some(args) = arguments.as_ref().and_then(SessionArgs::read) {
            settings.args = args;
        }
        let (output, secrets) = (self.output.clone(), self.secrets.clone());
        async move {
            let mut evaluation = evaluate::evaluate_aloud(host, path, settings).await;
            evaluation.files_read.extend(arguments.map(|a| a.path().to_owned()));
            if evaluation.error.is_none() {
                secrets.hide(&evaluation.plan.secrets());
            }
            for warning in &evaluation.warnings {
                let place = warning.position.as_ref().map(|p| format!("{p}: ")).unwrap_or_default();
                let text = format!("{place}{}", warning.message);
                output.line(&Line { resource: String::new(), mark: Mark::Warning, text });
            }
            for text in evaluation.plan.notes() {
                output.line(&Line { resource: String::new(), mark: Mark::Warning, text });
            }
            evaluation
        }
    }
}

/// An evaluation as an event of the loop.
fn loaded(evaluation: Evaluation) -> Event {
    let Evaluation { plan, files_read, error, .. } = evaluation;
    let problem = match error {
        Some(error) => Some(error.report()),
        None if plan.resources.is_empty() => Some(NO_RESOURCES.to_owned()),
        None => plan.refusal(),
    };
    match problem {
        None => Event::PlanLoaded { plan: Arc::new(plan), files_read },
        Some(message) => Event::PlanFailed { message, files_read },
    }
}

async fn applied(work: impl Future<Output = Result<(), String>>, limit: Duration) -> Result<(), String> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(format!(
            "the cluster did not take the objects in {}\nhint: update_settings(k8s_upsert_timeout_secs=…) gives it more time",
            in_gos_words(limit)
        ))
    })
}

async fn sleep_until(began: Instant, tick: Option<u64>) {
    match tick {
        Some(millis) => {
            tokio::time::sleep_until((began + std::time::Duration::from_millis(millis)).into()).await
        }
        None => std::future::pending().await,
    }
}

/// In words for a status line.
pub fn activity(what: &Activity) -> String {
    match what {
        Activity::Building { image } => format!("building {image}"),
        Activity::Applying => "applying".into(),
        Activity::Syncing => "updating".into(),
        Activity::Running => "running".into(),
    }
}
