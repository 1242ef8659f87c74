//! Local resources.

use super::{Differs, Done, Entry, entry};

const COMMANDS: &str = "name: str, cmd: Command = \"\", deps: Path | list[Path] = [], trigger_mode: TriggerMode = None, \
     resource_deps: list[str] = [], ignore: str | list[str] = [], auto_init: bool = True, serve_cmd: Command = \"\", \
     cmd_bat: Command = \"\", serve_cmd_bat: Command = \"\", allow_parallel: bool = False, \
     links: str | Link | list[str | Link] = [], labels: str | list[str] = [], tags: str | list[str] = [], \
     env: dict[str, str] = {}, serve_env: dict[str, str] = {}, readiness_probe: Probe = None, dir: Path = \"\", \
     serve_dir: Path = \"\"";

pub(super) static LOCAL: &[Entry] = &[
    entry(
        "local_resource",
        COMMANDS,
        "None",
        Done,
        "A resource made of commands on this machine.\n`cmd` runs to its end, again whenever one of `deps` changes; \
         `serve_cmd` goes on running.",
    ),
    entry(
        "test",
        COMMANDS,
        "None",
        Differs("deprecated, as in Tilt"),
        "As `local_resource`, with `allow_parallel` on.",
    ),
    entry(
        "trigger_mode",
        "trigger_mode: TriggerMode",
        "None",
        Done,
        "The trigger mode of all resources that have none of their own.\nOnly once.",
    ),
    entry("link", "url: str, name: str = \"\"", "Link", Done, "A link to show with a resource."),
    entry(
        "probe",
        "initial_delay_secs: int = 0, timeout_secs: int = 0, period_secs: int = 0, success_threshold: int = 0, \
         failure_threshold: int = 0, exec: ExecAction = None, http_get: HTTPGetAction = None, \
         tcp_socket: TCPSocketAction = None",
        "Probe",
        Done,
        "How to see that a `serve_cmd` is ready.\nExactly one of `exec`, `http_get` and `tcp_socket`; a number of 0 \
         means the default (0 s, 1 s, 10 s, 1, 3).",
    ),
    entry("exec_action", "command: Command", "ExecAction", Done, "Ready when the command succeeds."),
    entry(
        "http_get_action",
        "port: int, host: str = \"\", scheme: str = \"\", path: str = \"\"",
        "HTTPGetAction",
        Done,
        "Ready when the URL answers with a status of 200 to 399.",
    ),
    entry(
        "tcp_socket_action",
        "port: int, host: str = \"\"",
        "TCPSocketAction",
        Done,
        "Ready when the port takes connections.",
    ),
];
