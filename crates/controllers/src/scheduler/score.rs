//! Which of the nodes that would do is the best: the preferences of kube-scheduler with its default weights.
//!
//! Of equally good nodes the first by name counts, where kube-scheduler draws lots.

use super::fit::Scene;
use super::{node_affinity, pod_affinity, resources, spread, taints};
use crate::access::{at, int_at, list_at, str_at};
use serde_json::Value;
use std::collections::BTreeMap;
use store::Object;

const MIB: i64 = 1024 * 1024;
/// Images of a smaller sum do not count, those of a larger sum for each container not more.
const SMALL_IMAGES: i64 = 23 * MIB;
const LARGE_IMAGES: i64 = 1000 * MIB;

pub(super) fn best<'n>(scene: &Scene<'_>, nodes: &[&'n Object]) -> Option<&'n Object> {
    if let [only] = nodes {
        return Some(only);
    }
    let scores = totals(scene, nodes);
    let most = scores.iter().copied().max()?;
    nodes.iter().zip(scores).find(|(_, score)| *score == most).map(|(node, _)| *node)
}

/// The weighted sum of all preferences for each node.
pub(super) fn totals(scene: &Scene<'_>, nodes: &[&Object]) -> Vec<i64> {
    let mut totals = vec![0; nodes.len()];
    let mut add = |weight: i64, scores: Option<Vec<i64>>| {
        totals.iter_mut().zip(scores.into_iter().flatten()).for_each(|(sum, score)| *sum += weight * score);
    };
    add(3, Some(tolerated(scene.pod, nodes)));
    add(2, preferred(scene.pod, nodes));
    add(2, spread::scores(scene, nodes));
    add(2, pod_affinity::scores(scene, nodes));
    add(1, Some(resources::least_allocated(scene, nodes)));
    add(1, resources::balanced(scene, nodes));
    add(1, Some(images(scene, nodes)));
    totals
}

/// The share of the best, 0 to 100.
fn shares(scores: &[i64]) -> Vec<i64> {
    let most = scores.iter().copied().max().unwrap_or(0);
    scores.iter().map(|score| if most == 0 { 0 } else { 100 * score / most }).collect()
}

fn tolerated(pod: &Value, nodes: &[&Object]) -> Vec<i64> {
    let counts: Vec<i64> = nodes.iter().map(|node| taints::unwelcome(pod, node)).collect();
    shares(&counts).into_iter().map(|share| 100 - share).collect()
}

fn preferred(pod: &Value, nodes: &[&Object]) -> Option<Vec<i64>> {
    let terms = list_at(pod, &["spec", "affinity", "nodeAffinity", node_affinity::PREFERRED]);
    let weights = || nodes.iter().map(|node| node_affinity::preference(pod, node)).collect::<Vec<_>>();
    (!terms.is_empty()).then(|| shares(&weights()))
}

/// Nodes that have the images already, and not only they.
fn images(scene: &Scene<'_>, nodes: &[&Object]) -> Vec<i64> {
    let wanted = images_of(scene.pod);
    let mut spread: BTreeMap<&str, i64> = wanted.iter().map(|image| (image.as_str(), 0)).collect();
    let held: Vec<(&Object, BTreeMap<&str, i64>)> =
        nodes.iter().map(|node| (*node, images_on(node))).collect();
    for node in scene.nodes {
        for image in images_on(node).keys() {
            if let Some(count) = spread.get_mut(image) {
                *count += 1;
            }
        }
    }
    let share = |image: &str| spread.get(image).copied().unwrap_or(0) as f64 / scene.nodes.len() as f64;
    let most = LARGE_IMAGES * (wanted.len().max(1) as i64);
    let score = |held: &BTreeMap<&str, i64>| {
        let sizes = wanted.iter().filter_map(|image| Some((image, held.get(image.as_str())?)));
        let sum: i64 = sizes.map(|(image, size)| (*size as f64 * share(image)) as i64).sum();
        100 * (sum.clamp(SMALL_IMAGES, most) - SMALL_IMAGES) / (most - SMALL_IMAGES)
    };
    held.iter().map(|(_, held)| score(held)).collect()
}

/// The images of containers and of volumes, with their tags.
fn images_of(pod: &Value) -> Vec<String> {
    let containers = ["initContainers", "containers"].into_iter();
    let containers = containers.flat_map(|list| list_at(pod, &["spec", list])).map(|c| str_at(c, &["image"]));
    let volumes = list_at(pod, &["spec", "volumes"]).iter().filter(|volume| volume.get("image").is_some());
    let all = containers.chain(volumes.map(|volume| str_at(volume, &["image", "reference"])));
    all.map(|image| {
        let tagged = image.rfind(':') > image.rfind('/');
        if tagged { image.to_string() } else { format!("{image}:latest") }
    })
    .collect()
}

fn images_on(node: &Value) -> BTreeMap<&str, i64> {
    let list = list_at(node, &["status", "images"]).iter();
    list.flat_map(|image| {
        let size = int_at(image, &["sizeBytes"]).unwrap_or(0);
        at(image, &["names"]).as_array().into_iter().flatten().filter_map(move |n| Some((n.as_str()?, size)))
    })
    .collect()
}

#[cfg(test)]
mod tests;
