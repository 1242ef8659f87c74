//! A model of the world: a source tree, a builder, a cluster whose containers are trees. It carries effects out.

use devloop::{
    Built, Change, ChangeKind, ContainerFact, ContainerRef, ContainerState, Effect, Event, PodFact, PodPhase,
    State, Sync, SyncError, step,
};
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tiltfile::plan::{
    Dependency, DockerBuild, Dockerfile, Ignore, ImageBuild, ImageKind, K8sResource, LiveUpdate, Plan,
    Resource, ResourceKind, Step, TriggerMode,
};

/// Files by path; a directory is there if something is below it.
pub type Tree = BTreeMap<String, String>;

pub fn docker_image(reference: &str, context: &str, steps: Vec<Step>) -> ImageBuild {
    ImageBuild {
        reference: reference.to_owned(),
        match_exact: false,
        match_in_env_vars: false,
        entrypoint: None,
        container_args: None,
        kind: ImageKind::Docker(Box::new(DockerBuild {
            context: context.into(),
            dockerfile: Dockerfile { path: None, contents: "FROM scratch".to_owned() },
            build_args: BTreeMap::new(),
            target: String::new(),
            context_ignores: vec![],
            ssh: vec![],
            secret: vec![],
            network: String::new(),
            extra_tags: vec![],
            cache_from: vec![],
            pull: false,
            platform: String::new(),
            extra_hosts: vec![],
        })),
        image_deps: vec![],
        live_update: (!steps.is_empty()).then_some(LiveUpdate { steps, ..LiveUpdate::default() }),
        ignores: vec![Ignore {
            base: context.into(),
            source: String::new(),
            patterns: vec!["**/*.log".to_owned()],
        }],
    }
}

pub fn sync(local: &str, container: &str) -> Step {
    Step::Sync { local: local.into(), container: container.to_owned(), local_is_file: false }
}

pub fn run_on(command: &str, trigger: &str) -> Step {
    let triggers = if trigger.is_empty() { vec![] } else { vec![PathBuf::from(trigger)] };
    Step::Run { argv: vec![command.to_owned()], triggers, echo_off: false }
}

pub fn deployment(name: &str, image: &str) -> serde_json::Value {
    serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "codex"},
        "spec": {"template": {"spec": {"containers": [{"name": name, "image": image}]}}}})
}

pub fn k8s(name: &str, plan: &Plan, image: &str, deps: Vec<Dependency>) -> Resource {
    let images = plan.images.iter().position(|i| i.reference == image).into_iter().collect();
    Resource {
        name: name.to_owned(),
        kind: ResourceKind::K8s(K8sResource {
            objects: vec![deployment(name, image)],
            images,
            ..K8sResource::default()
        }),
        labels: vec![],
        resource_deps: deps,
        links: vec![],
        auto_init: true,
        trigger_mode: TriggerMode::Auto,
    }
}

pub struct Pod {
    pub resource: String,
    pub name: String,
    pub image: String,
    pub id: String,
    pub tree: Tree,
    pub created: u64,
}

#[derive(Default)]
pub struct World {
    pub state: State,
    pub now: u64,
    pub source: Tree,
    pub plan: Plan,
    /// Trees of images by reference.
    pub images: BTreeMap<String, Tree>,
    pub pods: Vec<Pod>,
    pub counter: u64,
    /// Effects under way: they take effect when a test finishes them.
    pub pending: Vec<Effect>,
    pub journal: Vec<String>,
    pub fail_builds: bool,
    pub fail_applies: bool,
    /// What a deploy by command prints.
    pub told: Vec<serde_json::Value>,
    pub fail_syncs: bool,
}

impl World {
    pub fn new(plan: Plan, source: &[(&str, &str)]) -> World {
        let mut world = World {
            plan,
            source: source.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect(),
            ..World::default()
        };
        world.load();
        world
    }

    pub fn load(&mut self) {
        self.plan.enabled = self.plan.resources.iter().map(|r| r.name.clone()).collect();
        let plan = Arc::new(self.plan.clone());
        self.send(Event::PlanLoaded { plan, files_read: Default::default() });
    }

    pub fn send(&mut self, event: Event) {
        self.now += 10;
        let effects = step(&mut self.state, event, self.now);
        for effect in effects {
            if let Some(line) = describe(&effect) {
                self.journal.push(line);
            }
            self.pending.push(effect);
        }
    }

    pub fn take_journal(&mut self) -> String {
        let lines = std::mem::take(&mut self.journal);
        lines.iter().map(|l| format!("{l}\n")).collect()
    }

    // ---- the source tree ----

    pub fn write(&mut self, path: &str, text: &str) -> Change {
        self.source.insert(path.to_owned(), text.to_owned());
        Change { path: path.into(), kind: ChangeKind::Written }
    }

    /// A file, or a directory with all below.
    pub fn remove(&mut self, path: &str) -> Change {
        let below = format!("{path}/");
        self.source.retain(|p, _| p != path && !p.starts_with(&below));
        Change { path: path.into(), kind: ChangeKind::Removed }
    }

