//! Real containers. The test program is the runtime's helper binary too, so it has no harness of its own.
//!
//! Needs root; the root file system is busybox from the machine, or the test says that it is skipped.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test without a harness tells its result itself"
)]

use runtime::{
    ContainerSpec, ContainerState, Exec, ExecSpec, LogTarget, Mount, MountKind, Resources, Runtime,
    RuntimeConfig, SandboxSpec,
};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
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
    let Some(busybox) = ["/bin/busybox", "/usr/bin/busybox"].iter().map(Path::new).find(|p| p.exists())
    else {
        eprintln!("containers: skipped: there is no static busybox (apt-get install busybox-static)");
        return ExitCode::SUCCESS;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    if arguments.get(1).is_some_and(|a| a == "leave-running") {
        return leave_running(Path::new(&arguments[2]));
    }
    let layer = rootfs(busybox, dir.path());
    let executor = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let passed = executor.block_on(async {
        let runtime = Runtime::start(config(dir.path())).await.expect("a runtime");
        let (own, path) = (runtime.clone(), dir.path().to_path_buf());
        let passed = tokio::spawn(async move { all(&own, &path, &layer).await }).await;
        // Also after a failure nothing of ours goes on.
        runtime.remove_all().await.expect("removed");
        passed
    });
    let Ok(passed) = passed else { return ExitCode::FAILURE };
    println!("{passed} passed, 0 failed");
    ExitCode::SUCCESS
}

fn rootfs(busybox: &Path, dir: &Path) -> PathBuf {
    let root = dir.join("layer");
    for folder in ["bin", "etc", "tmp", "data"] {
        std::fs::create_dir_all(root.join(folder)).expect("made");
    }
    std::fs::copy(busybox, root.join("bin/busybox")).expect("copied");
    for applet in [
        "sh", "echo", "cat", "id", "sleep", "hostname", "touch", "ls", "tty", "stty", "true", "kill", "ps",
        "dd", "test", "pwd", "env", "readlink", "rm", "ip", "grep", "mknod",
    ] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("linked");
    }
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
    )
    .expect("written");
    std::fs::write(root.join("etc/group"), "root:x:0:\napp:x:1000:\n").expect("written");
    root
}

fn config(dir: &Path) -> RuntimeConfig {
    RuntimeConfig {
        root: dir.join("state"),
        cgroup: format!(
            "coracle-test-{}",
            dir.file_name().expect("named").to_string_lossy().trim_start_matches('.')
        ),
    }
}

fn spec(dir: &Path, layer: &Path, id: &str, script: &str) -> ContainerSpec {
    ContainerSpec {
        id: id.into(),
        sandbox: None,
        processes_of: None,
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

async fn all(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let mut passed = 0;
    passed += programs(runtime, dir, layer).await;
    passed += files(runtime, dir, layer).await;
    passed += limits(runtime, dir, layer).await;
    passed += execs(runtime, dir, layer).await;
    passed += sandboxes(runtime, dir, layer).await;
    passed += shared_processes(runtime, dir, layer).await;
    passed += pods_processes(runtime, dir, layer).await;
    passed += attachments(runtime, dir, layer).await;
    passed += adoption(runtime, dir, layer).await;
    passed += losses(runtime, dir, layer).await;
    speed(runtime, dir, layer).await;
    runtime.start_container(spec(dir, layer, "left", "sleep 1000")).await.expect("it starts");
    let pid = runtime.pid("left").expect("it runs");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
    assert!(!mounts.contains(&*dir.to_string_lossy()), "the host's mounts know nothing of us");
    runtime.remove_all().await.expect("removed");
    assert!(!is_alive(pid), "its process is gone");
    assert_eq!(groups(&config(dir).cgroup), Vec::<PathBuf>::new(), "no cgroup is left");
    for folder in ["containers", "sandboxes"] {
        assert_eq!(
            std::fs::read_dir(dir.join("state").join(folder)).expect("there").count(),
            0,
            "{folder} are gone"
        );
    }
    passed + 1
}

fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

/// Folders of this name in any cgroup hierarchy.
fn groups(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name() == name {
                    found.push(entry.path());
                }
                folders.push(entry.path());
            }
        }
    }
    found
}

