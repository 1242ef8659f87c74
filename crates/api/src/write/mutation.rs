//! What admission changes about an object that is written, and what becomes of it then: the object goes through the
//! rules of its kind again, and what a write of its part may not touch stays as it was.

use super::{Part, drop_empty, keep_bookkeeping, merge_part, prepare};
use crate::admission::{self, Attributes, Pass};
use crate::metadata::{self, text};
use crate::transaction::Transaction;
use crate::{Object, Result, admit, scale};
use serde_json::Value;

const PASSES: [Pass; 2] = [Pass::First, Pass::Again];

/// The server's own rules and then the others', over a new object. Answers with the object as it was asked for if they
/// have added to it: what they add is nobody's, and a manager that does not say it again has not let it go.
pub(super) fn of_new(
    tx: &Transaction<'_>,
    attributes: &Attributes<'_>,
    object: &mut Value,
) -> Result<Option<Value>> {
    let kind = attributes.kind;
    let is_added_to = prepare::is_added_to(&kind.resource());
    let asked_for = is_added_to.then(|| object.clone());
    let mut before = None;
    for pass in PASSES {
        prepare::own_rules(tx, kind, object)?;
        let Some(changed) = admission::mutate(tx, attributes, Some(object), pass)? else { break };
        let was = std::mem::replace(object, changed);
        admit::remade(tx.api, &tx.view(), kind, object)?;
        drop_empty(object);
        let meta = metadata::of(object);
        for field in ["namespace", "uid"] {
            metadata::keep(meta, &was["metadata"], field);
        }
        // Who lets the server find a name may find one instead.
        if !attributes.name.is_empty() || text(object, "name").is_empty() {
            metadata::keep(metadata::of(object), &was["metadata"], "name");
        }
        admit::defaults(tx.api, &tx.view(), kind, object);
        before.get_or_insert(was);
    }
    if is_added_to {
        return Ok(asked_for);
    }
    if let Some(before) = &mut before {
        prepare::initial(tx, kind, before)?;
    }
    Ok(before)
}

/// The same over an object that is changed.
pub(super) fn of_changed(
    tx: &Transaction<'_>,
    attributes: &Attributes<'_>,
    next: &mut Value,
    previous: &Object,
    part: Part,
) -> Result<Option<Value>> {
    let kind = attributes.kind;
    let mut before = None;
    for pass in PASSES {
        if part != Part::Status {
            admit::defaults(tx.api, &tx.view(), kind, next);
        }
        let was = if part == Part::Scale {
            let paths = scale::paths(tx.api, kind)?;
            let shown = scale::shown(&paths, next);
            let Some(changed) = admission::mutate(tx, attributes, Some(&shown), pass)? else { break };
            let key = store::Key::new(&kind.resource(), attributes.namespace, attributes.name);
            let scaled = scale::scaled(&paths, &key, next, &changed)?;
            std::mem::replace(next, scaled)
        } else {
            let Some(mut changed) = admission::mutate(tx, attributes, Some(next), pass)? else { break };
            admit::remade(tx.api, &tx.view(), kind, &mut changed)?;
            drop_empty(&mut changed);
            let meta = metadata::of(&mut changed);
            for field in ["name", "namespace"] {
                metadata::keep(meta, &previous["metadata"], field);
            }
            let mut merged = merge_part(kind, previous, changed, part);
            keep_bookkeeping(&mut merged, previous);
            std::mem::replace(next, merged)
        };
        before.get_or_insert(was);
    }
    if part != Part::Status {
        prepare::changed(tx, kind, next, previous)?;
        if let Some(before) = &mut before {
            prepare::changed(tx, kind, before, previous)?;
        }
    }
    Ok(before)
}

/// The same over a part of a pod; `part` takes it from what was changed.
pub(super) fn of_part(
    tx: &Transaction<'_>,
    attributes: &Attributes<'_>,
    next: &mut Value,
    part: impl Fn(&mut Value) -> Value,
) -> Result<()> {
    for pass in PASSES {
        let Some(mut changed) = admission::mutate(tx, attributes, Some(next), pass)? else { break };
        admit::remade(tx.api, &tx.view(), attributes.kind, &mut changed)?;
        *next = part(&mut changed);
        admit::defaults(tx.api, &tx.view(), attributes.kind, next);
    }
    Ok(())
}
