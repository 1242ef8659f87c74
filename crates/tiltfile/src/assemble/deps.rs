//! What waits for what, and which resources run.

use crate::call::{Result, fail};
use crate::env::Env;
use crate::manifest::Id;
use crate::plan::{Dependency, Plan, UNCATEGORIZED};

/// Turns names into dependencies. A name that no resource has means an object, of the Tiltfile or of somebody else.
pub(super) fn resolve(env: &Env<'_>, plan: &mut Plan, names: &[(String, Vec<String>)]) -> Result<()> {
    for (resource, deps) in names {
        let mut resolved: Vec<Dependency> = Vec::new();
        for dep in deps {
            if dep == resource {
                fail!("resource {resource} specified a dependency on itself");
            }
            let dependency = if plan.resource(dep).is_some() {
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
    for resource in &plan.resources {
        if let Some(mut cycle) = cycle_from(plan, &resource.name, &mut Vec::new()) {
            cycle.push(resource.name.clone());
            fail!("cycle detected in resource dependency graph: {}", cycle.join(" -> "));
        }
    }
    Ok(())
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

/// A way from `start` back to it.
fn cycle_from(plan: &Plan, start: &str, path: &mut Vec<String>) -> Option<Vec<String>> {
    let current = path.last().cloned().unwrap_or_else(|| start.to_owned());
    for dep in plan.resource(&current).iter().flat_map(|r| &r.resource_deps) {
        let Dependency::Resource(name) = dep else { continue };
        if name == start {
            let mut found = vec![start.to_owned()];
            found.extend(path.iter().cloned());
            return Some(found);
        }
        if path.contains(name) {
            continue;
        }
        path.push(name.clone());
        if let Some(found) = cycle_from(plan, start, path) {
            return Some(found);
        }
        path.pop();
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
    let mut wanted: Vec<String> = requested.to_vec();
    let mut next = 0;
    while next < wanted.len() {
        for dep in plan.resource(&wanted[next]).iter().flat_map(|r| &r.resource_deps) {
            if let Dependency::Resource(name) = dep
                && !wanted.contains(name)
            {
                wanted.push(name.clone());
            }
        }
        next += 1;
    }
    Ok(all().filter(|n| wanted.contains(n) || n == UNCATEGORIZED).collect())
}
