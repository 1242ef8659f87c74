//! What a change of a path means to an image or to a local resource.

use std::path::{Path, PathBuf};
use tiltfile::ignore::IgnoreSet;
use tiltfile::plan::{Ignore, ImageBuild, ImageKind, LiveUpdate, Step};

/// Paths that count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched {
    roots: Vec<PathBuf>,
    ignores: IgnoreSet,
}

impl Watched {
    pub(crate) fn new(roots: &[PathBuf], ignores: &[Ignore], of_all: &[Ignore]) -> Watched {
        Watched { roots: roots.to_vec(), ignores: IgnoreSet::new(ignores.iter().chain(of_all)) }
    }

    /// An ancestor of a root counts as well: when it goes, the root goes.
    pub(crate) fn touches(&self, path: &Path) -> bool {
        self.roots.iter().any(|r| path.starts_with(r) || r.starts_with(path))
            && !self.ignores.is_ignored(path)
    }
}

pub(crate) fn image_roots(image: &ImageBuild) -> &[PathBuf] {
    match &image.kind {
        ImageKind::Docker(docker) => std::slice::from_ref(&docker.context),
        ImageKind::Custom(custom) => &custom.deps,
    }
}

/// The steps of a live update, sorted by what they do.
#[derive(Debug, Clone, Default)]
pub(crate) struct SyncRules {
    syncs: Vec<(PathBuf, String)>,
    stops: Vec<PathBuf>,
    pub(crate) runs: Vec<Run>,
    pub(crate) restart: bool,
    pub(crate) initial: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) argv: Vec<String>,
    pub(crate) triggers: Vec<PathBuf>,
    pub(crate) echo_off: bool,
}

impl SyncRules {
    pub(crate) fn new(live_update: &LiveUpdate) -> SyncRules {
        let mut rules = SyncRules::default();
        for step in &live_update.steps {
            match step {
                Step::InitialSync => rules.initial = true,
                Step::FallBackOn(paths) => rules.stops.extend(paths.iter().cloned()),
                Step::Sync { local, container, local_is_file } => {
                    let target = match (container.ends_with('/'), local_is_file, local.file_name()) {
                        (true, true, Some(name)) => format!("{container}{}", name.to_string_lossy()),
                        _ => container.clone(),
                    };
                    rules.syncs.push((local.clone(), clean(&target)));
                }
                Step::Run { argv, triggers, echo_off } => {
                    rules.runs.push(Run {
                        argv: argv.clone(),
                        triggers: triggers.clone(),
                        echo_off: *echo_off,
                    });
                }
                Step::RestartContainer => rules.restart = true,
            }
        }
        rules
    }

    /// Where the path goes in the container, by the first sync that has it.
    pub(crate) fn target(&self, path: &Path) -> Option<String> {
        let (local, container) = self.syncs.iter().find(|(local, _)| path.starts_with(local))?;
        let rest = path.strip_prefix(local).expect("the sync was chosen by this prefix");
        if rest.as_os_str().is_empty() {
            return Some(container.clone());
        }
        Some(format!("{}/{}", container.trim_end_matches('/'), rest.to_string_lossy()))
    }

    /// A live update can carry this change.
    pub(crate) fn covers(&self, path: &Path) -> bool {
        self.target(path).is_some() && !self.stops.iter().any(|s| path.starts_with(s))
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.syncs.iter().map(|(local, container)| (local.as_path(), container.as_str()))
    }

    /// The commands that these changes call for.
    pub(crate) fn runs_for<'r>(&'r self, paths: &'r [&Path]) -> impl Iterator<Item = &'r Run> {
        self.runs.iter().filter(move |run| {
            run.triggers.is_empty() || run.triggers.iter().any(|t| paths.iter().any(|p| p.starts_with(t)))
        })
    }
}

/// Without `.`, `..`, doubled slashes and a slash at the end.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(steps: Vec<Step>) -> SyncRules {
        SyncRules::new(&LiveUpdate { steps, ..LiveUpdate::default() })
    }
    fn sync(local: &str, container: &str, local_is_file: bool) -> Step {
        Step::Sync { local: local.into(), container: container.to_owned(), local_is_file }
    }

    #[test]
    fn targets() {
        let rules = rules(vec![
            Step::FallBackOn(vec!["/p/src/stop".into()]),
            sync("/p/src/deep", "/deep", false),
            sync("/p/src", "/app/./x/../src/", false),
            sync("/p/a.ini", "/etc/", true),
            sync("/p/b.ini", "/etc/c.ini", true),
        ]);
        for (path, want, covered) in [
            ("/p/src/a.py", Some("/app/src/a.py"), true),
            ("/p/src/deep/a.py", Some("/deep/a.py"), true),
            ("/p/src", Some("/app/src"), true),
            ("/p/srcs/a", None, false),
            ("/p/a.ini", Some("/etc/a.ini"), true),
            ("/p/b.ini", Some("/etc/c.ini"), true),
            ("/p/src/stop/x", Some("/app/src/stop/x"), false),
            ("/p", None, false),
        ] {
            assert_eq!(rules.target(Path::new(path)).as_deref(), want, "{path}");
            assert_eq!(rules.covers(Path::new(path)), covered, "{path}");
        }
    }
}
