//! Real containers. The test program is the runtime's helper binary too, so it has no harness of its own.
//!
//! Needs root; the root file system is busybox from the machine, or the test says that it is skipped.

use runtime::{ContainerSpec, ContainerState, ExecSpec, LogTarget, Mount, MountKind, Resources, Runtime, RuntimeConfig, SandboxSpec};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if let Some(code) = runtime::run_role(&arguments) {
        return code;
    }
    if arguments.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("containers: skipped: they need root for now");
        return ExitCode::SUCCESS;
    }
    let Some(busybox) = ["/bin/busybox", "/usr/bin/busybox"].iter().map(Path::new).find(|p| p.exists()) else {
        eprintln!("containers: skipped: there is no static busybox (apt-get install busybox-static)");
        return ExitCode::SUCCESS;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    if arguments.get(1).is_some_and(|a| a == "leave-running") {
        return leave_running(Path::new(&arguments[2]));
    }
    let layer = rootfs(busybox, dir.path());
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let passed = executor.block_on(all(dir.path(), &layer));
    println!("{passed} passed, 0 failed");
    ExitCode::SUCCESS
}

fn rootfs(busybox: &Path, dir: &Path) -> PathBuf {
    let root = dir.join("layer");
    for folder in ["bin", "etc", "tmp", "data"] {
        std::fs::create_dir_all(root.join(folder)).expect("made");
    }
    std::fs::copy(busybox, root.join("bin/busybox")).expect("copied");
    for applet in ["sh", "echo", "cat", "id", "sleep", "hostname", "touch", "ls", "tty", "stty", "true", "kill", "ps", "dd", "test", "pwd", "env", "readlink", "rm", "ip"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("linked");
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n").expect("written");
    std::fs::write(root.join("etc/group"), "root:x:0:\napp:x:1000:\n").expect("written");
    root
}

fn config(dir: &Path) -> RuntimeConfig {
    RuntimeConfig { root: dir.join("state"), cgroup: format!("coracle-test-{}", std::process::id()) }
}

fn spec(dir: &Path, layer: &Path, id: &str, script: &str) -> ContainerSpec {
    ContainerSpec {
        id: id.into(),
        sandbox: None,
        layers: vec![layer.into()],
        readonly_root: false,
        args: vec!["sh".into(), "-c".into(), script.into()],
        env: vec![("GREETING".into(), "hello".into())],
        cwd: String::new(),
        user: String::new(),
        groups: Vec::new(),
        mounts: Vec::new(),
        privileged: false,
        add_capabilities: Vec::new(),
        drop_capabilities: Vec::new(),
        no_new_privileges: false,
        resources: Resources::default(),
        tty: false,
        stdin: false,
        log: LogTarget::Raw(dir.join(format!("{id}.log"))),
    }
}

async fn output(runtime: &Runtime, dir: &Path, spec: ContainerSpec) -> (i32, String) {
    let id = spec.id.clone();
    runtime.start_container(spec).await.expect("it starts");
    let exit = runtime.wait(&id).await.expect("it ends");
    let text = std::fs::read_to_string(dir.join(format!("{id}.log"))).expect("its log");
    runtime.remove_container(&id).await.expect("removed");
    (exit.code, text)
}

async fn all(dir: &Path, layer: &Path) -> usize {
    let mounts_before = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
    let runtime = Runtime::start(config(dir)).await.expect("a runtime");
    let mut passed = 0;
    passed += programs(&runtime, dir, layer).await;
    passed += files(&runtime, dir, layer).await;
    passed += limits(&runtime, dir, layer).await;
    passed += execs(&runtime, dir, layer).await;
    passed += sandboxes(&runtime, dir, layer).await;
    passed += adoption(&runtime, dir, layer).await;
    runtime.remove_all().await.expect("removed");
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").expect("readable"), mounts_before, "the host's mounts are as before");
    for folder in ["containers", "sandboxes"] {
        assert_eq!(std::fs::read_dir(dir.join("state").join(folder)).expect("there").count(), 0, "{folder} are gone");
    }
    passed + 1
}

async fn programs(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let cases = [
        ("echo $GREETING; echo err >&2; exit 3", 3, "hello\nerr\n"),
        ("echo $$; echo $PATH", 0, "1\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"),
        ("id -u; pwd; echo $HOME", 0, "0\n/\n/root\n"),
        ("kill -9 $$; sleep 5; exit 1", 1, ""),
    ];
    for (index, (script, code, text)) in cases.iter().enumerate() {
        // PID 1 cannot be killed from within: the third case goes on to its exit.
        let script = script.replace("sleep 5", "true");
        assert_eq!(output(runtime, dir, spec(dir, layer, &format!("p{index}"), &script)).await, (*code, text.to_string()), "{script}");
    }
    let user = ContainerSpec { user: "app".into(), cwd: "/work/here".into(), ..spec(dir, layer, "user", "id -u; id -g; pwd; touch x && ls; echo $HOME") };
    assert_eq!(output(runtime, dir, user).await, (0, "1000\n1000\n/work/here\nx\n/home/app\n".into()));
    for (args, code, message) in [
        (vec!["nothing-here"], 127, "exec: \"nothing-here\": executable file not found in $PATH"),
        (vec!["/etc/passwd"], 126, "exec: \"/etc/passwd\": permission denied"),
    ] {
        let broken = ContainerSpec { args: args.iter().map(|a| a.to_string()).collect(), ..spec(dir, layer, "broken", "") };
        let error = runtime.start_container(broken).await.expect_err("it cannot start");
        assert_eq!(error.to_string(), message);
        let Some(ContainerState::Exited(exit)) = runtime.container("broken") else { panic!("its end is known") };
        assert_eq!((exit.code, exit.error.as_deref()), (code, Some(message)));
        runtime.remove_container("broken").await.expect("removed");
    }
    cases.len() + 3
}

async fn files(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let volume = dir.join("volume");
    std::fs::create_dir_all(&volume).expect("made");
    std::fs::write(volume.join("a"), "from the host\n").expect("written");
    let bind = |target: &str, readonly| Mount { source: volume.clone(), target: target.into(), readonly, kind: MountKind::Bind };
    let file = Mount { source: volume.join("a"), target: "/etc/one-file".into(), readonly: true, kind: MountKind::Bind };
    let tmpfs = Mount { source: PathBuf::new(), target: "/scratch".into(), readonly: false, kind: MountKind::Tmpfs { size_bytes: Some(1 << 20) } };
    let script = "cat /data/a /etc/one-file; touch /data/b; touch /ro/c 2>/dev/null || echo locked; echo x > /scratch/x && cat /scratch/x; touch /etc/one-file 2>/dev/null; echo y > /etc/one-file || echo locked too";
    let with = ContainerSpec { mounts: vec![bind("/data", false), bind("/ro", true), file, tmpfs], ..spec(dir, layer, "binds", script) };
    let (code, text) = output(runtime, dir, with).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("from the host\nfrom the host\nlocked\nx\n") && text.ends_with("locked too\n"), "{text}");
    assert!(volume.join("b").exists());
    let locked = ContainerSpec { readonly_root: true, ..spec(dir, layer, "ro", "touch /x 2>/dev/null || echo locked; echo ok > /dev/null && echo dev") };
    assert_eq!(output(runtime, dir, locked).await, (0, "locked\ndev\n".into()));
    assert!(!layer.join("work").exists(), "layers are never written");
    2
}

