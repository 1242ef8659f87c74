//! JSON patch, merge patch and strategic merge on values.
//!
//! Types come from a [`Schema`], so that this crate knows no Kubernetes kind: `schema` implements it for the
//! built-in types, `kustomize` for its own older ones and for CRDs.
//!
//! Enter at [`json_patch`], [`merge_patch`] and [`strategic_merge`]. They do what the Kubernetes API server does
//! with `application/json-patch+json`, `application/merge-patch+json` and `application/strategic-merge-patch+json`,
//! down to the words of the errors.

mod error;
mod json;
mod merge;
mod strategic;

pub use error::{Answer, Error, Result, go_value};
pub use json::{Op, Operation, Text, json_patch, json_patch_within, parse_operations};
pub use merge::merge_patch;
pub use strategic::{strategic_merge, strategic_merge_typed};

/// A node of a [`Schema`]'s type graph; what the number means is the schema's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeId(pub u32);

/// How a field merges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldRule {
    /// The type of the field, or of its items if it is a list, or of its values if it is a map. `None`: unknown.
    pub ty: Option<TypeId>,
    pub list: ListRule,
    /// `retainKeys` is among the patch strategies.
    pub retain_keys: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListRule {
    /// Not a list, or one that is replaced whole.
    #[default]
    Replace,
    /// A list of scalars merged as a set (`patchStrategy: merge` without a key).
    Set,
    /// A list of objects merged by this key (`patchMergeKey`).
    Map(String),
}

pub trait Schema {
    fn object(&self, api_version: &str, kind: &str) -> Option<TypeId>;
    fn field(&self, ty: TypeId, name: &str) -> FieldRule;
}
