//! `metadata.managedFields`: who owns which fields.

use super::fields::FieldSet;
use crate::{ApiError, Result};
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        others.fold(FieldSet::default(), |all, entry| all.union(&entry.fields))
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

    /// Takes what has been changed or removed from everybody but `by`. Without `force` a change of somebody else's
    /// field is a conflict, and nothing is taken.
    pub(crate) fn give_up(
        &mut self,
        by: &Owner,
        changed: &FieldSet,
        removed: &FieldSet,
        force: bool,
    ) -> Result<()> {
        let mut conflicts = Vec::new();
        for entry in self.0.iter().filter(|entry| !same(&entry.owner, by)) {
            let paths = entry.fields.intersection(changed).paths();
            conflicts.extend(paths.into_iter().map(|path| (entry, path)));
        }
        if !force && !conflicts.is_empty() {
            return Err(conflict(&conflicts));
        }
        for entry in self.0.iter_mut().filter(|entry| !same(&entry.owner, by)) {
            entry.fields = entry.fields.difference(changed).difference(removed);
        }
        self.0.retain(|entry| !entry.fields.is_empty());
        Ok(())
    }

    pub(crate) fn to_value(&self) -> Value {
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

fn conflict(conflicts: &[(&Entry, String)]) -> ApiError {
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|(entry, path)| {
            json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {}", entry.owner), "field": path })
        })
        .collect();
    let message = match conflicts {
        [(entry, path)] => format!("Apply failed with 1 conflict: conflict with {}: {path}", entry.owner),
        many => {
            let mut owners: Vec<String> = many.iter().map(|(entry, _)| entry.owner.to_string()).collect();
            owners.sort();
            owners.dedup();
            let mut lines = Vec::new();
            for owner in owners {
                lines.push(format!("conflicts with {owner}:"));
                let mine = many.iter().filter(|(entry, _)| entry.owner.to_string() == owner);
                lines.extend(mine.map(|(_, path)| format!("- {path}")));
            }
            format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
        }
    };
    ApiError { code: 409, reason: "Conflict", message, details: json!({ "causes": causes }) }
}
