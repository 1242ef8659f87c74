//! Settings of the neutral form.

use super::command;
use crate::manifest;
use crate::plan::{Ignore, Plan};
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
    if !plan.settings.secret_scrubbing {
        return Vec::new();
    }
    let objects = plan.resources.iter().filter_map(|r| r.k8s()).flat_map(|k| &k.objects);
    let mut found: Vec<(String, String, String)> = objects.flat_map(manifest::secret_values).collect();
    found.sort();
    found.dedup();
    found.iter().map(|(name, key, value)| json!({"name": name, "key": key, "value": value})).collect()
}

/// As Go writes a duration: `1h0m0s`, `30m0s`, `5s`, `1.5s`, `250ms`.
fn go_duration(ms: u64) -> String {
    if ms < 1000 {
        return if ms == 0 { "0s".to_owned() } else { format!("{ms}ms") };
    }
    let (hours, minutes, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms % 60_000);
    let fraction = match rest % 1000 {
        0 => String::new(),
        part => format!(".{part:03}").trim_end_matches('0').to_owned(),
    };
    let seconds = format!("{}{fraction}s", rest / 1000);
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, _) => format!("{minutes}m{seconds}"),
        _ => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations() {
        for (ms, want) in [
            (0, "0s"),
            (250, "250ms"),
            (5000, "5s"),
            (1500, "1.5s"),
            (1_800_000, "30m0s"),
            (3_661_000, "1h1m1s"),
        ] {
            assert_eq!(super::go_duration(ms), want);
        }
    }
}
