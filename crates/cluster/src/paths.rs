//! Where a cluster's files are. Nothing else builds such a path.

use std::path::{Path, PathBuf};

/// `$XDG_DATA_HOME/coracle`, or `~/.local/share/coracle`: everything that Coracle keeps on this machine.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// From the values of `XDG_DATA_HOME` and `HOME`; `None` if neither is an absolute path.
    pub fn from_env(xdg_data_home: Option<&str>, home: Option<&str>) -> Option<Self> {
        let absolute = |p: &&str| p.starts_with('/');
        if let Some(xdg) = xdg_data_home.filter(absolute) {
            return Some(Self(Path::new(xdg).join("coracle")));
        }
        home.filter(absolute).map(|home| Self(Path::new(home).join(".local/share/coracle")))
    }

    /// At a known place: the daemon is told by its starter.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The image store: shared by all clusters, and kept when a cluster is deleted.
    pub fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// The builder's cache, shared as the images are.
    pub fn builds(&self) -> PathBuf {
        self.0.join("builds")
    }

    pub fn clusters(&self) -> PathBuf {
        self.0.join("clusters")
    }

    pub fn cluster(&self, name: &str) -> ClusterDir {
        ClusterDir { root: self.clusters().join(name), data: self.clone() }
    }

    /// The names of the clusters that exist, sorted.
    pub fn cluster_names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.clusters())
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| self.cluster(name).settings().exists())
            .collect();
        names.sort();
        names
    }
}

/// One cluster's folder (mode 0700).
#[derive(Debug, Clone)]
pub struct ClusterDir {
    root: PathBuf,
    data: DataDir,
}

impl ClusterDir {
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn data(&self) -> &DataDir {
        &self.data
    }

    pub fn settings(&self) -> PathBuf {
        self.root.join("settings.json")
    }

    /// Held with an exclusive lock by the living daemon.
    pub fn lock(&self) -> PathBuf {
        self.root.join("daemon.lock")
    }

    /// Process id and addresses of the daemon that wrote it last.
    pub fn daemon(&self) -> PathBuf {
        self.root.join("daemon.json")
    }

    pub fn log(&self) -> PathBuf {
        self.root.join("daemon.log")
    }

    pub fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }

    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub fn runtime(&self) -> PathBuf {
        self.root.join("runtime")
    }

    pub fn network(&self) -> PathBuf {
        self.root.join("network")
    }

    pub fn node(&self) -> PathBuf {
        self.root.join("node")
    }

    /// Volumes of the class local-path: the developer's data. Only `cluster delete` removes it.
    pub fn storage(&self) -> PathBuf {
        self.root.join("storage")
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig.yaml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_dir_follows_the_xdg_rules() {
        let path = |xdg, home| DataDir::from_env(xdg, home).map(|d| d.path().display().to_string());
        assert_eq!(path(Some("/d"), Some("/h")).as_deref(), Some("/d/coracle"));
        assert_eq!(path(Some("relative"), Some("/h")).as_deref(), Some("/h/.local/share/coracle"));
        assert_eq!(path(None, Some("/h")).as_deref(), Some("/h/.local/share/coracle"));
        assert_eq!(path(None, None), None);
    }
}
