//! Extensions that are part of the program, by how often they are used.

macro_rules! extensions {
    ($($name:literal $file:literal),* $(,)?) => {
        /// Names of the extensions that need no network.
        pub const NAMES: &[&str] = &[$($name),*];

        /// The extension's Starlark.
        pub(crate) fn source(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../../ext/", $file, ".star"))),)*
                _ => None,
            }
        }
    };
}

extensions! {
    "restart_process" "restart_process",
    "helm_resource" "helm_resource",
    "namespace" "namespace",
    "helm_remote" "helm_remote",
    "uibutton" "uibutton",
    "dotenv" "dotenv",
    "secret" "secret",
    "configmap" "configmap",
    "git_resource" "git_resource",
    "k8s_attach" "k8s_attach",
    "deployment" "deployment",
    "cert_manager" "cert_manager",
    "ko" "ko",
    "local_output" "local_output",
    "color" "color",
    "podman" "podman",
    "nerdctl" "nerdctl",
    "pack" "pack",
    "kubectl_build" "kubectl_build",
    "file_sync_only" "file_sync_only",
    "tests/golang" "tests_golang",
    "tests/javascript" "tests_javascript",
    "docker_build_sub" "docker_build_sub",
    "cancel" "cancel",
    "procfile" "procfile",
    "files_glob" "files_glob",
    "k8s_yaml_glob" "k8s_yaml_glob",
    "dict_merge" "dict_merge",
    "base64" "base64",
    "min_tilt_version" "min_tilt_version",
    "min_k8s_version" "min_k8s_version",
    "current_namespace" "current_namespace",
    "wait_for_it" "wait_for_it",
    "get_obj" "get_obj",
    "list_port_forwards" "list_port_forwards",
    "print_tiltfile_dir" "print_tiltfile_dir",
    "file" "file",
    "syncback" "syncback",
    "pulumi" "pulumi",
    "tilt_inspector" "tilt_inspector",
    "earthly" "earthly",
    "execute_in_pod" "execute_in_pod",
    "conftest" "conftest",
    "kim" "kim",
    "kubebuilder" "kubebuilder",
    "nix_flake" "nix_flake",
}
