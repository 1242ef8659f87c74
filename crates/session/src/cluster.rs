//! The cluster that a session works on: one client, made once from the text of a kubeconfig.
//!
//! The kubeconfig file is never read again, so that a `kubectl config use-context` elsewhere cannot turn this
//! session's writes to another cluster.

use crate::error::SessionError;
use crate::kubeconfig;
use futures::TryStreamExt;
use futures::io::AsyncBufReadExt;
use kube::api::{ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, Scope};
use kube::{Api, Client, Config};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What an embedded cluster says of itself under `/coracle/v1/status`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Embedded {
    pub name: String,
    pub registry: Option<String>,
    /// Host port, cluster port.
    pub ports: Vec<(u16, u16)>,
}

#[derive(Clone)]
pub struct Cluster {
    client: Client,
    context: String,
    /// Of this context alone.
    kubeconfig: Arc<str>,
    default_namespace: String,
    is_local: bool,
    embedded: Option<Embedded>,
    kinds: Arc<Mutex<HashMap<GroupVersionKind, (ApiResource, ApiCapabilities)>>>,
}

impl Cluster {
    /// Connects to the context of a kubeconfig's text; the current one if `context` is `None`. Relative paths in it
    /// start at `base`.
    pub async fn connect(
        kubeconfig: &str,
        context: Option<&str>,
        base: Option<&Path>,
    ) -> Result<Self, SessionError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| SessionError::Connect {
            context: context.unwrap_or("(current)").to_string(),
            source,
        };
        let mut parsed = Kubeconfig::from_yaml(kubeconfig).map_err(|e| failed(Box::new(e)))?;
        if let Some(base) = base {
            kubeconfig::make_absolute(&mut parsed, base);
        }
        let context = context.map(String::from).or(parsed.current_context.clone()).unwrap_or_default();
        let alone = kubeconfig::alone(&parsed, &context).map_err(|e| failed(Box::new(e)))?;
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let config =
            Config::from_custom_kubeconfig(parsed, &options).await.map_err(|e| failed(Box::new(e)))?;
        let default_namespace = config.default_namespace.clone();
        let is_local = is_local_server(&config.cluster_url.to_string(), &context);
        let client = Client::try_from(config).map_err(|e| failed(Box::new(e)))?;
        let mut cluster = Self {
            client,
            context,
            kubeconfig: alone.into(),
            default_namespace,
            is_local,
            embedded: None,
            kinds: Arc::default(),
        };
        cluster.embedded = cluster.ask_embedded().await;
        Ok(cluster)
    }

    /// A cluster that is not ours answers 404 here.
    async fn ask_embedded(&self) -> Option<Embedded> {
        let text = self.client.request_text(request("GET", "/coracle/v1/status", Vec::new())).await.ok()?;
        serde_json::from_str(&text).ok()
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub fn context(&self) -> &str {
        &self.context
    }

    /// The text of a kubeconfig that has this context alone, with its credentials.
    pub(crate) fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    pub fn default_namespace(&self) -> &str {
        &self.default_namespace
    }

    /// A development cluster on this machine: no permission is needed to deploy to it.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    pub fn embedded(&self) -> Option<&Embedded> {
        self.embedded.as_ref()
    }

    /// The namespace that an object goes to; empty for cluster-scoped kinds.
    pub fn namespace_of(&self, object: &Value) -> String {
        match object["metadata"]["namespace"].as_str() {
            Some(namespace) if !namespace.is_empty() => namespace.to_string(),
            _ => self.default_namespace.clone(),
        }
    }

    /// The API for an object of any kind, found by discovery and remembered.
    pub async fn api_for(&self, object: &Value) -> Result<Api<DynamicObject>, kube::Error> {
        let (resource, capabilities) = self.kind(&gvk(object)).await?;
        Ok(match capabilities.scope {
            Scope::Cluster => Api::all_with(self.client(), &resource),
            Scope::Namespaced => Api::namespaced_with(self.client(), &self.namespace_of(object), &resource),
        })
    }

    pub async fn kind(&self, gvk: &GroupVersionKind) -> Result<(ApiResource, ApiCapabilities), kube::Error> {
        if let Some(found) = self.kinds.lock().await.get(gvk) {
            return Ok(found.clone());
        }
        let found = kube::discovery::pinned_kind(&self.client, gvk).await?;
        self.kinds.lock().await.insert(gvk.clone(), found.clone());
        Ok(found)
    }

    /// A kind's name as the API spells it, in a group-version that the cluster serves.
    pub async fn kind_name(&self, group: &str, version: &str, kind: &str) -> Option<String> {
        let list = match group {
            "" => self.client.list_core_api_resources(version).await,
            _ => self.client.list_api_group_resources(&format!("{group}/{version}")).await,
        };
        let kinds = list.ok()?.resources.into_iter().map(|resource| resource.kind);
        kinds.into_iter().find(|found| found.eq_ignore_ascii_case(kind))
    }

    /// A JSON request to the embedded daemon; the answer's lines as they come.
    pub async fn lines(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<impl futures::Stream<Item = std::io::Result<String>> + use<>, kube::Error> {
        let body = body.to_string().into_bytes();
        let stream = self.client.request_stream(request("POST", path, body)).await?;
        Ok(stream.lines().map_err(std::io::Error::other))
    }

    pub async fn call(&self, method: &str, path: &str, body: Vec<u8>) -> Result<String, kube::Error> {
        self.client.request_text(request(method, path, body)).await
    }
}

fn request(method: &str, path: &str, body: Vec<u8>) -> http::Request<Vec<u8>> {
    http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(body)
        .expect("paths of ours are valid URIs")
}

pub(crate) fn gvk(object: &Value) -> GroupVersionKind {
    let api_version = object["apiVersion"].as_str().unwrap_or("v1");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap_or(""))
}

/// Tilt's rule for contexts that need no `allow_k8s_contexts`: known local products, or a loopback address.
fn is_local_server(server: &str, context: &str) -> bool {
    let names = [
        "docker-desktop",
        "docker-for-desktop",
        "minikube",
        "microk8s",
        "rancher-desktop",
        "orbstack",
        "colima",
    ];
    let prefixes = ["kind-", "k3d-", "colima-"];
    let authority = server.split("://").nth(1).unwrap_or(server).split('/').next().unwrap_or("");
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let loopback = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"].contains(&host);
    names.contains(&context) || prefixes.iter().any(|p| context.starts_with(p)) || loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_contexts() {
        let cases = [
            ("https://127.0.0.1:6443", "whatever", true),
            ("https://k8s.example.com", "prod", false),
            ("https://1.2.3.4", "kind-dev", true),
            ("https://1.2.3.4", "minikube", true),
            ("https://127.0.0.1.example.com", "x", false),
        ];
        for (server, context, want) in &cases {
            assert_eq!(is_local_server(server, context), *want, "{server} {context}");
        }
    }
}
