//! What each builtin is called with, and what it does: the one source of parameters, stubs and reference pages.
//!
//! [`crate::builtins::TABLE`] says which function carries a builtin out; here stands how it is called. A call's
//! arguments are matched by these signatures, so what is written here is what holds.

mod api;
mod deploy;
mod images;
mod local;
mod modules;
mod reference;
mod settings;
mod signature;
mod stubs;
mod values;
mod world;

pub use reference::reference;
pub use signature::{Param, ParamKind};
pub use stubs::stubs;
pub use values::{Constant, constants};

use State::{Differs, Done};
use std::collections::HashMap;
use std::sync::LazyLock;

/// A builtin as the user sees it.
#[derive(Debug)]
pub struct Entry {
    /// Full: `os.path.join`.
    pub name: &'static str,
    /// The parameters in Python's notation. A `?` after a name: `None` counts as not given.
    pub signature: &'static str,
    /// Type of the result.
    pub returns: &'static str,
    /// One or more sentences; the first line stands alone.
    pub doc: &'static str,
    pub state: State,
}

/// How much of a builtin is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As in Tilt.
    Done,
    /// Works, but for what is said.
    Differs(&'static str),
    /// Refused, with an error that says so.
    NotBuilt,
}

const fn entry(
    name: &'static str,
    signature: &'static str,
    returns: &'static str,
    state: State,
    doc: &'static str,
) -> Entry {
    Entry { name, signature, returns, doc, state }
}

/// A part of the catalog, for the eye.
#[derive(Debug)]
pub struct Section {
    pub title: &'static str,
    pub entries: &'static [Entry],
}

/// All builtins.
pub static SECTIONS: &[Section] = &[
    Section { title: "Images", entries: images::IMAGES },
    Section { title: "Live update", entries: images::LIVE_UPDATE },
    Section { title: "Kubernetes", entries: deploy::KUBERNETES },
    Section { title: "Docker Compose", entries: deploy::COMPOSE },
    Section { title: "Local resources", entries: local::LOCAL },
    Section { title: "Files and commands", entries: world::FILES },
    Section { title: "Data", entries: world::DATA },
    Section { title: "Structure", entries: world::STRUCTURE },
    Section { title: "Configuration", entries: modules::CONFIG },
    Section { title: "os", entries: modules::OS },
    Section { title: "Environment", entries: modules::ENVIRON },
    Section { title: "shlex", entries: modules::SHLEX },
    Section { title: "Settings", entries: settings::SETTINGS },
    Section { title: "v1alpha1: objects", entries: api::OBJECTS },
    Section { title: "v1alpha1: parts of objects", entries: api::PARTS },
];

/// What built-in extensions use besides; nobody else sees it.
static OURS: &[Entry] = world::OURS;

impl Entry {
    pub fn params(&self) -> &'static [Param] {
        PARAMS.get(self.name).map(Vec::as_slice).unwrap_or_default()
    }
}

static PARAMS: LazyLock<HashMap<&'static str, Vec<Param>>> = LazyLock::new(|| {
    SECTIONS
        .iter()
        .flat_map(|s| s.entries)
        .chain(OURS)
        .map(|e| (e.name, signature::parse(e.signature)))
        .collect()
});

/// The builtin of a full name.
pub fn find(name: &str) -> Option<&'static Entry> {
    SECTIONS.iter().flat_map(|s| s.entries).find(|e| e.name == name)
}

/// The parameters of a builtin; none if there is no such builtin.
pub(crate) fn params(name: &str) -> &'static [Param] {
    PARAMS.get(name).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_catalog_has_what_the_evaluator_has() {
        let table: BTreeSet<&str> = crate::builtins::TABLE.iter().map(|(n, _)| *n).collect();
        let entries: Vec<&Entry> = SECTIONS.iter().flat_map(|s| s.entries).chain(OURS).collect();
        let catalog: BTreeSet<&str> = entries.iter().map(|e| e.name).collect();
        assert_eq!(table, catalog);
        assert_eq!(entries.len(), catalog.len(), "no builtin stands there twice");
    }

    #[test]
    fn every_builtin_is_documented() {
        for entry in SECTIONS.iter().flat_map(|s| s.entries) {
            assert!(entry.doc.ends_with('.'), "{}: {:?}", entry.name, entry.doc);
            for param in entry.params() {
                assert!(!param.name.is_empty() && !param.annotation.is_empty(), "{} {param:?}", entry.name);
            }
            let first_optional = entry.params().iter().position(|p| p.default.is_some());
            let last_required =
                entry.params().iter().rposition(|p| p.default.is_none() && p.kind == ParamKind::Plain);
            if let (Some(optional), Some(required)) = (first_optional, last_required) {
                assert!(required < optional, "{}: after an optional parameter all are optional", entry.name);
            }
        }
    }
}
