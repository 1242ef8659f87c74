//! What a Tiltfile asks for. Values only; paths are absolute, lists keep the Tiltfile's order.

use crate::manifest::{Id, pod_template, text};

mod buttons;
mod settings;

pub use crate::manifest::apply_order;
pub use buttons::{Button, Input, InputError, InputKind};
pub use settings::{CiSettings, DockerPrune, PlanSettings, Registry, Telemetry, VersionSettings};

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything that a Tiltfile asks for.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Plan {
    /// Kubernetes resources in the order of their registration, then local ones, then `uncategorized`.
    pub resources: Vec<Resource>,
    /// Images that some resource needs. Resources and images point here by index.
    pub images: Vec<ImageBuild>,
    /// Names of the resources to run; the others exist, disabled.
    pub enabled: Vec<String>,
    /// What `v1alpha1.*` made, and the extensions that were loaded.
    pub api_objects: Vec<ApiObject>,
    /// Extensions that `v1alpha1.extension` names and no file loads.
    pub extensions_not_loaded: Vec<String>,
    pub settings: PlanSettings,
}

impl Plan {
    pub fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|r| r.name == name)
    }
    /// Why Coracle cannot run this plan, though it is a good one.
    pub fn refusal(&self) -> Option<String> {
        let services: Vec<&str> =
            self.resources.iter().filter(|r| r.compose().is_some()).map(|r| r.name.as_str()).collect();
        (!services.is_empty()).then(|| {
            format!(
                "running services of docker_compose() is not built yet in Coracle: {}\nhint: `coracle tiltfile-result` shows what they are; take the call out of the Tiltfile to run the rest",
                services.join(", ")
            )
        })
    }
    /// Values of Secrets that must not show up in logs. Sorted.
    pub fn secrets(&self) -> Vec<SecretValue> {
        if !self.settings.secret_scrubbing {
            return Vec::new();
        }
        let objects = self.resources.iter().filter_map(|r| r.k8s()).flat_map(|k| &k.objects);
        let mut found: Vec<SecretValue> = objects.flat_map(crate::manifest::secret_values).collect();
        found.sort();
        found.dedup();
        found
    }
    /// What the plan asks for and a session does not do, though it can do without.
    pub fn notes(&self) -> Vec<String> {
        let idle: Vec<String> = self
            .api_objects
            .iter()
            .filter(|o| !o.plural.starts_with("extension") && !self.is_button_or_its_command(o))
            .map(|o| format!("{}/{}", o.plural, o.name))
            .collect();
        let mut notes = Vec::new();
        if !idle.is_empty() {
            notes.push(format!(
                "objects of v1alpha1 are kept, but nothing acts on them yet in Coracle: {}",
                idle.join(", ")
            ));
        }
        notes.extend(self.settings.notes());
        notes.extend(self.extensions_not_loaded.iter().map(|name| {
            format!(
                "the extension {name} is registered but not loaded, so it is not evaluated: extensions do not run as resources of their own yet. load('ext://{name}', …) evaluates it"
            )
        }));
        notes
    }
    pub fn is_enabled(&self, name: &str) -> bool {
        self.enabled.iter().any(|n| n == name)
    }
}

/// One value of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretValue {
    /// Of the Secret.
    pub name: String,
    pub key: String,
    pub value: String,
}

impl SecretValue {
    /// As a manifest has it.
    pub fn encoded(&self) -> String {
        crate::base64::encode(self.value.as_bytes())
    }
}

/// An object of Tilt's own API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApiObject {
    /// `uibuttons`, `filewatches`, …
    pub plural: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Fields in snake case, those that are set.
    pub spec: Value,
}

/// The object makes pods of a template of its own, or is one.
pub fn makes_pods(object: &Value) -> bool {
    pod_template(object).is_some()
}

/// Name of the resource that holds the objects that belong to no other.
pub const UNCATEGORIZED: &str = "uncategorized";

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Resource {
    pub name: String,
    pub kind: ResourceKind,
    pub labels: Vec<String>,
    pub resource_deps: Vec<Dependency>,
    pub links: Vec<Link>,
    pub auto_init: bool,
    pub trigger_mode: TriggerMode,
}

