//! Images and live updates.

use super::{Differs, Done, Entry, entry};

pub(super) static IMAGES: &[Entry] = &[
    entry(
        "docker_build",
        "ref: str, context: Path, build_args: dict[str, str] = {}, dockerfile?: Path = None, \
         dockerfile_contents: Text = None, cache: Any = None, live_update: list[LiveUpdateStep] = [], \
         match_in_env_vars: bool = False, ignore: str | list[str] = [], only: str | list[str] = [], \
         entrypoint: Command = None, container_args: list[str] = None, target: str = \"\", \
         ssh: str | list[str] = [], secret: str | list[str] = [], network: str = \"\", \
         extra_tag: str | list[str] = [], cache_from: str | list[str] = [], pull: bool = False, \
         platform: str = \"\", extra_hosts: str | list[str] = []",
        "None",
        Differs(
            "ssh, secret, network, cache_from, pull, platform and extra_hosts have no effect, and a warning says so; cache is obsolete",
        ),
        "Builds the image `ref` from a Dockerfile.\nIt is built only if something that is deployed names it. \
         `only` and `ignore` narrow the context, `live_update` says how changes reach running containers, \
         `entrypoint` and `container_args` replace the container's command and arguments.",
    ),
    entry(
        "custom_build",
        "ref: str, command: Command, deps: Path | list[Path], tag: str = \"\", disable_push: bool = False, \
         skips_local_docker: bool = False, live_update: list[LiveUpdateStep] = [], \
         match_in_env_vars: bool = False, ignore: str | list[str] = [], entrypoint: Command = None, \
         container_args: list[str] = None, command_bat_val: Command = \"\", outputs_image_ref_to: Path = \"\", \
         command_bat: Command = \"\", image_deps: str | list[str] = [], env: dict[str, str] = {}, dir: Path = \"\"",
        "CustomBuild",
        Done,
        "Builds the image `ref` by a command.\nThe command finds the name to give the image in `EXPECTED_REF`, and \
         the images of `image_deps` in `TILT_IMAGE_0`, …. It runs again when one of `deps` changes.",
    ),
    entry(
        "default_registry",
        "host: str, host_from_cluster: str = \"\", single_name: str = \"\"",
        "None",
        Done,
        "Puts a registry in front of the names of all images that are built.\nOnly once. A registry that the \
         cluster brings along goes before it.",
    ),
];

pub(super) static LIVE_UPDATE: &[Entry] = &[
    entry(
        "initial_sync",
        "",
        "LiveUpdateStep",
        Done,
        "All synced files are copied when the container starts, not only changed ones.\nThe first step, if it is there.",
    ),
    entry(
        "fall_back_on",
        "paths: Path | list[Path]",
        "LiveUpdateStep",
        Done,
        "A change of one of these means a full build.\nBefore all `sync` steps.",
    ),
    entry(
        "sync",
        "local_path: Path, remote_path: str",
        "LiveUpdateStep",
        Done,
        "Keeps a path in the container equal to a local one.\n`remote_path` is absolute; with a `/` at its end, a \
         file goes into it.",
    ),
    entry(
        "run",
        "cmd: Command, trigger: Path | list[Path] = [], echo_off: bool = False",
        "LiveUpdateStep",
        Done,
        "Runs a command in the container after files were copied.\nWith `trigger`: only if one of these changed.",
    ),
    entry(
        "restart_container",
        "",
        "LiveUpdateStep",
        Differs("works for Kubernetes resources on Coracle's own cluster"),
        "Restarts the container after the update.\nThe last step.",
    ),
];
