//! Extensions that are part of the program: `load('ext://NAME', …)` needs no network for these.

use crate::call::Failure;

/// The extension's Starlark.
pub(crate) fn source(name: &str) -> Option<&'static str> {
    match name {
        "namespace" => Some(include_str!("../ext/namespace.star")),
        "restart_process" => Some(include_str!("../ext/restart_process.star")),
        _ => None,
    }
}

pub(crate) fn unknown(name: &str) -> Failure {
    Failure::new(format!("loading extension {name}: it is not built yet in Coracle"))
        .with_hint("built in are: namespace, restart_process; for others copy the extension's Tiltfile into the project and load it by its path")
}