    pub fn rename(&mut self, from: &str, to: &str) -> Vec<Change> {
        let below = format!("{from}/");
        let moved: Vec<(String, String)> = self
            .source
            .iter()
            .filter(|(p, _)| *p == from || p.starts_with(&below))
            .map(|(p, t)| (p.replacen(from, to, 1), t.clone()))
            .collect();
        let mut changes = vec![self.remove(from)];
        changes.push(Change { path: to.into(), kind: ChangeKind::Written });
        for (path, text) in moved {
            changes.push(self.write(&path, &text));
        }
        changes
    }

    pub fn changed(&mut self, changes: Vec<Change>) {
        self.send(Event::FilesChanged { changes });
    }

    // ---- the executor ----

    /// Carries out the effect at this place of the queue, or the next that needs an answer.
    pub fn finish(&mut self, index: usize) {
        if self.pending.is_empty() {
            return;
        }
        let effect = self.pending.remove(index % self.pending.len());
        match effect {
            Effect::BuildImage { image, round, .. } => self.build(&image, round),
            Effect::Apply { resource, round, objects, .. } => {
                self.roll(&resource, &objects);
                let result =
                    if self.fail_applies { Err("refused".to_owned()) } else { Ok(self.told.clone()) };
                self.send(Event::ApplyDone { resource: resource.clone(), round, result });
                self.tell_pods(&resource);
            }
            Effect::Sync(sync) => self.sync(sync),
            Effect::ReplacePod { resource, pod, .. } => {
                let Some(old) = self.pods.iter().find(|p| p.name == pod.name) else { return };
                let image = old.image.clone();
                self.pods.retain(|p| p.name != pod.name);
                self.start_pod(&resource, &image);
                self.tell_pods(&resource);
            }
            Effect::RunLocal { resource, round, .. } => {
                self.send(Event::LocalDone { resource, round, result: Ok(()) });
            }
            Effect::Delete { round, objects } => {
                for object in objects {
                    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                    self.pods.retain(|p| p.resource != name);
                }
                self.send(Event::DeleteDone { round, result: Ok(()) });
            }
            Effect::DeleteByCommand { resource, round, .. } => {
                self.pods.retain(|p| p.resource != resource);
                self.send(Event::DeleteDone { round, result: Ok(()) });
            }
            _ => {}
        }
    }

    pub fn settle(&mut self) {
        let mut steps = 0;
        while !self.pending.is_empty() {
            self.finish(0);
            steps += 1;
            assert!(steps < 10_000, "the loop does not come to rest: {}", self.take_journal());
        }
    }

    fn context(&self, image: &str) -> String {
        let image = self.plan.images.iter().find(|i| i.reference == image).unwrap();
        match &image.kind {
            ImageKind::Docker(d) => d.context.to_string_lossy().into_owned(),
            ImageKind::Custom(_) => String::new(),
        }
    }

    fn rules(&self, image: &str) -> Vec<(String, String)> {
        let image = self.plan.images.iter().find(|i| i.reference == image).unwrap();
        image
            .live_update
            .iter()
            .flat_map(|l| &l.steps)
            .filter_map(|s| match s {
                Step::Sync { local, container, .. } => {
                    Some((local.to_string_lossy().into_owned(), container.clone()))
                }
                _ => None,
            })
            .collect()
    }

    /// What the image of today's source tree has: synced parts at their targets, all else under `/src`.
    pub fn expected(&self, image: &str) -> Tree {
        let context = format!("{}/", self.context(image));
        let rules = self.rules(image);
        let mut tree = Tree::new();
        for (path, text) in
            self.source.iter().filter(|(p, _)| p.starts_with(&context) && !p.ends_with(".log"))
        {
            let target = rules.iter().find_map(|(local, container)| {
                path.strip_prefix(local.as_str())
                    .filter(|r| r.is_empty() || r.starts_with('/'))
                    .map(|rest| format!("{container}{rest}"))
            });
            tree.insert(target.unwrap_or_else(|| format!("/src/{}", &path[context.len()..])), text.clone());
        }
        tree
    }

    fn build(&mut self, image: &str, round: u64) {
        let result = if self.fail_builds {
            Err("it does not compile".to_owned())
        } else {
            let tree = self.expected(image);
            let mut hasher = DefaultHasher::new();
            tree.hash(&mut hasher);
            let reference =
                devloop::deploy_reference(image, None, &format!("sha256:{:016x}", hasher.finish()));
            let cached = self.images.insert(reference.clone(), tree).is_some();
            Ok(Built { reference, cached })
        };
        self.send(Event::BuildDone { image: image.to_owned(), round, result });
    }

    fn roll(&mut self, resource: &str, objects: &[serde_json::Value]) {
        let image = objects
            .iter()
            .find_map(|o| o.pointer("/spec/template/spec/containers/0/image"))
            .and_then(|i| i.as_str())
            .unwrap_or_default()
            .to_owned();
        if self.pods.iter().any(|p| p.resource == resource && p.image == image) {
            return;
        }
        self.pods.retain(|p| p.resource != resource);
        self.start_pod(resource, &image);
    }

