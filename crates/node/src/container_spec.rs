//! From a pod's container, its image and its volumes to what the runtime starts.

use crate::beneath::sub_path;
use crate::env::{Variables, expand, items};
use crate::quantity;
use crate::volumes::Volumes;
use oci::RunConfig;
use runtime::{ContainerSpec, LogTarget, Mount, MountKind, Resources};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What is known before the spec can be made.
pub(crate) struct Input<'a> {
    pub(crate) id: &'a str,
    pub(crate) pod: &'a Value,
    pub(crate) container: &'a Value,
    pub(crate) image: &'a RunConfig,
    pub(crate) layers: Vec<PathBuf>,
    pub(crate) env: Variables,
    pub(crate) volumes: &'a Volumes,
    pub(crate) hostname: &'a str,
    /// `<root>/pods/<uid>`, where the pod's hosts files are.
    pub(crate) dir: &'a Path,
    pub(crate) termination_log: &'a Path,
    pub(crate) log: PathBuf,
    /// The container (its id) whose processes it shall see.
    pub(crate) processes_of: Option<String>,
}

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An error is the text of a CreateContainerConfigError.
pub(crate) fn build(input: Input<'_>) -> Result<ContainerSpec, String> {
    let (pod, container, image) = (input.pod, input.container, input.image);
    let security = Security { pod: &pod["spec"]["securityContext"], own: &container["securityContext"] };
    let user = user(pod, container, &security, image)?;
    let mounts = mounts(&input)?;
    let args = arguments(container, image, &input.env)?;
    let cwd = container["workingDir"].as_str().filter(|dir| !dir.is_empty()).unwrap_or(&image.working_dir);
    let list = |field: &str| -> Vec<String> {
        items(&security.own["capabilities"][field]).filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Ok(ContainerSpec {
        id: input.id.into(),
        sandbox: pod["metadata"]["uid"].as_str().map(str::to_owned),
        processes_of: input.processes_of,
        layers: input.layers,
        readonly_root: security.own["readOnlyRootFilesystem"] == true,
        args,
        env: environment(image, input.hostname, container["tty"] == true, input.env),
        cwd: if cwd.is_empty() { "/".into() } else { cwd.into() },
        user,
        groups: security.groups(),
        mounts,
        privileged: security.own["privileged"] == true,
        add_capabilities: list("add"),
        drop_capabilities: list("drop"),
        no_new_privileges: security.own["allowPrivilegeEscalation"] == false,
        resources: resources(container),
        tty: container["tty"] == true,
        stdin: container["stdin"] == true,
        log: LogTarget::File(input.log),
    })
}

struct Security<'a> {
    pod: &'a Value,
    own: &'a Value,
}

impl Security<'_> {
    /// A field of the container's, else of the pod's context.
    fn either(&self, field: &str) -> &Value {
        let own = &self.own[field];
        if own.is_null() { &self.pod[field] } else { own }
    }

    fn groups(&self) -> Vec<u32> {
        let all = items(&self.pod["supplementalGroups"]).chain([&self.pod["fsGroup"]]);
        all.filter_map(Value::as_u64).filter_map(|gid| u32::try_from(gid).ok()).collect()
    }
}

fn user(
    pod: &Value,
    container: &Value,
    security: &Security<'_>,
    image: &RunConfig,
) -> Result<String, String> {
    let uid = security.either("runAsUser").as_u64().map(|uid| uid.to_string());
    let gid = security.either("runAsGroup").as_u64();
    let user = match (&uid, gid) {
        (Some(uid), Some(gid)) => format!("{uid}:{gid}"),
        (Some(uid), None) => uid.clone(),
        (None, Some(gid)) => {
            let user = image.user.split(':').next().filter(|user| !user.is_empty()).unwrap_or("0");
            format!("{user}:{gid}")
        }
        (None, None) => image.user.clone(),
    };
    if security.either("runAsNonRoot") == true {
        let name = user.split(':').next().unwrap_or_default();
        let (meta, title) = (&pod["metadata"], container["name"].as_str().unwrap_or_default());
        let text = |field: &str| meta[field].as_str().unwrap_or_default();
        let place =
            format!("(pod: \"{}_{}({})\", container: {title})", text("name"), text("namespace"), text("uid"));
        if name.is_empty() || name.parse() == Ok(0u64) {
            let by = if uid.is_some() {
                "container's runAsUser breaks non-root policy"
            } else {
                "container has runAsNonRoot and image will run as root"
            };
            return Err(format!("{by} {place}"));
        }
        if name.parse::<u64>().is_err() {
            let why = format!(
                "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
            );
            return Err(format!("{why} {place}"));
        }
    }
    Ok(user)
}

