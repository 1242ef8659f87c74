//! Settings: stored in the plan.

use crate::call::{Args, Call, Result, fail, go_type, type_name};
use crate::env::Env;
use crate::env::io_text;
use crate::ignore::read_patterns;
use crate::plan::Ignore;
use crate::version;
use starlark::values::Value;

/// Source of ignores that are set by a call.
pub(crate) const WATCH_SETTINGS: &str = "watch_settings()";

/// The release of Tilt whose Tiltfiles are understood here; `version_settings(constraint=)` is about it.
pub(crate) const TILT_VERSION: &str = "0.37.6";

pub(crate) fn update_settings<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let suppress = args.strings("suppress_unused_image_warnings")?;
    let server_side = args.text("k8s_server_side_apply")?;
    let parallel = whole_number(&args, "max_parallel_updates")?;
    if let Some(n) = parallel.filter(|n| *n < 1) {
        fail!("max number of parallel updates must be >= 1(got: {n})");
    }
    let timeout = whole_number(&args, "k8s_upsert_timeout_secs")?;
    if let Some(n) = timeout.filter(|n| *n < 1) {
        fail!("minimum k8s upsert timeout is 1s; got {n}s");
    }
    if !matches!(server_side.as_str(), "" | "auto" | "true" | "false") {
        fail!("k8s_server_side_apply must be one of auto, true, false; got {server_side:?}");
    }
    let mut reg = call.env().reg_mut();
    let settings = &mut reg.settings;
    let positive = |n: i32| u32::try_from(n).expect("it is at least 1");
    settings.max_parallel_updates = parallel.map_or(settings.max_parallel_updates, |n| positive(n) as usize);
    settings.k8s_upsert_timeout_secs =
        timeout.map_or(settings.k8s_upsert_timeout_secs, |n| u64::from(positive(n)));
    settings.suppress_unused_image_warnings.extend(suppress);
    if !server_side.is_empty() {
        settings.k8s_server_side_apply = server_side;
    }
    drop(reg);
    call.none()
}

/// Tilt checks these itself: the parameter is in quotes, however it was given.
fn whole_number(args: &Args<'_>, name: &str) -> Result<Option<i32>> {
    let Some(v) = args.some(name) else { return Ok(None) };
    if type_name(v) != "int" {
        fail!("update_settings: for parameter \"{name}\": got {}, want int", go_type(v));
    }
    match v.unpack_i32() {
        Some(n) => Ok(Some(n)),
        None => fail!("update_settings: for parameter \"{name}\": {} out of range", v.to_repr()),
    }
}

pub(crate) fn watch_settings<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let patterns = args.strings("ignore")?;
    let env = call.env();
    let ignore = Ignore { base: env.dir(), source: WATCH_SETTINGS.to_owned(), patterns };
    if !ignore.patterns.is_empty() {
        env.reg_mut().settings.watch_ignores.push(ignore);
    }
    call.none()
}

/// `.tiltignore` beside the Tiltfile.
pub(crate) fn tiltignore(env: &Env<'_>) -> Result<()> {
    let base = env.tiltfile.parent().map(|p| p.to_owned()).unwrap_or_default();
    let path = base.join(".tiltignore");
    env.reads(&path);
    if env.host.kind(&path).is_none() {
        return Ok(());
    }
    match env.read(&path) {
        Ok(text) => {
            let patterns = read_patterns(&text);
            if !patterns.is_empty() {
                env.reg_mut().settings.watch_ignores.push(Ignore {
                    base,
                    source: path.display().to_string(),
                    patterns,
                });
            }
            Ok(())
        }
        Err(e) => fail!("error reading {}: {}", path.display(), io_text("open", &path, &e)),
    }
}

pub(crate) fn ci_settings<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let mut reg = call.env().reg_mut();
    let ci = &mut reg.settings.ci;
    if let Some(ms) = args.duration_ms("k8s_grace_period")? {
        ci.k8s_grace_period_ms = ms;
    }
    if let Some(ms) = args.duration_ms("timeout")? {
        ci.timeout_ms = ms;
    }
    if let Some(ms) = args.duration_ms("readiness_timeout")? {
        ci.readiness_timeout_ms = ms;
    }
    drop(reg);
    call.none()
}

