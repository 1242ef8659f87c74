use crate::tests::{bench, by};
use crate::*;
use expect_test::{Expect, expect};
use serde_json::json;

fn definition(group: &str, names: Value) -> Value {
    let plural = names["plural"].as_str().expect("a plural");
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": { "group": group, "scope": "Cluster", "names": names, "versions": [{
            "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } },
        }] },
    })
}

fn state(api: &Api, name: &str) -> String {
    let definition = api.get(crate::crds::RESOURCE, "", name).expect("the definition");
    let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    let mut lines: Vec<String> = conditions
        .map(|c| format!("{} {} {}: {}", c["type"], c["status"], c["reason"], c["message"]).replace('"', ""))
        .collect();
    lines.push(definition["status"]["acceptedNames"].to_string());
    lines.join("\n")
}

fn first() -> Value {
    json!({ "plural": "certs", "singular": "cert", "kind": "Cert", "shortNames": ["ct", "crt"] })
}

/// Another definition of the group, after the first one.
fn beside(names: Value, expected: Expect) {
    let (api, _dir) = bench();
    for names in [first(), names.clone()] {
        api.create(crate::crds::RESOURCE, definition("example.com", names), &by()).expect("made");
    }
    expected
        .assert_eq(&state(&api, &format!("{}.example.com", names["plural"].as_str().unwrap_or_default())));
}

