//! What is asked of the `helm` program for one chart, argument by argument as kustomize does.

use serde_json::{Map, Value};

use super::{Chart, Globals};
use crate::accumulate::Root;
use crate::error::{Error, Result};
use crate::load::RESOURCE_YAML;
use crate::merge::BareNulls;
use crate::outside::{self, Output, Outside, OutsideError, Program};
use crate::schema::Schema;
use crate::{load, merge, path};

/// One chart on its way through the program.
pub(super) struct Inflation<'r, 's, 'f> {
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
    pub(super) fn new(root: &'r Root<'s, 'f>, mut chart: Chart, globals: &Globals) -> Result<Self> {
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

    pub(super) fn helm(&self, args: &[String]) -> Result<Output> {
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

    pub(super) fn check_version(&self) -> Result<()> {
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

    pub(super) fn pull_if_missing(&self) -> Result<()> {
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

    pub(super) fn template(&self, values: &[String]) -> Vec<String> {
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
    pub(super) fn values(&self) -> Result<Vec<String>> {
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
    pub(super) fn note_chart(&self) {
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
