//! The order of entries, and how many there are.

use super::*;

fn owner(manager: &str, operation: Operation) -> Owner {
    Owner { manager: manager.into(), operation, api_version: "v1".into(), subresource: String::new() }
}

fn shown(managers: Managers) -> Vec<String> {
    let list = managers.into_value();
    let entries = list.as_array().into_iter().flatten();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_string();
    entries
        .map(|entry| {
            let fields: Vec<&String> =
                entry["fieldsV1"].as_object().into_iter().flat_map(|f| f.keys()).collect();
            format!(
                "{} {} {} {fields:?}",
                text(entry, "time"),
                text(entry, "operation"),
                text(entry, "manager")
            )
        })
        .collect()
}

#[test]
fn entries_are_ordered() {
    let mut managers = Managers::default();
    let field = |name: &str| FieldSet::of_path(&[name.to_string()]);
    managers.set(owner("b", Operation::Update), field("x"), "2");
    managers.set(owner("c", Operation::Apply), field("x"), "3");
    managers.set(owner("d", Operation::Update), field("x"), "1");
    managers.set(owner("a", Operation::Update), field("x"), "2");
    managers.set(owner("e", Operation::Apply), field("x"), "1");
    assert_eq!(
        shown(managers),
        [
            "1 Apply e [\"f:x\"]",
            "3 Apply c [\"f:x\"]",
            "1 Update d [\"f:x\"]",
            "2 Update a [\"f:x\"]",
            "2 Update b [\"f:x\"]",
        ]
    );
}

#[test]
fn old_updates_are_put_together() {
    let mut managers = Managers::default();
    let field = |name: &str| FieldSet::of_path(&[name.to_string()]);
    managers.set(owner("applier", Operation::Apply), field("x"), "00");
    for n in 0..12 {
        let name = format!("m{n:02}");
        managers.set(owner(&name, Operation::Update), field(&name), &format!("{n:02}"));
    }
    managers.cap();
    let lines = shown(managers.clone());
    assert_eq!(lines.len(), 11);
    assert_eq!(
        lines[..3],
        [
            "00 Apply applier [\"f:x\"]",
            "02 Update ancient-changes [\"f:m00\", \"f:m01\", \"f:m02\"]",
            "03 Update m03 [\"f:m03\"]",
        ]
    );
    managers.set(owner("new", Operation::Update), field("new"), "99");
    managers.cap();
    let lines = shown(managers);
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[1], "03 Update ancient-changes [\"f:m00\", \"f:m01\", \"f:m02\", \"f:m03\"]");
}
