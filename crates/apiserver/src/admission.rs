//! Writes that webhooks are asked about, and what admission is told of a request.

use crate::resources::Call;
use api::{Api, DeleteOptions, Key, Object, Operation, Origin, PatchKind, Result, UserInfo, WriteOptions};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Where a write comes from.
pub(crate) fn origin(call: &Call) -> Origin {
    let user = &call.user;
    let user = UserInfo {
        username: user.name.clone(),
        uid: user.uid.clone(),
        groups: user.groups.clone(),
        extra: user.extra.clone(),
    };
    let mut origin = Origin::of(Arc::new(user));
    origin.api_version = call.output().api_version;
    for name in ["fieldManager", "fieldValidation"] {
        let given = call.query.text(name);
        if !given.is_empty() {
            origin.options.insert(name.into(), given.into());
        }
    }
    origin.warnings = call.warnings.clone();
    origin
}

/// The options of a deletion, those of its body or else those of its URL.
pub(crate) fn of_deletion(call: &Call, body: &Value) -> Origin {
    let mut origin = origin(call);
    origin.options = match body.as_object() {
        Some(given) if !given.is_empty() => given.clone(),
        _ => from_query(call),
    };
    for field in ["kind", "apiVersion", "dryRun"] {
        origin.options.shift_remove(field);
    }
    origin
}

fn from_query(call: &Call) -> Map<String, Value> {
    let mut options = Map::new();
    if let Ok(seconds) = call.query.text("gracePeriodSeconds").parse::<i64>() {
        options.insert("gracePeriodSeconds".into(), seconds.into());
    }
    let propagation = call.query.text("propagationPolicy");
    if !propagation.is_empty() {
        options.insert("propagationPolicy".into(), propagation.into());
    }
    options
}

fn from(options: &WriteOptions, origin: &Origin) -> WriteOptions {
    WriteOptions { origin: origin.clone(), ..options.clone() }
}

pub(crate) async fn create(call: &Call, object: Value, options: &WriteOptions) -> Result<Object> {
    let (api, resource) = (&call.inner.api, call.resource());
    if !api.has_webhooks() {
        return api.create(&resource, object, options);
    }
    let write = |origin: &Origin| api.create(&resource, object.clone(), &from(options, origin));
    api.admitted(&options.origin, write).await
}

/// `subresource` is empty or `status`.
pub(crate) async fn update(
    call: &Call,
    subresource: &str,
    object: Value,
    options: &WriteOptions,
) -> Result<Object> {
    let (api, resource) = (&call.inner.api, call.resource());
    let write = |object: Value, options: &WriteOptions| match subresource {
        "status" => api.update_status(&resource, object, options),
        _ => api.update(&resource, object, options),
    };
    if !api.has_webhooks() {
        return write(object, options);
    }
    api.admitted(&options.origin, |origin| write(object.clone(), &from(options, origin))).await
}

pub(crate) async fn patch(
    call: &Call,
    kind: PatchKind,
    subresource: &str,
    patch: &Value,
    options: &WriteOptions,
) -> Result<Object> {
    let (api, key) = (&call.inner.api, call.key());
    if !api.has_webhooks() {
        return api.patch(&key, kind, subresource, patch, options);
    }
    let write = |origin: &Origin| api.patch(&key, kind, subresource, patch, &from(options, origin));
    api.admitted(&options.origin, write).await
}

pub(crate) async fn delete(api: &Api, key: &Key, options: &DeleteOptions) -> Result<Object> {
    let write =
        |origin: &Origin| api.delete(key, &DeleteOptions { origin: origin.clone(), ..options.clone() });
    api.admitted(&options.origin, write).await
}

pub(crate) async fn evict(call: &Call, options: &DeleteOptions) -> Result<Object> {
    let (namespace, name) = (&call.target.namespace, &call.target.name);
    let write = |origin: &Origin| {
        let options = DeleteOptions { origin: origin.clone(), ..options.clone() };
        call.inner.api.evict(namespace, name, &options)
    };
    call.inner.api.admitted(&options.origin, write).await
}

/// Asks about a request that stores nothing: a connection, a token. Its object, as admission wants it.
pub(crate) async fn ask(call: &Call, operation: Operation, object: Value) -> Result<Value> {
    let api = &call.inner.api;
    let origin = origin(call);
    let (key, subresource) = (call.key(), call.target.subresource.as_str());
    api.admitted(&origin, |origin| api.ask(operation, &key, subresource, object.clone(), origin)).await
}

/// Asks about a connection with a pod, a Service or a node.
pub(crate) async fn connect(call: &Call) -> Result<()> {
    let query = &call.query;
    let mut options = Map::new();
    let kind = match (call.kind.plural.as_str(), call.target.subresource.as_str()) {
        ("pods", "exec") => "PodExecOptions",
        ("pods", "attach") => "PodAttachOptions",
        ("pods", "portforward") => "PodPortForwardOptions",
        ("pods", _) => "PodProxyOptions",
        ("services", _) => "ServiceProxyOptions",
        _ => "NodeProxyOptions",
    };
    options.insert("kind".into(), kind.into());
    options.insert("apiVersion".into(), "v1".into());
    match call.target.subresource.as_str() {
        "exec" | "attach" => {
            for name in ["stdin", "stdout", "stderr", "tty"].into_iter().filter(|name| query.flag(name)) {
                options.insert(name.into(), true.into());
            }
            if !query.text("container").is_empty() {
                options.insert("container".into(), query.text("container").into());
            }
            if kind == "PodExecOptions" && !query.all("command").is_empty() {
                options.insert("command".into(), query.all("command").into());
            }
        }
        "portforward" => {
            let ports = query.all("ports").into_iter().flat_map(|list| list.split(','));
            let ports: Vec<i64> = ports.filter_map(|port| port.parse().ok()).collect();
            if !ports.is_empty() {
                options.insert("ports".into(), ports.into());
            }
        }
        _ => {
            let rest = call.parts.uri.path().split_once("/proxy").map_or("", |(_, rest)| rest);
            if !rest.is_empty() {
                options.insert("path".into(), rest.into());
            }
        }
    }
    ask(call, Operation::Connect, options.into()).await.map(drop)
}
