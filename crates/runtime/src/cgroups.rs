//! Limits by cgroups, v1 (also the hybrid layout) and v2, below our own cgroup; what the host forbids is left out.

use crate::spec::{HostSupport, Resources};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The places where this process may make cgroups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cgroups {
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
    cpuacct: Option<PathBuf>,
    pids: Option<PathBuf>,
    /// One folder for all of them.
    unified: Option<PathBuf>,
}

/// One container's cgroups: the folders that exist for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    dirs: Vec<PathBuf>,
    memory: Option<PathBuf>,
    cpuacct: Option<PathBuf>,
    unified: bool,
}

impl Cgroups {
    /// Finds our own cgroups and makes `<own>/<name>` in each.
    pub(crate) fn find(name: &str) -> (Self, HostSupport) {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut found = Self::default();
        let mut notes = Vec::new();
        for controller in ["memory", "cpu", "cpuacct", "pids"] {
            let Some(base) = v1_folder(&mounts, &own, controller) else { continue };
            match make(&base.join(name)) {
                Ok(folder) => *found.slot(controller) = Some(folder),
                Err(error) => {
                    notes.push(format!("no {controller} limits for containers: {}: {error}", base.display()))
                }
            }
        }
        if found.memory.is_none()
            && let Some(base) = v2_folder(&mounts, &own)
        {
            match make_v2(&base, name) {
                Ok(folder) => found.unified = Some(folder),
                Err(error) => {
                    notes.push(format!("no resource limits for containers: {}: {error}", base.display()))
                }
            }
        }
        let unified =
            found.unified.as_ref().and_then(|f| std::fs::read_to_string(f.join("cgroup.controllers")).ok());
        let has = |own: &Option<PathBuf>, name: &str| {
            own.is_some() || unified.as_ref().is_some_and(|list| list.split_whitespace().any(|c| c == name))
        };
        let (memory, cpu, pids) =
            (has(&found.memory, "memory"), has(&found.cpu, "cpu"), has(&found.pids, "pids"));
        for (name, there) in [("memory", memory), ("cpu", cpu), ("pids", pids)] {
            if !there && notes.is_empty() {
                notes.push(format!("no {name} limits for containers: the controller is not delegated to us"));
            }
        }
        let support = HostSupport { memory, cpu, pids, notes };
        (found, support)
    }

    fn slot(&mut self, controller: &str) -> &mut Option<PathBuf> {
        match controller {
            "memory" => &mut self.memory,
            "cpu" => &mut self.cpu,
            "cpuacct" => &mut self.cpuacct,
            _ => &mut self.pids,
        }
    }

    /// The cluster's own folders.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.memory, &self.cpu, &self.cpuacct, &self.pids, &self.unified].into_iter().flatten()
    }

    /// The group of one container, made or not.
    pub(crate) fn group(&self, id: &str) -> Group {
        let mut dirs: Vec<PathBuf> = self.folders().map(|f| f.join(id)).collect();
        dirs.dedup();
        Group {
            dirs,
            memory: self.memory.as_ref().or(self.unified.as_ref()).map(|f| f.join(id)),
            cpuacct: self.cpuacct.as_ref().or(self.unified.as_ref()).map(|f| f.join(id)),
            unified: self.unified.is_some(),
        }
    }

    /// Makes the container's cgroups with its limits. A limit that is refused is an error: it was asked for.
    pub(crate) fn create(&self, id: &str, resources: &Resources) -> io::Result<Group> {
        let group = self.group(id);
        for dir in &group.dirs {
            std::fs::create_dir_all(dir)?;
        }
        let put = |folder: &Option<PathBuf>, file: &str, value: String| {
            let Some(folder) = folder else { return Ok(()) };
            let path = folder.join(id).join(file);
            match std::fs::write(&path, value) {
                // A kernel without this limit.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), format!("{file}: {error}"))),
                Ok(()) => Ok(()),
            }
        };
        if let Some(bytes) = resources.memory_bytes {
            put(&self.memory, "memory.limit_in_bytes", bytes.to_string())?;
            put(&self.unified, "memory.max", bytes.to_string())?;
            // Not every host has swap accounting.
            let _ = put(&self.memory, "memory.memsw.limit_in_bytes", bytes.to_string());
            let _ = put(&self.unified, "memory.swap.max", "0".into());
            // Out of memory ends the container, not a process of it that is then missed: as the kubelet has it.
            let _ = put(&self.unified, "memory.oom.group", "1".into());
        }
        if let Some(millis) = resources.cpu_limit_millis {
            let quota = (millis * 100).max(1000);
            put(&self.cpu, "cpu.cfs_period_us", "100000".into())?;
            put(&self.cpu, "cpu.cfs_quota_us", quota.to_string())?;
            put(&self.unified, "cpu.max", format!("{quota} 100000"))?;
        }
        if let Some(millis) = resources.cpu_request_millis {
            let shares = (millis * 1024 / 1000).clamp(2, 262_144);
            put(&self.cpu, "cpu.shares", shares.to_string())?;
            put(&self.unified, "cpu.weight", (1 + (shares - 2) * 9999 / 262_142).to_string())?;
        }
        if let Some(pids) = resources.pids {
            put(&self.pids, "pids.max", pids.to_string())?;
            put(&self.unified, "pids.max", pids.to_string())?;
        }
        Ok(group)
    }
}

