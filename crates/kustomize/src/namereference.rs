//! Name references: where an object names another one that was renamed, the name is put right.

use std::collections::HashMap;

use serde_json::Value;

use crate::config::{NameReference, NameReferences};
use crate::error::{Error, Result};
use crate::fieldspec::Leaf;
use crate::id::{Gvk, NO_NAMESPACE, ResId};
use crate::resmap::ResMap;
use crate::resource::Resource;

/// Follows every reference of every resource, once, at the end of a build.
pub(crate) fn fix(resources: &mut ResMap, references: &NameReferences) -> Result<()> {
    let candidates = Candidates::of(resources.resources());
    let references = references.by_kind();
    for resource in resources.resources_mut() {
        let gvk = resource.original_id().gvk;
        let mut referrer: Option<Referrer> = None;
        for reference in references.of(&gvk) {
            let referrer = referrer.get_or_insert_with(|| Referrer::of(resource));
            fix_field(&mut resource.object, referrer, reference, &candidates)?;
        }
    }
    Ok(())
}

fn fix_field(
    object: &mut Value,
    referrer: &Referrer,
    reference: NameReference<'_>,
    candidates: &Candidates,
) -> Result<()> {
    let role = reference.field.path.ends_with("roleRef/name").then(|| role_ref(object));
    let search = Search { referrer, target: reference.target, role, candidates };
    reference
        .field
        .apply_unchecked(object, Leaf::Scalar, &mut |value| search.fix(value))
        .map_err(|e| e.doing(format!("updating name reference of '{}'", referrer.id)))
}

fn role_ref(object: &Value) -> Gvk {
    let text = |field: &str| {
        object.get("roleRef").and_then(|r| r.get(field)).and_then(Value::as_str).unwrap_or("").to_string()
    };
    Gvk { group: text("apiGroup"), version: String::new(), kind: text("kind") }
}

