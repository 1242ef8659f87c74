use super::*;
use serde_json::json;
use std::sync::Arc;
use store::Fixture;

fn config(root: &Path) -> NodeConfig {
    NodeConfig {
        name: "node-under-test".into(),
        root: root.into(),
        cluster_domain: "cluster.local".into(),
        dns: [10, 43, 0, 10].into(),
        service_account_token: Arc::new(|ns, sa, audience, seconds, pod, uid| {
            (format!("{ns}/{sa}/{audience}/{pod}/{uid}"), jiff::Timestamp::now().as_second() + seconds)
        }),
        ca_pem: "PEM".into(),
        api_host: [10, 43, 0, 1].into(),
        storage: root.join("storage"),
        version: "v1.33.0".into(),
    }
}

fn object(resource: &str, name: &str, rest: Value) -> (store::Key, Value) {
    let mut object = json!({"metadata": {"name": name, "namespace": "ns"}});
    for (field, value) in rest.as_object().into_iter().flatten() {
        object[field] = value.clone();
    }
    (store::Key::new(resource, "ns", name), object)
}

fn view(objects: Vec<(store::Key, Value)>) -> store::Snapshot {
    let mut store = store::Store::default();
    for (key, object) in objects {
        let change = store.stage(key, object);
        store.commit(&change);
    }
    store.snapshot()
}

fn run(root: &Path, view: &dyn View, volumes: Value, security: Value) -> Result<Volumes, String> {
    let config = config(root);
    let pod = json!({
        "metadata": {"name": "web", "namespace": "ns", "uid": "u1", "labels": {"app": "web", "a": "x\"y"}},
        "spec": {"volumes": volumes, "securityContext": security, "containers": [
            {"name": "c", "resources": {"limits": {"memory": "64Mi"}}}]},
    });
    let dir = root.join("pods/u1");
    let tokens = Tokens::default();
    let fields =
        Fields { pod: &pod, pod_ip: String::new(), host_ip: String::new(), allocatable: (2000, 1 << 30) };
    let made = prepare(&Source { view, config: &config, pod: &pod, fields, tokens: &tokens, dir: &dir });
    made.map_err(|problem| match problem {
        Problem::Soon(why) | Problem::Other(why) => why,
    })
}

fn read(volume: &Volume, path: &str) -> String {
    std::fs::read_to_string(volume.path.join(path)).unwrap()
}

#[test]
fn a_config_map_changes_all_at_once() {
    let root = tempfile::tempdir().unwrap();
    let volumes = json!([{"name": "conf", "configMap": {"name": "cm", "defaultMode": 0o440}}]);
    let before = view(vec![object("configmaps", "cm", json!({"data": {"a": "1", "b": "2"}}))]);
    let made = run(root.path(), &before, volumes.clone(), json!({})).unwrap();
    let conf = &made["conf"];
    assert!(conf.readonly);
    assert_eq!((read(conf, "a"), read(conf, "b")), ("1".into(), "2".into()));
    let data = std::fs::read_link(conf.path.join("..data")).unwrap();
    assert_eq!(std::fs::read_link(conf.path.join("a")).unwrap(), Path::new("..data/a"));
    let mode = std::fs::metadata(conf.path.join("a")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o440);

    run(root.path(), &before, volumes.clone(), json!({})).unwrap();
    assert_eq!(std::fs::read_link(conf.path.join("..data")).unwrap(), data, "nothing to do");

    let after = view(vec![object("configmaps", "cm", json!({"data": {"a": "new", "c": "3"}}))]);
    run(root.path(), &after, volumes, json!({})).unwrap();
    assert_eq!((read(conf, "a"), read(conf, "c")), ("new".into(), "3".into()));
    assert!(!conf.path.join("b").exists() && !conf.path.join(data).exists());
}

