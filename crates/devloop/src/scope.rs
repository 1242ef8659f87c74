//! What is to be watched for a plan.

use crate::rules::image_roots;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tiltfile::Plan;
use tiltfile::ignore::{IgnoreSet, is_ephemeral};

/// Files and directories that count, and what of them does not. Make a new one for each evaluation of the Tiltfile.
#[derive(Debug, Clone, Default)]
pub struct WatchScope {
    roots: Vec<PathBuf>,
    /// Files that count whatever the ignores say.
    read: BTreeSet<PathBuf>,
    of_all: IgnoreSet,
    /// Who cares for what: roots, and what of them is ignored.
    parties: Vec<(Vec<PathBuf>, IgnoreSet)>,
}

impl WatchScope {
    pub fn new(plan: &Plan, files_read: &BTreeSet<PathBuf>) -> WatchScope {
        let mut parties = Vec::new();
        for image in &plan.images {
            parties.push((image_roots(image).to_vec(), IgnoreSet::new(&image.ignores)));
        }
        for resource in &plan.resources {
            if let Some(local) = resource.local() {
                parties.push((local.deps.clone(), IgnoreSet::new(&local.ignores)));
            }
            if let Some(deploy) = resource.k8s().and_then(|k| k.custom_deploy.as_ref()) {
                parties.push((deploy.deps.clone(), IgnoreSet::new(&deploy.ignores)));
            }
        }
        let roots: BTreeSet<PathBuf> =
            parties.iter().flat_map(|(roots, _)| roots).chain(files_read).cloned().collect();
        WatchScope {
            roots: roots.into_iter().collect(),
            read: files_read.clone(),
            of_all: IgnoreSet::new(&plan.settings.watch_ignores),
            parties,
        }
    }

    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Nobody cares for this path, nor for anything below it: for the watcher, which does not enter it then.
    pub fn ignores(&self, path: &Path) -> bool {
        if self.read.iter().any(|f| path.starts_with(f) || f.starts_with(path)) {
            return false;
        }
        if is_ephemeral(path) || self.of_all.prunes(path) {
            return true;
        }
        let cares = |(roots, ignores): &(Vec<PathBuf>, IgnoreSet)| {
            roots.iter().any(|r| r.starts_with(path))
                || (roots.iter().any(|r| path.starts_with(r)) && !ignores.prunes(path))
        };
        !self.parties.iter().any(cares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiltfile::plan::{Command, CustomBuild, Ignore, ImageBuild, ImageKind};

    fn image(dep: &str, patterns: &[&str]) -> ImageBuild {
        ImageBuild {
            reference: dep.to_owned(),
            match_exact: false,
            match_in_env_vars: false,
            entrypoint: None,
            container_args: None,
            image_deps: vec![],
            live_update: None,
            ignores: vec![Ignore {
                base: dep.into(),
                source: String::new(),
                patterns: patterns.iter().map(|p| (*p).to_owned()).collect(),
            }],
            kind: ImageKind::Custom(Box::new(CustomBuild {
                command: Command { argv: vec![], dir: "/".into(), env: vec![] },
                deps: vec![dep.into()],
                tag: String::new(),
                disable_push: false,
                skips_local_docker: false,
                outputs_image_ref_to: None,
                live_update_only: false,
                is_custom_deploy: false,
            })),
        }
    }

    #[test]
    fn only_what_nobody_wants_is_left_out() {
        let plan = Plan {
            images: vec![
                image("/p/web", &["node_modules", "dist", "!dist/keep"]),
                image("/p/api", &["target"]),
                image("/p/api/docs", &["x"]),
            ],
            ..Plan::default()
        };
        let files = BTreeSet::from([PathBuf::from("/p/Tiltfile"), PathBuf::from("/p/api/target/read.yaml")]);
        let scope = WatchScope::new(&plan, &files);
        for (path, want) in [
            ("/p/web/src/a.ts", false),
            ("/p/web/node_modules", true),
            ("/p/web/node_modules/x", true),
            ("/p/web/a.swp~", true),
            ("/p/api/target", false),
            ("/p/api/target/read.yaml", false),
            ("/p/api/target/debug", true),
            ("/p/api/docs/a", false),
            ("/p/Tiltfile", false),
            ("/p", false),
            ("/p/other", true),
        ] {
            assert_eq!(scope.ignores(Path::new(path)), want, "{path}");
        }
        assert!(!scope.ignores(Path::new("/p/web/dist")), "something below it is wanted");
    }
}
