//! Webhooks that are really called: HTTPS to a URL, or to a pod behind a Service.

use api::{Api, ApiConfig, ApiError, ByteStream, ExecRequest, ExecStreams, LogRequest, NodeStreams};
use apiserver::{Options, Server};
use async_trait::async_trait;
use axum::body::Body;
use base64::Engine as _;
use expect_test::expect;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// A webhook on this machine, and the certificate that it shows.
struct Webhook {
    port: u16,
    bundle: String,
}

/// v1 says `size`, v2 says `replicas`.
fn convert(review: &Value) -> Value {
    let request = &review["request"];
    let wanted = request["desiredAPIVersion"].as_str().expect("a version");
    let (old, new) = if wanted.ends_with("/v2") { ("size", "replicas") } else { ("replicas", "size") };
    let mut objects = request["objects"].clone();
    for object in objects.as_array_mut().expect("objects") {
        object["apiVersion"] = wanted.into();
        object["spec"] = json!({ new: object["spec"][old] });
    }
    let fails = objects[0]["spec"][new] == 13;
    let result = if fails {
        json!({ "status": "Failure", "message": "no thirteen" })
    } else {
        json!({ "status": "Success" })
    };
    json!({ "apiVersion": review["apiVersion"], "kind": "ConversionReview",
        "response": { "uid": request["uid"], "result": result, "convertedObjects": objects } })
}

/// Denies what is called `bad`, warns, and puts its mark on everything that it may change.
fn answer(path: &str, review: &Value) -> Value {
    if path.starts_with("/convert") {
        return convert(review);
    }
    let request = &review["request"];
    let mut response =
        json!({ "uid": request["uid"], "allowed": request["name"] != "bad", "warnings": ["looked at"] });
    if request["name"] == "bad" {
        response["status"] = json!({ "message": "bad is not good", "code": 403, "reason": "Forbidden" });
    }
    if path.starts_with("/mutate") {
        let patch = json!([{ "op": "add", "path": "/metadata/annotations", "value": { "asked": path } }]);
        response["patchType"] = "JSONPatch".into();
        response["patch"] = base64::engine::general_purpose::STANDARD.encode(patch.to_string()).into();
    }
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
}

