//! Services and ingresses.

use super::{Errors, list, metadata, names, text};
use serde_json::Value;
use std::collections::HashSet;
use std::net::IpAddr;

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

pub(super) fn service(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let (ty, headless) = (text(&spec["type"]), spec["clusterIP"] == "None");
    if list(&spec["ports"]).is_empty() && !headless && ty != "ExternalName" {
        errors.required("spec.ports", "");
    }
    errors.required_one_of("spec.type", &spec["type"], TYPES);
    match ty {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {ty} services");
            errors.invalid("spec.clusterIPs[0]", &spec["clusterIP"], &detail);
        }
        "ExternalName" => {
            if !text(&spec["clusterIP"]).is_empty() {
                errors.forbidden("spec.clusterIP", "may not be set for ExternalName services");
            }
            if text(&spec["externalName"]).is_empty() {
                errors.required("spec.externalName", "");
            } else {
                let name = text(&spec["externalName"]).trim_end_matches('.');
                for problem in names::subdomain(name) {
                    errors.invalid("spec.externalName", &spec["externalName"], &problem);
                }
            }
        }
        _ => {}
    }
    let address = text(&spec["clusterIP"]);
    if !address.is_empty() && !headless && address.parse::<IpAddr>().is_err() {
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.invalid("spec.clusterIPs[0]", &spec["clusterIP"], detail);
    }
    ports(spec, errors);
    metadata::labels(&spec["selector"], "spec.selector", errors);
    errors.required_one_of("spec.sessionAffinity", &spec["sessionAffinity"], &["ClientIP", "None"]);
    errors.one_of("spec.externalTrafficPolicy", &spec["externalTrafficPolicy"], &["Cluster", "Local"]);
    errors.one_of("spec.internalTrafficPolicy", &spec["internalTrafficPolicy"], &["Cluster", "Local"]);
    if let Some(old) = old.filter(|_| ty != "ExternalName") {
        let before = &old["spec"]["clusterIP"];
        if old["spec"]["type"] != "ExternalName"
            && !text(before).is_empty()
            && !address.is_empty()
            && spec["clusterIP"] != *before
        {
            let new = if spec["clusterIPs"].is_array() { &spec["clusterIPs"] } else { &spec["clusterIP"] };
            errors.invalid("spec.clusterIPs[0]", new, "may not change once set");
        }
    }
}

fn ports(spec: &Value, errors: &mut Errors) {
    let all = list(&spec["ports"]);
    let (mut seen_names, mut seen_ports, mut seen_nodes) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (index, port) in all.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let name = text(&port["name"]);
        if name.is_empty() {
            if all.len() > 1 {
                errors.required(&format!("{path}.name"), "");
            }
        } else {
            errors.format(&format!("{path}.name"), &port["name"], names::label);
            if !seen_names.insert(name) {
                errors.duplicate(&format!("{path}.name"), &port["name"]);
            }
        }
        if port["port"].is_null() {
            errors.invalid(&format!("{path}.port"), &0.into(), "must be between 1 and 65535, inclusive");
        } else {
            errors.port(&format!("{path}.port"), &port["port"]);
        }
        errors.required_one_of(&format!("{path}.protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
        errors.port(&format!("{path}.targetPort"), &port["targetPort"]);
        let key = (text(&port["protocol"]), port["port"].as_i64());
        if !seen_ports.insert(key) {
            let both = serde_json::json!({ "protocol": port["protocol"], "port": port["port"] });
            errors.duplicate(&path, &both);
        }
        if let Some(node) = port["nodePort"].as_i64().filter(|node| *node != 0) {
            let field = format!("{path}.nodePort");
            if matches!(text(&spec["type"]), "ClusterIP" | "ExternalName") {
                errors.forbidden(&field, "may not be used when `type` is 'ClusterIP'");
            } else {
                errors.port(&field, &port["nodePort"]);
            }
            if !seen_nodes.insert((text(&port["protocol"]), node)) {
                errors.duplicate(&field, &port["nodePort"]);
            }
        }
    }
}

pub(super) fn ingress(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    let (rules, backend) = (list(&spec["rules"]), &spec["defaultBackend"]);
    if rules.is_empty() && !backend.is_object() {
        errors.invalid("spec", spec, "either `defaultBackend` or `rules` must be specified");
    }
    if backend.is_object() {
        self::backend(backend, "spec.defaultBackend", errors);
    }
    if !text(&spec["ingressClassName"]).is_empty() {
        errors.format("spec.ingressClassName", &spec["ingressClassName"], names::subdomain);
    }
    for (index, tls) in list(&spec["tls"]).iter().enumerate() {
        for (place, host) in list(&tls["hosts"]).iter().enumerate() {
            errors.format(&format!("spec.tls[{index}].hosts[{place}]"), host, names::host);
        }
        if !text(&tls["secretName"]).is_empty() {
            errors.format(&format!("spec.tls[{index}].secretName"), &tls["secretName"], names::subdomain);
        }
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        let host = text(&rule["host"]);
        if host.parse::<IpAddr>().is_ok() {
            errors.invalid(&format!("{path}.host"), &rule["host"], "must be a DNS name, not an IP address");
        } else if !host.is_empty() {
            errors.format(&format!("{path}.host"), &rule["host"], names::host);
        }
        if rule["http"].is_object() {
            if list(&rule["http"]["paths"]).is_empty() {
                errors.required(&format!("{path}.http.paths"), "");
            }
            for (place, entry) in list(&rule["http"]["paths"]).iter().enumerate() {
                ingress_path(entry, &format!("{path}.http.paths[{place}]"), errors);
            }
        }
    }
}

/// What an absolute path of an ingress may not hold.
const BAD_PARTS: &[&str] = &["//", "/./", "/../", "%2f", "%2F"];
const BAD_ENDS: &[&str] = &["/..", "/."];

fn ingress_path(entry: &Value, path: &str, errors: &mut Errors) {
    let (url, field) = (text(&entry["path"]), format!("{path}.path"));
    match text(&entry["pathType"]) {
        "" => errors.required(&format!("{path}.pathType"), "pathType must be specified"),
        "Exact" | "Prefix" => {
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
        "ImplementationSpecific" => {
            if !url.is_empty() && !url.starts_with('/') {
                errors.invalid(&field, &entry["path"], "must be an absolute path");
            }
        }
        _ => {
            let known = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.unsupported(&format!("{path}.pathType"), &entry["pathType"], &known);
        }
    }
    backend(&entry["backend"], &format!("{path}.backend"), errors);
}

fn backend(backend: &Value, path: &str, errors: &mut Errors) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    match (service.is_object(), resource.is_object()) {
        (true, true) => errors.invalid(path, &"".into(), "cannot set both resource and service backends"),
        (false, false) => errors.invalid(path, &"".into(), "resource or service backend is required"),
        (false, true) => {}
        (true, false) => {
            if text(&service["name"]).is_empty() {
                errors.required(&format!("{path}.service.name"), "");
            } else {
                errors.format(&format!("{path}.service.name"), &service["name"], names::service_name);
            }
            let (name, number) =
                (text(&service["port"]["name"]), service["port"]["number"].as_i64().unwrap_or_default());
            let path = format!("{path}.service.port");
            match (name.is_empty(), number) {
                (true, 0) => errors.required(&path, "port name or number is required"),
                (false, 0) => {
                    errors.format(&format!("{path}.name"), &service["port"]["name"], names::port_name)
                }
                (false, _) => errors.invalid(&path, &"".into(), "cannot set both port name & port number"),
                (true, _) => errors.port(&format!("{path}.number"), &service["port"]["number"]),
            }
        }
    }
}
