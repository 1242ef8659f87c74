//! Settings of a plan.

use super::{Command, Ignore};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanSettings {
    pub max_parallel_updates: usize,
    pub k8s_upsert_timeout_secs: u64,
    pub k8s_server_side_apply: String,
    pub suppress_unused_image_warnings: Vec<String>,
    /// From `watch_settings(ignore=)` and `.tiltignore`: changes that count for nothing.
    pub watch_ignores: Vec<Ignore>,
    pub default_registry: Option<Registry>,
    pub allowed_contexts: Vec<String>,
    pub secret_scrubbing: bool,
    pub team_id: String,
    pub docker_prune: DockerPrune,
    pub ci: CiSettings,
    pub version: VersionSettings,
    pub features: BTreeMap<String, bool>,
    /// What the Tiltfile changed in the environment; commands of local resources see it. `None`: removed.
    pub env: BTreeMap<String, Option<String>>,
    /// `analytics_settings(enable=)`. Nothing is sent either way.
    pub analytics: Option<bool>,
    pub telemetry: Telemetry,
}

/// A command to be given traces from time to time. Coracle makes none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Telemetry {
    pub command: Option<Command>,
    pub period_ms: u64,
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry { command: None, period_ms: 60_000 }
    }
}

impl Default for PlanSettings {
    fn default() -> PlanSettings {
        PlanSettings {
            max_parallel_updates: 3,
            k8s_upsert_timeout_secs: 30,
            k8s_server_side_apply: "auto".to_owned(),
            suppress_unused_image_warnings: Vec::new(),
            watch_ignores: Vec::new(),
            default_registry: None,
            allowed_contexts: Vec::new(),
            secret_scrubbing: true,
            team_id: String::new(),
            docker_prune: DockerPrune::default(),
            ci: CiSettings::default(),
            version: VersionSettings::default(),
            features: BTreeMap::new(),
            env: BTreeMap::new(),
            analytics: None,
            telemetry: Telemetry::default(),
        }
    }
}

impl PlanSettings {
    /// Settings that were given and that nothing acts on.
    pub(super) fn notes(&self) -> Vec<String> {
        let prune = DockerPrune { enabled: true, ..self.docker_prune.clone() } != DockerPrune::default();
        let notes = [
            (
                self.k8s_server_side_apply == "false",
                "update_settings(k8s_server_side_apply='false') has no effect: objects are always applied on the server's side",
            ),
            (
                self.docker_prune.enabled && prune,
                "docker_prune_settings() has no effect: nothing is pruned by itself, `coracle image gc` removes images",
            ),
            (
                self.telemetry.command.is_some(),
                "experimental_telemetry_cmd() has no effect: there are no traces for the command",
            ),
        ];
        notes.into_iter().filter(|(applies, _)| *applies).map(|(_, note)| note.to_owned()).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registry {
    pub host: String,
    pub host_from_cluster: String,
    pub single_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DockerPrune {
    pub enabled: bool,
    pub max_age_secs: i64,
    pub num_builds: i64,
    pub interval_secs: i64,
    pub keep_recent: i64,
}

impl Default for DockerPrune {
    fn default() -> DockerPrune {
        DockerPrune {
            enabled: true,
            max_age_secs: 6 * 3600,
            num_builds: 0,
            interval_secs: 3600,
            keep_recent: 2,
        }
    }
}

/// Durations in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CiSettings {
    pub k8s_grace_period_ms: u64,
    pub timeout_ms: u64,
    pub readiness_timeout_ms: u64,
}

impl Default for CiSettings {
    fn default() -> CiSettings {
        CiSettings { k8s_grace_period_ms: 0, timeout_ms: 30 * 60_000, readiness_timeout_ms: 5 * 60_000 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionSettings {
    pub check_updates: bool,
    pub constraint: String,
}

impl Default for VersionSettings {
    fn default() -> VersionSettings {
        VersionSettings { check_updates: true, constraint: String::new() }
    }
}
