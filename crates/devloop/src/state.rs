//! All that the loop knows.

use crate::event::{ContainerRef, ImageName, ObjectRef, PodFact, ServeFact};
use crate::log::{ChangeLog, Seq};
use crate::rules::{SyncRules, Watched, image_roots};
use crate::status::ResourceStatus;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use tiltfile::Plan;
use tiltfile::plan::{Command, ImageBuild, ImageKind, PortForward};

/// All that the loop knows. Only [`crate::step`] changes it.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) plan: Option<Arc<Plan>>,
    pub(crate) tiltfile: TiltfileState,
    /// Number of the last change set.
    pub(crate) seq: Seq,
    pub(crate) log: ChangeLog,
    pub(crate) images: BTreeMap<ImageName, ImageState>,
    pub(crate) resources: BTreeMap<String, ResourceState>,
    pub(crate) containers: BTreeMap<ContainerRef, ContainerSync>,
    /// Pods that an earlier session changed, and that were told to go.
    pub(crate) replaced_pods: BTreeSet<String>,
    pub(crate) objects: BTreeSet<ObjectRef>,
    /// What is in the cluster because of us: the object and its resource.
    pub(crate) applied: BTreeMap<ObjectKey, (Value, String)>,
    /// Deletions under way: an object among them must not be applied meanwhile.
    pub(crate) deleting: BTreeMap<u64, Vec<ObjectKey>>,
    /// Resources whose delete command runs: they must not be deployed meanwhile.
    pub(crate) undeploying: BTreeMap<u64, String>,
    pub(crate) round: u64,
}

