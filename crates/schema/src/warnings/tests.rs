use super::{on_create, on_update};
use serde_json::{Value, json};

/// Each kind's objects and what is said of them, beside this file.
const CASES: &str = include_str!("cases.yaml");

fn cases() -> Vec<(String, Value, Vec<String>)> {
    CASES
        .split("---\n")
        .map(|case| {
            let (said, written): (Vec<&str>, Vec<&str>) =
                case.lines().partition(|line| line.starts_with("#= "));
            let (heads, body): (Vec<&str>, Vec<&str>) =
                written.into_iter().partition(|line| line.starts_with("# "));
            let resource = heads.first().map_or("", |head| head.trim_start_matches("# ")).to_owned();
            let object = yaml::parse_documents(&body.join("\n"))
                .unwrap_or_else(|e| panic!("{case}: {e}"))
                .swap_remove(0);
            (
                resource,
                object,
                said.into_iter().map(|line| line.trim_start_matches("#= ").to_owned()).collect(),
            )
        })
        .collect()
}

#[test]
fn what_is_accepted_with_a_warning() {
    for (resource, object, said) in cases() {
        assert_eq!(on_create(&resource, &object), said, "{resource}: {object}");
    }
}

#[test]
fn only_changes_are_warned_about() {
    let deployment = |value: &str, replicas: u64| {
        let env = json!([{"name": "A", "value": "1"}, {"name": "A", "value": value}]);
        json!({"spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "c", "env": env}]}}}})
    };
    let old = deployment("2", 1);
    assert_eq!(on_update("apps/deployments", &old, &old), Vec::<String>::new());
    assert_eq!(on_update("apps/deployments", &deployment("2", 2), &old).len(), 1);
    assert!(on_update("pods", &deployment("2", 2), &old).is_empty());
}