/// `command` replaces the entrypoint and with it the image's arguments; `args` replaces the arguments alone.
fn arguments(container: &Value, image: &RunConfig, env: &Variables) -> Result<Vec<String>, String> {
    let texts = |field: &str| -> Vec<String> {
        items(&container[field]).filter_map(Value::as_str).map(|text| expand(text, env)).collect()
    };
    let (command, args) = (texts("command"), texts("args"));
    let all: Vec<String> = match (command.is_empty(), args.is_empty()) {
        (false, _) => [command, args].concat(),
        (true, false) => [image.entrypoint.clone(), args].concat(),
        (true, true) => [image.entrypoint.clone(), image.cmd.clone()].concat(),
    };
    if all.is_empty() { Err("no command specified".into()) } else { Ok(all) }
}

fn environment(image: &RunConfig, hostname: &str, tty: bool, own: Variables) -> Vec<(String, String)> {
    let mut out = Variables::default();
    out.set("PATH", DEFAULT_PATH.into());
    out.set("HOSTNAME", hostname.into());
    if tty {
        out.set("TERM", "xterm".into());
    }
    for line in &image.env {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        out.set(name, value.into());
    }
    out.extend(own);
    out.into_list()
}

/// The limits that a container's `resources` mean.
pub(crate) fn resources(container: &Value) -> Resources {
    let of = |list: &str, name: &str| &container["resources"][list][name];
    Resources {
        memory_bytes: quantity::whole(of("limits", "memory")).filter(|bytes| *bytes > 0),
        cpu_limit_millis: quantity::millis(of("limits", "cpu")).filter(|millis| *millis > 0),
        cpu_request_millis: quantity::millis(of("requests", "cpu")).filter(|millis| *millis > 0),
        pids: None,
    }
}

fn mounts(input: &Input<'_>) -> Result<Vec<Mount>, String> {
    let mut out = Vec::new();
    let bind = |source: PathBuf, target: &str, readonly: bool| Mount {
        source,
        target: target.into(),
        readonly,
        kind: MountKind::Bind,
    };
    for mount in items(&input.container["volumeMounts"]) {
        let name = mount["name"].as_str().unwrap_or_default();
        let target = mount["mountPath"].as_str().unwrap_or_default();
        let volume = input
            .volumes
            .get(name)
            .ok_or_else(|| format!("volume {name:?} of the container is not in the pod"))?;
        let source = match sub_path_of(mount, &input.env) {
            Some(sub) => sub_path(&volume.path, Path::new(&sub)).map_err(|e| {
                format!(
                    "failed to prepare subPath for volumeMount \"{name}\" of container \"{}\": {e}",
                    input.container["name"].as_str().unwrap_or_default()
                )
            })?,
            None => volume.path.clone(),
        };
        out.push(bind(source, target, volume.readonly || mount["readOnly"] == true));
    }
    let taken = |out: &[Mount], target: &str| out.iter().any(|mount| mount.target == Path::new(target));
    for (file, target) in
        [("etc-hosts", "/etc/hosts"), ("resolv.conf", "/etc/resolv.conf"), ("hostname", "/etc/hostname")]
    {
        if !taken(&out, target) {
            out.push(bind(input.dir.join(file), target, false));
        }
    }
    let target = input.container["terminationMessagePath"].as_str().unwrap_or("/dev/termination-log");
    if !target.is_empty() && !taken(&out, target) {
        out.push(bind(input.termination_log.to_owned(), target, false));
    }
    // A mount below another one must come after it.
    out.sort_by_key(|mount| mount.target.components().count());
    Ok(out)
}

