//! Objects find their resource.

use super::{Draft, call_name_function, object_id};
use crate::call::{Failure, Result, fail};
use crate::env::{Env, K8sResourceOptions, Registry};
use crate::manifest::{self, Id};
use crate::plan::UNCATEGORIZED;
use crate::text::ImageRef;
use serde_json::Value;
use starlark::environment::FrozenModule;
use std::collections::{BTreeMap, HashMap};

/// A draft for each object that makes pods, and the other objects.
pub(super) fn workloads(env: &Env<'_>, main: &FrozenModule) -> Result<(Vec<Draft>, Vec<Value>)> {
    let (mut work, mut rest) = (Vec::new(), Vec::new());
    {
        let reg = env.reg();
        for entity in &reg.entities {
            let declared = reg.kinds.iter().any(|k| k.selector.matches(&entity.object))
                || reg.locators.iter().any(|l| l.selector.matches(&entity.object));
            if declared || manifest::pod_template(&entity.object).is_some() {
                work.push(entity.object.clone());
            } else {
                rest.push(entity.object.clone());
            }
        }
    }
    check_images(env, &work)?;
    let objects: Vec<&Value> = work.iter().collect();
    let names = match call_name_function(env, main, &objects)? {
        Some(names) => names,
        None => unique_names(&objects.iter().map(|o| Id::of(o)).collect::<Vec<_>>()),
    };
    let mut drafts = Vec::new();
    let reg = env.reg();
    for (object, name) in work.into_iter().zip(names) {
        let id = Id::of(&object);
        reg.check_conflict(&name).map_err(|e| {
            Failure::new(format!("error making resource for workload {}: {}", object_id(&id), e.message))
        })?;
        let mut draft = Draft { name, workload: Some(id), ..Draft::default() };
        draft.k8s.objects.push(object);
        drafts.push(draft);
    }
    Ok((drafts, rest))
}

/// Images of containers must be references. Kinds of which the Tiltfile or Tilt knows beforehand come last.
fn check_images(env: &Env<'_>, objects: &[Value]) -> Result<()> {
    let reg = env.reg();
    let known = |object: &&Value| {
        matches!(manifest::text(object, "kind"), "Job" | "CronJob")
            || reg.kinds.iter().any(|k| k.selector.matches(object))
            || reg.locators.iter().any(|l| l.selector.matches(object))
    };
    let (last, first): (Vec<&Value>, Vec<&Value>) = objects.iter().partition(known);
    let bad = |object: &&Value| {
        let images = manifest::container_images(object).into_iter();
        images.filter_map(|i| ImageRef::parse(i).err().map(|e| format!("parsing {i}: {e}"))).next()
    };
    for object in first {
        if let Some(e) = bad(&object) {
            fail!("finding images in {}: {e}", Id::of(object).name);
        }
    }
    for object in last {
        if let Some(e) = bad(&object) {
            fail!("finding image in {}/{}: {e}", manifest::text(object, "kind"), Id::of(object).name);
        }
    }
    Ok(())
}

/// For each the shortest of `name`, `name:kind`, … that no other has.
fn unique_names(ids: &[Id]) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for id in ids {
        for parts in 1..=4 {
            *counts.entry(id.fragment(parts)).or_default() += 1;
        }
    }
    ids.iter()
        .enumerate()
        .map(|(i, id)| {
            let alone = (1..=4).map(|parts| id.fragment(parts)).find(|f| counts.get(f) == Some(&1));
            alone.unwrap_or_else(|| format!("{}:{i}", id.fragment(4)))
        })
        .map(|name| name.replace("\\:", ":"))
        .collect()
}

