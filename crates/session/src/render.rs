//! `kustomize build` in this process, for Tiltfiles.

use crate::outside::World;
use crate::reuse::Fresh;
use kustomize::{BuildCommand, Checkout, Fetched, Output, Outside, OutsideError, Program, Repository};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tiltfile::{HostError, Rendered};
use tokio_util::sync::CancellationToken;

/// Renders a folder. The flags are those of the command line; what makes no sense here is refused, not dropped.
/// `warn` gets the warnings of the build.
pub fn kustomize(dir: &Path, flags: &[String], warn: &mut dyn FnMut(&str)) -> Result<Rendered, HostError> {
    noting_use(dir, flags, &CancellationToken::new(), warn).map(|fresh| fresh.rendered)
}

/// As [`kustomize`]; tells too whether the files that were read are all that it was made of.
pub(crate) fn noting_use(
    dir: &Path,
    flags: &[String],
    interrupt: &CancellationToken,
    warn: &mut dyn FnMut(&str),
) -> Result<Fresh, HostError> {
    let refuse = |message: String, hint: &str| HostError { message, hint: Some(hint.into()) };
    let command = BuildCommand::read(flags)
        .map_err(|e| refuse(e.to_string(), "`coracle kustomize build --help` lists the flags"))?;
    if command.target != "." {
        return Err(refuse(
            format!("{:?} among the flags of kustomize() is not a flag", command.target),
            "the directory is the first argument",
        ));
    }
    if command.output.is_some() {
        return Err(refuse("kustomize() returns the manifests and writes none".into(), "leave -o out"));
    }
    let mut options = command.options;
    options.managed_by_label |= wants_managed_by_label();
    let world = Noting {
        world: World::from_environment().interrupted_by(interrupt.clone()),
        used: AtomicBool::new(false),
    };
    let (built, files) =
        kustomize::build_with(&kustomize::Disk, Some(&world), &dir.to_string_lossy(), &options);
    let built = built.map_err(|error| {
        let diagnostic = error.to_diagnostic();
        HostError { message: diagnostic.to_string(), hint: diagnostic.hint.clone() }
    })?;
    built.warnings.iter().for_each(|warning| warn(warning));
    let rendered = Rendered { yaml: built.yaml, files_read: files.iter().map(PathBuf::from).collect() };
    // what is reused says nothing, and a warning must come again
    let of_files_alone = !world.used.load(Ordering::Relaxed) && built.warnings.is_empty();
    Ok(Fresh { rendered, of_files_alone })
}

/// The world outside of the files, and whether it was asked for anything.
struct Noting {
    world: World,
    used: AtomicBool,
}

impl Noting {
    fn asked(&self) -> &World {
        self.used.store(true, Ordering::Relaxed);
        &self.world
    }
}

impl Outside for Noting {
    fn fetch(&self, url: &str) -> Result<Fetched, OutsideError> {
        self.asked().fetch(url)
    }
    fn checkout(&self, repository: &Repository) -> Result<Checkout, OutsideError> {
        self.asked().checkout(repository)
    }
    fn run(&self, program: &Program) -> Result<Output, OutsideError> {
        self.asked().run(program)
    }
    fn scratch(&self, name: &str, content: &[u8]) -> Result<String, OutsideError> {
        self.asked().scratch(name, content)
    }
    fn variable(&self, name: &str) -> Option<String> {
        self.asked().variable(name)
    }
    fn is_executable(&self, path: &str) -> Option<bool> {
        self.asked().is_executable(path)
    }
}

/// kustomize's own variable for builds whose resources are labelled.
pub fn wants_managed_by_label() -> bool {
    std::env::var("KUSTOMIZE_ENABLE_MANAGEDBY_LABEL").is_ok_and(|value| value == "on")
}

#[cfg(test)]
mod tests {
    use super::kustomize;
    use std::path::Path;

    #[test]
    fn flags_are_those_of_the_command_line() {
        let refused = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|f| f.to_string()).collect();
            kustomize(Path::new("/nonexistent"), &flags, &mut |_| ()).unwrap_err().message
        };
        assert_eq!(refused(&["--nope"]), "unknown flag: --nope");
        assert!(refused(&["-o", "x"]).contains("writes none"));
        assert!(refused(&["other"]).contains("not a flag"));
        assert!(refused(&["--enable-helm", "--reorder=none"]).contains("/nonexistent"));
    }
}
