use super::*;
use crate::Controller;
use crate::testing::{Small, lines};
use expect_test::{Expect, expect};
use jiff::Timestamp;

fn volume(name: &str, size: &str, more: Value) -> Value {
    let mut volume = json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"), "finalizers": [PROTECTS_VOLUMES]},
        "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": "hand"},
        "status": {"phase": "Available"},
    });
    merge(&mut volume, &more);
    volume
}

fn claim(more: Value) -> Value {
    let mut claim = json!({
        "metadata": {"name": "c", "namespace": "n", "uid": "uid-c", "finalizers": [PROTECTS_CLAIMS]},
        "spec": {"resources": {"requests": {"storage": "2Gi"}}, "accessModes": ["ReadWriteOnce"], "storageClassName": "hand"},
        "status": {"phase": "Pending"},
    });
    merge(&mut claim, &more);
    claim
}

fn merge(object: &mut Value, more: &Value) {
    for (name, value) in more.as_object().expect("an object") {
        match (object.get_mut(name), value) {
            (Some(old), Value::Object(_)) if old.is_object() => merge(old, value),
            _ => object[name.as_str()] = value.clone(),
        }
    }
}

fn taken(claim: &str, uid: &str) -> Value {
    json!({"spec": {"claimRef": {"namespace": "n", "name": claim, "uid": uid}}})
}

fn world() -> Small {
    let mut world = Small::default();
    world.put("nodes", json!({"metadata": {"name": "node", "labels": {"kubernetes.io/hostname": "node"}}}));
    for (name, provisioner, mode) in [
        ("local-path", PROVISIONER, "WaitForFirstConsumer"),
        ("cloud", "ebs.csi.aws.com", "Immediate"),
        ("old", "kubernetes.io/no-provisioner", "Immediate"),
        ("static", "kubernetes.io/no-provisioner", "WaitForFirstConsumer"),
    ] {
        let class =
            json!({"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode});
        world.put(CLASSES, class);
    }
    world
}

fn claimed(volumes: &[Value], claim: Value, pods: &[Value], expected: Expect) {
    let mut world = world();
    for volume in volumes {
        world.put(VOLUMES, volume.clone());
    }
    for pod in pods {
        world.put(pods::PODS, pod.clone());
    }
    let key = world.put(CLAIMS, claim);
    let outcome = PersistentVolumeClaims.reconcile(&world, &key, Timestamp::UNIX_EPOCH);
    expected.assert_eq(&lines(&outcome));
}

fn user(node: &str) -> Value {
    json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "uid-p"},
        "spec": {"nodeName": node, "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
    })
}

