//! What people do all day.

use crate::Kubectl;

#[tokio::test(flavor = "multi_thread")]
async fn discovery_and_health() {
    let Some(kubectl) = Kubectl::start().await else { return };
    assert!(kubectl.ok("version").await.contains("Server Version: v1."));
    assert_eq!(kubectl.ok("get --raw /readyz").await, "ok");
    let resources = kubectl.ok("api-resources -o wide").await;
    for wanted in
        ["deployments", "deploy", "apps/v1", "customresourcedefinitions", "selfsubjectaccessreviews"]
    {
        assert!(resources.contains(wanted), "{wanted} is missing in\n{resources}");
    }
    kubectl.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_end_with_the_server() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let mut watch = kubectl
        .command("get namespaces -w -o name")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("kubectl starts");
    let stdout = watch.stdout.take().expect("piped");
    let lines = tokio::task::spawn_blocking(move || {
        use std::io::BufRead;
        std::io::BufReader::new(stdout).lines().map_while(Result::ok).take(4).collect::<Vec<_>>()
    });
    let lines = lines.await.expect("joined");
    assert_eq!(
        lines,
        ["namespace/default", "namespace/kube-node-lease", "namespace/kube-public", "namespace/kube-system"]
    );
    kubectl.stop().await;
    watch.kill().expect("kill kubectl");
    watch.wait().expect("kubectl ends");
}

/// Typed clients send protobuf bodies.
#[tokio::test(flavor = "multi_thread")]
async fn create_commands_send_protobuf() {
    let Some(kubectl) = Kubectl::start().await else { return };
    for (line, said) in [
        ("create namespace n", "namespace/n created\n"),
        ("create configmap cm --from-literal=a=1 -n n", "configmap/cm created\n"),
        ("create secret generic s --from-literal=password=x -n n", "secret/s created\n"),
        (
            "create deployment web --image=nginx:1 --replicas=2 --port=80 -n n",
            "deployment.apps/web created\n",
        ),
        ("create service clusterip web --tcp=80:8080 -n n", "service/web created\n"),
        ("create job j --image=busybox -n n -- true", "job.batch/j created\n"),
        ("create serviceaccount sa -n n", "serviceaccount/sa created\n"),
        ("create ingress i --rule=example.com/*=web:80 -n n", "ingress.networking.k8s.io/i created\n"),
        ("run p --image=busybox -n n -- sleep 1", "pod/p created\n"),
        ("expose deployment web --name=other --port=81 -n n", "service/other exposed\n"),
    ] {
        assert_eq!(kubectl.ok(line).await, said, "{line}");
    }
    let json = |path: &'static str| format!("get -n n -o jsonpath='{{{path}}}'");
    let get = async |what: &str, path: &'static str| kubectl.ok(&format!("{} {what}", json(path))).await;
    assert_eq!(get("configmap cm", ".data.a").await, "1");
    assert_eq!(get("secret s", ".data.password").await, "eA==");
    assert_eq!(get("deployment web", ".spec.replicas").await, "2");
    assert_eq!(get("deployment web", ".spec.strategy.rollingUpdate.maxSurge").await, "25%");
    assert_eq!(get("deployment web", ".spec.template.spec.containers[0].ports[0].containerPort").await, "80");
    assert_eq!(get("service web", ".spec.ports[0].targetPort").await, "8080");
    assert_eq!(get("job j", ".spec.template.spec.containers[0].command[0]").await, "true");
    assert_eq!(get("pod p", ".spec.containers[0].args").await, r#"["sleep","1"]"#);
    assert!(kubectl.fails("create namespace n").await.contains("namespaces \"n\" already exists"));
    assert!(kubectl.ok("auth can-i create pods").await.contains("yes"));
    assert!(kubectl.ok("auth whoami").await.contains("system:masters"));
    kubectl.stop().await;
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: 'nginx:1', ports: [{containerPort: 80}], env: [{name: A, value: a}, {name: B, value: b}]}
      - {name: side, image: 'side:1'}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn apply_edit_scale_and_delete() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let file = kubectl.file("web.yaml", DEPLOYMENT);
    let apply = format!("apply -f {}", file.display());
    assert_eq!(kubectl.ok(&apply).await, "deployment.apps/web created\nservice/web created\n");
    assert_eq!(kubectl.ok(&apply).await, "deployment.apps/web unchanged\nservice/web unchanged\n");
    let changed = DEPLOYMENT.replace("nginx:1", "nginx:2").replace("{name: A, value: a}, ", "");
    kubectl.file("web.yaml", &changed);
    let diff = kubectl.run(&format!("diff -f {}", file.display())).await;
    assert_eq!(diff.status.code(), Some(1), "there is a difference");
    assert!(String::from_utf8_lossy(&diff.stdout).contains("nginx:2"));
    assert_eq!(kubectl.ok(&apply).await, "deployment.apps/web configured\nservice/web unchanged\n");
    let containers = "get deployment web -o jsonpath='{range .spec.template.spec.containers[*]}{.name}={.image} {.env[*].name};{end}'";
    assert_eq!(kubectl.ok(containers).await, "web=nginx:2 B;side=side:1 ;");

    assert_eq!(kubectl.ok("scale deployment web --replicas=3").await, "deployment.apps/web scaled\n");
    assert_eq!(
        kubectl.ok("get deployment web -o jsonpath='{.spec.replicas} {.metadata.generation}'").await,
        "3 3"
    );
    assert_eq!(
        kubectl.ok("set image deployment/web side=side:2").await,
        "deployment.apps/web image updated\n"
    );
    assert_eq!(kubectl.ok("rollout restart deployment web").await, "deployment.apps/web restarted\n");
    assert_eq!(kubectl.ok("label deployment web tier=front").await, "deployment.apps/web labeled\n");
    assert_eq!(kubectl.ok("annotate deployment web note=x").await, "deployment.apps/web annotated\n");
    assert_eq!(kubectl.ok("get deployments -l tier=front -o name").await, "deployment.apps/web\n");
    let patch = r#"patch deployment web --type=json -p '[{"op":"remove","path":"/metadata/labels/tier"}]'"#;
    assert_eq!(kubectl.ok(patch).await, "deployment.apps/web patched\n");
    let mut edit = kubectl.command("edit deployment web");
    let edit = tokio::task::spawn_blocking(move || {
        edit.env("KUBE_EDITOR", "sed -i s/nginx:2/nginx:3/").output().expect("kubectl runs")
    });
    let edit = edit.await.expect("joined");
    assert_eq!(String::from_utf8_lossy(&edit.stdout), "deployment.apps/web edited\n");
    assert!(kubectl.ok(containers).await.starts_with("web=nginx:3"));
    let described = kubectl.ok("describe deployment web").await;
    for wanted in ["Name:                   web", "nginx:3", "side:2", "25% max unavailable, 25% max surge"] {
        assert!(described.contains(wanted), "{wanted} is missing in\n{described}");
    }
    assert!(kubectl.ok("describe service web").await.contains("IP Families:              IPv4"));
    let wide = kubectl.ok("get deployment,service -o wide").await;
    assert!(wide.contains("CONTAINERS") && wide.contains("nginx:3,side:2"), "{wide}");
    let deleted = kubectl.ok(&format!("delete -f {}", file.display())).await;
    assert_eq!(deleted, "deployment.apps \"web\" deleted\nservice \"web\" deleted\n");
    assert!(kubectl.fails("get deployment web").await.contains("deployments.apps \"web\" not found"));
    kubectl.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_manifests_are_refused_in_upstreams_words() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let unknown = kubectl.file("unknown.yaml", &DEPLOYMENT.replace("replicas: 1", "replicaz: 1"));
    let said = kubectl.fails(&format!("apply -f {}", unknown.display())).await;
    assert!(said.contains("strict decoding error: unknown field \"spec.replicaz\""), "{said}");
    let wrong =
        kubectl.file("wrong.yaml", &DEPLOYMENT.replace("matchLabels: {app: web}", "matchLabels: {app: x}"));
    let said = kubectl.fails(&format!("apply -f {}", wrong.display())).await;
    assert!(said.contains("`selector` does not match template `labels`"), "{said}");
    let typed = kubectl.file("typed.yaml", &DEPLOYMENT.replace("replicas: 1", "replicas: many"));
    let said = kubectl.fails(&format!("apply -f {}", typed.display())).await;
    assert!(said.contains("cannot be handled as a Deployment"), "{said}");
    kubectl.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_side_apply_and_explain() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let file = kubectl.file("web.yaml", DEPLOYMENT);
    let apply = format!("apply --server-side -f {}", file.display());
    assert_eq!(
        kubectl.ok(&apply).await,
        "deployment.apps/web serverside-applied\nservice/web serverside-applied\n"
    );
    kubectl.ok("scale deployment web --replicas=4").await;
    let said = kubectl.fails(&apply).await;
    assert!(said.contains("conflict with \"kubectl\"") && said.contains(".spec.replicas"), "{said}");
    kubectl.ok(&format!("{apply} --force-conflicts")).await;
    assert_eq!(kubectl.ok("get deployment web -o jsonpath='{.spec.replicas}'").await, "1");
    assert!(kubectl.ok("explain deployment.spec.replicas").await.contains("FIELD: replicas <integer>"));
    assert!(kubectl.ok("explain pod.spec.containers").await.contains("imagePullPolicy"));
    kubectl.stop().await;
}

