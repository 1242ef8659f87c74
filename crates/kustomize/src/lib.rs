//! A kustomization directory becomes manifests, as `kustomize build` makes them, byte for byte.
//!
//! The pipeline has kustomize's shape: [`build`] accumulates a target (resources, generators, components, then
//! transformers in their fixed order, recursively), then once at the top adds hash suffixes, follows name
//! references, puts in vars, sorts and prints. Beside the resources, the accumulator carries the transformer
//! configuration and the vars upwards. Files come through the [`Files`] trait; nothing here knows a disk. Resources are
//! held as values with their history of names beside them, and are found through index maps, so that time grows
//! with their number and not with its square. [`edit`] changes kustomizations; [`BuildCommand`] reads flags.
//!
//! On purpose other than upstream (v5.5.0), each where it loses data or breaks off: in a strategic merge, a list item
//! without its merge key is an error (upstream empties the list; `merge::list` has more of this); integers above 2^53
//! survive JSON patches; keys that look like numbers are written as text (upstream fails); name references reach into
//! lists of lists (upstream fails); a wrong regular expression for an image matches nothing (upstream panics). As in later releases:
//! replacement selectors are regular expressions, `sourceValue`, replacements go into YAML and JSON in a text
//! (`embedded`), empty patch files are ignored, `includeTemplates` leaves volumeClaimTemplates alone. All differences are
//! in `docs/reference/kustomize-deviations.md`.

mod absent;
mod accumulate;
mod accumulator;
mod config;
mod decode;
mod disk;
pub mod edit;
mod embedded;
mod error;
mod expand;
mod external;
mod fieldpath;
mod fieldspec;
mod files;
mod flags;
mod generate;
mod hash;
mod helm;
mod id;
mod load;
mod merge;
mod namereference;
mod openapi;
mod options;
mod order;
mod origin;
mod outside;
mod path;
mod plugin;
mod regexp;
mod remote;
mod replacement;
mod repository;
mod resmap;
mod resource;
mod scalar;
mod schema;
mod scope;
mod select;
mod shared;
mod spec;
mod transform;
mod vars;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::accumulator::Accumulator;
use crate::id::ResId;

pub use disk::Disk;
pub use error::Error;
pub use files::{FileError, Files, Memory};
pub use flags::{BUILD_FLAGS, BuildCommand, Flag, FlagError, FlagKind, Words};
pub use options::{Helm, LoadRestrictor, MergeKeys, Options, Plugins, Reorder};
pub use outside::{Checkout, Fetched, Output, Outside, OutsideError, Program};
pub use repository::{NoRepository, Repository};
pub use spec::FILE_NAMES;

/// The version of kustomize that this one is compatible with.
pub const VERSION: &str = "v5.8.1";

/// What a build gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    pub objects: Vec<Value>,
    pub yaml: String,
    /// Every file read or looked for in vain, and every kustomization, for watchers. Sorted.
    pub files: Vec<String>,
    /// As kustomize prints them on stderr, a line each.
    pub warnings: Vec<String>,
}

impl Built {
    /// A file for each object: its name and its text. Where objects of several namespaces occur, the names of
    /// namespaced objects begin with theirs.
    pub fn to_files(&self) -> Vec<(String, String)> {
        let ids: Vec<ResId> = self.objects.iter().map(ResId::of).collect();
        let namespaces: BTreeSet<&str> =
            ids.iter().filter(|id| !id.gvk.is_cluster_scoped()).map(ResId::effective_namespace).collect();
        let name = |id: &ResId| {
            let namespace = Some(id.effective_namespace())
                .filter(|_| namespaces.len() > 1 && !id.gvk.is_cluster_scoped())
                .unwrap_or_default();
            let parts = [namespace, &id.gvk.group, &id.gvk.version, &id.gvk.kind, &id.name];
            let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            format!("{}.yaml", parts.join("_").to_lowercase())
        };
        ids.iter().map(name).zip(self.objects.iter().map(yaml::to_string)).collect()
    }
}

/// Builds the kustomization in `dir`.
pub fn build(files: &dyn Files, dir: &str, options: &Options) -> Result<Built, Error> {
    build_noting_files(files, dir, options).0
}

/// The same, with every file read or looked for in vain also when the build fails: a watcher must see the correction.
pub fn build_noting_files(
    files: &dyn Files,
    dir: &str,
    options: &Options,
) -> (Result<Built, Error>, Vec<String>) {
    build_with(files, None, dir, options)
}

/// The same, with a way to what is outside of the files: addresses, repositories, programs. Without one, a build that
/// needs it fails and says so. `dir` may be the address of a repository.
pub fn build_with(
    files: &dyn Files,
    outside: Option<&dyn Outside>,
    dir: &str,
    options: &Options,
) -> (Result<Built, Error>, Vec<String>) {
    let session = accumulate::Session::new(files, outside, options.clone());
    let objects = build_objects(&session, dir, options);
    let (files, warnings) = session.finish();
    let built = objects.map(|objects| {
        let yaml = yaml::to_string_documents(&objects);
        Built { objects, yaml, files: files.clone(), warnings }
    });
    (built, files)
}

fn build_objects(
    session: &accumulate::Session<'_>,
    dir: &str,
    options: &Options,
) -> Result<Vec<Value>, Error> {
    let (Accumulator { mut resources, config, vars }, sort) = session.build(dir)?;
    resources.add_hash_suffixes()?;
    namereference::fix(&mut resources, &config.name_references)?;
    session.warn(vars.resolve(&mut resources, &config)?);
    resources.drop_local_config();
    let mut resources = resources.into_resources();
    order::sort(&mut resources, sort.as_ref(), options.reorder);
    let mut keep = session.build_metadata();
    keep.managed_by |= options.managed_by_label;
    Ok(resources.into_iter().map(|r| r.finish(keep)).collect())
}

#[cfg(test)]
mod tests {
    use super::{Memory, Options, build};

    #[test]
    fn files_are_named_by_namespace_where_there_are_several() {
        let resource = |kind: &str, name: &str, namespace: &str| {
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n---\n"
            )
        };
        let names = |resources: &[String]| {
            let files = Memory::new()
                .with("/app/kustomization.yaml", "resources: [r.yaml]\n")
                .with("/app/r.yaml", resources.concat());
            let built = build(&files, "/app", &Options::default()).unwrap();
            built.to_files().into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
        };
        let (role, cluster_role) = (resource("Role", "A", "x"), resource("ClusterRole", "c", "''"));
        assert_eq!(
            names(&[role.clone(), cluster_role.clone()]),
            "rbac.authorization.k8s.io_v1_role_a.yaml rbac.authorization.k8s.io_v1_clusterrole_c.yaml"
        );
        assert_eq!(
            names(&[role, cluster_role, resource("Role", "b", "''")]),
            "x_rbac.authorization.k8s.io_v1_role_a.yaml default_rbac.authorization.k8s.io_v1_role_b.yaml \
             rbac.authorization.k8s.io_v1_clusterrole_c.yaml"
        );
    }
}