#[test]
fn the_smallest_volume_that_will_do() {
    let volumes = [
        volume("small", "1Gi", json!({})),
        volume("large", "10Gi", json!({})),
        volume("right", "3Gi", json!({})),
        volume("taken", "2Gi", taken("other", "uid-other")),
        volume("block", "2Gi", json!({"spec": {"volumeMode": "Block"}})),
        volume("shared", "2Gi", json!({"spec": {"accessModes": ["ReadOnlyMany"]}})),
        volume("cheap", "2Gi", json!({"spec": {"storageClassName": "cheap"}})),
        volume("going", "2Gi", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
        volume("used", "2Gi", json!({"status": {"phase": "Released"}})),
    ];
    claimed(
        &volumes,
        claim(json!({})),
        &[],
        expect![[r#"
        merge persistentvolumes right {"spec":{"claimRef":{"apiVersion":"v1","kind":"PersistentVolumeClaim","namespace":"n","name":"c","uid":"uid-c"}},"metadata":{"annotations":{"pv.kubernetes.io/bound-by-controller":"yes"}}}
        merge persistentvolumeclaims n/c {"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes","pv.kubernetes.io/bound-by-controller":"yes"}},"spec":{"volumeName":"right"}}
        merge persistentvolumeclaims n/c status {"status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"3Gi"}}}"#]],
    );
}

#[test]
fn selectors_and_reservations() {
    let volumes = [
        volume("a", "2Gi", json!({"metadata": {"labels": {"disk": "fast"}}})),
        volume("b", "2Gi", json!({})),
        volume("mine", "8Gi", taken("c", "")),
    ];
    let selector = json!({"spec": {"selector": {"matchLabels": {"disk": "fast"}}}});
    claimed(
        &volumes[..2],
        claim(selector),
        &[],
        expect![[r#"
        merge persistentvolumes a {"spec":{"claimRef":{"apiVersion":"v1","kind":"PersistentVolumeClaim","namespace":"n","name":"c","uid":"uid-c"}},"metadata":{"annotations":{"pv.kubernetes.io/bound-by-controller":"yes"}}}
        merge persistentvolumeclaims n/c {"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes","pv.kubernetes.io/bound-by-controller":"yes"}},"spec":{"volumeName":"a"}}
        merge persistentvolumeclaims n/c status {"status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"2Gi"}}}"#]],
    );
    claimed(
        &volumes,
        claim(json!({})),
        &[],
        expect![[r#"
        merge persistentvolumes mine {"spec":{"claimRef":{"apiVersion":"v1","kind":"PersistentVolumeClaim","namespace":"n","name":"c","uid":"uid-c"}}}
        merge persistentvolumeclaims n/c {"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes","pv.kubernetes.io/bound-by-controller":"yes"}},"spec":{"volumeName":"mine"}}
        merge persistentvolumeclaims n/c status {"status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"8Gi"}}}"#]],
    );
}

#[test]
fn claims_that_name_their_volume() {
    let named = || claim(json!({"spec": {"volumeName": "v"}}));
    claimed(&[], named(), &[], expect![[r#""#]]);
    claimed(
        &[volume("v", "2Gi", json!({}))],
        named(),
        &[],
        expect![[r#"
        merge persistentvolumes v {"spec":{"claimRef":{"apiVersion":"v1","kind":"PersistentVolumeClaim","namespace":"n","name":"c","uid":"uid-c"}},"metadata":{"annotations":{"pv.kubernetes.io/bound-by-controller":"yes"}}}
        merge persistentvolumeclaims n/c {"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes"}}}
        merge persistentvolumeclaims n/c status {"status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"2Gi"}}}"#]],
    );
    claimed(
        &[volume("v", "1Gi", json!({}))],
        named(),
        &[],
        expect![[
            r#"Warning VolumeMismatch on PersistentVolumeClaim c: Cannot bind to requested volume "v": requested PV is too small"#
        ]],
    );
    claimed(
        &[volume("v", "2Gi", taken("other", "u"))],
        named(),
        &[],
        expect![[
            r#"Warning FailedBinding on PersistentVolumeClaim c: volume "v" already bound to a different claim."#
        ]],
    );
}

#[test]
fn claims_that_were_bound() {
    let done = json!({"metadata": {"annotations": {COMPLETED: "yes"}}, "status": {"phase": "Bound"}});
    let bound = || {
        let mut bound = claim(done.clone());
        bound["spec"]["volumeName"] = json!("v");
        bound
    };
    claimed(&[volume("v", "2Gi", taken("c", "uid-c"))], bound(), &[], expect![[r#""#]]);
    claimed(
        &[],
        bound(),
        &[],
        expect![[r#"
        merge persistentvolumeclaims n/c status {"status":{"phase":"Lost"}}
        Warning ClaimLost on PersistentVolumeClaim c: Bound claim has lost its PersistentVolume. Data on the volume is lost!"#]],
    );
    claimed(
        &[volume("v", "2Gi", taken("c", "uid-of-another"))],
        bound(),
        &[],
        expect![[r#"
        merge persistentvolumeclaims n/c status {"status":{"phase":"Lost"}}
        Warning ClaimMisbound on PersistentVolumeClaim c: Two claims are bound to the same volume, this one is bound incorrectly"#]],
    );
    claimed(
        &[],
        claim(done.clone()),
        &[],
        expect![[r#"
        merge persistentvolumeclaims n/c status {"status":{"phase":"Lost"}}
        Warning ClaimLost on PersistentVolumeClaim c: Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"#]],
    );
}

#[test]
fn new_volumes_and_why_there_is_none() {
    let of = |class: &str| claim(json!({"spec": {"storageClassName": class}}));
    claimed(
        &[],
        of("local-path"),
        &[],
        expect![
            "Normal WaitForFirstConsumer on PersistentVolumeClaim c: waiting for first consumer to be created before binding"
        ],
    );
    claimed(
        &[],
        of("local-path"),
        &[user("")],
        expect![
            "Normal WaitForFirstConsumer on PersistentVolumeClaim c: waiting for first consumer to be created before binding"
        ],
    );
    claimed(
        &[],
        of("local-path"),
        &[user("node")],
        expect![[r#"
        create persistentvolumes pvc-uid-c
        Normal ProvisioningSucceeded on PersistentVolumeClaim c: Successfully provisioned volume pvc-uid-c
        merge persistentvolumeclaims n/c {"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes","pv.kubernetes.io/bound-by-controller":"yes"}},"spec":{"volumeName":"pvc-uid-c"}}
        merge persistentvolumeclaims n/c status {"status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"2Gi"}}}"#]],
    );
    claimed(
        &[],
        of("cloud"),
        &[],
        expect![
            "Normal ExternalProvisioning on PersistentVolumeClaim c: Waiting for a volume to be created either by the external provisioner 'ebs.csi.aws.com' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        ],
    );
    claimed(
        &[],
        of("old"),
        &[],
        expect![
            "Normal ProvisioningFailed on PersistentVolumeClaim c: no volume plugin matched name: kubernetes.io/no-provisioner"
        ],
    );
    claimed(
        &[],
        of("missing"),
        &[],
        expect![[
            r#"Warning ProvisioningFailed on PersistentVolumeClaim c: storageclass.storage.k8s.io "missing" not found"#
        ]],
    );
    claimed(
        &[],
        of(""),
        &[],
        expect![
            "Normal FailedBinding on PersistentVolumeClaim c: no persistent volumes available for this claim and no storage class is set"
        ],
    );
    let many = json!({"spec": {"storageClassName": "local-path", "accessModes": ["ReadWriteMany"]}});
    claimed(
        &[],
        claim(many),
        &[user("node")],
        expect![
            "Warning ProvisioningFailed on PersistentVolumeClaim c: NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes"
        ],
    );
}

#[test]
fn volumes_of_a_class_that_waits_are_taken_when_a_pod_has_a_node() {
    let on = |host: &str| {
        let values = json!([host]);
        let expression = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": values});
        let terms = json!({"nodeSelectorTerms": [{"matchExpressions": [expression]}]});
        json!({"spec": {"storageClassName": "static", "nodeAffinity": {"required": terms}}})
    };
    let volumes = [volume("far", "2Gi", on("other")), volume("near", "4Gi", on("node"))];
    let claim = || claim(json!({"spec": {"storageClassName": "static"}}));
    claimed(
        &volumes,
        claim(),
        &[],
        expect![
            "Normal WaitForFirstConsumer on PersistentVolumeClaim c: waiting for first consumer to be created before binding"
        ],
    );
    claimed(
        &volumes,
        claim(),
        &[user("node")],
        expect![[r#"
        merge persistentvolumes near {"spec":{"claimRef":{"apiVersion":"v1","kind":"PersistentVolumeClaim","namespace":"n","name":"c","uid":"uid-c"}},"metadata":{"annotations":{"pv.kubernetes.io/bound-by-controller":"yes"}}}
        merge persistentvolumeclaims n/c {"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes","pv.kubernetes.io/bound-by-controller":"yes"}},"spec":{"volumeName":"near"}}
        merge persistentvolumeclaims n/c status {"status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"4Gi"}}}"#]],
    );
}

#[test]
fn claims_in_use_do_not_go() {
    let going = || claim(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    claimed(&[], going(), &[user("node")], expect![[r#""#]]);
    let mut ended = user("node");
    ended["status"] = json!({"phase": "Succeeded"});
    claimed(
        &[],
        going(),
        &[ended],
        expect![[r#"merge persistentvolumeclaims n/c {"metadata":{"finalizers":null}}"#]],
    );
    let mut bare = claim(json!({}));
    bare["metadata"]["finalizers"] = json!(["example.com/mine"]);
    claimed(
        &[volume("v", "2Gi", json!({}))],
        bare,
        &[],
        expect![[r#"
        merge persistentvolumeclaims n/c {"metadata":{"finalizers":["example.com/mine","kubernetes.io/pvc-protection"]}}
        merge persistentvolumes v {"spec":{"claimRef":{"apiVersion":"v1","kind":"PersistentVolumeClaim","namespace":"n","name":"c","uid":"uid-c"}},"metadata":{"annotations":{"pv.kubernetes.io/bound-by-controller":"yes"}}}
        merge persistentvolumeclaims n/c {"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes","pv.kubernetes.io/bound-by-controller":"yes"}},"spec":{"volumeName":"v"}}
        merge persistentvolumeclaims n/c status {"status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"2Gi"}}}"#]],
    );
}

fn reclaimed(volume: Value, claims: &[Value], expected: Expect) {
    let mut world = world();
    for claim in claims {
        world.put(CLAIMS, claim.clone());
    }
    let key = world.put(VOLUMES, volume);
    let outcome = PersistentVolumes.reconcile(&world, &key, Timestamp::UNIX_EPOCH);
    expected.assert_eq(&lines(&outcome));
}

#[test]
fn volumes_follow_their_claims() {
    let fresh = |more: Value| {
        let mut fresh = volume("v", "2Gi", more);
        fresh["status"] = json!({"phase": "Pending"});
        fresh
    };
    reclaimed(
        fresh(json!({})),
        &[],
        expect![[r#"merge persistentvolumes v status {"status":{"phase":"Available"}}"#]],
    );
    reclaimed(
        fresh(taken("c", "")),
        &[],
        expect![[r#"merge persistentvolumes v status {"status":{"phase":"Available"}}"#]],
    );
    reclaimed(fresh(taken("c", "uid-c")), &[claim(json!({}))], expect![[r#""#]]);
    let bound = claim(json!({"spec": {"volumeName": "v"}}));
    reclaimed(
        fresh(taken("c", "uid-c")),
        std::slice::from_ref(&bound),
        expect![[r#"merge persistentvolumes v status {"status":{"phase":"Bound"}}"#]],
    );
    let elsewhere = claim(json!({"spec": {"volumeName": "w"}}));
    let mut chosen = fresh(taken("c", "uid-c"));
    reclaimed(
        chosen.clone(),
        std::slice::from_ref(&elsewhere),
        expect![[r#"merge persistentvolumes v status {"status":{"phase":"Available"}}"#]],
    );
    chosen["metadata"]["annotations"] = json!({BY_CONTROLLER: "yes"});
    reclaimed(
        chosen,
        &[elsewhere],
        expect![[
            r#"merge persistentvolumes v {"metadata":{"annotations":{"pv.kubernetes.io/bound-by-controller":null}},"spec":{"claimRef":null}}"#
        ]],
    );
}

#[test]
fn what_their_claims_leave() {
    let left = |policy: &str, more: Value| {
        let mut left = volume("v", "2Gi", taken("c", "uid-c"));
        left["status"] = json!({"phase": "Bound"});
        left["spec"]["persistentVolumeReclaimPolicy"] = json!(policy);
        merge(&mut left, &more);
        left
    };
    let provisioned = json!({"metadata": {"annotations": {PROVISIONED_BY: PROVISIONER}}});
    reclaimed(
        left("Retain", json!({})),
        &[],
        expect![[r#"merge persistentvolumes v status {"status":{"phase":"Released"}}"#]],
    );
    reclaimed(
        left("Delete", json!({})),
        &[],
        expect![[r#"
        merge persistentvolumes v status {"status":{"phase":"Released"}}
        merge persistentvolumes v status {"status":{"phase":"Failed","message":"error getting deleter volume plugin for volume \"v\": no deletable volume plugin matched"}}
        Warning VolumeFailedDelete on PersistentVolume v: error getting deleter volume plugin for volume "v": no deletable volume plugin matched"#]],
    );
    reclaimed(
        left("Delete", provisioned.clone()),
        &[],
        expect![[r#"
        merge persistentvolumes v status {"status":{"phase":"Released"}}
        delete persistentvolumes v Background"#]],
    );
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    reclaimed(
        left("Delete", going.clone()),
        &[],
        expect![[r#"merge persistentvolumes v status {"status":{"phase":"Released"}}"#]],
    );
    reclaimed(
        left("Delete", going.clone()),
        &[claim(json!({"spec": {"volumeName": "v"}}))],
        expect![[r#""#]],
    );
    let mut released = left("Retain", going);
    released["status"] = json!({"phase": "Released"});
    reclaimed(released, &[], expect![[r#"merge persistentvolumes v {"metadata":{"finalizers":null}}"#]]);
}