#[derive(Debug, Default)]
pub(crate) struct TiltfileState {
    pub(crate) files: BTreeSet<PathBuf>,
    pub(crate) loading: bool,
    /// A file changed while it was being evaluated.
    pub(crate) again: bool,
    pub(crate) error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectKey {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ObjectKey {
    pub(crate) fn of(object: &Value) -> ObjectKey {
        let text =
            |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let group = text("/apiVersion").split_once('/').map(|(g, _)| g.to_owned()).unwrap_or_default();
        ObjectKey {
            group,
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct ImageState {
    pub(crate) definition: ImageBuild,
    pub(crate) watched: Watched,
    pub(crate) sync: Option<SyncRules>,
    /// Images that it is built from, and those that they are built from.
    pub(crate) bases: Vec<ImageName>,
    /// Changes that concern it or its bases.
    pub(crate) changes: ChangeLog,
    /// Changes of its own that no live update can carry.
    pub(crate) uncovered: BTreeMap<PathBuf, Seq>,
    /// References that were built, with the change set that the latest such build started after.
    pub(crate) known: BTreeMap<String, Seq>,
    pub(crate) current: Option<GoodBuild>,
    pub(crate) running: Option<Running>,
    pub(crate) failed: Option<FailedBuild>,
    /// Must be built whatever the changes say, and why.
    pub(crate) forced: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct GoodBuild {
    pub(crate) reference: String,
    pub(crate) started: Seq,
    /// References of the bases that it was made from.
    pub(crate) bases: Vec<(ImageName, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) round: u64,
    pub(crate) started: Seq,
    pub(crate) since_ms: u64,
    pub(crate) bases: Vec<(ImageName, String)>,
    pub(crate) reason: String,
}

#[derive(Debug, Clone)]
pub(crate) struct FailedBuild {
    pub(crate) started: Seq,
    pub(crate) message: String,
}

impl ImageState {
    pub(crate) fn new(plan: &Plan, index: usize) -> ImageState {
        let definition = plan.images[index].clone();
        let mut bases = Vec::new();
        collect_bases(plan, index, &mut bases);
        ImageState {
            watched: Watched::new(
                image_roots(&definition),
                &definition.ignores,
                &plan.settings.watch_ignores,
            ),
            sync: definition.live_update.as_ref().map(SyncRules::new),
            bases,
            definition,
            changes: ChangeLog::default(),
            uncovered: BTreeMap::new(),
            known: BTreeMap::new(),
            current: None,
            running: None,
            failed: None,
            forced: None,
        }
    }

    pub(crate) fn is_live_update_only(&self) -> bool {
        matches!(&self.definition.kind, ImageKind::Custom(c) if c.live_update_only)
    }
}

fn collect_bases(plan: &Plan, index: usize, out: &mut Vec<ImageName>) {
    for base in &plan.images[index].image_deps {
        let name = &plan.images[*base].reference;
        if !out.contains(name) {
            out.push(name.clone());
            collect_bases(plan, *base, out);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct ResourceState {
    pub(crate) enabled: bool,
    /// The first update was carried out, well or not.
    pub(crate) started: bool,
    /// It was ready once: what waits for it may start.
    pub(crate) ever_ready: bool,
    pub(crate) triggered: bool,
    pub(crate) apply: ApplyState,
    pub(crate) local: LocalState,
    pub(crate) pods: Vec<PodFact>,
    pub(crate) step_error: Option<String>,
    pub(crate) forwarded: Option<(Vec<PortForward>, Option<String>)>,
    pub(crate) status: ResourceStatus,
}

#[derive(Debug, Default)]
pub(crate) struct ApplyState {
    pub(crate) running: Option<ApplyRun>,
    /// What was applied last, with success.
    pub(crate) done: Option<Vec<Value>>,
    /// What was tried last, without.
    pub(crate) failed: Option<(Vec<Value>, String)>,
    /// For a deploy by command: the change set after which it started last.
    pub(crate) started: Seq,
    /// … what it told that is in the cluster, …
    pub(crate) told: Vec<Value>,
    /// … and how to take it away again, once it was tried.
    pub(crate) delete: Option<Command>,
}

#[derive(Debug)]
pub(crate) struct ApplyRun {
    pub(crate) round: u64,
    pub(crate) objects: Vec<Value>,
    pub(crate) since_ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct LocalState {
    pub(crate) running: Option<(u64, u64)>,
    pub(crate) done: bool,
    pub(crate) failed: Option<String>,
    /// The change set after which the command started last.
    pub(crate) started: Seq,
    pub(crate) serving: bool,
    pub(crate) serve: Option<ServeFact>,
}

/// How far a container has followed the source tree.
#[derive(Debug)]
pub(crate) struct ContainerSync {
    pub(crate) image: ImageName,
    /// It holds every change up to this one.
    pub(crate) mark: Seq,
    /// All of it must be copied first.
    pub(crate) initial: bool,
    pub(crate) running: Option<SyncRun>,
    /// Its content is not known any more: only another container helps.
    pub(crate) broken: bool,
}

#[derive(Debug)]
pub(crate) struct SyncRun {
    pub(crate) round: u64,
    pub(crate) upto: Seq,
    pub(crate) since_ms: u64,
    pub(crate) count: usize,
}

impl State {
    pub fn new() -> State {
        State::default()
    }

    /// How a resource stands.
    pub fn status(&self, resource: &str) -> Option<&ResourceStatus> {
        self.resources.get(resource).map(|r| &r.status)
    }

    pub fn is_enabled(&self, resource: &str) -> bool {
        self.resources.get(resource).is_some_and(|r| r.enabled)
    }

    /// Names and states of all resources, in the plan's order.
    pub fn statuses(&self) -> Vec<(&str, &ResourceStatus)> {
        let names = self.plan.iter().flat_map(|p| &p.resources).map(|r| r.name.as_str());
        names.filter_map(|n| Some((n, self.status(n)?))).collect()
    }

    /// Why the last evaluation of the Tiltfile failed, if it did.
    pub fn tiltfile_error(&self) -> Option<&str> {
        self.tiltfile.error.as_deref()
    }

    /// Nothing is under way.
    pub fn is_settled(&self) -> bool {
        !self.tiltfile.loading
            && self.deleting.is_empty()
            && self.undeploying.is_empty()
            && self.images.values().all(|i| i.running.is_none())
            && self.resources.values().all(|r| r.apply.running.is_none() && r.local.running.is_none())
            && self.containers.values().all(|c| c.running.is_none())
    }

    /// When the loop wants a [`crate::Event::Tick`]: it has no timers of its own yet.
    pub fn next_tick(&self) -> Option<u64> {
        None
    }

    pub(crate) fn next_round(&mut self) -> u64 {
        self.round += 1;
        self.round
    }
}
