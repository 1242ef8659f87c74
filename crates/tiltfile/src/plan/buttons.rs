//! Buttons (`v1alpha1.ui_button`) with the commands that they start (`v1alpha1.cmd`): what `cmd_button` makes.

use super::{ApiObject, Command, Plan};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A button that starts at least one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    pub name: String,
    pub text: String,
    /// The resource that it stands at; `None`: it stands above all.
    pub resource: Option<String>,
    pub disabled: bool,
    pub inputs: Vec<Input>,
    pub commands: Vec<Command>,
}

/// What a command finds in its environment under `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub name: String,
    pub label: String,
    pub kind: InputKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputKind {
    Text { default: String },
    Bool { default: bool, yes: String, no: String },
    Choice { choices: Vec<String> },
    Hidden { value: String },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("the button {button} has no input {input:?}")]
    Unknown { button: String, input: String, known: Vec<String> },
    #[error("the input {input:?} cannot be {value:?}")]
    Value { input: String, value: String, choices: Vec<String> },
    #[error("the input {input:?} has its value from the Tiltfile")]
    Hidden { input: String },
}

impl InputError {
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { known, .. } if known.is_empty() => Some("it has no inputs".to_owned()),
            Self::Unknown { known, .. } => Some(format!("its inputs: {}", known.join(", "))),
            Self::Value { choices, .. } => Some(format!("it may be {}", choices.join(", "))),
            Self::Hidden { .. } => None,
        }
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Plan {
    /// Buttons that start something. Relative directories of their commands start at `base`.
    pub fn buttons(&self, base: &Path) -> Vec<Button> {
        let buttons = self.api_objects.iter().filter(|o| o.plural == "uibuttons");
        buttons.map(|o| self.button(o, base)).filter(|b| !b.commands.is_empty()).collect()
    }

    fn button(&self, object: &ApiObject, base: &Path) -> Button {
        let spec = &object.spec;
        let commands =
            self.api_objects.iter().filter(|o| o.plural == "cmds" && starters(o).contains(&object.name));
        let location = &spec["location"];
        let at_resource = location["component_type"].as_str() == Some("Resource");
        Button {
            name: object.name.clone(),
            text: text(spec, "text"),
            resource: at_resource.then(|| text(location, "component_id")).filter(|id| !id.is_empty()),
            disabled: spec["disabled"].as_bool().unwrap_or_default(),
            inputs: spec["inputs"].as_array().into_iter().flatten().map(input).collect(),
            commands: commands.map(|o| command(o, base)).collect(),
        }
    }

    /// Something acts on the object.
    pub(super) fn is_button_or_its_command(&self, object: &ApiObject) -> bool {
        let presses =
            |button: &str| self.api_objects.iter().any(|o| o.plural == "uibuttons" && o.name == button);
        match object.plural.as_str() {
            "uibuttons" => {
                self.api_objects.iter().any(|o| o.plural == "cmds" && starters(o).contains(&object.name))
            }
            "cmds" => starters(object).iter().any(|button| presses(button)),
            _ => false,
        }
    }
}

/// Names of the buttons that start or restart a command.
fn starters(object: &ApiObject) -> Vec<String> {
    let of = |field: &str| texts(&object.spec[field]["ui_buttons"]);
    of("start_on").into_iter().chain(of("restart_on")).collect()
}

fn command(object: &ApiObject, base: &Path) -> Command {
    let pair = |text: String| text.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
    Command {
        argv: texts(&object.spec["args"]),
        dir: base.join(PathBuf::from(text(&object.spec, "dir"))),
        env: texts(&object.spec["env"]).into_iter().filter_map(pair).collect(),
    }
}

fn input(spec: &Value) -> Input {
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let kind = if spec["bool"].is_object() {
        let spec = &spec["bool"];
        InputKind::Bool {
            default: spec["default_value"].as_bool().unwrap_or_default(),
            yes: or(text(spec, "true_string"), "true"),
            no: or(text(spec, "false_string"), "false"),
        }
    } else if spec["choice"].is_object() {
        InputKind::Choice { choices: texts(&spec["choice"]["choices"]) }
    } else if spec["hidden"].is_object() {
        InputKind::Hidden { value: text(&spec["hidden"], "value") }
    } else {
        InputKind::Text { default: text(&spec["text"], "default_value") }
    };
    Input { name: text(spec, "name"), label: text(spec, "label"), kind }
}

