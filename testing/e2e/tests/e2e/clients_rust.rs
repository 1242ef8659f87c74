//! kube-rs: lists, watches, applies, controls and enters pods as programs in Rust do.

use anyhow::{Context, ensure};
use e2e::World;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{
    ApiResource, AttachParams, DeleteParams, DynamicObject, GroupVersionKind, ListParams, LogParams, Patch,
    PatchParams, PostParams, VersionMatch, WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::{Discovery, Scope};
use kube::runtime::controller::Action;
use kube::runtime::watcher::Event;
use kube::runtime::{Controller, WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const NAMESPACE: &str = "rust";
const LIMIT: Duration = Duration::from_secs(20);

pub fn run(world: &World) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(world.kubeconfig())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces
            .create(&PostParams::default(), &object(json!({ "metadata": { "name": NAMESPACE } }))?)
            .await?;
        discovers(client.clone()).await.context("discovery")?;
        objects(client.clone()).await.context("objects")?;
        expires(client.clone()).await.context("a version that is gone")?;
        for streaming in [false, true] {
            watches(client.clone(), streaming)
                .await
                .with_context(|| format!("watches, streaming: {streaming}"))?;
        }
        stores(client.clone()).await.context("a reflector")?;
        controls(client.clone()).await.context("a controller")?;
        streams(client.clone()).await.context("streams")?;
        custom(client.clone()).await.context("a custom resource")?;
        namespaces.delete(NAMESPACE, &DeleteParams::default()).await?;
        Ok(())
    })
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> anyhow::Result<T> {
    Ok(serde_json::from_value(value)?)
}

fn config_map(name: &str) -> anyhow::Result<ConfigMap> {
    object(json!({ "metadata": { "name": name, "labels": { "set": "rust" } }, "data": { "a": "1" } }))
}

async fn objects(client: Client) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    api.create(&PostParams::default(), &config_map("one")?).await?;
    let again = api.create(&PostParams::default(), &config_map("one")?).await;
    ensure!(matches!(&again, Err(kube::Error::Api(status)) if status.is_already_exists()), "{again:?}");
    let applied = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "b": "2" } });
    let first = PatchParams::apply("first");
    api.patch("one", &first, &Patch::Apply(&applied)).await?;
    let other = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "b": "3" } });
    let second = PatchParams::apply("second");
    match api.patch("one", &second, &Patch::Apply(&other)).await {
        Err(kube::Error::Api(status)) if status.is_conflict() => {
            let message = "Apply failed with 1 conflict: conflict with \"first\": .data.b";
            ensure!(status.message == message, "{}", status.message);
        }
        other => anyhow::bail!("no conflict: {other:?}"),
    }
    let forced = api.patch("one", &second.force(), &Patch::Apply(&other)).await?;
    ensure!(forced.data.unwrap_or_default()["b"] == "3");
    for number in 0..5 {
        api.create(&PostParams::default(), &config_map(&format!("page-{number}"))?).await?;
    }
    let mut names = Vec::new();
    let mut params = ListParams::default().labels("set=rust").limit(2);
    loop {
        let page = api.list(&params).await?;
        names.extend(page.iter().map(ResourceExt::name_any));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => break,
        }
    }
    ensure!(names == ["one", "page-0", "page-1", "page-2", "page-3", "page-4"], "{names:?}");
    let metadata = api.list_metadata(&ListParams::default().labels("set=rust")).await?;
    ensure!(metadata.items.len() == 6, "{} metadata", metadata.items.len());
    api.delete_collection(&DeleteParams::default(), &ListParams::default().labels("set=rust")).await?;
    Ok(())
}

/// Both forms of discovery tell of the same.
async fn discovers(client: Client) -> anyhow::Result<()> {
    let mut told = Vec::new();
    for aggregated in [true, false] {
        let discovery = Discovery::new(client.clone());
        let found = if aggregated { discovery.run_aggregated().await? } else { discovery.run().await? };
        let kind = GroupVersionKind::gvk("apps", "v1", "Deployment");
        let (resource, capabilities) = found.resolve_gvk(&kind).context("there are Deployments")?;
        ensure!(capabilities.scope == Scope::Namespaced && capabilities.supports_operation("patch"));
        let mut subresources: Vec<String> =
            capabilities.subresources.iter().map(|(sub, _)| sub.plural.clone()).collect();
        subresources.sort();
        let mut groups: Vec<String> = found.groups().map(|group| group.name().to_string()).collect();
        groups.sort();
        told.push((resource.plural, subresources, groups));
    }
    ensure!(told[0] == told[1], "{told:?}");
    Ok(())
}

