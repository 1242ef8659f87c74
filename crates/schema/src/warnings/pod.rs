//! Pods and their templates.

use super::{list, text, volumes, whole_bytes};
use serde_json::Value;
use std::collections::HashMap;

/// Annotations that nothing reads any more.
const ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        r#"non-functional in v1.16+; use the "priorityClassName" field instead"#,
    ),
    ("security.alpha.kubernetes.io/sysctls", r#"non-functional in v1.11+; use the "sysctls" field instead"#),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        r#"non-functional in v1.11+; use the "sysctls" field instead"#,
    ),
];
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// `path` leads to the template; it is empty for a pod.
pub(super) fn check(pod: &Value, path: &str, told: &mut Vec<String>) {
    let at = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    let spec = &pod["spec"];
    scheduling(spec, &at("spec"), told);
    let annotations = &pod["metadata"]["annotations"];
    for (key, why) in ANNOTATIONS.iter().filter(|(key, _)| annotations.get(*key).is_some()) {
        told.push(format!("{}[{key}]: {why}", at("metadata.annotations")));
    }
    volumes::check(list(&spec["volumes"]), &at("spec.volumes"), told);
    repeated(list(&spec["hostAliases"]), &at("spec.hostAliases"), "ip", told);
    let secrets = list(&spec["imagePullSecrets"]);
    repeated(secrets, &at("spec.imagePullSecrets"), "name", told);
    for (index, _) in secrets.iter().enumerate().filter(|(_, secret)| text(&secret["name"]).is_empty()) {
        told.push(format!("{}[{index}].name: invalid empty name \"\"", at("spec.imagePullSecrets")));
    }
    for resource in ["memory", "ephemeral-storage"] {
        let field = format!("{}[{resource}]", at("spec.overhead"));
        whole_bytes(&spec["overhead"][resource], &field, told);
    }
    let secure = &spec["securityContext"];
    if secure["seccompProfile"].is_null() && annotations.get(SECCOMP_POD).is_some() {
        told.push(replaced(&at("metadata.annotations"), SECCOMP_POD));
    }
    let containers = containers(spec, &at("spec"));
    for (container, place) in &containers {
        let own = &container["securityContext"];
        let key = format!("{SECCOMP_CONTAINER}{}", text(&container["name"]));
        if own["seccompProfile"].is_null() && annotations.get(&key).is_some() {
            told.push(replaced(&at("metadata.annotations"), &key));
        }
        let key = format!("{APP_ARMOR}{}", text(&container["name"]));
        let has_field = !secure["appArmorProfile"].is_null() || !own["appArmorProfile"].is_null();
        if !has_field && annotations.get(&key).is_some() {
            let why = r#"deprecated since v1.30; use the "appArmorProfile" field instead"#;
            told.push(format!("{}[{key}]: {why}", at("metadata.annotations")));
        }
        resources(container, place, told);
        environment(list(&container["env"]), place, told);
    }
    ports(&containers, told);
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0) {
        told.push(format!(
            "{}: must be >= 0; negative values are invalid and will be treated as 1",
            at("spec.terminationGracePeriodSeconds")
        ));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        affinity(&spec["affinity"][kind], &at(&format!("spec.affinity.{kind}")), told);
    }
}

fn replaced(annotations: &str, key: &str) -> String {
    format!("{annotations}[{key}]: non-functional in v1.27+; use the \"seccompProfile\" field instead")
}

/// Each with its place.
fn containers<'a>(spec: &'a Value, path: &str) -> Vec<(&'a Value, String)> {
    let all = ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|field| {
        list(&spec[field]).iter().enumerate().map(move |(index, it)| (it, format!("{path}.{field}[{index}]")))
    });
    all.collect()
}

/// Labels of nodes that have another name now.
pub(super) fn renamed(label: &str) -> Option<&'static str> {
    Some(match label {
        "beta.kubernetes.io/arch" => r#"deprecated since v1.14; use "kubernetes.io/arch" instead"#,
        "beta.kubernetes.io/os" => r#"deprecated since v1.14; use "kubernetes.io/os" instead"#,
        "failure-domain.beta.kubernetes.io/region" => {
            r#"deprecated since v1.17; use "topology.kubernetes.io/region" instead"#
        }
        "failure-domain.beta.kubernetes.io/zone" => {
            r#"deprecated since v1.17; use "topology.kubernetes.io/zone" instead"#
        }
        "beta.kubernetes.io/instance-type" => {
            r#"deprecated since v1.17; use "node.kubernetes.io/instance-type" instead"#
        }
        _ => return None,
    })
}

