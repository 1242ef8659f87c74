//! The last steps before a container's program: identity, capabilities, working directory, exec. Shared by a
//! container's first process and by execs.

use crate::capabilities;
use crate::refusal::{Refusal, plain};
use crate::sys;
use crate::user::{self, Identity};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(crate) struct Program<'a> {
    pub(crate) args: &'a [String],
    pub(crate) env: &'a [(String, String)],
    pub(crate) cwd: &'a str,
    pub(crate) user: &'a str,
    pub(crate) groups: &'a [u32],
    pub(crate) capabilities: u64,
    pub(crate) no_new_privileges: bool,
    pub(crate) tty: bool,
}

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Becomes the program. The root is the container's already. Comes back only with the reason why not.
pub(crate) fn become_program(program: &Program) -> Refusal {
    match prepare(program) {
        Ok((path, args, env)) => {
            let error = match nix::unistd::execve(&path, &args, &env) {
                Err(errno) => io::Error::from(errno),
                Ok(never) => match never {},
            };
            let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            Refusal::new(code, format!("exec: {:?}: {}", path.to_string_lossy(), plain(&error)))
        }
        Err(refusal) => refusal,
    }
}

type Exec = (CString, Vec<CString>, Vec<CString>);

fn prepare(program: &Program) -> Result<Exec, Refusal> {
    let identity =
        user::resolve(Path::new("/"), program.user, program.groups).map_err(|e| Refusal::new(126, e))?;
    enter_directory(program.cwd, &identity)?;
    take_identity(&identity, program).map_err(Refusal::setup("setting the user"))?;
    let mut env: Vec<(String, String)> = Vec::with_capacity(program.env.len());
    // Of two values of one name the later one counts.
    for (name, value) in program.env {
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), value.clone()));
    }
    sys::reset_signals();
    let mut default = |name: &str, value: String| {
        if !env.iter().any(|(n, _)| n == name) {
            env.push((name.to_string(), value));
        }
    };
    default("PATH", DEFAULT_PATH.into());
    if program.tty {
        default("TERM", "xterm".into());
    }
    default("HOME", identity.home.clone().unwrap_or_else(|| "/".into()));
    let search = env.iter().find(|(n, _)| n == "PATH").map(|(_, v)| v.clone()).unwrap_or_default();
    let first = program.args.first().ok_or_else(|| Refusal::new(127, "no command is given"))?;
    let path = find(first, &search)?;
    let text = |s: String| {
        CString::new(s).map_err(|_| Refusal::new(126, "a NUL byte in the command or its environment"))
    };
    let args = program.args.iter().map(|a| text(a.clone())).collect::<Result<_, _>>()?;
    let env = env.into_iter().map(|(n, v)| text(format!("{n}={v}"))).collect::<Result<_, _>>()?;
    Ok((text(path.to_string_lossy().into_owned())?, args, env))
}

/// A missing working directory is made, owned by the user, as Docker does.
fn enter_directory(cwd: &str, identity: &Identity) -> Result<(), Refusal> {
    let path = Path::new(if cwd.is_empty() { "/" } else { cwd });
    if !path.exists() {
        std::fs::create_dir_all(path)
            .map_err(Refusal::setup(&format!("making the working directory {cwd:?}")))?;
        std::os::unix::fs::chown(path, Some(identity.uid), Some(identity.gid))
            .map_err(Refusal::setup(&format!("owning the working directory {cwd:?}")))?;
    }
    std::env::set_current_dir(path).map_err(Refusal::setup(&format!("chdir to cwd {cwd:?}")))?;
    // The kernel writes "(unreachable)" before a folder that is not below our root.
    match std::env::current_dir() {
        Ok(path) if path.as_os_str().as_bytes().starts_with(b"/") => Ok(()),
        _ => Err(Refusal::new(128, format!("the working directory {cwd:?} is not in the container"))),
    }
}

fn take_identity(identity: &Identity, program: &Program) -> io::Result<()> {
    capabilities::limit(program.capabilities)?;
    if program.no_new_privileges {
        nix::sys::prctl::set_no_new_privs()?;
    }
    let groups: Vec<Gid> = identity.groups.iter().map(|g| Gid::from_raw(*g)).collect();
    // In a user namespace without `newgidmap` the call is forbidden, and there is no other group to lose.
    match setgroups(&groups) {
        Err(nix::errno::Errno::EPERM) if groups.is_empty() => {}
        other => other?,
    }
    setgid(Gid::from_raw(identity.gid))?;
    setuid(Uid::from_raw(identity.uid))?;
    // Changing the user clears these; the program ends with its shim all the same.
    die_with_parent()
}

/// SIGKILL when the parent ends.
pub(crate) fn die_with_parent() -> io::Result<()> {
    Ok(nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?)
}

/// To be called before we are in reach of what runs in a container: until we are its program, it must not look into us,
/// for we still have the host's files open.
pub(crate) fn hide_self() -> io::Result<()> {
    Ok(nix::sys::prctl::set_dumpable(false)?)
}

/// When the machine runs out of memory, a container goes before the developer's editor and before us.
pub(crate) fn prefer_as_victim() {
    // Raising it is always allowed; where /proc is read-only it stays as it is.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
}

/// As `execvp` searches, with the words of runc.
fn find(name: &str, search: &str) -> Result<PathBuf, Refusal> {
    let usable = |path: &Path| std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0);
    if name.contains('/') {
        let path = Path::new(name);
        return match std::fs::metadata(path) {
            Err(error) => Err(Refusal::new(127, format!("exec: {name:?}: stat {name}: {}", plain(&error)))),
            Ok(m) if m.is_dir() => Err(Refusal::new(126, format!("exec: {name:?}: is a directory"))),
            Ok(_) if !usable(path) => Err(Refusal::new(126, format!("exec: {name:?}: permission denied"))),
            Ok(_) => Ok(path.to_path_buf()),
        };
    }
    search
        .split(':')
        .map(|folder| Path::new(if folder.is_empty() { "." } else { folder }).join(name))
        .find(|path| usable(path))
        .ok_or_else(|| Refusal::new(127, format!("exec: {name:?}: executable file not found in $PATH")))
}
