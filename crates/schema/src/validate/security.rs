//! Security contexts of pods and of containers.

use super::{Errors, at, list, names, text};
use serde_json::{Value, json};
use std::collections::HashSet;

pub(super) fn of_pod(spec: &Value, path: &str, errors: &mut Errors) {
    let context = &spec["securityContext"];
    if !context.is_object() {
        return;
    }
    let at = |field: &str| format!("{path}.securityContext.{field}");
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        identity(&context[field], &at(field), errors);
    }
    for (index, group) in list(&context["supplementalGroups"]).iter().enumerate() {
        identity(group, &format!("{}[{index}]", at("supplementalGroups")), errors);
    }
    if spec["shareProcessNamespace"] == true && spec["hostPID"] == true {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(&at("shareProcessNamespace"), &true.into(), detail);
    }
    sysctls(list(&context["sysctls"]), spec, &at("sysctls"), errors);
    errors.one_of(&at("fsGroupChangePolicy"), &context["fsGroupChangePolicy"], &["Always", "OnRootMismatch"]);
    seccomp(&context["seccompProfile"], &at("seccompProfile"), errors);
    app_armor(&context["appArmorProfile"], &at("appArmorProfile"), errors);
    let policies = ["Merge", "Strict"];
    errors.one_of(&at("supplementalGroupsPolicy"), &context["supplementalGroupsPolicy"], &policies);
    let policies = ["MountOption", "Recursive"];
    errors.one_of(&at("seLinuxChangePolicy"), &context["seLinuxChangePolicy"], &policies);
}

pub(super) fn of_container(context: &Value, path: &str, host_users: bool, errors: &mut Errors) {
    if !context.is_object() {
        return;
    }
    for field in ["runAsUser", "runAsGroup"] {
        identity(&context[field], &at(path, field), errors);
    }
    let mount = &context["procMount"];
    errors.one_of(&at(path, "procMount"), mount, &["Default", "Unmasked"]);
    if host_users && mount == "Unmasked" {
        errors.invalid(&at(path, "procMount"), mount, "`hostUsers` must be false to use `Unmasked`");
    }
    seccomp(&context["seccompProfile"], &at(path, "seccompProfile"), errors);
    if context["allowPrivilegeEscalation"] == false {
        if context["privileged"] == true {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.add(path, "FieldValueInvalid", shown(context, detail));
        }
        for _ in list(&context["capabilities"]["add"]).iter().filter(|added| *added == "CAP_SYS_ADMIN") {
            let detail =
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.add(path, "FieldValueInvalid", shown(context, detail));
        }
    }
    app_armor(&context["appArmorProfile"], &at(path, "appArmorProfile"), errors);
}

/// A context as upstream's own type is written: every field, by its name in Go.
fn shown(context: &Value, detail: &str) -> String {
    let options = |value: &Value, fields: &[(&str, &str)]| {
        if value.is_null() {
            return Value::Null;
        }
        fields.iter().map(|(name, field)| (name.to_string(), value[*field].clone())).collect()
    };
    let value = json!({
        "Capabilities": options(&context["capabilities"], &[("Add", "add"), ("Drop", "drop")]),
        "Privileged": context["privileged"],
        "SELinuxOptions": context["seLinuxOptions"],
        "WindowsOptions": context["windowsOptions"],
        "RunAsUser": context["runAsUser"],
        "RunAsGroup": context["runAsGroup"],
        "RunAsNonRoot": context["runAsNonRoot"],
        "ReadOnlyRootFilesystem": context["readOnlyRootFilesystem"],
        "AllowPrivilegeEscalation": context["allowPrivilegeEscalation"],
        "ProcMount": context["procMount"],
        "SeccompProfile": options(&context["seccompProfile"], &[("Type", "type"), ("LocalhostProfile", "localhostProfile")]),
        "AppArmorProfile": options(&context["appArmorProfile"], &[("Type", "type"), ("LocalhostProfile", "localhostProfile")]),
    });
    format!("Invalid value: {value}: {detail}")
}

/// Numbers of users and groups.
fn identity(value: &Value, path: &str, errors: &mut Errors) {
    errors.range(path, value, 0, i64::from(i32::MAX));
}

const PROFILES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

fn seccomp(profile: &Value, path: &str, errors: &mut Errors) {
    if !profile.is_object() {
        return;
    }
    let (ty, field) = (&profile["type"], at(path, "type"));
    if text(ty).is_empty() {
        errors.required(&field, "type is required when seccompProfile is set");
    } else {
        errors.one_of(&field, ty, PROFILES);
    }
    let (local, field) = (&profile["localhostProfile"], at(path, "localhostProfile"));
    match (ty == "Localhost", local.is_null()) {
        (true, true) => errors.required(&field, "must be set when seccomp type is Localhost"),
        (true, false) => errors.format(&field, local, names::local_path),
        (false, false) => {
            let value = json!({ "Type": text(ty), "LocalhostProfile": local });
            let message = format!("Invalid value: {value}: can only be set when seccomp type is Localhost");
            errors.add(&field, "FieldValueInvalid", message);
        }
        (false, true) => {}
    }
}

fn app_armor(profile: &Value, path: &str, errors: &mut Errors) {
    if !profile.is_object() {
        return;
    }
    let (local, field) = (&profile["localhostProfile"], at(path, "localhostProfile"));
    match text(&profile["type"]) {
        "Localhost" => {
            let name = text(local);
            if name.trim() != name {
                errors.invalid(&field, local, "must not be padded with whitespace");
            } else if name.is_empty() {
                errors.required(&field, "must be set when AppArmor type is Localhost");
            }
            if name.len() > 4095 {
                errors.too_long(&field, 4095);
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if !local.is_null() {
                errors.invalid(&field, local, "can only be set when AppArmor type is Localhost");
            }
        }
        "" => errors.required(&at(path, "type"), "type is required when appArmorProfile is set"),
        _ => errors.unsupported(&at(path, "type"), &profile["type"], PROFILES),
    }
}

fn sysctls(sysctls: &[Value], spec: &Value, path: &str, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (index, sysctl) in sysctls.iter().enumerate() {
        let (name, field) = (text(&sysctl["name"]), format!("{path}[{index}].name"));
        if name.is_empty() {
            errors.required(&field, "");
        } else if !is_sysctl(name) {
            let detail = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.invalid(&field, &sysctl["name"], detail);
        } else if seen.contains(name) {
            errors.duplicate(&field, &sysctl["name"]);
        }
        let dotted = name.replace('/', ".");
        let is_ipc = dotted.starts_with("kernel.shm")
            || dotted.starts_with("kernel.msg")
            || dotted.starts_with("fs.mqueue.")
            || dotted == "kernel.sem";
        if dotted.starts_with("net.") && spec["hostNetwork"] == true {
            errors.invalid(&field, &sysctl["name"], "may not be specified when 'hostNetwork' is true");
        } else if is_ipc && spec["hostIPC"] == true {
            errors.invalid(&field, &sysctl["name"], "may not be specified when 'hostIPC' is true");
        }
        seen.insert(name);
    }
}

fn is_sysctl(name: &str) -> bool {
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253
        && name.split(['.', '/']).all(|part| {
            part.starts_with(end)
                && part.ends_with(end)
                && part.chars().all(|c| end(c) || c == '-' || c == '_')
        })
}
