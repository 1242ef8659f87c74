//! Plugins: generators, transformers and validators that are written out as objects of their own.
//!
//! Those with `apiVersion: builtin` do what a field of the kustomization does, with field specs of their own instead
//! of the default ones, or what no field does.

mod generators;
mod transformers;
mod valueadd;

use std::collections::HashMap;

use yaml::{Duplicates, Keys, Options, Rules};

use crate::accumulate::Root;
use crate::accumulator::Accumulator;
use crate::decode::{Fields, Source};
use crate::error::{Error, Result};
use crate::id::ResId;
use crate::origin::{self, BuildMetadata, Record};
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::spec::{Behavior, Kustomization, Named};
use crate::{external, generate, load};

/// One plugin with its configuration.
struct Plugin {
    config: Resource,
    /// Which entry of the kustomization named it.
    entry: usize,
}

/// All generators of the `generators` field.
pub(crate) fn generate(root: &Root<'_, '_>, k: &Kustomization, resources: &mut ResMap) -> Result<()> {
    let doing = "loading generator plugins";
    let plugins = load_all(root, k, &k.generators).map_err(|e| e.doing(doing))?;
    for plugin in &plugins {
        let place = &k.generators[plugin.entry].place;
        let made = plugin
            .generate(root)
            .and_then(|made| {
                made.ok_or_else(|| Error::new(format!("plugin {} not a generator", plugin.id())))
            })
            .map_err(|e| e.doing("failed to load generator").doing(doing).at_place(place))?;
        let record = Record::of_plugin(&plugin.config)?;
        for (resource, behavior) in made {
            generate::absorb(resource, behavior, record.as_ref(), resources)
                .map_err(|e| e.at_place(place))?;
        }
    }
    Ok(())
}

/// All transformers of the `transformers` field.
pub(crate) fn transform(root: &Root<'_, '_>, k: &Kustomization, resources: &mut ResMap) -> Result<()> {
    for plugin in load_all(root, k, &k.transformers)? {
        plugin.transform(root, resources).map_err(|e| e.at_place(&k.transformers[plugin.entry].place))?;
        if let Some(record) = Record::of_plugin(&plugin.config)? {
            origin::record_transformed(resources, &record)?;
        }
        resources.drop_empty();
    }
    Ok(())
}

const VALIDATED_BY: &str = "validated-by";

/// All validators: transformers that must leave the resources as they are, but for one label.
pub(crate) fn validate(root: &Root<'_, '_>, k: &Kustomization, resources: &mut ResMap) -> Result<()> {
    for plugin in load_all(root, k, &k.validators)? {
        let place = &k.validators[plugin.entry].place;
        let before = resources.clone();
        plugin.transform(root, resources).map_err(|e| e.at_place(place))?;
        let difference = difference(&before, resources);
        if let Some(difference) = difference {
            return Err(Error::new(format!("validator shouldn't modify the resource map: {difference}"))
                .hint("name it under transformers if it is to change them")
                .at_place(place));
        }
    }
    Ok(())
}

/// How the resources differ, in upstream's words where they hold no addresses of memory.
fn difference(before: &ResMap, after: &ResMap) -> Option<String> {
    let (before, after) = (before.resources(), after.resources());
    if before.len() != after.len() {
        return Some(format!(
            "lists have different number of entries: {} doesn't equal {}",
            before.len(),
            after.len()
        ));
    }
    let mut by_id: HashMap<ResId, Vec<&Resource>> = HashMap::new();
    for resource in after {
        by_id.entry(resource.id().normal()).or_default().push(resource);
    }
    before.iter().find_map(|resource| {
        let id = resource.id();
        match by_id.get(&id.normal()).map(Vec::as_slice) {
            None | Some([]) => Some(format!("id in self missing from other; id: {id}")),
            Some([other]) => {
                let (mut resource, mut other) = ((*resource).clone(), (*other).clone());
                resource.remove_label(VALIDATED_BY);
                other.remove_label(VALIDATED_BY);
                (resource.object != other.object).then(|| format!("nodes unequal: {id}"))
            }
            Some(others) => Some(format!("id in self matches {} in other; id: {id}", others.len())),
        }
    })
}

