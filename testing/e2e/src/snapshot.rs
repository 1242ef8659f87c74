//! What the machine has that a cluster could leave behind: processes, mounts, interfaces, routes, rules, cgroups, files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is compared before and after.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    entries: BTreeSet<String>,
}

impl Snapshot {
    /// `root`: the folder of the world that is looked for in processes and mounts. `clusters`: names of its clusters; none
    /// for the time before.
    pub fn take(root: &Path, clusters: &[String]) -> Self {
        let mut entries = BTreeSet::new();
        let mut add = |kind: &str, lines: Vec<String>| {
            entries.extend(lines.into_iter().map(|l| format!("{kind}: {l}")))
        };
        add("process", processes(root).into_iter().map(|p| format!("{} {}", p.pid, p.command)).collect());
        add("mount", mounts(root));
        add("interface", names(Path::new("/sys/class/net")));
        add("named network namespace", names(Path::new("/run/netns")));
        add("cgroup", cgroups(clusters));
        add("file", stray_files());
        add("route", output("ip", &["-oneline", "route", "show", "table", "all"]));
        add("route", output("ip", &["-6", "-oneline", "route", "show", "table", "all"]));
        add("policy rule", output("ip", &["rule", "show"]));
        add("nft rule", output("nft", &["list", "ruleset"]));
        add(
            "iptables rule",
            output("iptables-save", &[]).into_iter().filter(|l| l.starts_with('-')).collect(),
        );
        Self { entries }
    }

    /// What is there now and was not there before.
    pub fn since(&self, before: &Self) -> Vec<String> {
        self.entries.difference(&before.entries).cloned().collect()
    }
}

/// A process that belongs to a world.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: i32,
    /// In clock ticks since the machine's start: a process id that is used again has another one.
    pub started: u64,
    pub command: String,
    /// One of the binary's own roles, not a program in a container.
    pub is_coracle: bool,
}

/// The processes whose program, arguments or mounts are below `root`.
pub fn processes(root: &Path) -> Vec<Process> {
    let root = root.to_string_lossy().into_owned();
    let ours = fs::read_link("/proc/self/ns/mnt").ok();
    let mut found = Vec::new();
    for pid in names(Path::new("/proc")).iter().filter_map(|name| name.parse::<i32>().ok()) {
        let place = PathBuf::from(format!("/proc/{pid}"));
        let program =
            fs::read_link(place.join("exe")).map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
        let arguments = fs::read(place.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&arguments).replace('\0', " ").trim().to_string();
        let is_coracle = program.starts_with(&root);
        let contained = || {
            fs::read_link(place.join("ns/mnt")).ok() != ours
                && fs::read_to_string(place.join("mountinfo")).is_ok_and(|text| text.contains(&root))
        };
        if pid != i32::try_from(std::process::id()).unwrap_or(0)
            && (is_coracle || command.contains(&root) || contained())
        {
            let started = start_time(&place).unwrap_or_default();
            found.push(Process { pid, started, command, is_coracle });
        }
    }
    found
}

fn start_time(place: &Path) -> Option<u64> {
    let text = fs::read_to_string(place.join("stat")).ok()?;
    // The name in parentheses may hold anything; the 22nd field is the 20th after it.
    text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn mounts(root: &Path) -> Vec<String> {
    let root = root.to_string_lossy().into_owned();
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter(|line| line.contains(&root)).map(String::from).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The cgroups of these clusters (of all, if none are named), in whatever hierarchies are mounted.
fn cgroups(clusters: &[String]) -> Vec<String> {
    fn walk(folder: &Path, wanted: &[String], depth: usize, out: &mut Vec<String>) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for path in entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let named = || wanted.iter().any(|w| name == *w || name.starts_with(&format!("{w}.")));
            if name.starts_with("coracle-") && (wanted.is_empty() || named()) {
                out.push(path.display().to_string());
            } else if depth > 0 {
                walk(&path, wanted, depth - 1, out);
            }
        }
    }
    let wanted: Vec<String> = clusters.iter().map(|name| format!("coracle-{name}")).collect();
    let mut out = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), &wanted, 4, &mut out);
    out
}

/// Files of ours where temporary files usually are. Other worlds of the same machine do not count.
fn stray_files() -> Vec<String> {
    ["/tmp", "/var/tmp", "/run", "/dev/shm"]
        .iter()
        .flat_map(|folder| names(Path::new(folder)).into_iter().map(move |name| format!("{folder}/{name}")))
        .filter(|path| path.contains("coracle") && !path.contains(crate::world::PREFIX))
        .collect()
}

/// The lines of a tool that may be missing.
fn output(program: &str, arguments: &[&str]) -> Vec<String> {
    let Ok(output) = Command::new(program).args(arguments).output() else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim().to_string()).collect()
}
