use crate::escalation::{Refusal, Write};
use crate::*;
use serde_json::{Value, json};
use store::Fixture;

/// Roles and bindings: `NAMESPACE/NAME rules`, and `NAMESPACE/NAME ROLE subjects`; no namespace: of the cluster.
fn world() -> Fixture {
    let mut world = Fixture::default();
    for (resource, object) in bootstrap::objects() {
        world.put(resource, object);
    }
    let role = |namespace: &str, name: &str, rules: Value| json!({ "metadata": { "name": name, "namespace": namespace }, "rules": rules });
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]| json!({ "apiGroups": groups, "resources": resources, "verbs": verbs, "resourceNames": names });
    world.put(RESOURCES[2], role("a", "pods", json!([rule(&[""], &["pods"], &["get", "list"], &[])])));
    world.put(
        RESOURCES[2],
        role("a", "one", json!([rule(&[""], &["secrets"], &["get", "create"], &["mine"])])),
    );
    world.put(
        RESOURCES[0],
        role("", "logs", json!([rule(&["", "apps"], &["pods/log", "*/scale"], &["*"], &[])])),
    );
    world.put(RESOURCES[0], role("", "apps", json!([rule(&["apps", "batch"], &["*"], &["get"], &[])])));
    world.put(
        RESOURCES[0],
        role("", "paths", json!([{ "nonResourceURLs": ["/x/*", "/y"], "verbs": ["get", "put"] }])),
    );
    let bind = |world: &mut Fixture, namespace: &str, name: &str, role: (&str, &str), subjects: Value| {
        let resource = if namespace.is_empty() { RESOURCES[1] } else { RESOURCES[3] };
        world.put(
            resource,
            json!({
                "metadata": { "name": name, "namespace": namespace },
                "roleRef": { "kind": role.0, "name": role.1 }, "subjects": subjects,
            }),
        );
    };
    let user = |name: &str| json!({ "kind": "User", "name": name });
    let account = |name: &str| json!({ "kind": "ServiceAccount", "name": name });
    bind(&mut world, "a", "p", ("Role", "pods"), json!([user("eve"), account("default")]));
    bind(&mut world, "a", "o", ("Role", "one"), json!([user("eve")]));
    bind(&mut world, "a", "l", ("ClusterRole", "logs"), json!([{ "kind": "Group", "name": "devs" }]));
    bind(
        &mut world,
        "",
        "everywhere",
        ("ClusterRole", "apps"),
        json!([user("eve"), { "kind": "ServiceAccount", "name": "s", "namespace": "b" }]),
    );
    bind(&mut world, "", "paths", ("ClusterRole", "paths"), json!([user("eve")]));
    bind(&mut world, "a", "broken", ("Role", "gone"), json!([user("mallory")]));
    bind(&mut world, "", "broken", ("ClusterRole", "lost"), json!([user("mallory")]));
    world
}

fn somebody(name: &str) -> User {
    match name.split_once('/') {
        Some((namespace, account)) => User::service_account(namespace, account, ""),
        None if name == "anonymous" => User {
            name: "system:anonymous".into(),
            groups: vec!["system:unauthenticated".into()],
            ..User::default()
        },
        None => {
            let (name, group) = name.split_once('@').unwrap_or((name, ""));
            let groups =
                ["system:authenticated", group].into_iter().filter(|g| !g.is_empty()).map(str::to_string);
            User { name: name.into(), groups: groups.collect(), ..User::default() }
        }
    }
}

