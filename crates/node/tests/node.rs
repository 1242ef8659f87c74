//! Pods for real: API, runtime, network and images as in a cluster, in a temporary folder.
//!
//! This program is also the runtime's roles, so it has a `main` of its own. It needs root and a static busybox, and
//! says so where it has not.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, though the compiler does not know it as one"
)]

use api::{
    Api, ApiConfig, DeleteOptions, ExecExit, ExecRequest, LogRequest, NodeStreams, PatchKind, WriteOptions,
};
use images::Images;
use network::{Network, NetworkConfig};
use node::{Node, NodeConfig};
use oci::RunConfig;
use runtime::{Runtime, RuntimeConfig, SandboxSpec};
use rustix::fs::inotify;
use serde_json::{Value, json};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Key, Object, View};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NODE: &str = "node-under-test";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if let Some(code) = runtime::run_role(&args) {
        return code;
    }
    if args.iter().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: pods need root here");
        return ExitCode::SUCCESS;
    }
    let Some(busybox) = ["/bin/busybox", "/usr/bin/busybox"].iter().map(Path::new).find(|path| path.exists())
    else {
        println!("skipped: there is no static busybox (apt-get install busybox-static)");
        return ExitCode::SUCCESS;
    };
    let dir = tempfile::tempdir().unwrap();
    let config = RuntimeConfig {
        root: dir.path().join("runtime"),
        cgroup: format!("coracle-node-test-{}", std::process::id()),
    };
    let start =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tokio = start();
    let passed = tokio.block_on(async {
        let runtime = Runtime::start(config.clone()).await.unwrap();
        tokio::spawn(all(busybox, dir.path().to_owned(), runtime)).await.is_ok()
    });
    // Whatever has happened: first the node ends, which would restart containers, and then they do.
    tokio.shutdown_timeout(Duration::from_secs(5));
    start().block_on(async { Runtime::start(config).await.unwrap().remove_all().await.unwrap() });
    if !passed {
        return ExitCode::FAILURE;
    }
    println!("test pods_on_a_real_runtime ... ok");
    ExitCode::SUCCESS
}

async fn all(busybox: &Path, dir: PathBuf, runtime: Runtime) {
    let mut world = World::new(busybox, dir, runtime).await;
    world.a_pod_lives().await;
    world.configuration_is_waited_for_and_followed().await;
    world.files_are_synced().await;
    world.containers_outlive_the_node().await;
    world.crashes_restart().await;
    world.a_failing_program_is_explained().await;
    world.input_can_be_attached().await;
    world.end().await;
}

struct World {
    dir: PathBuf,
    api: Api,
    runtime: Runtime,
    network: Network,
    images: Images,
    node: Arc<Node>,
}

