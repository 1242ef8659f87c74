//! Manifests and indexes, Docker's and OCI's alike.

use crate::{Digest, Extra};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Media types that registries and archives use.
pub mod media {
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

    /// What a client that takes every kind says in `Accept`.
    pub const ALL_MANIFESTS: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    #[serde(default)]
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Descriptor {
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
            extra: Extra::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Platform {
    /// `linux/amd64`, `linux/arm64/v8`.
    pub fn parse(text: &str) -> Option<Platform> {
        let mut parts = text.split('/');
        let os = parts.next().filter(|part| !part.is_empty())?.to_owned();
        let architecture = parts.next().filter(|part| !part.is_empty())?.to_owned();
        let variant = parts.next().map(str::to_owned);
        parts.next().is_none().then_some(Platform { os, architecture, variant, extra: Extra::new() })
    }

    /// How well an image for this platform runs on `host`: higher is better, `None` not at all.
    pub fn fits(&self, host: &Platform) -> Option<u8> {
        if self.os != host.os || self.architecture != host.architecture {
            return None;
        }
        match (&self.variant, &host.variant) {
            (a, b) if a == b => Some(3),
            (None, _) => Some(2),
            (Some(_), None) => Some(1),
            _ => None,
        }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub config: Descriptor,
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Manifest {
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
        Manifest {
            schema_version: 2,
            media_type: Some(media::OCI_MANIFEST.to_owned()),
            config,
            layers,
            annotations: BTreeMap::new(),
            extra: Extra::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Index {
    /// The manifest for a machine of this kind. An index that names no platforms has its first entry taken.
    pub fn choose(&self, host: &Platform) -> Option<&Descriptor> {
        let fitting = self.manifests.iter().filter_map(|entry| {
            let fit = entry.platform.as_ref()?.fits(host)?;
            Some((fit, entry))
        });
        // The first of equals wins, as with other tools.
        let best = fitting.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, entry)| entry).or_else(|| self.manifests.iter().find(|entry| entry.platform.is_none()))
    }
}

/// A manifest document by its shape: `mediaType` may be missing or be contradicted by a registry's header.
#[derive(Debug, Clone, PartialEq)]
pub enum ManifestKind {
    Manifest(Manifest),
    Index(Index),
}

impl ManifestKind {
    pub fn parse(bytes: &[u8]) -> Result<ManifestKind, serde_json::Error> {
        let value: serde_json::Value = serde_json::from_slice(bytes)?;
        if value.get("manifests").is_some() {
            serde_json::from_value(value).map(ManifestKind::Index)
        } else {
            serde_json::from_value(value).map(ManifestKind::Manifest)
        }
    }

    pub fn media_type(&self) -> &str {
        match self {
            ManifestKind::Manifest(manifest) => manifest.media_type.as_deref().unwrap_or_else(|| {
                if manifest.config.media_type == media::DOCKER_CONFIG {
                    media::DOCKER_MANIFEST
                } else {
                    media::OCI_MANIFEST
                }
            }),
            ManifestKind::Index(index) => index.media_type.as_deref().unwrap_or(media::OCI_INDEX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check_choice(host: &str, platforms: &[&str], expect: Expect) {
        let mut index = Index {
            schema_version: 2,
            media_type: None,
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
            extra: Extra::new(),
        };
        for (number, platform) in platforms.iter().enumerate() {
            let mut entry = Descriptor::new(media::OCI_MANIFEST, Digest::of(&[number as u8]), number as u64);
            entry.platform = Platform::parse(platform);
            index.manifests.push(entry);
        }
        let host = Platform::parse(host).unwrap();
        let chosen = index.choose(&host).map_or("none".to_owned(), |entry| entry.size.to_string());
        expect.assert_eq(&chosen);
    }

    #[test]
    fn an_index_is_resolved_for_the_host() {
        check_choice("linux/amd64", &["linux/arm64", "linux/amd64", "linux/amd64"], expect!["1"]);
        check_choice("linux/arm64/v8", &["linux/arm/v7", "linux/arm64", "linux/arm64/v8"], expect!["2"]);
        check_choice("linux/amd64", &["windows/amd64", "unknown/unknown"], expect!["none"]);
        check_choice("linux/amd64", &["", "linux/s390x"], expect!["0"]);
    }

    #[test]
    fn unknown_fields_survive() {
        let digest = Digest::of(b"");
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{digest}","size":12345678901}},"layers":[],"subject":{{"n":1.50}}}}"#,
            media::DOCKER_CONFIG
        );
        let kind = ManifestKind::parse(text.as_bytes()).unwrap();
        assert_eq!(kind.media_type(), media::DOCKER_MANIFEST);
        let ManifestKind::Manifest(manifest) = kind else { panic!("an index") };
        assert_eq!(serde_json::to_string(&manifest).unwrap(), text);
    }
}
