//! Exec plugins: a program at `GROUP/VERSION/kind/Kind` below the folder for plugins. It gets its configuration in a file
//! and in variables, and the resources on stdin; it prints resources.

use serde_json::Value;
use yaml::{Duplicates, Keys, Options, Rules, Spanned};

use super::printed;
use crate::accumulate::Root;
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::outside::{self, Outside, Program};
use crate::resource::Resource;
use crate::{load, path};

/// What one string of an argument or variable may hold on Linux.
const MOST: usize = 131_071;

pub(super) struct ExecPlugin {
    pub(super) path: String,
    args: Vec<String>,
    config: String,
}

impl ExecPlugin {
    pub(super) fn find(root: &Root<'_, '_>, config: &Resource) -> Result<ExecPlugin> {
        let outside = outside::needed(root.session.outside, "a plugin that is a program")?;
        let gvk = config.gvk();
        let home = home(root, outside)?;
        let below = format!("{}/{}/{}/{}", gvk.group, gvk.version, gvk.kind.to_lowercase(), gvk.kind);
        let path = path::join(&home, below.trim_start_matches('/'));
        match outside.is_executable(&path) {
            Some(true) => {}
            Some(false) => {
                return Err(Error::new(format!("unexecutable plugin at: {path}")).hint("chmod +x it"));
            }
            None if outside.is_executable(&format!("{path}.so")).is_some() => {
                return Err(Error::new(format!(
                    "{path}.so is a Go plugin, which only the kustomize that was built with it can load"
                ))
                .hint("build it as a program: an exec plugin, or a KRM function"));
            }
            None => {
                return Err(Error::new(format!("there is no plugin at {path}"))
                    .worded(format!("expected file with Go object code at: {path}.so")));
            }
        }
        let config = printed(config);
        let args = args(root, &config)?;
        Ok(ExecPlugin { path, args, config })
    }

    /// The objects that it prints.
    pub(super) fn run(&self, root: &Root<'_, '_>, input: &[u8]) -> Result<Vec<Value>> {
        let outside = outside::needed(root.session.outside, "a plugin that is a program")?;
        let file = outside.scratch("kust-plugin-config", self.config.as_bytes())?;
        let mut env = Vec::new();
        for (name, value) in [
            ("KUSTOMIZE_PLUGIN_CONFIG_STRING", &self.config),
            ("KUSTOMIZE_PLUGIN_CONFIG_ROOT", &root.canonical),
        ] {
            if name.len() + 1 + value.len() <= MOST {
                env.push((name.to_string(), value.clone()));
            } else {
                root.session.warn([format!(
                    "# Warning: {name} exceeds hard limit of {MOST} characters, the environment variable will be omitted"
                )]);
            }
        }
        let program = Program {
            program: self.path.clone(),
            args: [file.clone()].into_iter().chain(self.args.iter().cloned()).collect(),
            env,
            dir: Some(root.canonical.clone()),
            stdin: input.to_vec(),
            timeout: None,
        };
        let output = outside.run(&program)?;
        if output.code != 0 {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let message = format!("the plugin {} failed: {}", self.path, said.trim());
            return Err(Error::new(message).worded(format!(
                "{said}: failure in plugin configured via {file}; exit status {}",
                output.code
            )));
        }
        let text = load::text(output.stdout, &self.path)?;
        load::objects(Source { file: &self.path, text: &text })
    }
}

/// The folder for plugins: the first of its places that is there.
fn home(root: &Root<'_, '_>, outside: &dyn Outside) -> Result<String> {
    let set = |name: &str| outside.variable(name).filter(|value| !value.is_empty());
    let user = set("HOME").unwrap_or_else(|| "~".to_string());
    let places = [
        (set("KUSTOMIZE_PLUGIN_HOME"), "homed in $KUSTOMIZE_PLUGIN_HOME"),
        (set("XDG_CONFIG_HOME").map(|dir| format!("{dir}/kustomize/plugin")), "homed in $XDG_CONFIG_HOME"),
        (Some(format!("{user}/.config/kustomize/plugin")), "homed in default value of $XDG_CONFIG_HOME"),
        (Some(format!("{user}/kustomize/plugin")), "homed in home directory"),
    ];
    let found = places.iter().filter_map(|(dir, _)| dir.as_ref()).find(|dir| root.session.files.is_dir(dir));
    found.cloned().ok_or_else(|| {
        let tried: Vec<String> = places
            .iter()
            .map(|(dir, note)| format!("('{}'; {note})", dir.as_deref().unwrap_or("<no value>")))
            .collect();
        Error::new(format!("unable to find plugin root - tried: {}", tried.join(", ")))
            .hint("a program without a place of its own is a KRM function: annotate its configuration with config.kubernetes.io/function")
    })
}

/// Arguments that the configuration asks for, for programs that do not read YAML.
fn args(root: &Root<'_, '_>, config: &str) -> Result<Vec<String>> {
    let options = Options { rules: Rules::Sigs, duplicates: Duplicates::LastWins, keys: Keys::ToText };
    let documents = yaml::parse_spanned_with(config, &options)?;
    let field = |name: &str| {
        let value = documents.first().and_then(|document| document.get(name)).and_then(Spanned::as_str);
        value.filter(|value| !value.is_empty())
    };
    let mut args = Vec::new();
    if let Some(line) = field("argsOneLiner") {
        args = shlex::split(line).ok_or_else(|| {
            Error::new(format!("failed to split argsOneLiner: a quote is not closed in {line}"))
        })?;
    }
    if let Some(file) = field("argsFromFile") {
        let (_, text) = root.load_text(file)?;
        let lines = text.split('\n').map(|line| line.trim_start_matches(' ')).filter(|line| !line.is_empty());
        args.extend(lines.map(str::to_string));
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use std::path::Path;

    #[test]
    fn words_of_a_line() {
        let split = |line| shlex::split(line);
        assert_eq!(split("one \"two three\" # four").unwrap(), ["one", "two three"]);
        assert_eq!(split("a'b c'd \\\" x#y").unwrap(), ["ab cd", "\"", "x#y"]);
        assert_eq!(split("'open"), None);
    }

    /// Upstream's own table, where the folder exists.
    #[test]
    fn corpus() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/conformance/kustomize/units/api_internal_plugins_execplugin.json");
        let Ok(text) = std::fs::read_to_string(&file) else {
            println!("skipped: no conformance corpus at {}", file.display());
            return;
        };
        let tables: Value = serde_json::from_str(&text).unwrap();
        for row in tables[0]["rows"].as_array().unwrap() {
            let row = &row["row"];
            let expected = row["expected"]
                .as_array()
                .map(|words| words.iter().map(|word| word.as_str().unwrap().to_string()).collect::<Vec<_>>());
            assert_eq!(shlex::split(row["input"].as_str().unwrap()), expected, "{row}");
        }
    }
}