/// Who, then verb, namespace (`-`: none), group/resource or path, name; then whether it is allowed.
const CASES: &str = "
eve get a core/pods x | yes
eve list a core/pods - | yes
eve watch a core/pods - | no
eve delete a core/pods x | no
eve get b core/pods x | no
eve list - core/pods - | no
eve get a core/pods/log x | no
eve get a policy/pods x | no
eve get a core/secrets mine | yes
eve get a core/secrets other | no
eve list a core/secrets - | no
eve create a core/secrets - | no
eve get a apps/deployments x | yes
eve get b apps/deployments x | yes
eve get - apps/deployments - | yes
eve get b batch/jobs x | yes
eve get b batch/jobs/status x | yes
eve update b batch/jobs x | no
eve get b autoscaling/horizontalpodautoscalers x | no
eve get - /x/1 - | yes
eve get - /x/ - | yes
eve get - /x - | no
eve put - /y - | yes
eve get - /y/z - | no
eve post - /y - | no
bob@devs get a core/pods/log x | yes
bob@devs delete a core/pods/log x | yes
bob@devs get a core/pods x | no
bob@devs patch a apps/deployments/scale x | yes
bob@devs patch a apps/deployments x | no
bob@devs patch b apps/deployments/scale x | no
bob@devs get - apps/deployments/scale x | no
a/default get a core/pods x | yes
a/default get b core/pods x | no
b/default get a core/pods x | no
b/s get a apps/deployments x | yes
a/s get a apps/deployments x | no
mallory get a core/pods x | no
root@system:masters delete - core/nodes x | yes
root@system:masters get - /anything - | yes
anonymous get - /livez - | yes
anonymous get - /version - | yes
anonymous get - /api - | no
anonymous get - /livez/ping - | no
anonymous list - core/pods - | no
bob get - /api - | yes
bob get - /apis/apps/v1 - | yes
bob get - /openapi/v3 - | yes
bob get - /metrics - | no
bob post - /api - | no
bob create - authorization.k8s.io/selfsubjectaccessreviews - | yes
bob create - authorization.k8s.io/subjectaccessreviews - | no
bob create - authentication.k8s.io/selfsubjectreviews - | yes
bob create - authentication.k8s.io/tokenreviews - | no
a/default get - /openid/v1/jwks - | yes
bob get - /openid/v1/jwks - | no
system:kube-scheduler create x core/pods/binding p | yes
system:kube-scheduler update x coordination.k8s.io/leases kube-scheduler | yes
system:kube-scheduler update x coordination.k8s.io/leases other | no
system:kube-controller-manager list - example.com/widgets - | yes
system:kube-controller-manager get - example.com/widgets x | no
kube-system/kube-dns watch - core/services - | yes
";

#[test]
fn decisions() {
    let world = world();
    let rules = Rules::read(&world);
    let mut count = 0;
    for line in CASES.lines().filter(|line| !line.is_empty()) {
        let (question, want) = line.split_once(" | ").expect("an answer");
        let [who, verb, namespace, what, name] = question.split(' ').collect::<Vec<_>>()[..] else {
            panic!("five words: {question}")
        };
        let none = |word: &'static str| if word == "-" { "" } else { word };
        let (group, resource, path) = match what.strip_prefix('/') {
            Some(_) => ("", "", what),
            None => {
                let (group, resource) = what.split_once('/').expect("a group");
                (if group == "core" { "" } else { group }, resource, "")
            }
        };
        let asked = Attributes { verb, namespace: none(namespace), group, resource, name: none(name), path };
        let decision = rules.decide(&somebody(who), &asked);
        assert_eq!(decision.is_allowed(), want == "yes", "{question}: {decision:?}");
        count += 1;
    }
    assert!(count >= 60, "{count}");
}

