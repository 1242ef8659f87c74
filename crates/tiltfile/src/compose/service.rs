//! What is asked of a service in canonical form.

use serde_json::Value;
use std::path::PathBuf;

/// Services that it waits for, by name.
pub(crate) fn dependencies(config: &Value) -> Vec<String> {
    let map = config.get("depends_on").and_then(Value::as_object);
    let mut names: Vec<String> = map.map(|m| m.keys().cloned().collect()).unwrap_or_default();
    names.sort();
    names
}

/// Ports of this machine.
pub(crate) fn published_ports(config: &Value) -> Vec<u16> {
    let ports = config.get("ports").and_then(Value::as_array);
    let published = |p: &Value| p.get("published").and_then(Value::as_str).and_then(|text| text.parse().ok());
    ports.map(|list| list.iter().filter_map(published).collect()).unwrap_or_default()
}

/// Files and directories of this machine that containers see as they are.
pub(crate) fn bind_sources(config: &Value) -> Vec<PathBuf> {
    let volumes = config.get("volumes").and_then(Value::as_array);
    let binds = volumes.into_iter().flatten().filter(|v| v.get("type").is_some_and(|t| t == "bind"));
    binds.filter_map(|v| v.get("source").and_then(Value::as_str)).map(PathBuf::from).collect()
}
