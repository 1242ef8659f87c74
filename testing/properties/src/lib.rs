//! What must hold for every input: no panic, no hang, places inside the text, output that means what went in.
//!
//! Each function takes bytes of any kind and panics where its property does not hold. The fuzz targets in `fuzz/`
//! call them with what the fuzzer finds; the tests of this crate call them with a few hundred generated cases.

mod dockerfiles;
mod grants;
mod kustomizations;
mod objects;
mod patches;
mod random;
mod tiltfiles;
mod values;
mod wire;
mod yaml_text;

pub use dockerfiles::dockerfile;
pub use grants::grants;
pub use kustomizations::kustomize_build;
pub use objects::{crd_schema, server_side_apply};
pub use patches::patches;
pub use random::Random;
pub use tiltfiles::tiltfile;
pub use values::Bytes;
pub use wire::{protobuf, selectors, spdy};
pub use yaml_text::{yaml_emitter, yaml_reader};