/// What is needed to know of an object that may be named.
struct Candidate {
    id: ResId,
    effective_namespace: String,
    original_namespace: String,
    previous: Vec<ResId>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

struct Candidates {
    list: Vec<Candidate>,
    /// By every name that they once had.
    by_name: HashMap<String, Vec<usize>>,
}

impl Candidates {
    fn of(resources: &[Resource]) -> Candidates {
        let mut list: Vec<Candidate> = Vec::new();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for resource in resources {
            let previous: Vec<ResId> = resource.previous_ids().collect();
            if previous.is_empty() {
                continue;
            }
            for id in &previous {
                let places = by_name.entry(id.name.clone()).or_default();
                if places.last() != Some(&list.len()) {
                    places.push(list.len());
                }
            }
            let id = resource.id();
            list.push(Candidate {
                effective_namespace: id.effective_namespace().to_string(),
                original_namespace: resource.original_id().effective_namespace().to_string(),
                id,
                previous,
                prefixes: resource.prefixes.clone(),
                suffixes: resource.suffixes.clone(),
            });
        }
        Candidates { list, by_name }
    }
}

struct Referrer {
    id: ResId,
    namespace: String,
    /// Of the ServiceAccounts that a RoleBinding names.
    subject_namespaces: Vec<String>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Referrer {
    fn of(resource: &Resource) -> Referrer {
        let id = resource.id();
        let subjects = resource.object.get("subjects").and_then(Value::as_array);
        let account = |s: &&Value| s.get("kind").is_some_and(|k| k == "ServiceAccount");
        let subject_namespaces = match subjects {
            Some(subjects) if id.gvk.kind == "RoleBinding" => subjects
                .iter()
                .filter(account)
                .filter_map(|s| s.get("namespace")?.as_str().map(str::to_string))
                .collect(),
            _ => Vec::new(),
        };
        Referrer {
            namespace: id.effective_namespace().to_string(),
            id,
            subject_namespaces,
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
        }
    }

    fn is_cluster_scoped(&self) -> bool {
        self.namespace == NO_NAMESPACE
    }

    /// Whether an object can be named from here at all.
    fn can_see(&self, candidate: &Candidate) -> bool {
        self.is_cluster_scoped()
            || candidate.effective_namespace == NO_NAMESPACE
            || candidate.effective_namespace == self.namespace
            || self.subject_namespaces.contains(&candidate.id.namespace)
    }

    fn same_namespace(&self, candidate: &Candidate) -> bool {
        self.is_cluster_scoped()
            || candidate.effective_namespace == NO_NAMESPACE
            || candidate.id.gvk.kind == "ServiceAccount"
            || candidate.effective_namespace == self.namespace
    }
}

struct Search<'a> {
    referrer: &'a Referrer,
    target: &'a Gvk,
    role: Option<Gvk>,
    candidates: &'a Candidates,
}

impl Search<'_> {
    fn fix(&self, value: &mut Value) -> Result<()> {
        match value {
            Value::String(name) => {
                if let Some(referral) = self.select(name, None, false)? {
                    name.clone_from(&referral.id.name);
                }
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.fix(item)),
            Value::Object(map) => {
                let Some(Value::String(name)) = map.get("name") else { return Ok(()) };
                if map.get("namespace").is_some_and(Value::is_null) {
                    return Err(Error::new(format!(
                        "Invalid Input: namespace is blank for resource '{name}'"
                    ))
                    .hint("give the subject a namespace, or leave the field out"));
                }
                let namespace = map.get("namespace").and_then(Value::as_str);
                let Some(referral) = self.select(name, namespace, true)? else { return Ok(()) };
                let id = &referral.id;
                map.insert("name".to_string(), Value::String(id.name.clone()));
                if !id.namespace.is_empty() {
                    map.insert("namespace".to_string(), Value::String(id.namespace.clone()));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The one object that a name means, if any.
    fn select(
        &self,
        name: &str,
        namespace: Option<&str>,
        writes_namespace: bool,
    ) -> Result<Option<&Candidate>> {
        let Some(places) = self.candidates.by_name.get(name) else { return Ok(None) };
        let visible: Vec<&Candidate> =
            places.iter().map(|at| &self.candidates.list[*at]).filter(|c| self.referrer.can_see(c)).collect();
        let mut found = match namespace {
            Some(namespace) => in_namespace(visible, namespace),
            None => visible,
        };
        let once =
            |candidate: &Candidate, gvk: &Gvk| candidate.previous.iter().any(|id| id.gvk.is_selected(gvk));
        found.retain(|candidate| {
            once(candidate, self.target)
                && self.role.as_ref().is_none_or(|role| once(candidate, role))
                && self.referrer.same_namespace(candidate)
        });
        for allow_empty in [true, false] {
            if found.len() > 1 {
                found.retain(|candidate| self.ends_alike(candidate, allow_empty));
            }
        }
        match found.as_slice() {
            [] => Ok(None),
            [first, rest @ ..] => {
                let same = |c: &&Candidate| {
                    c.id.name == first.id.name && (!writes_namespace || c.id.namespace == first.id.namespace)
                };
                if rest.iter().all(same) {
                    return Ok(Some(first));
                }
                let ids: Vec<String> = found.iter().map(|c| c.id.to_string()).collect();
                Err(Error::new(format!("found multiple possible referrals for '{name}': {}", ids.join(", "))))
            }
        }
    }

    fn ends_alike(&self, candidate: &Candidate, allow_empty: bool) -> bool {
        let alike = |a: &[String], b: &[String]| {
            if allow_empty && (a.is_empty() || b.is_empty()) {
                return true;
            }
            if a.is_empty() || b.is_empty() {
                return a.len() == b.len();
            }
            a.iter().rev().zip(b.iter().rev()).all(|(a, b)| a == b)
        };
        alike(&self.referrer.prefixes, &candidate.prefixes)
            && alike(&self.referrer.suffixes, &candidate.suffixes)
    }
}

/// Those that came from a namespace, or if there are none, those that are in it now.
fn in_namespace<'a>(candidates: Vec<&'a Candidate>, namespace: &str) -> Vec<&'a Candidate> {
    let pick = |of: fn(&Candidate) -> &str| -> Vec<&'a Candidate> {
        candidates.iter().copied().filter(|c| of(c) == namespace).collect()
    };
    let original = pick(|c| &c.original_namespace);
    if original.is_empty() { pick(|c| &c.effective_namespace) } else { original }
}
