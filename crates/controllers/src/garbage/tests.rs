use super::*;
use crate::testing::{Small, lines};
use expect_test::{Expect, expect};

/// `resource namespace/name uid [going] [finalizer=F] [<Kind/name:uid[!]]`: `!` is blockOwnerDeletion; the namespace of
/// what belongs to the whole cluster is `-`.
fn object(line: &str) -> (String, Value) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (place, name) = words[1].split_once('/').expect("namespace/name");
    let mut object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "uid": words[2], "resourceVersion": "7"},
    });
    if place != "-" {
        object["metadata"]["namespace"] = json!(place);
    }
    let mut references = Vec::new();
    for word in &words[3..] {
        if let Some(reference) = word.strip_prefix('<') {
            let (kind, rest) = reference.split_once('/').expect("Kind/name:uid");
            let (owner, uid) = rest.split_once(':').expect("name:uid");
            let version = match kind {
                "Widget" | "Gadget" | "Unheard" => "example.com/v1",
                "Deployment" => "apps/v1",
                _ => "v1",
            };
            references.push(json!({
                "apiVersion": version, "kind": kind, "name": owner, "uid": uid.trim_end_matches('!'),
                "blockOwnerDeletion": uid.ends_with('!'),
            }));
        } else if let Some(finalizer) = word.strip_prefix("finalizer=") {
            object["metadata"]["finalizers"] = json!([finalizer]);
        } else {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
    }
    object["metadata"]["ownerReferences"] = json!(references);
    (words[0].to_string(), object)
}

/// What is done about the last object, with the others around it. `gone` is the key and uid of an owner that has gone.
fn check(objects: &[&str], expected: Expect) {
    let mut world = Small::default();
    let mut key = None;
    for line in objects {
        let (resource, object) = object(line);
        key = Some(world.put(&resource, object));
    }
    let key = key.expect("an object");
    expected.assert_eq(&lines(&GarbageCollector.reconcile(&world, &key, Timestamp::UNIX_EPOCH)));
}

#[test]
fn who_goes_with_whom() {
    check(&["configmaps n/c c"], expect![""]);
    // The owner is there; a uid of an earlier owner of that name; no such name; another kind of that name.
    check(&["apps/deployments n/o o", "configmaps n/c c <Deployment/o:o"], expect![""]);
    check(
        &["apps/deployments n/o new", "configmaps n/c c <Deployment/o:o"],
        expect!["delete configmaps n/c Background"],
    );
    check(&["configmaps n/c c <Deployment/o:o"], expect!["delete configmaps n/c Background"]);
    check(
        &["services n/o o", "configmaps n/c c <Deployment/o:o"],
        expect!["delete configmaps n/c Background"],
    );
    // Custom kinds are kinds as others: of a namespace (Widget) or of the cluster (Gadget).
    check(&["example.com/widgets n/o o", "configmaps n/c c <Widget/o:o"], expect![""]);
    check(&["configmaps n/c c <Widget/o:o"], expect!["delete configmaps n/c Background"]);
    check(&["example.com/gadgets -/o o", "configmaps n/c c <Gadget/o:o"], expect![""]);
    check(&["configmaps n/c c <Gadget/o:o"], expect!["delete configmaps n/c Background"]);
    check(&["configmaps n/c c <Unheard/o:o"], expect!["again after 30s"]);
    // What is going already goes.
    check(&["configmaps n/c c going finalizer=x <Deployment/o:o"], expect![""]);
    // A finalizer that is there already says how.
    check(&["configmaps n/c c finalizer=orphan <Deployment/o:o"], expect!["delete configmaps n/c Orphan"]);
}

