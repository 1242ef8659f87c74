//! `config.*`: settings that a Tiltfile takes from the command line and from `tilt_config.json`.

use crate::call::{Call, Failure, Result, fail};
use crate::env::Env;
use crate::values;
use serde_json::{Map, Value as Json};
use starlark::values::Value;
use std::path::PathBuf;

#[derive(Debug, Default)]
pub(crate) struct ConfigState {
    definitions: Vec<Definition>,
    pub(crate) parsed_in: Option<PathBuf>,
    /// `config.set_enabled_resources`, or cleared.
    pub(crate) enabled: Option<Vec<String>>,
    pub(crate) cleared: bool,
}

#[derive(Debug, Clone)]
struct Definition {
    name: String,
    kind: Kind,
    positional: bool,
    usage: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    StringList,
    String,
    Bool,
    Object,
}

pub(crate) fn define_string_list<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    define(call, Kind::StringList)
}

pub(crate) fn define_string<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    define(call, Kind::String)
}

pub(crate) fn define_bool<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    define(call, Kind::Bool)
}

pub(crate) fn define_object<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    define(call, Kind::Object)
}

fn define<'v>(call: &mut Call<'v, '_, '_, '_>, kind: Kind) -> Result<Value<'v>> {
    let args = call.args()?;
    let (name, positional, usage) = (args.text("name")?, args.boolean("args", false)?, args.text("usage")?);
    if name.is_empty() {
        fail!("'name' is required");
    }
    let mut reg = call.env().reg_mut();
    if reg.config.parsed_in.is_some() {
        fail!("{} cannot be called after config.parse is called", call.name);
    }
    if reg.config.definitions.iter().any(|d| d.name == name) {
        fail!("{name} defined multiple times");
    }
    if let Some(other) = reg.config.definitions.iter().find(|d| d.positional).filter(|_| positional) {
        fail!("both {} and {name} are defined as positional args", other.name);
    }
    reg.config.definitions.push(Definition { name, kind, positional, usage });
    drop(reg);
    call.none()
}

pub(crate) fn parse<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    let env = call.env();
    let here = env.dir();
    if let Some(before) = env.reg().config.parsed_in.clone().filter(|before| *before != here) {
        fail!(
            "config.parse can only be called from one Tiltfile working directory per run. It was called from {} and {}",
            before.display(),
            here.display()
        );
    }
    env.reg_mut().config.parsed_in = Some(here.clone());
    let definitions = env.reg().config.definitions.clone();
    let path = here.join("tilt_config.json");
    env.reads(&path);
    let mut settings = Map::new();
    if env.host.kind(&path).is_some() {
        let text = env.read(&path).map_err(|e| Failure::new(crate::env::io_text("open", &path, &e)))?;
        from_file(&definitions, &path.display().to_string(), &text, &mut settings)?;
    }
    from_args(&definitions, &env.settings.args, &mut settings)?;
    Ok(values::from_json(call.heap(), &Json::Object(settings)))
}

fn from_file(definitions: &[Definition], path: &str, text: &str, out: &mut Map<String, Json>) -> Result<()> {
    let Ok(Json::Object(read)) = serde_json::from_str::<Json>(text) else {
        fail!("{path} is not a JSON object of settings");
    };
    for (name, value) in read {
        let Some(definition) = definitions.iter().find(|d| d.name == name) else {
            fail!("{path} specified unknown setting name '{name}'");
        };
        let found = go_type(&value);
        let fits = match definition.kind {
            Kind::StringList => match &value {
                Json::Array(items) => {
                    if let Some(bad) = items.iter().find(|i| !i.is_string()) {
                        fail!(
                            "{path} specified invalid value for setting {name}: expected string, got {}",
                            go_type(bad)
                        );
                    }
                    true
                }
                _ => {
                    fail!("{path} specified invalid value for setting {name}: expected array, found {found}")
                }
            },
            Kind::String => value.is_string(),
            Kind::Bool => value.is_boolean(),
            Kind::Object => true,
        };
        if !fits {
            let (want, verb) =
                if definition.kind == Kind::Bool { ("bool", "found") } else { ("string", "found") };
            fail!("{path} specified invalid value for setting {name}: expected {want}, {verb} {found}");
        }
        out.insert(name, value);
    }
    Ok(())
}

fn go_type(value: &Json) -> &'static str {
    match value {
        Json::Null => "<nil>",
        Json::Bool(_) => "bool",
        Json::Number(_) => "float64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    }
}