async fn programs(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let cases = [
        ("echo $GREETING; echo err >&2; exit 3", 3, "hello\nerr\n"),
        ("echo $$; echo $PATH", 0, "1\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"),
        ("id -u; pwd; echo $HOME", 0, "0\n/\n/root\n"),
        // PID 1 cannot be killed from within.
        ("kill -9 $$; exit 1", 1, ""),
        // No signal is ignored or blocked, no descriptor of ours is open, and the user is the container's root.
        (
            "grep -E 'SigBlk|SigIgn|CapBnd|NoNewPrivs' /proc/self/status; ls /proc/self/fd | cat",
            0,
            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t0\n0\n1\n2\n3\n",
        ),
        // A device that a container makes opens nothing; the kernel's switches are locked.
        (
            "mknod /tmp/null c 1 3; echo x 2>&1 > /tmp/null || echo closed; echo 1 > /proc/sys/kernel/panic || echo locked",
            0,
            "sh: can't create /tmp/null: Permission denied\nclosed\nsh: can't create /proc/sys/kernel/panic: Read-only file system\nlocked\n",
        ),
    ];
    for (index, (script, code, text)) in cases.iter().enumerate() {
        assert_eq!(
            output(runtime, dir, spec(dir, layer, &format!("p{index}"), script)).await,
            (*code, text.to_string()),
            "{script}"
        );
    }
    let full = ContainerSpec {
        privileged: true,
        ..spec(
            dir,
            layer,
            "full",
            "mknod /tmp/null c 1 3; echo x > /tmp/null && echo open; test -c /dev/kmsg && echo devices",
        )
    };
    assert_eq!(output(runtime, dir, full).await, (0, "open\ndevices\n".into()));
    let user = ContainerSpec {
        user: "app".into(),
        cwd: "/srv/here".into(),
        ..spec(dir, layer, "user", "id -u; id -g; pwd; touch x && ls; echo $HOME")
    };
    assert_eq!(output(runtime, dir, user).await, (0, "1000\n1000\n/srv/here\nx\n/home/app\n".into()));
    for (args, code, message) in [
        (vec!["nothing-here"], 127, "exec: \"nothing-here\": executable file not found in $PATH"),
        (vec!["/etc/passwd"], 126, "exec: \"/etc/passwd\": permission denied"),
    ] {
        let broken = ContainerSpec {
            args: args.iter().map(|a| a.to_string()).collect(),
            ..spec(dir, layer, "broken", "")
        };
        let error = runtime.start_container(broken).await.expect_err("it cannot start");
        assert_eq!(error.to_string(), message);
        let Some(ContainerState::Exited(exit)) = runtime.container("broken") else {
            panic!("its end is known")
        };
        assert_eq!((exit.code, exit.error.as_deref()), (code, Some(message)));
        runtime.remove_container("broken").await.expect("removed");
    }
    cases.len() + 3
}

