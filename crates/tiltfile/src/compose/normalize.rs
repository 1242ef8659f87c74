//! A service in Compose's canonical form: short notations written out, paths absolute.

use super::loader::Loader;
use super::{Loaded, dotenv, merge};
use crate::call::absolute;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Canonical input stays as it is.
pub(super) fn service(loader: &Loader<'_>, name: &str, config: &Value, dir: &Path) -> Loaded<Value> {
    let Some(config) = config.as_object() else {
        return Err(format!("services.{name} must be a mapping"));
    };
    let mut out = Map::new();
    for (key, value) in config {
        let at = || format!("services.{name}.{key}");
        let canonical = match key.as_str() {
            "build" => build(value, dir),
            "command" | "entrypoint" => words(value, &at())?,
            "environment" | "env_file" => continue,
            "labels" | "annotations" | "sysctls" => Value::Object(merge::assignments(value)),
            "ports" => ports(value)?,
            "expose" => strings(value),
            "volumes" => volumes(value, dir)?,
            "depends_on" => depends_on(value),
            "networks" => Value::Object(merge::names(value)),
            "dns" | "dns_search" | "tmpfs" | "profiles" => strings(value),
            "secrets" | "configs" => sources(value),
            "healthcheck" => healthcheck(value),
            _ => value.clone(),
        };
        out.insert(key.clone(), canonical);
    }
    if let Some(environment) = environment(loader, config, dir)? {
        out.insert("environment".to_owned(), environment);
    }
    Ok(Value::Object(out))
}

fn build(value: &Value, dir: &Path) -> Value {
    let mut build = merge::build(value);
    let Some(map) = build.as_object_mut() else { return build };
    let context = map.get("context").and_then(Value::as_str).unwrap_or(".").to_owned();
    let remote = context.contains("://") || context.starts_with("git@");
    let context = if remote { context } else { absolute(dir, &context).display().to_string() };
    map.insert("context".to_owned(), context.into());
    if !map.contains_key("dockerfile") && !map.contains_key("dockerfile_inline") {
        map.insert("dockerfile".to_owned(), "Dockerfile".into());
    }
    if let Some(args) = map.get("args").map(merge::assignments) {
        map.insert("args".to_owned(), Value::Object(args));
    }
    build
}

/// A shell's words.
fn words(value: &Value, at: &str) -> Loaded<Value> {
    match value.as_str() {
        Some(text) => match shlex::split(text) {
            Some(words) => Ok(json!(words)),
            None => Err(format!("{at}: invalid command line: a quote is not closed")),
        },
        None => Ok(value.clone()),
    }
}

fn strings(value: &Value) -> Value {
    let text = |v: Value| match v {
        Value::String(s) => Value::String(s),
        other => Value::String(other.to_string()),
    };
    Value::Array(merge::list_of(value.clone()).into_iter().map(text).collect())
}

fn ports(value: &Value) -> Loaded<Value> {
    let mut out: Vec<Value> = Vec::new();
    for item in merge::list_of(value.clone()) {
        match item {
            Value::Object(mut port) => {
                port.entry("mode").or_insert_with(|| "ingress".into());
                port.entry("protocol").or_insert_with(|| "tcp".into());
                if let Some(published) = port.get("published").filter(|p| p.is_number()).map(Value::to_string)
                {
                    port.insert("published".to_owned(), published.into());
                }
                if let Some(target) =
                    port.get("target").and_then(Value::as_str).and_then(|t| t.parse::<u16>().ok())
                {
                    port.insert("target".to_owned(), target.into());
                }
                out.push(Value::Object(port));
            }
            Value::String(text) => out.extend(short_port(&text)?),
            other => out.extend(short_port(&other.to_string())?),
        }
    }
    Ok(Value::Array(out))
}

/// `[[ip:]published[-end]:]target[-end][/protocol]`, an element for each target.
fn short_port(text: &str) -> Loaded<Vec<Value>> {
    let (front, target) = match text.rsplit_once(':') {
        Some((front, target)) => (front, target),
        None => ("", text),
    };
    let (ip, published) = front.rsplit_once(':').unwrap_or(("", front));
    let (target, protocol) = target.split_once('/').unwrap_or((target, "tcp"));
    if target.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    let protocol = protocol.to_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("invalid proto: {protocol}"));
    }
    let ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("invalid IP address: {ip}"));
    }
    let (low, high) = range(target).ok_or_else(|| format!("invalid containerPort: {target}"))?;
    let on_host = match published {
        "" => None,
        published => Some(range(published).ok_or_else(|| format!("invalid hostPort: {published}"))?),
    };
    let is_range = |(first, last): (u16, u16)| last - first != high - low;
    if low != high && on_host.is_some_and(is_range) {
        return Err(format!(
            "invalid ranges specified for container and host Ports: {target} and {published}"
        ));
    }
    let mut out = Vec::new();
    for (i, port) in (low..=high).enumerate() {
        let mut item = json!({"mode": "ingress", "target": port, "protocol": protocol});
        if let Some(host) = on_host {
            let one = u32::from(host.0) + u32::try_from(i).unwrap_or(u32::MAX);
            item["published"] = if is_range(host) { published.into() } else { one.to_string().into() };
        }
        if !ip.is_empty() {
            item["host_ip"] = ip.into();
        }
        out.push(item);
    }
    Ok(out)
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (low.parse().ok()?, high.parse().ok()?);
    (low <= high).then_some((low, high))
}

