//! A new plan takes the place of the old one: only what differs is done again.

use crate::effect::Effect;
use crate::event::ObjectRef;
use crate::images;
use crate::schedule;
use crate::state::{ObjectKey, ResourceState, State};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tiltfile::Plan;
use tiltfile::plan::{Command, Dependency, Resource};

pub(crate) fn load(state: &mut State, plan: Arc<Plan>) -> Vec<Effect> {
    let mut effects = Vec::new();
    let old = state.plan.replace(plan.clone());
    images::load(state, &plan);
    let mut going = Vec::new();
    for resource in &plan.resources {
        let entry = state.resources.entry(resource.name.clone()).or_default();
        let before = old.as_ref().and_then(|p| p.resource(&resource.name));
        if let (Some(before), Some(local)) = (before.and_then(Resource::local), resource.local()) {
            if before.cmd != local.cmd {
                entry.started = false;
            } else if entry.local.serving
                && (before.serve_cmd != local.serve_cmd || before.readiness_probe != local.readiness_probe)
            {
                effects.extend(schedule::serve(entry, resource, local));
            }
        }
        if let (Some(delete), Some(deploy)) =
            (&mut entry.apply.delete, resource.k8s().and_then(|k| k.custom_deploy.as_ref()))
        {
            delete.clone_from(&deploy.delete);
        }
        let by_command = |r: &Resource| r.k8s().map(|k| k.custom_deploy.is_some());
        if let Some(before) = before.filter(|b| by_command(b) != by_command(resource)) {
            // it became another kind of thing
            effects.extend(stop(entry, &before.name));
            going.extend(take_down(entry, &before.name));
            *entry = ResourceState { pods: std::mem::take(&mut entry.pods), ..ResourceState::default() };
        }
    }
    let gone: Vec<String> = state.resources.keys().filter(|n| plan.resource(n).is_none()).cloned().collect();
    for name in gone {
        if let Some(mut entry) = state.resources.remove(&name) {
            effects.extend(stop(&mut entry, &name));
            going.extend(take_down(&mut entry, &name));
        }
    }
    effects.extend(undeploy(state, going));
    effects.push(Effect::WatchObjects { objects: wanted_objects(&plan) });
    let enabled = plan.enabled.clone();
    effects.extend(enable(state, &enabled));
    effects
}

/// From now on these resources run, and no others.
pub(crate) fn enable(state: &mut State, names: &[String]) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut going = Vec::new();
    for (name, entry) in &mut state.resources {
        let enabled = names.contains(name);
        if entry.enabled && !enabled {
            effects.extend(stop(entry, name));
            going.extend(take_down(entry, name));
            *entry = ResourceState { pods: std::mem::take(&mut entry.pods), ..ResourceState::default() };
        }
        entry.enabled = enabled;
    }
    effects.extend(undeploy(state, going));
    effects.extend(delete_leftovers(state));
    effects
}

fn stop(entry: &mut ResourceState, name: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    if entry.local.serving {
        effects.push(Effect::StopServe { resource: name.to_owned() });
    }
    if entry.forwarded.take().is_some_and(|(forwards, _)| !forwards.is_empty()) {
        effects.push(Effect::ForwardPorts { resource: name.to_owned(), forwards: Vec::new(), pod: None });
    }
    effects
}

/// The command that takes away what a deploy by command made, if it made something.
fn take_down(entry: &mut ResourceState, name: &str) -> Option<(String, Command)> {
    let command = entry.apply.delete.take().filter(|command| !command.argv.is_empty())?;
    Some((name.to_owned(), command))
}

fn undeploy(state: &mut State, going: Vec<(String, Command)>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (resource, command) in going {
        let round = state.next_round();
        state.undeploying.insert(round, resource.clone());
        effects.push(Effect::DeleteByCommand { resource, round, command });
    }
    effects
}

/// Deletes what is in the cluster because of us, and is in the plan no more.
fn delete_leftovers(state: &mut State) -> Option<Effect> {
    let plan = state.plan.clone()?;
    let wanted: BTreeSet<ObjectKey> = plan
        .resources
        .iter()
        .filter(|r| state.resources.get(&r.name).is_some_and(|s| s.enabled))
        .flat_map(|r| r.k8s().map(|k| k.objects.as_slice()).unwrap_or_default())
        .map(ObjectKey::of)
        .collect();
    let by_command: Vec<&str> = plan
        .resources
        .iter()
        .filter(|r| r.k8s().is_some_and(|k| k.custom_deploy.is_some()))
        .map(|r| r.name.as_str())
        .collect();
    let mut objects: Vec<Value> = Vec::new();
    state.applied.retain(|key, (object, resource)| {
        let keep = wanted.contains(key) || by_command.contains(&resource.as_str());
        if !keep {
            objects.push(object.clone());
        }
        keep
    });
    objects.retain(|o| {
        o.pointer("/metadata/annotations/tilt.dev~1down-policy").and_then(Value::as_str) != Some("keep")
    });
    if objects.is_empty() {
        return None;
    }
    objects.sort_by_key(|o| {
        let kind = o.get("kind").and_then(Value::as_str).unwrap_or_default();
        // users of things before the things
        std::cmp::Reverse(tiltfile::plan::apply_order(kind))
    });
    let round = state.next_round();
    state.deleting.insert(round, objects.iter().map(ObjectKey::of).collect());
    Some(Effect::Delete { round, objects })
}

fn wanted_objects(plan: &Plan) -> Vec<ObjectRef> {
    let mut objects: Vec<ObjectRef> = plan
        .resources
        .iter()
        .flat_map(|r| &r.resource_deps)
        .filter_map(|dep| match dep {
            Dependency::Resource(_) => None,
            Dependency::Object { name, kind, namespace } => Some(ObjectRef {
                kind: kind.clone().unwrap_or_default(),
                namespace: namespace.clone().unwrap_or_default(),
                name: name.clone(),
            }),
        })
        .collect();
    objects.sort();
    objects.dedup();
    objects
}
