//! Settings of the neutral form.

use super::command;
use crate::plan::{Ignore, Plan};
use crate::text::go_duration;
use serde_json::{Value, json};

pub(super) fn settings(plan: &Plan) -> Value {
    let s = &plan.settings;
    let (file, called): (Vec<&Ignore>, Vec<&Ignore>) =
        s.watch_ignores.iter().partition(|i| i.source != crate::builtins::WATCH_SETTINGS);
    let tiltignore = match file.first() {
        Some(ignore) => json!({"path": ignore.source, "patterns": ignore.patterns}),
        None => json!({"path": "", "patterns": []}),
    };
    json!({
        "team_id": s.team_id,
        "analytics": match s.analytics { None => "default", Some(true) => "in", Some(false) => "out" },
        "ci": {
            "k8s_grace_period": (s.ci.k8s_grace_period_ms > 0).then(|| go_duration(s.ci.k8s_grace_period_ms)),
            "timeout": go_duration(s.ci.timeout_ms),
            "readiness_timeout": go_duration(s.ci.readiness_timeout_ms),
        },
        "update": {"suppress_unused_image_warnings": s.suppress_unused_image_warnings},
        "watch_ignores": called.iter().map(|i| json!({
            "base_path": i.base, "source": i.source, "patterns": i.patterns,
        })).collect::<Vec<_>>(),
        "tiltignore": tiltignore,
        "docker_prune": {
            "enabled": s.docker_prune.enabled,
            "max_age_secs": s.docker_prune.max_age_secs,
            "num_builds": s.docker_prune.num_builds,
            "interval_secs": s.docker_prune.interval_secs,
            "keep_recent": s.docker_prune.keep_recent,
        },
        "version": {"check_updates": s.version.check_updates},
        "telemetry": {
            "cmd": s.telemetry.command.as_ref().map(command),
            "workdir": s.telemetry.command.as_ref().map(|c| c.dir.display().to_string()).unwrap_or_default(),
            "period_secs": s.telemetry.period_ms / 1000,
        },
        "default_registry": s.default_registry.as_ref().map(|r| json!({
            "host": r.host, "host_from_cluster": r.host_from_cluster, "single_name": r.single_name,
        })),
        "secrets": secrets(plan),
    })
}

/// Values that must not show up in logs.
fn secrets(plan: &Plan) -> Vec<Value> {
    let secrets = plan.secrets();
    secrets.iter().map(|s| json!({"name": s.name, "key": s.key, "value": s.value})).collect()
}
