//! A private place for one scenario: home, data, kubeconfig, a copy of the binary, a project.

use crate::files;
use crate::process::{self, Background, Run};
use crate::snapshot::{self, Process, Snapshot};
use crate::wait;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The beginning of the names of worlds' folders.
pub const PREFIX: &str = "coracle-e2e-";

/// The image that `busybox_image` makes.
pub const BUSYBOX: &str = "busybox:1.36";

const LIMIT: Duration = Duration::from_secs(120);

pub struct World {
    root: PathBuf,
    clusters: RefCell<Vec<String>>,
    before: Snapshot,
}

impl World {
    /// `binary`: the coracle to test.
    pub fn new(binary: &Path) -> anyhow::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("{PREFIX}{}-{number}", std::process::id()));
        for folder in ["home", "data", "bin", "project"] {
            std::fs::create_dir_all(root.join(folder))?;
        }
        // A name of its own for the running program, which a new build does not replace.
        let coracle = root.join("bin/coracle");
        std::fs::hard_link(binary, &coracle)
            .or_else(|_| std::fs::copy(binary, &coracle).map(|_| ()))
            .with_context(|| format!("cannot use the binary {}", binary.display()))?;
        // What the user has set up for package registries holds in here too.
        for file in [".npmrc", ".config/pip/pip.conf", ".pip/pip.conf"] {
            let Some(home) = std::env::var_os("HOME") else { break };
            let from = Path::new(&home).join(file);
            if from.exists() {
                files::write(&root.join("home").join(file), &files::read(&from)?)?;
            }
        }
        let before = Snapshot::take(&root, &[]);
        Ok(Self { root, clusters: RefCell::default(), before })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn project(&self) -> PathBuf {
        self.root.join("project")
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("home/.kube/config")
    }

    /// `$XDG_DATA_HOME/coracle`.
    pub fn data(&self) -> PathBuf {
        self.root.join("data/coracle")
    }

    pub fn binary(&self) -> PathBuf {
        self.root.join("bin/coracle")
    }

    /// A name for a cluster that no other world uses.
    pub fn cluster_name(&self) -> String {
        let number =
            self.root.to_string_lossy().rsplit_once(PREFIX).map(|(_, n)| n.to_string()).unwrap_or_default();
        let name = format!("e2e-{number}");
        self.use_cluster(&name);
        name
    }

    /// Says that there will be a cluster of this name.
    pub fn use_cluster(&self, name: &str) {
        let mut clusters = self.clusters.borrow_mut();
        if !clusters.iter().any(|n| n == name) {
            clusters.push(name.to_string());
        }
    }

    /// Links the binary under another tool's name.
    pub fn link(&self, name: &str) -> anyhow::Result<()> {
        Ok(std::os::unix::fs::symlink("coracle", self.root.join("bin").join(name))?)
    }

    /// A program in this world, in the project's folder.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(arguments)
            .current_dir(self.project())
            .env("PATH", format!("{}:{path}", self.root.join("bin").display()))
            .env("HOME", self.root.join("home"))
            .env("XDG_DATA_HOME", self.root.join("data"))
            .env("XDG_CONFIG_HOME", self.root.join("home/.config"))
            .env("XDG_CACHE_HOME", cache_dir())
            .env("KUBECONFIG", self.kubeconfig())
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C.UTF-8")
            // A pager or an editor would wait for somebody.
            .env("PAGER", "cat")
            .env("EDITOR", "false");
        for name in ["K3D_CONFIG", "CORACLE_LOG", "MAKEFLAGS", "MAKELEVEL", "KUBE_EDITOR", "XDG_RUNTIME_DIR"]
        {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, command: Command) -> anyhow::Result<Run> {
        process::run(command, LIMIT)
    }

    pub fn coracle(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        self.run(self.command(self.binary(), arguments))
    }

    pub fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        self.run(self.command("kubectl", arguments))
    }

    pub fn shell(&self, script: &str) -> anyhow::Result<Run> {
        self.run(self.command("sh", &["-c", script]))
    }

    /// `coracle up …`, watching.
    pub fn up(&self, arguments: &[&str]) -> anyhow::Result<Background> {
        let arguments: Vec<&str> = std::iter::once("up").chain(arguments.iter().copied()).collect();
        Background::start(self.command(self.binary(), &arguments))
    }

    /// An object, as JSON.
    pub fn object(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let arguments: Vec<&str> =
            std::iter::once("get").chain(arguments.iter().copied()).chain(["-o", "json"]).collect();
        Ok(serde_json::from_str(&self.kubectl(&arguments)?.ok()?.stdout)?)
    }

    /// Creates and starts a cluster of this world's own name.
    pub fn create_cluster(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let name = self.cluster_name();
        let arguments: Vec<&str> =
            ["cluster", "create", &name].into_iter().chain(arguments.iter().copied()).collect();
        self.coracle(&arguments)?.ok()?;
        Ok(name)
    }

    /// Writes a k3d configuration into the project, with a free port for the registry if there is to be one.
    pub fn write_config(&self, ports: &[(u16, u16)], registry: Option<u16>) -> anyhow::Result<String> {
        let name = self.cluster_name();
        let mut text =
            format!("apiVersion: k3d.io/v1alpha5\nkind: Simple\nmetadata:\n  name: {name}\nservers: 1\n");
        if !ports.is_empty() {
            text.push_str("ports:\n");
        }
        for (host, inside) in ports {
            text.push_str(&format!("  - port: {host}:{inside}\n    nodeFilters: [loadbalancer]\n"));
        }
        if let Some(port) = registry {
            text.push_str(&format!(
                "registries:\n  create:\n    name: e2e-registry.localhost\n    hostPort: \"{port}\"\n"
            ));
        }
        files::write(&self.project().join("k3d-config.yaml"), &text)?;
        Ok(name)
    }

    /// Imports an image with a shell and the usual small tools, made of the machine's own static busybox.
    pub fn busybox_image(&self) -> anyhow::Result<()> {
        let script = format!(
            "set -e
             mkdir -p rootfs/bin rootfs/etc rootfs/tmp rootfs/root rootfs/proc rootfs/sys rootfs/dev
             chmod 1777 rootfs/tmp
             cp \"$(command -v busybox)\" rootfs/bin/busybox
             for tool in $(busybox --list | grep -vx busybox); do ln -s busybox rootfs/bin/$tool; done
             echo 'root:x:0:0:root:/root:/bin/sh' > rootfs/etc/passwd
             echo 'root:x:0:' > rootfs/etc/group
             tar -C rootfs -cf busybox.tar .
             coracle image import --rootfs {BUSYBOX} --env PATH=/bin --cmd '[\"sh\"]' busybox.tar"
        );
        let mut command = self.command("sh", &["-c", &script]);
        command.current_dir(&self.root);
        self.run(command)?.ok()?;
        Ok(())
    }

    /// What runs of this world now.
    pub fn processes(&self) -> Vec<Process> {
        snapshot::processes(&self.root)
    }

    /// The process of a container whose command line has this in it.
    pub fn container_process(&self, part: &str) -> anyhow::Result<Process> {
        let found: Vec<Process> =
            self.processes().into_iter().filter(|p| !p.is_coracle && p.command.contains(part)).collect();
        ensure!(
            found.len() == 1,
            "{} processes in containers have {part:?} in their command: {found:?}",
            found.len()
        );
        Ok(found[0].clone())
    }

    /// The process id of the cluster's daemon.
    pub fn daemon(&self, cluster: &str) -> anyhow::Result<i32> {
        let text = files::read(&self.data().join("clusters").join(cluster).join("daemon.json"))?;
        let file: Value = serde_json::from_str(&text)?;
        Ok(i32::try_from(file["pid"].as_i64().context("daemon.json has no pid")?)?)
    }

    /// The end of the daemons' logs, for a failure's report.
    pub fn logs(&self) -> String {
        let mut out = String::new();
        for name in self.clusters.borrow().iter() {
            if let Ok(text) =
                std::fs::read_to_string(self.data().join("clusters").join(name).join("daemon.log"))
            {
                out.push_str(&format!("  log of the daemon of {name}:\n{}", process::tail(&text)));
            }
        }
        out
    }

    /// Deletes what the scenario has left on purpose, and then nothing may be left.
    pub fn finish(self) -> anyhow::Result<()> {
        let result = self.coracle(&["cluster", "delete", "--all"]).and_then(Run::ok);
        let left = result.and_then(|_| self.nothing_left());
        if left.is_err() {
            self.sweep();
        }
        let _ = std::fs::remove_dir_all(&self.root);
        left
    }

    /// Nothing of the clusters is on the machine any more.
    pub fn nothing_left(&self) -> anyhow::Result<()> {
        // The kernel takes network namespaces apart on its own time.
        wait::until("nothing is left behind", 5, || {
            let mut left = Snapshot::take(&self.root, &self.clusters.borrow()).since(&self.before);
            let clusters = std::fs::read_dir(self.data().join("clusters")).into_iter().flatten().flatten();
            left.extend(clusters.map(|entry| format!("file: {}", entry.path().display())));
            ensure!(left.is_empty(), "left behind:\n  {}", left.join("\n  "));
            Ok(())
        })
    }

    /// After a failure: ends what is left, so that the next scenario starts on a clean machine.
    fn sweep(&self) {
        for process in self.processes() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(process.pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        std::thread::sleep(Duration::from_millis(300));
        for line in std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default().lines().rev() {
            if let Some(point) = line.split(' ').nth(4).filter(|p| Path::new(p).starts_with(&self.root)) {
                let _ = nix::mount::umount2(point, nix::mount::MntFlags::MNT_DETACH);
            }
        }
    }
}

/// What is worth keeping between runs: downloaded or generated base images.
pub fn cache_dir() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| files::repository().join("target"), PathBuf::from);
    target.join("e2e-cache")
}
