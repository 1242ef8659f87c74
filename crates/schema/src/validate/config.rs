//! ConfigMaps and Secrets.

use super::{Errors, entries, names, same, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// ConfigMaps and Secrets hold at most this many bytes.
const MOST: usize = 1 << 20;

pub(super) fn config_map(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    kept(object, old, &["data", "binaryData"], errors);
    let mut size = 0;
    for (key, value) in entries(&object["data"]) {
        let (field, shown) = (format!("data[{key}]"), key.as_str().into());
        errors.format(&field, &shown, names::config_key);
        if object["binaryData"].get(key).is_some() {
            errors.invalid(&field, &shown, "duplicate of key present in binaryData");
        }
        size += text(value).len();
    }
    for (key, value) in entries(&object["binaryData"]) {
        errors.format(&format!("binaryData[{key}]"), &key.as_str().into(), names::config_key);
        size += decoded_length(text(value));
    }
    if size > MOST {
        errors.too_long("", MOST);
    }
}

/// How many bytes a text in base64 stands for.
fn decoded_length(text: &str) -> usize {
    let padding = text.bytes().rev().take(2).take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// Once immutable, for ever; and its content with it.
fn kept(object: &Value, old: Option<&Value>, fields: &[&str], errors: &mut Errors) {
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return };
    const DETAIL: &str = "field is immutable when `immutable` is set";
    if object["immutable"] != true {
        errors.forbidden("immutable", DETAIL);
    }
    for field in fields {
        if !same(&object[*field], &old[*field]) {
            errors.forbidden(field, DETAIL);
        }
    }
}

pub(super) fn secret(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    if let Some(old) = old {
        errors.immutable("type", &object["type"], &old["type"]);
    }
    kept(object, old, &["data"], errors);
    let mut size = 0;
    for (key, value) in entries(&object["data"]) {
        errors.format(&format!("data[{key}]"), &key.as_str().into(), names::config_key);
        size += decoded_length(text(value));
    }
    if size > MOST {
        errors.too_long("data", MOST);
    }
    let data = &object["data"];
    let mut require = |key: &str| errors.required(&format!("data[{key}]"), "");
    match text(&object["type"]) {
        "kubernetes.io/service-account-token" => {
            const ACCOUNT: &str = "kubernetes.io/service-account.name";
            if text(&object["metadata"]["annotations"][ACCOUNT]).is_empty() {
                errors.required(&format!("metadata.annotations[{ACCOUNT}]"), "");
            }
        }
        "kubernetes.io/dockercfg" => docker(data, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => docker(data, ".dockerconfigjson", errors),
        "kubernetes.io/basic-auth" if data["username"].is_null() && data["password"].is_null() => {
            require("username");
            require("password");
        }
        "kubernetes.io/ssh-auth" if text(&data["ssh-privatekey"]).is_empty() => require("ssh-privatekey"),
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"].into_iter().filter(|key| data.get(*key).is_none()) {
                require(key);
            }
        }
        _ => {}
    }
}

/// The credentials of registries are an object of JSON.
fn docker(data: &Value, key: &str, errors: &mut Errors) {
    let field = format!("data[{key}]");
    let Some(value) = data.get(key) else {
        errors.required(&field, "");
        return;
    };
    let text = STANDARD.decode(text(value)).unwrap_or_default();
    if let Some(problem) = json_problem(&text) {
        errors.invalid(&field, &"<secret contents redacted>".into(), &problem);
    }
}

/// What Go has to say of a text that is no object of JSON.
fn json_problem(text: &[u8]) -> Option<String> {
    match serde_json::from_slice::<Value>(text) {
        Ok(Value::Object(_) | Value::Null) => None,
        Ok(other) => {
            let found = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                _ => "number",
            };
            Some(format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"))
        }
        Err(error) if error.is_eof() => Some("unexpected end of JSON input".into()),
        Err(_) => {
            let text = String::from_utf8_lossy(text);
            let first = text.trim_start().chars().next().unwrap_or_default();
            Some(if first == '{' {
                "invalid character in the text of the object".into()
            } else {
                format!("invalid character '{first}' looking for beginning of value")
            })
        }
    }
}
