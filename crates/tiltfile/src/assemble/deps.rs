//! What waits for what, and which resources run.

use crate::call::{Result, fail};
use crate::env::Env;
use crate::manifest::Id;
use crate::plan::{Dependency, Plan, UNCATEGORIZED};
use std::collections::{HashMap, HashSet};

/// Turns names into dependencies. A name that no resource has means an object, of the Tiltfile or of somebody else.
pub(super) fn resolve(env: &Env<'_>, plan: &mut Plan, names: &[(String, Vec<String>)]) -> Result<()> {
    let known: HashSet<String> = plan.resources.iter().map(|r| r.name.clone()).collect();
    for (resource, deps) in names {
        let mut resolved: Vec<Dependency> = Vec::new();
        for dep in deps {
            if dep == resource {
                fail!("resource {resource} specified a dependency on itself");
            }
            let dependency = if known.contains(dep) {
                Dependency::Resource(dep.clone())
            } else {
                match object(plan, resource, dep) {
                    Target::Object(dependency) => dependency,
                    Target::Own => continue,
                    Target::Unknown => {
                        env.warn(
                            format!(
                                "resource {resource} specified a dependency on unknown resource {dep} - dependency ignored"
                            ),
                            None,
                        );
                        continue;
                    }
                }
            };
            if !resolved.contains(&dependency) {
                resolved.push(dependency);
            }
        }
        if let Some(resource) = plan.resources.iter_mut().find(|r| r.name == *resource) {
            resource.resource_deps = resolved;
        }
    }
    match cycle(plan) {
        Some(cycle) => fail!("cycle detected in resource dependency graph: {}", cycle.join(" -> ")),
        None => Ok(()),
    }
}

/// What a name means that no resource has.
enum Target {
    Object(Dependency),
    /// An object of the resource itself: there is nothing to wait for.
    Own,
    Unknown,
}

/// `name[:kind[:namespace]]`.
fn object(plan: &Plan, resource: &str, dep: &str) -> Target {
    let mut parts = dep.splitn(3, ':');
    let name = parts.next().unwrap_or_default();
    let kind = parts.next();
    let namespace = parts.next();
    let fits = |id: &Id| {
        id.name.eq_ignore_ascii_case(name)
            && kind.is_none_or(|k| id.kind.eq_ignore_ascii_case(k))
            && namespace.is_none_or(|n| id.namespace == n)
    };
    for candidate in &plan.resources {
        for object in candidate.k8s().iter().flat_map(|k| &k.objects) {
            let id = Id::of(object);
            if fits(&id) {
                if candidate.name == resource {
                    return Target::Own;
                }
                return Target::Object(Dependency::Object {
                    name: id.name.clone(),
                    kind: Some(id.kind.clone()),
                    namespace: (!id.namespace.is_empty()).then_some(id.namespace),
                });
            }
        }
    }
    // a command or a service of Compose has no place in the cluster where the object could be looked for
    let Some(k8s) = plan.resource(resource).and_then(|r| r.k8s()) else { return Target::Unknown };
    // made outside the Tiltfile: most likely where the resource itself lives
    let home = k8s.objects.iter().map(|o| Id::of(o).namespace).find(|n| !n.is_empty());
    Target::Object(Dependency::Object {
        name: name.to_owned(),
        kind: kind.map(str::to_owned),
        namespace: namespace.map(str::to_owned).or(home),
    })
}

/// Resources that wait for each other, the first one again at the end. Each resource is looked at once.
fn cycle(plan: &Plan) -> Option<Vec<String>> {
    let place: HashMap<&str, usize> =
        plan.resources.iter().enumerate().map(|(i, r)| (r.name.as_str(), i)).collect();
    let next = |i: usize| -> Vec<usize> {
        let named = plan.resources[i].resource_deps.iter().filter_map(|d| match d {
            Dependency::Resource(name) => place.get(name.as_str()).copied(),
            Dependency::Object { .. } => None,
        });
        named.collect()
    };
    let mut done = vec![false; plan.resources.len()];
    for start in 0..plan.resources.len() {
        // the way from `start`, each place with what is still to be tried from there
        let mut path: Vec<(usize, Vec<usize>)> = Vec::new();
        if !done[start] {
            path.push((start, next(start)));
        }
        while let Some((here, rest)) = path.last_mut() {
            let here = *here;
            if rest.is_empty() {
                done[here] = true;
                path.pop();
                continue;
            }
            let to = rest.remove(0);
            if let Some(first) = path.iter().position(|(i, _)| *i == to) {
                let mut names: Vec<String> =
                    path[first..].iter().map(|(i, _)| plan.resources[*i].name.clone()).collect();
                names.push(plan.resources[to].name.clone());
                return Some(names);
            }
            if !done[to] {
                path.push((to, next(to)));
            }
        }
    }
    None
}

/// The requested resources and all that they wait for.
pub(super) fn enabled(plan: &Plan, requested: &[String], cleared: bool) -> Result<Vec<String>> {
    let all = || plan.resources.iter().map(|r| r.name.clone());
    let unknown: Vec<String> =
        requested.iter().filter(|n| plan.resource(n).is_none()).map(|n| format!("{n:?}")).collect();
    if !unknown.is_empty() {
        fail!(
            "You specified some resources that could not be found: {}\nIs this a typo? Existing resources in Tiltfile: {}",
            unknown.join(", "),
            all().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ")
        );
    }
    if cleared && requested.is_empty() {
        return Ok(Vec::new());
    }
    if requested.is_empty() {
        return Ok(all().collect());
    }
    let mut wanted: HashSet<String> = HashSet::new();
    let mut open: Vec<String> = requested.to_vec();
    while let Some(name) = open.pop() {
        let deps = plan.resource(&name).map(|r| r.resource_deps.as_slice()).unwrap_or_default();
        if wanted.insert(name) {
            open.extend(deps.iter().filter_map(|d| match d {
                Dependency::Resource(name) => Some(name.clone()),
                Dependency::Object { .. } => None,
            }));
        }
    }
    Ok(all().filter(|n| wanted.contains(n) || n == UNCATEGORIZED).collect())
}
