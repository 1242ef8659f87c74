//! Protobuf tags as `k8s-pb` has them.

use super::{Field, Type, Types};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

#[derive(Debug, Clone)]
pub(super) struct Tagged {
    rust: String,
    tag: u32,
    /// What `#[prost(…)]` says: `string, optional`, `message, repeated`, `btree_map = "string, message"`.
    kind: String,
    /// The message, as `core.v1.name` in lower case.
    message: String,
}

/// By type name in lower case: prost has its own mind about capitals.
pub(super) type Messages = HashMap<String, Message>;

#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    name: String,
    fields: Vec<Tagged>,
}

pub(super) fn read(root: &Path) -> Result<Messages> {
    let mut all = Messages::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("mod.rs") {
                let parts: Vec<String> =
                    folder.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                let package = parts[parts.len() - 2..].join(".");
                read_file(&std::fs::read_to_string(&path)?, &package, &mut all);
            }
        }
    }
    Ok(all)
}

fn read_file(source: &str, package: &str, all: &mut Messages) {
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("pub struct ").and_then(|rest| rest.split([' ', '{']).next())
        else {
            continue;
        };
        let mut message = Message { name: format!("{package}.{name}"), ..Message::default() };
        if line.ends_with("{}") {
            all.insert(message.name.to_lowercase(), message);
            continue;
        }
        let mut kind = None;
        while let Some(line) = statement(&mut lines) {
            let line = line.as_str();
            if let Some(found) = line.strip_prefix("#[prost(") {
                kind = Some(found.trim_end_matches(")]").to_string());
            } else if let Some((rust, ty)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(": "))
            {
                let Some(kind) = kind.take() else { continue };
                let tag = kind.split("tag = \"").nth(1).and_then(|rest| rest.split('"').next());
                let Some(tag) = tag.and_then(|tag| tag.parse().ok()) else { continue };
                let message_name = reference(ty, package);
                message.fields.push(Tagged { rust: rust.to_string(), tag, kind, message: message_name });
            }
        }
        all.insert(message.name.to_lowercase(), message);
    }
}

/// A field or an attribute, of as many lines as its formatting has made of it; `None` at the end of the struct.
fn statement<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    let first = lines.next().filter(|line| *line != "}")?.trim();
    let mut whole = first.to_string();
    let is_open = |text: &str| {
        (text.starts_with("#[") && !text.ends_with(']'))
            || (text.starts_with("pub ")
                && (!text.ends_with(',') || text.matches('<').count() != text.matches('>').count()))
    };
    while is_open(&whole) {
        if whole.ends_with(':') {
            whole.push(' ');
        }
        whole.push_str(lines.next()?.trim());
    }
    Some(whole)
}

/// The message that a Rust type names, in lower case.
fn reference(ty: &str, package: &str) -> String {
    let last = ty.trim_end_matches([',', '>']).rsplit(['<', ' ', ',']).next().unwrap_or_default();
    if last.starts_with("::") || last.is_empty() {
        return String::new();
    }
    let parts: Vec<&str> = last.split("::").filter(|part| *part != "super").collect();
    match parts.as_slice() {
        [name] => format!("{package}.{name}").to_lowercase(),
        // A sibling package: `super::v1::X` or `super::super::core::v1::X`.
        parts => parts[parts.len().saturating_sub(3)..].join(".").to_lowercase(),
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

pub(super) fn add_tags(types: &mut Types, messages: &Messages) {
    for name in
        ["CreateOptions", "UpdateOptions", "PatchOptions", "DeleteOptions", "GetOptions", "ListOptions"]
    {
        let name = format!("meta.v1.{name}");
        if let Some(message) = messages.get(&name.to_lowercase())
            && !types.contains_key(&name)
        {
            types.insert(name, from_message(message));
        }
    }
    for (name, ty) in types.iter_mut() {
        if let Some(message) = messages.get(&name.to_lowercase()) {
            tag_fields(ty, message, &[], messages);
        }
    }
}

fn tag_fields(ty: &mut Type, message: &Message, prefix: &[u32], messages: &Messages) {
    let by_plain: BTreeMap<String, String> =
        ty.fields.keys().map(|json| (plain(json), json.clone())).collect();
    for tagged in &message.fields {
        let tags: Vec<u32> = prefix.iter().copied().chain([tagged.tag]).collect();
        let rust = plain(tagged.rust.trim_start_matches("r#"));
        let known = by_plain.get(&rust);
        match known.and_then(|json| ty.fields.get_mut(json)) {
            Some(field) => {
                field.wrapped = wraps_list(field, tagged);
                field.tags = tags;
            }
            // Go embeds the struct: in JSON its fields are the outer one's.
            None if tagged.kind.starts_with("message, optional") && prefix.len() < 2 => {
                if let Some(inner) = messages.get(&tagged.message) {
                    tag_fields(ty, inner, &tags, messages);
                }
            }
            None => {}
        }
    }
}

fn wraps_list(field: &Field, tagged: &Tagged) -> bool {
    let is_list = field.ty.trim_start_matches('{').starts_with('[');
    is_list && !tagged.kind.contains("repeated") && tagged.kind.contains("message")
}

/// A type that only protobuf knows: JSON names are the fields' names in camel case.
fn from_message(message: &Message) -> Type {
    let mut ty = Type::default();
    for tagged in &message.fields {
        let scalar = match tagged.kind.split(',').next().unwrap_or_default() {
            "string" => "s",
            "bool" => "b",
            "int32" => "i32",
            "int64" => "i64",
            _ => continue,
        };
        let list = if tagged.kind.contains("repeated") { "[" } else { "" };
        let mut words = tagged.rust.trim_start_matches("r#").split('_');
        let mut json = words.next().unwrap_or_default().to_string();
        for word in words {
            json.push_str(&word[..1].to_uppercase());
            json.push_str(&word[1..]);
        }
        ty.fields.insert(json, Field { ty: format!("{list}{scalar}"), ..Field::default() });
    }
    ty
}
