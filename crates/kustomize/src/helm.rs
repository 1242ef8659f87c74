//! Helm charts, inflated by a `helm` program.
//!
//! The program is called as kustomize calls it: its version is asked for, a chart that is not there is pulled beside the
//! kustomization, values are put together in a scratch file, and what `helm template` prints becomes resources. The
//! namespace transformer leaves those alone, since charts place their objects themselves.

mod inflation;
pub(crate) mod read;

use serde_json::Value;

use crate::accumulate::Root;
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::load;
use crate::resource::Resource;
use crate::spec::Place;
use inflation::Inflation;

/// An item of `helmCharts`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Chart {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    pub(crate) repo: String,
    pub(crate) release_name: String,
    pub(crate) namespace: String,
    pub(crate) additional_values_files: Vec<String>,
    pub(crate) values_file: String,
    /// Null or a map.
    pub(crate) values_inline: Value,
    pub(crate) values_merge: String,
    pub(crate) include_crds: bool,
    pub(crate) skip_hooks: bool,
    pub(crate) api_versions: Vec<String>,
    pub(crate) kube_version: String,
    pub(crate) name_template: String,
    pub(crate) skip_tests: bool,
    pub(crate) debug: bool,
    pub(crate) devel: bool,
    /// As it was written, for kustomize's own message.
    pub(crate) config: Value,
    pub(crate) place: Place,
}

/// `helmGlobals`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Globals {
    pub(crate) chart_home: String,
    pub(crate) config_home: String,
}

/// The charts of a kustomization.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Charts {
    pub(crate) charts: Vec<Chart>,
    pub(crate) globals: Globals,
}

/// The resources of a chart of the `helmCharts` field.
pub(crate) fn inflate(root: &Root<'_, '_>, charts: &Charts, chart: &Chart) -> Result<Vec<Resource>> {
    let mut chart = chart.clone();
    if chart.namespace.is_empty() {
        chart.namespace.clone_from(&root.namespace.borrow());
    }
    check_enabled(root).map_err(|e| {
        let upstream = format!("{}: {}", trouble(&chart, &charts.globals), e.chain());
        e.worded(upstream)
    })?;
    run(root, chart, &charts.globals)
}

/// What kustomize says before an error in a chart's configuration.
fn trouble(chart: &Chart, globals: &Globals) -> String {
    let mut config = chart.config.clone();
    for (field, value) in [
        ("namespace", &chart.namespace),
        ("chartHome", &globals.chart_home),
        ("configHome", &globals.config_home),
    ] {
        if let (false, Some(config)) = (value.is_empty(), config.as_object_mut()) {
            config.insert(field.to_string(), Value::String(value.clone()));
        }
    }
    let config = yaml::to_string(&config);
    format!("trouble configuring builtin HelmChartInflationGenerator with config: `\n{config}`")
}

/// The resources of a chart, whose configuration may be a plugin's.
pub(crate) fn run(root: &Root<'_, '_>, chart: Chart, globals: &Globals) -> Result<Vec<Resource>> {
    check_enabled(root)?;
    check(&chart)?;
    let inflation = Inflation::new(root, chart, globals)?;
    inflation.check_version()?;
    inflation.pull_if_missing()?;
    let values = inflation.values()?;
    let output = inflation.helm(&inflation.template(&values))?;
    inflation.note_chart();
    let mut resources: Vec<Resource> = objects(&output.stdout)?.into_iter().map(Resource::new).collect();
    resources.iter_mut().for_each(|resource| resource.is_from_helm = true);
    Ok(resources)
}

fn check_enabled(root: &Root<'_, '_>) -> Result<()> {
    let helm = &root.session.options.helm;
    if !helm.enabled {
        return Err(Error::new("must specify --enable-helm")
            .hint("a chart is inflated by the program `helm`, which kustomize runs only when told to"));
    }
    if helm.command.is_empty() {
        return Err(Error::new("must specify --helm-command"));
    }
    Ok(())
}

fn check(chart: &Chart) -> Result<()> {
    if chart.name.is_empty() {
        return Err(Error::new("chart name cannot be empty"));
    }
    if !chart.digest.is_empty() && !chart.repo.starts_with("oci://") {
        return Err(Error::new(
            "digest is only supported for OCI repos (e.g. 'oci://my-registry.com/my-chart:latest')",
        ));
    }
    if !["", "merge", "override", "replace"].contains(&chart.values_merge.as_str()) {
        return Err(Error::new("valuesMerge must be one of [merge override replace]"));
    }
    Ok(())
}

/// What the program printed as objects. Before the first document there may be messages of it.
fn objects(stdout: &[u8]) -> Result<Vec<Value>> {
    let text = load::text(stdout.to_vec(), "helm template")?;
    let read = |text: &str| load::objects(Source { file: "helm template", text });
    match (read(&text), text.find("\n---\n")) {
        (Ok(objects), _) => Ok(objects),
        (Err(error), Some(at)) => read(&text[at..]).map_err(|_| error),
        (Err(error), None) => Err(error),
    }
    .map_err(|e| e.doing("could not parse bytes into resource map"))
}