#[test]
fn missing_objects_are_named() {
    let root = tempfile::tempdir().unwrap();
    let empty = view(vec![object("configmaps", "cm", json!({"data": {"a": "1"}}))]);
    for (volume, expected) in [
        (json!({"configMap": {"name": "x"}}), "configmap \"x\" not found"),
        (json!({"secret": {"secretName": "x"}}), "secret \"x\" not found"),
        (
            json!({"configMap": {"name": "cm", "items": [{"key": "z", "path": "z"}]}}),
            "references non-existent config key: z",
        ),
        (
            json!({"configMap": {"name": "cm", "items": [{"key": "a", "path": "../a"}]}}),
            "invalid path \"../a\": it must be relative and stay in the volume",
        ),
        (json!({"persistentVolumeClaim": {"claimName": "x"}}), "persistentvolumeclaim \"x\" not found"),
        (
            json!({"hostPath": {"path": "/etc/passwd", "type": "Directory"}}),
            "hostPath type check failed: /etc/passwd is not a directory",
        ),
        (json!({"nfs": {"server": "x"}}), "volumes of the kind nfs are not supported by Coracle"),
    ] {
        let mut volume = volume;
        volume["name"] = "v".into();
        let error = run(root.path(), &empty, json!([volume]), json!({})).unwrap_err();
        assert_eq!(error, format!("MountVolume.SetUp failed for volume \"v\" : {expected}"));
    }
    let optional = json!([{"name": "v", "configMap": {"name": "x", "optional": true}}]);
    assert!(run(root.path(), &empty, optional, json!({})).is_ok());
}

#[test]
fn projections() {
    let root = tempfile::tempdir().unwrap();
    let objects = view(vec![
        object("secrets", "s", json!({"data": {"key": "c2VjcmV0"}})),
        object("serviceaccounts", "default", json!({})),
    ]);
    let volumes = json!([{"name": "all", "projected": {"sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"secret": {"name": "s", "items": [{"key": "key", "path": "deep/er/key", "mode": 0o400}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}},
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "memory", "resourceFieldRef": {"containerName": "c", "resource": "limits.memory", "divisor": "1Mi"}},
        ]}},
    ]}}]);
    let made = run(root.path(), &objects, volumes, json!({"fsGroup": 1234})).unwrap();
    let all = &made["all"];
    assert_eq!(read(all, "token"), "ns/default//web/u1");
    assert_eq!(read(all, "ca.crt"), "PEM");
    assert_eq!(read(all, "deep/er/key"), "secret");
    assert_eq!(read(all, "namespace"), "ns");
    assert_eq!(read(all, "labels"), "a=\"x\\\"y\"\napp=\"web\"");
    assert_eq!(read(all, "memory"), "64");
}

#[test]
fn empty_dirs_and_claims() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("storage/pvc-1");
    let mut objects = vec![object("persistentvolumeclaims", "data", json!({"spec": {"volumeName": "pv"}}))];
    let volumes = json!([{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    let unbound = run(root.path(), &view(objects.clone()), volumes.clone(), json!({})).unwrap_err();
    assert!(unbound.ends_with("persistentvolumeclaim \"data\" is not bound to a volume yet"), "{unbound}");
    objects.push((
        store::Key::new("persistentvolumes", "", "pv"),
        json!({"metadata": {"name": "pv"}, "spec": {"hostPath": {"path": path, "type": "DirectoryOrCreate"}}}),
    ));
    let made = run(root.path(), &view(objects), volumes, json!({})).unwrap();
    assert_eq!(made["data"].path, path);
    for volume in ["tmp", "data"] {
        assert_eq!(
            std::fs::metadata(&made[volume].path).unwrap().permissions().mode() & 0o777,
            0o777,
            "{volume}"
        );
    }
}

#[test]
fn references_are_found_wherever_they_stand() {
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "containers": [{"envFrom": [{"configMapRef": {"name": "a"}}],
            "env": [{"valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}}]}],
        "volumes": [{"secret": {"secretName": "c"}}, {"projected": {"sources": [{"secret": {"name": "d"}}]}},
            {"persistentVolumeClaim": {"claimName": "e"}}],
    }});
    let found = references(&pod);
    let expected = [
        ("configmaps", "a"),
        ("secrets", "b"),
        ("secrets", "c"),
        ("secrets", "d"),
        ("persistentvolumeclaims", "e"),
    ];
    for (resource, name) in expected {
        assert!(found.contains(&(resource, name.to_owned())), "{name}");
    }
    let _ = Fixture::default();
}
