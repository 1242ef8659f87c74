//! What is in configMap, secret, downwardAPI and projected volumes.

use super::atomic::{File, Files};
use super::{Problem, Source};
use crate::env::{decode, items, singular};
use serde_json::Value;
use std::path::{Component, Path};

/// The files of a volume that is made of objects; `None` for any other kind.
pub(super) fn of_volume(source: &Source<'_>, volume: &Value) -> Result<Option<Files>, Problem> {
    let mut files = Files::new();
    if let Some(config_map) = volume.get("configMap") {
        object(source, "configmaps", &config_map["name"], config_map, mode(config_map, 0o644), &mut files)?;
    } else if let Some(secret) = volume.get("secret") {
        object(source, "secrets", &secret["secretName"], secret, mode(secret, 0o644), &mut files)?;
    } else if let Some(downward) = volume.get("downwardAPI") {
        downward_api(source, downward, mode(downward, 0o644), &mut files)?;
    } else if let Some(projected) = volume.get("projected") {
        let default = mode(projected, 0o644);
        for part in items(&projected["sources"]) {
            projection(source, part, default, &mut files)?;
        }
    } else {
        return Ok(None);
    }
    Ok(Some(files))
}

fn mode(value: &Value, default: u32) -> u32 {
    let field = value.get("defaultMode").or_else(|| value.get("mode"));
    field.and_then(Value::as_u64).and_then(|mode| u32::try_from(mode).ok()).unwrap_or(default)
}

fn projection(source: &Source<'_>, part: &Value, default: u32, files: &mut Files) -> Result<(), Problem> {
    if let Some(config_map) = part.get("configMap") {
        object(source, "configmaps", &config_map["name"], config_map, default, files)
    } else if let Some(secret) = part.get("secret") {
        object(source, "secrets", &secret["name"], secret, default, files)
    } else if let Some(downward) = part.get("downwardAPI") {
        downward_api(source, downward, default, files)
    } else if let Some(token) = part.get("serviceAccountToken") {
        let path = relative(token["path"].as_str().unwrap_or_default())?;
        let content = service_account_token(source, token)?.into_bytes();
        files.insert(path, File { content, mode: default });
        Ok(())
    } else {
        let kind = part.as_object().and_then(|fields| fields.keys().next());
        Err(format!("projections of the kind {} are not supported by Coracle", kind.map_or("unknown", |k| k))
            .into())
    }
}

/// All keys of a ConfigMap or Secret, or the chosen ones.
fn object(
    source: &Source<'_>,
    resource: &str,
    name: &Value,
    from: &Value,
    default: u32,
    files: &mut Files,
) -> Result<(), Problem> {
    let namespace = source.pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let name = name.as_str().unwrap_or_default();
    let optional = from["optional"] == true;
    let Some(object) = source.view.get(resource, namespace, name) else {
        if resource == "configmaps" && name == "kube-root-ca.crt" {
            // Its controller makes it in a moment; what will be in it is known.
            let content = source.config.ca_pem.clone().into_bytes();
            files.insert("ca.crt".into(), File { content, mode: default });
            return Ok(());
        }
        return if optional {
            Ok(())
        } else {
            Err(format!("{} \"{name}\" not found", singular(resource)).into())
        };
    };
    let mut found = Files::new();
    for (field, as_bytes) in [("data", resource == "secrets"), ("binaryData", true)] {
        for (key, value) in object[field].as_object().into_iter().flatten() {
            let content = decode(if as_bytes { "secrets" } else { "configmaps" }, value);
            found.insert(key.clone(), File { content, mode: default });
        }
    }
    let mut chosen = items(&from["items"]).peekable();
    if chosen.peek().is_none() {
        files.extend(found);
        return Ok(());
    }
    for item in chosen {
        let key = item["key"].as_str().unwrap_or_default();
        let Some(file) = found.get(key) else {
            if optional {
                continue;
            }
            return Err(format!(
                "references non-existent {} key: {key}",
                if resource == "secrets" { "secret" } else { "config" }
            )
            .into());
        };
        let path = relative(item["path"].as_str().unwrap_or_default())?;
        files.insert(path, File { content: file.content.clone(), mode: mode(item, default) });
    }
    Ok(())
}

fn downward_api(source: &Source<'_>, from: &Value, default: u32, files: &mut Files) -> Result<(), Problem> {
    for item in items(&from["items"]) {
        let path = relative(item["path"].as_str().unwrap_or_default())?;
        let text = match item.get("fieldRef") {
            Some(field) => source.fields.field(field["fieldPath"].as_str().unwrap_or_default())?,
            None => source.fields.resource(&item["resourceFieldRef"], "")?,
        };
        files.insert(path, File { content: text.into_bytes(), mode: mode(item, default) });
    }
    Ok(())
}

/// However long it lives, a token is renewed after a day, as upstream has it.
const A_DAY: i64 = 24 * 3600;

/// A token that has at least a fifth of its life before it.
fn service_account_token(source: &Source<'_>, wanted: &Value) -> Result<String, Problem> {
    let (meta, spec) = (&source.pod["metadata"], &source.pod["spec"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (namespace, account) = (text(&meta["namespace"]), text(&spec["serviceAccountName"]));
    let account = if account.is_empty() { "default".to_owned() } else { account };
    if source.view.get("serviceaccounts", &namespace, &account).is_none() {
        return Err(Problem::Soon(format!("failed to fetch token: serviceaccounts \"{account}\" not found")));
    }
    let (audience, seconds) =
        (text(&wanted["audience"]), wanted["expirationSeconds"].as_i64().unwrap_or(3600));
    let now = jiff::Timestamp::now().as_second();
    let key = (audience.clone(), seconds);
    if let Some((token, issued, expiry)) = source.tokens.lock().get(&key)
        && now < issued + ((expiry - issued) * 4 / 5).min(A_DAY)
    {
        return Ok(token.clone());
    }
    let issue = &source.config.service_account_token;
    let (token, expiry) =
        issue(&namespace, &account, &audience, seconds, &text(&meta["name"]), &text(&meta["uid"]));
    source.tokens.lock().insert(key, (token.clone(), now, expiry));
    Ok(token)
}

fn relative(path: &str) -> Result<String, String> {
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if path.is_empty() || !inside || path.starts_with("..") {
        return Err(format!("invalid path {path:?}: it must be relative and stay in the volume"));
    }
    Ok(path.to_owned())
}
