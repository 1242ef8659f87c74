//! Container output, followed from each container's start and told by resource.

use crate::cluster::Cluster;
use crate::output::{LogSource, Output};
use devloop::{ContainerState, PodFact};
use futures::io::AsyncBufReadExt;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(crate) struct Logs {
    output: Arc<dyn Output>,
    /// Container ids whose log has been asked for.
    seen: Mutex<HashSet<String>>,
    stop: CancellationToken,
}

impl Logs {
    pub(crate) fn new(output: Arc<dyn Output>, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { output, seen: Mutex::default(), stop })
    }

    /// Follows every container that has started and is not followed yet.
    pub(crate) fn follow(self: &Arc<Self>, cluster: &Cluster, resource: &str, pods: &[PodFact]) {
        for pod in pods {
            let several = pod.containers.len() > 1;
            for container in &pod.containers {
                let started = !matches!(container.state, ContainerState::Waiting { .. });
                if !started || container.id.is_empty() || !self.seen.lock().insert(container.id.clone()) {
                    continue;
                }
                let api: Api<Pod> = Api::namespaced(cluster.client(), &pod.namespace);
                let (pod_name, name) = (pod.name.clone(), container.name.clone());
                let (resource, logs) = (resource.to_string(), self.clone());
                tokio::spawn(async move { logs.copy(api, &pod_name, &name, &resource, several).await });
            }
        }
    }

    async fn copy(&self, api: Api<Pod>, pod: &str, container: &str, resource: &str, several: bool) {
        let params =
            LogParams { container: Some(container.to_string()), follow: true, ..LogParams::default() };
        let stream = match api.log_stream(pod, &params).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(pod, container, error = crate::error::chain(&error), "no log");
                return;
            }
        };
        let mut lines = stream.lines().into_stream();
        loop {
            let line = tokio::select! {
                () = self.stop.cancelled() => return,
                line = lines.next() => line,
            };
            let Some(Ok(line)) = line else { return };
            let text = if several { format!("{container}: {line}\n") } else { format!("{line}\n") };
            self.output.log(resource, LogSource::Container, &text);
        }
    }
}