const WIDGETS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn custom_resources() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.ok_with("apply -f -", WIDGETS).await;
    kubectl.ok("wait --for=condition=Established crd/widgets.example.com --timeout=10s").await;
    let widget =
        r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"size":3}}"#;
    assert_eq!(kubectl.ok_with("apply -f -", widget).await, "widget.example.com/w created\n");
    let table = kubectl.ok("get wd").await;
    assert_eq!(table.split_whitespace().collect::<Vec<_>>()[..4], ["NAME", "SIZE", "w", "3"]);
    kubectl.ok(r#"patch widget w --type=merge -p '{"spec":{"size":4}}'"#).await;
    assert_eq!(kubectl.ok("get widget w -o jsonpath='{.spec.size} {.metadata.generation}'").await, "4 2");
    let wrong = kubectl.file("w.json", &widget.replace('3', r#""big""#));
    let said = kubectl.fails(&format!("apply --validate=false -f {}", wrong.display())).await;
    assert!(said.contains("spec.size in body must be of type integer"), "{said}");
    assert!(kubectl.ok("explain widget.spec.size").await.contains("FIELD: size <integer>"));
    kubectl.ok("delete crd widgets.example.com").await;
    // kubectl remembers discovery for a while, so it still asks for them
    assert!(kubectl.fails("get widgets").await.contains("could not find the requested resource"));
    kubectl.stop().await;
}
