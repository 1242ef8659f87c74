//! Webhooks outside of the cluster: a server in Python that changes pods, refuses by name and converts custom resources.

use anyhow::{Context, ensure};
use e2e::process::Background;
use e2e::{World, files, http, wait};
use serde_json::{Value, json};

const CERTIFICATE: &str = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=webhook \
    -addext subjectAltName=DNS:localhost,DNS:hook.default.svc -keyout hook.key -out hook.crt";

pub fn run(world: &World) -> anyhow::Result<()> {
    world.create_cluster(&[])?;
    world.busybox_image()?;
    files::write(&world.project().join("webhook.py"), include_str!("../../data/webhook.py"))?;
    world.shell(CERTIFICATE)?.ok()?;
    let port = http::free_port()?;
    let arguments = ["webhook.py", &port.to_string(), "hook.crt", "hook.key"];
    let mut server = Background::start(world.command("python3", &arguments))?;
    server.wait_for("listening", 20)?;
    let bundle = world.shell("base64 -w0 hook.crt")?.ok()?.stdout;
    let hooks = Hooks { world, port, bundle };
    hooks.injects()?;
    hooks.refuses()?;
    hooks.is_missed()?;
    server.interrupt()?;
    Ok(())
}

struct Hooks<'a> {
    world: &'a World,
    port: u16,
    bundle: String,
}

impl Hooks<'_> {
    fn apply(&self, object: &Value) -> anyhow::Result<()> {
        files::write(&self.world.project().join("object.json"), &object.to_string())?;
        self.world.kubectl(&["apply", "-f", "object.json"])?.ok().map(drop)
    }

    fn configuration(&self, kind: &str, client: Value, rules: Value) -> Value {
        let name = kind.to_lowercase();
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": name },
            "webhooks": [{
                "name": format!("{name}.example.com"), "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": client, "rules": rules, "timeoutSeconds": 5,
            }],
        })
    }

    fn url(&self, path: &str) -> Value {
        json!({ "url": format!("https://localhost:{}{path}", self.port), "caBundle": self.bundle })
    }

    /// A Deployment's pod gets a sidecar, which runs like any container.
    fn injects(&self) -> anyhow::Result<()> {
        let world = self.world;
        let rules = json!([{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }]);
        self.apply(&self.configuration("MutatingWebhookConfiguration", self.url("/mutate"), rules))?;
        world
            .kubectl(&[
                "create",
                "deployment",
                "web",
                "--image",
                e2e::world::BUSYBOX,
                "--",
                "sh",
                "-c",
                "sleep 3600",
            ])?
            .ok()?;
        world.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"])?.ok()?;
        let pods = world.object(&["pods", "-l", "app=web,injected=yes"])?;
        let pod = pods["items"][0].as_object().context("a pod with the label")?;
        let statuses = pod["status"]["containerStatuses"].as_array().context("statuses")?;
        ensure!(statuses.len() == 2 && statuses.iter().all(|status| status["ready"] == true), "{statuses:?}");
        world.kubectl(&["logs", "deployment/web", "-c", "sidecar"])?.ok()?.says(&["beside"])?;
        world
            .kubectl(&[
                "run",
                "alone",
                "--image",
                e2e::world::BUSYBOX,
                "--labels=a=b",
                "--",
                "sh",
                "-c",
                "sleep 1",
            ])?
            .ok()?
            .says(&["Warning: a sidecar was put in", "pod/alone created"])
            .map(drop)
    }

    /// Through a Service whose name leads out of the cluster.
    fn refuses(&self) -> anyhow::Result<()> {
        let world = self.world;
        self.apply(&json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "hook" },
            "spec": { "type": "ExternalName", "externalName": "localhost" } }))?;
        let rules = json!([{ "operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps", "pods/exec"] }]);
        let service = json!({ "service": { "namespace": "default", "name": "hook", "path": "/validate", "port": self.port },
            "caBundle": self.bundle });
        self.apply(&self.configuration("ValidatingWebhookConfiguration", service, rules))?;
        world.kubectl(&["create", "configmap", "allowed"])?.ok()?;
        world.kubectl(&["create", "configmap", "forbidden"])?.exits(1)?.says(&[
            "error: failed to create configmap: admission webhook \"validatingwebhookconfiguration.example.com\" denied the request: ",
            " may not CREATE it",
        ])?;
        world
            .kubectl(&["create", "configmap", "forbidden", "--dry-run=server"])?
            .exits(1)?
            .says(&["denied the request"])?;
        world.kubectl(&["delete", "configmap", "allowed"])?.ok().map(drop)
    }

    /// A webhook that is not there: refused, or passed over.
    fn is_missed(&self) -> anyhow::Result<()> {
        let world = self.world;
        let patch = |field: &str| format!("[{{\"op\":\"replace\",\"path\":\"/webhooks/0/{field}}}]");
        let gone = patch("clientConfig/service/port\",\"value\":1");
        let kind = "validatingwebhookconfiguration/validatingwebhookconfiguration";
        world.kubectl(&["patch", kind, "--type=json", "-p", &gone])?.ok()?;
        world.kubectl(&["create", "configmap", "late"])?.exits(1)?.says(&[
            "Internal error occurred: failed calling webhook \"validatingwebhookconfiguration.example.com\": failed to \
             call webhook: Post \"https://hook.default.svc:1/validate?timeout=5s\": dial tcp",
            "connect: connection refused",
        ])?;
        let ignored = patch("failurePolicy\",\"value\":\"Ignore\"");
        world.kubectl(&["patch", kind, "--type=json", "-p", &ignored])?.ok()?;
        world.kubectl(&["create", "configmap", "late"])?.ok()?;
        world
            .kubectl(&["delete", "mutatingwebhookconfigurations,validatingwebhookconfigurations", "--all"])?
            .ok()?;
        wait::until("a pod without a sidecar", 20, || {
            world
                .kubectl(&["run", "plain", "--image", e2e::world::BUSYBOX, "--", "sh", "-c", "sleep 1"])?
                .ok()?;
            let pod = world.object(&["pod", "plain"])?;
            ensure!(pod["spec"]["containers"].as_array().is_some_and(|all| all.len() == 1), "{pod}");
            Ok(())
        })
    }
}
