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
