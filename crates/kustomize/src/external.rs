//! Plugins that are programs of their own: exec plugins below a folder for them, and KRM functions, which an annotation
//! of their configuration names. Off unless `--enable-alpha-plugins` is given; functions want `--enable-exec` too.

mod function;
mod program;

use std::collections::HashSet;

use serde_json::Value;

use crate::accumulate::Root;
use crate::error::{Error, Result};
use crate::id::ResId;
use crate::origin::BuildMetadata;
use crate::repository::go_bool;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::spec::Behavior;

const NEEDS_HASH: &str = "kustomize.config.k8s.io/needs-hash";
const BEHAVIOR: &str = "kustomize.config.k8s.io/behavior";
const ID: &str = "kustomize.config.k8s.io/id";

/// What a plugin is, as its configuration says.
enum Plugin {
    Program(program::ExecPlugin),
    Function(function::Function),
}

impl Plugin {
    fn find(root: &Root<'_, '_>, config: &Resource) -> Result<Plugin> {
        if !root.session.options.plugins.enabled {
            let kind = config.kind();
            return Err(Error::new(format!(
                "external plugins disabled; unable to load external plugin '{kind}'"
            ))
            .hint("plugins that are programs run with --enable-alpha-plugins; kustomize's own have apiVersion: builtin"));
        }
        match function::Function::of(root, config)? {
            Some(function) => Ok(Plugin::Function(function)),
            None => program::ExecPlugin::find(root, config).map(Plugin::Program),
        }
    }
}

/// The configuration as text, as plugins get it.
fn printed(config: &Resource) -> String {
    yaml::to_string(&config.clone().finish(BuildMetadata::default()))
}

/// What a generator makes.
pub(crate) fn generate(root: &Root<'_, '_>, config: &Resource) -> Result<Vec<(Resource, Behavior)>> {
    let made = match Plugin::find(root, config)? {
        Plugin::Program(plugin) => plugin.run(root, &[])?,
        Plugin::Function(function) => function.generate(root)?,
    };
    made.into_iter().map(with_options).collect()
}

/// Annotations of a generated object say how it joins the others.
fn with_options(object: Value) -> Result<(Resource, Behavior)> {
    let mut resource = Resource::new(object);
    if let Some(text) = resource.annotation(NEEDS_HASH) {
        resource.needs_hash = go_bool(&text).ok_or_else(|| {
            Error::new(format!("the annotation {NEEDS_HASH:?} contains an invalid value ({text:?})"))
                .hint("true or false, in quotes")
        })?;
    }
    let behavior = match resource.annotation(BEHAVIOR).as_deref() {
        Some("merge") => Behavior::Merge,
        Some("replace") => Behavior::Replace,
        _ => Behavior::Create,
    };
    resource.remove_annotations(|name| name == NEEDS_HASH || name == BEHAVIOR);
    Ok((resource, behavior))
}

/// Gives all resources to a transformer, and takes over what it makes of them.
pub(crate) fn transform(root: &Root<'_, '_>, config: &Resource, resources: &mut ResMap) -> Result<()> {
    let plugin = Plugin::find(root, config)?;
    let given: Vec<Value> = resources.resources().iter().map(for_plugin).collect();
    let (name, output) = match plugin {
        Plugin::Program(plugin) => {
            let input = yaml::to_string_documents(&given);
            (plugin.path.clone(), plugin.run(root, input.as_bytes())?)
        }
        Plugin::Function(function) => (function.name(), function.transform(root, given)?),
    };
    update(&name, output, resources)
}

/// The object with its history and its id in annotations.
fn for_plugin(resource: &Resource) -> Value {
    let id = resource.id();
    let fields = [
        ("group", &id.gvk.group),
        ("kind", &id.gvk.kind),
        ("name", &id.name),
        ("namespace", &id.namespace),
        ("version", &id.gvk.version),
    ];
    let set = fields.iter().filter(|(_, value)| !value.is_empty());
    let set = set.map(|(name, value)| ((*name).to_string(), Value::String((*value).clone())));
    let mut copy = resource.with_history();
    copy.set_annotation(ID, yaml::to_string(&Value::Object(set.collect())));
    copy.object
}

/// What has kept its id is changed, what is new is added, what is missing goes.
fn update(plugin: &str, output: Vec<Value>, resources: &mut ResMap) -> Result<()> {
    let mut seen: HashSet<ResId> = HashSet::new();
    for object in output {
        let mut resource = Resource::new(object);
        resource.remove_annotations(|name| name == ID || name.starts_with("internal.config.kubernetes.io/"));
        let id = resource.id();
        if !seen.insert(id.normal()) {
            return Err(Error::new(format!("plugin {plugin} generated duplicate resource: {id}")));
        }
        match resources.by_current_id(&id) {
            // its history stays, whatever the plugin made of the annotations
            Some(at) => resources.change(at, |old| {
                old.object = resource.object;
                // what it shared, the plugin has seen as copies
                old.shared = Default::default();
                old.bare_nulls = Default::default();
            }),
            None => resources.append(resource)?,
        }
    }
    resources.retain(|resource| seen.contains(&resource.id().normal()));
    Ok(())
}