async fn files(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let volume = dir.join("volume");
    std::fs::create_dir_all(&volume).expect("made");
    std::fs::write(volume.join("a"), "from the host\n").expect("written");
    let bind = |target: &str, readonly| Mount {
        source: volume.clone(),
        target: target.into(),
        readonly,
        kind: MountKind::Bind,
    };
    let file = Mount {
        source: volume.join("a"),
        target: "/etc/one-file".into(),
        readonly: true,
        kind: MountKind::Bind,
    };
    let tmpfs = Mount {
        source: PathBuf::new(),
        target: "/scratch".into(),
        readonly: false,
        kind: MountKind::Tmpfs { size_bytes: Some(1 << 20) },
    };
    let script = "cat /data/a /etc/one-file; touch /data/b; touch /ro/c 2>/dev/null || echo locked; echo x > /scratch/x && cat /scratch/x; touch /etc/one-file 2>/dev/null; echo y > /etc/one-file || echo locked too";
    let with = ContainerSpec {
        mounts: vec![bind("/data", false), bind("/ro", true), file, tmpfs],
        ..spec(dir, layer, "binds", script)
    };
    let (code, text) = output(runtime, dir, with).await;
    assert_eq!(code, 0, "{text}");
    assert!(
        text.starts_with("from the host\nfrom the host\nlocked\nx\n") && text.ends_with("locked too\n"),
        "{text}"
    );
    assert!(volume.join("b").exists());
    let locked = ContainerSpec {
        readonly_root: true,
        ..spec(dir, layer, "ro", "touch /x 2>/dev/null || echo locked; echo ok > /dev/null && echo dev")
    };
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
    let hungry =
        ContainerSpec { resources, ..spec(dir, layer, "oom", "dd if=/dev/zero of=/dev/null bs=64M count=1") };
    runtime
        .start_container(ContainerSpec {
            args: vec![
                "dd".into(),
                "if=/dev/zero".into(),
                "of=/dev/null".into(),
                "bs=64M".into(),
                "count=1".into(),
            ],
            ..hungry
        })
        .await
        .expect("it starts");
    let exit = runtime.wait("oom").await.expect("it ends");
    assert!(exit.oom_killed && exit.code == 137, "{exit:?}");
    runtime.remove_container("oom").await.expect("removed");
    // A program that wants to know its limit finds it.
    let resources =
        Resources { memory_bytes: Some(64 << 20), cpu_limit_millis: Some(1500), ..Resources::default() };
    let curious = ContainerSpec {
        resources,
        ..spec(
            dir,
            layer,
            "curious",
            "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; exit 0",
        )
    };
    assert_eq!(output(runtime, dir, curious).await, (0, "67108864\n".into()));
    2
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
    let mut plain = runtime
        .exec(exec(
            "cat; pwd; echo $A; until ls /ready 2>/dev/null; do true; done; echo err >&2; exit 7",
            false,
        ))
        .await
        .expect("it runs");
    let stdin = std::fs::File::from(plain.stdin.take().expect("asked for"));
    std::io::Write::write_all(&mut &stdin, b"input\n").expect("written");
    drop(stdin);
    assert_eq!(read(&mut plain).await, ("input\n/tmp\nb\n/ready\n".into(), "err\n".into(), 7));
    let inherits =
        ExecSpec { env: Vec::new(), cwd: String::new(), ..exec("echo $GREETING; pwd; kill -9 $$", false) };
    assert_eq!(
        read(&mut runtime.exec(inherits).await.expect("it runs")).await,
        ("hello\n/\n".into(), String::new(), 137)
    );
    let large = ExecSpec {
        env: (0..9).map(|n| (format!("LARGE{n}"), "x".repeat(100_000))).collect(),
        ..exec("echo ${#LARGE8}", false)
    };
    assert_eq!(read(&mut runtime.exec(large).await.expect("it runs")).await.0, "100000\n");
    let missing = ExecSpec { args: vec!["nothing-here".into()], ..exec("", false) };
    let (out, errors, code) = read(&mut runtime.exec(missing).await.expect("it runs")).await;
    assert_eq!(
        (out.as_str(), errors.as_str(), code),
        ("", "exec: \"nothing-here\": executable file not found in $PATH\n", 127)
    );
    let mut terminal =
        runtime.exec(exec("read line; tty; stty size; echo $TERM; exit 4", true)).await.expect("it runs");
    terminal.resize(100, 40);
    let stdin = std::fs::File::from(terminal.stdin.take().expect("there"));
    std::io::Write::write_all(&mut &stdin, b"go\n").expect("written");
    let (text, _, code) = read(&mut terminal).await;
    assert!(text.contains("/dev/pts/") && text.contains("40 100") && text.contains("xterm"), "{text:?}");
    assert_eq!(code, 4);
    // Dropping an exec ends its process, and what that has started.
    let mut dropped = runtime.exec(exec("sleep 777; true", false)).await.expect("it runs");
    dropped.kill();
    assert_eq!(dropped.wait().await, 137);
    let ps = ExecSpec { args: vec!["ps".into()], ..exec("", false) };
    let (ps, _, _) = read(&mut runtime.exec(ps).await.expect("it runs")).await;
    assert!(!ps.contains("777"), "{ps}");
    runtime.signal("host", 9).await.expect("signalled");
    let exit = runtime.wait("host").await.expect("it ends");
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    runtime.remove_container("host").await.expect("removed");
    2
}

