//! The types of Kubernetes v1.21, which is the version that kustomize goes by.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{Keys, Lists};

const TABLE: &str = include_str!("../../data/schema.txt");

/// Read once, when the first strategic merge needs it.
#[derive(Debug, Default)]
pub(super) struct Table {
    kinds: HashMap<(&'static str, &'static str), u32>,
    types: HashMap<u32, HashMap<&'static str, Field>>,
}

#[derive(Debug)]
pub(super) struct Field {
    how: How,
    /// Of the value, or of a list's items.
    pub(super) ty: Option<u32>,
    keys: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Plain,
    Keyed,
    Set,
}

impl Field {
    pub(super) fn lists(&'static self) -> Lists<'static> {
        match self.how {
            How::Plain => Lists::Whole,
            How::Set => Lists::Set,
            How::Keyed => Lists::Keyed(Keys::Borrowed(&self.keys)),
        }
    }
}

impl Table {
    pub(super) fn v1_21() -> &'static Table {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(Table::read)
    }

    fn read() -> Table {
        let mut table = Table::default();
        let mut current = 0;
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&'static str> = line.split(' ').collect();
            let ty = |at: usize| words.get(at).and_then(|word: &&str| word.parse().ok());
            match words.as_slice() {
                ["kind", api_version, kind, _] => {
                    table.kinds.insert((api_version, kind), ty(3).unwrap_or_default());
                }
                ["type", _] => current = ty(1).unwrap_or_default(),
                [name, how, ..] => {
                    let how = match *how {
                        "keyed" => How::Keyed,
                        "set" => How::Set,
                        // a map that the server replaces is merged all the same
                        _ => How::Plain,
                    };
                    let keys = words.get(3).map(|keys| keys.split(',').collect()).unwrap_or_default();
                    table.types.entry(current).or_default().insert(name, Field { how, ty: ty(2), keys });
                }
                _ => {}
            }
        }
        table
    }

    pub(super) fn object(&self, api_version: &str, kind: &str) -> Option<u32> {
        self.kinds.get(&(api_version, kind)).copied()
    }

    pub(super) fn field(&self, ty: u32, name: &str) -> Option<&Field> {
        self.types.get(&ty)?.get(name)
    }

    #[cfg(test)]
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.kinds.keys().copied()
    }

    #[cfg(test)]
    pub(super) fn names(&self, ty: u32) -> impl Iterator<Item = &'static str> {
        self.types.get(&ty).into_iter().flat_map(|fields| fields.keys().copied())
    }
}