async fn webhook(names: &[&str], is_authority: bool) -> Webhook {
    let names = names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
    let mut params = rcgen::CertificateParams::new(names).expect("names");
    if is_authority {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let bundle = base64::engine::general_purpose::STANDARD.encode(certificate.pem());
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("TLS");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let path = request.uri().to_string();
                assert_eq!(request.headers()["content-type"], "application/json");
                let body = request.into_body().collect().await?.to_bytes();
                let review: Value = serde_json::from_slice(&body).expect("JSON");
                let answer = answer(&path, &review).to_string();
                Ok::<_, hyper::Error>(Response::new(http_body_util::Full::new(bytes::Bytes::from(answer))))
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    Webhook { port, bundle }
}

/// A node on which every port of every pod is a port of this machine.
struct Node;

#[async_trait]
impl NodeStreams for Node {
    async fn exec(&self, _: ExecRequest) -> api::Result<ExecStreams> {
        Err(ApiError::unavailable("no containers"))
    }

    async fn attach(&self, _: ExecRequest) -> api::Result<ExecStreams> {
        Err(ApiError::unavailable("no containers"))
    }

    async fn logs(&self, _: LogRequest) -> api::Result<tokio::sync::mpsc::Receiver<bytes::Bytes>> {
        Err(ApiError::unavailable("no containers"))
    }

    async fn port_forward(&self, _: &str, pod: &str, port: u16) -> api::Result<Box<dyn ByteStream>> {
        assert_eq!(pod, "hook-0");
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        Ok(Box::new(stream.map_err(|error| ApiError::unavailable(error.to_string()))?))
    }
}

struct World {
    api: Api,
    router: axum::Router,
    _dir: tempfile::TempDir,
}

fn world() -> World {
    let dir = tempfile::tempdir().expect("tempdir");
    let config = ApiConfig {
        dir: dir.path().into(),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    let api = Api::open(config).expect("open");
    let server = Server::new(api.clone(), Options::default());
    server.set_node(Arc::new(Node));
    World { api, router: server.router(), _dir: dir }
}

impl World {
    async fn send(&self, line: &str, body: &Value) -> (u16, Vec<String>, Value) {
        let (method, path) = line.split_once(' ').expect("a method");
        let request = Request::builder().method(method).uri(path).header("Content-Type", "application/json");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let answer =
            self.router.clone().oneshot(request.body(body).expect("a request")).await.expect("infallible");
        let code = answer.status().as_u16();
        let warnings = answer.headers().get_all("warning").iter();
        let warnings = warnings.filter_map(|value| value.to_str().ok()).map(str::to_string).collect();
        let bytes = answer.into_body().collect().await.expect("infallible").to_bytes();
        (code, warnings, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Makes a configuration of one webhook; `mutating` or `validating`.
    async fn configure(&self, which: &str, client: &Value) {
        let kind = if which == "mutating" {
            "MutatingWebhookConfiguration"
        } else {
            "ValidatingWebhookConfiguration"
        };
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": which },
            "webhooks": [{
                "name": format!("{which}.example.com"), "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": client,
                "rules": [{ "operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"],
                    "resources": ["configmaps", "pods/exec", "serviceaccounts/token"] }],
            }],
        });
        let path = format!("POST /apis/admissionregistration.k8s.io/v1/{}s", kind.to_lowercase());
        let (code, _, answer) = self.send(&path, &object).await;
        assert_eq!(code, 201, "{answer}");
    }

    async fn make(&self, name: &str) -> (u16, Vec<String>, Value) {
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
        self.send("POST /api/v1/namespaces/default/configmaps", &object).await
    }
}

#[tokio::test]
async fn a_url_is_asked() {
    let (world, hook) = (world(), webhook(&["localhost"], false).await);
    let url = |path: &str| json!({ "url": format!("https://localhost:{}{path}", hook.port), "caBundle": hook.bundle });
    world.configure("mutating", &url("/mutate")).await;
    world.configure("validating", &url("/validate")).await;
    let (code, warnings, made) = world.make("good").await;
    assert_eq!(code, 201, "{made}");
    expect![[r#"{"asked":"/mutate?timeout=10s"}"#]].assert_eq(&made["metadata"]["annotations"].to_string());
    expect![[r#"["299 - \"looked at\""]"#]].assert_eq(&format!("{warnings:?}"));
    let (code, warnings, refused) = world.make("bad").await;
    assert_eq!((code, warnings.len()), (403, 1));
    expect![[r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"admission webhook \"mutating.example.com\" denied the request: bad is not good","reason":"Forbidden","code":403}"#]].assert_eq(&refused.to_string());
    let (code, _, refused) =
        world.send("DELETE /api/v1/namespaces/default/configmaps/good", &Value::Null).await;
    // A deletion has nothing to change.
    assert_eq!(code, 500, "{refused}");
}

#[tokio::test]
async fn a_service_is_reached_through_the_node() {
    let (world, hook) = (world(), webhook(&["hook.default.svc"], true).await);
    let service = json!({ "service": { "namespace": "default", "name": "hook", "path": "/mutate", "port": 8443 },
        "caBundle": hook.bundle });
    world.configure("mutating", &service).await;
    let told = async || world.make("x").await.2["message"].as_str().unwrap_or("made").to_string();
    let mut lines = vec![told().await];
    let object = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "hook" },
        "spec": { "ports": [{ "name": "https", "port": 8443, "targetPort": hook.port }] } });
    world.send("POST /api/v1/namespaces/default/services", &object).await;
    lines.push(told().await);
    let slice = json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "name": "hook-1", "labels": { "kubernetes.io/service-name": "hook" } },
        "ports": [{ "name": "https", "port": hook.port }],
        "endpoints": [{ "addresses": ["10.42.0.9"], "conditions": { "ready": true },
            "targetRef": { "kind": "Pod", "name": "hook-0", "namespace": "default" } }] });
    let (code, _, answer) =
        world.send("POST /apis/discovery.k8s.io/v1/namespaces/default/endpointslices", &slice).await;
    assert_eq!(code, 201, "{answer}");
    lines.push(told().await);
    expect![[r#"
        Internal error occurred: failed calling webhook "mutating.example.com": failed to call webhook: Post "https://hook.default.svc:8443/mutate?timeout=10s": service "hook" not found
        Internal error occurred: failed calling webhook "mutating.example.com": failed to call webhook: Post "https://hook.default.svc:8443/mutate?timeout=10s": no endpoints available for service "hook"
        made"#]].assert_eq(&lines.join("\n"));
    assert!(world.api.get("configmaps", "default", "x").is_ok());
}

#[tokio::test]
async fn certificates_that_are_not_trusted() {
    let (right, other) = (webhook(&["localhost"], false).await, webhook(&["example.com"], false).await);
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let closed = plain.local_addr().expect("an address").port();
    drop(plain);
    let mut lines = Vec::new();
    for (port, bundle) in [
        (right.port, right.bundle.as_str()),
        (right.port, &other.bundle),
        (other.port, &other.bundle),
        (closed, &right.bundle),
        (right.port, "bm90aGluZw=="),
    ] {
        let world = world();
        let url = json!({ "url": format!("https://localhost:{port}/validate"), "caBundle": bundle });
        world.configure("validating", &url).await;
        let message = world.make("x").await.2["message"].as_str().unwrap_or("made").to_string();
        lines.push(message.replace(&port.to_string(), "PORT"));
    }
    expect![[r#"
        made
        Internal error occurred: failed calling webhook "validating.example.com": failed to call webhook: Post "https://localhost:PORT/validate?timeout=10s": tls: failed to verify certificate: x509: certificate signed by unknown authority
        Internal error occurred: failed calling webhook "validating.example.com": failed to call webhook: Post "https://localhost:PORT/validate?timeout=10s": tls: failed to verify certificate: x509: certificate is valid for example.com, not localhost
        Internal error occurred: failed calling webhook "validating.example.com": failed to call webhook: Post "https://localhost:PORT/validate?timeout=10s": dial tcp localhost:PORT: connect: connection refused
        Internal error occurred: failed calling webhook "validating.example.com": failed to call webhook: Post "https://localhost:PORT/validate?timeout=10s": unable to load root certificates: unable to parse bytes as PEM block"#]].assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn connections_and_tokens_are_asked_about() {
    let (world, hook) = (world(), webhook(&["localhost"], false).await);
    let url = json!({ "url": format!("https://localhost:{}/validate", hook.port), "caBundle": hook.bundle });
    world.configure("validating", &url).await;
    let (code, _, refused) =
        world.send("POST /api/v1/namespaces/default/pods/bad/exec?command=sh&stdout=1", &Value::Null).await;
    expect![[r#"403 "admission webhook \"validating.example.com\" denied the request: bad is not good""#]]
        .assert_eq(&format!("{code} {}", refused["message"]));
    let (code, _, _) =
        world.send("POST /api/v1/namespaces/default/pods/good/exec?command=sh&stdout=1", &Value::Null).await;
    assert_eq!(code, 404, "it was allowed, and there is no such pod");
}

#[tokio::test]
async fn custom_resources_are_shown_in_every_version() {
    let (world, hook) = (world(), webhook(&["localhost"], false).await);
    let client =
        json!({ "url": format!("https://localhost:{}/convert", hook.port), "caBundle": hook.bundle });
    let version = |name: &str, storage: bool, field: &str| {
        json!({ "name": name, "served": true, "storage": storage,
            "additionalPrinterColumns": [{ "name": field, "type": "integer", "jsonPath": format!(".spec.{field}") }],
            "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                "spec": { "type": "object", "properties": { field: { "type": "integer" } } } } } } })
    };
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.example.com" },
        "spec": { "group": "example.com", "scope": "Namespaced", "names": { "kind": "Widget", "plural": "widgets" },
            "conversion": { "strategy": "Webhook", "webhook":
                { "conversionReviewVersions": ["v1"], "clientConfig": client } },
            "versions": [version("v1", false, "size"), version("v2", true, "replicas")] },
    });
    let path = "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(world.send(path, &definition).await.0, 201);
    let widget = |name: &str, size: i64| json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": name }, "spec": { "size": size } });
    let of =
        |version: &str, rest: &str| format!("/apis/example.com/{version}/namespaces/default/widgets{rest}");
    let mut lines = Vec::new();
    let mut tell = |what: &str, (code, _, answer): (u16, Vec<String>, Value)| {
        let shown = |object: &Value| {
            format!("{} {}", object["apiVersion"].as_str().unwrap_or_default(), object["spec"])
        };
        let text = match answer["items"].as_array() {
            Some(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
            None if code >= 400 => answer["message"].as_str().unwrap_or_default().to_string(),
            None => shown(&answer),
        };
        lines.push(format!("{what}: {code} {text}"));
    };
    let post = format!("POST {}", of("v1", ""));
    tell("create in v1", world.send(&post, &widget("a", 5)).await);
    tell("create thirteen", world.send(&post, &widget("b", 13)).await);
    let get = async |version: &str, rest: &str| {
        world.send(&format!("GET {}", of(version, rest)), &Value::Null).await
    };
    tell("get in v1", get("v1", "/a").await);
    tell("get in v2", get("v2", "/a").await);
    tell("list in v1", get("v1", "").await);
    let mut replaced = get("v1", "/a").await.2;
    replaced["spec"]["size"] = 6.into();
    tell("replace in v1", world.send(&format!("PUT {}", of("v1", "/a")), &replaced).await);
    replaced["apiVersion"] = "example.com/v2".into();
    tell("replace v2 in v1", world.send(&format!("PUT {}", of("v1", "/a")), &replaced).await);
    tell("get in v2", get("v2", "/a").await);
    let watch = Request::get(of("v1", "?watch=1&resourceVersion=0")).body(Body::empty()).expect("a request");
    let mut events = world.router.clone().oneshot(watch).await.expect("infallible").into_body();
    let event = events.frame().await.expect("an event").expect("infallible").into_data().expect("data");
    let event: Value = serde_json::from_slice(&event).expect("JSON");
    tell("watch in v1", (200, Vec::new(), event["object"].clone()));
    tell("delete in v1", world.send(&format!("DELETE {}", of("v1", "/a")), &Value::Null).await);
    expect![[r#"
        create in v1: 201 example.com/v1 {"size":5}
        create thirteen: 500 conversion webhook for example.com/v1, Kind=Widget failed: no thirteen
        get in v1: 200 example.com/v1 {"size":5}
        get in v2: 200 example.com/v2 {"replicas":5}
        list in v1: 200 example.com/v1 {"size":5}
        replace in v1: 200 example.com/v1 {"size":6}
        replace v2 in v1: 400 the API version in the data (example.com/v2) does not match the expected API version (example.com/v1)
        get in v2: 200 example.com/v2 {"replicas":6}
        watch in v1: 200 example.com/v1 {"size":6}
        delete in v1: 200 v1 null"#]].assert_eq(&lines.join("\n"));
}