/// What `k8s_resource` says.
pub(super) fn apply_options(env: &Env<'_>, drafts: &mut Vec<Draft>, rest: &mut Vec<Value>) -> Result<()> {
    let options = env.reg().k8s_resources.clone();
    let custom: Vec<String> = env.reg().custom_deploys.iter().map(|d| d.name.clone()).collect();
    let all: Vec<Id> = env.reg().entities.iter().map(|e| Id::of(&e.object)).collect();
    for option in options {
        if custom.contains(&option.workload) {
            continue;
        }
        let index = if option.workload.is_empty() {
            match drafts.iter().position(|d| d.name == option.new_name) {
                Some(index) if drafts[index].workload.is_some() && option.objects.is_empty() => index,
                Some(index) if drafts[index].workload.is_none() && option.objects.is_empty() => index,
                Some(_) => fail!("k8s_resource named {:?} already exists", option.new_name),
                None => {
                    env.reg().check_conflict(&option.new_name)?;
                    drafts.push(Draft {
                        name: option.new_name.clone(),
                        manually_grouped: true,
                        ..Draft::default()
                    });
                    drafts.len() - 1
                }
            }
        } else {
            existing(drafts, &option)?
        };
        add_options(&mut drafts[index], &option);
        for fragment in &option.objects {
            let object = take_object(fragment, &all, rest)?;
            drafts[index].k8s.objects.push(object);
        }
        if !option.workload.is_empty() && !option.new_name.is_empty() && drafts[index].name != option.new_name
        {
            check_free(&env.reg(), drafts, &option.new_name).map_err(|e| {
                Failure::new(format!(
                    "{}: k8s_resource specified to rename {:?} to {:?}: {}",
                    option.position, drafts[index].name, option.new_name, e.message
                ))
            })?;
            drafts[index].name.clone_from(&option.new_name);
        }
    }
    Ok(())
}

fn check_free(reg: &Registry, drafts: &[Draft], name: &str) -> Result<()> {
    if drafts.iter().any(|d| d.name == name) {
        fail!("k8s_resource named {name:?} already exists");
    }
    reg.check_conflict(name)
}

fn existing(drafts: &[Draft], option: &K8sResourceOptions) -> Result<usize> {
    if let Some(index) = drafts.iter().position(|d| d.name == option.workload) {
        return Ok(index);
    }
    let mut known: Vec<String> = drafts.iter().map(|d| d.name.clone()).collect();
    known.sort();
    fail!(
        "{}: k8s_resource specified unknown resource {:?}. known k8s resources: {}",
        option.position,
        option.workload,
        known.join(", ")
    )
}

/// Lists grow, single values are replaced.
pub(super) fn add_options(draft: &mut Draft, option: &K8sResourceOptions) {
    draft.k8s.port_forwards.extend(option.port_forwards.iter().cloned());
    draft.k8s.extra_pod_selectors.extend(option.extra_pod_selectors.iter().cloned());
    draft.resource_deps.extend(option.resource_deps.iter().cloned());
    draft.links.extend(option.links.iter().cloned());
    for label in &option.labels {
        if !draft.labels.contains(label) {
            draft.labels.push(label.clone());
        }
    }
    draft.trigger_mode = option.trigger_mode.or(draft.trigger_mode);
    draft.auto_init = option.auto_init.or(draft.auto_init);
    draft.readiness = option.pod_readiness.or(draft.readiness);
    if let Some(strategy) = option.discovery_strategy {
        draft.k8s.discovery_strategy = strategy;
    }
}

/// Finds the one object that a fragment names, and takes it out of the rest.
fn take_object(fragment: &str, all: &[Id], rest: &mut Vec<Value>) -> Result<Value> {
    let parts = split_fragment(fragment)?;
    if parts.len() > 3 {
        fail!(
            "Error making selector from string {fragment:?}: Too many parts in selector. Selectors must contain between 1 and 3 parts (colon separated), found {} parts in {fragment}",
            parts.len()
        );
    }
    if parts.iter().all(String::is_empty) {
        fail!("Error making selector from string {fragment:?}: selector can't be empty");
    }
    let fits = |id: &Id| {
        let namespace = if id.namespace.is_empty() { "default" } else { &id.namespace };
        let values = [&id.name, &id.kind, namespace];
        parts.iter().zip(values).all(|(part, value)| part.eq_ignore_ascii_case(value))
    };
    let matching: Vec<&Id> = all.iter().filter(|id| fits(id)).collect();
    let quoted = |ids: &mut dyn Iterator<Item = &Id>| {
        ids.map(|id| format!("{:?}", whole_fragment(id))).collect::<Vec<_>>().join(", ")
    };
    match matching.as_slice() {
        [] => fail!(
            "No object identified by the fragment {fragment:?} could be found. Possible objects are: {}",
            quoted(&mut all.iter())
        ),
        [one] => match rest.iter().position(|o| Id::of(o) == **one) {
            Some(index) => Ok(rest.remove(index)),
            None => {
                let left: Vec<Id> = rest.iter().map(Id::of).collect();
                fail!(
                    "No object identified by the fragment {fragment:?} could be found in remaining YAML. Valid remaining fragments are: {}",
                    left.iter().map(|id| format!("{:?}", whole_fragment(id))).collect::<Vec<_>>().join(", ")
                )
            }
        },
        _ => fail!(
            "{fragment:?} is not a unique fragment. Objects that match {fragment:?} are {}",
            quoted(&mut matching.iter().copied())
        ),
    }
}

