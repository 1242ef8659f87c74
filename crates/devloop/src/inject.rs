//! Built images into objects: every place that names an image of ours gets the reference that was built.

use serde_json::Value;
use tiltfile::plan::{ImageBuild, ImageLocator};
use tiltfile::{ImageRef, jsonpath};

/// An image with the reference to run.
pub(crate) struct Built<'a> {
    pub(crate) image: &'a ImageBuild,
    pub(crate) reference: &'a str,
}

/// The objects with references filled in.
pub(crate) fn inject(objects: &[Value], locators: &[ImageLocator], built: &[Built<'_>]) -> Vec<Value> {
    objects
        .iter()
        .map(|object| {
            let mut object = object.clone();
            visit_pod_specs(&mut object, &mut |spec| inject_pod(spec, built));
            for locator in locators {
                inject_located(&mut object, locator, built);
            }
            object
        })
        .collect()
}

/// The built image that a reference means.
fn find<'b>(text: &str, built: &'b [Built<'_>]) -> Option<&'b Built<'b>> {
    let reference = ImageRef::parse(text).ok()?;
    built.iter().find(|b| {
        ImageRef::parse(&b.image.reference).is_ok_and(|own| {
            let tag = |r: &ImageRef| r.tag.clone().unwrap_or_else(|| "latest".to_owned());
            own.name == reference.name && (!b.image.match_exact || tag(&own) == tag(&reference))
        })
    })
}

fn visit_pod_specs(object: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    let pointer = match object.get("kind").and_then(Value::as_str).unwrap_or_default() {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
            "/spec/template/spec"
        }
        "PodTemplate" => "/template/spec",
        _ => return,
    };
    if let Some(spec) = object.pointer_mut(pointer) {
        visit(spec);
    }
}

fn inject_pod(spec: &mut Value, built: &[Built<'_>]) {
    let mut any = false;
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            any |= inject_container(container, built);
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(image) = volume.pointer_mut("/image/reference")
            && let Some(found) = image.as_str().and_then(|text| find(text, built))
        {
            *image = Value::from(found.reference);
        }
    }
    if !any {
        return;
    }
    // the image is on the node already: it must not be looked for in a registry
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let ours = container
                .get("image")
                .and_then(Value::as_str)
                .is_some_and(|i| built.iter().any(|b| b.reference == i));
            if let Some(map) = container.as_object_mut().filter(|_| ours) {
                map.insert("imagePullPolicy".to_owned(), Value::from("IfNotPresent"));
            }
        }
    }
}

fn inject_container(container: &mut Value, built: &[Built<'_>]) -> bool {
    let mut any = false;
    let found = container.get("image").and_then(Value::as_str).and_then(|text| find(text, built));
    if let (Some(found), Some(map)) = (found, container.as_object_mut()) {
        map.insert("image".to_owned(), Value::from(found.reference));
        if let Some(entrypoint) = &found.image.entrypoint {
            map.insert("command".to_owned(), Value::from(entrypoint.clone()));
            map.remove("args");
        }
        if let Some(args) = &found.image.container_args {
            map.insert("args".to_owned(), Value::from(args.clone()));
        }
        any = true;
    }
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(value) = variable.get_mut("value") else { continue };
        let found = value.as_str().and_then(|text| find(text, built)).filter(|f| f.image.match_in_env_vars);
        if let Some(found) = found {
            *value = Value::from(found.reference);
        }
    }
    any
}

fn inject_located(object: &mut Value, locator: &ImageLocator, built: &[Built<'_>]) {
    if !locator.selector.matches(object) {
        return;
    }
    let Ok(path) = jsonpath::parse(&locator.path) else { return };
    jsonpath::select_mut(object, &path, &mut |value| match &locator.object {
        None => {
            if let Some(found) = value.as_str().and_then(|text| find(text, built)) {
                *value = Value::from(found.reference);
            }
        }
        Some(fields) => {
            let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (repo, tag) = (text(&fields.repo_field), text(&fields.tag_field));
            let whole = if tag.is_empty() { repo } else { format!("{repo}:{tag}") };
            let Some(found) = find(&whole, built) else { return };
            let (repo, tag) = found.reference.rsplit_once(':').unwrap_or((found.reference, ""));
            if let Some(map) = value.as_object_mut() {
                map.insert(fields.repo_field.clone(), Value::from(repo));
                map.insert(fields.tag_field.clone(), Value::from(tag));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tiltfile::plan::{Command, CustomBuild, ImageKind, ImageObject, ObjectSelector};

    fn image(reference: &str) -> ImageBuild {
        ImageBuild {
            reference: reference.to_owned(),
            match_exact: false,
            match_in_env_vars: true,
            entrypoint: None,
            container_args: None,
            image_deps: vec![],
            live_update: None,
            ignores: vec![],
            kind: ImageKind::Custom(Box::new(CustomBuild {
                command: Command { argv: vec![], dir: "/".into(), env: vec![] },
                deps: vec![],
                tag: String::new(),
                disable_push: false,
                skips_local_docker: false,
                outputs_image_ref_to: None,
                live_update_only: false,
                is_custom_deploy: false,
            })),
        }
    }

    #[test]
    fn everywhere() {
        let mut app = image("r.localhost:5111/app");
        app.entrypoint = Some(vec!["sh".to_owned()]);
        app.container_args = Some(vec![]);
        let built = [Built { image: &app, reference: "r.localhost:5111/app:tilt-1" }];
        let deployment = json!({"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"template": {"spec": {
            "initContainers": [{"name": "i", "image": "r.localhost:5111/app:dev"}],
            "containers": [{"name": "c", "image": "r.localhost:5111/app:dev", "args": ["x"], "imagePullPolicy": "Always",
                "env": [{"name": "E", "value": "r.localhost:5111/app"}]}, {"name": "d", "image": "busybox"}],
            "volumes": [{"name": "v", "image": {"reference": "r.localhost:5111/app"}}]}}}});
        let custom = json!({"kind": "Foo", "apiVersion": "x/v1", "spec": {"image": {"repo": "r.localhost:5111/app", "tag": "dev"}}});
        let locator = ImageLocator {
            selector: ObjectSelector { kind: "Foo".to_owned(), ..ObjectSelector::default() },
            path: "{.spec.image}".to_owned(),
            object: Some(ImageObject { repo_field: "repo".to_owned(), tag_field: "tag".to_owned() }),
        };
        let out = inject(&[deployment, custom], &[locator], &built);
        let spec = &out[0]["spec"]["template"]["spec"];
        assert_eq!(spec["initContainers"][0]["image"], "r.localhost:5111/app:tilt-1");
        assert_eq!(
            spec["containers"][0],
            json!({"name": "c", "image": "r.localhost:5111/app:tilt-1", "args": [], "imagePullPolicy": "IfNotPresent",
                "env": [{"name": "E", "value": "r.localhost:5111/app:tilt-1"}], "command": ["sh"]})
        );
        assert_eq!(spec["containers"][1], json!({"name": "d", "image": "busybox"}));
        assert_eq!(spec["volumes"][0]["image"]["reference"], "r.localhost:5111/app:tilt-1");
        assert_eq!(out[1]["spec"]["image"], json!({"repo": "r.localhost:5111/app", "tag": "tilt-1"}));
    }
}
