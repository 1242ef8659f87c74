//! Ephemeral containers, which are added to a pod by a subresource of their own: never at its creation, and none is
//! changed or taken away.

use super::container::{self, Pod, Role};
use super::{Errors, list, same, text, volume};
use serde_json::Value;
use std::collections::HashSet;

const PATH: &str = "spec.ephemeralContainers";

/// What belongs to the life of a pod, of which these are no part.
const FORBIDDEN: [&str; 7] =
    ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources", "resizePolicy"];

pub(super) fn check(pod: &Value, old: &Value, errors: &mut Errors) {
    let (spec, before) = (&pod["spec"], list(&old["spec"]["ephemeralContainers"]));
    // The volumes have been looked at when the pod was made.
    let volumes = volume::check(list(&spec["volumes"]), "spec.volumes", &mut Errors::default());
    let pod = Pod { volumes };
    let others: Vec<&Value> =
        ["containers", "initContainers"].iter().flat_map(|field| list(&spec[*field])).collect();
    let mut seen: HashSet<&str> = others.iter().map(|container| text(&container["name"])).collect();
    let now = list(&spec["ephemeralContainers"]);
    for (index, container) in now.iter().enumerate() {
        let path = format!("{PATH}[{index}]");
        let mut plain = container.clone();
        for field in FORBIDDEN {
            let value = &container[field];
            let empty = value.as_object().is_some_and(serde_json::Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty);
            if !value.is_null() && !empty {
                errors.forbidden(&format!("{path}.{field}"), "cannot be set for an Ephemeral Container");
            }
            if let Some(fields) = plain.as_object_mut() {
                fields.shift_remove(field);
            }
        }
        let mut own = HashSet::new();
        container::check(&plain, &path, Role::Main, &pod, &mut own, errors);
        let name = &container["name"];
        if !text(name).is_empty() && !seen.insert(text(name)) {
            errors.duplicate(&format!("{path}.name"), name);
        }
        let target = &container["targetContainerName"];
        if !text(target).is_empty() && !others.iter().any(|other| other["name"] == *target) {
            errors.not_found(&format!("{path}.targetContainerName"), target);
        }
    }
    for container in before {
        let name = text(&container["name"]);
        match now.iter().find(|other| other["name"] == container["name"]) {
            None => {
                errors
                    .forbidden(PATH, &format!("existing ephemeral containers {name:?} may not be removed\n"));
            }
            Some(other) if !same(other, container) => {
                errors
                    .forbidden(PATH, &format!("existing ephemeral containers {name:?} may not be changed\n"));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ephemeral_containers;
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    fn pod(ephemeral: Value) -> Value {
        json!({ "spec": {
            "containers": [{ "name": "main", "image": "a" }], "ephemeralContainers": ephemeral,
        }})
    }

    fn check(old: Value, new: Value, expected: Expect) {
        let causes = ephemeral_containers(&pod(new), &pod(old));
        let lines: Vec<String> =
            causes.iter().map(|c| format!("{}: {}", c.field, c.message.trim_end())).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    fn debugger(name: &str) -> Value {
        json!({
            "name": name, "image": "busybox", "imagePullPolicy": "Always", "terminationMessagePolicy": "File",
            "targetContainerName": "main", "resources": {},
        })
    }

    #[test]
    fn what_may_be_added() {
        check(json!([]), json!([debugger("a"), debugger("b")]), expect![""]);
        check(json!([debugger("a")]), json!([debugger("a"), debugger("b")]), expect![""]);
    }

    #[test]
    fn what_may_not() {
        let mut bad = debugger("main");
        bad["ports"] = json!([{ "containerPort": 80 }]);
        bad["livenessProbe"] = json!({ "exec": { "command": ["a"] } });
        bad["targetContainerName"] = "none".into();
        check(
            json!([]),
            json!([bad]),
            expect![[r#"
                spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container
                spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container
                spec.ephemeralContainers[0].name: Duplicate value: "main"
                spec.ephemeralContainers[0].targetContainerName: Not found: "none""#]],
        );
        let mut other = debugger("a");
        other["image"] = "alpine".into();
        check(
            json!([debugger("a")]),
            json!([other]),
            expect![[
                r#"spec.ephemeralContainers: Forbidden: existing ephemeral containers "a" may not be changed"#
            ]],
        );
        check(
            json!([debugger("a")]),
            json!([]),
            expect![[
                r#"spec.ephemeralContainers: Forbidden: existing ephemeral containers "a" may not be removed"#
            ]],
        );
    }
}
