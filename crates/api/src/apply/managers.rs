//! `metadata.managedFields`: who owns which fields.
//!
//! Entries stand in upstream's order: appliers before updates, the older before the newer, then by name.

use super::fields::FieldSet;
use crate::ApiError;
use serde_json::{Value, json};

/// Of more entries for updates the oldest are put together.
const MOST_UPDATES: usize = 10;
/// Whose the fields of those are.
const ANCIENT: &str = "ancient-changes";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// An entry's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) manager: String,
    pub(crate) operation: Operation,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
}

/// `"kubectl" with subresource "status" using apps/v1`
impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.manager)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        if self.operation == Operation::Update {
            write!(f, " using {}", self.api_version)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct Entry {
    owner: Owner,
    time: String,
    fields: FieldSet,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Managers(Vec<Entry>);

impl Managers {
    pub(crate) fn of(object: &Value) -> Self {
        let list = object["metadata"]["managedFields"].as_array();
        Self(list.into_iter().flatten().map(entry).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn fields(&self, owner: &Owner) -> FieldSet {
        self.0
            .iter()
            .find(|entry| same(&entry.owner, owner))
            .map(|entry| entry.fields.clone())
            .unwrap_or_default()
    }

    /// What everybody else owns.
    pub(crate) fn union_without(&self, owner: &Owner) -> FieldSet {
        let others = self.0.iter().filter(|entry| !same(&entry.owner, owner));
        others.fold(FieldSet::default(), |all, entry| all.union(entry.fields.clone()))
    }

    /// Sets an owner's fields; an owner of nothing goes.
    pub(crate) fn set(&mut self, owner: Owner, fields: FieldSet, now: &str) {
        let known = self.0.iter().position(|entry| same(&entry.owner, &owner));
        match known {
            Some(index) if fields.is_empty() => {
                self.0.remove(index);
            }
            Some(index) => {
                let entry = &mut self.0[index];
                if entry.fields != fields || entry.owner != owner {
                    *entry = Entry { owner, time: now.to_string(), fields };
                }
            }
            None if fields.is_empty() => {}
            None => self.0.push(Entry { owner, time: now.to_string(), fields }),
        }
    }

    /// What others own of these fields.
    pub(crate) fn conflicts(&self, by: &Owner, changed: &FieldSet) -> Conflicts {
        let others = self.0.iter().filter(|entry| !same(&entry.owner, by));
        let touched = others.map(|entry| (entry.owner.clone(), entry.fields.intersection(changed)));
        Conflicts(touched.filter(|(_, fields)| !fields.is_empty()).collect())
    }

    /// Takes what has been changed or removed from everybody but `by`.
    pub(crate) fn give_up(&mut self, by: &Owner, changed: &FieldSet, removed: &FieldSet) {
        for entry in self.0.iter_mut().filter(|entry| !same(&entry.owner, by)) {
            let fields = std::mem::take(&mut entry.fields);
            entry.fields = fields.difference(changed).difference(removed);
        }
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    /// Keeps the number of entries for updates small.
    pub(crate) fn cap(&mut self) {
        let is_update = |entry: &Entry| entry.owner.operation == Operation::Update;
        let mut count = self.0.iter().filter(|entry| is_update(entry)).count();
        if count <= MOST_UPDATES {
            return;
        }
        self.sort();
        // Of each version the first is put together with the second, and so on.
        let mut first: Vec<Owner> = Vec::new();
        let updaters = self.0.iter().filter(|entry| is_update(entry)).map(|entry| entry.owner.clone());
        for owner in updaters.collect::<Vec<_>>() {
            if count <= MOST_UPDATES {
                return;
            }
            let bucket = Owner {
                manager: ANCIENT.to_string(),
                operation: Operation::Update,
                api_version: owner.api_version.clone(),
                subresource: String::new(),
            };
            let Some(oldest) = first.iter().find(|known| known.api_version == owner.api_version) else {
                first.push(owner);
                continue;
            };
            if owner == bucket {
                continue;
            }
            let is_there = self.0.iter().any(|entry| entry.owner == bucket);
            let into = if is_there { &bucket } else { oldest };
            let Some(at) = self.0.iter().position(|entry| entry.owner == owner) else { continue };
            let taken = self.0.remove(at);
            if let Some(entry) = self.0.iter_mut().find(|entry| entry.owner == *into) {
                let fields = std::mem::take(&mut entry.fields).union(taken.fields);
                *entry = Entry { owner: bucket, time: taken.time, fields };
            }
            count -= 1;
        }
    }

    fn sort(&mut self) {
        let order = |entry: &Entry| {
            let owner = entry.owner.clone();
            (owner.operation, entry.time.clone(), owner.manager, owner.api_version, owner.subresource)
        };
        self.0.sort_by_cached_key(order);
    }

    pub(crate) fn into_value(mut self) -> Value {
        self.sort();
        let entries = self.0.iter().map(|entry| {
            let owner = &entry.owner;
            let operation = match owner.operation {
                Operation::Apply => "Apply",
                Operation::Update => "Update",
            };
            let mut value = json!({
                "manager": owner.manager, "operation": operation, "apiVersion": owner.api_version,
                "time": entry.time, "fieldsType": "FieldsV1", "fieldsV1": entry.fields.to_value(),
            });
            if !owner.subresource.is_empty() {
                value["subresource"] = owner.subresource.clone().into();
            }
            value
        });
        Value::Array(entries.collect())
    }
}

/// An applier is the same in every version.
fn same(a: &Owner, b: &Owner) -> bool {
    a.manager == b.manager
        && a.operation == b.operation
        && a.subresource == b.subresource
        && (a.operation == Operation::Apply || a.api_version == b.api_version)
}

fn entry(value: &Value) -> Entry {
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_string();
    let operation = if value["operation"] == "Apply" { Operation::Apply } else { Operation::Update };
    Entry {
        owner: Owner {
            manager: text("manager"),
            operation,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
        },
        time: text("time"),
        fields: FieldSet::parse(&value["fieldsV1"]),
    }
}

/// Fields that an apply would take from others.
#[derive(Debug)]
pub(crate) struct Conflicts(Vec<(Owner, FieldSet)>);

impl Conflicts {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Without those fields that may be taken.
    pub(crate) fn without(self, allowed: &FieldSet) -> Self {
        let left = self.0.into_iter().map(|(owner, fields)| (owner, fields.difference(allowed)));
        Self(left.filter(|(_, fields)| !fields.is_empty()).collect())
    }

    pub(crate) fn error(&self) -> ApiError {
        let all: Vec<(&Owner, String)> = self
            .0
            .iter()
            .flat_map(|(owner, fields)| fields.paths().into_iter().map(move |p| (owner, p)))
            .collect();
        let causes: Vec<Value> = all
            .iter()
            .map(|(owner, path)| {
                json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {owner}"), "field": path })
            })
            .collect();
        let message = match all.as_slice() {
            [(owner, path)] => format!("Apply failed with 1 conflict: conflict with {owner}: {path}"),
            many => {
                let mut owners: Vec<String> = many.iter().map(|(owner, _)| owner.to_string()).collect();
                owners.sort();
                owners.dedup();
                let mut lines = Vec::new();
                for owner in owners {
                    lines.push(format!("conflicts with {owner}:"));
                    let mine = many.iter().filter(|(known, _)| known.to_string() == owner);
                    lines.extend(mine.map(|(_, path)| format!("- {path}")));
                }
                format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
            }
        };
        let mut error = ApiError::new(409, "Conflict", message);
        error.details = json!({ "causes": causes });
        error
    }
}

#[cfg(test)]
mod tests;