fn sub_path_of(mount: &Value, env: &Variables) -> Option<String> {
    let plain = mount["subPath"].as_str().map(str::to_owned);
    let computed = mount["subPathExpr"].as_str().map(|expression| expand(expression, env));
    plain.or(computed).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(pod_security: Value, container: Value, image: RunConfig) -> Result<ContainerSpec, String> {
        let pod = json!({"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": {"securityContext": pod_security}});
        let mut env = Variables::default();
        env.set("PORT", "8000".into());
        build(Input {
            id: "u_c_0",
            pod: &pod,
            container: &container,
            image: &image,
            layers: Vec::new(),
            env,
            volumes: &Volumes::new(),
            hostname: "p",
            dir: Path::new("/pods/u"),
            termination_log: Path::new("/pods/u/t"),
            log: "/logs/0.log".into(),
            processes_of: None,
        })
    }

    fn image() -> RunConfig {
        RunConfig {
            entrypoint: vec!["/entry".into()],
            cmd: vec!["serve".into()],
            env: vec!["PATH=/bin".into(), "PORT=1".into()],
            user: "app".into(),
            ..RunConfig::default()
        }
    }

    #[test]
    fn command_and_arguments() {
        for (container, expected) in [
            (json!({}), "/entry serve"),
            (json!({"args": ["--port", "$(PORT)"]}), "/entry --port 8000"),
            (json!({"command": ["sh"]}), "sh"),
            (
                json!({"command": ["sh", "-c"], "args": ["echo $PORT $$(PORT) $(NONE)"]}),
                "sh -c echo $PORT $(PORT) $(NONE)",
            ),
        ] {
            assert_eq!(spec(json!({}), container, image()).unwrap().args.join(" "), expected);
        }
        assert_eq!(spec(json!({}), json!({}), RunConfig::default()).unwrap_err(), "no command specified");
    }

    #[test]
    fn users() {
        for (pod, own, expected) in [
            (json!({}), json!({}), "app"),
            (json!({"runAsUser": 1000}), json!({}), "1000"),
            (json!({"runAsUser": 1000, "runAsGroup": 5}), json!({"runAsUser": 2000}), "2000:5"),
            (json!({"runAsGroup": 5}), json!({}), "app:5"),
        ] {
            assert_eq!(spec(pod, json!({"securityContext": own}), image()).unwrap().user, expected);
        }
        let non_root = json!({"runAsNonRoot": true});
        let error =
            spec(non_root.clone(), json!({"name": "c"}), RunConfig { user: String::new(), ..image() })
                .unwrap_err();
        assert_eq!(
            error,
            "container has runAsNonRoot and image will run as root (pod: \"p_ns(u)\", container: c)"
        );
        assert!(
            spec(non_root, json!({"name": "c"}), image()).unwrap_err().contains("non-numeric user (app)")
        );
    }

    #[test]
    fn environment_and_limits() {
        let container =
            json!({"resources": {"limits": {"memory": "512Mi", "cpu": "500m"}, "requests": {"cpu": "100m"}}});
        let spec = spec(json!({"fsGroup": 7, "supplementalGroups": [8]}), container, image()).unwrap();
        assert_eq!(spec.resources.memory_bytes, Some(512 << 20));
        assert_eq!(
            (spec.resources.cpu_limit_millis, spec.resources.cpu_request_millis),
            (Some(500), Some(100))
        );
        assert_eq!(spec.groups, [8, 7]);
        let env: Vec<String> = spec.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(env, ["PATH=/bin", "HOSTNAME=p", "PORT=8000"]);
    }
}
