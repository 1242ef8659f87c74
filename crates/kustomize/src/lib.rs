//! A kustomization directory becomes manifests, as `kustomize build` makes them, byte for byte.
//!
//! The pipeline has kustomize's shape: [`build`] accumulates a target (resources, generators, components, then
//! transformers in their fixed order, recursively), then once at the top adds hash suffixes, follows name
//! references, sorts and prints. Files come through the [`Files`] trait; nothing here knows a disk. Resources are
//! held as values with their history of names beside them, and are found through index maps, so that time grows
//! with their number and not with its square.
//!
//! On purpose other than upstream (v5.5.0), each where it loses data or breaks off: in a strategic merge, a list item
//! without its merge key is an error (upstream empties the list), a port without protocol is merged into the first
//! of its number and `$patch: replace` in a list item replaces it (upstream drops both patches); integers above
//! 2^53 survive JSON patches; keys that look like numbers are written as text (upstream fails); `metadata.name` must
//! be text; a wrong regular expression for an image matches nothing (upstream panics). As in later releases:
//! replacement selectors are regular expressions, `sourceValue`, empty patch files are ignored, `includeTemplates`
//! leaves volumeClaimTemplates alone. What is not supported is refused with its place: see `spec::read::NOT_BUILT`.

mod accumulate;
mod config;
mod decode;
mod disk;
mod error;
mod fieldpath;
mod fieldspec;
mod files;
mod generate;
mod hash;
mod id;
mod load;
mod merge;
mod namereference;
mod options;
mod order;
mod outside;
mod path;
mod plugin;
mod remote;
mod replacement;
mod repository;
mod resmap;
mod resource;
mod schema;
mod select;
mod shared;
mod spec;
mod transform;

use serde_json::Value;

pub use disk::Disk;
pub use error::Error;
pub use files::{FileError, Files, Memory};
pub use options::{Helm, LoadRestrictor, MergeKeys, Options, Plugins, Reorder};
pub use outside::{Checkout, Fetched, Output, Outside, OutsideError, Program};
pub use repository::{NoRepository, Repository};
pub use spec::FILE_NAMES;

/// The version of kustomize that the managed-by label names.
const MANAGED_BY: &str = "kustomize-v5.8.1";

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
    let (mut resources, sort) = session.build(dir)?;
    resources.add_hash_suffixes()?;
    namereference::fix(&mut resources, session.config())?;
    resources.drop_local_config();
    let mut resources = resources.into_resources();
    order::sort(&mut resources, sort.as_ref(), options.reorder);
    let managed_by = options.managed_by_label || session.managed_by_label();
    Ok(resources.into_iter().map(|r| r.finish(managed_by.then_some(MANAGED_BY))).collect())
}