impl World {
    async fn new(busybox: &Path, dir: PathBuf, runtime: Runtime) -> Self {
        let config = ApiConfig {
            dir: dir.join("journal"),
            service_cidr: "10.43.0.0/16".into(),
            cluster_domain: "cluster.local".into(),
        };
        let api = Api::open(config).unwrap();
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}});
        api.create("serviceaccounts", account, &WriteOptions::default()).unwrap();
        let sysctls = vec![("net.ipv4.ip_forward".to_owned(), "1".to_owned())];
        let spec = SandboxSpec {
            id: "router".into(),
            hostname: "router".into(),
            host_network: false,
            sysctls,
            share_processes: false,
        };
        let router = runtime.create_sandbox(spec).await.unwrap();
        let network = Network::start(NetworkConfig {
            router: format!("/proc/{}/ns/net", router.pid).into(),
            pod_cidr: "10.42.0.0/24".parse().unwrap(),
            service_cidr: "10.43.0.0/16".parse().unwrap(),
            dns: [10, 43, 0, 10].into(),
            domain: "cluster.local".into(),
            state: dir.join("addresses"),
        })
        .await
        .unwrap();
        let images = Images::open(&dir.join("images")).unwrap();
        import_busybox(&images, busybox, &dir.join("rootfs"));
        let node = start_node(&dir, &api, &runtime, &network, &images).await;
        Self { dir, api, runtime, network, images, node }
    }

    fn pod(&self, name: &str, fields: Value, container: Value) {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": NODE, "terminationGracePeriodSeconds": 1, "containers": [
                {"name": "app", "image": "localhost/busybox:1", "imagePullPolicy": "IfNotPresent"}]},
        });
        merge(&mut pod["spec"], &fields);
        merge(&mut pod["spec"]["containers"][0], &container);
        self.api.create("pods", pod, &WriteOptions::default()).unwrap();
    }

    /// Waits for a pod to be as wanted; tells all that is known when it does not become so.
    async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Object {
        let mut changes = self.api.changes(self.api.version());
        let deadline = tokio::time::sleep(Duration::from_secs(20));
        tokio::pin!(deadline);
        loop {
            let pod = self.api.get("pods", "default", name).unwrap();
            if wanted(&pod) {
                return pod;
            }
            tokio::select! {
                _ = changes.next() => {}
                () = &mut deadline => {
                    for event in self.api.list("events", "default") {
                        println!("{}: {}", event["reason"], event["message"]);
                    }
                    panic!("pod {name} is not {what}: {:#}", pod["status"]);
                }
            }
        }
    }

    async fn ready(&self, name: &str) -> Object {
        self.until(name, "ready", |pod| pod["status"]["containerStatuses"][0]["ready"] == true).await
    }

    async fn delete(&self, name: &str) {
        self.api.delete(&Key::new("pods", "default", name), &DeleteOptions::default()).unwrap();
        let mut changes = self.api.changes(self.api.version());
        while self.api.view().get("pods", "default", name).is_some() {
            tokio::time::timeout(Duration::from_secs(20), changes.next())
                .await
                .expect("deleted in time")
                .unwrap();
        }
    }

    async fn exec(&self, pod: &str, command: &[&str], input: &str) -> (i32, String) {
        let request = ExecRequest {
            namespace: "default".into(),
            pod: pod.into(),
            container: String::new(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            stdin: true,
            stdout: true,
            stderr: true,
            tty: false,
        };
        let mut streams = self.node.exec(request).await.unwrap();
        let mut stdin = streams.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        stdin.shutdown().await.unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        streams.stdout.unwrap().read_to_string(&mut out).await.unwrap();
        streams.stderr.unwrap().read_to_string(&mut err).await.unwrap();
        match streams.exit.await.unwrap() {
            ExecExit::Code(code) => (code, out + &err),
            ExecExit::Failed(why) => panic!("{why}"),
        }
    }

    async fn logs(&self, pod: &str, previous: bool) -> String {
        let request =
            LogRequest { namespace: "default".into(), pod: pod.into(), previous, ..LogRequest::default() };
        let mut chunks = self.node.logs(request).await.unwrap();
        let mut out = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            out.extend_from_slice(&chunk);
        }
        String::from_utf8(out).unwrap()
    }

    /// Environment, init container, HTTP probe, logs, exec, port forward, hosts files, deletion.
    async fn a_pod_lives(&self) {
        let began = Instant::now();
        self.pod(
            "web",
            json!({
                "initContainers": [{"name": "prepare", "image": "localhost/busybox:1",
                    "command": ["sh", "-c", "echo prepared > /www/health"],
                    "volumeMounts": [{"name": "www", "mountPath": "/www"}]}],
                "volumes": [{"name": "www", "emptyDir": {}}],
            }),
            json!({
                "command": ["sh", "-c", "echo serving $(GREETING) at $POD_IP; exec httpd -f -p 8000 -h /www"],
                "env": [{"name": "GREETING", "value": "hello"},
                    {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                "volumeMounts": [{"name": "www", "mountPath": "/www"}],
                "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 1},
            }),
        );
        let pod = self.ready("web").await;
        println!("created to ready: {} ms", began.elapsed().as_millis());
        let ip = pod["status"]["podIP"].as_str().unwrap();
        assert_eq!(self.logs("web", false).await, format!("serving hello at {ip}\n"));
        assert_eq!(self.exec("web", &["cat", "/www/health"], "").await, (0, "prepared\n".into()));
        assert_eq!(self.exec("web", &["sh", "-c", "cat; exit 3"], "input").await, (3, "input".into()));
        let (_, hosts) =
            self.exec("web", &["cat", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname"], "").await;
        assert!(hosts.contains(&format!("{ip}\tweb\n")) && hosts.contains("ndots:5"), "{hosts}");
        let token =
            self.exec("web", &["cat", "/var/run/secrets/kubernetes.io/serviceaccount/token"], "").await;
        assert_eq!(token, (0, "token of default".into()));
        let mut forward = self.node.port_forward("default", "web", 8000).await.unwrap();
        forward.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        forward.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("prepared\n"), "{answer}");
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        self.delete("web").await;
        assert!(self.runtime.sandbox(uid).is_none() && self.network.address(uid).is_none());
        assert!(!self.dir.join("node/pods").join(uid).exists());
    }

    async fn configuration_is_waited_for_and_followed(&self) {
        self.pod(
            "conf",
            json!({"volumes": [{"name": "conf", "configMap": {"name": "later"}}]}),
            json!({
                "command": ["sleep", "1000"], "volumeMounts": [{"name": "conf", "mountPath": "/conf"}],
                "envFrom": [{"configMapRef": {"name": "later"}}],
            }),
        );
        self.until("conf", "told of", |_| {
            self.api.list("events", "default").iter().any(|e| {
                e["reason"] == "FailedMount"
                    && e["message"].as_str().unwrap().ends_with("configmap \"later\" not found")
            })
        })
        .await;
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later", "namespace": "default"}, "data": {"KEY": "one"}});
        self.api.create("configmaps", map, &WriteOptions::default()).unwrap();
        self.ready("conf").await;
        assert_eq!(self.exec("conf", &["sh", "-c", "echo $KEY; cat /conf/KEY"], "").await.1, "one\none");
        let key = Key::new("configmaps", "default", "later");
        let patch = json!({"data": {"KEY": "two"}});
        self.api.patch(&key, PatchKind::Merge, "", &patch, &WriteOptions::default()).unwrap();
        let waits = "while test $(cat /conf/KEY) = one; do usleep 10000; done; cat /conf/KEY";
        let began = Instant::now();
        assert_eq!(self.exec("conf", &["sh", "-c", waits], "").await.1, "two");
        println!("a ConfigMap's change is seen after {} ms", began.elapsed().as_millis());
        self.delete("conf").await;
    }

    /// A process in the container hears of what is written, and nothing gets out of the container.
    async fn files_are_synced(&self) {
        self.pod(
            "live",
            json!({}),
            json!({"command": ["sh", "-c", "test -d /app || { mkdir /app; ln -s / /app/up; touch /app/old; }; exec sleep 1000"]}),
        );
        let pod = self.ready("live").await;
        self.exec("live", &["sh", "-c", "while ! test -f /app/old; do usleep 1000; done"], "").await;
        let mut archive = tar::Builder::new(Vec::new());
        for (path, text) in [("app/main.py", "print(1)\n"), ("app/up/deep/made.txt", "inside\n")] {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(text.len() as u64);
            archive.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        let archive = std::io::Cursor::new(archive.into_inner().unwrap());
        // As a process in the container would: on its own view of the folder.
        let id = format!("{}_app_0", pod["metadata"]["uid"].as_str().unwrap());
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).unwrap();
        let flags = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::DELETE;
        inotify::add_watch(&watch, self.runtime.root(&id).unwrap().join("app"), flags).unwrap();
        let began = Instant::now();
        let synced = self.node.sync("default", "live", "app", archive, vec!["/app/old".into()]).await;
        let report = match synced {
            Ok(report) => report,
            Err(error) => {
                let pod = self.api.get("pods", "default", "live").unwrap();
                panic!("{error:?}\n{}\n{:#}", self.logs("live", false).await, pod["status"]);
            }
        };
        println!("synced in {} ms", began.elapsed().as_millis());
        assert_eq!((report.written, report.deleted), (2, 1));
        assert_eq!(
            self.exec("live", &["cat", "/app/main.py", "/deep/made.txt"], "").await.1,
            "print(1)\ninside\n"
        );
        assert!(!Path::new("/deep/made.txt").exists());
        assert_eq!(events(&watch), ["delete old", "move main.py"]);
        for count in 1..3 {
            self.node.restart("default", "live", "app").await.unwrap();
            let again = |pod: &Value| {
                let status = &pod["status"]["containerStatuses"][0];
                status["restartCount"] == count && status["ready"] == true
            };
            self.until("live", "restarted", again).await;
            let (_, files) = self
                .exec("live", &["sh", "-c", "cat /app/main.py; echo $(test -f /app/old || echo gone)"], "")
                .await;
            assert_eq!(files, "print(1)\ngone\n", "restart {count}");
        }
        self.delete("live").await;
    }

    async fn containers_outlive_the_node(&mut self) {
        let probe = json!({"exec": {"command": ["true"]}, "periodSeconds": 1});
        self.pod("stays", json!({}), json!({"command": ["sleep", "1000"], "readinessProbe": probe}));
        self.pod("goes", json!({}), json!({"command": ["sleep", "1000"]}));
        self.pod("ends", json!({"restartPolicy": "Never"}), json!({"command": ["sleep", "1000"]}));
        let before = self.ready("stays").await;
        let gone = self.ready("goes").await;
        self.ready("ends").await;
        let ends = self.api.get("pods", "default", "ends").unwrap();
        self.node.shutdown().await;

        // Meanwhile one pod is deleted for good, and one ends by itself.
        let force = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        self.api.delete(&Key::new("pods", "default", "goes"), &force).unwrap();
        let id = format!("{}_app_0", ends["metadata"]["uid"].as_str().unwrap());
        self.runtime.signal(&id, 9).await.unwrap();
        self.runtime.wait(&id).await.unwrap();

        self.node = start_node(&self.dir, &self.api, &self.runtime, &self.network, &self.images).await;
        self.until("ends", "failed", |pod| pod["status"]["phase"] == "Failed").await;
        assert!(self.runtime.sandbox(gone["metadata"]["uid"].as_str().unwrap()).is_none());
        let after = self.ready("stays").await;
        assert_eq!(after["status"], before["status"], "nothing has changed");
        assert_eq!(self.exec("stays", &["echo", "still here"], "").await.1, "still here\n");
        self.delete("stays").await;
        self.delete("ends").await;
    }

    async fn crashes_restart(&self) {
        let script = "echo run; echo the last word > /dev/termination-log; usleep 200000; exit 4";
        self.pod("crash", json!({}), json!({"command": ["sh", "-c", script]}));
        let waits = |pod: &Value| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        };
        let pod = self.until("crash", "in back-off", waits).await;
        let status = &pod["status"]["containerStatuses"][0];
        assert_eq!(status["restartCount"], 1);
        let last = &status["lastState"]["terminated"];
        assert_eq!((&last["exitCode"], &last["message"]), (&json!(4), &json!("the last word\n")));
        assert_eq!(self.logs("crash", true).await, "run\n");
        self.delete("crash").await;
    }

    async fn a_failing_program_is_explained(&self) {
        self.pod("lost", json!({"restartPolicy": "Never"}), json!({"command": ["/no/such/program"]}));
        let pod = self.until("lost", "failed", |pod| pod["status"]["phase"] == "Failed").await;
        let text = pod["status"]["containerStatuses"][0].to_string();
        assert!(text.contains("StartError") && text.contains("/no/such/program"), "{text}");
        self.delete("lost").await;
        self.pod(
            "imageless",
            json!({}),
            json!({"image": "localhost/never-built:1", "imagePullPolicy": "Never"}),
        );
        let waits = |pod: &Value| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ErrImageNeverPull"
        };
        self.until("imageless", "refused", waits).await;
        self.delete("imageless").await;
    }

    async fn input_can_be_attached(&self) {
        let fields = json!({"stdin": true, "stdinOnce": true, "command": ["cat"]});
        self.pod("cat", json!({"restartPolicy": "Never"}), fields);
        self.ready("cat").await;
        let request = ExecRequest {
            namespace: "default".into(),
            pod: "cat".into(),
            container: String::new(),
            command: Vec::new(),
            stdin: true,
            stdout: true,
            stderr: true,
            tty: false,
        };
        let mut streams = self.node.attach(request).await.unwrap();
        let mut stdin = streams.stdin.take().unwrap();
        stdin.write_all(b"to the program\n").await.unwrap();
        stdin.shutdown().await.unwrap();
        let mut out = String::new();
        streams.stdout.unwrap().read_to_string(&mut out).await.unwrap();
        assert_eq!(out, "to the program\n");
        self.until("cat", "succeeded", |pod| pod["status"]["phase"] == "Succeeded").await;
        self.delete("cat").await;
    }

    async fn end(self) {
        let left = || -> Vec<PathBuf> {
            let folders =
                ["node/pods", "node/logs", "runtime/containers"].map(|folder| self.dir.join(folder));
            folders
                .iter()
                .flat_map(|folder| std::fs::read_dir(folder).unwrap().flatten())
                .map(|e| e.path())
                .collect()
        };
        // A pod that is over leaves the API at once, and the machine a moment later.
        let began = Instant::now();
        while !left().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(10), "left behind: {:?}", left());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.node.shutdown().await;
        self.network.shutdown().await;
    }
}

