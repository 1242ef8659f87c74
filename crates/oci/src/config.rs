//! The config of an image: what a container starts from, its layers and their history.

use crate::{Digest, Extra};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The part of an image's config that a container starts from (OCI image-spec, `config`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub user: String,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// `Healthcheck`, `OnBuild`, `Shell` and whatever else the image carries.
    #[serde(flatten)]
    pub extra: Extra,
}

impl RunConfig {
    /// The value of an environment variable.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env
            .iter()
            .rev()
            .find_map(|line| line.split_once('=').filter(|(key, _)| *key == name))
            .map(|(_, v)| v)
    }

    /// Sets an environment variable in its place, or at the end.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let line = format!("{name}={value}");
        match self.env.iter_mut().find(|line| line.split_once('=').is_some_and(|(key, _)| key == name)) {
            Some(old) => *old = line,
            None => self.env.push(line),
        }
    }

    /// A list of strings among the fields without a place of their own (`Shell`, `OnBuild`).
    pub fn extra_list(&self, name: &str) -> Vec<String> {
        self.extra
            .get(name)
            .and_then(|value| value.as_array())
            .map(|list| list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
            .unwrap_or_default()
    }
}

/// A whole image config document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: RunConfig,
    #[serde(default)]
    pub rootfs: LayerList,
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerList {
    #[serde(rename = "type", default = "layers_word")]
    pub kind: String,
    /// Digests of the uncompressed layers, lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

impl Default for LayerList {
    fn default() -> Self {
        LayerList { kind: layers_word(), diff_ids: Vec::new() }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
    #[serde(flatten)]
    pub extra: Extra,
}

fn layers_word() -> String {
    "layers".to_owned()
}

/// Docker writes `null` where a list or a map is empty.
fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_docker_config_survives() {
        let text = r#"{"architecture":"amd64","os":"linux","container":"abc","config":{"Cmd":null,"Env":["A=1","B=2"],
            "Volumes":null,"Healthcheck":{"Test":["CMD","x"],"Interval":30000000000},"OnBuild":["RUN x"]},
            "rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"x","empty_layer":true}]}"#;
        let mut config: ImageConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.config.env("B"), Some("2"));
        config.config.set_env("A", "3");
        expect![[r#"{"architecture":"amd64","os":"linux","config":{"Env":["A=3","B=2"],"Healthcheck":{"Test":["CMD","x"],"Interval":30000000000},"OnBuild":["RUN x"]},"rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"x","empty_layer":true}],"container":"abc"}"#]]
        .assert_eq(&serde_json::to_string(&config).unwrap());
    }
}
