//! What the command line says about a build, beside the directory.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoadRestrictor {
    /// Files must lie in or below the directory of the kustomization that names them.
    #[default]
    RootOnly,
    None,
}

/// `--reorder`; the kustomization's `sortOptions` has precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reorder {
    #[default]
    Unspecified,
    Legacy,
    None,
}

/// What strategic merges know about built-in types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeKeys {
    /// The types of the newest Kubernetes, and the schemas of the CRDs in the build.
    #[default]
    Newest,
    /// Kubernetes v1.21 and no CRDs, as kustomize itself.
    AsUpstream,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    pub load_restrictor: LoadRestrictor,
    pub reorder: Reorder,
    pub managed_by_label: bool,
    pub merge_keys: MergeKeys,
    pub helm: Helm,
    pub plugins: Plugins,
}

/// `helmCharts` are inflated by a `helm` program, if they are enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helm {
    /// `--enable-helm`
    pub enabled: bool,
    /// `--helm-command`: a name on the PATH, or a path.
    pub command: String,
    /// `--helm-api-versions`
    pub api_versions: Vec<String>,
    /// `--helm-kube-version`
    pub kube_version: String,
    /// `--helm-debug`
    pub debug: bool,
}

impl Default for Helm {
    fn default() -> Helm {
        Helm {
            enabled: false,
            command: "helm".to_string(),
            api_versions: Vec::new(),
            kube_version: String::new(),
            debug: false,
        }
    }
}

/// KRM functions that are programs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plugins {
    /// `--enable-alpha-plugins`
    pub enabled: bool,
    /// `--enable-exec`
    pub exec: bool,
    /// `--as-current-user`
    pub as_current_user: bool,
    /// `--env`, `-e`: `NAME=value`, or `NAME` for the value of this process.
    pub env: Vec<String>,
    /// `--mount`
    pub mounts: Vec<String>,
    /// `--network`
    pub network: bool,
    /// `--network-name`
    pub network_name: String,
}
