//! The cluster's entries in a kubeconfig: added and removed, everything else untouched.

use crate::files::{private_dir, write_private};
use crate::pki::Pki;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    #[error("cannot read the kubeconfig {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the kubeconfig {path} is no valid YAML: {message}")]
    Parse { path: PathBuf, message: String },
    #[error("cannot write the kubeconfig {path}")]
    Write { path: PathBuf, source: std::io::Error },
}

/// Which file kubectl would use: the first path of `KUBECONFIG`, or `~/.kube/config`.
pub fn default_path(kubeconfig: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
    let listed = kubeconfig.and_then(|list| list.split(':').find(|p| !p.is_empty()));
    listed.map(PathBuf::from).or_else(|| home.map(|home| Path::new(home).join(".kube/config")))
}

/// A kubeconfig with this cluster alone, as `k3d kubeconfig get` prints it.
pub fn document(name: &str, server: &str, pki: &Pki) -> Value {
    let mut config = json!({"apiVersion": "v1", "kind": "Config", "preferences": {}});
    insert(&mut config, name, server, pki);
    config["current-context"] = json!(format!("k3d-{name}"));
    config
}

/// Adds or replaces the entries `k3d-NAME` and `admin@k3d-NAME` in the file, and makes the context current if
/// `switch` says so or none is.
pub fn merge(path: &Path, name: &str, server: &str, pki: &Pki, switch: bool) -> Result<(), KubeconfigError> {
    let mut config = load(path)?;
    insert(&mut config, name, server, pki);
    if switch || config.get("current-context").and_then(Value::as_str).unwrap_or("").is_empty() {
        config["current-context"] = json!(format!("k3d-{name}"));
    }
    save(path, &config)
}

/// Removes the cluster's entries; the current context is emptied if it was this one. A missing file is fine.
pub fn remove(path: &Path, name: &str) -> Result<(), KubeconfigError> {
    if !path.exists() {
        return Ok(());
    }
    let mut config = load(path)?;
    let before = config.clone();
    let context = format!("k3d-{name}");
    let entries =
        [("clusters", context.clone()), ("users", format!("admin@{context}")), ("contexts", context.clone())];
    for (list, entry) in entries {
        if let Some(items) = config.get_mut(list).and_then(Value::as_array_mut) {
            items.retain(|item| item["name"] != entry.as_str());
        }
    }
    if config["current-context"] == context.as_str() {
        config["current-context"] = json!("");
    }
    if config == before { Ok(()) } else { save(path, &config) }
}

fn insert(config: &mut Value, name: &str, server: &str, pki: &Pki) {
    let context = format!("k3d-{name}");
    let user = format!("admin@{context}");
    let encode = |text: &str| STANDARD.encode(text);
    put(
        config,
        "clusters",
        &context,
        "cluster",
        json!({
            "certificate-authority-data": encode(&pki.ca_pem), "server": server,
        }),
    );
    put(config, "contexts", &context, "context", json!({"cluster": context, "user": user}));
    put(
        config,
        "users",
        &user,
        "user",
        json!({
            "client-certificate-data": encode(&pki.admin_cert_pem), "client-key-data": encode(&pki.admin_key_pem),
        }),
    );
}

/// Sets the named entry of a list. A context keeps the namespace that the user chose for it.
fn put(config: &mut Value, list: &str, name: &str, field: &str, mut value: Value) {
    if !config[list].is_array() {
        config[list] = json!([]);
    }
    let items = config[list].as_array_mut().expect("made a list above");
    match items.iter_mut().find(|item| item["name"] == name) {
        Some(item) => {
            if let Some(namespace) = item[field].get("namespace").filter(|_| field == "context") {
                value["namespace"] = namespace.clone();
            }
            item[field] = value;
        }
        None => items.push(json!({field: value, "name": name})),
    }
}

fn load(path: &Path) -> Result<Value, KubeconfigError> {
    let empty = || json!({"apiVersion": "v1", "kind": "Config", "preferences": {}, "clusters": [], "contexts": [], "users": []});
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(empty()),
        Err(source) => return Err(KubeconfigError::Read { path: path.into(), source }),
    };
    let broken = |message: String| KubeconfigError::Parse { path: path.into(), message };
    let mut documents = yaml::parse_documents(&text).map_err(|e| broken(e.to_string()))?;
    match documents.len() {
        0 => Ok(empty()),
        1 if documents[0].is_object() => Ok(documents.remove(0)),
        _ => Err(broken("expected one mapping".into())),
    }
}

fn save(path: &Path, config: &Value) -> Result<(), KubeconfigError> {
    let failed = |source| KubeconfigError::Write { path: path.into(), source };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.exists()) {
        private_dir(folder).map_err(failed)?;
    }
    write_private(path, yaml::to_string(config).as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn other_contexts_are_untouched_and_the_file_is_private() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("config");
        let pki = Pki::open(&dir.path().join("pki"), "node").expect("certificates");
        std::fs::write(&path, "apiVersion: v1\nkind: Config\ncurrent-context: prod\nclusters:\n- name: prod\n  cluster: {server: https://prod}\ncontexts:\n- name: prod\n  context: {cluster: prod, user: me}\nusers:\n- name: me\n  user: {token: abc}\n").expect("written");
        merge(&path, "dev", "https://127.0.0.1:1", &pki, false).expect("merged");
        let config = load(&path).expect("readable");
        assert_eq!(config["current-context"], "prod");
        assert_eq!(config["users"][0]["user"]["token"], "abc");
        assert_eq!(config["contexts"][1]["name"], "k3d-dev");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        merge(&path, "dev", "https://127.0.0.1:2", &pki, true).expect("merged again");
        let config = load(&path).expect("readable");
        assert_eq!(config["clusters"].as_array().map(Vec::len), Some(2), "replaced, not added");
        assert_eq!(config["current-context"], "k3d-dev");
        remove(&path, "dev").expect("removed");
        let config = load(&path).expect("readable");
        assert_eq!(config["current-context"], "");
        assert_eq!(config["clusters"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn the_default_file_is_kubectls() {
        let path = |k, h| default_path(k, h).map(|p| p.display().to_string());
        assert_eq!(path(Some(":/a:/b"), Some("/h")).as_deref(), Some("/a"));
        assert_eq!(path(Some(""), Some("/h")).as_deref(), Some("/h/.kube/config"));
        assert_eq!(path(None, None), None);
    }
}
