//! What may change of a pod: little.

use super::container::differ_in_images_only;
use super::{Errors, diff, list, same, text};
use serde_json::Value;

const UPDATE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub(super) fn check(new: &Value, old: &Value, errors: &mut Errors) {
    for field in ["containers", "initContainers"] {
        if list(&new[field]).len() != list(&old[field]).len() {
            errors.forbidden(&format!("spec.{field}"), "pod updates may not add or remove containers");
            return;
        }
    }
    if !deadline(&new["activeDeadlineSeconds"], &old["activeDeadlineSeconds"], errors) {
        return;
    }
    let kept = list(&old["tolerations"]).iter().all(|toleration| {
        list(&new["tolerations"]).iter().any(|new| {
            let mut new = new.clone();
            new["tolerationSeconds"] = toleration["tolerationSeconds"].clone();
            same(&new, toleration)
        })
    });
    if !kept {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        errors.forbidden("spec.tolerations", detail);
    }
    for (index, gate) in list(&new["schedulingGates"]).iter().enumerate() {
        if !list(&old["schedulingGates"]).iter().any(|old| old["name"] == gate["name"]) {
            let detail =
                format!("only deletion is allowed, but found new scheduling gate '{}'", text(&gate["name"]));
            errors.forbidden(&format!("spec.schedulingGates[{index}].name"), &detail);
        }
    }
    rest(new, old, errors);
}

/// It may come, and become less. False where upstream says no more.
fn deadline(new: &Value, old: &Value, errors: &mut Errors) -> bool {
    const FIELD: &str = "spec.activeDeadlineSeconds";
    match (new.as_i64(), old.as_i64()) {
        (Some(now), Some(before)) if now > before => {
            errors.invalid(FIELD, new, "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            errors.invalid(FIELD, &super::NIL.into(), "must not update from a positive integer to nil value");
            true
        }
        _ => true,
    }
}

fn rest(new: &Value, old: &Value, errors: &mut Errors) {
    let mut now = new.clone();
    for field in ["containers", "initContainers"] {
        if differ_in_images_only(list(&new[field]), list(&old[field])) {
            now[field] = old[field].clone();
            continue;
        }
        // The images may differ: what is shown is what may not.
        let olds = list(&old[field]).to_vec();
        for (container, old) in now[field].as_array_mut().into_iter().flatten().zip(olds) {
            container["image"] = old["image"].clone();
        }
    }
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        now[field] = old[field].clone();
    }
    // Binding is an update too: it gives the node.
    if text(&old["nodeName"]).is_empty() {
        now["nodeName"] = old["nodeName"].clone();
    }
    let grace = "terminationGracePeriodSeconds";
    if old[grace].as_i64().is_some_and(|before| before < 0) && new[grace] == 1 {
        now[grace] = old[grace].clone();
    }
    if !list(&old["schedulingGates"]).is_empty() {
        gated(&mut now, old, errors);
    }
    if !same(&now, old) {
        errors.forbidden("spec", &format!("{UPDATE}\n{}", diff::of(old, &now)));
    }
}

/// A pod that waits may still be narrowed to fewer nodes.
fn gated(now: &mut Value, old: &Value, errors: &mut Errors) {
    let selector = super::entries(&old["nodeSelector"]);
    if selector.into_iter().any(|(key, value)| now["nodeSelector"][key.as_str()] != *value) {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        let shown = now["nodeSelector"].clone();
        errors.invalid("spec.nodeSelector", &shown, detail);
    }
    now["nodeSelector"] = old["nodeSelector"].clone();
}
