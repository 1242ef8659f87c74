//! Volumes decide where pods can be.

use super::*;

#[test]
fn volumes_hold_pods_where_they_are() {
    let volume = |host: &str| {
        json!({"metadata": {"name": "v"}, "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}]}}}})
    };
    for (host, mode, want) in [
        ("node", "ReadWriteOnce", "Scheduled"),
        ("other", "ReadWriteOnce", "node(s) didn't match PersistentVolume's node affinity"),
        (
            "node",
            "ReadWriteOncePod",
            "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod",
        ),
    ] {
        let mut world = Small::default();
        world.put(NODES, json!({"metadata": {"name": "node", "labels": {"kubernetes.io/hostname": "node"}}}));
        world.put("persistentvolumes", volume(host));
        world.put(
            "persistentvolumeclaims",
            json!({"metadata": {"name": "c", "namespace": "default"}, "spec": {"volumeName": "v", "accessModes": [mode]}}),
        );
        let uses = || json!({"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]});
        let mut running = pod("other", uses());
        running["spec"]["nodeName"] = json!("node");
        world.put("pods", running);
        let key = world.put("pods", pod("p", uses()));
        let text =
            crate::testing::lines(&Scheduler::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH));
        assert!(text.contains(want), "{host} {mode}: {text}");
    }
}

/// A class without a provisioner: the pod goes where a volume is.
#[test]
fn volumes_that_are_made_by_hand_choose_the_node() {
    let volume = |host: &str| {
        json!({"metadata": {"name": "v"}, "status": {"phase": "Available"}, "spec": {"storageClassName": "local",
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}]}}}})
    };
    for (host, size, want) in [
        ("b", "1Gi", "Successfully assigned default/p to b"),
        ("b", "2Gi", "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."),
        ("c", "1Gi", "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."),
    ] {
        let mut world = Small::default();
        for name in ["a", "b"] {
            world.put(NODES, json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}));
        }
        let class = json!({"metadata": {"name": "local"}, "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer"});
        world.put("storage.k8s.io/storageclasses", class);
        world.put("persistentvolumes", volume(host));
        world.put("persistentvolumeclaims", json!({"metadata": {"name": "c", "namespace": "default"}, "spec": {
            "storageClassName": "local", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}}));
        let uses = json!({"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]});
        let key = world.put("pods", pod("p", uses));
        let text =
            crate::testing::lines(&Scheduler::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH));
        assert!(text.contains(want), "{host} {size}: {text}");
    }
}