#[test]
fn reasons() {
    let world = world();
    let rules = Rules::read(&world);
    let ask = |who: &str, verb: &str, namespace: &str, resource: &str| {
        let asked = Attributes {
            verb,
            namespace,
            group: if resource == "pods" { "" } else { "apps" },
            resource,
            name: "x",
            path: "",
        };
        rules.decide(&somebody(who), &asked).reason().to_string()
    };
    assert_eq!(
        ask("eve", "get", "a", "pods"),
        r#"RBAC: allowed by RoleBinding "p/a" of Role "pods" to User "eve""#
    );
    assert_eq!(
        ask("a/default", "get", "a", "pods"),
        r#"RBAC: allowed by RoleBinding "p/a" of Role "pods" to ServiceAccount "default/a""#
    );
    assert_eq!(
        ask("b/s", "get", "a", "deployments"),
        r#"RBAC: allowed by ClusterRoleBinding "everywhere" of ClusterRole "apps" to ServiceAccount "s/b""#
    );
    assert_eq!(ask("eve", "delete", "a", "pods"), "");
    assert_eq!(
        ask("mallory", "get", "a", "pods"),
        r#"RBAC: [clusterrole.rbac.authorization.k8s.io "lost" not found, role.rbac.authorization.k8s.io "gone" not found]"#
    );
    assert_eq!(
        ask("mallory", "get", "b", "pods"),
        r#"RBAC: clusterrole.rbac.authorization.k8s.io "lost" not found"#
    );
}

#[test]
fn nobody_grants_more_than_they_have() {
    let world = world();
    let rules = Rules::read(&world);
    let grant = |who: &str, plural: &str, object: Value| {
        let write = Write { plural, namespace: "a", name: "", old: None, new: &object };
        escalation::check(&rules, &world, &somebody(who), &write)
    };
    let role = |verbs: &[&str], resources: &[&str]| json!({ "metadata": { "name": "r", "namespace": "a" }, "rules": [{ "apiGroups": [""], "resources": resources, "verbs": verbs }] });
    assert_eq!(grant("eve", "roles", role(&["get", "list"], &["pods"])), Ok(()));
    assert_eq!(
        grant("eve", "roles", role(&["get", "delete", "watch"], &["pods", "nodes"])),
        Err(Refusal::Forbidden("user \"eve\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
             {APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"delete\" \"watch\"]}\n\
             {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\" \"watch\"]}"
            .to_string()))
    );
    // A name of one's own does not give all names.
    assert!(grant("eve", "roles", role(&["get"], &["secrets"])).is_err());
    let mut named = role(&["get"], &["secrets"]);
    named["rules"][0]["resourceNames"] = json!(["mine"]);
    assert_eq!(grant("eve", "roles", named), Ok(()));
    assert!(grant("eve", "roles", role(&["*"], &["pods"])).is_err());
    assert_eq!(grant("root@system:masters", "roles", role(&["*"], &["*"])), Ok(()));

    let binding = |kind: &str, role: &str| json!({ "metadata": { "name": "b", "namespace": "a" }, "roleRef": { "kind": kind, "name": role } });
    assert_eq!(grant("eve", "rolebindings", binding("Role", "pods")), Ok(()));
    assert_eq!(grant("eve", "rolebindings", binding("ClusterRole", "apps")), Ok(()));
    assert!(grant("eve", "rolebindings", binding("ClusterRole", "cluster-admin")).is_err());
    assert_eq!(
        grant("eve", "rolebindings", binding("Role", "none")),
        Err(Refusal::NoRole("rbac.authorization.k8s.io/roles".to_string(), "none".to_string()))
    );
}

#[test]
fn every_binding_of_the_bootstrap_has_its_role() {
    let objects = bootstrap::objects();
    let place = |object: &Value, name: &Value| {
        let kind = if object["metadata"]["namespace"].is_string() { "Role" } else { "ClusterRole" };
        format!("{kind} {} {name}", object["metadata"]["namespace"])
    };
    let is_role = |resource: &str| resource == RESOURCES[0] || resource == RESOURCES[2];
    let roles: Vec<String> = objects
        .iter()
        .filter(|(resource, _)| is_role(resource))
        .map(|(_, role)| place(role, &role["metadata"]["name"]))
        .collect();
    assert!(roles.len() > 30);
    for (_, binding) in objects.iter().filter(|(resource, _)| !is_role(resource)) {
        assert!(roles.contains(&place(binding, &binding["roleRef"]["name"])), "{binding}");
        assert!(
            place(binding, &Value::Null).starts_with(binding["roleRef"]["kind"].as_str().expect("a kind"))
        );
    }
}
