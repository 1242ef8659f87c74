//! A list of field specs, merged as kustomize merges them.
//!
//! A spec is there already if one with its path is selected by its kind: so a spec for one kind stands for one for all
//! kinds that comes after it in the order of the list. Surprising, but projects are written against it.

use std::collections::HashMap;
use std::ops::Deref;

use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::order;

#[derive(Debug, Clone, Default)]
pub(crate) struct FieldSpecs {
    list: Vec<FieldSpec>,
    by_path: HashMap<String, OfPath>,
    /// Something was added since it was sorted.
    unsorted: bool,
}

/// The specs of one path, in the order of the list.
#[derive(Debug, Clone, Default)]
struct OfPath {
    all: Vec<Known>,
    /// Where those of each kind are, once there are many.
    by_kind: HashMap<String, Vec<usize>>,
}

#[derive(Debug, Clone)]
struct Known {
    gvk: Gvk,
    create: bool,
}

const MANY: usize = 16;

impl OfPath {
    fn push(&mut self, known: Known) {
        self.all.push(known);
        match self.all.len() {
            MANY => self.index(),
            len if len > MANY => self.index_one(len - 1),
            _ => {}
        }
    }

    fn index(&mut self) {
        self.by_kind.clear();
        (0..self.all.len()).for_each(|at| self.index_one(at));
    }

    fn index_one(&mut self, at: usize) {
        let kind = &self.all[at].gvk.kind;
        match self.by_kind.get_mut(kind) {
            Some(places) => places.push(at),
            None => {
                self.by_kind.insert(kind.clone(), vec![at]);
            }
        }
    }

    fn sort(&mut self) {
        self.all.sort_by_cached_key(|known| order::kind_key(&known.gvk));
        if self.all.len() >= MANY {
            self.index();
        }
    }

    /// The first one that is for this kind, or for part of it.
    fn find(&self, gvk: &Gvk) -> Option<&Known> {
        if gvk.kind.is_empty() || self.all.len() < MANY {
            return self.all.iter().find(|known| known.gvk.is_selected(gvk));
        }
        let places = self.by_kind.get(&gvk.kind)?;
        places.iter().map(|at| &self.all[*at]).find(|known| known.gvk.is_selected(gvk))
    }
}

/// Two specs for one field, of which one creates it and the other does not.
#[derive(Debug, Clone)]
pub(crate) struct Conflict {
    pub(crate) incoming: Box<FieldSpec>,
    pub(crate) existing: Box<FieldSpec>,
}

impl Conflict {
    pub(crate) fn hint(&self) -> String {
        let of = |field: &FieldSpec| match (field.gvk.kind.as_str(), field.gvk.group.as_str()) {
            ("", "") => "all kinds".to_string(),
            ("", group) => format!("group {group}"),
            (kind, _) => kind.to_string(),
        };
        format!(
            "{} has create: {} for {} and create: {} for {}; let both say the same",
            self.incoming.path,
            self.incoming.create,
            of(&self.incoming),
            self.existing.create,
            of(&self.existing)
        )
    }
}

impl Deref for FieldSpecs {
    type Target = [FieldSpec];

    fn deref(&self) -> &[FieldSpec] {
        &self.list
    }
}

impl FieldSpecs {
    /// Adds one without a look at the others.
    pub(crate) fn push(&mut self, field: FieldSpec) {
        let known = Known { gvk: field.gvk.clone(), create: field.create };
        match self.by_path.get_mut(&field.path) {
            Some(specs) => specs.push(known),
            None => {
                let specs = OfPath { all: vec![known], by_kind: HashMap::new() };
                self.by_path.insert(field.path.clone(), specs);
            }
        }
        self.list.push(field);
        self.unsorted = true;
    }

    /// Whether the field is known already.
    fn has(&self, field: &FieldSpec) -> Result<bool, Conflict> {
        match self.by_path.get(&field.path).and_then(|specs| specs.find(&field.gvk)) {
            Some(known) if known.create != field.create => Err(Conflict {
                incoming: Box::new(field.clone()),
                existing: Box::new(FieldSpec::new(known.gvk.clone(), &field.path, known.create)),
            }),
            known => Ok(known.is_some()),
        }
    }

    /// Adds one if it is not known.
    pub(crate) fn merge(&mut self, field: FieldSpec) -> Result<(), Conflict> {
        if !self.has(&field)? {
            self.push(field);
        }
        Ok(())
    }

