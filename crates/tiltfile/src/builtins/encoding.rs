//! JSON and YAML to values and back.

use crate::call::{Call, Failure, Result, fail};
use crate::env::io_text;
use crate::manifest;
use crate::values::{Blob, from_json, iterable, to_json};
use serde_json::Value as Json;
use starlark::values::Value;
use starlark::values::list::AllocList;

/// The text of the file in `paths`, or `None` if it is missing and there is a default.
fn read<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<(String, Option<String>, Option<Value<'v>>)> {
    let args = call.args()?;
    let path = args.path("paths")?.ok_or_else(|| Failure::new("paths must be given"))?;
    let default = args.get("default");
    match call.env().read(&path) {
        Ok(text) => Ok((path.display().to_string(), Some(text), default)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && default.is_some() => {
            Ok((path.display().to_string(), None, default))
        }
        Err(e) => Err(Failure::new(io_text("open", &path, &e))),
    }
}

fn input(call: &mut Call<'_, '_, '_, '_>, name: &'static str) -> Result<(String, String)> {
    let args = call.args()?;
    let value = args.get(name).expect("it is required");
    let source = match Blob::from_value(value) {
        Some(blob) => blob.source.clone(),
        None => call.name.to_owned(),
    };
    Ok((source, args.stringable(name)?))
}

pub(crate) fn read_json<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    match read(call)? {
        (source, Some(text), _) => json(call, &source, &text),
        (_, None, Some(default)) => Ok(default),
        (_, None, None) => call.none(),
    }
}

pub(crate) fn decode_json<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let (source, text) = input(call, "json")?;
    json(call, &source, &text)
}

fn json<'v>(call: &Call<'v, '_, '_, '_>, source: &str, text: &str) -> Result<Value<'v>> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Json>();
    let value = match stream.next() {
        None => fail!("error parsing JSON from {source}: EOF"),
        Some(Err(e)) => fail!("error parsing JSON from {source}: {}", json_text(&e)),
        Some(Ok(value)) => value,
    };
    match stream.next() {
        None => Ok(from_json(call.heap(), &value)),
        Some(Ok(_)) => fail!("error parsing JSON from {source}: found multiple JSON values"),
        Some(Err(e)) => fail!("error parsing JSON from {source}: {}", json_text(&e)),
    }
}

pub(crate) fn encode_json<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let value = to_json(args.get("obj").expect("it is required"))
        .map_err(|e| Failure::new(format!("error converting object from starlark: {e}")))?;
    let text = serde_json::to_string_pretty(&sorted(value)).expect("a JSON value can be written");
    Ok(call.alloc(text + "\n"))
}

pub(crate) fn read_yaml<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    match read(call)? {
        (source, Some(text), _) => one_document(call, "read_yaml", &source, &text),
        (_, None, Some(default)) => Ok(default),
        (_, None, None) => call.none(),
    }
}

pub(crate) fn read_yaml_stream<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    match read(call)? {
        (source, Some(text), _) => documents(call, &source, &text),
        (_, None, Some(default)) => Ok(default),
        (_, None, None) => call.none(),
    }
}

pub(crate) fn decode_yaml<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let (source, text) = input(call, "yaml")?;
    one_document(call, "decode_yaml", &source, &text)
}

pub(crate) fn decode_yaml_stream<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let (source, text) = input(call, "yaml")?;
    documents(call, &source, &text)
}

fn parse(source: &str, text: &str) -> Result<Vec<Json>> {
    manifest::parse_stream(text).map_err(|e| Failure::new(format!("error parsing YAML from {source}: {e}")))
}

fn one_document<'v>(
    call: &Call<'v, '_, '_, '_>,
    function: &str,
    source: &str,
    text: &str,
) -> Result<Value<'v>> {
    let mut documents = parse(source, text)?;
    if documents.len() > 1 {
        fail!(
            "error parsing YAML from {source}: expected a yaml document but found a yaml stream (documents separated by `---`). use {function}_stream instead to decode a yaml stream"
        );
    }
    match documents.pop() {
        Some(document) => Ok(from_json(call.heap(), &document)),
        None => call.none(),
    }
}

fn documents<'v>(call: &Call<'v, '_, '_, '_>, source: &str, text: &str) -> Result<Value<'v>> {
    let heap = call.heap();
    let documents = parse(source, text)?;
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
    let Some(items) = iterable(list, call.heap()) else {
        return Err(args.wrong("objs", format_args!("got {}, want iterable", list.get_type())));
    };
    let mut texts = Vec::new();
    for item in items {
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

/// The parser's words as Go's.
fn json_text(e: &serde_json::Error) -> String {
    if e.is_eof() { "unexpected EOF".to_owned() } else { e.to_string() }
}
