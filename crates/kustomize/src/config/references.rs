//! Name references: which fields of which kinds hold the name of another object.

use std::collections::HashMap;

use super::specs::{Conflict, FieldSpecs};
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::order;

#[derive(Debug, Clone, Default)]
pub(crate) struct NameReferences {
    targets: Vec<Target>,
    /// Where each target is in the list.
    places: HashMap<Gvk, usize>,
    /// Something was added since it was sorted.
    unsorted: bool,
}

/// What is named, and where its names stand.
#[derive(Debug, Clone)]
struct Target {
    gvk: Gvk,
    fields: FieldSpecs,
}

/// One field that may hold a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameReference<'a> {
    pub(crate) target: &'a Gvk,
    pub(crate) field: &'a FieldSpec,
}

impl NameReferences {
    pub(crate) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    pub(crate) fn push(&mut self, target: &Gvk, field: FieldSpec) {
        match self.places.get(target) {
            Some(at) => self.targets[*at].fields.push(field),
            None => self.add(Target { gvk: target.clone(), fields: vec![field].into() }),
        }
    }

    fn add(&mut self, target: Target) {
        self.places.insert(target.gvk.clone(), self.targets.len());
        self.targets.push(target);
        self.unsorted = true;
    }

    pub(crate) fn is_sorted(&self) -> bool {
        !self.unsorted
    }

    pub(crate) fn sort(&mut self) {
        if !std::mem::take(&mut self.unsorted) {
            return;
        }
        self.targets.sort_by_cached_key(|target| order::kind_key(&target.gvk));
        self.places = self.targets.iter().enumerate().map(|(at, target)| (target.gvk.clone(), at)).collect();
    }

    /// Whether merging the other one would change nothing.
    pub(crate) fn covers(&self, other: &NameReferences) -> bool {
        other.targets.iter().all(|target| {
            self.places.get(&target.gvk).is_some_and(|at| {
                self.targets[*at].fields.missing(&target.fields).is_ok_and(|missing| missing.is_empty())
            })
        })
    }

    pub(crate) fn merge(&mut self, other: &NameReferences) -> Result<(), Conflict> {
        for target in &other.targets {
            match self.places.get(&target.gvk) {
                Some(at) => self.targets[*at].fields.merge_all(&target.fields)?,
                None => self.add(target.clone()),
            }
        }
        Ok(())
    }

    /// The references by the kind of the object that holds them.
    pub(crate) fn by_kind(&self) -> ByKind<'_> {
        let mut kinds: HashMap<&str, Vec<(usize, NameReference<'_>)>> = HashMap::new();
        let mut order = 0;
        for target in &self.targets {
            for field in target.fields.iter() {
                let reference = NameReference { target: &target.gvk, field };
                kinds.entry(&field.gvk.kind).or_default().push((order, reference));
                order += 1;
            }
        }
        ByKind { kinds }
    }
}

pub(crate) struct ByKind<'a> {
    kinds: HashMap<&'a str, Vec<(usize, NameReference<'a>)>>,
}

impl<'a> ByKind<'a> {
    /// The references that an object of this kind may hold, in their order.
    pub(crate) fn of(&self, gvk: &Gvk) -> Vec<NameReference<'a>> {
        let of_kind = |kind: &str| self.kinds.get(kind).map_or(&[][..], Vec::as_slice);
        let own = if gvk.kind.is_empty() { &[][..] } else { of_kind(&gvk.kind) };
        let mut all: Vec<(usize, NameReference<'a>)> = of_kind("")
            .iter()
            .chain(own)
            .filter(|(_, reference)| gvk.is_selected(&reference.field.gvk))
            .copied()
            .collect();
        all.sort_by_key(|(order, _)| *order);
        all.into_iter().map(|(_, reference)| reference).collect()
    }
}
