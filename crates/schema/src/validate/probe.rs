//! Probes and lifecycle hooks.

use super::{Errors, list, text};
use serde_json::Value;

pub(super) fn probes(container: &Value, path: &str, errors: &mut Errors) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let (probe, path) = (&container[name], format!("{path}.{name}"));
        if !probe.is_object() {
            continue;
        }
        handler(probe, &path, &["exec", "httpGet", "tcpSocket", "grpc"], None, errors);
        for field in
            ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            errors.not_negative(&format!("{path}.{field}"), &probe[field]);
        }
        let (grace, grace_path) =
            (&probe["terminationGracePeriodSeconds"], format!("{path}.terminationGracePeriodSeconds"));
        if grace.as_i64().is_some_and(|seconds| seconds <= 0) {
            errors.invalid(&grace_path, grace, "must be greater than 0");
        }
        if name == "readinessProbe" {
            if !grace.is_null() {
                errors.invalid(&grace_path, grace, "must not be set for readinessProbes");
            }
        } else if probe["successThreshold"].as_i64().is_some_and(|times| times != 1) {
            errors.invalid(&format!("{path}.successThreshold"), &probe["successThreshold"], "must be 1");
        }
    }
}

pub(super) fn hooks(container: &Value, path: &str, grace: Option<i64>, errors: &mut Errors) {
    for name in ["postStart", "preStop"] {
        let hook = &container["lifecycle"][name];
        if hook.is_object() {
            let path = format!("{path}.lifecycle.{name}");
            handler(hook, &path, &["exec", "httpGet", "tcpSocket", "sleep"], grace, errors);
        }
    }
}

fn handler(handler: &Value, path: &str, kinds: &[&str], grace: Option<i64>, errors: &mut Errors) {
    let given: Vec<&&str> = kinds.iter().filter(|kind| handler[**kind].is_object()).collect();
    if given.is_empty() {
        errors.required(path, "must specify a handler type");
    }
    for (index, kind) in given.into_iter().enumerate() {
        let (action, path) = (&handler[*kind], format!("{path}.{kind}"));
        if index > 0 {
            errors.forbidden(&path, "may not specify more than 1 handler type");
            continue;
        }
        match *kind {
            "exec" => {
                if list(&action["command"]).is_empty() {
                    errors.required(&format!("{path}.command"), "");
                }
            }
            "httpGet" => http_get(action, &path, errors),
            "sleep" => {
                let seconds = super::number(&action["seconds"]);
                if let Some(grace) = grace.filter(|grace| seconds < 0 || seconds > *grace) {
                    let detail =
                        format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                    errors.invalid(&path, &seconds.into(), &detail);
                }
            }
            _ => errors.port(&format!("{path}.port"), &action["port"]),
        }
    }
}

fn http_get(action: &Value, path: &str, errors: &mut Errors) {
    if text(&action["path"]).is_empty() {
        errors.required(&format!("{path}.path"), "");
    }
    errors.port(&format!("{path}.port"), &action["port"]);
    errors.one_of(&format!("{path}.scheme"), &action["scheme"], &["HTTP", "HTTPS"]);
    for header in list(&action["httpHeaders"]) {
        let name = text(&header["name"]);
        let token =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !token {
            let detail = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
            errors.invalid(&format!("{path}.httpHeaders"), &text(&header["name"]).into(), detail);
        }
    }
}
