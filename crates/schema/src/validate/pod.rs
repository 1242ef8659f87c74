//! Pods and their templates.

use super::container::{self, Pod};
use super::{
    Errors, affinity, at, entries, list, metadata, names, pod_update, resources, security, text, volume,
};
use serde_json::{Value, json};
use std::collections::HashSet;

pub(super) fn check(pod: &Value, old: Option<&Value>, errors: &mut Errors) {
    deletion_cost(pod, "metadata.annotations", errors);
    let own = &pod["spec"];
    spec(own, text(&pod["metadata"]["name"]), "spec", true, errors);
    if text(&own["serviceAccountName"]).is_empty() {
        tokens_without_account(own, errors);
    }
    for field in ["containers", "initContainers"] {
        for (index, container) in list(&own[field]).iter().enumerate() {
            container::padding(container, &format!("spec.{field}[{index}]"), errors);
        }
    }
    if let Some(old) = old {
        pod_update::check(own, &old["spec"], errors);
        return;
    }
    if !list(&own["ephemeralContainers"]).is_empty() {
        errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    if !text(&own["nodeName"]).is_empty() && !list(&own["schedulingGates"]).is_empty() {
        errors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
    }
}

fn deletion_cost(object: &Value, path: &str, errors: &mut Errors) {
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    let cost = &object["metadata"]["annotations"][COST];
    // A plus, and zeros in front, are no form in which upstream writes a number.
    let is_number = |text: &str| {
        text.parse::<i32>().is_ok_and(|number| text == "0" || number != 0 && number.to_string() == text)
    };
    if cost.as_str().is_some_and(|cost| !is_number(cost)) {
        errors.invalid(&format!("{path}[{COST}]"), cost, "must be a 32bit integer");
    }
}

fn tokens_without_account(spec: &Value, errors: &mut Errors) {
    for (index, volume) in list(&spec["volumes"]).iter().enumerate() {
        for (place, source) in list(&volume["projected"]["sources"]).iter().enumerate() {
            if source["serviceAccountToken"].is_object() {
                let field = format!("spec.volumes[{index}].projected.sources[{place}].serviceAccountToken");
                errors.forbidden(&field, "must not be specified when serviceAccountName is not set");
            }
        }
    }
}

/// A template of pods; `path` leads to it.
pub(super) fn template(template: &Value, path: &str, errors: &mut Errors) {
    template_metadata(template, path, errors);
    spec(&template["spec"], "", &at(path, "spec"), false, errors);
    if !list(&template["spec"]["ephemeralContainers"]).is_empty() {
        let detail = "ephemeral containers not allowed in pod template";
        errors.forbidden(&at(path, "spec.ephemeralContainers"), detail);
    }
}

/// Upstream leaves the metadata out of these paths.
pub(super) fn template_metadata(template: &Value, path: &str, errors: &mut Errors) {
    metadata::labels(&template["metadata"]["labels"], &at(path, "labels"), errors);
    metadata::annotations(&template["metadata"]["annotations"], &at(path, "annotations"), errors);
    deletion_cost(template, &at(path, "annotations"), errors);
}

/// `name` is that of the pod, if it is known.
fn spec(spec: &Value, name: &str, path: &str, is_pod: bool, errors: &mut Errors) {
    let at = |field: &str| at(path, field);
    if spec["terminationGracePeriodSeconds"].is_null() {
        errors.required(&at("terminationGracePeriodSeconds"), "");
    }
    let volumes = volume::check(list(&spec["volumes"]), name, &at("volumes"), errors);
    let claims = claims(list(&spec["resourceClaims"]), &at("resourceClaims"), errors);
    let pod = Pod {
        volumes,
        claims,
        grace: spec["terminationGracePeriodSeconds"].as_i64(),
        restart: text(&spec["restartPolicy"]),
        host_users: spec["hostUsers"] != false,
    };
    let mut seen = HashSet::new();
    container::regular(list(&spec["containers"]), &at("containers"), &pod, &mut seen, errors);
    container::init(list(&spec["initContainers"]), &at("initContainers"), &pod, &mut seen, errors);
    container::ephemeral(
        list(&spec["ephemeralContainers"]),
        &at("ephemeralContainers"),
        &pod,
        &mut seen,
        errors,
    );
    resources::of_pod(spec, &at("resources"), errors);
    if spec["hostNetwork"] == true {
        host_network(spec, path, is_pod, errors);
    }
    errors.required_one_of(&at("restartPolicy"), &spec["restartPolicy"], &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.required_one_of(&at("dnsPolicy"), &spec["dnsPolicy"], &policies);
    metadata::labels(&spec["nodeSelector"], &at("nodeSelector"), errors);
    security::of_pod(spec, path, errors);
    affinity::check(&spec["affinity"], &at("affinity"), errors);
    dns(spec, &at("dnsConfig"), errors);
    for (index, gate) in list(&spec["readinessGates"]).iter().enumerate() {
        let field = format!("{}[{index}].conditionType", at("readinessGates"));
        errors.format(&field, &text(&gate["conditionType"]).into(), names::qualified);
    }
    gates(list(&spec["schedulingGates"]), &at("schedulingGates"), errors);
    let spread = list(&spec["topologySpreadConstraints"]);
    affinity::spread(spread, &at("topologySpreadConstraints"), errors);
    host_users(spec, path, errors);
    placement(spec, path, errors);
    if spec["os"].is_object() {
        system(spec, path, errors);
    }
}

/// The ephemeral containers of a pod alone; the rest has been looked at when it was made.
pub(super) fn ephemeral(spec: &Value, path: &str, errors: &mut Errors) {
    let mut known = Errors::default();
    let pod = Pod {
        volumes: volume::check(list(&spec["volumes"]), "", "", &mut known),
        claims: claims(list(&spec["resourceClaims"]), "", &mut known),
        grace: spec["terminationGracePeriodSeconds"].as_i64(),
        restart: text(&spec["restartPolicy"]),
        host_users: spec["hostUsers"] != false,
    };
    let others = ["containers", "initContainers"].into_iter().flat_map(|field| list(&spec[field]));
    let mut seen = others.map(|container| text(&container["name"])).collect();
    container::ephemeral(list(&spec["ephemeralContainers"]), path, &pod, &mut seen, errors);
}

fn claims<'a>(claims: &'a [Value], path: &str, errors: &mut Errors) -> Vec<&'a str> {
    let mut known = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let name = text(&claim["name"]);
        if known.contains(&name) {
            errors.duplicate(&at(&path, "name"), &claim["name"]);
        } else {
            errors.required_format(&at(&path, "name"), &claim["name"], names::label);
        }
        let (own, template) = (&claim["resourceClaimName"], &claim["resourceClaimTemplateName"]);
        let shown = json!({ "Name": name, "ResourceClaimName": own, "ResourceClaimTemplateName": template });
        let detail = match (own.is_null(), template.is_null()) {
            (false, false) => {
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            }
            (true, true) => "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            _ => "",
        };
        if !detail.is_empty() {
            errors.add(&path, "FieldValueInvalid", format!("Invalid value: {shown}: {detail}"));
        }
        errors.format(&at(&path, "resourceClaimName"), own, names::subdomain);
        errors.format(&at(&path, "resourceClaimTemplateName"), template, names::subdomain);
        known.push(name);
    }
    known.sort_unstable();
    known
}