#[test]
fn other_namespaces() {
    check(
        &["apps/deployments m/o o", "configmaps n/c c <Deployment/o:o"],
        expect![[r#"
            Warning OwnerRefInvalidNamespace on ConfigMap c: ownerRef [apps/v1/Deployment, namespace: n, name: o, uid: o] does not exist in namespace "n"
            delete configmaps n/c Background"#]],
    );
    check(
        &["apps/deployments m/o o", "example.com/gadgets -/c c <Deployment/o:o"],
        expect![[
            r#"Warning OwnerRefInvalidNamespace on ConfigMap c: ownerRef [apps/v1/Deployment, namespace: , name: o, uid: o] does not exist in namespace """#
        ]],
    );
    check(&["example.com/gadgets -/c c <Deployment/o:o"], expect![""]);
}

#[test]
fn several_owners() {
    check(
        &["services n/a a", "configmaps n/c c <Service/a:a <Service/b:b"],
        expect![[
            r#"merge configmaps n/c {"metadata":{"uid":"c","resourceVersion":"7","ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"a","uid":"a","blockOwnerDeletion":false}]}}"#
        ]],
    );
    check(&["configmaps n/c c <Service/a:a <Service/b:b"], expect!["delete configmaps n/c Background"]);
    check(&["configmaps n/c c <Service/a:a <Unheard/b:b"], expect!["again after 30s"]);
    check(
        &[
            "services n/a a",
            "services n/b b going finalizer=foregroundDeletion",
            "configmaps n/c c <Service/a:a <Service/b:b",
        ],
        expect![[
            r#"merge configmaps n/c {"metadata":{"uid":"c","resourceVersion":"7","ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"a","uid":"a","blockOwnerDeletion":false}]}}"#
        ]],
    );
}

#[test]
fn foreground_waits_for_what_blocks() {
    let owner = "services n/o o going finalizer=foregroundDeletion";
    check(&[owner], expect![[r#"merge services n/o {"metadata":{"finalizers":null}}"#]]);
    check(&["configmaps n/c c <Service/o:o!", owner], expect!["delete configmaps n/c Background"]);
    check(
        &["configmaps n/c c <Service/o:o", owner],
        expect![[r#"
            delete configmaps n/c Background
            merge services n/o {"metadata":{"finalizers":null}}"#]],
    );
    check(&["configmaps n/c c going finalizer=x <Service/o:o!", owner], expect![""]);
    // A dependent that has dependents itself goes in the foreground too.
    check(
        &["secrets n/s s <ConfigMap/c:c", "configmaps n/c c <Service/o:o!", owner],
        expect!["delete configmaps n/c Foreground"],
    );
    // A dependent that comes late.
    check(&[owner, "configmaps n/c c <Service/o:o!"], expect!["delete configmaps n/c Background"]);
    // Who owns each other does not wait for each other.
    check(
        &[
            "services n/o o going finalizer=foregroundDeletion <ConfigMap/c:c!",
            "configmaps n/c c <Service/o:o!",
        ],
        expect![[r#"
            merge configmaps n/c {"metadata":{"uid":"c","ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"o","uid":"o","blockOwnerDeletion":false}]}}
            delete configmaps n/c Foreground"#]],
    );
}

#[test]
fn orphans_are_let_go_first() {
    let owner = "services n/o o going finalizer=orphan";
    check(
        &["configmaps n/c c <Service/o:o!", owner],
        expect![[
            r#"merge configmaps n/c {"metadata":{"uid":"c","resourceVersion":"7","ownerReferences":null}}"#
        ]],
    );
    check(&[owner], expect![[r#"merge services n/o {"metadata":{"finalizers":null}}"#]]);
}

/// What a change makes the collector do: `before` and `after` are states of one object.
fn change(others: &[&str], before: Option<&str>, after: Option<&str>, expected: Expect) {
    let mut world = Small::default();
    for line in others {
        let (resource, object) = object(line);
        world.put(&resource, object);
    }
    let read = |line: &str| (object(line).0, std::sync::Arc::new(object(line).1));
    let (resource, now) = read(after.or(before).expect("a state"));
    let change = Change {
        version: 1,
        kind: match (before, after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Deleted,
            _ => ChangeKind::Modified,
        },
        key: access::key_of(&resource, &now),
        object: now.clone(),
        previous: before.map(|line| read(line).1),
        text: Default::default(),
    };
    if after.is_some() {
        world.put(&resource, (*now).clone());
    }
    let mut text = Vec::new();
    for key in GarbageCollector.concerns(&world, &change) {
        text.push(lines(&GarbageCollector.reconcile(&world, &key, Timestamp::UNIX_EPOCH)));
    }
    expected.assert_eq(&text.join("\n"));
}

#[test]
fn changes_that_matter() {
    // A definition takes its kind along: whoever belongs to its last object goes.
    let dependent = ["configmaps n/c c <Unheard/o:o"];
    change(&dependent, Some("example.com/unheards n/o o"), None, expect!["delete configmaps n/c Background"]);
    // With a second owner of an unknown kind only the first is forgotten.
    change(
        &["configmaps n/c c <Unheard/o:o <Unheard/p:p"],
        Some("example.com/unheards n/o o"),
        None,
        expect![[r#"
            merge configmaps n/c {"metadata":{"uid":"c","resourceVersion":"7","ownerReferences":[{"apiVersion":"example.com/v1","kind":"Unheard","name":"p","uid":"p","blockOwnerDeletion":false}]}}
            again after 30s"#]],
    );
    change(
        &["example.com/gadgets -/c c <Unheard/o:o"],
        Some("example.com/unheards n/o o"),
        None,
        expect![""],
    );
    // An owner that is named later, when it has gone long since.
    change(
        &[],
        Some("configmaps n/c c"),
        Some("configmaps n/c c <Service/o:o"),
        expect!["delete configmaps n/c Background"],
    );
    // The last one that held up its owner: gone, no longer a dependent, no longer blocking.
    let owner = ["services n/o o going finalizer=foregroundDeletion"];
    let done = || expect![[r#"merge services n/o {"metadata":{"finalizers":null}}"#]];
    let held = Some("configmaps n/c c going <Service/o:o!");
    change(&owner, held, None, done());
    change(&owner, held, Some("configmaps n/c c going"), done());
    change(&owner, held, held, expect![""]);
    change(
        &owner,
        held,
        Some("configmaps n/c c going <Service/o:o"),
        expect![[r#"

            merge services n/o {"metadata":{"finalizers":null}}"#]],
    );
}
