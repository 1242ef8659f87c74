//! What a container uses, read from its processes: for hosts that give us no cgroups.

use crate::spec::Usage;
use std::path::PathBuf;

/// The clock of `/proc/PID/stat`: 100 on every architecture that we run on.
const TICKS_PER_SECOND: u64 = 100;

/// The sum over a container's first process and all that descend from it: the first inherits every orphan.
pub(crate) fn usage(init: i32) -> Option<Usage> {
    let mut pids = vec![init];
    let (mut ticks, mut anonymous, mut shared) = (0, 0, 0);
    let mut next = 0;
    while let Some(pid) = pids.get(next).copied() {
        next += 1;
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        match cpu_ticks(&read("stat")) {
            Some(more) => ticks += more,
            None if pid == init => return None,
            // It has ended meanwhile.
            None => continue,
        }
        let (own, with_others) = memory_kib(&read("status"));
        anonymous += own;
        shared = with_others.max(shared);
        for task in std::fs::read_dir(folder.join("task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
    }
    Some(Usage {
        memory_bytes: (anonymous + shared) * 1024,
        cpu_usec: ticks * (1_000_000 / TICKS_PER_SECOND),
    })
}

/// Its own time and that of children that it has waited for. The name before it may hold spaces and brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times: Vec<u64> = fields.split_whitespace().skip(11).take(4).map_while(|t| t.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

/// What is the process's alone, and what it may share with others.
fn memory_kib(status: &str) -> (u64, u64) {
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    (field("RssAnon:"), field("RssFile:") + field("RssShmem:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_process() {
        let stat = "12 (a) b) S 1 12 12 0 -1 4194560 100 0 0 0 7 3 20 5 20 0 1 0 100 1000 10";
        assert_eq!(cpu_ticks(stat), Some(35));
        assert_eq!(cpu_ticks(""), None);
        assert_eq!(memory_kib("RssAnon:\t  12 kB\nRssFile:\t 30 kB\nRssShmem:\t 2 kB\n"), (12, 32));
        assert_eq!(usage(-5), None);
    }

    #[test]
    fn of_ourselves() {
        let own = i32::try_from(std::process::id()).expect("pids are small");
        assert!(usage(own).expect("we live").memory_bytes > 0);
    }
}
