//! What to say of a path where nothing is: kustomize's words, and what the user may have meant.

use crate::accumulate::Session;
use crate::error::Error;
use crate::{decode, path};

impl Session<'_> {
    /// Why a path is no directory to build. `given` is how the user or the kustomization wrote it.
    pub(crate) fn no_directory(&self, given: &str, path: &str) -> Error {
        let error = if self.files.exists(path) {
            Error::new(format!("'{given}': file is not directory"))
        } else {
            let absolute = self.files.canonical(".").map_or(path.to_string(), |here| path::join(&here, path));
            self.missing(given, &absolute).prefixed("not a valid directory")
        };
        error.prefixed("must build at directory").hint("name a directory that holds a kustomization.yaml")
    }

    /// There is nothing at a path. `absolute` is the same path.
    pub(crate) fn missing(&self, path: &str, absolute: &str) -> Error {
        let mut first = absolute;
        while let Some((parent, _)) = first.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
            if self.files.exists(parent) {
                break;
            }
            first = parent;
        }
        let (name, dir) = (path::base_name(absolute), path::join(absolute, ".."));
        let error = Error::new(format!("there is no {absolute}"));
        let error = if name.contains(['*', '?']) {
            error.hint("kustomize has no globs: name each file")
        } else if let Some(near) = self.near(&dir, name) {
            error.hint(&format!("did you mean {near}?"))
        } else {
            error
        };
        error.worded(format!("evalsymlink failure on '{path}' : lstat {first}: no such file or directory"))
    }

    /// A name in a directory that is written nearly as the one that is not there.
    fn near(&self, dir: &str, name: &str) -> Option<String> {
        let stem = |name: &str| name.trim_end_matches(".yaml").trim_end_matches(".yml").to_string();
        let names = self.files.list(dir).ok()?;
        let same_stem = names.iter().find(|other| stem(other) == stem(name));
        same_stem.or_else(|| names.iter().find(|other| decode::is_near(other, name))).cloned()
    }
}
