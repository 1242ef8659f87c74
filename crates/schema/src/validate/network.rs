//! Services.

use super::{Errors, at, list, metadata, names, number, same, text};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::IpAddr;

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

pub(super) fn service(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    if let Some(old) = old {
        update(spec, &old["spec"], errors);
    }
    let (ty, headless) = (text(&spec["type"]), spec["clusterIP"] == "None");
    let all = list(&spec["ports"]);
    if all.is_empty() && !headless && ty != "ExternalName" {
        errors.required("spec.ports", "");
    }
    match ty {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {ty} services");
            errors.invalid("spec.clusterIPs[0]", &spec["clusterIP"], &detail);
        }
        "ExternalName" => external_name(spec, errors),
        _ => {}
    }
    let mut seen = HashSet::new();
    for (index, port) in all.iter().enumerate() {
        self::port(port, &format!("spec.ports[{index}]"), all.len() > 1, &mut seen, errors);
    }
    metadata::labels(&spec["selector"], "spec.selector", errors);
    affinity(spec, errors);
    if ty != "ExternalName" {
        addresses(spec, headless, errors);
    }
    for (index, ip) in list(&spec["externalIPs"]).iter().enumerate() {
        let field = format!("spec.externalIPs[{index}]");
        if names::ip(text(ip)).is_empty() {
            errors.format(&field, ip, names::non_special_ip);
        } else {
            errors.format(&field, ip, names::ip);
        }
    }
    errors.required_one_of("spec.type", &spec["type"], TYPES);
    same_ports(all, ty, errors);
    balancer(object, spec, ty, errors);
    traffic(spec, ty, errors);
}

fn external_name(spec: &Value, errors: &mut Errors) {
    const DETAIL: &str = "may not be set for ExternalName services";
    if !text(&spec["clusterIP"]).is_empty() || !list(&spec["clusterIPs"]).is_empty() {
        errors.forbidden("spec.clusterIPs", DETAIL);
    }
    if !list(&spec["ipFamilies"]).is_empty() {
        errors.forbidden("spec.ipFamilies", DETAIL);
    }
    if !spec["ipFamilyPolicy"].is_null() {
        errors.forbidden("spec.ipFamilyPolicy", DETAIL);
    }
    let name = text(&spec["externalName"]);
    let name = name.strip_suffix('.').unwrap_or(name);
    errors.required_format("spec.externalName", &name.into(), names::subdomain);
}

fn port<'a>(port: &'a Value, path: &str, named: bool, seen: &mut HashSet<&'a str>, errors: &mut Errors) {
    let (name, field) = (text(&port["name"]), at(path, "name"));
    if !name.is_empty() {
        errors.format(&field, &port["name"], names::label);
        if !seen.insert(name) {
            errors.duplicate(&field, &port["name"]);
        }
    } else if named {
        errors.required(&field, "");
    }
    errors.port(&at(path, "port"), &number(&port["port"]).into());
    errors.required_one_of(&at(path, "protocol"), &port["protocol"], PROTOCOLS);
    let goal = if port["targetPort"].is_null() { &Value::from(0) } else { &port["targetPort"] };
    errors.port(&at(path, "targetPort"), goal);
    errors.format(&at(path, "appProtocol"), &port["appProtocol"], names::qualified);
}

/// A day, in seconds.
const MOST_AFFINITY: i64 = 86_400;

