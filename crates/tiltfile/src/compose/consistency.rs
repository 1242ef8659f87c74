//! Whether what services refer to is there.

use super::Loaded;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const INVALID: &str = "invalid compose project";

/// `services`: those that are active, in canonical form.
pub(super) fn check(services: &BTreeMap<String, Value>, model: &Map<String, Value>) -> Loaded<()> {
    for (name, service) in services {
        itself(name, service)?;
        references(name, service, services, model)?;
        scale(name, service)?;
    }
    Ok(())
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn map<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.get(field).and_then(Value::as_object).into_iter().flatten()
}

fn itself(name: &str, service: &Value) -> Loaded<()> {
    let build = service.get("build");
    if build.is_none() && text(service, "image").is_empty() && service.get("provider").is_none() {
        return Err(format!(
            "service {name:?} has neither an image nor a build context specified: {INVALID}"
        ));
    }
    if let Some(build) = build {
        if build.get("dockerfile_inline").is_some() && build.get("dockerfile").is_some() {
            return Err(format!(
                "service {name:?} declares mutualy exclusive dockerfile and dockerfile_inline: {INVALID}"
            ));
        }
        let platform = text(service, "platform");
        let mut platforms = list(build, "platforms").peekable();
        if platforms.peek().is_some() && !platform.is_empty() && !platforms.any(|p| p == platform) {
            return Err(format!(
                "service.build.platforms MUST include service.platform {platform:?}: {INVALID}"
            ));
        }
    }
    if !text(service, "network_mode").is_empty() && map(service, "networks").next().is_some() {
        return Err(format!(
            "service {name} declares mutually exclusive `network_mode` and `networks`: {INVALID}"
        ));
    }
    let test = service.get("healthcheck").and_then(|check| list(check, "test").next());
    if test.and_then(Value::as_str).is_some_and(|first| !matches!(first, "CMD" | "CMD-SHELL" | "NONE")) {
        return Err("healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"".to_owned());
    }
    Ok(())
}

fn references(
    name: &str,
    service: &Value,
    services: &BTreeMap<String, Value>,
    model: &Map<String, Value>,
) -> Loaded<()> {
    let defined = |section: &str, wanted: &str| {
        model.get(section).and_then(Value::as_object).is_some_and(|map| map.contains_key(wanted))
    };
    for (network, _) in map(service, "networks") {
        if network != "default" && !defined("networks", network) {
            return Err(format!("service {name:?} refers to undefined network {network}: {INVALID}"));
        }
    }
    for (other, condition) in map(service, "depends_on") {
        let required = condition.get("required") != Some(&Value::Bool(false));
        let is_disabled = defined("services", other);
        if !services.contains_key(other) && (required || !is_disabled) {
            return Err(format!("service {name:?} depends on undefined service {other:?}: {INVALID}"));
        }
    }
    let shared = text(service, "network_mode").strip_prefix("service:");
    if let Some(other) = shared.filter(|other| !services.contains_key(*other)) {
        return Err(format!("service {other:?} not found for network_mode 'service:{other}'"));
    }
    for volume in list(service, "volumes").filter(|v| text(v, "type") == "volume") {
        let source = text(volume, "source");
        if !source.is_empty() && !defined("volumes", source) {
            return Err(format!("service {name:?} refers to undefined volume {source}: {INVALID}"));
        }
    }
    let build = service.get("build").unwrap_or(&Value::Null);
    let granted = list(build, "secrets").map(|grant| ("secrets", "build secret", grant));
    let granted = granted.chain(list(service, "configs").map(|grant| ("configs", "config", grant)));
    let granted = granted.chain(list(service, "secrets").map(|grant| ("secrets", "secret", grant)));
    for (section, what, grant) in granted {
        let source = grant.as_str().unwrap_or_else(|| text(grant, "source"));
        if !defined(section, source) {
            return Err(format!("service {name:?} refers to undefined {what} {source}: {INVALID}"));
        }
    }
    Ok(())
}

fn scale(name: &str, service: &Value) -> Loaded<()> {
    let scale = service.get("scale").and_then(Value::as_i64);
    let replicas = service.get("deploy").and_then(|d| d.get("replicas")).and_then(Value::as_i64);
    if scale.zip(replicas).is_some_and(|(scale, replicas)| scale != replicas) {
        return Err(format!(
            "services.{name}: can't set distinct values on 'scale' and 'deploy.replicas': {INVALID}"
        ));
    }
    if scale.or(replicas).is_some_and(|count| count > 1) && !text(service, "container_name").is_empty() {
        let field = if scale.is_some() { "scale" } else { "deploy.replicas" };
        return Err(format!(
            "services.{field}: can't set container_name and {name} as container name must be unique: {INVALID}"
        ));
    }
    let watches = service.get("develop").map(|develop| list(develop, "watch")).into_iter().flatten();
    for watch in watches {
        if !matches!(text(watch, "action"), "rebuild" | "restart") && text(watch, "target").is_empty() {
            return Err(format!(
                "services.{name}.develop.watch: target is required for non-rebuild actions: {INVALID}"
            ));
        }
    }
    Ok(())
}

/// What configs and secrets are made of.
pub(super) fn check_files(model: &Map<String, Value>) -> Loaded<()> {
    for (section, sources) in
        [("configs", ["file", "environment", "content"].as_slice()), ("secrets", &["file", "environment"])]
    {
        let all = model.get(section).and_then(Value::as_object).into_iter().flatten();
        for (name, object) in all.filter_map(|(name, value)| Some((name, value.as_object()?))) {
            let count = sources.iter().filter(|source| object.contains_key(**source)).count();
            let sources = sources.join("|");
            if count > 1 {
                return Err(format!("{section}.{name}: {sources} attributes are mutually exclusive"));
            }
            if count == 0 && !object.contains_key("driver") && !object.contains_key("external") {
                return Err(format!("{section}.{name}: one of {sources} must be set"));
            }
        }
    }
    Ok(())
}