impl Resource {
    pub fn k8s(&self) -> Option<&K8sResource> {
        match &self.kind {
            ResourceKind::K8s(k) | ResourceKind::Uncategorized(k) => Some(k),
            ResourceKind::Local(_) | ResourceKind::Compose(_) => None,
        }
    }
    pub fn compose(&self) -> Option<&ComposeResource> {
        match &self.kind {
            ResourceKind::Compose(c) => Some(c),
            ResourceKind::K8s(_) | ResourceKind::Uncategorized(_) | ResourceKind::Local(_) => None,
        }
    }
    pub fn local(&self) -> Option<&LocalResource> {
        match &self.kind {
            ResourceKind::Local(l) => Some(l),
            ResourceKind::K8s(_) | ResourceKind::Uncategorized(_) | ResourceKind::Compose(_) => None,
        }
    }
    /// Indices into `Plan::images`.
    pub fn images(&self) -> &[usize] {
        match &self.kind {
            ResourceKind::K8s(k) | ResourceKind::Uncategorized(k) => &k.images,
            ResourceKind::Compose(c) => &c.images,
            ResourceKind::Local(_) => &[],
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    K8s(K8sResource),
    Local(Box<LocalResource>),
    /// Objects that belong to no workload: applied before all others, readiness ignored.
    Uncategorized(K8sResource),
    /// A service of a Compose project.
    Compose(Box<ComposeResource>),
}

/// A service of a Compose project, as `docker_compose()` reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComposeResource {
    /// Its name in the project; the resource may be named otherwise.
    pub service: String,
    pub project: ComposeProject,
    /// The service in Compose's canonical form: short notations written out, paths absolute, variables filled in.
    pub config: Value,
    /// Indices into `Plan::images`.
    pub images: Vec<usize>,
    /// Its own `build:`; `None` if it has none, or if an image of the Tiltfile takes its place.
    pub build: Option<ComposeBuild>,
    pub published_ports: Vec<u16>,
    /// Published ports are shown as links.
    pub infer_links: bool,
    /// Changes in the build's context that do not count.
    pub ignores: Vec<Ignore>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComposeProject {
    pub name: String,
    pub config_paths: Vec<PathBuf>,
    /// Relative paths in the files start here.
    pub dir: PathBuf,
    pub env_file: Option<PathBuf>,
    pub profiles: Vec<String>,
    pub wait: bool,
}

/// An image that Compose builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComposeBuild {
    /// `image:` of the service, or the name that Compose makes up.
    pub image: String,
    pub context: PathBuf,
    /// `None`: it stands in the Compose file.
    pub dockerfile: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct K8sResource {
    /// Whole objects, images not yet injected, in the order in which they are to be applied.
    pub objects: Vec<Value>,
    /// Indices into `Plan::images`: all images that the objects need. A build comes after those that it depends on.
    pub images: Vec<usize>,
    /// Those of `images` that objects name themselves; the others are what these are built from.
    pub deployed_images: Vec<usize>,
    pub port_forwards: Vec<PortForward>,
    pub pod_readiness: PodReadiness,
    /// Each is a set of labels, all of which a pod must carry to belong to the resource.
    pub extra_pod_selectors: Vec<BTreeMap<String, String>>,
    pub discovery_strategy: DiscoveryStrategy,
    /// Where objects that are no pod templates name images (`k8s_kind`, `k8s_image_json_path`).
    pub image_locators: Vec<ImageLocator>,
    /// Deployed by a command instead of by applying `objects`.
    pub custom_deploy: Option<CustomDeploy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PodReadiness {
    #[default]
    Wait,
    Ignore,
    Succeeded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiscoveryStrategy {
    #[default]
    Default,
    SelectorsOnly,
}

/// Where objects of some kind name an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageLocator {
    pub selector: ObjectSelector,
    /// JSONPath as the user wrote it, e.g. `{.spec.image}`.
    pub path: String,
    /// Set if an object with two fields stands at the path instead of a string.
    pub object: Option<ImageObject>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ObjectSelector {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub namespace: String,
}

impl ObjectSelector {
    /// The patterns match the object; an empty one matches all. They are whole, and their case does not count.
    pub fn matches(&self, object: &Value) -> bool {
        let id = Id::of(object);
        let matches = |pattern: &str, text: &str| {
            let literal = pattern.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | ':'));
            if literal {
                return pattern.is_empty() || pattern.eq_ignore_ascii_case(text);
            }
            pattern.eq_ignore_ascii_case(text)
                || regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
                    .case_insensitive(true)
                    .build()
                    .is_ok_and(|r| r.is_match(text))
        };
        matches(&self.kind, &id.kind)
            && matches(&self.api_version, text(object, "apiVersion"))
            && matches(&self.name, &id.name)
            && matches(&self.namespace, &id.namespace)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageObject {
    pub repo_field: String,
    pub tag_field: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomDeploy {
    pub apply: Command,
    pub delete: Command,
    pub deps: Vec<PathBuf>,
    pub ignores: Vec<Ignore>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LocalResource {
    pub cmd: Option<Command>,
    pub serve_cmd: Option<Command>,
    pub deps: Vec<PathBuf>,
    /// Changes below `deps` that do not count.
    pub ignores: Vec<Ignore>,
    pub allow_parallel: bool,
    pub readiness_probe: Option<Probe>,
}

/// A command with all that it needs to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    pub argv: Vec<String>,
    pub dir: PathBuf,
    /// Added to the environment.
    pub env: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probe {
    pub handler: ProbeHandler,
    /// All numbers: 0 means not given (0 s, 1 s, 10 s, 1, 3 then apply).
    pub initial_delay_secs: i32,
    pub timeout_secs: i32,
    pub period_secs: i32,
    pub success_threshold: i32,
    pub failure_threshold: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeHandler {
    Exec { command: Vec<String> },
    HttpGet { host: String, port: i32, scheme: String, path: String },
    TcpSocket { host: String, port: i32 },
}

/// What must be there before a resource starts for the first time in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dependency {
    /// Another resource of the plan: it must have been ready once.
    Resource(String),
    /// An object that is no resource: it must exist in the cluster. What is `None` is not known: any will do.
    Object { name: String, kind: Option<String>, namespace: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    pub url: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortForward {
    pub local: u16,
    /// 0: the pod's exposed port with the number of `local`, else its first exposed port, else `local`.
    pub container: u16,
    /// Where to listen; empty: the default.
    pub host: String,
    pub name: String,
    /// Appended to the URL that is shown.
    pub path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerMode {
    #[default]
    Auto,
    Manual,
}

/// An image that is built here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageBuild {
    /// The reference as written in the Tiltfile.
    pub reference: String,
    /// Only this very tag of the name is meant (another image of the same name is built too).
    pub match_exact: bool,
    pub match_in_env_vars: bool,
    /// Replaces the container's `command`.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the container's `args`.
    pub container_args: Option<Vec<String>>,
    pub kind: ImageKind,
    /// Indices of images that this one is built from.
    pub image_deps: Vec<usize>,
    pub live_update: Option<LiveUpdate>,
    /// Changes in the context or the dependencies that do not count: never built, never synced.
    pub ignores: Vec<Ignore>,
}

impl ImageBuild {
    /// The build, if there is none: files are only synced.
    pub fn live_update_only(&self) -> Option<&CustomBuild> {
        match &self.kind {
            ImageKind::Custom(c) if c.live_update_only => Some(c),
            ImageKind::Custom(_) | ImageKind::Docker(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    Docker(Box<DockerBuild>),
    Custom(Box<CustomBuild>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DockerBuild {
    pub context: PathBuf,
    pub dockerfile: Dockerfile,
    /// A value of `None` is taken from the environment.
    pub build_args: BTreeMap<String, Option<String>>,
    pub target: String,
    /// What of the context the build must not see, besides its `.dockerignore` (which is in here too).
    pub context_ignores: Vec<Ignore>,
    pub ssh: Vec<String>,
    pub secret: Vec<String>,
    pub network: String,
    pub extra_tags: Vec<String>,
    pub cache_from: Vec<String>,
    pub pull: bool,
    pub platform: String,
    pub extra_hosts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dockerfile {
    /// Where it was read from, if from a file.
    pub path: Option<PathBuf>,
    pub contents: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomBuild {
    pub command: Command,
    pub deps: Vec<PathBuf>,
    /// The tag that the command gives the image; empty: the one in `EXPECTED_REF`.
    pub tag: String,
    pub disable_push: bool,
    pub skips_local_docker: bool,
    pub outputs_image_ref_to: Option<PathBuf>,
    /// `command` is `:`: nothing is built, files are only synced.
    pub live_update_only: bool,
    /// Stands for what a `k8s_custom_deploy` runs.
    pub is_custom_deploy: bool,
}

/// How a running container follows the source tree.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LiveUpdate {
    /// Directory of the Tiltfile that made it; paths of the steps are absolute.
    pub base: PathBuf,
    pub selector: LiveUpdateSelector,
    pub steps: Vec<Step>,
}

/// Which containers follow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveUpdateSelector {
    /// Those that run the image.
    #[default]
    Image,
    /// Those of this name.
    ContainerName(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    InitialSync,
    /// A change in one of these means a full build.
    FallBackOn(Vec<PathBuf>),
    /// `container` is absolute; with a `/` at its end, a file goes into it.
    Sync {
        local: PathBuf,
        container: String,
        /// `local` is a file now (else a directory, or nothing yet).
        local_is_file: bool,
    },
    /// Runs in the container; with triggers, only if a synced file is one of them or below one.
    Run {
        argv: Vec<String>,
        triggers: Vec<PathBuf>,
        echo_off: bool,
    },
    RestartContainer,
}

/// Patterns in the language of `.dockerignore`, relative to `base`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ignore {
    pub base: PathBuf,
    /// Where they come from, for explanations.
    pub source: String,
    /// Empty: everything below `base`.
    pub patterns: Vec<String>,
}
