//! `helm()` by the program of that name.

use crate::host::{ProgramError, stdout_of};
use crate::process::Until;
use std::process::Command;
use tiltfile::{HelmRequest, HostError, Rendered};

/// What of helm's flags depends on its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// It knows no `--include-crds`.
    V30,
    Later,
}

/// Renders a chart; `helm` makes the beginning of a command.
pub(crate) fn template(
    helm: impl Fn() -> Command,
    request: &HelmRequest,
    until: &Until,
) -> Result<Rendered, HostError> {
    let version = version(helm(), until)?;
    let mut command = helm();
    command.arg("template").arg(&request.name).arg(&request.chart);
    if let Some(namespace) = &request.namespace {
        command.args(["--namespace", namespace]);
    }
    for file in &request.values {
        command.arg("--values").arg(file);
    }
    for value in &request.set {
        command.args(["--set", value]);
    }
    if let Some(version) = &request.kube_version {
        command.args(["--kube-version", version]);
    }
    command.args(match (request.skip_crds, version) {
        (true, _) => &["--skip-crds"][..],
        (false, Version::Later) => &["--include-crds"],
        (false, Version::V30) => &[],
    });
    let yaml = stdout_of(command, until).map_err(|error| match error {
        ProgramError::Missing => missing(),
        ProgramError::Failed(message) => {
            HostError { message: format!("helm template failed: {message}"), hint: None }
        }
    })?;
    let mut files_read = request.values.clone();
    files_read.push(request.chart.clone());
    Ok(Rendered { yaml, files_read })
}

fn missing() -> HostError {
    HostError {
        message: "Unable to find Helm installation. Make sure `helm` is on your $PATH.".into(),
        hint: Some("install helm 3; Coracle's own chart engine is not built yet".into()),
    }
}

fn version(mut helm: Command, until: &Until) -> Result<Version, HostError> {
    // helm 2 would ask a server without --client
    helm.args(["version", "--client", "--short"]);
    let text = stdout_of(helm, until).map_err(|error| match error {
        ProgramError::Missing => missing(),
        ProgramError::Failed(message) => {
            HostError { message: format!("helm version failed: {message}"), hint: None }
        }
    })?;
    parse(&text).ok_or_else(|| HostError {
        message: format!("could not parse Helm version from string: {text:?}"),
        hint: Some("helm 3 or newer is needed; `helm version --client --short` prints its version".into()),
    })
}

/// The last line counts: helm 3.3 prints warnings before it.
fn parse(text: &str) -> Option<Version> {
    let version = text.trim().lines().last()?.trim();
    let mut numbers = version.strip_prefix('v').unwrap_or(version).split('.');
    let (major, minor) = (numbers.next()?.parse::<u32>().ok()?, numbers.next()?.parse::<u32>().ok()?);
    match (major, minor) {
        (0..3, _) => None,
        (3, 0) => Some(Version::V30),
        _ => Some(Version::Later),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    #[test]
    fn versions() {
        let warned = "WARNING: Kubernetes configuration file is group-readable.\nv3.3.3+g55e3ca0\n";
        for (text, want) in [
            ("v3.0.0", Some(Version::V30)),
            ("v3.0.12+g1", Some(Version::V30)),
            ("v3.1.0\n", Some(Version::Later)),
            (warned, Some(Version::Later)),
            ("3.15.2", Some(Version::Later)),
            ("v4.0.0+g99cd196", Some(Version::Later)),
            ("Client: v2.12.3geecf22f", None),
            ("v2.17.0", None),
            ("vx.1.2", None),
            ("", None),
        ] {
            assert_eq!(parse(text), want, "{text:?}");
        }
    }

    fn program(dir: &Path, body: &str) -> std::path::PathBuf {
        let path = dir.join("helm");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is a program");
        path
    }

    #[test]
    fn what_helm_is_asked_and_what_of_it_goes_wrong() {
        let scratch = tempfile::tempdir().expect("a folder");
        let request = HelmRequest {
            chart: "/charts/web".into(),
            name: "web".into(),
            namespace: Some("shop".into()),
            values: vec!["/v.yaml".into()],
            set: vec!["a=b".into()],
            kube_version: Some("1.30".into()),
            skip_crds: false,
        };
        let ask = |body: &str, request: &HelmRequest| {
            let path = program(scratch.path(), body);
            template(|| Command::new(&path), request, &Until::default())
        };
        let echo = "[ $1 = version ] && { echo VERSION; exit; }; echo $*";
        let told = |version: &str, request: &HelmRequest| {
            ask(&echo.replace("VERSION", version), request).expect("it renders").yaml
        };
        let all = "template web /charts/web --namespace shop --values /v.yaml --set a=b --kube-version 1.30";
        assert_eq!(told("v3.14.0", &request), format!("{all} --include-crds\n"));
        assert_eq!(told("v3.0.3", &request), format!("{all}\n"));
        let without = HelmRequest { skip_crds: true, ..request.clone() };
        assert_eq!(told("v3.14.0", &without), format!("{all} --skip-crds\n"));

        let error = |body: &str| ask(body, &request).expect_err("it fails").message;
        assert_eq!(
            error(&echo.replace("VERSION", "vx.1.2")),
            "could not parse Helm version from string: \"vx.1.2\\n\""
        );
        assert_eq!(
            error("[ $1 = version ] && { echo v3.1.0; exit; }; echo no chart >&2; exit 1"),
            "helm template failed: no chart"
        );
        let error = template(|| Command::new("/no/such/helm"), &request, &Until::default());
        assert_eq!(
            error.expect_err("there is none").message,
            "Unable to find Helm installation. Make sure `helm` is on your $PATH."
        );
    }
}