    pub fn start_pod(&mut self, resource: &str, image: &str) {
        self.counter += 1;
        self.pods.push(Pod {
            resource: resource.to_owned(),
            name: format!("{resource}-{}", self.counter),
            image: image.to_owned(),
            id: format!("c{}", self.counter),
            tree: self.images.get(image).cloned().unwrap_or_default(),
            created: self.counter,
        });
    }

    /// The container dies and is started again from its image.
    pub fn restart(&mut self, index: usize) {
        if self.pods.is_empty() {
            return;
        }
        let index = index % self.pods.len();
        self.counter += 1;
        let tree = self.images.get(&self.pods[index].image).cloned().unwrap_or_default();
        let pod = &mut self.pods[index];
        pod.id = format!("c{}", self.counter);
        pod.tree = tree;
        let resource = pod.resource.clone();
        self.tell_pods(&resource);
    }

    pub fn tell_pods(&mut self, resource: &str) {
        let pods = self
            .pods
            .iter()
            .filter(|p| p.resource == resource)
            .map(|p| PodFact {
                name: p.name.clone(),
                namespace: "codex".to_owned(),
                uid: p.name.clone(),
                created: format!("{:08}", p.created),
                phase: PodPhase::Running,
                ready: true,
                containers: vec![ContainerFact {
                    name: resource.to_owned(),
                    image: p.image.clone(),
                    id: p.id.clone(),
                    state: ContainerState::Running,
                    restarts: 0,
                }],
                ..PodFact::default()
            })
            .collect();
        self.send(Event::PodsChanged { resource: resource.to_owned(), pods });
    }

    fn sync(&mut self, sync: Sync) {
        let result = if self.fail_syncs {
            if let Some(pod) =
                self.pods.iter_mut().find(|p| p.name == sync.container.pod && p.id == sync.container.id)
            {
                pod.tree.insert("/app/src/half-written".to_owned(), String::new());
            }
            Err(SyncError::Transport { message: "no connection".to_owned() })
        } else {
            self.carry_out(&sync)
        };
        let Sync { resource, round, container, .. } = sync;
        self.send(Event::SyncDone { resource, container, round, result });
    }

    fn carry_out(&mut self, sync: &Sync) -> Result<(), SyncError> {
        let source = self.source.clone();
        let pod = self.pods.iter_mut().find(|p| p.name == sync.container.pod && p.id == sync.container.id);
        let Some(pod) = pod else {
            return Err(SyncError::Transport { message: "container is gone".to_owned() });
        };
        for path in &sync.deletes {
            let below = format!("{path}/");
            pod.tree.retain(|p, _| p != path && !p.starts_with(&below));
        }
        for file in &sync.files {
            if let Some(text) = source.get(&*file.local.to_string_lossy()) {
                // a directory in the way is removed
                let below = format!("{}/", file.container);
                pod.tree.retain(|p, _| !p.starts_with(&below));
                pod.tree.insert(file.container.clone(), text.clone());
            } else if source.keys().any(|k| Path::new(k).starts_with(&file.local)) {
                pod.tree.remove(&file.container);
            }
        }
        Ok(())
    }
}

fn describe(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::BuildImage { image, reason, .. } => format!("build {image}: {reason}"),
        Effect::Apply { resource, objects, .. } => {
            let images: Vec<&str> = objects
                .iter()
                .filter_map(|o| o.pointer("/spec/template/spec/containers/0/image"))
                .filter_map(|i| i.as_str())
                .collect();
            let tagged = images.iter().any(|i| i.contains(":tilt-"));
            format!("apply {resource}{}", if tagged { " with a built image" } else { "" })
        }
        Effect::Sync(sync) => {
            let files: Vec<&str> = sync.files.iter().map(|f| f.container.as_str()).collect();
            let runs: Vec<String> = sync.then.iter().map(|r| r.argv.join(" ")).collect();
            let ContainerRef { pod, .. } = &sync.container;
            format!("sync {pod} copy {files:?} delete {:?} run {runs:?}", sync.deletes)
        }
        Effect::Delete { objects, .. } => {
            let names: Vec<String> =
                objects.iter().map(|o| format!("{}/{}", o["kind"], o["metadata"]["name"])).collect();
            format!("delete {}", names.join(" ").replace('"', ""))
        }
        Effect::DeleteByCommand { resource, command, .. } => {
            format!("take {resource} down: {}", command.argv.join(" "))
        }
        Effect::RunLocal { resource, .. } => format!("run {resource}"),
        Effect::Serve { resource, .. } => format!("serve {resource}"),
        Effect::LoadTiltfile { reason } => format!("load Tiltfile: {reason}"),
        Effect::ReplacePod { pod, reason, .. } => format!("replace {}: {reason}", pod.name),
        Effect::ForwardPorts { forwards, pod, .. } => {
            let ports: Vec<String> =
                forwards.iter().map(|f| format!("{}:{}", f.local, f.container)).collect();
            format!("forward {} to {}", ports.join(","), pod.as_ref().map_or("nothing", |p| &p.name))
        }
        Effect::StopServe { resource } => format!("stop {resource}"),
        Effect::WatchObjects { .. } | Effect::Status { .. } | Effect::Say(_) => return None,
    })
}
