//! Kubernetes types as data: kinds, scopes, merge keys, defaults, protobuf tags, OpenAPI.
//!
//! The facts about types are a table (`data/types.txt`, written by `cargo xtask codegen`) that [`types`] reads when a request
//! first needs it. Everything that looks at an object walks that table: [`patch::Schema`] for merges, [`protobuf`],
//! [`fields`] for strict validation, [`openapi`]. What upstream has written as code is code here too: [`defaults`],
//! [`validate`] and [`table`] (the columns of `kubectl get`).
//!
//! Resources are named as in the store: `pods`, `apps/deployments` ([`Kind::resource`]). Nothing here reads a clock.

pub mod convert;
pub mod defaults;
pub mod fields;
mod kind;
mod kinds;
pub mod measured;
mod merge;
pub mod openapi;
pub mod protobuf;
pub mod quantity;
#[cfg(test)]
mod reference;
pub mod table;
mod texts;
mod time;
pub mod typed;
pub mod types;
pub mod usage;
pub mod validate;
pub mod warnings;

pub use kind::Kind;
pub use kinds::builtin_kinds;
pub use merge::{BUILTIN, Builtin, Shape, apply_field, apply_root, builtin};