impl Group {
    pub(crate) fn add(&self, pid: i32) -> io::Result<()> {
        self.dirs.iter().try_for_each(|dir| match std::fs::write(dir.join("cgroup.procs"), pid.to_string()) {
            // Somebody has removed an empty group: no limit is better than no process.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
    }

    pub(crate) fn is_unified(&self) -> bool {
        self.unified
    }

    /// Whether the kernel has killed a process of the group for want of memory.
    pub(crate) fn was_oom_killed(&self) -> bool {
        let Some(memory) = &self.memory else { return false };
        let file = if self.unified { "memory.events" } else { "memory.oom_control" };
        let text = std::fs::read_to_string(memory.join(file)).unwrap_or_default();
        text.lines().any(|l| l.strip_prefix("oom_kill ").is_some_and(|n| n.trim() != "0"))
    }

    /// Other limits for what runs; what is not asked for has none. A limit below what is used is refused: the kernel would
    /// end the container.
    pub(crate) fn resize(&self, resources: &Resources) -> io::Result<()> {
        let used = self.memory_bytes().unwrap_or(0);
        if let Some(limit) = resources.memory_bytes.filter(|limit| *limit < used) {
            return Err(io::Error::other(format!(
                "attempting to set the memory limit ({limit}) below current usage ({used})"
            )));
        }
        let number =
            |value: Option<u64>, none: &str| value.map_or_else(|| none.to_string(), |v| v.to_string());
        let quota = resources.cpu_limit_millis.map(|millis| (millis * 100).max(1000));
        let shares = (resources.cpu_request_millis.unwrap_or(0) * 1024 / 1000).clamp(2, 262_144);
        if self.unified {
            self.put("memory.max", number(resources.memory_bytes, "max"))?;
            self.put("cpu.max", format!("{} 100000", number(quota, "max")))?;
            return self.put("cpu.weight", (1 + (shares - 2) * 9999 / 262_142).to_string());
        }
        // Memory with swap may never be less than memory: which comes first depends on the way.
        let limit = number(resources.memory_bytes, "-1");
        if self.put("memory.limit_in_bytes", limit.clone()).is_err() {
            let _ = self.put("memory.memsw.limit_in_bytes", limit.clone());
            self.put("memory.limit_in_bytes", limit)?;
        } else {
            // Not every host has swap accounting.
            let _ = self.put("memory.memsw.limit_in_bytes", limit);
        }
        self.put("cpu.cfs_quota_us", number(quota, "-1"))?;
        self.put("cpu.shares", shares.to_string())
    }

    /// Writes a file in each of the folders that have it.
    fn put(&self, file: &str, value: String) -> io::Result<()> {
        for path in self.dirs.iter().map(|dir| dir.join(file)).filter(|path| path.exists()) {
            std::fs::write(&path, &value)
                .map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))?;
        }
        Ok(())
    }