#[test]
fn names_that_are_taken_are_not_granted() {
    beside(
        json!({ "plural": "keys", "kind": "Key", "categories": ["all"] }),
        expect![[r#"
            NamesAccepted True NoConflicts: no conflicts found
            Established True InitialNamesAccepted: the initial names have been accepted
            {"plural":"keys","singular":"key","kind":"Key","listKind":"KeyList","categories":["all"]}"#]],
    );
    beside(
        json!({ "plural": "cert", "kind": "Key" }),
        expect![[r#"
            NamesAccepted False PluralConflict: \cert\ is already in use
            Established False NotAccepted: not all names are accepted
            {"singular":"key","kind":"Key","listKind":"KeyList"}"#]],
    );
    beside(
        json!({ "plural": "keys", "singular": "ct", "kind": "Key" }),
        expect![[r#"
            NamesAccepted False SingularConflict: \ct\ is already in use
            Established False NotAccepted: not all names are accepted
            {"plural":"keys","kind":"Key","listKind":"KeyList"}"#]],
    );
    beside(
        json!({ "plural": "keys", "kind": "Key", "shortNames": ["crt", "k", "certs"] }),
        expect![[r#"
            NamesAccepted False ShortNamesConflict: [\crt\ is already in use, \certs\ is already in use]
            Established False NotAccepted: not all names are accepted
            {"plural":"keys","singular":"key","kind":"Key","listKind":"KeyList"}"#]],
    );
    beside(
        json!({ "plural": "keys", "singular": "key", "kind": "Cert", "listKind": "Certs" }),
        expect![[r#"
            NamesAccepted False KindConflict: \Cert\ is already in use
            Established False NotAccepted: not all names are accepted
            {"plural":"keys","singular":"key","listKind":"Certs"}"#]],
    );
    // The last problem is the one that is told.
    beside(
        json!({ "plural": "keys", "singular": "cert", "kind": "CertList", "listKind": "Cert" }),
        expect![[r#"
            NamesAccepted False ListKindConflict: \Cert\ is already in use
            Established False NotAccepted: not all names are accepted
            {"plural":"keys"}"#]],
    );
}

#[test]
fn names_are_those_of_a_group() {
    let (api, _dir) = bench();
    for group in ["example.com", "example.org"] {
        api.create(crate::crds::RESOURCE, definition(group, first()), &by()).expect("made");
        assert!(api.kinds().by_resource(&format!("{group}/certs")).is_some(), "{group}");
    }
}

#[test]
fn a_definition_waits_for_its_names() {
    let (api, _dir) = bench();
    let other = json!({ "plural": "keys", "kind": "Key", "shortNames": ["ct"] });
    for names in [first(), other] {
        api.create(crate::crds::RESOURCE, definition("example.com", names), &by()).expect("made");
    }
    assert!(api.kinds().by_resource("example.com/keys").is_none());
    let key = Key::new(crate::crds::RESOURCE, "", "certs.example.com");
    let change = json!({ "spec": { "names": { "shortNames": ["crt"] } } });
    api.patch(&key, PatchKind::Merge, "", &change, &by()).expect("the name is given up");
    assert!(api.kinds().by_resource("example.com/keys").is_some());
    expect![[r#"
        NamesAccepted True NoConflicts: no conflicts found
        Established True InitialNamesAccepted: the initial names have been accepted
        {"plural":"keys","singular":"key","kind":"Key","listKind":"KeyList","shortNames":["ct"]}"#]]
    .assert_eq(&state(&api, "keys.example.com"));
}

#[test]
fn what_is_served_stays_served_when_a_new_name_is_taken() {
    let (api, _dir) = bench();
    let other = json!({ "plural": "keys", "kind": "Key", "shortNames": ["k"] });
    for names in [first(), other] {
        api.create(crate::crds::RESOURCE, definition("example.com", names), &by()).expect("made");
    }
    let key = Key::new(crate::crds::RESOURCE, "", "keys.example.com");
    let change = json!({ "spec": { "names": { "shortNames": ["crt"] } } });
    api.patch(&key, PatchKind::Merge, "", &change, &by()).expect("stored");
    expect![[r#"
        NamesAccepted False ShortNamesConflict: \crt\ is already in use
        Established True InitialNamesAccepted: the initial names have been accepted
        {"plural":"keys","singular":"key","shortNames":["k"],"kind":"Key","listKind":"KeyList"}"#]]
    .assert_eq(&state(&api, "keys.example.com"));
    assert_eq!(api.kinds().by_resource("example.com/keys").expect("served").short_names, ["k"]);
    api.delete(&Key::new(crate::crds::RESOURCE, "", "certs.example.com"), &DeleteOptions::default())
        .expect("gone");
    assert_eq!(api.kinds().by_resource("example.com/keys").expect("served").short_names, ["crt"]);
}

#[test]
fn each_stored_version_is_remembered() {
    let (api, _dir) = bench();
    let mut made = definition("example.com", first());
    api.create(crate::crds::RESOURCE, made.clone(), &by()).expect("made");
    let mut old = made["spec"]["versions"][0].clone();
    made["spec"]["versions"][0]["name"] = "v2".into();
    old["storage"] = false.into();
    made["spec"]["versions"].as_array_mut().expect("versions").push(old);
    api.update(crate::crds::RESOURCE, made.clone(), &by()).expect("another version is stored");
    let stored = || {
        let definition = api.get(crate::crds::RESOURCE, "", "certs.example.com").expect("there");
        definition["status"]["storedVersions"].clone()
    };
    assert_eq!(stored(), json!(["v1", "v2"]));
    made["spec"]["versions"].as_array_mut().expect("versions").pop();
    let refused = api.update(crate::crds::RESOURCE, made.clone(), &by()).expect_err("v1 may be in the store");
    assert!(refused.message.contains("status.storedVersions[0]: Invalid value: \"v1\""), "{refused}");
    let key = Key::new(crate::crds::RESOURCE, "", "certs.example.com");
    let migrated = json!({ "status": { "storedVersions": ["v2"] } });
    api.patch(&key, PatchKind::Merge, "status", &migrated, &by()).expect("migrated");
    api.update(crate::crds::RESOURCE, made, &by()).expect("nothing of v1 is left");
    assert_eq!(stored(), json!(["v2"]));
}

#[test]
fn groups_of_kubernetes_say_whether_they_are_approved() {
    for (annotation, expected) in [
        ("https://example.com/1", "True ApprovedAnnotation: approved in https://example.com/1"),
        ("unapproved, ours", "False UnapprovedAnnotation: not approved: \\unapproved, ours\\"),
    ] {
        let (api, _dir) = bench();
        let mut made = definition("example.k8s.io", first());
        made["metadata"]["annotations"] = json!({ "api-approved.kubernetes.io": annotation });
        api.create(crate::crds::RESOURCE, made, &by()).expect("made");
        let line = format!("KubernetesAPIApprovalPolicyConformant {expected}");
        assert!(state(&api, "certs.example.k8s.io").contains(&line), "{annotation}");
    }
}
