//! Which capabilities a container's root has: Docker's default set, changed by the pod, cut from the bounding set.

use std::io;

/// Names in the order of their numbers (linux/capability.h).
const NAMES: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

const DEFAULT: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

fn number(name: &str) -> Option<usize> {
    let bare = name.strip_prefix("CAP_").unwrap_or(name);
    NAMES.iter().position(|n| n.eq_ignore_ascii_case(bare))
}

/// The wanted set as bits. `ALL` is all; an unknown name is an error with its text.
pub(crate) fn wanted(privileged: bool, add: &[String], drop: &[String]) -> Result<u64, String> {
    let all = (1u64 << NAMES.len()) - 1;
    if privileged {
        return Ok(all);
    }
    let bit = |name: &String| match name.as_str() {
        n if n.eq_ignore_ascii_case("all") => Ok(all),
        n => number(n).map(|i| 1u64 << i).ok_or_else(|| format!("unknown capability {n:?}")),
    };
    let mut set = DEFAULT.iter().filter_map(|n| number(n)).fold(0, |set, i| set | 1u64 << i);
    // As in the kubelet: drops first, so that `drop: [ALL], add: [X]` leaves X.
    for name in drop {
        set &= !bit(name)?;
    }
    for name in add {
        set |= bit(name)?;
    }
    Ok(set)
}

/// Cuts the bounding set of this process, for good. What we do not have ourselves cannot be given.
pub(crate) fn limit(set: u64) -> io::Result<()> {
    for capability in (0..64u32).filter(|c| set & (1 << c) == 0) {
        if !crate::sys::drop_bounding(capability)? {
            // The kernel's last capability has been passed.
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        let names = |add: &[&str], drop: &[&str]| {
            let own = |l: &[&str]| l.iter().map(|s| s.to_string()).collect::<Vec<_>>();
            wanted(false, &own(add), &own(drop)).map(|set| set.count_ones())
        };
        assert_eq!(names(&[], &[]), Ok(14));
        assert_eq!(names(&["CAP_NET_ADMIN"], &[]), Ok(15));
        assert_eq!(names(&["NET_BIND_SERVICE"], &["ALL"]), Ok(1));
        assert_eq!(names(&[], &["kill"]), Ok(13));
        assert!(names(&["NONSENSE"], &[]).is_err());
    }
}