pub(crate) fn docker_prune_settings<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let (disable, max_age) = (args.boolean("disable", false)?, args.int("max_age_mins", 0)?);
    let (num_builds, interval) = (args.int("num_builds", 0)?, args.int("interval_hrs", 0)?);
    if num_builds != 0 && interval != 0 {
        fail!(
            "can't specify both 'prune every X builds' and 'prune every Y hours'; please pass only one of `num_builds` and `interval_hrs`"
        );
    }
    // Tilt looks at this one itself, and does not name it
    let keep_recent = match args.get("keep_recent") {
        None => None,
        Some(v) if type_name(v) != "int" => fail!("got {}, want int", type_name(v)),
        Some(v) => match v.unpack_i32() {
            Some(n) => Some(i64::from(n)),
            None => fail!("{} out of range", v.to_repr()),
        },
    };
    let mut reg = call.env().reg_mut();
    let prune = &mut reg.settings.docker_prune;
    prune.enabled = !disable;
    prune.num_builds = num_builds;
    if max_age != 0 {
        prune.max_age_secs = max_age.saturating_mul(60);
    }
    if interval != 0 {
        prune.interval_secs = interval.saturating_mul(3600);
    }
    prune.keep_recent = keep_recent.unwrap_or(prune.keep_recent);
    drop(reg);
    call.none()
}

pub(crate) fn secret_settings<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let disable = args.boolean("disable_scrub", false)?;
    call.env().reg_mut().settings.secret_scrubbing = !disable;
    call.none()
}

pub(crate) fn version_settings<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let check_updates = args.get("check_updates").map(|_| args.boolean("check_updates", true)).transpose()?;
    let constraint = args.text("constraint")?;
    if !constraint.is_empty() && !version::satisfies(TILT_VERSION, &constraint)? {
        fail!(
            "you are running Tilt version {TILT_VERSION}, which doesn't match the version constraint specified in your Tiltfile: '{constraint}'"
        );
    }
    let mut reg = call.env().reg_mut();
    let version = &mut reg.settings.version;
    version.check_updates = check_updates.unwrap_or(version.check_updates);
    if !constraint.is_empty() {
        version.constraint = constraint;
    }
    drop(reg);
    call.none()
}

pub(crate) fn set_team<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let team = args.text("team_id")?;
    if team.is_empty() {
        fail!("team_id cannot be empty");
    }
    let mut reg = call.env().reg_mut();
    if reg.team_set {
        fail!("team_id set multiple times (to '{}' and '{team}')", reg.settings.team_id);
    }
    reg.team_set = true;
    reg.settings.team_id = team;
    drop(reg);
    call.none()
}

pub(crate) fn analytics_settings<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let enable = call.args()?.boolean("enable", false)?;
    call.env().reg_mut().settings.analytics = Some(enable);
    call.none()
}

/// Would add to usage data, of which there is none.
pub(crate) fn analytics_report<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?.string_map("tags")?;
    call.none()
}

pub(crate) fn telemetry_cmd<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let Some(mut command) = args.command_in("cmd", "dir")? else { fail!("cmd cannot be empty") };
    let env = call.env();
    if args.some("dir").is_none() {
        command.dir = env.dir();
    }
    let period_ms = args.duration_ms("period")?;
    let mut reg = env.reg_mut();
    let telemetry = &mut reg.settings.telemetry;
    if let Some(before) = &telemetry.command {
        let shown = super::files::shown_command(&before.argv);
        fail!("{} called multiple times; already set to {shown}", call.name);
    }
    telemetry.command = Some(command);
    telemetry.period_ms = period_ms.unwrap_or(telemetry.period_ms);
    drop(reg);
    call.none()
}

pub(crate) fn metrics_settings<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let position = call.position();
    call.env().warn("experimental_metrics_settings() is deprecated", Some(position));
    call.none()
}

const FEATURES: [&str; 2] = ["snapshots", "cluster_refresh"];
const OBSOLETE: [&str; 9] = [
    "bulk_disable_resources",
    "disable_resources",
    "events",
    "facets",
    "labels",
    "live_update_v2",
    "multiple_containers_per_pod",
    "offline_snapshot_creation",
    "update_history",
];

fn set_feature<'v>(call: &mut Call<'v, '_, '_, '_>, on: bool) -> Result<Value<'v>> {
    let args = call.args()?;
    let name = args.text("msg")?;
    if OBSOLETE.contains(&name.as_str()) {
        let position = call.position();
        call.env().warn(format!("Obsolete feature flag: {name}"), Some(position));
    } else if FEATURES.contains(&name.as_str()) {
        call.env().reg_mut().settings.features.insert(name, on);
    } else {
        fail!("Unknown feature flag: {name}");
    }
    call.none()
}

pub(crate) fn enable_feature<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    set_feature(call, true)
}

pub(crate) fn disable_feature<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    set_feature(call, false)
}

pub(crate) fn disable_snapshots<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    call.env().reg_mut().settings.features.insert("snapshots".to_owned(), false);
    call.none()
}
