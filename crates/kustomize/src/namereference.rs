//! Name references: where an object names another one that was renamed, the name is put right.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::config::{NameReference, NameReferences};
use crate::error::{Error, Result};
use crate::fieldspec::Leaf;
use crate::id::{Gvk, NO_NAMESPACE, ResId};
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::scalar;

/// Follows every reference of every resource, once, at the end of a build.
pub(crate) fn fix(resources: &mut ResMap, references: &NameReferences) -> Result<()> {
    let candidates = Candidates::of(resources.resources());
    let references = references.by_kind();
    for resource in resources.resources_mut() {
        let gvk = resource.original_id().gvk;
        let mut referrer: Option<Referrer> = None;
        for reference in references.of(&gvk) {
            let referrer = match &referrer {
                Some(referrer) => referrer,
                None => referrer.insert(Referrer::of(resource)?),
            };
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
    let role = if reference.field.path.ends_with("roleRef/name") { role_ref(object) } else { None };
    let search = Search { referrer, target: reference.target, role, candidates };
    let path = &reference.field.path;
    reference
        .field
        .apply_unchecked(object, Leaf::Never, &mut |value| search.fix(value))
        .map_err(|e| e.doing(format!("updating name reference in '{path}' field of '{}'", referrer.id)))
}

/// What a role binding says of its role besides the name, if it says all.
fn role_ref(object: &Value) -> Option<Gvk> {
    let role = object.get("roleRef")?;
    let text = |field: &str| role.get(field).and_then(scalar::text);
    Some(Gvk { group: text("apiGroup")?, version: String::new(), kind: text("kind")? })
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
    /// By namespace: where the objects are now that came from it, renamed or not.
    origins: HashMap<String, HashSet<(String, String)>>,
}

impl Candidates {
    fn of(resources: &[Resource]) -> Candidates {
        let mut list: Vec<Candidate> = Vec::new();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut origins: HashMap<String, HashSet<(String, String)>> = HashMap::new();
        for resource in resources {
            let id = resource.id();
            let effective_namespace = id.effective_namespace().to_string();
            let original_namespace = resource.original_id().effective_namespace().to_string();
            if original_namespace != NO_NAMESPACE {
                let now = (effective_namespace.clone(), id.namespace.clone());
                origins.entry(original_namespace.clone()).or_default().insert(now);
            }
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
            list.push(Candidate {
                effective_namespace,
                original_namespace,
                id,
                previous,
                prefixes: resource.prefixes.clone(),
                suffixes: resource.suffixes.clone(),
            });
        }
        Candidates { list, by_name, origins }
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
    fn of(resource: &Resource) -> Result<Referrer> {
        let id = resource.id();
        let mut subject_namespaces = Vec::new();
        if id.gvk.kind == "RoleBinding" && !id.gvk.is_cluster_scoped() {
            let subjects = resource.object.get("subjects").and_then(Value::as_array).into_iter().flatten();
            for account in subjects.filter(|s| s.get("kind").is_some_and(|kind| kind == "ServiceAccount")) {
                match account.get("namespace") {
                    None => {}
                    Some(Value::String(namespace)) => subject_namespaces.push(namespace.clone()),
                    Some(_) => {
                        return Err(Error::new(format!(
                            "Invalid Input: namespace is blank for resource \"{id}\""
                        ))
                        .hint("give the subject a namespace, or leave the field out"));
                    }
                }
            }
        }
        Ok(Referrer {
            namespace: id.effective_namespace().to_string(),
            id,
            subject_namespaces,
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
        })
    }

    fn is_cluster_scoped(&self) -> bool {
        self.namespace == NO_NAMESPACE
    }

    /// Whether an object can be named from here at all.
    fn can_see(&self, candidate: &Candidate) -> bool {
        self.sees(&candidate.effective_namespace, &candidate.id.namespace)
    }

    fn sees(&self, effective_namespace: &str, namespace: &str) -> bool {
        self.is_cluster_scoped()
            || effective_namespace == NO_NAMESPACE
            || effective_namespace == self.namespace
            || self.subject_namespaces.iter().any(|subject| subject == namespace)
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
            Value::Null => Ok(()),
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.fix(item)),
            Value::Object(map) => self.fix_map(map),
            name => {
                let referral = self.select(&scalar::text(name).unwrap_or_default(), None, false)?;
                if let Some(referral) = referral {
                    scalar::set_text(name, referral.id.name.clone());
                }
                Ok(())
            }
        }
    }

    /// A map with a name, and perhaps a namespace.
    fn fix_map(&self, map: &mut Map<String, Value>) -> Result<()> {
        let Some(value) = map.get("name") else {
            return Err(Error::new("path config error; no 'name' field in node")
                .hint("what names another object is text, or a map with name"));
        };
        let Some(name) = scalar::text(value) else { return Ok(()) };
        let namespace = match map.get("namespace") {
            None => None,
            Some(namespace) => match scalar::text(namespace) {
                None => return Ok(()),
                namespace => namespace,
            },
        };
        let Some(referral) = self.select(&name, namespace.as_deref(), true)? else { return Ok(()) };
        let id = &referral.id;
        if let Some(name) = map.get_mut("name") {
            scalar::set_text(name, id.name.clone());
        }
        if !id.namespace.is_empty() {
            map.insert("namespace".to_string(), Value::String(id.namespace.clone()));
        }
        Ok(())
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
            Some(namespace) => self.in_namespace(visible, namespace),
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
                let ids = ids.join(", ");
                Err(Error::new(format!("'{name}' may mean several objects: {ids}"))
                    .hint("give them different names, or say the namespace where the name stands")
                    .worded(format!("found multiple possible referrals: {ids}")))
            }
        }
    }

    /// Those that came from a namespace or, if nothing that can be seen from here did, those that are in it now.
    fn in_namespace<'c>(&self, candidates: Vec<&'c Candidate>, namespace: &str) -> Vec<&'c Candidate> {
        let sees = |(effective, namespace): &(String, String)| self.referrer.sees(effective, namespace);
        let came_from_it = self.candidates.origins.get(namespace).is_some_and(|now| now.iter().any(sees));
        let of = |c: &Candidate| {
            if came_from_it { c.original_namespace == namespace } else { c.effective_namespace == namespace }
        };
        candidates.into_iter().filter(|candidate| of(candidate)).collect()
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