/// The server's history began with its last start.
async fn expires(client: Client) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let mut events = std::pin::pin!(api.watch(&WatchParams::default(), "1").await?);
    match timeout(LIMIT, events.try_next()).await?? {
        Some(WatchEvent::Error(status)) => {
            ensure!(status.code == 410 && status.reason == "Expired", "{status:?}")
        }
        other => anyhow::bail!("a watch from version 1: {other:?}"),
    }
    let exact = ListParams::default().at("1").matching(VersionMatch::Exact);
    match api.list(&exact).await {
        Err(kube::Error::Api(status)) => {
            ensure!(status.code == 410 && status.reason == "Expired", "{status:?}")
        }
        other => anyhow::bail!("a list of version 1: {:?}", other.map(|list| list.items.len())),
    }
    let metadata = api.list_metadata(&ListParams::default().match_any()).await?;
    ensure!(metadata.items.iter().any(|object| object.name_any() == "kube-root-ca.crt"));
    Ok(())
}

/// The watcher's events: those that were there, that all are told, and what comes.
async fn watches(client: Client, streaming: bool) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    api.create(&PostParams::default(), &config_map("before")?).await?;
    let mut config = watcher::Config::default().labels("set=rust");
    if streaming {
        config = config.streaming_lists();
    }
    let mut events = std::pin::pin!(watcher(api.clone(), config));
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "deleted after") {
        let event = timeout(LIMIT, events.try_next()).await.with_context(|| format!("after {seen:?}"))??;
        seen.push(match event.context("the stream ended")? {
            Event::Init => "init".to_string(),
            Event::InitApply(object) => format!("was {}", object.name_any()),
            Event::InitDone => {
                api.create(&PostParams::default(), &config_map("after")?).await?;
                api.delete("after", &DeleteParams::default()).await?;
                "told".to_string()
            }
            Event::Apply(object) => format!("applied {}", object.name_any()),
            Event::Delete(object) => format!("deleted {}", object.name_any()),
        });
    }
    ensure!(seen == ["init", "was before", "told", "applied after", "deleted after"], "{seen:?}");
    api.delete("before", &DeleteParams::default()).await?;
    Ok(())
}

async fn stores(client: Client) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let (reader, writer) = reflector::store();
    let stream = reflector(writer, watcher(api.clone(), watcher::Config::default().labels("set=rust")));
    let driver = tokio::spawn(stream.touched_objects().for_each(|_| async {}));
    timeout(LIMIT, reader.wait_until_ready()).await??;
    ensure!(reader.state().is_empty());
    api.create(&PostParams::default(), &config_map("stored")?).await?;
    let stored = || reader.state().iter().any(|object| object.name_any() == "stored");
    for _ in 0..400 {
        if stored() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(stored(), "the store does not follow");
    driver.abort();
    api.delete("stored", &DeleteParams::default()).await?;
    Ok(())
}

