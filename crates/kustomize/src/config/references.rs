//! Name references: which fields of which kinds hold the name of another object.

use std::collections::HashMap;

use super::specs::{Conflict, FieldSpecs};
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::order;

#[derive(Debug, Clone, Default)]
pub(crate) struct NameReferences {
    targets: Vec<Target>,
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
        match self.targets.iter_mut().find(|known| known.gvk == *target) {
            Some(known) => known.fields.push(field),
            None => self.targets.push(Target { gvk: target.clone(), fields: vec![field].into() }),
        }
    }

    pub(crate) fn sort(&mut self) {
        self.targets.sort_by_cached_key(|target| order::kind_key(&target.gvk));
    }

    /// Whether merging the other one would change nothing.
    pub(crate) fn covers(&self, other: &NameReferences) -> bool {
        let known = self.places();
        other.targets.iter().all(|target| {
            known.get(&target.gvk).is_some_and(|at| {
                self.targets[*at].fields.missing(&target.fields).is_ok_and(|missing| missing.is_empty())
            })
        })
    }

    fn places(&self) -> HashMap<Gvk, usize> {
        self.targets.iter().enumerate().map(|(at, target)| (target.gvk.clone(), at)).collect()
    }

    pub(crate) fn merge(&mut self, other: &NameReferences) -> Result<(), Conflict> {
        let known = self.places();
        for target in &other.targets {
            match known.get(&target.gvk) {
                Some(at) => self.targets[*at].fields.merge_all(&target.fields)?,
                None => self.targets.push(target.clone()),
            }
        }
        self.sort();
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
