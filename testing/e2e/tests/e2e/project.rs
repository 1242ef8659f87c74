//! Small projects that several scenarios use.

use e2e::world::BUSYBOX;
use e2e::{World, files, http};

/// `examples/hello` in a cluster of this world's own, forwarded to a free port.
pub struct Hello {
    pub cluster: String,
    pub port: u16,
}

pub fn hello(world: &World) -> anyhow::Result<Hello> {
    files::copy(&files::repository().join("examples/hello"), &world.project())?;
    let port = http::free_port()?;
    files::edit(&world.project().join("Tiltfile"), "8000:8000", &format!("{port}:8000"))?;
    let cluster = world.write_config(&[], None)?;
    Ok(Hello { cluster, port })
}

/// A Deployment `site` of busybox's web server with a Service, and a volume claim at `/data`.
pub fn site_manifest() -> String {
    format!(
        "apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data
spec:
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: site
  labels: {{app: site}}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: site}}
  template:
    metadata:
      labels: {{app: site}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: site
          image: {BUSYBOX}
          command: [sh, -c, 'mkdir -p /www && echo home > /www/index.html && echo started && exec httpd -f -v -p 8080 -h /www']
          ports: [{{name: http, containerPort: 8080}}]
          readinessProbe:
            httpGet: {{path: /, port: http}}
            periodSeconds: 1
          volumeMounts: [{{name: data, mountPath: /data}}]
      volumes:
        - name: data
          persistentVolumeClaim: {{claimName: data}}
---
apiVersion: v1
kind: Service
metadata:
  name: site
spec:
  selector: {{app: site}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"
    )
}

/// A running cluster with the busybox image and the site.
pub fn site(world: &World) -> anyhow::Result<String> {
    let cluster = world.create_cluster(&[])?;
    world.busybox_image()?;
    files::write(&world.project().join("site.yml"), &site_manifest())?;
    world.kubectl(&["apply", "-f", "site.yml"])?.ok()?;
    world.kubectl(&["rollout", "status", "deployment/site", "--timeout=60s"])?.ok()?;
    Ok(cluster)
}
