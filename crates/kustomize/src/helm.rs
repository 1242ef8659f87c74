//! Helm charts, inflated by a `helm` program.
//!
//! The program is called as kustomize calls it: its version is asked for, a chart that is not there is pulled beside the
//! kustomization, values are put together in a scratch file, and what `helm template` prints becomes resources. The
//! namespace transformer leaves those alone, since charts place their objects themselves.

pub(crate) mod read;

use serde_json::{Map, Value};

use crate::accumulate::Root;
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::load::RESOURCE_YAML;
use crate::merge::BareNulls;
use crate::outside::{self, Output, Outside, OutsideError, Program};
use crate::resource::Resource;
use crate::schema::Schema;
use crate::spec::Place;
use crate::{load, merge, path};

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

struct Inflation<'r, 's, 'f> {
    root: &'r Root<'s, 'f>,
    outside: &'f dyn Outside,
    chart: Chart,
    /// Where the chart's directory lies.
    home: String,
    /// The chart was or will be put into a scratch directory.
    is_scratch: bool,
    config_home: String,
}

impl<'r, 's, 'f> Inflation<'r, 's, 'f> {
    fn new(root: &'r Root<'s, 'f>, mut chart: Chart, globals: &Globals) -> Result<Self> {
        let outside = outside::needed(root.session.outside, "the program `helm`")?;
        let helm = &root.session.options.helm;
        // what the chart says has precedence over the command line
        if chart.kube_version.is_empty() {
            chart.kube_version.clone_from(&helm.kube_version);
        }
        if chart.api_versions.is_empty() {
            chart.api_versions.clone_from(&helm.api_versions);
        }
        chart.debug |= helm.debug;
        let scratch = |name: &str| -> Result<String> { Ok(path::join(&outside.scratch(name, b"")?, "..")) };
        let named = if globals.chart_home.is_empty() { "charts" } else { &globals.chart_home };
        let mut home = path::join(&root.canonical, named);
        let versioned = !chart.version.is_empty() && !chart.repo.is_empty();
        let subdir = format!("{}-{}", chart.name, chart.version);
        if versioned {
            home = path::join(&home, &subdir);
        }
        // a clone is shared between builds: nothing is pulled into it
        let is_scratch =
            root.clone_of().is_some() && !root.session.files.is_dir(&path::join(&home, &chart.name));
        if is_scratch {
            home = scratch("charts")?;
        }
        let config_home = match globals.config_home.as_str() {
            "" => path::join(&scratch("config")?, "helm"),
            given => given.to_string(),
        };
        Ok(Inflation { root, outside, chart, home, is_scratch, config_home })
    }

    fn chart_dir(&self) -> String {
        path::join(&self.home, &self.chart.name)
    }

    fn helm(&self, args: &[String]) -> Result<Output> {
        let command = &self.root.session.options.helm.command;
        let home = &self.config_home;
        let env = [
            ("HELM_CONFIG_HOME", home.clone()),
            ("HELM_CACHE_HOME", format!("{home}/.cache")),
            ("HELM_DATA_HOME", format!("{home}/.data")),
        ];
        let program = Program {
            program: command.clone(),
            args: args.to_vec(),
            env: env.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
            ..Program::default()
        };
        let set: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let failed = format!(
            "unable to run: '{}' with env=[{}] (is '{command}' installed?)",
            program.command_line(),
            set.join(" ")
        );
        let output = self.outside.run(&program).map_err(|e| not_run(&e, &failed))?;
        if output.code == 0 {
            return Ok(output);
        }
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let said = if args.iter().any(|arg| arg == "--debug") {
            format!(" Helm stack trace:\n{stderr}\nHelm template:\n{stdout}\n")
        } else {
            stderr.into_owned()
        };
        Err(Error::new(format!("helm fails for the chart {}: {}", self.chart.name, said.trim()))
            .worded(format!("{said}: {failed}: exit status {}", output.code)))
    }

    fn check_version(&self) -> Result<()> {
        let output = self.helm(&["version".to_string(), "--short".to_string()])?;
        let text = String::from_utf8_lossy(&output.stdout);
        let pattern = regex::Regex::new(r"v?([0-9]+(?:\.[0-9]+)+)").expect("it is a pattern");
        let Some(version) = pattern.captures(&text).map(|found| found[1].to_string()) else {
            return Err(Error::new(format!("cannot find version string in {text}")));
        };
        match version.split('.').next() {
            Some("3" | "4") => Ok(()),
            _ => Err(Error::new(format!("this plugin requires helm V3 or V4 but got v{version}"))
                .hint("name another helm with --helm-command")),
        }
    }

    fn pull_if_missing(&self) -> Result<()> {
        let dir = self.chart_dir();
        if self.root.session.files.is_dir(&dir) {
            return Ok(());
        }
        if self.chart.repo.is_empty() {
            return Err(Error::new(format!("no repo specified for pull, no chart found at '{dir}'"))
                .hint("give the chart a repo, or helmGlobals a chartHome that holds it"));
        }
        self.helm(&self.pull()).map(|_| ())
    }