/// Both outputs to their ends, and the exit code.
async fn read(exec: &mut Exec) -> (String, String, i32) {
    let all = |fd: Option<OwnedFd>| {
        tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            let Some(fd) = fd else { return String::new() };
            let mut file = std::fs::File::from(fd);
            let mut buffer = [0u8; 4096];
            loop {
                let mut polled = [nix::poll::PollFd::new(file.as_fd(), nix::poll::PollFlags::POLLIN)];
                nix::poll::poll(&mut polled, nix::poll::PollTimeout::NONE).expect("polled");
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    // The end of a terminal.
                    Err(_) => break,
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let (out, errors) = (all(exec.stdout.take()), all(exec.stderr.take()));
    let code = exec.wait().await;
    (out.await.expect("read"), errors.await.expect("read"), code)
}

async fn sandboxes(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let pod = SandboxSpec {
        id: "pod".into(),
        hostname: "my-pod".into(),
        host_network: false,
        sysctls: vec![("net.ipv4.ip_forward".into(), "1".into())],
        share_processes: false,
    };
    let sandbox = runtime.create_sandbox(pod.clone()).await.expect("made");
    assert_eq!(runtime.create_sandbox(pod).await.expect("found"), sandbox);
    let inside = ContainerSpec {
        sandbox: Some("pod".into()),
        ..spec(
            dir,
            layer,
            "in",
            "hostname; cat /proc/sys/net/ipv4/ip_forward; readlink /proc/self/ns/net; ip addr show lo | cat",
        )
    };
    let (code, text) = output(runtime, dir, inside).await;
    let namespace = std::fs::read_link(format!("/proc/{}/ns/net", sandbox.pid)).expect("alive");
    assert_eq!(code, 0);
    assert!(
        text.starts_with(&format!("my-pod\n1\n{}\n", namespace.display())) && text.contains("127.0.0.1"),
        "{text}"
    );
    runtime.remove_sandbox("pod").await.expect("removed");
    assert_eq!(runtime.sandbox("pod"), None);
    1
}

/// A container that looks into another one: it sees its processes, and its end is not the other's.
async fn shared_processes(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    runtime.start_container(spec(dir, layer, "seen", "exec sleep 1000")).await.expect("it starts");
    let looking = ContainerSpec {
        processes_of: Some("seen".into()),
        ..spec(dir, layer, "looks", "tr '\\0' ' ' < /proc/1/cmdline; test $$ != 1 && echo not the first")
    };
    let (code, text) = output(runtime, dir, looking).await;
    assert_eq!((code, text.as_str()), (0, "sleep 1000 not the first\n"));
    assert!(is_alive(runtime.pid("seen").expect("it runs")));
    let nobody = ContainerSpec { processes_of: Some("none".into()), ..spec(dir, layer, "lost", "true") };
    assert!(runtime.start_container(nobody).await.is_err());
    runtime.remove_container("seen").await.expect("removed");
    2
}

/// A pod whose containers see each other's processes; none of them is the first, and orphans are taken in.
async fn pods_processes(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let pod = SandboxSpec {
        id: "open".into(),
        hostname: "open".into(),
        host_network: false,
        sysctls: Vec::new(),
        share_processes: true,
    };
    let sandbox = runtime.create_sandbox(pod).await.expect("made");
    let inside = |id: &str, script: &str| ContainerSpec {
        sandbox: Some("open".into()),
        ..spec(dir, layer, id, script)
    };
    runtime.start_container(inside("first", "sleep 1001 & exec sleep 1000")).await.expect("it starts");
    let script = "cat /proc/1/comm; grep -h '^CapEff\\|^Uid' /proc/1/status; ls /proc/1/root/ 2>&1 | wc -l; test -r /proc/1/root/etc && echo reaches the host; \
                  for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -x 'sleep 100[01] ' && found=\"$found ${p#/proc/}\"; \
                  done; (sleep 0.01 &); kill $found; sleep 0.1; for p in $found; do test -d /proc/$p && echo left; done; true";
    let looking = ContainerSpec { add_capabilities: vec!["SYS_PTRACE".into()], ..inside("second", script) };
    let (code, text) = output(runtime, dir, looking).await;
    let expected = vec![
        "0",
        "CapEff:\t0000000000000000",
        "Uid:\t65535\t65535\t65535\t65535",
        "pause",
        "sleep 1000",
        "sleep 1001",
    ];
    let mut lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.sort_unstable();
    assert_eq!((code, lines), (0, expected), "{text}");
    assert_eq!(runtime.wait("first").await.expect("it ends").code, 143);
    runtime.remove_container("first").await.expect("removed");
    // What is left of it went with its cgroup; the namespace goes with the sandbox.
    runtime.start_container(inside("third", "exec sleep 1002")).await.expect("it starts");
    let (third, first) = (runtime.pid("third").expect("it runs"), children(sandbox.pid));
    assert!(first.len() == 1 && is_alive(first[0]));
    runtime.remove_sandbox("open").await.expect("removed");
    assert_ne!(runtime.wait("third").await.expect("it ends").code, 0);
    assert!(!is_alive(third));
    // The namespace's first process is the last to go.
    while is_alive(first[0]) {
        tokio::task::yield_now().await;
    }
    runtime.remove_container("third").await.expect("removed");
    1
}

fn children(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("readable");
    text.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}

async fn attachments(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let write = |exec: &Exec, text: &[u8]| {
        let stdin = exec.stdin.as_ref().expect("asked for").try_clone().expect("open");
        std::io::Write::write_all(&mut std::fs::File::from(stdin), text).expect("written");
    };
    let script = "while read line; do echo got $line; echo err >&2; done; echo end; exit 6";
    let log = LogTarget::File(dir.join("talk.log"));
    let talk = ContainerSpec { stdin: true, log, ..spec(dir, layer, "talk", script) };
    runtime.start_container(talk).await.expect("it starts");
    let mut first = runtime.attach("talk").await.expect("attached");
    let second = runtime.attach("talk").await.expect("attached");
    write(&first, b"one\n");
    write(&second, b"two\n");
    drop(second);
    runtime.close_stdin("talk").await.expect("closed");
    drop(first.stdin.take());
    assert_eq!(read(&mut first).await, ("got one\ngot two\nend\n".into(), "err\nerr\n".into(), 6));
    let log = std::fs::read_to_string(dir.join("talk.log")).expect("a log");
    assert!(log.contains(" stdout F got one\n") && log.contains(" stderr F err\n"), "{log}");
    runtime.remove_container("talk").await.expect("removed");
    let terminal = ContainerSpec {
        tty: true,
        stdin: true,
        ..spec(dir, layer, "terminal", "read line; tty; stty size; exit 3")
    };
    runtime.start_container(terminal).await.expect("it starts");
    let mut exec = runtime.attach("terminal").await.expect("attached");
    exec.resize(90, 30);
    write(&exec, b"go\n");
    let (text, _, code) = read(&mut exec).await;
    assert!(text.contains("/dev/pts/0") && text.contains("30 90") && code == 3, "{text:?} {code}");
    runtime.remove_container("terminal").await.expect("removed");
    2
}

/// What is killed behind our back is seen, said and cleaned up; the helper process comes back.
async fn losses(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    runtime.start_container(spec(dir, layer, "orphan", "sleep 1000")).await.expect("it starts");
    let again = runtime.start_container(spec(dir, layer, "orphan", "true")).await.expect_err("it runs");
    assert_eq!(again.to_string(), "the container orphan exists already");
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("state/containers/orphan/pid")).expect("there"))
            .expect("JSON");
    let of = |name: &str| i32::try_from(record[name]["pid"].as_i64().expect("a pid")).expect("small");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(of("shim")), nix::sys::signal::Signal::SIGKILL)
        .expect("killed");
    let exit = runtime.wait("orphan").await.expect("it ends");
    assert!(
        exit.code == 137 && exit.error.as_deref().is_some_and(|e| e.contains("shim is gone")),
        "{exit:?}"
    );
    assert_eq!(runtime.wait("orphan").await.expect("it has ended"), exit);
    runtime.remove_container("orphan").await.expect("removed");
    assert!(!is_alive(of("init")), "the program has died with its shim");
    // A start that the caller gives up: whoever removes the container waits for it.
    for _ in 0..5 {
        let start = runtime.start_container(spec(dir, layer, "given-up", "sleep 1000"));
        let _ = tokio::time::timeout(Duration::ZERO, start).await;
        runtime.remove_container("given-up").await.expect("removed");
        assert_eq!(runtime.container("given-up"), None);
    }
    runtime.shutdown().await;
    assert_eq!(output(runtime, dir, spec(dir, layer, "after", "echo again")).await, (0, "again\n".into()));
    3
}

