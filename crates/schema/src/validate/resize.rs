//! What `pods/resize` may change: the CPU and the memory of containers, nothing else.

use super::{Errors, list, same};
use serde_json::{Value, json};

/// `class` is the pod's QoS class, and what it would become.
pub(super) fn check(pod: &Value, old: &Value, class: (&str, &str), errors: &mut Errors) {
    super::pod::check(pod, None, errors);
    if class.0 != class.1 {
        let detail = "Pod QOS Class may not change as a result of resizing";
        errors.invalid("spec", &json!(class.0), detail);
    }
    if !same_order(pod, old, errors) {
        return;
    }
    let mut now = pod["spec"].clone();
    for field in ["containers", "initContainers"] {
        let olds = list(&old["spec"][field]).to_vec();
        for (index, (container, before)) in
            now[field].as_array_mut().into_iter().flatten().zip(&olds).enumerate()
        {
            removed(&container["resources"], &before["resources"], &format!("spec.{field}[{index}]"), errors);
            // Of the others upstream's rule is that nothing changes.
            if field == "containers" || before["restartPolicy"] == "Always" {
                reset(container, before);
            }
        }
    }
    if !same(&now, &old["spec"]) {
        errors.forbidden("spec", "only cpu and memory resources are mutable");
    }
}

fn same_order(pod: &Value, old: &Value, errors: &mut Errors) -> bool {
    let before = errors.found.len();
    for field in ["containers", "initContainers"] {
        let (now, olds) = (list(&pod["spec"][field]), list(&old["spec"][field]));
        if now.len() != olds.len() {
            let detail = "containers may not be added or removed on resize";
            errors.forbidden(&format!("spec.{field}"), detail);
            continue;
        }
        for (index, (container, old)) in now.iter().zip(olds).enumerate() {
            if container["name"] != old["name"] {
                let detail = "containers may not be renamed or reordered on resize";
                errors.forbidden(&format!("spec.{field}[{index}].name"), detail);
            }
        }
    }
    errors.found.len() == before
}

fn removed(now: &Value, before: &Value, path: &str, errors: &mut Errors) {
    for (which, detail) in
        [("limits", "resource limits cannot be removed"), ("requests", "resource requests cannot be removed")]
    {
        let gone = super::entries(&before[which]).into_iter().any(|(name, _)| now[which].get(name).is_none());
        if gone {
            errors.forbidden(&format!("{path}.resources.{which}"), detail);
        }
    }
}

/// CPU and memory as they were.
fn reset(container: &mut Value, before: &Value) {
    for which in ["limits", "requests"] {
        for name in ["cpu", "memory"] {
            let old = &before["resources"][which][name];
            let Some(now) = container["resources"][which].as_object_mut() else { continue };
            if old.is_null() {
                now.shift_remove(name);
            } else {
                now.insert(name.into(), old.clone());
            }
        }
        if container["resources"][which] == json!({})
            && before["resources"].get(which).is_none()
            && let Some(resources) = container["resources"].as_object_mut()
        {
            resources.shift_remove(which);
        }
    }
    if container["resources"] == json!({})
        && before.get("resources").is_none()
        && let Some(container) = container.as_object_mut()
    {
        container.shift_remove("resources");
    }
}

#[cfg(test)]
mod tests {
    use super::super::resize;
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    fn pod() -> Value {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "default" },
            "spec": {
                "containers": [
                    { "name": "a", "image": "i", "resources": {
                        "limits": { "cpu": "200m", "memory": "64Mi" }, "requests": { "cpu": "100m", "memory": "64Mi" } } },
                    { "name": "b", "image": "i" },
                ],
                "initContainers": [{ "name": "once", "image": "i", "resources": { "requests": { "cpu": "1" } } }],
            },
        });
        crate::defaults::apply("pods", &mut pod);
        pod
    }

    fn check(change: impl FnOnce(&mut Value), classes: (&str, &str), expected: Expect) {
        let (mut now, old) = (pod(), pod());
        change(&mut now["spec"]);
        let causes = resize(&now, &old, classes);
        let lines: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn what_may_change() {
        let burstable = ("Burstable", "Burstable");
        check(
            |spec| spec["containers"][0]["resources"]["limits"]["cpu"] = json!("300m"),
            burstable,
            expect![[""]],
        );
        check(
            |spec| spec["containers"][1]["resources"] = json!({ "requests": { "memory": "1Mi" } }),
            burstable,
            expect![[""]],
        );
        check(
            |spec| spec["containers"][0]["resources"]["requests"]["cpu"] = json!("1"),
            burstable,
            expect![[
                r#"spec.containers[0].resources.requests: Invalid value: "1": must be less than or equal to cpu limit of 200m"#
            ]],
        );
        check(
            |_| (),
            ("Burstable", "Guaranteed"),
            expect![[
                r#"spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing"#
            ]],
        );
        check(
            |spec| spec["containers"].as_array_mut().expect("a list").reverse(),
            burstable,
            expect![[r#"
            spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize
            spec.containers[1].name: Forbidden: containers may not be renamed or reordered on resize"#]],
        );
        check(
            |spec| drop(spec["containers"].as_array_mut().expect("a list").pop()),
            burstable,
            expect!["spec.containers: Forbidden: containers may not be added or removed on resize"],
        );
        check(
            |spec| spec["containers"][0]["resources"]["limits"] = json!({ "memory": "64Mi" }),
            burstable,
            expect!["spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"],
        );
        check(
            |spec| spec["containers"][0]["resources"]["requests"] = json!({}),
            burstable,
            expect!["spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"],
        );
        check(
            |spec| spec["containers"][1]["resources"] = json!({ "requests": { "ephemeral-storage": "1" } }),
            burstable,
            expect!["spec: Forbidden: only cpu and memory resources are mutable"],
        );
        check(
            |spec| spec["initContainers"][0]["resources"]["requests"]["cpu"] = json!("2"),
            burstable,
            expect!["spec: Forbidden: only cpu and memory resources are mutable"],
        );
    }
}
