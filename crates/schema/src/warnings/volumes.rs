//! Volumes of pods, and persistent ones.

use super::{claim, list, pod, text, whole_bytes};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Bound;

/// Kinds of volumes that are gone or going.
const GOING: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

pub(super) fn check(volumes: &[Value], path: &str, told: &mut Vec<String>) {
    for (index, volume) in volumes.iter().enumerate() {
        going(volume, &format!("{path}[{index}]"), told);
        let template = &volume["ephemeral"]["volumeClaimTemplate"];
        if template.is_object() {
            let place = format!("{path}[{index}].ephemeral.volumeClaimTemplate.spec");
            claim(&template["spec"], &place, told);
        }
    }
    volumes.iter().for_each(|volume| overlaps(volume, told));
}

fn going(volume: &Value, path: &str, told: &mut Vec<String>) {
    for (field, why) in GOING.iter().filter(|(field, _)| !volume[*field].is_null()) {
        // Go's name of the field.
        let field = if *field == "storageos" { "storageOS" } else { field };
        told.push(format!("{path}.{field}: {why}"));
    }
}

/// Files of one volume that lie on or in each other.
fn overlaps(volume: &Value, told: &mut Vec<String>) {
    let name = text(&volume["name"]);
    for (field, kind, named) in [
        ("configMap", "ConfigMap", "name"),
        ("secret", "Secret", "secretName"),
        ("downwardAPI", "DownwardAPI", ""),
    ] {
        let source = &volume[field];
        let title = titled(kind, text(&source[named]));
        overlapping(&paths(source), &format!("volume {name:?} ({title}): overlapping paths"), told);
    }
    let mut all: Vec<&str> = Vec::new();
    for source in list(&volume["projected"]["sources"]) {
        let found = [
            ("configMap", "Projected ConfigMap", "name"),
            ("secret", "Projected Secret", "name"),
            ("downwardAPI", "Projected DownwardAPI", ""),
            ("serviceAccountToken", "Projected ServiceAccountToken", ""),
            ("clusterTrustBundle", "Projected ClusterTrustBundle", "name"),
        ];
        let Some((field, kind, named)) = found.into_iter().find(|(field, ..)| !source[*field].is_null())
        else {
            told.push(format!("volume {name:?} (Projected) has no sources provided"));
            continue;
        };
        let source = &source[field];
        let mut own = paths(source);
        own.extend(source["path"].as_str());
        let title = format!("volume {name:?} ({}): overlapping paths", titled(kind, text(&source[named])));
        overlapping(&own, &title, told);
        own.sort_unstable();
        own.dedup();
        let mut together: Vec<&str> = own.iter().chain(&all).copied().collect();
        together.sort_unstable();
        overlapping(&together, &title, told);
        all.extend(own);
    }
}

fn titled(kind: &str, name: &str) -> String {
    let has_name = !kind.ends_with("DownwardAPI") && !kind.ends_with("ServiceAccountToken");
    if has_name { format!("{kind} {name:?}") } else { kind.to_owned() }
}

fn paths(source: &Value) -> Vec<&str> {
    list(&source["items"]).iter().map(|item| text(&item["path"])).collect()
}

/// Paths are compared with those before them in order, so that many cost no more than sorting does.
fn overlapping(paths: &[&str], title: &str, told: &mut Vec<String>) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for path in paths {
        let path = path.trim_end_matches('/');
        if let Some(other) = collision(&seen, path) {
            told.push(format!("{title}: {path:?} with {other:?}"));
        }
        seen.insert(path);
    }
}

/// The same path, one below it, or one above it; as upstream, by their letters.
fn collision<'a>(seen: &BTreeSet<&'a str>, path: &str) -> Option<&'a str> {
    if path.is_empty() {
        return None;
    }
    let mut from_there = seen.range::<str, _>((Bound::Included(path), Bound::Unbounded));
    if let Some(below) = from_there.next().filter(|other| other.starts_with(path)) {
        return Some(below);
    }
    let cuts = path.char_indices().map(|(at, _)| at).skip(1);
    cuts.filter_map(|at| seen.get(&path[..at]).copied()).next()
}

pub(super) fn persistent(object: &Value, told: &mut Vec<String>) {
    let (spec, annotations) = (&object["spec"], &object["metadata"]["annotations"]);
    for (key, field) in [
        ("volume.beta.kubernetes.io/storage-class", "storageClassName"),
        ("volume.beta.kubernetes.io/mount-options", "mountOptions"),
    ] {
        if annotations.get(key).is_some() {
            let since = if field == "mountOptions" { "v1.31" } else { "v1.8" };
            told.push(format!(
                "metadata.annotations[{key}]: deprecated since {since}; use {field:?} attribute instead"
            ));
        }
    }
    let terms = list(&spec["nodeAffinity"]["required"]["nodeSelectorTerms"]);
    for (index, term) in terms.iter().enumerate() {
        pod::node_term(term, &format!("spec.nodeAffinity.required.nodeSelectorTerms[{index}]"), told);
    }
    if spec["persistentVolumeReclaimPolicy"] == "Recycle" {
        told.push(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended \
             approach is to use dynamic provisioning."
                .into(),
        );
    }
    going(spec, "spec", told);
    whole_bytes(&spec["capacity"]["storage"], "spec.capacity[storage]", told);
}
