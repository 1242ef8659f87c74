//! `*_settings` and their like.

use super::{Differs, Done, Entry, State, entry};

const FEATURES: State = Differs("features of Tilt's own program, of which there are none here");

pub(super) static SETTINGS: &[Entry] = &[
    entry(
        "update_settings",
        "max_parallel_updates: int = 3, k8s_upsert_timeout_secs: int = 30, \
         suppress_unused_image_warnings: str | list[str] = [], k8s_server_side_apply: str = \"auto\"",
        "None",
        Differs(
            "objects are always applied on the server's side; a warning says so if `\"false\"` is asked for",
        ),
        "How many resources are updated at once, and how long an apply may take.\n`\"*\"` suppresses the warning \
         for all images.",
    ),
    entry(
        "watch_settings",
        "ignore: str | list[str]",
        "None",
        Done,
        "Changes of these files count for nothing.\nPatterns of `.dockerignore`; several calls add up.",
    ),
    entry(
        "ci_settings",
        "k8s_grace_period: str = \"0s\", timeout: str = \"30m\", readiness_timeout: str = \"5m\"",
        "None",
        Done,
        "How long `ci` waits for all, for what runs to be ready, and for what fails to recover.\nDurations as \
         `1h30m`; `timeout=\"0s\"` waits for ever.",
    ),
    entry(
        "docker_prune_settings",
        "disable: bool = False, max_age_mins: int = 360, num_builds: int = 0, interval_hrs: int = 1, \
         keep_recent: int = 2",
        "None",
        Differs("`coracle image gc` removes images; nothing is pruned by itself, and a warning says so"),
        "When old images are removed.\n`num_builds` or `interval_hrs`, not both.",
    ),
    entry(
        "secret_settings",
        "disable_scrub: bool",
        "None",
        Done,
        "Whether values of Secrets are hidden in logs.",
    ),
    entry(
        "version_settings",
        "check_updates: bool = True, constraint: str = \"\"",
        "None",
        Differs("no updates are looked for"),
        "Which versions may evaluate this Tiltfile.",
    ),
    entry(
        "set_team",
        "team_id: str",
        "None",
        Differs("no snapshots are made"),
        "The team that snapshots belong to.",
    ),
    entry(
        "analytics_settings",
        "enable: bool",
        "None",
        Differs("no usage data is sent"),
        "Whether usage data is sent.",
    ),
    entry(
        "experimental_analytics_report",
        "tags: dict[str, str]",
        "None",
        Differs("no usage data is sent"),
        "Adds to usage data.",
    ),
    entry(
        "experimental_telemetry_cmd",
        "cmd: Command, cmd_bat: Command = \"\", period: str = \"\", dir: Path = \"\"",
        "None",
        Differs("no usage data is made"),
        "A command that gets usage data.",
    ),
    entry(
        "experimental_metrics_settings",
        "*args: Any, **kwargs: Any",
        "None",
        Differs("no usage data is made"),
        "Has no effect in Tilt either.",
    ),
    entry(
        "enable_feature",
        "msg: str",
        "None",
        FEATURES,
        "Turns a feature on: `snapshots`, `cluster_refresh`.",
    ),
    entry("disable_feature", "msg: str", "None", FEATURES, "Turns a feature off."),
    entry("disable_snapshots", "", "None", Differs("no snapshots are made"), "Turns snapshots off."),
];
