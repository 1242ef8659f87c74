//! `config.*`: settings that a Tiltfile takes from the command line and from `tilt_config.json`.

mod flags;

use crate::call::{Call, Failure, Result, fail};
use crate::env::{Env, io_text};
use crate::text::go_json;
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
        fail!("both {name} and {} are defined as positional args", other.name);
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
        let text = env.read(&path).map_err(|e| {
            Failure::new(format!("error opening {}: {}", path.display(), io_text("open", &path, &e)))
        })?;
        settings = from_file(&definitions, &path.display().to_string(), &text)?;
    }
    let given = flags::parse(&definitions, &env.settings.args)
        .map_err(|e| Failure::new(format!("invalid Tiltfile config args: {e}")))?;
    settings.extend(given);
    Ok(values::from_json(call.heap(), &Json::Object(settings)))
}

fn from_file(definitions: &[Definition], path: &str, text: &str) -> Result<Map<String, Json>> {
    let unread = |e: String| Failure::new(format!("error parsing json from {path}: {e}"));
    let read = match go_json::decode(text).map_err(unread)? {
        (Json::Object(read), _) => read,
        (Json::Null, _) => Map::new(),
        (other, _) => {
            let kind = match go_json::go_type(&other) {
                "[]interface {}" => "array",
                "float64" => "number",
                kind => kind,
            };
            return Err(unread(format!(
                "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
            )));
        }
    };
    let mut settings = Map::new();
    for (name, value) in read {
        let Some(definition) = definitions.iter().find(|d| d.name == name) else {
            fail!("{path} specified unknown setting name '{name}'");
        };
        let value = setting(definition.kind, value)
            .map_err(|e| Failure::new(format!("{path} specified invalid value for setting {name}: {e}")))?;
        settings.insert(name, value);
    }
    Ok(settings)
}

/// What the file says of a setting; `null` is the empty value of its type.
fn setting(kind: Kind, value: Json) -> std::result::Result<Json, String> {
    let found = go_json::go_type(&value);
    match (kind, value) {
        (Kind::StringList, Json::Null) => Ok(Json::Array(Vec::new())),
        (Kind::String, Json::Null) => Ok("".into()),
        (Kind::Bool, Json::Null) => Ok(false.into()),
        (Kind::StringList, Json::Array(items)) => match items.iter().find(|i| !i.is_string()) {
            Some(bad) => Err(format!("expected string, got {}", go_json::go_type(bad))),
            None => Ok(Json::Array(items)),
        },
        (Kind::StringList, _) => Err("expected array".to_owned()),
        (Kind::String, value) if !value.is_string() => Err(format!("expected string, found {found}")),
        (Kind::Bool, value) if !value.is_boolean() => Err(format!("expected bool, found {found}")),
        (_, value) => Ok(value),
    }
}

pub(crate) fn set_enabled_resources<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let what = format_args!("resources must be a list of string");
    let names = args.strings_in_sequence("resources", what)?;
    let mut reg = call.env().reg_mut();
    reg.config.cleared = false;
    // an empty list is as none at all
    reg.config.enabled = (!names.is_empty()).then_some(names);
    drop(reg);
    call.none()
}

pub(crate) fn clear_enabled_resources<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    let mut reg = call.env().reg_mut();
    reg.config.cleared = true;
    reg.config.enabled = None;
    drop(reg);
    call.none()
}

/// Names of resources that the user asked for; empty: all.
pub(crate) fn requested(env: &Env<'_>) -> Vec<String> {
    let reg = env.reg();
    match (&reg.config.enabled, reg.config.parsed_in.is_some()) {
        (Some(names), _) => names.clone(),
        (None, true) => Vec::new(),
        (None, false) => env.settings.args.clone(),
    }
}