/// How an object can be named: `name:Kind:namespace`.
fn whole_fragment(id: &Id) -> String {
    let name = id.name.replace('\\', "\\\\").replace(':', "\\:");
    let namespace = if id.namespace.is_empty() { "default" } else { &id.namespace };
    format!("{name}:{}:{namespace}", id.kind)
}

/// Parts between colons; `\` takes the next colon or backslash as it is.
fn split_fragment(text: &str) -> Result<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => parts.push(String::new()),
            '\\' => match chars.next() {
                Some(next @ (':' | '\\')) => parts.last_mut().expect("there is a part").push(next),
                other => {
                    let at = text.len() - chars.as_str().len() - other.map_or(0, char::len_utf8) - 1;
                    let around: String = text.chars().skip(at.saturating_sub(2)).take(6).collect();
                    fail!(
                        "Error making selector from string {text:?}: invalid escape sequence '\\{}' in '{around}'",
                        other.map(String::from).unwrap_or_default()
                    )
                }
            },
            c => parts.last_mut().expect("there is a part").push(c),
        }
    }
    Ok(parts)
}

/// Services go with the workload whose pods they select.
pub(super) fn join_services(drafts: &mut [Draft], rest: &mut Vec<Value>) {
    let services: Vec<Value> = rest.extract_if(.., |o| manifest::service_selector(o).is_some()).collect();
    let mut joined: Vec<(usize, Value)> = Vec::new();
    {
        let pods = Pods::of(drafts);
        for service in services {
            match pods.owner(&service) {
                Some(draft) => joined.push((draft, service)),
                None => rest.push(service),
            }
        }
    }
    for (draft, service) in joined {
        drafts[draft].k8s.objects.push(service);
    }
}

/// Who makes pods with which labels.
struct Pods<'d> {
    /// Namespace, labels and draft.
    all: Vec<(String, BTreeMap<&'d str, &'d str>, usize)>,
    /// Places in `all` by one label.
    by_label: HashMap<(&'d str, &'d str), Vec<usize>>,
}

impl<'d> Pods<'d> {
    fn of(drafts: &'d [Draft]) -> Pods<'d> {
        let mut pods = Pods { all: Vec::new(), by_label: HashMap::new() };
        for (i, draft) in drafts.iter().enumerate() {
            for object in &draft.k8s.objects {
                let labels = manifest::pod_labels(object);
                for label in &labels {
                    pods.by_label.entry((label.0, label.1)).or_default().push(pods.all.len());
                }
                pods.all.push((namespace(&Id::of(object)), labels, i));
            }
        }
        pods
    }

    /// The first draft whose pods a service selects.
    fn owner(&self, service: &Value) -> Option<usize> {
        let selector = manifest::service_selector(service)?;
        let home = namespace(&Id::of(service));
        let (key, value) = selector.iter().next()?;
        let candidates = self.by_label.get(&(*key, *value))?.iter().map(|i| &self.all[*i]);
        let mut fitting = candidates.filter(|(place, labels, _)| {
            *place == home && selector.iter().all(|(k, v)| labels.get(k) == Some(v))
        });
        fitting.next().map(|(_, _, draft)| *draft)
    }
}

fn namespace(id: &Id) -> String {
    if id.namespace.is_empty() { "default".to_owned() } else { id.namespace.clone() }
}

pub(super) fn uncategorized(rest: Vec<Value>) -> Draft {
    let mut draft = Draft { name: UNCATEGORIZED.to_owned(), ..Draft::default() };
    draft.k8s.objects = rest;
    draft
}