/// Source, target and mode of a volume's short form.
pub(super) fn volume_parts(text: &str) -> (Option<String>, String, String) {
    let mut parts = text.splitn(3, ':');
    let first = parts.next().unwrap_or_default().to_owned();
    match (parts.next(), parts.next()) {
        (None, _) => (None, first, String::new()),
        (Some(target), mode) => (Some(first), target.to_owned(), mode.unwrap_or_default().to_owned()),
    }
}

fn volumes(value: &Value, dir: &Path) -> Loaded<Value> {
    let mut out = Vec::new();
    for item in merge::list_of(value.clone()) {
        let mut volume = match item.as_str() {
            Some(text) => {
                check_volume(text)?;
                short_volume(text)
            }
            None => item,
        };
        if volume["type"] == "bind"
            && let Some(source) = volume.get("source").and_then(Value::as_str).filter(|s| !s.starts_with('~'))
        {
            volume["source"] = absolute(dir, source).display().to_string().into();
        }
        out.push(volume);
    }
    Ok(Value::Array(out))
}

fn check_volume(text: &str) -> Loaded<()> {
    if text.is_empty() {
        return Err("invalid empty volume spec".to_owned());
    }
    let is_short = text.len() < 3;
    if !is_short && text.split(':').any(str::is_empty) {
        return Err(format!("invalid spec: {text}: empty section between colons"));
    }
    // a drive of Windows has a colon of its own
    let is_drive = text.as_bytes()[0].is_ascii_alphabetic() && text[1..].starts_with(":\\");
    if !is_short && text.split(':').count() > 3 + usize::from(is_drive) {
        return Err(format!("invalid spec: {text}: too many colons"));
    }
    Ok(())
}

fn short_volume(text: &str) -> Value {
    let (source, target, mode) = volume_parts(text);
    let is_path = source.as_deref().is_some_and(|s| s.starts_with(['.', '/', '~']));
    let mut volume = json!({"type": if is_path { "bind" } else { "volume" }});
    if let Some(source) = source {
        volume["source"] = source.into();
    }
    volume["target"] = target.into();
    if mode.split(',').any(|m| m == "ro") {
        volume["read_only"] = true.into();
    }
    if is_path {
        volume["bind"] = json!({"create_host_path": true});
    }
    volume
}

fn depends_on(value: &Value) -> Value {
    let out = merge::names(value).into_iter().map(|(name, condition)| {
        let mut condition = match condition {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        condition.entry("condition").or_insert_with(|| "service_started".into());
        condition.entry("required").or_insert_with(|| true.into());
        (name, Value::Object(condition))
    });
    Value::Object(out.collect())
}

fn sources(value: &Value) -> Value {
    let out = merge::list_of(value.clone()).into_iter().map(|item| match item.as_str() {
        Some(source) => json!({"source": source}),
        None => item,
    });
    Value::Array(out.collect())
}

fn healthcheck(value: &Value) -> Value {
    let mut check = value.clone();
    if let Some(command) = check.get("test").and_then(Value::as_str) {
        check["test"] = json!(["CMD-SHELL", command]);
    }
    check
}

/// `env_file` beneath `environment`; a name without value is taken from outside.
fn environment(loader: &Loader<'_>, config: &Map<String, Value>, dir: &Path) -> Loaded<Option<Value>> {
    if !config.contains_key("environment") && !config.contains_key("env_file") {
        return Ok(None);
    }
    let mut out = Map::new();
    for entry in merge::list_of(config.get("env_file").cloned().unwrap_or_default()) {
        let path = entry.as_str().or_else(|| entry.get("path").and_then(Value::as_str)).unwrap_or_default();
        let required = entry.get("required").and_then(Value::as_bool).unwrap_or(true);
        let path = absolute(dir, path);
        if !required && !loader.files.exists(&path) {
            continue;
        }
        let text = loader.text(&path).map_err(|_| {
            let path = path.display();
            format!("env file {path} not found: stat {path}: no such file or directory")
        })?;
        let variables = dotenv::parse(&text, &|name| loader.variable(name))
            .map_err(|e| format!("failed to read {}: {e}", path.display()))?;
        out.extend(variables.into_iter().map(|(k, v)| (k, Value::String(v))));
    }
    for (name, value) in merge::assignments(config.get("environment").unwrap_or(&Value::Null)) {
        let value = match value {
            Value::Null => loader.variable(&name).map_or(Value::Null, Value::String),
            other => other,
        };
        out.insert(name, value);
    }
    Ok(Some(Value::Object(out)))
}
