//! YAML: reading with positions by 1.1 and 1.2 rules, and the emitter that matches go-yaml byte for byte.
//!
//! Kubernetes' tools read YAML in two ways. kubectl and kustomization files go by `sigs.k8s.io/yaml` ([`Rules::Sigs`]:
//! `yes` is true, `2020-01-01` a string); kustomize reads resources by go-yaml v3 ([`Rules::Kyaml`]: `yes` is a
//! string, `2020-01-01` a time). Both know legacy octals, merge keys and anchors. What both print comes from one
//! emitter: [`to_string`]. [`Editor`] changes a text and leaves the rest of it alone; [`Document`] prints it anew with
//! its comments. This crate reads no files and knows no kinds.

mod document;
mod edit;
mod emit;
mod error;
mod number;
mod parse;
mod read;
mod resolve;
mod scan;
mod sort;
mod spanned;

pub use document::Document;
pub use edit::{Editor, Step};
pub use emit::{to_string, to_string_documents};
pub use error::Error;
pub use number::json_number;
pub use read::{parse_spanned, parse_spanned_with};
pub use sort::compare_keys;
pub use spanned::{Entry, Node, Spanned};

use serde_json::Value;

/// Whose reading of scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rules {
    /// `sigs.k8s.io/yaml`: kubectl, kustomization files, nearly everything that is decoded into Go types.
    #[default]
    Sigs,
    /// go-yaml v3 as kustomize reads resources and patches.
    Kyaml,
    /// go-yaml v3 as Compose files are read: as `Kyaml`, but what is empty is null, and a date is a text.
    Compose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// A key that occurs twice is an error.
    #[default]
    Refuse,
    /// The last one counts, silently, as in kustomization files.
    LastWins,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// A number or boolean as a key becomes its text.
    #[default]
    ToText,
    /// A number or boolean as a key is an error.
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    pub rules: Rules,
    pub duplicates: Duplicates,
    pub keys: Keys,
}

/// The documents of a stream by kubectl's rules; empty ones are left out, duplicate keys are an error.
pub fn parse_documents(text: &str) -> Result<Vec<Value>, Error> {
    parse_documents_with(text, &Options::default())
}

pub fn parse_documents_with(text: &str, options: &Options) -> Result<Vec<Value>, Error> {
    Ok(parse_spanned_with(text, options)?.into_iter().map(Spanned::into_value).collect())
}