    fn pull(&self) -> Vec<String> {
        let chart = &self.chart;
        let mut args = words(["pull", "--untar", "--untardir", &self.home]);
        if chart.repo.starts_with("oci://") {
            let digest = if chart.digest.is_empty() { String::new() } else { format!("@{}", chart.digest) };
            args.push(format!(
                "{}/{}{digest}",
                chart.repo.strip_suffix('/').unwrap_or(&chart.repo),
                chart.name
            ));
        } else {
            args.extend(words(["--repo", &chart.repo, &chart.name]));
        }
        if !chart.version.is_empty() {
            args.extend(words(["--version", &chart.version]));
        }
        args.extend(chart.devel.then(|| "--devel".to_string()));
        args
    }

    fn template(&self, values: &[String]) -> Vec<String> {
        let chart = &self.chart;
        let release = if chart.release_name.is_empty() { "--generate-name" } else { &chart.release_name };
        let mut args = words(["template", release, &self.chart_dir()]);
        let mut option = |flag: &str, value: &str| {
            if !value.is_empty() {
                args.extend(words([flag, value]));
            }
        };
        option("--namespace", &chart.namespace);
        option("--name-template", &chart.name_template);
        values.iter().for_each(|file| option("-f", file));
        chart.api_versions.iter().for_each(|version| option("--api-versions", version));
        option("--kube-version", &chart.kube_version);
        for (set, flag) in [
            (chart.include_crds, "--include-crds"),
            (chart.skip_tests, "--skip-tests"),
            (chart.skip_hooks, "--no-hooks"),
            (chart.debug, "--debug"),
            (chart.devel, "--devel"),
        ] {
            args.extend(set.then(|| flag.to_string()));
        }
        args
    }

    /// The files of values for the program: first a scratch file with the chart's or the named file's values and the
    /// inline ones, then the additional files.
    fn values(&self) -> Result<Vec<String>> {
        let chart = &self.chart;
        let (file, text) = self.base_values()?;
        let has_inline = chart.values_inline.as_object().is_some_and(|values| !values.is_empty());
        let text = match chart.values_merge.as_str() {
            _ if !has_inline => text,
            "replace" => yaml::to_string(&chart.values_inline),
            "merge" => self.merged(&chart.values_inline, &values_of(&file, &text)?)?,
            _ => self.merged(&values_of(&file, &text)?, &chart.values_inline)?,
        };
        let name = format!("{}-kustomize-values.yaml", chart.name.replace('/', "-"));
        let mut files = vec![self.outside.scratch(&name, text.as_bytes())?];
        for name in &chart.additional_values_files {
            let (file, bytes) =
                self.root.load(name).map_err(|e| e.doing("could not load additionalValuesFile"))?;
            files.push(match file.contains("://") {
                true => self.outside.scratch("values.yaml", &bytes)?,
                false => path::join(&self.root.canonical, name),
            });
        }
        Ok(files)
    }

    /// The text of some values with others over them, put together as strategic merges are.
    fn merged(&self, under: &Value, over: &Value) -> Result<String> {
        let schema = Schema { types: self.root.types(), definition: None };
        let values = merge::merge_object(schema, under.clone(), over, &BareNulls::new())?;
        Ok(yaml::to_string(&values.unwrap_or_else(|| Value::Object(Map::default()))))
    }

    fn base_values(&self) -> Result<(String, String)> {
        if !self.chart.values_file.is_empty() {
            return self.root.load_text(&self.chart.values_file);
        }
        let file = path::join(&self.chart_dir(), "values.yaml");
        if self.is_scratch {
            let text = load::text(self.root.session.files.read(&file)?, &file)?;
            return Ok((file, text));
        }
        if !self.root.session.files.exists(&file) {
            // a chart need not have default values
            return Ok((file, String::new()));
        }
        self.root.load_text(&file)
    }

    /// A chart in the project is a part of it, and is watched.
    fn note_chart(&self) {
        const MOST: usize = 5000;
        if !self.chart.repo.is_empty() || self.is_scratch {
            return;
        }
        let mut dirs = vec![self.chart_dir()];
        let mut count = 0;
        while let Some(dir) = dirs.pop() {
            for name in self.root.session.files.list(&dir).unwrap_or_default() {
                let file = path::join(&dir, &name);
                count += 1;
                match self.root.session.files.is_dir(&file) {
                    _ if count > MOST => return,
                    true => dirs.push(file),
                    false => self.root.note(&file),
                }
            }
        }
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn not_run(error: &OutsideError, failed: &str) -> Error {
    match error {
        OutsideError::NoProgram { program } => {
            Error::new(format!("the program `{program}`, which inflates Helm charts, is not there"))
                .hint("install Helm 3 or 4 from helm.sh, or say with --helm-command where it is; without it, name the output of helm template in resources")
                .worded(format!("{failed}: exec: \"{program}\": executable file not found in $PATH"))
        }
        other => Error::new(other.to_string()).worded(format!("{failed}: {other}")),
    }
}

/// The values in a file; an empty file has none.
fn values_of(file: &str, text: &str) -> Result<Value> {
    let documents =
        yaml::parse_documents_with(text, &RESOURCE_YAML).map_err(|e| Error::from(e.in_file(file)))?;
    Ok(documents
        .into_iter()
        .next()
        .filter(|values| !values.is_null())
        .unwrap_or_else(|| Value::Object(Map::default())))
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