async fn limits(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    if !runtime.capabilities().memory {
        eprintln!("limits: skipped: {:?}", runtime.capabilities().notes);
        return 0;
    }
    let resources = Resources { memory_bytes: Some(16 << 20), pids: Some(50), ..Resources::default() };
    let hungry = ContainerSpec { resources, ..spec(dir, layer, "oom", "dd if=/dev/zero of=/dev/null bs=64M count=1") };
    runtime.start_container(ContainerSpec { args: vec!["dd".into(), "if=/dev/zero".into(), "of=/dev/null".into(), "bs=64M".into(), "count=1".into()], ..hungry }).await.expect("it starts");
    let exit = runtime.wait("oom").await.expect("it ends");
    assert!(exit.oom_killed && exit.code == 137, "{exit:?}");
    runtime.remove_container("oom").await.expect("removed");
    1
}

async fn execs(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    runtime.start_container(spec(dir, layer, "host", "touch /ready; sleep 1000")).await.expect("it starts");
    let exec = |script: &str, tty| ExecSpec {
        container: "host".into(),
        args: vec!["sh".into(), "-c".into(), script.into()],
        env: vec![("A".into(), "b".into())],
        cwd: "/tmp".into(),
        user: String::new(),
        tty,
        stdin: true,
    };
    let mut plain = runtime.exec(exec("cat; pwd; echo $A; ls /ready; echo err >&2; exit 7", false)).await.expect("it runs");
    let mut stdin = std::fs::File::from(plain.stdin.take().expect("asked for"));
    std::io::Write::write_all(&mut stdin, b"input\n").expect("written");
    drop(stdin);
    let (mut out, mut err) = (plain.stdout.take().map(std::fs::File::from).expect("there"), plain.stderr.take().map(std::fs::File::from).expect("there"));
    let (text, errors) = tokio::task::spawn_blocking(move || {
        let (mut text, mut errors) = (String::new(), String::new());
        out.read_to_string(&mut text).expect("readable");
        err.read_to_string(&mut errors).expect("readable");
        (text, errors)
    }).await.expect("read");
    assert_eq!((text.as_str(), errors.as_str(), plain.wait().await), ("input\n/tmp\nb\n/ready\n", "err\n", 7));
    let inherits = ExecSpec { env: Vec::new(), cwd: String::new(), ..exec("echo $GREETING; pwd", false) };
    let mut inherits = runtime.exec(inherits).await.expect("it runs");
    let mut out = std::fs::File::from(inherits.stdout.take().expect("there"));
    let mut text = String::new();
    out.read_to_string(&mut text).expect("readable");
    assert_eq!((text.as_str(), inherits.wait().await), ("hello\n/\n", 0));
    let mut terminal = runtime.exec(exec("sleep 0.3; tty; stty size; exit 4", true)).await.expect("it runs");
    terminal.resize(100, 40);
    let mut out = std::fs::File::from(terminal.stdout.take().expect("there"));
    let text = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let _ = out.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }).await.expect("read");
    assert!(text.contains("/dev/pts/") && text.contains("40 100"), "{text:?}");
    assert_eq!(terminal.wait().await, 4);
    runtime.signal("host", 9).await.expect("signalled");
    let exit = runtime.wait("host").await.expect("it ends");
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    runtime.remove_container("host").await.expect("removed");
    2
}