/// The plugins that a list of entries configures: first those that are written inline, then those from files and
/// directories. They must differ in their ids.
fn load_all(root: &Root<'_, '_>, k: &Kustomization, entries: &[Named]) -> Result<Vec<Plugin>> {
    let mut plugins = Vec::new();
    let mut all = Accumulator::default();
    let inline: Vec<Option<Vec<Resource>>> = entries.iter().map(|entry| inline(root, k, entry)).collect();
    for (at, resources) in inline.iter().enumerate() {
        for resource in resources.iter().flatten() {
            all.resources.append(resource.clone()).map_err(|e| e.at_place(&entries[at].place))?;
        }
        plugins.resize(all.resources.resources().len(), at);
    }
    for (at, entry) in entries.iter().enumerate().filter(|(at, _)| inline[*at].is_none()) {
        root.accumulate_resource(entry, &mut all).map_err(|e| e.at_place(&entry.place))?;
        plugins.resize(all.resources.resources().len(), at);
    }
    let configs = all.resources.into_resources().into_iter().zip(plugins);
    Ok(configs.map(|(config, entry)| Plugin { config, entry }).collect())
}

/// The objects of an entry that is no path.
fn inline(root: &Root<'_, '_>, k: &Kustomization, entry: &Named) -> Option<Vec<Resource>> {
    let objects = load::objects(Source { file: &entry.place.file, text: &entry.text }).ok()?;
    let record = root.origin.as_ref().map(|origin| origin.of_file(&k.file_name).text());
    let resource = |object| {
        let mut resource = Resource::new(object);
        if let Some(record) = &record {
            resource.set_annotation(origin::ORIGIN, record.clone());
        }
        resource
    };
    Some(objects.into_iter().map(resource).collect())
}

impl Plugin {
    fn id(&self) -> ResId {
        self.config.original_id()
    }

    fn is_builtin(&self) -> bool {
        self.config.gvk().api_version() == "builtin"
    }

    fn generate(&self, root: &Root<'_, '_>) -> Result<Option<Vec<(Resource, Behavior)>>> {
        if !self.is_builtin() {
            return external::generate(root, &self.config).map(Some);
        }
        self.configure(|kind, f| generators::run(root, kind, f))
    }

    fn transform(&self, root: &Root<'_, '_>, resources: &mut ResMap) -> Result<()> {
        if !self.is_builtin() {
            return external::transform(root, &self.config, resources);
        }
        let known = self.configure(|kind, f| transformers::configure(root, kind, f))?;
        let transformer =
            known.ok_or_else(|| Error::new(format!("plugin {} not a transformer", self.id())))?;
        transformer.run(root, resources)
    }

    /// Reads the configuration. `None`: the plugin is of the other sort.
    fn configure<T>(
        &self,
        read: impl FnOnce(&str, &mut Fields<'_>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let kind = self.config.kind();
        if !generators::KINDS.contains(&kind) && !transformers::KINDS.contains(&kind) {
            let error = Error::new(format!("unable to load builtin {}", self.config.gvk()));
            let near = generators::KINDS.iter().chain(transformers::KINDS);
            let list: Vec<&str> = near.copied().collect();
            return Err(error.hint(&format!("builtin plugins are {}", list.join(", "))));
        }
        // as upstream: printed, and read again by YAML 1.1
        let text = yaml::to_string(&self.config.clone().finish(BuildMetadata::default()));
        let options = Options { rules: Rules::Sigs, duplicates: Duplicates::LastWins, keys: Keys::ToText };
        let documents = yaml::parse_spanned_with(&text, &options)?;
        let document = documents.first().expect("a printed object is a document");
        let mut fields = Fields::new(Source::of_plugin(&text), document, "Config")?;
        read(kind, &mut fields)
            .map_err(|e| forget_place(e).doing(format!("plugin {} fails configuration", self.id())))
    }
}

/// Places in the reprinted text say nothing to the user.
fn forget_place(error: Error) -> Error {
    match error {
        Error::Input { mut diagnostic } if diagnostic.file.as_deref() == Some("") => {
            diagnostic.file = None;
            diagnostic.position = None;
            diagnostic.span = None;
            Error::Input { diagnostic }
        }
        other => other,
    }
}

/// The names of all built-in plugins, sorted.
pub(crate) fn kinds() -> Vec<&'static str> {
    let mut kinds: Vec<&str> = generators::KINDS.iter().chain(transformers::KINDS).copied().collect();
    kinds.sort_unstable();
    kinds
}