fn scheduling(spec: &Value, path: &str, told: &mut Vec<String>) {
    for key in spec["nodeSelector"].as_object().into_iter().flat_map(|map| map.keys()) {
        if let Some(why) = renamed(key) {
            told.push(format!("{path}.nodeSelector[{key}]: {why}"));
        }
    }
    let nodes = &spec["affinity"]["nodeAffinity"];
    let base = format!("{path}.affinity.nodeAffinity");
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in list(&nodes[required]["nodeSelectorTerms"]).iter().enumerate() {
        node_term(term, &format!("{base}.{required}.nodeSelectorTerms[{index}]"), told);
    }
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in list(&nodes[preferred]).iter().enumerate() {
        node_term(&term["preference"], &format!("{base}.{preferred}[{index}].preference"), told);
    }
    for (index, spread) in list(&spec["topologySpreadConstraints"]).iter().enumerate() {
        let place = format!("{path}.topologySpreadConstraints[{index}]");
        let key = text(&spread["topologyKey"]);
        if let Some(why) = renamed(key) {
            told.push(format!("{place}.topologyKey: {key} is {why}"));
        }
        selects_nothing(spread, &place, told);
    }
}

pub(super) fn node_term(term: &Value, path: &str, told: &mut Vec<String>) {
    for (index, expression) in list(&term["matchExpressions"]).iter().enumerate() {
        let key = text(&expression["key"]);
        if let Some(why) = renamed(key) {
            told.push(format!("{path}.matchExpressions[{index}].key: {key} is {why}"));
        }
    }
}

fn affinity(affinity: &Value, path: &str, told: &mut Vec<String>) {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in list(&affinity[required]).iter().enumerate() {
        selects_nothing(term, &format!("{path}.{required}[{index}]"), told);
    }
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in list(&affinity[preferred]).iter().enumerate() {
        selects_nothing(
            &term["podAffinityTerm"],
            &format!("{path}.{preferred}[{index}].podAffinityTerm"),
            told,
        );
    }
}

fn selects_nothing(term: &Value, path: &str, told: &mut Vec<String>) {
    if term["labelSelector"].is_null() {
        told.push(format!("{path}.labelSelector: a null labelSelector results in matching no pod"));
    }
}

fn repeated(items: &[Value], path: &str, field: &str, told: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let value = text(&item[field]);
        if !seen.insert(value) {
            told.push(format!("{path}[{index}].{field}: duplicate {field} {value:?}"));
        }
    }
}

fn resources(container: &Value, path: &str, told: &mut Vec<String>) {
    for resource in ["memory", "ephemeral-storage"] {
        for kind in ["limits", "requests"] {
            let field = format!("{path}.resources.{kind}[{resource}]");
            whole_bytes(&container["resources"][kind][resource], &field, told);
        }
    }
}

/// A variable that replaces one of the same name, other than by building on it.
fn environment(variables: &[Value], path: &str, told: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    for (index, variable) in variables.iter().enumerate() {
        let (name, value) = (text(&variable["name"]), text(&variable["value"]));
        if seen.insert(name) {
            continue;
        }
        let before = format!("$({name})");
        if !variable["valueFrom"].is_null() || value == before || !value.contains(&before) {
            told.push(format!(
                "{path}.env[{index}]: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

/// Where a port is defined, and what it is on the host.
type Defined<'a> = (String, i64, &'a str);

fn ports(containers: &[(&Value, String)], told: &mut Vec<String>) {
    let mut seen: HashMap<(i64, &str), Vec<Defined<'_>>> = HashMap::new();
    for (container, path) in containers {
        for (index, port) in list(&container["ports"]).iter().enumerate() {
            let place = format!("{path}.ports[{index}]");
            let number = |field: &str| port[field].as_i64().unwrap_or_default();
            let (own, host, address) = (number("containerPort"), number("hostPort"), text(&port["hostIP"]));
            let protocol = text(&port["protocol"]);
            if !address.is_empty() && host == 0 {
                let name = text(&port["name"]);
                told.push(format!(
                    "{place}: hostIP set without hostPort: {{Name:{name} HostPort:0 ContainerPort:{own} \
                     Protocol:{protocol} HostIP:{address}}}"
                ));
            }
            let others = seen.entry((own, protocol)).or_default();
            for (other, their_host, their_address) in others.iter() {
                let how = if (host, address) == (*their_host, *their_address) {
                    "duplicate"
                } else if host == 0 || *their_host == 0 {
                    "overlapping"
                } else if host == *their_host && address.is_empty() != their_address.is_empty() {
                    "dangerously ambiguous"
                } else {
                    continue;
                };
                told.push(format!("{place}: {how} port definition with {other}"));
            }
            // One that says the same as another is told of once more by each that follows; a few are enough.
            if others.len() < 10 {
                others.push((place, host, address));
            }
        }
    }
}