fn events(watch: &OwnedFd) -> Vec<String> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(watch, &mut buffer);
    let mut out = Vec::new();
    while let Ok(event) = reader.next() {
        let name = event.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = if event.events().contains(inotify::ReadFlags::DELETE) { "delete" } else { "move" };
        out.push(format!("{kind} {name}"));
    }
    out
}

fn merge(into: &mut Value, from: &Value) {
    for (field, value) in from.as_object().unwrap() {
        into[field] = value.clone();
    }
}

fn import_busybox(images: &Images, busybox: &Path, tree: &Path) {
    for folder in ["bin", "etc", "tmp", "dev", "proc", "sys"] {
        std::fs::create_dir_all(tree.join(folder)).unwrap();
    }
    std::fs::copy(busybox, tree.join("bin/busybox")).unwrap();
    let applets = [
        "sh", "cat", "echo", "sleep", "usleep", "httpd", "inotifyd", "test", "touch", "mkdir", "mkfifo",
        "ln", "true",
    ];
    for applet in applets {
        std::os::unix::fs::symlink("busybox", tree.join("bin").join(applet)).unwrap();
    }
    std::fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n").unwrap();
    let layer = images.adopt_layer(tree).unwrap();
    let blob = images.open_blob(&layer.diff_id).unwrap();
    images.import_rootfs(blob, "localhost/busybox:1", RunConfig::default()).unwrap();
}

async fn start_node(
    dir: &Path,
    api: &Api,
    runtime: &Runtime,
    network: &Network,
    images: &Images,
) -> Arc<Node> {
    let config = NodeConfig {
        name: NODE.into(),
        root: PathBuf::from(dir).join("node"),
        cluster_domain: "cluster.local".into(),
        dns: [10, 43, 0, 10].into(),
        service_account_token: Arc::new(|_, account, _, seconds, _, _| {
            (format!("token of {account}"), jiff::Timestamp::now().as_second() + seconds)
        }),
        ca_pem: "PEM".into(),
        api_host: [10, 43, 0, 1].into(),
        storage: dir.join("storage"),
        version: "v1.33.0".into(),
    };
    Node::start(config, api.clone(), runtime.clone(), network.clone(), images.clone()).await.unwrap()
}