fn affinity(spec: &Value, errors: &mut Errors) {
    errors.required_one_of("spec.sessionAffinity", &spec["sessionAffinity"], &["ClientIP", "None"]);
    let config = &spec["sessionAffinityConfig"];
    const PATH: &str = "spec.sessionAffinityConfig";
    const WHEN: &str = "when session affinity type is ClientIP";
    let seconds = &config["clientIP"]["timeoutSeconds"];
    match text(&spec["sessionAffinity"]) {
        "ClientIP" if config.is_null() => errors.required(PATH, WHEN),
        "ClientIP" if config["clientIP"].is_null() => errors.required(&at(PATH, "clientIP"), WHEN),
        "ClientIP" if seconds.is_null() => errors.required(&at(PATH, "clientIP.timeoutSeconds"), WHEN),
        "ClientIP" if !(1..=MOST_AFFINITY).contains(&number(seconds)) => {
            let detail = format!("must be greater than 0 and less than {MOST_AFFINITY}");
            errors.invalid(&at(PATH, "clientIP.timeoutSeconds"), seconds, &detail);
        }
        "None" if !config.is_null() => {
            errors.forbidden(PATH, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

/// `clusterIPs` is made from `clusterIP` on the way here, but both may come from the user.
fn addresses(spec: &Value, headless: bool, errors: &mut Errors) {
    const FIELD: &str = "spec.clusterIPs";
    let (first, given) = (&spec["clusterIP"], list(&spec["clusterIPs"]));
    let own = [first.clone()];
    let all: &[Value] = if given.is_empty() && !text(first).is_empty() { &own } else { given };
    if text(first).is_empty() && !given.is_empty() {
        errors.invalid(FIELD, &spec["clusterIPs"], "must be empty when `clusterIP` is not specified");
    } else if given.first().is_some_and(|address| address != first) {
        errors.invalid(FIELD, &spec["clusterIPs"], "first value must match `clusterIP`");
    }
    let (families, mut seen) = (list(&spec["ipFamilies"]), HashSet::new());
    for (index, family) in families.iter().enumerate() {
        let field = format!("spec.ipFamilies[{index}]");
        errors.one_of(&field, family, &["IPv4", "IPv6"]);
        if !seen.insert(text(family)) {
            errors.duplicate(&field, family);
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    errors.one_of("spec.ipFamilyPolicy", &spec["ipFamilyPolicy"], &policies);
    let mut broken = false;
    for (index, address) in all.iter().enumerate() {
        if index == 0 && address == "None" {
            if all.len() > 1 {
                broken = true;
                errors.invalid(FIELD, &spec["clusterIPs"], "'None' must be the first and only value");
            }
            continue;
        }
        broken |= !names::ip(text(address)).is_empty();
        errors.format(&format!("{FIELD}[{index}]"), address, names::ip);
    }
    if all.len() > 2 {
        errors.invalid(FIELD, &spec["clusterIPs"], "may only hold up to 2 values");
    }
    if broken || headless {
        return;
    }
    let is_six = |address: &Value| matches!(text(address).parse(), Ok(IpAddr::V6(_)));
    if all.len() > 1 && all.iter().all(is_six) | !all.iter().any(is_six) {
        errors.invalid(FIELD, &spec["clusterIPs"], "may specify no more than one IP for each IP family");
    }
    for (index, (address, family)) in all.iter().zip(families).enumerate() {
        let expected = text(family);
        if matches!((expected, is_six(address)), ("IPv4", true) | ("IPv6", false)) {
            let detail = format!("expected an {expected} value as indicated by `ipFamilies[{index}]`");
            errors.invalid(&format!("{FIELD}[{index}]"), address, &detail);
        }
    }
}

fn same_ports(ports: &[Value], ty: &str, errors: &mut Errors) {
    if ty == "ClusterIP" {
        for (index, _) in ports.iter().enumerate().filter(|(_, port)| number(&port["nodePort"]) != 0) {
            let field = format!("spec.ports[{index}].nodePort");
            errors.forbidden(&field, "may not be used when `type` is 'ClusterIP'");
        }
    }
    let (mut on_nodes, mut own) = (HashSet::new(), HashSet::new());
    for (index, port) in ports.iter().enumerate().filter(|(_, port)| number(&port["nodePort"]) != 0) {
        if !on_nodes.insert((text(&port["protocol"]), number(&port["nodePort"]))) {
            errors.duplicate(&format!("spec.ports[{index}].nodePort"), &port["nodePort"]);
        }
    }
    for (index, port) in ports.iter().enumerate() {
        if !own.insert((text(&port["protocol"]), number(&port["port"]))) {
            let key = json!({
                "Name": "",
                "Protocol": port["protocol"],
                "AppProtocol": null,
                "Port": port["port"],
                "TargetPort": 0,
                "NodePort": 0,
            });
            errors.add(
                &format!("spec.ports[{index}]"),
                "FieldValueDuplicate",
                format!("Duplicate value: {key}"),
            );
        }
    }
}

fn balancer(object: &Value, spec: &Value, ty: &str, errors: &mut Errors) {
    const ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
    const RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let (ranges, annotation) =
        (list(&spec["loadBalancerSourceRanges"]), object["metadata"]["annotations"][RANGES].as_str());
    let is_balancer = ty == "LoadBalancer";
    if !ranges.is_empty() {
        const FIELD: &str = "spec.LoadBalancerSourceRanges";
        if !is_balancer {
            errors.forbidden(FIELD, ONLY);
        }
        for (index, range) in ranges.iter().enumerate() {
            errors.format(&format!("{FIELD}[{index}]"), &text(range).trim().into(), names::cidr);
        }
    } else if let Some(ranges) = annotation {
        let field = format!("metadata.annotations[{RANGES}]");
        if !is_balancer {
            errors.forbidden(&field, ONLY);
        }
        for range in ranges.trim().split(',').filter(|_| !ranges.trim().is_empty()) {
            errors.format(&field, &range.trim().into(), names::cidr);
        }
    }
    if !spec["allocateLoadBalancerNodePorts"].is_null() && !is_balancer {
        errors.forbidden("spec.allocateLoadBalancerNodePorts", ONLY);
    }
    let class = &spec["loadBalancerClass"];
    if !class.is_null() {
        if !is_balancer {
            errors.forbidden("spec.loadBalancerClass", ONLY);
        }
        errors.format("spec.loadBalancerClass", class, names::qualified);
    }
}

fn traffic(spec: &Value, ty: &str, errors: &mut Errors) {
    const POLICIES: &[&str] = &["Cluster", "Local"];
    let policy = &spec["externalTrafficPolicy"];
    let reachable = matches!(ty, "LoadBalancer" | "NodePort")
        || ty == "ClusterIP" && !list(&spec["externalIPs"]).is_empty();
    if !reachable && !text(policy).is_empty() {
        let detail = "may only be set for externally-accessible services";
        errors.invalid("spec.externalTrafficPolicy", policy, detail);
    } else if reachable && ty != "ClusterIP" {
        errors.required_one_of("spec.externalTrafficPolicy", policy, POLICIES);
    } else {
        errors.one_of("spec.externalTrafficPolicy", policy, POLICIES);
    }
    let check = &spec["healthCheckNodePort"];
    if number(check) != 0 {
        if ty == "LoadBalancer" && policy == "Local" {
            errors.port("spec.healthCheckNodePort", check);
        } else {
            let detail =
                "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.invalid("spec.healthCheckNodePort", check, detail);
        }
    }
    errors.one_of("spec.internalTrafficPolicy", &spec["internalTrafficPolicy"], POLICIES);
    let distributions = ["PreferClose", "PreferSameNode", "PreferSameZone"];
    errors.one_of("spec.trafficDistribution", &spec["trafficDistribution"], &distributions);
}

/// Addresses stay while the service has them.
fn update(new: &Value, old: &Value, errors: &mut Errors) {
    if new["type"] == "ExternalName" || old["type"] == "ExternalName" {
        return;
    }
    let headless = |spec: &Value| spec["clusterIP"] == "None";
    if headless(new) && headless(old) {
        return;
    }
    let all = |spec: &Value| match &spec["clusterIPs"] {
        Value::Array(all) if !all.is_empty() => all.clone(),
        _ if text(&spec["clusterIP"]).is_empty() => Vec::new(),
        _ => vec![spec["clusterIP"].clone()],
    };
    let (now, before) = (all(new), all(old));
    for (index, (now, before)) in now.iter().zip(&before).enumerate() {
        if now != before {
            let shown = Value::Array(all(new));
            errors.invalid(&format!("spec.clusterIPs[{index}]"), &shown, "may not change once set");
        }
    }
    if headless(new) == headless(old)
        && let (Some(now), Some(before)) =
            (list(&new["ipFamilies"]).first(), list(&old["ipFamilies"]).first())
        && now != before
    {
        errors.invalid("spec.ipFamilies[0]", &new["ipFamilies"], "may not change once set");
    }
    let balanced = new["type"] == "LoadBalancer" && old["type"] == "LoadBalancer";
    if balanced && !same(&new["loadBalancerClass"], &old["loadBalancerClass"]) {
        errors.invalid("spec.loadBalancerClass", &new["loadBalancerClass"], "may not change once set");
    }
}
