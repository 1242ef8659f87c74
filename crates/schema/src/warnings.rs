//! What upstream accepts and warns about, in its words (the header `Warning` of an answer).

mod pod;
mod volumes;

use crate::quantity::Quantity;
use crate::validate;
use serde_json::Value;

/// `object`: with its defaults.
pub fn on_create(resource: &str, object: &Value) -> Vec<String> {
    let mut told = Vec::new();
    if let "apps/deployments"
    | "apps/replicasets"
    | "replicationcontrollers"
    | "batch/jobs"
    | "batch/cronjobs" = resource
    {
        name(object, "used in Pod names and hostnames", &mut told);
    }
    if resource == "pods" {
        name(object, "used in the Pod's hostname", &mut told);
        pod::check(object, "", &mut told);
    }
    if resource == "networking.k8s.io/ingresses" {
        ingress(object, &mut told);
    }
    spec(resource, object, &mut told);
    told
}

/// Pods are written often, and hardly ever by people: upstream says nothing there.
pub fn on_update(resource: &str, object: &Value, old: &Value) -> Vec<String> {
    let mut told = Vec::new();
    if object["spec"] != old["spec"] || object["metadata"]["annotations"] != old["metadata"]["annotations"] {
        spec(resource, object, &mut told);
    }
    told
}

/// Kinds that are on their way out: said with every answer.
pub fn of_kind(group: &str, plural: &str) -> Option<&'static str> {
    match (group, plural) {
        ("", "endpoints") => {
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        }
        _ => None,
    }
}

fn spec(resource: &str, object: &Value, told: &mut Vec<String>) {
    match resource {
        "apps/deployments"
        | "apps/replicasets"
        | "apps/daemonsets"
        | "replicationcontrollers"
        | "batch/jobs" => {
            pod::check(&object["spec"]["template"], "spec.template", told);
        }
        "apps/statefulsets" => stateful_set(object, told),
        "batch/cronjobs" => {
            let path = "spec.jobTemplate.spec.template";
            pod::check(&object["spec"]["jobTemplate"]["spec"]["template"], path, told);
        }
        "podtemplates" => pod::check(&object["template"], "template", told),
        "services" => service(object, told),
        "persistentvolumeclaims" => {
            let key = "volume.beta.kubernetes.io/storage-class";
            if object["metadata"]["annotations"].get(key).is_some() {
                told.push(format!(
                    "metadata.annotations[{key}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
                ));
            }
            claim(&object["spec"], "spec", told);
        }
        "persistentvolumes" => volumes::persistent(object, told),
        _ => {}
    }
}

fn name(object: &Value, used: &str, told: &mut Vec<String>) {
    let problems = validate::label_problems(text(&object["metadata"]["name"]));
    if !problems.is_empty() {
        told.push(format!(
            "metadata.name: this is {used}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            problems.join(" ")
        ));
    }
}

fn ingress(object: &Value, told: &mut Vec<String>) {
    const CLASS: &str = "kubernetes.io/ingress.class";
    if object["metadata"]["annotations"].get(CLASS).is_some() && object["spec"]["ingressClassName"].is_null()
    {
        told.push(format!("annotation {CLASS:?} is deprecated, please use 'spec.ingressClassName' instead"));
    }
}

fn stateful_set(object: &Value, told: &mut Vec<String>) {
    let spec = &object["spec"];
    pod::check(&spec["template"], "spec.template", told);
    for (index, template) in list(&spec["volumeClaimTemplates"]).iter().enumerate() {
        claim(&template["spec"], &format!("spec.volumeClaimTemplates[{index}].spec"), told);
    }
    if spec["revisionHistoryLimit"].as_i64().is_some_and(|limit| limit < 0) {
        told.push(
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
                .into(),
        );
    }
}

fn service(object: &Value, told: &mut Vec<String>) {
    let spec = &object["spec"];
    let hints = "service.kubernetes.io/topology-aware-hints";
    if object["metadata"]["annotations"].get(hints).is_some() {
        told.push(format!(
            "annotation {hints} is deprecated, please use service.kubernetes.io/topology-mode instead"
        ));
    }
    let external = !list(&spec["externalIPs"]).is_empty();
    if spec["type"] == "ClusterIP" && spec["clusterIP"] == "None" {
        let ignored = [
            ("loadBalancerIP", !text(&spec["loadBalancerIP"]).is_empty()),
            ("externalIPs", external),
            ("SessionAffinity", spec["sessionAffinity"] != "None"),
        ];
        for (field, _) in ignored.iter().filter(|(_, is_set)| *is_set) {
            told.push(format!("spec.{field} is ignored for headless services"));
        }
    }
    if spec["type"] == "ExternalName" {
        if external {
            told.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".into());
        }
    } else if !text(&spec["externalName"]).is_empty() {
        told.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".into());
    }
    if spec["trafficDistribution"] == "PreferClose" {
        told.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".into());
    }
}

/// The spec of a claim.
fn claim(spec: &Value, path: &str, told: &mut Vec<String>) {
    for kind in ["requests", "limits"] {
        let field = format!("{path}.resources.{kind}[storage]");
        whole_bytes(&spec["resources"][kind]["storage"], &field, told);
    }
}

fn whole_bytes(value: &Value, field: &str, told: &mut Vec<String>) {
    let Some(quantity) = value.as_str().and_then(Quantity::parse) else { return };
    if quantity.nanos() % 1_000_000_000 != 0 {
        let shown = quantity.canonical();
        told.push(format!("{field}: fractional byte value {shown:?} is invalid, must be an integer"));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
