//! The arguments of a running session, in a file that `coracle args` may change and the session watches.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The file of one Tiltfile's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionArgs {
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    /// The session's process: a file that it left behind says nothing.
    process: u32,
    tiltfile: PathBuf,
    args: Vec<String>,
}

impl SessionArgs {
    /// The place for the Tiltfile at an absolute path.
    pub fn of(directory: &Path, tiltfile: &Path) -> Self {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let text = tiltfile.to_string_lossy();
        let name: String =
            text.trim_start_matches('/').chars().map(|c| if fits(c) { c } else { '_' }).collect();
        // names have a limit, and two paths may become one name
        let tail: String = name.chars().rev().take(100).collect::<Vec<_>>().into_iter().rev().collect();
        Self { path: directory.join(format!("{tail}-{:016x}.json", fingerprint(text.as_bytes()))) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For a session that starts.
    pub fn create(&self, tiltfile: &Path, args: &[String]) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        self.store(&Contents {
            process: std::process::id(),
            tiltfile: tiltfile.to_owned(),
            args: args.to_vec(),
        })
    }

    /// The arguments, if the session runs.
    pub fn read(&self) -> Option<Vec<String>> {
        self.load().map(|c| c.args)
    }

    /// Changes the arguments of the session that runs.
    pub fn write(&self, args: &[String]) -> io::Result<()> {
        let contents = self.load().ok_or(io::ErrorKind::NotFound)?;
        self.store(&Contents { args: args.to_vec(), ..contents })
    }

    pub fn remove(&self) {
        // Another session of the same Tiltfile may have taken its place.
        if self.load().is_some_and(|c| c.process == std::process::id()) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn load(&self) -> Option<Contents> {
        let contents: Contents = serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()?;
        Path::new("/proc").join(contents.process.to_string()).exists().then_some(contents)
    }

    /// By a second file, so that no reader sees half of it.
    fn store(&self, contents: &Contents) -> io::Result<()> {
        let next = self.path.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&next, serde_json::to_vec(contents)?)?;
        std::fs::rename(&next, &self.path)
    }
}

/// FNV-1a: tells paths apart, and is the same in every version.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_and_its_arguments() {
        let scratch = tempfile::tempdir().expect("a folder");
        let tiltfile = Path::new("/a b/Tiltfile");
        let args = SessionArgs::of(&scratch.path().join("sessions"), tiltfile);
        assert_ne!(args, SessionArgs::of(&scratch.path().join("sessions"), Path::new("/a_b/Tiltfile")));
        assert_eq!(args.read(), None);
        assert!(args.write(&["x".to_owned()]).is_err(), "nobody would read it");
        args.create(tiltfile, &["one".to_owned()]).expect("it is stored");
        assert_eq!(args.read(), Some(vec!["one".to_owned()]));
        args.write(&[]).expect("it is stored");
        assert_eq!(args.read(), Some(Vec::new()));
        // a session that is gone
        let gone = Contents { process: u32::MAX, tiltfile: tiltfile.to_owned(), args: Vec::new() };
        args.store(&gone).expect("it is stored");
        assert_eq!(args.read(), None);
        args.remove();
        assert!(args.path().exists(), "it is not ours");
    }
}