impl Button {
    /// The variables for its commands: what was given, and defaults.
    pub fn environment(&self, given: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, InputError> {
        let names: Vec<String> = self.inputs.iter().map(|i| i.name.clone()).collect();
        if let Some(input) = given.keys().find(|name| !names.contains(name)) {
            return Err(InputError::Unknown {
                button: self.name.clone(),
                input: input.clone(),
                known: names,
            });
        }
        let value = |input: &Input| Ok((input.name.clone(), input.value(given.get(&input.name))?));
        self.inputs.iter().map(value).collect()
    }
}

impl Input {
    fn value(&self, given: Option<&String>) -> Result<String, InputError> {
        let refused = |value: &str, choices: Vec<String>| {
            Err(InputError::Value { input: self.name.clone(), value: value.to_owned(), choices })
        };
        match (&self.kind, given) {
            (InputKind::Hidden { .. }, Some(_)) => Err(InputError::Hidden { input: self.name.clone() }),
            (InputKind::Hidden { value }, None) => Ok(value.clone()),
            (InputKind::Text { default }, given) => Ok(given.unwrap_or(default).clone()),
            (InputKind::Bool { default, yes, no }, given) => match given.map(String::as_str) {
                None => Ok(if *default { yes } else { no }.clone()),
                Some("true") => Ok(yes.clone()),
                Some("false") => Ok(no.clone()),
                Some(value) if value == yes || value == no => Ok(value.to_owned()),
                Some(value) => refused(value, vec!["true".to_owned(), "false".to_owned()]),
            },
            // as in Tilt, the first is the default
            (InputKind::Choice { choices }, None) => Ok(choices.first().cloned().unwrap_or_default()),
            (InputKind::Choice { choices }, Some(value)) if choices.contains(value) => Ok(value.clone()),
            (InputKind::Choice { choices }, Some(value)) => refused(value, choices.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(plural: &str, name: &str, spec: Value) -> ApiObject {
        let plural = plural.to_owned();
        ApiObject {
            plural,
            name: name.to_owned(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            spec,
        }
    }

    fn plan() -> Plan {
        let inputs = json!([
            {"name": "WHO", "text": {"default_value": "me"}},
            {"name": "FORCE", "bool": {"true_string": "--force"}},
            {"name": "ENV", "choice": {"choices": ["dev", "prod"]}},
            {"name": "KEY", "hidden": {"value": "k"}},
        ]);
        let location = json!({"component_type": "Resource", "component_id": "web"});
        Plan {
            api_objects: vec![
                object("uibuttons", "seed", json!({"text": "Seed", "location": location, "inputs": inputs})),
                object(
                    "cmds",
                    "btn-seed",
                    json!({"args": ["make", "seed"], "dir": "db", "env": ["A=b=c"], "start_on": {"ui_buttons": ["seed"]}}),
                ),
                object("uibuttons", "idle", json!({"text": "Idle"})),
                object("cmds", "plain", json!({"args": ["true"]})),
            ],
            ..Plan::default()
        }
    }

    #[test]
    fn buttons_and_what_nothing_acts_on() {
        let plan = plan();
        let buttons = plan.buttons(Path::new("/p"));
        let [seed] = buttons.as_slice() else { panic!("{buttons:?}") };
        assert_eq!(
            (seed.name.as_str(), seed.text.as_str(), seed.resource.as_deref()),
            ("seed", "Seed", Some("web"))
        );
        let command = Command {
            argv: vec!["make".to_owned(), "seed".to_owned()],
            dir: "/p/db".into(),
            env: vec![("A".to_owned(), "b=c".to_owned())],
        };
        assert_eq!(seed.commands, [command]);
        assert_eq!(
            plan.notes(),
            [
                "objects of v1alpha1 are kept, but nothing acts on them yet in Coracle: uibuttons/idle, cmds/plain"
            ]
        );
    }

    #[test]
    fn inputs() {
        let seed = plan().buttons(Path::new("/p")).remove(0);
        let ask = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            seed.environment(&given)
                .map(|pairs| pairs.into_iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" "))
                .map_err(|e| format!("{e} ({})", e.hint().unwrap_or_default()))
        };
        for (given, want) in [
            (&[][..], Ok("WHO=me FORCE=false ENV=dev KEY=k")),
            (&[("WHO", ""), ("FORCE", "true"), ("ENV", "prod")], Ok("WHO= FORCE=--force ENV=prod KEY=k")),
            (&[("FORCE", "--force")], Ok("WHO=me FORCE=--force ENV=dev KEY=k")),
            (&[("FORCE", "maybe")], Err("the input \"FORCE\" cannot be \"maybe\" (it may be true, false)")),
            (&[("ENV", "moon")], Err("the input \"ENV\" cannot be \"moon\" (it may be dev, prod)")),
            (&[("KEY", "x")], Err("the input \"KEY\" has its value from the Tiltfile ()")),
            (&[("NO", "x")], Err("the button seed has no input \"NO\" (its inputs: WHO, FORCE, ENV, KEY)")),
        ] {
            assert_eq!(ask(given), want.map(str::to_owned).map_err(str::to_owned), "{given:?}");
        }
    }
}
