//! A pod's volumes as folders of this machine.
//!
//! Preparing is idempotent: it is done again after a restart of the daemon and whenever an object that a volume
//! shows has changed. A failure's text is that of the FailedMount event.

mod atomic;
mod content;
mod host_path;

use crate::NodeConfig;
use crate::env::items;
use crate::fields::Fields;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use store::View;

/// What the volumes of one pod are made from.
pub(crate) struct Source<'a> {
    pub(crate) view: &'a dyn View,
    pub(crate) config: &'a NodeConfig,
    pub(crate) pod: &'a Value,
    pub(crate) fields: Fields<'a>,
    pub(crate) tokens: &'a Tokens,
    /// `<root>/pods/<uid>`
    pub(crate) dir: &'a Path,
}

/// Service account tokens that are still good: (audience, seconds) → (token, issued, expiry).
pub(crate) type Tokens = Mutex<HashMap<(String, i64), (String, i64, i64)>>;

/// One volume, ready.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Volume {
    pub(crate) path: PathBuf,
    /// ConfigMaps, Secrets and projections: nobody writes into them but us.
    pub(crate) readonly: bool,
}

pub(crate) type Volumes = BTreeMap<String, Volume>;

/// Why a volume cannot be made.
#[derive(Debug, PartialEq)]
pub(crate) enum Problem {
    /// Something that controllers make for each new pod or namespace is not there yet.
    Soon(String),
    Other(String),
}

impl From<String> for Problem {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

/// Makes all volumes of the pod, or says why one cannot be made.
pub(crate) fn prepare(source: &Source<'_>) -> Result<Volumes, Problem> {
    let mut out = Volumes::new();
    for volume in items(&source.pod["spec"]["volumes"]) {
        let name = volume["name"].as_str().unwrap_or_default();
        let title = |why: String| format!("MountVolume.SetUp failed for volume \"{name}\" : {why}");
        let made = make(source, name, volume).map_err(|problem| match problem {
            Problem::Soon(why) => Problem::Soon(title(why)),
            Problem::Other(why) => Problem::Other(title(why)),
        })?;
        out.insert(name.to_owned(), made);
    }
    Ok(out)
}

fn make(source: &Source<'_>, name: &str, volume: &Value) -> Result<Volume, Problem> {
    let path = source.dir.join("volumes").join(name);
    if let Some(empty) = volume.get("emptyDir") {
        let path = if empty["medium"] == "Memory" { memory_path(source, name).unwrap_or(path) } else { path };
        empty_dir(&path, group(source.pod)).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
        return Ok(Volume { path, readonly: false });
    }
    if let Some(host) = volume.get("hostPath") {
        let path = PathBuf::from(host["path"].as_str().unwrap_or_default());
        host_path::check(&path, host["type"].as_str().unwrap_or_default())?;
        return Ok(Volume { path, readonly: false });
    }
    if let Some(claim) = volume.get("persistentVolumeClaim") {
        let claim_name = claim["claimName"].as_str().unwrap_or_default();
        let path = claimed(source, claim_name)?;
        return Ok(Volume { path, readonly: claim["readOnly"] == true });
    }
    if volume.get("ephemeral").is_some() {
        let pod = source.pod["metadata"]["name"].as_str().unwrap_or_default();
        let path = claimed(source, &format!("{pod}-{name}"))?;
        return Ok(Volume { path, readonly: false });
    }
    if let Some(files) = content::of_volume(source, volume)? {
        let written = atomic::write(&path, &files, group(source.pod));
        written.map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        return Ok(Volume { path, readonly: true });
    }
    let kind = volume.as_object().and_then(|fields| fields.keys().find(|key| *key != "name"));
    Err(format!(
        "volumes of the kind {} are not supported by Coracle",
        kind.map_or("unknown", String::as_str)
    )
    .into())
}

/// `fsGroup` of the pod.
fn group(pod: &Value) -> Option<u32> {
    pod["spec"]["securityContext"]["fsGroup"].as_u64().and_then(|gid| u32::try_from(gid).ok())
}

fn empty_dir(path: &Path, group: Option<u32>) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(path)?;
    let mut mode = 0o777;
    if let Some(gid) = group {
        chown(path, None, Some(gid))?;
        mode |= 0o2000;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Where a node of this name keeps `medium: Memory` volumes; whoever deletes a cluster removes it.
pub fn memory_dir(node: &str) -> PathBuf {
    Path::new("/dev/shm").join(format!("coracle-{node}"))
}

fn memory_path(source: &Source<'_>, name: &str) -> Option<PathBuf> {
    let uid = source.pod["metadata"]["uid"].as_str()?;
    Path::new("/dev/shm").is_dir().then(|| memory_dir(&source.config.name).join(uid).join(name))
}

fn claimed(source: &Source<'_>, name: &str) -> Result<PathBuf, Problem> {
    let namespace = source.pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let claim = source.view.get("persistentvolumeclaims", namespace, name);
    let claim = claim.ok_or_else(|| format!("persistentvolumeclaim \"{name}\" not found"))?;
    let bound = claim["spec"]["volumeName"].as_str().filter(|bound| !bound.is_empty());
    let waits = || Problem::Soon(format!("persistentvolumeclaim \"{name}\" is not bound to a volume yet"));
    let volume = bound.and_then(|bound| source.view.get("persistentvolumes", "", bound)).ok_or_else(waits)?;
    let spec = &volume["spec"];
    if let Some(path) = spec["local"]["path"].as_str() {
        host_path::check(Path::new(path), "Directory")?;
        return Ok(path.into());
    }
    let path = spec["hostPath"]["path"].as_str();
    let path =
        path.ok_or_else(|| format!("volume {} has no path on this node", volume["metadata"]["name"]))?;
    let path = PathBuf::from(path);
    if path.starts_with(&source.config.storage) && !path.is_dir() {
        // As the local-path provisioner does: any user of the pod may write.
        std::fs::create_dir_all(&path)
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)))
            .map_err(|e| format!("cannot make {}: {e}", path.display()))?;
    }
    host_path::check(&path, spec["hostPath"]["type"].as_str().unwrap_or_default())?;
    Ok(path)
}

/// Names of objects that a pod's volumes and environment come from: (resource, name).
pub(crate) fn references(pod: &Value) -> Vec<(&'static str, String)> {
    let mut out = vec![("configmaps", "kube-root-ca.crt".to_owned())];
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or("default");
    out.push(("serviceaccounts", account.to_owned()));
    collect(&pod["spec"], &mut out);
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    for volume in items(&pod["spec"]["volumes"]).filter(|v| v.get("ephemeral").is_some()) {
        let volume = volume["name"].as_str().unwrap_or_default();
        out.push(("persistentvolumeclaims", format!("{name}-{volume}")));
    }
    out
}

/// References have few shapes; where in the spec they stand does not matter.
fn collect(value: &Value, out: &mut Vec<(&'static str, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, inner) in fields {
                let (resource, name) = match field.as_str() {
                    "configMap" | "configMapRef" | "configMapKeyRef" => ("configmaps", "name"),
                    "secretRef" | "secretKeyRef" => ("secrets", "name"),
                    "secret" if inner.get("secretName").is_some() => ("secrets", "secretName"),
                    "secret" => ("secrets", "name"),
                    "persistentVolumeClaim" => ("persistentvolumeclaims", "claimName"),
                    _ => {
                        collect(inner, out);
                        continue;
                    }
                };
                if let Some(name) = inner[name].as_str() {
                    out.push((resource, name.to_owned()));
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
