//! What one evaluation carries with it: the host, and all that the Tiltfile registered so far.

use crate::call::{Failure, Result};
use crate::config::ConfigState;
use crate::plan::{
    self, CustomDeploy, DiscoveryStrategy, ImageLocator, ImageObject, Link, LocalResource, ObjectSelector,
    PlanSettings, PodReadiness, PortForward, Step, TriggerMode,
};
use crate::text::ImageRef;
use crate::values::Environ;
use crate::{Host, KubeContext, Level, Position, Settings, Warning};
use serde_json::Value;
use starlark::environment::{FrozenModule, Globals};
use starlark::values::ProvidesStaticType;
use std::cell::{Cell, OnceCell, Ref, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

#[derive(ProvidesStaticType)]
pub(crate) struct Env<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) settings: &'a Settings,
    pub(crate) tiltfile: &'a Path,
    pub(crate) context: Option<KubeContext>,
    pub(crate) environ: Environ,
    pub(crate) globals: OnceCell<Globals>,
    /// The scope of built-in extensions.
    pub(crate) our_globals: OnceCell<Globals>,
    /// Files under execution, the innermost last.
    pub(crate) stack: RefCell<Vec<PathBuf>>,
    pub(crate) loaded: RefCell<HashMap<PathBuf, Loaded>>,
    /// Extension repositories (address and reference) that are on disk.
    pub(crate) fetched: RefCell<HashMap<(String, String), PathBuf>>,
    pub(crate) extensions_loaded: RefCell<BTreeSet<String>>,
    pub(crate) registry: RefCell<Registry>,
    pub(crate) warnings: RefCell<Vec<Warning>>,
    pub(crate) files_read: RefCell<BTreeSet<PathBuf>>,
    pub(crate) output: RefCell<String>,
    pub(crate) exited: Cell<bool>,
    /// Steps that interpreters took so far.
    pub(crate) steps: Cell<u64>,
    pub(crate) commands_skipped: Cell<usize>,
    /// What [`Host::memory`] said at first.
    pub(crate) memory_before: Option<u64>,
    /// Why one was told to stop.
    pub(crate) stop: Cell<Option<crate::limits::Stop>>,
}

#[derive(Clone)]
pub(crate) enum Loaded {
    InProgress,
    Done(FrozenModule),
    Failed(Failure),
}

/// All that builtins register.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) images: Vec<ImageDef>,
    pub(crate) entities: Vec<Entity>,
    /// Places in `entities`.
    pub(crate) entity_ids: HashMap<crate::manifest::Id, usize>,
    pub(crate) k8s_resources: Vec<K8sResourceOptions>,
    pub(crate) custom_deploys: Vec<CustomDeployDef>,
    pub(crate) locals: Vec<LocalDef>,
    pub(crate) compose: Vec<ComposeProjectDef>,
    pub(crate) api_objects: Vec<plan::ApiObject>,
    pub(crate) steps: Vec<StepDef>,
    pub(crate) locators: Vec<LocatorDef>,
    pub(crate) kinds: Vec<KindDef>,
    pub(crate) settings: PlanSettings,
    pub(crate) trigger_mode: Option<(TriggerMode, Position)>,
    pub(crate) config: ConfigState,
    /// File (executing) in which a function of this hidden name maps workloads to resource names.
    pub(crate) workload_to_resource: Option<(PathBuf, Position)>,
    pub(crate) team_set: bool,
}