    /// The working set, as the kubelet counts it: the page cache that could go at once is no use of the container's.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        let memory = self.memory.as_ref()?;
        let (file, inactive) = match self.unified {
            true => ("memory.current", "inactive_file "),
            false => ("memory.usage_in_bytes", "total_inactive_file "),
        };
        let used: u64 = std::fs::read_to_string(memory.join(file)).ok()?.trim().parse().ok()?;
        let stat = std::fs::read_to_string(memory.join("memory.stat")).unwrap_or_default();
        let cache = stat.lines().find_map(|l| l.strip_prefix(inactive)?.trim().parse().ok()).unwrap_or(0);
        Some(used.saturating_sub(cache))
    }

    /// CPU time since the group was made.
    pub(crate) fn cpu_usec(&self) -> Option<u64> {
        let folder = self.cpuacct.as_ref()?;
        if !self.unified {
            let nanos = std::fs::read_to_string(folder.join("cpuacct.usage")).ok()?;
            return Some(nanos.trim().parse::<u64>().ok()? / 1000);
        }
        let stat = std::fs::read_to_string(folder.join("cpu.stat")).ok()?;
        stat.lines().find_map(|l| l.strip_prefix("usage_usec ")?.parse().ok())
    }

    /// Its folders with those that a container has made below, the lowest first.
    fn folders(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = self.dirs.iter().filter(|dir| dir.exists()).cloned().collect();
        let mut next = 0;
        while let Some(folder) = all.get(next) {
            let below = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let below: Vec<PathBuf> =
                below.filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()).collect();
            all.extend(below);
            next += 1;
        }
        all.reverse();
        all
    }

    /// Kills every process in the group.
    pub(crate) fn kill(&self) {
        for folder in self.folders() {
            let text = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            for pid in text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0) {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
    }

    /// Kills what is left in the group and removes it.
    pub(crate) fn remove(&self) {
        for attempt in 0..50 {
            let left = self.folders().iter().filter(|folder| std::fs::remove_dir(folder).is_err()).count();
            if left == 0 {
                return;
            }
            self.kill();
            // The kernel lets a group go a moment after its last process.
            std::thread::sleep(std::time::Duration::from_millis(1 + attempt));
        }
    }
}

fn make(folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    Ok(folder.to_path_buf())
}

/// A folder whose children have all the controllers that there are. The kernel wants no process in such a folder
/// ("no internal processes"), so it is made beside us where we cannot have one below.
fn make_v2(base: &Path, name: &str) -> io::Result<PathBuf> {
    let have = std::fs::read_to_string(base.join("cgroup.controllers"))?;
    let wanted: Vec<String> = ["memory", "cpu", "pids"]
        .iter()
        .filter(|c| have.split_whitespace().any(|h| h == **c))
        .map(|c| format!("+{c}"))
        .collect();
    if !wanted.iter().any(|c| c == "+memory") {
        return Err(io::Error::other("the memory controller is not delegated to us"));
    }
    let enable = |folder: &Path| std::fs::write(folder.join("cgroup.subtree_control"), wanted.join(" "));
    let parent = match enable(base) {
        Ok(()) => base.to_path_buf(),
        Err(first) => {
            let above =
                base.parent().filter(|p| p.join("cgroup.controllers").exists()).ok_or(first)?.to_path_buf();
            enable(&above)?;
            above
        }
    };
    let folder = make(&parent.join(name))?;
    enable(&folder)?;
    Ok(folder)
}

/// Our own folder in the v1 hierarchy of a controller.
fn v1_folder(mounts: &str, own: &str, controller: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let controllers = parts.nth(1)?;
        controllers.split(',').any(|c| c == controller).then(|| parts.next())?
    })?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let is_v1 = right.next() == Some("cgroup");
        let options = right.nth(1)?;
        let fields: Vec<&str> = left.split(' ').collect();
        (is_v1 && options.split(',').any(|o| o == controller))
            .then(|| (fields[3].to_string(), fields[4].to_string()))
    })?;
    Some(join(&point, &root, path))
}

