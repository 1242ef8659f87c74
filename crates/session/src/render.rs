//! `kustomize build` in this process, for Tiltfiles and for the command line.

use kustomize::Options;
use std::path::{Path, PathBuf};
use tiltfile::{HostError, Rendered};

/// Renders a folder. Flags that are not known are refused, not dropped.
pub fn kustomize(dir: &Path, flags: &[String]) -> Result<Rendered, HostError> {
    if let Some(flag) = flags.first() {
        return Err(HostError {
            message: format!("kustomize flag {flag} is not built yet in Coracle"),
            hint: Some("kustomize_bin= runs a kustomize program instead".into()),
        });
    }
    let (built, files) =
        kustomize::build_noting_files(&kustomize::Disk, &dir.to_string_lossy(), &Options::default());
    let built = built.map_err(|error| {
        let diagnostic = error.to_diagnostic();
        HostError { message: diagnostic.to_string(), hint: diagnostic.hint.clone() }
    })?;
    Ok(Rendered { yaml: built.yaml, files_read: files.iter().map(PathBuf::from).collect() })
}
