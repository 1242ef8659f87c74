//! Whole processes that only read files: the Tiltfile of the example.

use super::{Measured, percentile, process_time};
use e2e::{World, files};

const TIMES: usize = 30;

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
