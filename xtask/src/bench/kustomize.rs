//! `kustomize build` as a whole process: the example's overlay, trees of 10 to 50,000 resources, megabytes of CRDs.

use super::{Measured, manifests, percentile, process_time, resident_peak};
use e2e::{World, files};
use std::path::Path;

const TIMES: usize = 30;
const CRD_DOCUMENTS: usize = 8;
const CRD_BYTES: usize = 12_000_000;

pub fn overlay(world: &World) -> anyhow::Result<Vec<Measured>> {
    let overlay = files::repository().join("examples/codex/k8s/overlays/dev");
    let overlay = overlay.to_string_lossy();
    let samples = process_time(world, &world.binary(), &["kustomize", "build", &overlay], TIMES)?;
    let mut out = vec![milliseconds(
        "kustomize_overlay",
        "kustomize: dev overlay of the example, whole process, p50",
        Some(8.0),
        samples,
    )];
    // The original beside it, where it is installed.
    if let Ok(samples) = process_time(world, Path::new("kubectl"), &["kustomize", &overlay], TIMES / 3) {
        out.push(milliseconds(
            "kustomize_overlay_kubectl",
            "  the same with kubectl kustomize",
            None,
            samples,
        ));
    }
    Ok(out)
}

/// One size of the generated tree.
struct Size {
    resources: usize,
    times: usize,
    names: [&'static str; 2],
    about: [&'static str; 2],
    /// Milliseconds and megabytes.
    budgets: [Option<f64>; 2],
    /// Upstream's time grows with more than the square.
    kubectl: Option<(&'static str, usize)>,
}

const SIZES: [Size; 4] = [
    Size {
        resources: 10,
        times: TIMES,
        names: ["kustomize_10", "kustomize_10_memory"],
        about: ["kustomize: 10 resources, five transformers, p50", "  peak of its memory"],
        budgets: [None, None],
        kubectl: Some(("kustomize_10_kubectl", 10)),
    },
    Size {
        resources: 1_000,
        times: 15,
        names: ["kustomize_1000", "kustomize_1000_memory"],
        about: ["kustomize: 1,000 resources, p50", "  peak of its memory"],
        budgets: [None, None],
        kubectl: Some(("kustomize_1000_kubectl", 3)),
    },
    Size {
        resources: 10_000,
        times: 7,
        names: ["kustomize_10000", "kustomize_10000_memory"],
        about: ["kustomize: 10,000 resources, p50", "  peak of its memory"],
        budgets: [Some(1_000.0), Some(200.0)],
        kubectl: None,
    },
    Size {
        resources: 50_000,
        times: 5,
        names: ["kustomize_50000", "kustomize_50000_memory"],
        about: ["kustomize: 50,000 resources, p50", "  peak of its memory"],
        budgets: [None, None],
        kubectl: None,
    },
];

pub fn sizes(world: &World) -> anyhow::Result<Vec<Measured>> {
    let mut out = Vec::new();
    let mut medians = Vec::new();
    for size in &SIZES {
        let root = world.project().join(size.resources.to_string());
        manifests::resources(&root, size.resources)?;
        let overlay = root.join("overlay");
        let overlay = overlay.to_string_lossy();
        let arguments = ["kustomize", "build", &overlay];
        let samples = process_time(world, &world.binary(), &arguments, size.times)?;
        medians.push(percentile(&samples, 0.5));
        out.push(milliseconds(size.names[0], size.about[0], size.budgets[0], samples));
        let peak = resident_peak(world, &world.binary(), &arguments)?;
        out.push(megabytes(size.names[1], size.about[1], size.budgets[1], peak));
        let Some((name, times)) = size.kubectl else { continue };
        if let Ok(samples) = process_time(world, Path::new("kubectl"), &["kustomize", &overlay], times) {
            out.push(milliseconds(name, "  the same with kubectl kustomize", None, samples));
        }
    }
    if let [.., ten, fifty] = medians[..] {
        out.push(Measured {
            name: "kustomize_growth",
            about: "  time of 50,000 in times of 10,000 (5 is linear)",
            unit: "×",
            budget: Some(5.5),
            value: fifty / ten,
            samples: medians,
        });
    }
    Ok(out)
}

pub fn crds(world: &World) -> anyhow::Result<Vec<Measured>> {
    let root = world.project().join("crds");
    manifests::crds(&root, CRD_DOCUMENTS, CRD_BYTES)?;
    let mut out = Vec::new();
    for (folder, time, memory, about) in [
        ("plain", "kustomize_crds", "kustomize_crds_memory", "kustomize: 12 MB of CRDs, no transformer, p50"),
        ("patched", "kustomize_crds_patched", "kustomize_crds_patched_memory", "  the same with a patch"),
    ] {
        let folder = root.join(folder);
        let folder = folder.to_string_lossy();
        let arguments = ["kustomize", "build", &folder];
        let samples = process_time(world, &world.binary(), &arguments, 7)?;
        out.push(milliseconds(time, about, Some(500.0), samples));
        let peak = resident_peak(world, &world.binary(), &arguments)?;
        out.push(megabytes(memory, "  peak of its memory", None, peak));
        if time == "kustomize_crds"
            && let Ok(samples) = process_time(world, Path::new("kubectl"), &["kustomize", &folder], 1)
        {
            out.push(milliseconds(
                "kustomize_crds_kubectl",
                "  the same with kubectl kustomize",
                None,
                samples,
            ));
        }
    }
    Ok(out)
}

fn milliseconds(name: &'static str, about: &'static str, budget: Option<f64>, samples: Vec<f64>) -> Measured {
    Measured { name, about, unit: "ms", budget, value: percentile(&samples, 0.5), samples }
}

fn megabytes(name: &'static str, about: &'static str, budget: Option<f64>, peak: f64) -> Measured {
    Measured { name, about, unit: "MB", budget, value: peak, samples: vec![peak] }
}