/// Ports of the node are those of the containers.
fn host_network(spec: &Value, path: &str, is_pod: bool, errors: &mut Errors) {
    for (index, container) in list(&spec["containers"]).iter().enumerate() {
        for (place, port) in list(&container["ports"]).iter().enumerate() {
            let (outside, inside) = (super::number(&port["hostPort"]), super::number(&port["containerPort"]));
            if (is_pod || outside != 0) && outside != inside {
                let field = format!("{path}.containers[{index}].ports[{place}].hostPort");
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&field, &outside.into(), detail);
            }
        }
    }
}

const MOST_NAMESERVERS: usize = 3;
const MOST_SEARCHES: usize = 32;
const MOST_SEARCH_CHARACTERS: usize = 2048;

fn dns(spec: &Value, path: &str, errors: &mut Errors) {
    let config = &spec["dnsConfig"];
    let servers = list(&config["nameservers"]);
    if spec["dnsPolicy"] == "None" {
        if !config.is_object() {
            errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
            return;
        }
        if servers.is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.required(&at(path, "nameservers"), detail);
            return;
        }
    }
    if servers.len() > MOST_NAMESERVERS {
        let detail = format!("must not have more than {MOST_NAMESERVERS} nameservers");
        errors.invalid(&at(path, "nameservers"), &config["nameservers"], &detail);
    }
    for (index, server) in servers.iter().enumerate() {
        errors.format(&format!("{path}.nameservers[{index}]"), server, names::ip);
    }
    let (searches, field) = (list(&config["searches"]), at(path, "searches"));
    if searches.len() > MOST_SEARCHES {
        let detail = format!("must not have more than {MOST_SEARCHES} search paths");
        errors.invalid(&field, &config["searches"], &detail);
    }
    let characters = searches.iter().map(|search| text(search).len() + 1).sum::<usize>().saturating_sub(1);
    if characters > MOST_SEARCH_CHARACTERS {
        let detail = format!(
            "must not have more than {MOST_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        );
        errors.invalid(&field, &config["searches"], &detail);
    }
    for (index, search) in searches.iter().enumerate().filter(|(_, search)| *search != ".") {
        let name = text(search).strip_suffix('.').unwrap_or(text(search));
        errors.format(&format!("{field}[{index}]"), &name.into(), names::search_domain);
    }
    for (index, option) in list(&config["options"]).iter().enumerate() {
        if text(&option["name"]).is_empty() {
            errors.required(&format!("{path}.options[{index}]"), "must not be empty");
        }
    }
}