fn from_args(definitions: &[Definition], args: &[String], out: &mut Map<String, Json>) -> Result<()> {
    let mut given: Map<String, Json> = Map::new();
    let mut positional: Vec<String> = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            positional.extend(rest.by_ref().cloned());
            break;
        }
        let Some(flag) = arg.strip_prefix("--") else {
            if arg.starts_with('-') && arg.len() > 1 {
                let letter = arg.chars().nth(1).unwrap_or_default();
                return Err(bad_args(definitions, &format!("unknown shorthand flag: '{letter}' in {arg}")));
            }
            positional.push(arg.clone());
            continue;
        };
        let (name, inline) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let Some(definition) = definitions.iter().find(|d| d.name == name && !d.positional) else {
            return Err(bad_args(definitions, &format!("unknown flag: --{name}")));
        };
        let value = match (inline, definition.kind) {
            (Some(value), _) => value,
            (None, Kind::Bool) => "true".to_owned(),
            (None, _) => match rest.next() {
                Some(value) => value.clone(),
                None => return Err(bad_args(definitions, &format!("flag needs an argument: --{name}"))),
            },
        };
        add(definitions, definition, value, &mut given)?;
    }
    if !positional.is_empty() {
        let Some(definition) = definitions.iter().find(|d| d.positional) else {
            fail!(
                "positional CLI args (\"{}\") were specified, but none were expected.\nSee https://docs.tilt.dev/tiltfile_config.html#positional-arguments for examples.",
                positional.join(" ")
            );
        };
        for value in positional {
            add(definitions, definition, value, &mut given)?;
        }
    }
    out.extend(given);
    Ok(())
}

fn add(
    definitions: &[Definition],
    definition: &Definition,
    value: String,
    out: &mut Map<String, Json>,
) -> Result<()> {
    let name = &definition.name;
    let bad = |what: String| {
        bad_args(definitions, &format!("invalid argument {value:?} for \"--{name}\" flag: {what}"))
    };
    match definition.kind {
        Kind::StringList => match out.entry(name.clone()).or_insert_with(|| Json::Array(Vec::new())) {
            Json::Array(items) => items.push(Json::String(value)),
            other => *other = Json::Array(vec![Json::String(value)]),
        },
        Kind::String => {
            if out.contains_key(name) {
                return Err(bad("string settings can only be specified once".to_owned()));
            }
            out.insert(name.clone(), Json::String(value));
        }
        Kind::Bool => {
            let parsed = match value.as_str() {
                "1" | "t" | "T" | "TRUE" | "true" | "True" => true,
                "0" | "f" | "F" | "FALSE" | "false" | "False" => false,
                _ => return Err(bad(format!("strconv.ParseBool: parsing {value:?}: invalid syntax"))),
            };
            if out.contains_key(name) {
                return Err(bad("bool settings can only be specified once".to_owned()));
            }
            out.insert(name.clone(), Json::Bool(parsed));
        }
        Kind::Object => {
            let parsed: Json = serde_json::from_str(&value).map_err(|e| bad(e.to_string()))?;
            out.insert(name.clone(), parsed);
        }
    }
    Ok(())
}

fn bad_args(definitions: &[Definition], what: &str) -> Failure {
    let mut sorted: Vec<&Definition> = definitions.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut usage = String::from("Usage:\n");
    for definition in sorted {
        let value = match definition.kind {
            Kind::Bool => "",
            Kind::StringList => " list[string]",
            Kind::String => " string",
            Kind::Object => " object",
        };
        usage.push_str(&format!("      --{}{value}   {}\n", definition.name, definition.usage));
    }
    Failure::new(format!("invalid Tiltfile config args: {what}\n{usage}"))
}

pub(crate) fn set_enabled_resources<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let names = args.string_list("resources")?;
    call.env().reg_mut().config.enabled = Some(names);
    call.none()
}

pub(crate) fn clear_enabled_resources<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    call.env().reg_mut().config.cleared = true;
    call.none()
}

/// Names of resources that the user asked for; empty: all.
pub(crate) fn requested(env: &Env<'_>) -> Vec<String> {
    let reg = env.reg();
    match (&reg.config.enabled, reg.config.parsed_in.is_some()) {
        (Some(names), _) => names.clone(),
        (None, true) => Vec::new(),
        (None, false) => env.settings.args.iter().filter(|a| !a.starts_with('-')).cloned().collect(),
    }
}
