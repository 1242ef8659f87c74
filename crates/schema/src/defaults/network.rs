//! Services and what stands behind and before them.

use super::{child, items, set};
use serde_json::{Value, json};

pub(super) fn service(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    set(spec, "sessionAffinity", "None");
    set(spec, "type", "ClusterIP");
    if spec["sessionAffinity"] == "None" {
        if let Some(spec) = spec.as_object_mut() {
            spec.shift_remove("sessionAffinityConfig");
        }
    } else if let Some(by_address) =
        child(spec, "sessionAffinityConfig").and_then(|config| child(config, "clientIP"))
    {
        set(by_address, "timeoutSeconds", 10_800);
    }
    for port in items(spec, "ports") {
        set(port, "protocol", "TCP");
        let number = port["port"].clone();
        if number.is_number()
            && (port["targetPort"].is_null() || port["targetPort"] == 0 || port["targetPort"] == "")
        {
            port["targetPort"] = number;
        }
    }
    let ty = spec["type"].as_str().unwrap_or_default().to_string();
    if matches!(ty.as_str(), "NodePort" | "LoadBalancer") {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    if ty != "ExternalName" {
        set(spec, "internalTrafficPolicy", "Cluster");
        set(spec, "ipFamilies", json!(["IPv4"]));
        set(spec, "ipFamilyPolicy", "SingleStack");
    }
    if ty == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", true);
    }
    if let Some(status) = child(object, "status") {
        child(status, "loadBalancer");
    }
}

pub(super) fn endpoints(object: &mut Value) {
    for subset in items(object, "subsets") {
        items(subset, "ports").for_each(|port| set(port, "protocol", "TCP"));
    }
}

pub(super) fn endpoint_slice(object: &mut Value) {
    for port in items(object, "ports") {
        set(port, "name", "");
        set(port, "protocol", "TCP");
    }
}

pub(super) fn ingress_class(object: &mut Value) {
    if let Some(parameters) =
        object.pointer_mut("/spec/parameters").filter(|parameters| parameters.is_object())
    {
        set(parameters, "scope", "Cluster");
    }
}

pub(super) fn network_policy(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    if spec["policyTypes"].as_array().is_none_or(Vec::is_empty) {
        let egress = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
        spec["policyTypes"] = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    }
    child(spec, "podSelector");
    for direction in ["ingress", "egress"] {
        for rule in items(spec, direction) {
            items(rule, "ports").for_each(|port| set(port, "protocol", "TCP"));
        }
    }
}
