//! The names of CustomResourceDefinitions: within a group each plural, singular and short name is of one definition, and
//! each kind and kind of lists too. A definition whose names are taken is stored, and served under the names that it
//! was granted before, if any; it gets the others once they are free.

use super::{RESOURCE, condition};
use crate::metadata::{field_map, text};
use crate::transaction::Transaction;
use crate::{Key, Result};
use serde_json::{Value, json};
use std::collections::HashSet;
use store::{Snapshot, View};

/// What the other definitions of a group have been granted.
#[derive(Default)]
struct Taken {
    resources: HashSet<String>,
    kinds: HashSet<String>,
}

impl Taken {
    fn by_others(view: &Snapshot, group: &str, name: &str) -> Self {
        let mut taken = Self::default();
        for other in view.list(RESOURCE, "") {
            if other["spec"]["group"] == group && text(&other, "name") != name {
                let names = &other["status"]["acceptedNames"];
                let word = |field: &str| names[field].as_str().unwrap_or_default().to_string();
                taken.resources.extend(short_names(names).map(str::to_string));
                taken.resources.extend([word("plural"), word("singular")]);
                taken.kinds.extend([word("kind"), word("listKind")]);
            }
        }
        taken
    }
}

fn short_names(names: &Value) -> impl Iterator<Item = &str> {
    names["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Grants what can be granted of the names that a definition asks for, and says so in its conditions.
pub(super) fn grant(view: &Snapshot, definition: &mut Value, now: jiff::Timestamp) {
    let asked = definition["spec"]["names"].clone();
    if !asked.is_object() {
        return;
    }
    let granted = definition["status"]["acceptedNames"].clone();
    let is_settled = asked == granted && is_accepted(definition);
    if !is_settled {
        let group = definition["spec"]["group"].as_str().unwrap_or_default();
        let taken = Taken::by_others(view, group, text(definition, "name"));
        let (names, refusal) = decide(&asked, granted, &taken);
        let status = field_map(definition, "status");
        status.insert("acceptedNames".into(), names);
        let (state, reason, message) = match &refusal {
            None => ("True", "NoConflicts", "no conflicts found"),
            Some((reason, message)) => ("False", *reason, message.as_str()),
        };
        condition(definition, "NamesAccepted", state, reason, message, now);
    }
    if super::is_established(definition) {
        return;
    }
    if is_accepted(definition) {
        const SAYS: &str = "the initial names have been accepted";
        condition(definition, "Established", "True", "InitialNamesAccepted", SAYS, now);
    } else {
        condition(definition, "Established", "False", "NotAccepted", "not all names are accepted", now);
    }
}

fn is_accepted(definition: &Value) -> bool {
    let mut conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|known| known["type"] == "NamesAccepted" && known["status"] == "True")
}

/// The names that a definition has from now on, and of the last one that it cannot have, why.
fn decide(asked: &Value, granted: Value, taken: &Taken) -> (Value, Option<(&'static str, String)>) {
    let mut names = if granted.is_object() { granted.clone() } else { json!({}) };
    let mut refusal = None;
    let in_use = |name: &str| format!("{name:?} is already in use");
    let single = |field: &str, reason: &'static str, taken: &HashSet<String>, names: &mut Value| {
        let name = asked[field].as_str().unwrap_or_default();
        if asked[field] != granted[field] && taken.contains(name) {
            return Some((reason, in_use(name)));
        }
        if let Some(given) = asked.get(field) {
            names[field] = given.clone();
        }
        None
    };
    refusal = single("plural", "PluralConflict", &taken.resources, &mut names).or(refusal);
    refusal = single("singular", "SingularConflict", &taken.resources, &mut names).or(refusal);
    if asked["shortNames"] != granted["shortNames"] {
        let own: HashSet<&str> = short_names(&granted).collect();
        let mut said = HashSet::new();
        let problems: Vec<String> = short_names(asked)
            .filter(|name| !own.contains(name) && taken.resources.contains(*name) && said.insert(*name))
            .map(in_use)
            .collect();
        match problems.as_slice() {
            [] => replace(&mut names, asked, "shortNames"),
            [one] => refusal = Some(("ShortNamesConflict", one.clone())),
            many => refusal = Some(("ShortNamesConflict", format!("[{}]", many.join(", ")))),
        }
    }
    refusal = single("kind", "KindConflict", &taken.kinds, &mut names).or(refusal);
    refusal = single("listKind", "ListKindConflict", &taken.kinds, &mut names).or(refusal);
    replace(&mut names, asked, "categories");
    (names, refusal)
}

fn replace(names: &mut Value, asked: &Value, field: &str) {
    let Some(fields) = names.as_object_mut() else { return };
    match asked.get(field) {
        Some(given) => drop(fields.insert(field.into(), given.clone())),
        None => drop(fields.shift_remove(field)),
    }
}

/// After a definition has changed or gone: others of its group may wait for names that are free now.
pub(crate) fn settle(tx: &mut Transaction<'_>, changed: &Value) -> Result<()> {
    let group = &changed["spec"]["group"];
    let waits = |other: &Value| {
        other["spec"]["group"] == *group
            && text(other, "name") != text(changed, "name")
            && (other["spec"]["names"] != other["status"]["acceptedNames"] || !is_accepted(other))
    };
    // In the order of their age: who asked first is served first.
    let mut waiting = tx.view().list(RESOURCE, "");
    waiting.retain(|other| waits(other));
    waiting.sort_by_cached_key(|other| text(other, "creationTimestamp").to_string());
    for definition in waiting {
        let mut next = (*definition).clone();
        grant(&tx.view(), &mut next, tx.now);
        if next != *definition {
            let name = text(&next, "name").to_string();
            tx.put(Key::new(RESOURCE, "", &name), next)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
