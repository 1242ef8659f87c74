//! The kubeconfig of a session's cluster alone, in a file of its own, for the commands of a Tiltfile.
//!
//! `kubectl` and `helm` in them must reach the cluster that the session is pinned to, whatever the user's own
//! kubeconfig names as the current context meanwhile.

use crate::cluster::Cluster;
use kube::config::Kubeconfig;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const PREFIX: &str = "kubeconfig-";

/// A file that only the user may read; it goes with this value.
#[derive(Debug)]
pub struct KubeconfigFile {
    path: PathBuf,
}

impl KubeconfigFile {
    /// Writes it into a directory, and removes there what sessions left that were killed.
    pub fn create(directory: &Path, cluster: &Cluster) -> io::Result<Self> {
        Self::write(directory, cluster.kubeconfig())
    }

    fn write(directory: &Path, text: &str) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        sweep(directory);
        let name = format!("{PREFIX}{}-{:016x}.yaml", std::process::id(), rand::random::<u64>());
        let file = Self { path: directory.join(name) };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(&file.path)?.write_all(text.as_bytes())?;
        Ok(file)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for KubeconfigFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|n| n.strip_prefix(PREFIX)).and_then(|n| n.split('-').next());
        if id.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The context with its cluster and its user, as text. `base` is where relative paths start.
pub(crate) fn alone(whole: &Kubeconfig, context: &str) -> Result<String, serde_json::Error> {
    let mut part = whole.clone();
    part.current_context = Some(context.to_owned());
    part.kind.get_or_insert_with(|| "Config".into());
    part.api_version.get_or_insert_with(|| "v1".into());
    part.contexts.retain(|c| c.name == context);
    let named = part.contexts.first().and_then(|c| c.context.clone());
    let (cluster, user) = named.map(|c| (c.cluster, c.user)).unwrap_or_default();
    part.clusters.retain(|c| c.name == cluster);
    part.auth_infos.retain(|u| Some(&u.name) == user.as_ref());
    Ok(yaml::to_string(&serde_json::to_value(part)?))
}

/// Paths in a kubeconfig start at its own directory.
pub(crate) fn make_absolute(whole: &mut Kubeconfig, base: &Path) {
    let absolute = |path: &mut Option<String>| {
        if let Some(text) = path.as_mut().filter(|text| !text.is_empty()) {
            *text = base.join(&*text).to_string_lossy().into_owned();
        }
    };
    for cluster in whole.clusters.iter_mut().filter_map(|c| c.cluster.as_mut()) {
        absolute(&mut cluster.certificate_authority);
    }
    for user in whole.auth_infos.iter_mut().filter_map(|u| u.auth_info.as_mut()) {
        absolute(&mut user.client_certificate);
        absolute(&mut user.client_key);
        absolute(&mut user.token_file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const WHOLE: &str = "
apiVersion: v1
kind: Config
current-context: production
clusters:
- {name: production, cluster: {server: 'https://production.example'}}
- {name: c, cluster: {server: 'https://127.0.0.1:6443', certificate-authority: pki/ca.crt}}
users:
- {name: admin, user: {token: secret}}
- {name: u, user: {client-certificate: /abs/u.crt, client-key: u.key}}
contexts:
- {name: production, context: {cluster: production, user: admin}}
- {name: dev, context: {cluster: c, user: u, namespace: shop}}
";

    #[test]
    fn one_context_of_many() {
        let mut whole = Kubeconfig::from_yaml(WHOLE).expect("it is valid");
        make_absolute(&mut whole, Path::new("/home/me/.kube"));
        let text = alone(&whole, "dev").expect("it is written");
        assert!(!text.contains("production") && !text.contains("secret"), "{text}");
        let part = Kubeconfig::from_yaml(&text).expect("it is valid");
        assert_eq!(part.current_context.as_deref(), Some("dev"));
        let cluster = part.clusters[0].cluster.as_ref().expect("a cluster");
        assert_eq!(cluster.certificate_authority.as_deref(), Some("/home/me/.kube/pki/ca.crt"));
        let user = part.auth_infos[0].auth_info.as_ref().expect("a user");
        assert_eq!(user.client_certificate.as_deref(), Some("/abs/u.crt"));
        assert_eq!(user.client_key.as_deref(), Some("/home/me/.kube/u.key"));
        let context = part.contexts[0].context.as_ref().expect("a context");
        assert_eq!(context.namespace.as_deref(), Some("shop"));
        let token = alone(&whole, "production").expect("it is written");
        assert!(token.contains("token: secret"), "credentials are in it: {token}");
    }

    #[test]
    fn the_file_is_private_and_goes() {
        let scratch = tempfile::tempdir().expect("a folder");
        let directory = scratch.path().join("sessions");
        std::fs::create_dir(&directory).expect("a folder");
        let (left, other) = (directory.join("kubeconfig-4294967295-0.yaml"), directory.join("x.json"));
        std::fs::write(&left, "x").and_then(|()| std::fs::write(&other, "x")).expect("files");
        let file = KubeconfigFile::write(&directory, "text").expect("it is written");
        let path = file.path().to_owned();
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!left.exists() && other.exists(), "what a killed session left is swept");
        drop(file);
        assert!(!path.exists());
    }
}