async fn sandboxes(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let pod = SandboxSpec { id: "pod".into(), hostname: "my-pod".into(), host_network: false, sysctls: vec![("net.ipv4.ip_forward".into(), "1".into())] };
    let sandbox = runtime.create_sandbox(pod.clone()).await.expect("made");
    assert_eq!(runtime.create_sandbox(pod).await.expect("found"), sandbox);
    let inside = ContainerSpec { sandbox: Some("pod".into()), ..spec(dir, layer, "in", "hostname; cat /proc/sys/net/ipv4/ip_forward; readlink /proc/self/ns/net; ip addr show lo | cat") };
    let (code, text) = output(runtime, dir, inside).await;
    let namespace = std::fs::read_link(format!("/proc/{}/ns/net", sandbox.pid)).expect("alive");
    assert_eq!(code, 0);
    assert!(text.starts_with(&format!("my-pod\n1\n{}\n", namespace.display())) && text.contains("127.0.0.1"), "{text}");
    runtime.remove_sandbox("pod").await.expect("removed");
    assert_eq!(runtime.sandbox("pod"), None);
    1
}

/// Another process starts a container and is killed; this one adopts it.
async fn adoption(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let own = std::env::current_exe().expect("known");
    std::fs::write(dir.join("adopt.json"), serde_json::to_vec(&spec(dir, layer, "adopted", "sleep 1; exit 5")).expect("plain")).expect("written");
    let status = std::process::Command::new(own).arg("leave-running").arg(dir).status().expect("ran");
    assert!(!status.success(), "it was killed");
    let Some(ContainerState::Running { .. }) = runtime.container("adopted") else { panic!("it goes on") };
    let exit = tokio::time::timeout(Duration::from_secs(10), runtime.wait("adopted")).await.expect("in time").expect("it ends");
    assert_eq!(exit.code, 5);
    runtime.remove_container("adopted").await.expect("removed");
    1
}

fn leave_running(dir: &Path) -> ExitCode {
    let spec: ContainerSpec = serde_json::from_slice(&std::fs::read(dir.join("adopt.json")).expect("there")).expect("plain");
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    executor.block_on(async {
        let runtime = Runtime::start(config(dir)).await.expect("a runtime");
        runtime.start_container(spec).await.expect("it starts");
    });
    let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    ExitCode::SUCCESS
}