impl Registry {
    /// Nothing made so far may have the name.
    pub(crate) fn check_conflict(&self, name: &str) -> crate::call::Result<()> {
        if self.custom_deploys.iter().any(|d| d.name == name) {
            crate::call::fail!("k8s_resource named {name:?} already exists");
        }
        if self.locals.iter().any(|l| l.name == name) {
            crate::call::fail!("local_resource named {name:?} already exists");
        }
        if self.compose.iter().flat_map(|p| &p.services).any(|s| s.resource == name) {
            crate::call::fail!("dc_resource named {name:?} already exists");
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ImageDef {
    pub(crate) written: String,
    pub(crate) reference: ImageRef,
    pub(crate) build: plan::ImageBuild,
    /// References that the build starts from (Dockerfile's FROM, COPY --from; `image_deps`).
    pub(crate) bases: Vec<(ImageRef, bool)>,
    /// Files to be watched if the image is used.
    pub(crate) watched: Vec<PathBuf>,
    pub(crate) position: Position,
}

#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) object: Value,
    pub(crate) source: String,
}

#[derive(Debug, Clone)]
pub(crate) struct K8sResourceOptions {
    pub(crate) workload: String,
    pub(crate) new_name: String,
    pub(crate) port_forwards: Vec<PortForward>,
    pub(crate) extra_pod_selectors: Vec<BTreeMap<String, String>>,
    pub(crate) trigger_mode: Option<TriggerMode>,
    pub(crate) resource_deps: Vec<String>,
    pub(crate) objects: Vec<String>,
    pub(crate) auto_init: Option<bool>,
    pub(crate) pod_readiness: Option<PodReadiness>,
    pub(crate) links: Vec<Link>,
    pub(crate) labels: Vec<String>,
    pub(crate) discovery_strategy: Option<DiscoveryStrategy>,
    pub(crate) position: Position,
}

#[derive(Debug, Clone)]
pub(crate) struct CustomDeployDef {
    pub(crate) name: String,
    pub(crate) deploy: CustomDeploy,
    pub(crate) image_deps: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct LocalDef {
    pub(crate) name: String,
    pub(crate) local: LocalResource,
    pub(crate) ignore: Vec<String>,
    pub(crate) dir: PathBuf,
    pub(crate) trigger_mode: Option<TriggerMode>,
    pub(crate) resource_deps: Vec<String>,
    pub(crate) auto_init: bool,
    pub(crate) links: Vec<Link>,
    pub(crate) labels: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct ComposeProjectDef {
    pub(crate) project: plan::ComposeProject,
    /// How it was loaded: a later call for the same project adds to it.
    pub(crate) request: crate::compose::Request,
    pub(crate) services: Vec<ComposeServiceDef>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ComposeServiceDef {
    pub(crate) service: String,
    pub(crate) resource: String,
    pub(crate) config: Value,
    pub(crate) reference: Option<ImageRef>,
    /// `dc_resource(image=)`.
    pub(crate) chosen_image: Option<ImageRef>,
    pub(crate) build: Option<plan::ComposeBuild>,
    pub(crate) ignores: Vec<plan::Ignore>,
    /// Files to be watched if the service is built by Compose.
    pub(crate) watched: Vec<PathBuf>,
    pub(crate) trigger_mode: Option<TriggerMode>,
    pub(crate) resource_deps: Vec<String>,
    pub(crate) infer_links: Option<bool>,
    pub(crate) auto_init: Option<bool>,
    pub(crate) links: Vec<Link>,
    pub(crate) labels: Vec<String>,
}

impl ComposeServiceDef {
    /// What was said of the service before its files were read again.
    pub(crate) fn take_options(&mut self, before: &ComposeServiceDef) {
        self.resource.clone_from(&before.resource);
        self.chosen_image.clone_from(&before.chosen_image);
        self.trigger_mode = before.trigger_mode;
        self.resource_deps.clone_from(&before.resource_deps);
        self.infer_links = before.infer_links;
        self.auto_init = before.auto_init;
        self.links.clone_from(&before.links);
        self.labels.clone_from(&before.labels);
    }
}

#[derive(Debug, Clone)]
pub(crate) struct StepDef {
    pub(crate) step: Step,
    pub(crate) position: Position,
    pub(crate) used: bool,
    /// As `type()` and `str()` have it.
    pub(crate) kind: &'static str,
    pub(crate) text: std::sync::Arc<str>,
}

#[derive(Debug, Clone)]
pub(crate) struct LocatorDef {
    pub(crate) selector: ObjectSelector,
    pub(crate) path: String,
    pub(crate) object: Option<ImageObject>,
    pub(crate) position: Position,
}

impl LocatorDef {
    pub(crate) fn locator(&self) -> ImageLocator {
        ImageLocator { selector: self.selector.clone(), path: self.path.clone(), object: self.object.clone() }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct KindDef {
    pub(crate) selector: ObjectSelector,
    pub(crate) pod_readiness: Option<PodReadiness>,
}

impl<'a> Env<'a> {
    pub(crate) fn new(host: &'a dyn Host, tiltfile: &'a Path, settings: &'a Settings) -> Env<'a> {
        let environ = Environ { vars: Default::default() };
        environ.with(|vars| vars.host = host.environ().into_iter().collect());
        Env {
            host,
            settings,
            tiltfile,
            context: host.current_context(),
            environ,
            globals: OnceCell::new(),
            our_globals: OnceCell::new(),
            stack: RefCell::default(),
            loaded: RefCell::default(),
            fetched: RefCell::default(),
            extensions_loaded: RefCell::default(),
            registry: RefCell::default(),
            warnings: RefCell::default(),
            files_read: RefCell::default(),
            output: RefCell::default(),
            exited: Cell::new(false),
            steps: Cell::new(0),
            commands_skipped: Cell::new(0),
            memory_before: host.memory(),
            stop: Cell::new(None),
        }
    }

    pub(crate) fn reg(&self) -> Ref<'_, Registry> {
        self.registry.borrow()
    }

    pub(crate) fn reg_mut(&self) -> RefMut<'_, Registry> {
        self.registry.borrow_mut()
    }

    /// The file under execution: not the one in which the running function was written.
    pub(crate) fn executing(&self) -> PathBuf {
        self.stack.borrow().last().cloned().unwrap_or_else(|| self.tiltfile.to_owned())
    }

    /// Its directory: relative paths start here.
    pub(crate) fn dir(&self) -> PathBuf {
        let file = self.executing();
        file.parent().map(Path::to_owned).unwrap_or_else(|| PathBuf::from("/"))
    }

    /// A change of this file means a new evaluation.
    pub(crate) fn reads(&self, path: impl Into<PathBuf>) {
        self.files_read.borrow_mut().insert(path.into());
    }

    /// Reads a file and has it watched.
    pub(crate) fn read(&self, path: &Path) -> std::io::Result<String> {
        self.reads(path);
        Ok(String::from_utf8_lossy(&self.host.read_file(path)?).into_owned())
    }

    pub(crate) fn say(&self, level: Level, text: &str) {
        self.host.print(level, text);
        let mut output = self.output.borrow_mut();
        output.push_str(text);
        output.push('\n');
    }

    pub(crate) fn warn(&self, message: impl Into<String>, position: Option<Position>) {
        let message = message.into();
        self.host.print(Level::Warning, &message);
        self.warnings.borrow_mut().push(Warning { message, position });
    }

    pub(crate) fn getenv(&self, key: &str) -> Option<String> {
        self.environ.with(|v| v.get(key))
    }

    /// Refuses to go on if the cluster may be one that matters to others.
    pub(crate) fn check_context(&self, for_local: bool) -> Result<()> {
        let Some(context) = &self.context else { return Ok(()) };
        if context.is_local || self.reg().settings.allowed_contexts.contains(&context.name) {
            return Ok(());
        }
        let name = &context.name;
        Err(Failure::new(if for_local {
            format!(
                "Refusing to run 'local' because {name} might be a production kube context.\nIf you're sure you want to continue add:\n\tallow_k8s_contexts('{name}')\nbefore this function call in your Tiltfile. Otherwise, switch k8s contexts and restart Tilt."
            )
        } else {
            format!(
                "Stop! {name} might be production.\nIf you're sure you want to deploy there, add:\n\tallow_k8s_contexts('{name}')\nto your Tiltfile. Otherwise, switch k8s contexts and restart Tilt."
            )
        }))
    }
}

/// The text of an error of the operating system as Go prints it: `open /x: no such file or directory`.
pub(crate) fn io_text(operation: &str, path: &Path, e: &std::io::Error) -> String {
    // a directory can be opened
    let operation = if e.kind() == std::io::ErrorKind::IsADirectory { "read" } else { operation };
    let what = match e.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        std::io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        _ => {
            let text = e.to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    };
    format!("{operation} {}: {what}", path.display())
}