/// A controller that writes to each object what it is called.
async fn controls(client: Client) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let reconcile = |object: Arc<ConfigMap>, api: Arc<Api<ConfigMap>>| async move {
        let name = object.name_any();
        let change = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "name": name } });
        api.patch(&name, &PatchParams::apply("controller").force(), &Patch::Apply(&change)).await?;
        Ok::<_, kube::Error>(Action::await_change())
    };
    let policy =
        |_: Arc<ConfigMap>, _: &kube::Error, _: Arc<Api<ConfigMap>>| Action::requeue(Duration::from_secs(1));
    let controller = Controller::new(api.clone(), watcher::Config::default().labels("set=rust"));
    let driver =
        tokio::spawn(controller.run(reconcile, policy, Arc::new(api.clone())).for_each(|_| async {}));
    api.create(&PostParams::default(), &config_map("steered")?).await?;
    let steered = async {
        loop {
            let object = api.get("steered").await?;
            if object.data.unwrap_or_default().get("name").is_some_and(|name| name == "steered") {
                return Ok::<_, kube::Error>(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, steered).await.context("nothing is reconciled")??;
    driver.abort();
    api.delete("steered", &DeleteParams::default()).await?;
    Ok(())
}

async fn streams(client: Client) -> anyhow::Result<()> {
    let api: Api<Pod> = Api::namespaced(client, NAMESPACE);
    let script = "mkdir /www; echo page > /www/index.html; echo started; exec httpd -f -p 8080 -h /www";
    let pod = object(json!({
        "metadata": { "name": "web" },
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [{
            "name": "web", "image": "busybox:1.36", "command": ["sh", "-c", script],
            "readinessProbe": { "tcpSocket": { "port": 8080 }, "periodSeconds": 1 },
        }] },
    }))?;
    api.create(&PostParams::default(), &pod).await?;
    let ready = kube::runtime::wait::await_condition(api.clone(), "web", |pod: Option<&Pod>| {
        let conditions = pod.and_then(|pod| pod.status.as_ref()?.conditions.as_ref());
        conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
    });
    timeout(LIMIT, ready).await.context("the pod is not ready")??;
    ensure!(api.logs("web", &LogParams::default()).await? == "started\n");

    let params = AttachParams::default().stdin(true).stderr(false);
    let mut exec = api.exec("web", ["cat"], &params).await?;
    let status = exec.take_status().context("a status")?;
    let (mut stdin, mut stdout) = (exec.stdin().context("stdin")?, exec.stdout().context("stdout")?);
    stdin.write_all(b"typed").await?;
    stdin.shutdown().await?;
    drop(stdin);
    let mut text = String::new();
    timeout(LIMIT, stdout.read_to_string(&mut text)).await.context("the input's end is not told")??;
    let status = timeout(LIMIT, status).await?.context("it ends with a status")?;
    ensure!(text == "typed" && status.status.as_deref() == Some("Success"), "{text:?} {status:?}");

    let mut exec = api.exec("web", ["sh", "-c", "exit 4"], &AttachParams::default().stderr(false)).await?;
    let status = exec.take_status().context("a status")?;
    let status = timeout(LIMIT, status).await?.context("it ends with a status")?;
    let code = status.details.and_then(|details| details.causes).unwrap_or_default();
    ensure!(code.iter().any(|cause| cause.message.as_deref() == Some("4")), "{code:?}");

    let mut forward = api.portforward("web", &[8080]).await?;
    let mut stream = forward.take_stream(8080).context("a stream")?;
    stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").await?;
    let mut page = String::new();
    timeout(LIMIT, stream.read_to_string(&mut page)).await??;
    ensure!(page.ends_with("page\n"), "{page:?}");
    api.delete("web", &DeleteParams::default()).await?;
    Ok(())
}

async fn custom(client: Client) -> anyhow::Result<()> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definitions: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "spec": {
            "group": "rust.example", "scope": "Namespaced",
            "names": { "plural": "crabs", "singular": "crab", "kind": "Crab" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                    "spec": { "type": "object", "properties": { "legs": { "type": "integer", "maximum": 10 } } },
                } } },
            }],
        },
    });
    let name = "crabs.rust.example";
    definitions.patch(name, &PatchParams::apply("rust"), &Patch::Apply(&definition)).await?;
    let established = |object: Option<&DynamicObject>| {
        let conditions = object.and_then(|object| object.data["status"]["conditions"].as_array().cloned());
        conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Established" && c["status"] == "True"))
    };
    let waiting = kube::runtime::wait::await_condition(definitions.clone(), name, established);
    timeout(LIMIT, waiting).await.context("not established")??;
    let crab = ApiResource::from_gvk(&GroupVersionKind::gvk("rust.example", "v1", "Crab"));
    let crabs: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &crab);
    let body =
        |legs: i64| json!({ "apiVersion": "rust.example/v1", "kind": "Crab", "spec": { "legs": legs } });
    let made = crabs.patch("one", &PatchParams::apply("rust"), &Patch::Apply(body(8))).await?;
    ensure!(made.data["spec"]["legs"] == 8);
    match crabs.patch("one", &PatchParams::apply("rust"), &Patch::Apply(body(12))).await {
        Err(kube::Error::Api(status)) => ensure!(status.is_invalid(), "{status:?}"),
        other => anyhow::bail!("twelve legs: {other:?}"),
    }
    definitions.delete(name, &DeleteParams::default()).await?;
    Ok(())
}