fn v2_folder(mounts: &str, own: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let fields: Vec<&str> = left.split(' ').collect();
        right.starts_with("cgroup2 ").then(|| (fields[3].to_string(), fields[4].to_string()))
    })?;
    Some(join(&point, &root, path))
}

/// `root` is what of the hierarchy is mounted at `point`: in a container it is not the whole.
fn join(point: &str, root: &str, path: &str) -> PathBuf {
    let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
    Path::new(point).join(below.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_folders_are_found_in_both_layouts() {
        let v1 = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "4:memory:/process_api/x\n0::/\n";
        assert_eq!(v1_folder(v1, own, "memory"), Some("/sys/fs/cgroup/memory/process_api/x".into()));
        assert_eq!(v1_folder(v1, own, "cpu"), None);
        let v2 = "31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let own = "0::/user.slice/user-1000.slice/session-1.scope\n";
        assert_eq!(
            v2_folder(v2, own),
            Some("/sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope".into())
        );
        let nested = "31 25 0:27 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(v2_folder(nested, "0::/docker/abc/inner\n"), Some("/sys/fs/cgroup/inner".into()));
    }

    #[test]
    fn unified_limits() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let own = dir.path().join("slice/session");
        std::fs::create_dir_all(&own).expect("made");
        for folder in [dir.path().join("slice"), own.clone()] {
            std::fs::write(folder.join("cgroup.controllers"), "cpuset cpu io memory pids\n")
                .expect("written");
        }
        // We are in it ourselves: it cannot have children with controllers, so they are made beside it.
        std::fs::create_dir(own.join("cgroup.subtree_control")).expect("made");
        let folder = make_v2(&own, "coracle").expect("made");
        assert_eq!(folder, dir.path().join("slice/coracle"));
        let read = |path: PathBuf| std::fs::read_to_string(path).expect("readable");
        assert_eq!(read(folder.join("cgroup.subtree_control")), "+memory +cpu +pids");
        let cgroups = Cgroups { unified: Some(folder), ..Cgroups::default() };
        let resources = Resources {
            memory_bytes: Some(1 << 20),
            cpu_limit_millis: Some(250),
            cpu_request_millis: Some(100),
            pids: Some(9),
        };
        let group = cgroups.create("c", &resources).expect("made");
        let mut found: Vec<String> = std::fs::read_dir(&group.dirs[0])
            .expect("readable")
            .map(|e| e.expect("an entry").path())
            .map(|path| {
                format!("{} {}", path.file_name().expect("named").to_string_lossy(), read(path.clone()))
            })
            .collect();
        found.sort();
        let expected = [
            "cpu.max 25000 100000",
            "cpu.weight 4",
            "memory.max 1048576",
            "memory.oom.group 1",
            "memory.swap.max 0",
            "pids.max 9",
        ];
        assert_eq!(found, expected);
        std::fs::write(group.dirs[0].join("memory.events"), "oom 1\noom_kill 1\n").expect("written");
        assert!(group.was_oom_killed());
        let more = Resources {
            memory_bytes: None,
            cpu_limit_millis: Some(500),
            cpu_request_millis: None,
            pids: None,
        };
        group.resize(&more).expect("written");
        let now = |file: &str| read(group.dirs[0].join(file));
        assert_eq!([now("memory.max"), now("cpu.max"), now("cpu.weight")], ["max", "50000 100000", "1"]);
        assert_eq!((group.memory_bytes(), group.cpu_usec()), (None, None), "nothing to read there yet");
        let dir = &group.dirs[0];
        std::fs::write(dir.join("memory.current"), "9000\n").expect("written");
        std::fs::write(dir.join("memory.stat"), "anon 5\ninactive_file 1000\n").expect("written");
        std::fs::write(dir.join("cpu.stat"), "usage_usec 77\nuser_usec 1\n").expect("written");
        assert_eq!((group.memory_bytes(), group.cpu_usec()), (Some(8000), Some(77)));
        let less = Resources { memory_bytes: Some(7999), ..more };
        let refused = group.resize(&less).expect_err("it would end the container").to_string();
        assert_eq!(refused, "attempting to set the memory limit (7999) below current usage (8000)");
    }
}
