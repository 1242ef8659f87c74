//! Kubernetes and Compose.

use super::{Differs, Done, Entry, entry};

pub(super) static KUBERNETES: &[Entry] = &[
    entry(
        "k8s_yaml",
        "yaml: Text | list[Text], allow_duplicates: bool = False",
        "None",
        Done,
        "Deploys Kubernetes objects: of files (strings are paths) or of blobs.\nObjects that make pods become \
         resources of their own; the others join them or go to `uncategorized`.",
    ),
    entry(
        "filter_yaml",
        "yaml: Text | list[Text], labels: dict[str, str] = {}, name: str = \"\", namespace: str = \"\", \
         kind: str = \"\", api_version: str = \"\"",
        "tuple[Blob, Blob]",
        Done,
        "Parts objects: those that match, and the rest.\nNames and kinds are regular expressions, their case does \
         not count. Nothing is deployed.",
    ),
    entry(
        "k8s_resource",
        "workload: str = \"\", new_name: str = \"\", port_forwards: int | str | PortForward | list[int | str | PortForward] = [], \
         extra_pod_selectors: dict[str, str] | list[dict[str, str]] = [], trigger_mode: TriggerMode = None, \
         resource_deps: list[str] = [], objects: list[str] = [], auto_init: bool = True, \
         pod_readiness: str = \"\", links: str | Link | list[str | Link] = [], labels: str | list[str] = [], \
         discovery_strategy: str = \"\"",
        "None",
        Differs("resource_deps may name objects that are no resources"),
        "Configures a resource, or makes one of `objects` (then with `new_name`).\n`objects` are fragments \
         `name:kind:namespace:group`. Several calls for one resource add up.",
    ),
    entry(
        "k8s_custom_deploy",
        "name: str, apply_cmd: Command, delete_cmd: Command, deps: Path | list[Path], image_selector: str = \"\", \
         live_update: list[LiveUpdateStep] = [], apply_dir: Path = \"\", apply_env: dict[str, str] = {}, \
         apply_cmd_bat: Command = \"\", delete_dir: Path = \"\", delete_env: dict[str, str] = {}, \
         delete_cmd_bat: Command = \"\", container_selector: str = \"\", image_deps: str | list[str] = []",
        "None",
        Done,
        "Deploys by a command, which prints the deployed objects as YAML.\nIt runs again when one of `deps` changes; \
         images of `image_deps` come in `TILT_IMAGE_0`, ….",
    ),
    entry(
        "k8s_kind",
        "kind: str, *, image_json_path: str | list[str] = [], api_version: str = \"\", \
         image_object: dict[str, str] = None, pod_readiness: str = \"\"",
        "None",
        Done,
        "Says that objects of a kind are workloads, and where they name images.\n`kind` and `api_version` are \
         regular expressions.",
    ),
    entry(
        "k8s_image_json_path",
        "paths: str | list[str], api_version: str = \"\", kind: str = \"\", name: str = \"\", namespace: str = \"\"",
        "None",
        Done,
        "Says where objects name images.\nThe older form of `k8s_kind`.",
    ),
    entry(
        "workload_to_resource_function",
        "func: Callable[[K8sObjectID], str]",
        "None",
        Done,
        "Names resources: the function gets a workload's identity and returns the resource's name.",
    ),
    entry(
        "port_forward",
        "local_port: int, container_port: int = 0, name: str = \"\", link_path: str = \"\", host: str = \"\"",
        "PortForward",
        Done,
        "A port of this machine that leads to a pod's.\n`link_path` is appended to the URL that is shown.",
    ),
    entry("k8s_context", "", "str", Done, "Name of the Kubernetes context."),
    entry("k8s_namespace", "", "str", Done, "Default namespace of the Kubernetes context."),
    entry(
        "allow_k8s_contexts",
        "contexts: str | list[str]",
        "None",
        Done,
        "Contexts that may be deployed to although they are not known to be local.",
    ),
    entry(
        "kustomize",
        "paths: Path, kustomize_bin: str = \"\", flags: str | list[str] = []",
        "Blob",
        Differs("renders in the process; kustomize_bin runs that program"),
        "The objects of a kustomization.",
    ),
    entry(
        "helm",
        "paths: Path, name: str = \"\", namespace: str = \"\", values: Path | list[Path] = [], \
         set: str | list[str] = [], kube_version: str = \"\", skip_crds: bool = False",
        "Blob",
        Differs("needs the program helm"),
        "The objects of a chart in a local directory.\n`name` is the release's [chart].",
    ),
];

pub(super) static COMPOSE: &[Entry] = &[
    entry(
        "docker_compose",
        "configPaths: Text | list[Text], env_file: Path = \"\", project_name: str = \"\", \
         profiles: str | list[str] = [], wait: bool = False",
        "None",
        Differs(
            "read without the program docker-compose, so there is no text about its version; the services are in the \
             plan; `coracle up` does not run them yet",
        ),
        "Runs the services of Compose files.",
    ),
    entry(
        "dc_resource",
        "name: str, image: str = \"\", trigger_mode: TriggerMode = None, resource_deps: list[str] = [], \
         infer_links: bool = True, links: str | Link | list[str | Link] = [], labels: str | list[str] = [], \
         auto_init: bool = True, project_name: str = \"\", new_name: str = \"\"",
        "None",
        Differs("the services are in the plan; `coracle up` does not run them yet"),
        "Configures a service of a Compose file.",
    ),
];