fn gates(gates: &[Value], path: &str, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (index, gate) in gates.iter().enumerate() {
        let (name, field) = (text(&gate["name"]), format!("{path}[{index}]"));
        errors.format(&field, &name.into(), names::qualified);
        if !seen.insert(name) {
            errors.duplicate(&field, &name.into());
        }
    }
}

fn host_users(spec: &Value, path: &str, errors: &mut Errors) {
    if spec["hostUsers"] != false {
        return;
    }
    for (flag, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec[flag] == true {
            errors.forbidden(&at(path, shown), "when `pod.Spec.HostUsers` is false");
        }
    }
}

fn placement(spec: &Value, path: &str, errors: &mut Errors) {
    let at = |field: &str| at(path, field);
    for field in ["serviceAccountName", "nodeName"] {
        errors.optional(&at(field), &spec[field], names::subdomain);
    }
    errors.range(&at("activeDeadlineSeconds"), &spec["activeDeadlineSeconds"], 1, i64::from(i32::MAX));
    for field in ["hostname", "subdomain"] {
        errors.optional(&at(field), &spec[field], names::label);
    }
    tolerations(list(&spec["tolerations"]), &at("tolerations"), errors);
    for (index, alias) in list(&spec["hostAliases"]).iter().enumerate() {
        let path = format!("{}[{index}]", at("hostAliases"));
        errors.format(&format!("{path}.ip"), &text(&alias["ip"]).into(), names::ip);
        for (place, name) in list(&alias["hostnames"]).iter().enumerate() {
            errors.format(&format!("{path}.hostnames[{place}]"), name, names::subdomain);
        }
    }
    errors.optional(&at("priorityClassName"), &spec["priorityClassName"], names::subdomain);
    errors.format(&at("runtimeClassName"), &spec["runtimeClassName"], names::subdomain);
    errors.one_of(&at("preemptionPolicy"), &spec["preemptionPolicy"], &["PreemptLowerPriority", "Never"]);
    if entries(&spec["overhead"]).next().is_some() {
        let limits = json!({ "limits": spec["overhead"] });
        resources::requirements(&limits, resources::container_name, &at("overhead"), errors);
    }
}

pub(super) fn tolerations(tolerations: &[Value], path: &str, errors: &mut Errors) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let (operator, value, effect) =
            (text(&toleration["operator"]), text(&toleration["value"]), text(&toleration["effect"]));
        errors.optional(&at(&path, "key"), &toleration["key"], names::qualified);
        let field = at(&path, "operator");
        if text(&toleration["key"]).is_empty() && operator != "Exists" {
            let detail =
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&field, &operator.into(), detail);
        }
        if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&at(&path, "effect"), &effect.into(), detail);
        }
        match operator {
            "" | "Equal" => {
                let problems = names::label_value(value);
                if !problems.is_empty() {
                    errors.invalid(&field, &value.into(), &problems.join(";"));
                }
            }
            "Exists" if value.is_empty() => {}
            "Exists" => {
                errors.invalid(&field, &value.into(), "value must be empty when `operator` is 'Exists'");
            }
            _ => errors.unsupported(&field, &toleration["operator"], &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            errors.one_of(&at(&path, "effect"), &toleration["effect"], &effects);
        }
    }
}

/// What only Linux has, and what only Windows has.
fn system(spec: &Value, path: &str, errors: &mut Errors) {
    let name = text(&spec["os"]["name"]);
    if name.is_empty() {
        errors.required(&at(path, "os.name"), "cannot be empty");
        return;
    }
    if !matches!(name, "linux" | "windows") {
        errors.unsupported(&at(path, "os"), &name.into(), &["linux", "windows"]);
        return;
    }
    let mut contexts = vec![(&spec["securityContext"], at(path, "securityContext"))];
    for field in ["initContainers", "containers", "ephemeralContainers"] {
        for (index, container) in list(&spec[field]).iter().enumerate() {
            contexts
                .push((&container["securityContext"], format!("{path}.{field}[{index}].securityContext")));
        }
    }
    const LINUX: &[&str] = &[
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
    ];
    for (context, path) in contexts {
        if name == "linux" && context["windowsOptions"].is_object() {
            let detail = "windows options cannot be set for a linux pod";
            errors.forbidden(&at(&path, "windowsOptions"), detail);
        }
        for field in LINUX.iter().filter(|field| name == "windows" && !context[**field].is_null()) {
            errors.forbidden(&at(&path, field), "cannot be set for a windows pod");
        }
    }
    for field in ["hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"] {
        if name == "windows" && !spec[field].is_null() && spec[field] != false {
            errors.forbidden(&at(path, field), "cannot be set for a windows pod");
        }
    }
}
