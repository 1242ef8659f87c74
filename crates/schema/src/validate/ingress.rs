//! Ingresses and their classes.

use super::{Errors, at, list, names, number, text};
use serde_json::Value;
use std::net::IpAddr;

pub(super) fn ingress(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let (rules, backend) = (list(&spec["rules"]), &spec["defaultBackend"]);
    if rules.is_empty() && !backend.is_object() {
        errors.invalid("spec", &spec["rules"], "either `defaultBackend` or `rules` must be specified");
    }
    if backend.is_object() {
        self::backend(backend, "spec.defaultBackend", errors);
    }
    for (index, rule) in rules.iter().enumerate() {
        self::rule(rule, &format!("spec.rules[{index}]"), errors);
    }
    for (index, tls) in list(&spec["tls"]).iter().enumerate() {
        for (place, host) in list(&tls["hosts"]).iter().enumerate() {
            errors.format(&format!("spec.tls[{index}].hosts[{place}]"), host, names::host);
        }
        errors.optional(&format!("spec.tls[{index}].secretName"), &tls["secretName"], names::subdomain);
    }
    let class = &spec["ingressClassName"];
    errors.format("spec.ingressClassName", class, names::subdomain);
    const ANNOTATION: &str = "kubernetes.io/ingress.class";
    let annotation = &object["metadata"]["annotations"][ANNOTATION];
    if old.is_none() && annotation.is_string() && class.is_string() && annotation != class {
        let detail = "must match `ingressClassName` when both are specified";
        errors.invalid(&at("annotations", ANNOTATION), annotation, detail);
    }
}

fn rule(rule: &Value, path: &str, errors: &mut Errors) {
    let (host, field) = (&rule["host"], at(path, "host"));
    if text(host).parse::<IpAddr>().is_ok() {
        errors.invalid(&field, host, "must be a DNS name, not an IP address");
    }
    errors.optional(&field, host, names::host);
    if rule["http"].is_object() {
        let paths = list(&rule["http"]["paths"]);
        if paths.is_empty() {
            errors.required(&at(path, "http.paths"), "");
        }
        for (index, entry) in paths.iter().enumerate() {
            self::path(entry, &format!("{path}.http.paths[{index}]"), errors);
        }
    }
}

/// What an absolute path of an ingress may not hold.
const BAD_PARTS: &[&str] = &["//", "/./", "/../", "%2f", "%2F"];
const BAD_ENDS: &[&str] = &["/..", "/."];

fn path(entry: &Value, path: &str, errors: &mut Errors) {
    let (url, field) = (text(&entry["path"]), at(path, "path"));
    match &entry["pathType"] {
        Value::Null => {
            errors.required(&at(path, "pathType"), "pathType must be specified");
            return;
        }
        ty if ty == "Exact" || ty == "Prefix" => {
            if !url.starts_with('/') {
                errors.invalid(&field, &url.into(), "must be an absolute path");
            }
            for part in BAD_PARTS.iter().filter(|part| url.contains(**part)) {
                errors.invalid(&field, &entry["path"], &format!("must not contain '{part}'"));
            }
            for end in BAD_ENDS.iter().filter(|end| url.ends_with(**end)) {
                errors.invalid(&field, &entry["path"], &format!("cannot end with '{end}'"));
            }
        }
        ty if ty == "ImplementationSpecific" => {
            if !url.is_empty() && !url.starts_with('/') {
                errors.invalid(&field, &entry["path"], "must be an absolute path");
            }
        }
        ty => errors.unsupported(&at(path, "pathType"), ty, &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    backend(&entry["backend"], &at(path, "backend"), errors);
}

fn backend(backend: &Value, path: &str, errors: &mut Errors) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    match (service.is_object(), resource.is_object()) {
        (true, true) => errors.invalid(path, &"".into(), "cannot set both resource and service backends"),
        (false, false) => errors.invalid(path, &"".into(), "resource or service backend is required"),
        (false, true) => reference(resource, &at(path, "resource"), errors),
        (true, false) => {
            errors.required_format(&at(path, "service.name"), &service["name"], names::service_name);
            let port = &service["port"];
            match (text(&port["name"]).is_empty(), number(&port["number"])) {
                (true, 0) => errors.required(path, "port name or number is required"),
                (false, 0) => errors.format(&at(path, "service.port.name"), &port["name"], names::port_name),
                (false, _) => errors.invalid(path, &"".into(), "cannot set both port name & port number"),
                (true, _) => errors.port(&at(path, "service.port.number"), &port["number"]),
            }
        }
    }
}

fn reference(reference: &Value, path: &str, errors: &mut Errors) {
    errors.format(&at(path, "apiGroup"), &reference["apiGroup"], names::subdomain);
    for field in ["kind", "name"] {
        errors.required_format(&at(path, field), &reference[field], names::path_segment);
    }
}

/// The longest name of a controller.
const MOST: usize = 250;

pub(super) fn class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let (spec, field) = (&object["spec"], "spec.controller");
    if let Some(old) = old {
        errors.immutable(field, &spec["controller"], &old["spec"]["controller"]);
    }
    if text(&spec["controller"]).len() > MOST {
        errors.too_long(field, MOST);
    }
    errors.required_format(field, &spec["controller"], names::domain_prefixed_path);
    let parameters = &spec["parameters"];
    if !parameters.is_object() {
        return;
    }
    const PATH: &str = "spec.parameters";
    reference(parameters, PATH, errors);
    let namespace = &parameters["namespace"];
    match text(&parameters["scope"]) {
        "" => errors.required(&at(PATH, "scope"), ""),
        "Namespace" if namespace.is_null() => {
            errors.required(&at(PATH, "namespace"), "`parameters.scope` is set to 'Namespace'");
        }
        "Namespace" => errors.format(&at(PATH, "namespace"), namespace, names::label),
        "Cluster" if !namespace.is_null() => {
            errors.forbidden(&at(PATH, "namespace"), "`parameters.scope` is set to 'Cluster'");
        }
        "Cluster" => {}
        _ => errors.unsupported(&at(PATH, "scope"), &parameters["scope"], &["Cluster", "Namespace"]),
    }
}
