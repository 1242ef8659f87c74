//! Whole processes that only read files: the overlay and the Tiltfile of the example.

use super::{Measured, percentile, process_time};
use e2e::{World, files};
use std::path::Path;

const TIMES: usize = 30;

pub fn kustomize(world: &World) -> anyhow::Result<Vec<Measured>> {
    let overlay = files::repository().join("examples/codex/k8s/overlays/dev");
    let overlay = overlay.to_string_lossy();
    let samples = process_time(world, &world.binary(), &["kustomize", "build", &overlay], TIMES)?;
    let mut out = vec![Measured {
        name: "kustomize_overlay",
        about: "kustomize: dev overlay of the example, whole process, p50",
        unit: "ms",
        budget: Some(8.0),
        value: percentile(&samples, 0.5),
        samples,
    }];
    // The original beside it, where it is installed.
    if let Ok(samples) = process_time(world, Path::new("kubectl"), &["kustomize", &overlay], TIMES / 3) {
        out.push(Measured {
            name: "kustomize_overlay_kubectl",
            about: "  the same with kubectl kustomize",
            unit: "ms",
            budget: None,
            value: percentile(&samples, 0.5),
            samples,
        });
    }
    Ok(out)
}

pub fn tiltfile(world: &World) -> anyhow::Result<Vec<Measured>> {
    let tiltfile = files::repository().join("examples/codex/Tiltfile");
    let arguments = ["tiltfile-result", "--file", &tiltfile.to_string_lossy()];
    let samples = process_time(world, &world.binary(), &arguments, TIMES)?;
    Ok(vec![Measured {
        name: "tiltfile",
        about: "Tiltfile of the example evaluated, whole process, p50",
        unit: "ms",
        budget: Some(15.0),
        value: percentile(&samples, 0.5),
        samples,
    }])
}
