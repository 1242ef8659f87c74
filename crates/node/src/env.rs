//! A container's environment: values, references to ConfigMaps, Secrets and fields, Services of its namespace.

use crate::NodeConfig;
use crate::fields::Fields;
use base64::Engine as _;
use serde_json::Value;
use std::collections::HashMap;
use store::View;

/// Variables in the order of their definition; a later one of the same name replaces an earlier one.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Variables {
    list: Vec<(String, String)>,
    places: HashMap<String, usize>,
}

impl Variables {
    pub(crate) fn set(&mut self, name: &str, value: String) {
        match self.places.get(name) {
            Some(at) => self.list[*at].1 = value,
            None => {
                self.places.insert(name.into(), self.list.len());
                self.list.push((name.into(), value));
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.places.get(name).map(|at| self.list[*at].1.as_str())
    }

    pub(crate) fn into_list(self) -> Vec<(String, String)> {
        self.list
    }

    pub(crate) fn extend(&mut self, other: Self) {
        for (name, value) in other.list {
            self.set(&name, value);
        }
    }
}

/// The environment that the pod's spec gives a container, without the image's own. An error is the text of a
/// CreateContainerConfigError.
pub(crate) fn resolve(
    view: &dyn View,
    config: &NodeConfig,
    pod: &Value,
    container: &Value,
    fields: &Fields<'_>,
) -> Result<Variables, String> {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let mut out = services(view, config, namespace, pod["spec"]["enableServiceLinks"] != false);
    for source in items(&container["envFrom"]) {
        from_source(view, namespace, source, &mut out)?;
    }
    for variable in items(&container["env"]) {
        let name = variable["name"].as_str().unwrap_or_default();
        let value = match variable.get("valueFrom").filter(|from| from.is_object()) {
            Some(from) => value_from(view, namespace, container, fields, from)?,
            None => Some(expand(variable["value"].as_str().unwrap_or_default(), &out)),
        };
        if let Some(value) = value {
            out.set(name, value);
        }
    }
    Ok(out)
}

pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn from_source(view: &dyn View, namespace: &str, source: &Value, out: &mut Variables) -> Result<(), String> {
    let prefix = source["prefix"].as_str().unwrap_or_default();
    let (resource, reference) = match source.get("configMapRef") {
        Some(reference) => ("configmaps", reference),
        None => ("secrets", &source["secretRef"]),
    };
    let name = reference["name"].as_str().unwrap_or_default();
    let Some(object) = view.get(resource, namespace, name) else {
        if reference["optional"] == true {
            return Ok(());
        }
        return Err(format!("{} \"{name}\" not found", singular(resource)));
    };
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        // A name that no process could read is left out, as upstream does.
        if key.is_empty() || key.contains('=') {
            continue;
        }
        let bytes = decode(resource, value);
        out.set(&format!("{prefix}{key}"), String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(())
}

/// `configmap`, `secret`: as the kubelet's messages name them.
pub(crate) fn singular(resource: &str) -> &str {
    resource.strip_suffix('s').unwrap_or(resource)
}

/// A value of `data`: text in a ConfigMap, base64 in a Secret.
pub(crate) fn decode(resource: &str, value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    if resource == "secrets" {
        base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default()
    } else {
        text.as_bytes().to_vec()
    }
}

fn value_from(
    view: &dyn View,
    namespace: &str,
    container: &Value,
    fields: &Fields<'_>,
    from: &Value,
) -> Result<Option<String>, String> {
    for (field, resource) in [("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")] {
        let Some(reference) = from.get(field) else { continue };
        let (name, key) =
            (reference["name"].as_str().unwrap_or_default(), reference["key"].as_str().unwrap_or_default());
        let optional = reference["optional"] == true;
        let Some(object) = view.get(resource, namespace, name) else {
            return if optional {
                Ok(None)
            } else {
                Err(format!("{} \"{name}\" not found", singular(resource)))
            };
        };
        return match object["data"].get(key) {
            Some(value) => Ok(Some(String::from_utf8_lossy(&decode(resource, value)).into_owned())),
            None if optional => Ok(None),
            None => {
                let kind = if resource == "secrets" { "Secret" } else { "ConfigMap" };
                Err(format!("couldn't find key {key} in {kind} {namespace}/{name}"))
            }
        };
    }
    if let Some(reference) = from.get("fieldRef") {
        return fields.field(reference["fieldPath"].as_str().unwrap_or_default()).map(Some);
    }
    if let Some(reference) = from.get("resourceFieldRef") {
        return fields.resource(reference, container["name"].as_str().unwrap_or_default()).map(Some);
    }
    Err("valueFrom names no source that this node knows".into())
}

/// Replaces `$(NAME)` by the variable's value; `$$` is a `$`; unknown names stay as they are.
pub(crate) fn expand(text: &str, variables: &Variables) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match variables.get(name) {
                Some(value) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

/// Docker-style variables of the namespace's Services, and always those of the API.
fn services(view: &dyn View, config: &NodeConfig, namespace: &str, links: bool) -> Variables {
    let mut out = Variables::default();
    if links {
        for service in view.list("services", namespace) {
            add_service(&service, None, &mut out);
        }
    }
    if let Some(api) = view.get("services", "default", "kubernetes") {
        add_service(&api, Some(config.api_host.to_string()), &mut out);
    } else {
        out.set("KUBERNETES_SERVICE_HOST", config.api_host.to_string());
        out.set("KUBERNETES_SERVICE_PORT", "443".into());
    }
    out
}

fn add_service(service: &Value, address: Option<String>, out: &mut Variables) {
    let address = address.or_else(|| service["spec"]["clusterIP"].as_str().map(str::to_owned));
    let Some(ip) = address.filter(|ip| !ip.is_empty() && ip != "None") else { return };
    let ports: Vec<&Value> = items(&service["spec"]["ports"]).collect();
    let Some(first) = ports.first() else { return };
    let name = variable_name(service["metadata"]["name"].as_str().unwrap_or_default());
    out.set(&format!("{name}_SERVICE_HOST"), ip.clone());
    out.set(&format!("{name}_SERVICE_PORT"), first["port"].to_string());
    for port in &ports {
        if let Some(port_name) = port["name"].as_str().filter(|name| !name.is_empty()) {
            out.set(&format!("{name}_SERVICE_PORT_{}", variable_name(port_name)), port["port"].to_string());
        }
    }
    for (at, port) in ports.iter().enumerate() {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let number = port["port"].to_string();
        let url = format!("{}://{ip}:{number}", protocol.to_lowercase());
        if at == 0 {
            out.set(&format!("{name}_PORT"), url.clone());
        }
        let prefix = format!("{name}_PORT_{number}_{}", protocol.to_uppercase());
        out.set(&prefix, url);
        out.set(&format!("{prefix}_PROTO"), protocol.to_lowercase());
        out.set(&format!("{prefix}_PORT"), number);
        out.set(&format!("{prefix}_ADDR"), ip.clone());
    }
}

fn variable_name(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion() {
        let mut known = Variables::default();
        known.set("A", "1".into());
        for (text, expected) in [
            ("plain", "plain"),
            ("$(A)/$(A)", "1/1"),
            ("$$(A)", "$(A)"),
            ("$(B)", "$(B)"),
            ("$(A", "$(A"),
            ("100$", "100$"),
            ("$A", "$A"),
        ] {
            assert_eq!(expand(text, &known), expected, "{text}");
        }
    }
}
