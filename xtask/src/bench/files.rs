//! Whole processes that only read files: the Tiltfile of the example, and one of 300 resources.

use super::{Measured, percentile, process_time};
use e2e::{World, files};
use std::path::Path;

const TIMES: usize = 30;

pub fn tiltfile(world: &World) -> anyhow::Result<Vec<Measured>> {
    let tiltfile = files::repository().join("examples/codex/Tiltfile");
    let arguments = ["tiltfile-result", "--file", &tiltfile.to_string_lossy()];
    let samples = process_time(world, &world.binary(), &arguments, TIMES)?;
    let example = Measured {
        name: "tiltfile",
        about: "Tiltfile of the example evaluated, whole process, p50",
        unit: "ms",
        budget: Some(15.0),
        value: percentile(&samples, 0.5),
        samples,
    };
    let folder = world.root().join("resources");
    write_resources(&folder, RESOURCES)?;
    let tiltfile = folder.join("Tiltfile");
    let arguments = ["tiltfile-result", "--file", &tiltfile.to_string_lossy()];
    let samples = process_time(world, &world.binary(), &arguments, TIMES)?;
    let many = Measured {
        name: "tiltfile-300",
        about: "Tiltfile with 300 resources, each with an image and a service, p50",
        unit: "ms",
        budget: Some(150.0),
        value: percentile(&samples, 0.5),
        samples,
    };
    Ok(vec![example, many])
}

const RESOURCES: usize = 300;

/// A project of many services, each built, forwarded and waiting for the one before it.
fn write_resources(folder: &Path, count: usize) -> anyhow::Result<()> {
    let mut tiltfile = String::new();
    for i in 0..count {
        let service = folder.join(format!("s{i}"));
        std::fs::create_dir_all(&service)?;
        std::fs::write(service.join("Dockerfile"), "FROM scratch\nCOPY . /app\n")?;
        std::fs::write(service.join("k8s.yaml"), manifest(i))?;
        let before = if i == 0 { String::new() } else { format!("'s{}'", i - 1) };
        tiltfile.push_str(&format!(
            "docker_build('example.com/s{i}', 's{i}', live_update=[sync('s{i}', '/app'), run('make', trigger='s{i}/Makefile')])\n\
             k8s_yaml('s{i}/k8s.yaml')\n\
             k8s_resource('s{i}', port_forwards='{}:8080', labels=['group{}'], resource_deps=[{before}])\n",
            10_000 + i,
            i % 10
        ));
    }
    std::fs::write(folder.join("Tiltfile"), tiltfile)?;
    Ok(())
}

fn manifest(i: usize) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: s{i}, labels: {{app: s{i}}}}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: s{i}}}}}\n  template:\n    metadata: {{labels: {{app: s{i}}}}}\n    spec:\n      \
         containers:\n      - name: main\n        image: example.com/s{i}\n        env: [{{name: A, value: b}}]\n        \
         ports: [{{containerPort: 8080}}]\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{i}}}\nspec:\n  \
         selector: {{app: s{i}}}\n  ports: [{{port: 80, targetPort: 8080}}]\n---\napiVersion: v1\nkind: ConfigMap\n\
         metadata: {{name: s{i}}}\ndata: {{key: value}}\n"
    )
}