    pub(crate) fn merge_all(&mut self, fields: &[FieldSpec]) -> Result<(), Conflict> {
        fields.iter().try_for_each(|field| self.merge(field.clone()))
    }

    /// Those that are not known.
    pub(crate) fn missing(&self, fields: &[FieldSpec]) -> Result<Vec<FieldSpec>, Conflict> {
        let mut missing = Vec::new();
        for field in fields {
            if !self.has(field)? {
                missing.push(field.clone());
            }
        }
        Ok(missing)
    }

    pub(crate) fn is_sorted(&self) -> bool {
        !self.unsorted
    }

    /// Whether merging them one by one into nothing gives the same list.
    pub(crate) fn is_stable(&self) -> bool {
        let mut specs = self.by_path.values().filter(|specs| specs.all.len() > 1);
        specs.all(|specs| {
            let is_first =
                |known: &Known| specs.find(&known.gvk).is_some_and(|first| std::ptr::eq(first, known));
            specs.all.iter().all(is_first)
        })
    }

    /// By kind, as the output is sorted.
    pub(crate) fn sort(&mut self) {
        if !std::mem::take(&mut self.unsorted) {
            return;
        }
        self.list.sort_by_cached_key(|field| order::kind_key(&field.gvk));
        self.by_path.values_mut().filter(|specs| specs.all.len() > 1).for_each(OfPath::sort);
    }
}

impl From<Vec<FieldSpec>> for FieldSpecs {
    fn from(list: Vec<FieldSpec>) -> FieldSpecs {
        let mut specs = FieldSpecs::default();
        list.into_iter().for_each(|field| specs.push(field));
        specs
    }
}

#[cfg(test)]
mod tests {
    use super::FieldSpecs;
    use crate::fieldspec::FieldSpec;
    use crate::id::Gvk;

    fn spec(kind: &str, path: &str, create: bool) -> FieldSpec {
        FieldSpec::new(Gvk { kind: kind.to_string(), ..Gvk::default() }, path, create)
    }

    fn merged(fields: &[FieldSpec]) -> Result<Vec<String>, String> {
        let mut specs = FieldSpecs::default();
        specs.merge_all(fields).map_err(|conflict| conflict.hint())?;
        Ok(specs.iter().map(|field| format!("{} {}", field.gvk.kind, field.path)).collect())
    }

    #[test]
    fn a_spec_for_one_kind_stands_for_a_later_one_for_all() {
        assert_eq!(merged(&[spec("A", "x", true), spec("", "x", true)]), Ok(vec!["A x".to_string()]));
        assert_eq!(
            merged(&[spec("", "x", true), spec("A", "x", true), spec("A", "x", true)]),
            Ok(vec![" x".to_string(), "A x".to_string()])
        );
    }

    #[test]
    fn whether_a_field_is_created_must_be_the_same() {
        let conflict = merged(&[spec("A", "x", true), spec("", "x", false)]);
        assert_eq!(
            conflict,
            Err("x has create: false for all kinds and create: true for A; let both say the same".to_string())
        );
        assert!(merged(&[spec("", "x", true), spec("A", "x", false)]).is_ok());
    }

    #[test]
    fn many_kinds_of_one_path() {
        let mut specs = FieldSpecs::default();
        let kinds: Vec<String> = (0..100).map(|at| format!("K{}", at % 50)).collect();
        kinds.iter().for_each(|kind| specs.merge(spec(kind, "x", true)).unwrap());
        specs.sort();
        assert!(specs.is_stable());
        assert_eq!(specs.len(), 50);
        assert!(specs.merge(spec("K7", "x", false)).is_err());
        specs.merge(spec("", "x", true)).unwrap();
        specs.merge(spec("other", "x", false)).unwrap();
        assert_eq!(specs.len(), 51);
    }

    #[test]
    fn the_order_is_that_of_the_output() {
        let mut specs =
            FieldSpecs::from(vec![spec("", "x", true), spec("Foo", "x", true), spec("Secret", "x", true)]);
        specs.sort();
        let kinds: Vec<&str> = specs.iter().map(|field| field.gvk.kind.as_str()).collect();
        assert_eq!(kinds, ["Secret", "Foo", ""]);
        assert!(!specs.is_stable());
    }
}
