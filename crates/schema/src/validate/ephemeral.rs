//! Ephemeral containers, which are added to a pod by a subresource of their own: never at its creation, and none is
//! changed or taken away.

use super::{Errors, list, same, text};
use serde_json::Value;

const PATH: &str = "spec.ephemeralContainers";

pub(super) fn check(pod: &Value, old: &Value, errors: &mut Errors) {
    let (now, before) =
        (list(&pod["spec"]["ephemeralContainers"]), list(&old["spec"]["ephemeralContainers"]));
    super::pod::ephemeral(&pod["spec"], PATH, errors);
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
                spec.ephemeralContainers[0].ports[0].protocol: Required value
                spec.ephemeralContainers[0].name: Duplicate value: "main"
                spec.ephemeralContainers[0].targetContainerName: Not found: "none"
                spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container
                spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container"#]],
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
