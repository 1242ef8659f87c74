//! What the server knows of a kind.

/// A kind that the server knows. CRDs become the same at run time (hence owned strings).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Empty for the core group.
    pub group: String,
    /// Served versions, preferred first.
    pub versions: Vec<String>,
    pub kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    /// `status`, `scale`, and for pods `log`, `exec`, `attach`, `portforward`, `eviction`, `binding`.
    pub subresources: Vec<String>,
}

impl Kind {
    /// `pods`, `apps/deployments`: the store's name of this kind.
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}/{}", self.group, self.plural) }
    }

    /// `v1`, `apps/v1`: the preferred version.
    pub fn api_version(&self) -> String {
        let version = self.versions.first().map_or("v1", String::as_str);
        if self.group.is_empty() { version.to_string() } else { format!("{}/{version}", self.group) }
    }
}
