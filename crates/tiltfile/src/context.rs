//! Which Kubernetes context is meant, and whether it is a development cluster.

use crate::KubeContext;
use serde_json::Value;

/// The context of a kubeconfig's text: the named one, else the current one. `None`: there is no such context.
pub fn kube_context(kubeconfig: &str, context: Option<&str>) -> Option<KubeContext> {
    let document = yaml::parse_documents(kubeconfig).ok()?.into_iter().next()?;
    let text = |v: &Value, field: &str| v.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = match context {
        Some(name) => name.to_owned(),
        None => text(&document, "current-context"),
    };
    let entry = |list: &str, name: &str| {
        document.get(list)?.as_array()?.iter().find(|e| text(e, "name") == name).cloned()
    };
    let context = entry("contexts", &name)?.get("context").cloned().unwrap_or_default();
    let cluster = text(&context, "cluster");
    let server = entry("clusters", &cluster).map(|c| c["cluster"].clone()).unwrap_or_default();
    let namespace = match text(&context, "namespace") {
        namespace if namespace.is_empty() => "default".to_owned(),
        namespace => namespace,
    };
    let authority = text(&server, "certificate-authority");
    let is_local = is_development_cluster(&cluster) || authority.contains("/.minikube/");
    Some(KubeContext { name, namespace, is_local })
}

/// Products that run on the developer's machine, by the name that they give a cluster.
fn is_development_cluster(cluster: &str) -> bool {
    const PREFIXES: [&str; 11] = [
        "minikube",
        "docker-for-desktop-cluster",
        "docker-desktop",
        "kind-",
        "microk8s",
        "api-crc-testing",
        "krucible-",
        "k3d-",
        "rancher-desktop",
        "colima",
        "coracle",
    ];
    matches!(cluster, "kind" | "orbstack") || PREFIXES.iter().any(|p| cluster.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts() {
        let config = "current-context: a\ncontexts:\n\
            - {name: a, context: {cluster: gke_x, namespace: team}}\n\
            - {name: b, context: {cluster: k3d-dev}}\n\
            - {name: c, context: {cluster: mine}}\n\
            clusters:\n- {name: mine, cluster: {certificate-authority: /home/me/.minikube/ca.crt}}\n";
        for (context, want) in [
            (None, Some(("a", "team", false))),
            (Some("b"), Some(("b", "default", true))),
            (Some("c"), Some(("c", "default", true))),
            (Some("d"), None),
        ] {
            let got = kube_context(config, context);
            let got = got.as_ref().map(|c| (c.name.as_str(), c.namespace.as_str(), c.is_local));
            assert_eq!(got, want, "{context:?}");
        }
        assert_eq!(kube_context("", None), None);
        assert_eq!(kube_context(": : :", None), None);
    }
}