/// Says how long a start takes; a figure for people, not a test.
async fn speed(runtime: &Runtime, dir: &Path, layer: &Path) {
    let mut times = Vec::new();
    for index in 0..20 {
        let id = format!("speed{index}");
        let begin = std::time::Instant::now();
        runtime.start_container(spec(dir, layer, &id, "true")).await.expect("it starts");
        let started = begin.elapsed();
        runtime.wait(&id).await.expect("it ends");
        let ended = begin.elapsed();
        runtime.remove_container(&id).await.expect("removed");
        times.push((started, ended, begin.elapsed()));
    }
    times.sort();
    println!("start, end, removed: median {:.1?}, worst {:.1?}", times[10], times[19]);
}

/// Another process starts a container and is killed; this one adopts it.
async fn adoption(runtime: &Runtime, dir: &Path, layer: &Path) -> usize {
    let own = std::env::current_exe().expect("known");
    std::fs::write(
        dir.join("adopt.json"),
        serde_json::to_vec(&spec(dir, layer, "adopted", "sleep 1; exit 5")).expect("plain"),
    )
    .expect("written");
    let status = std::process::Command::new(own).arg("leave-running").arg(dir).status().expect("ran");
    assert!(!status.success(), "it was killed");
    let Some(ContainerState::Running { .. }) = runtime.container("adopted") else { panic!("it goes on") };
    let exit = tokio::time::timeout(Duration::from_secs(10), runtime.wait("adopted"))
        .await
        .expect("in time")
        .expect("it ends");
    assert_eq!(exit.code, 5);
    assert_eq!(
        runtime.spec("adopted").map(|s| s.args),
        Some(vec!["sh".into(), "-c".into(), "sleep 1; exit 5".into()])
    );
    runtime.remove_container("adopted").await.expect("removed");
    1
}

fn leave_running(dir: &Path) -> ExitCode {
    let spec: ContainerSpec =
        serde_json::from_slice(&std::fs::read(dir.join("adopt.json")).expect("there")).expect("plain");
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    executor.block_on(async {
        let runtime = Runtime::start(config(dir)).await.expect("a runtime");
        runtime.start_container(spec).await.expect("it starts");
    });
    let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    ExitCode::SUCCESS
}
