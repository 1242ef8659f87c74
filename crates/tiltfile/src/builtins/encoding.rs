//! JSON and YAML to values and back.

use crate::call::{Call, Failure, Result, absolute, fail, type_name};
use crate::env::io_text;
use crate::manifest;
use crate::text::go_json;
use crate::values::{Blob, from_json, to_json};
use serde_json::Value as Json;
use starlark::values::Value;
use starlark::values::list::{AllocList, ListRef};
use std::path::Path;

/// What a file holds: its text, or what stands in for a file that is missing.
enum Content<'v> {
    Text(String),
    Default(Value<'v>),
}

fn read<'v>(call: &Call<'v, '_, '_, '_>, path: &Path, default: Option<Value<'v>>) -> Result<Content<'v>> {
    match (call.env().read(path), default) {
        (Ok(text), _) => Ok(Content::Text(text)),
        (Err(e), Some(default)) if e.kind() == std::io::ErrorKind::NotFound => Ok(Content::Default(default)),
        (Err(e), _) => Err(Failure::new(io_text("open", path, &e))),
    }
}

pub(crate) fn read_json<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let path = args.required_path("paths")?;
    match read(call, &path, args.get("default"))? {
        Content::Text(text) => json(call, &format!(" from {}", path.display()), &text),
        Content::Default(default) => Ok(default),
    }
}

pub(crate) fn decode_json<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let text = call.args()?.stringable("json")?;
    json(call, "", &text)
}

/// The first JSON value of a text, as Go's decoder finds it.
fn json<'v>(call: &Call<'v, '_, '_, '_>, from: &str, text: &str) -> Result<Value<'v>> {
    let failed = |e: String| Failure::new(format!("error parsing JSON{from}: {e}"));
    let (value, rest) = go_json::decode(text).map_err(failed)?;
    // what closes something that is not open goes unnoticed in Tilt
    match rest.trim_start_matches([' ', '\t', '\r', '\n']).chars().next() {
        None | Some(']' | '}') => Ok(from_json(call.heap(), &value)),
        Some(_) => Err(failed("found multiple JSON values".to_owned())),
    }
}

pub(crate) fn encode_json<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let value = to_json(args.get("obj").expect("it is required"))
        .map_err(|e| Failure::new(format!("error converting object from starlark: {e}")))?;
    let text = serde_json::to_string_pretty(&sorted(value)).expect("a JSON value can be written");
    Ok(call.alloc(text + "\n"))
}

/// The text of the file in `paths`, its place in errors, and the default for a file that is missing.
fn read_yaml_file<'v>(
    call: &Call<'v, '_, '_, '_>,
    is_stream: bool,
) -> Result<std::result::Result<(String, String), Value<'v>>> {
    let args = call.args()?;
    let written = args.text("paths")?;
    let default = args.get("default");
    if let Some(default) = default.filter(|d| is_stream && type_name(*d) != "list") {
        return Err(args.wrong("default", format_args!("got {}, want list", type_name(default))));
    }
    Ok(match read(call, &absolute(&args.dir, &written), default)? {
        Content::Text(text) => Ok((format!(" from {written}"), text)),
        Content::Default(default) => Err(default),
    })
}

pub(crate) fn read_yaml<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    match read_yaml_file(call, false)? {
        Ok((from, text)) => one_document(call, &from, &text),
        Err(default) => Ok(default),
    }
}

pub(crate) fn read_yaml_stream<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    match read_yaml_file(call, true)? {
        Ok((from, text)) => documents(call, &from, &text),
        Err(default) => Ok(default),
    }
}

pub(crate) fn decode_yaml<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let text = call.args()?.stringable("yaml")?;
    one_document(call, "", &text)
}

pub(crate) fn decode_yaml_stream<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let text = call.args()?.stringable("yaml")?;
    documents(call, "", &text)
}

/// Documents with something in them.
fn parse(from: &str, text: &str) -> Result<Vec<Json>> {
    let parsed = manifest::parse_stream(text);
    let mut documents = parsed.map_err(|e| Failure {
        message: format!("error parsing YAML{from}: {}", e.message),
        hint: e.hint,
        ..Failure::default()
    })?;
    documents.retain(|d| !d.is_null());
    Ok(documents)
}

fn one_document<'v>(call: &Call<'v, '_, '_, '_>, from: &str, text: &str) -> Result<Value<'v>> {
    let mut documents = parse(from, text)?;
    if documents.len() > 1 {
        fail!(
            "expected a yaml document but found a yaml stream (documents separated by `---`). use decode_yaml_stream instead to decode a yaml stream"
        );
    }
    match documents.pop() {
        Some(document) => Ok(from_json(call.heap(), &document)),
        None => call.none(),
    }
}

fn documents<'v>(call: &Call<'v, '_, '_, '_>, from: &str, text: &str) -> Result<Value<'v>> {
    let heap = call.heap();
    let documents = parse(from, text)?;
    Ok(call.alloc(AllocList(documents.iter().map(|d| from_json(heap, d)))))
}

pub(crate) fn encode_yaml<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let value = to_json(args.get("obj").expect("it is required"))
        .map_err(|e| Failure::new(format!("error converting object from starlark: {e}")))?;
    Ok(call.alloc(Blob { text: manifest::emit(&value).into(), source: "encode_yaml".to_owned() }))
}

pub(crate) fn encode_yaml_stream<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let list = args.get("objs").expect("it is required");
    let Some(items) = ListRef::from_value(list) else {
        return Err(args.wrong("objs", format_args!("got {}, want list", type_name(list))));
    };
    let mut texts = Vec::new();
    for item in items.content().iter().copied() {
        let value =
            to_json(item).map_err(|e| Failure::new(format!("error converting object from starlark: {e}")))?;
        texts.push(manifest::emit(&value));
    }
    Ok(call.alloc(Blob { text: texts.join("---\n").into(), source: "encode_yaml_stream".to_owned() }))
}

/// Keys in order, as Go writes them.
fn sorted(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut entries: Vec<(String, Json)> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(entries.into_iter().collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
