//! Generated input for `kustomize build`: a base with an overlay of any size, and megabytes of CRDs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

/// A base of `count` resources (Deployment, Service, ConfigMap in turn) in `root/base`, and in `root/overlay` what
/// touches all of them: labels, prefix, namespace, images, and a strategic patch of all Deployments.
pub fn resources(root: &Path, count: usize) -> anyhow::Result<()> {
    let mut text = String::new();
    for number in 0..count {
        text.push_str("---\n");
        match number % 3 {
            0 => deployment(&mut text, number),
            1 => service(&mut text, number),
            _ => config_map(&mut text, number),
        }
    }
    write(&root.join("base/resources.yaml"), &text)?;
    write(&root.join("base/kustomization.yaml"), "resources:\n- resources.yaml\n")?;
    write(&root.join("overlay/patch.yaml"), PATCH)?;
    write(&root.join("overlay/kustomization.yaml"), OVERLAY)
}

const OVERLAY: &str = "\
resources:
- ../base
namePrefix: dev-
namespace: shop
labels:
- includeSelectors: true
  pairs:
    team: checkout
images:
- name: registry.example.com/shop/server
  newTag: \"2.0\"
patches:
- path: patch.yaml
  target:
    kind: Deployment
";

const PATCH: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: all
spec:
  template:
    spec:
      containers:
      - name: server
        resources:
          limits:
            memory: 128Mi
";

fn deployment(text: &mut String, number: usize) {
    let config = number + 2;
    let _ = write!(
        text,
        "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: server-{number}
  labels:
    app: server-{number}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: server-{number}
  template:
    metadata:
      labels:
        app: server-{number}
    spec:
      containers:
      - name: server
        image: registry.example.com/shop/server:1.0
        ports:
        - containerPort: 8080
        envFrom:
        - configMapRef:
            name: config-{config}
"
    );
}

fn service(text: &mut String, number: usize) {
    let server = number - 1;
    let _ = write!(
        text,
        "\
apiVersion: v1
kind: Service
metadata:
  name: server-{number}
spec:
  selector:
    app: server-{server}
  ports:
  - name: http
    port: 80
    targetPort: 8080
"
    );
}

fn config_map(text: &mut String, number: usize) {
    let _ = write!(
        text,
        "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: config-{number}
data:
  LOG_LEVEL: info
  NUMBER: \"{number}\"
  server.conf: |
    listen 0.0.0.0:8080
    workers 4
"
    );
}

/// `documents` CRDs of about `size` bytes together in `root/plain`, and a patch of all of them in `root/patched`.
pub fn crds(root: &Path, documents: usize, size: usize) -> anyhow::Result<()> {
    let mut text = String::new();
    for number in 0..documents {
        text.push_str("---\n");
        crd(&mut text, number, size / documents);
    }
    write(&root.join("plain/crds.yaml"), &text)?;
    write(&root.join("plain/kustomization.yaml"), "resources:\n- crds.yaml\n")?;
    write(&root.join("patched/kustomization.yaml"), PATCHED_CRDS)
}

const PATCHED_CRDS: &str = "\
resources:
- ../plain
patches:
- target:
    kind: CustomResourceDefinition
  patch: |
    - op: add
      path: /metadata/annotations/example.com~1patched
      value: \"yes\"
";

fn crd(text: &mut String, number: usize, size: usize) {
    let _ = write!(
        text,
        "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    controller-gen.kubebuilder.io/version: v0.16.1
  name: things{number}.example.com
spec:
  group: example.com
  names:
    kind: Thing{number}
    listKind: Thing{number}List
    plural: things{number}
    singular: thing{number}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        properties:
"
    );
    let end = text.len() + size;
    let mut section = 0;
    while text.len() < end {
        let _ = writeln!(text, "          section{section}:");
        schema(text, 12, 4, section);
        section += 1;
    }
    text.push_str("        type: object\n");
}

/// The schema of an object with three properties, each as deep as is left, as controller-gen writes it.
fn schema(text: &mut String, indent: usize, depth: usize, number: usize) {
    let pad = " ".repeat(indent);
    let _ = write!(
        text,
        "\
{pad}description: |-
{pad}  Section {number} says how the controller treats the thing. The value is taken from the
{pad}  template unless it is given here: see https://example.com/docs/things#section-{number}

{pad}  Defaults to \"Always\".
{pad}properties:
"
    );
    for name in ["first", "second"] {
        if depth > 0 {
            let _ = writeln!(text, "{pad}  {name}:");
            schema(text, indent + 4, depth - 1, number + 1);
        }
    }
    let _ = write!(
        text,
        "\
{pad}  port:
{pad}    description: Number of the port on the pod's IP address, which must be a valid port number and
{pad}      cannot be updated; 0 means that one is chosen.
{pad}    format: int32
{pad}    maximum: 65535
{pad}    type: integer
{pad}  mode:
{pad}    default: Always
{pad}    enum:
{pad}    - Always
{pad}    - \"Never\"
{pad}    type: string
{pad}required:
{pad}- mode
{pad}type: object
{pad}x-kubernetes-preserve-unknown-fields: true
"
    );
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().expect("the path has a file name");
    std::fs::create_dir_all(folder)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{crds, resources};

    #[test]
    fn as_many_as_asked_for() {
        let root = std::env::temp_dir().join(format!("coracle-bench-{}", std::process::id()));
        resources(&root, 10).unwrap();
        crds(&root, 2, 100_000).unwrap();
        let text = std::fs::read_to_string(root.join("base/resources.yaml")).unwrap();
        let crds = std::fs::read_to_string(root.join("plain/crds.yaml")).unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(text.matches("\nkind: ").count(), 10);
        assert!(text.contains("name: config-8") && text.contains("port: 80\n"));
        assert_eq!(crds.matches("\nkind: CustomResourceDefinition").count(), 2);
        assert!((100_000..200_000).contains(&crds.len()), "{}", crds.len());
    }
}
