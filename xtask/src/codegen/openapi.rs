//! Types as `k8s-openapi` has them. Its sources are generated and very regular: lines are enough.

use super::texts::{self, Texts};
use super::{Field, Type, Types};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The types, and what is said of them.
pub(super) fn read(root: &Path) -> Result<(Types, BTreeMap<String, Texts>)> {
    let mut all = Types::new();
    let mut said = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path)?;
                if let Some(name) = definition(&source) {
                    said.insert(name, texts::read(&source));
                }
                all.extend(read_type(&source));
            }
        }
    }
    Ok((reachable(all), said))
}

/// Stable types, and what they are made of.
fn reachable(mut all: Types) -> Types {
    let stable = |name: &str| {
        let version = name.split('.').nth(1).unwrap_or_default();
        version.starts_with('v') && version[1..].chars().all(|c| c.is_ascii_digit())
    };
    let mut wanted: Vec<String> = all.keys().filter(|name| stable(name)).cloned().collect();
    let mut kept = Types::new();
    while let Some(name) = wanted.pop() {
        if let Some(ty) = all.remove(&name) {
            wanted
                .extend(ty.fields.values().map(|field| field.ty.trim_start_matches(['[', '{']).to_string()));
            kept.insert(name, ty);
        }
    }
    kept
}

/// `io.k8s.api.core.v1.Pod` → `core.v1.Pod`.
fn short(definition: &str) -> String {
    let parts: Vec<&str> = definition.split('.').collect();
    parts[parts.len().saturating_sub(3)..].join(".")
}

fn definition(source: &str) -> Option<String> {
    Some(short(source.lines().next()?.strip_prefix("// Generated from definition ")?.trim()))
}

fn read_type(source: &str) -> Option<(String, Type)> {
    let name = definition(source)?;
    let mut ty = Type { gvk: gvk(source), ..Type::default() };
    if !source.contains("\npub struct ") || special(&name).is_some() {
        return None;
    }
    let names = json_names(source);
    let required = required(source);
    let marks = strategies(source, &names);
    for (rust, rust_type) in struct_fields(source) {
        let json = names.get(&rust)?.clone();
        let found = rust_type_of(&rust_type);
        let is_meta = matches!(found.as_str(), "meta.v1.ObjectMeta" | "meta.v1.ListMeta");
        let field = Field {
            required: required.contains(&json) && !is_meta,
            marks: marks.get(&rust).cloned().unwrap_or_default(),
            ty: found,
            ..Field::default()
        };
        ty.fields.insert(json, field);
    }
    Some((name, ty))
}

/// `impl crate::Resource`: `apps/v1/Deployment`, or `/v1/Pod`.
fn gvk(source: &str) -> Option<String> {
    let constant = |name: &str| {
        let start = source.find(&format!("const {name}: &'static str = \""))?;
        source[start..].split('"').nth(1).map(String::from)
    };
    Some(format!("{}/{}/{}", constant("GROUP")?, constant("VERSION")?, constant("KIND")?))
}

fn struct_fields(source: &str) -> Vec<(String, String)> {
    let Some(start) = source.find("\npub struct ") else { return Vec::new() };
    source[start + 1..]
        .lines()
        .skip(1)
        .take_while(|line| *line != "}")
        .filter_map(|line| line.trim().strip_prefix("pub ")?.strip_suffix(',')?.split_once(": "))
        .map(|(name, ty)| (name.to_string(), ty.to_string()))
        .collect()
}

/// Rust name → JSON name, from the `Deserialize` impl.
fn json_names(source: &str) -> BTreeMap<String, String> {
    source
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" => Field::Key_"))
        .map(|(json, rust)| (rust.to_string(), json.trim_matches('"').to_string()))
        .collect()
}

fn required(source: &str) -> BTreeSet<String> {
    source
        .lines()
        .skip_while(|line| *line != "            \"required\": [")
        .skip(1)
        .take_while(|line| line.trim() != "],")
        .map(|line| line.trim().trim_matches([',', '"']).to_string())
        .collect()
}

/// From the `DeepMerge` impl, by Rust name.
fn strategies(source: &str, names: &BTreeMap<String, String>) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for part in source.split("crate::merge_strategies::").skip(1) {
        let Some(field) = part.split("&mut self.").nth(1).and_then(|rest| rest.split([',', ')']).next())
        else {
            continue;
        };
        let mark = if part.starts_with("list::map") {
            let keys: Vec<&str> = part
                .split(")?")
                .next()
                .unwrap_or_default()
                .split("|lhs, rhs| lhs.")
                .skip(1)
                .filter_map(|rest| rest.split(' ').next())
                .collect();
            let json: Vec<String> = keys.iter().map(|key| camel(key)).collect();
            format!("merge={}", json.join(","))
        } else if part.starts_with("list::set") {
            "set".to_string()
        } else if part.starts_with("map::atomic") {
            "atomic".to_string()
        } else {
            continue;
        };
        if names.contains_key(field) {
            found.insert(field.to_string(), vec![mark]);
        }
    }
    found
}

/// Keys of lists are fields of another type; their JSON names are regular.
fn camel(rust: &str) -> String {
    let mut words = rust.trim_end_matches('_').split('_');
    let mut name = words.next().unwrap_or_default().to_string();
    for word in words {
        let upper = matches!(word, "ip" | "uid" | "id");
        if upper {
            name.push_str(&word.to_uppercase());
        } else {
            name.push_str(&word[..1].to_uppercase());
            name.push_str(&word[1..]);
        }
    }
    name
}

/// Types that JSON writes in a way of their own.
pub(super) fn special(name: &str) -> Option<&'static str> {
    Some(match name {
        "meta.v1.Time" => "time",
        "meta.v1.MicroTime" => "microtime",
        "meta.v1.FieldsV1" => "fields",
        "util.intstr.IntOrString" => "intstr",
        "api.resource.Quantity" => "q",
        "pkg.runtime.RawExtension" => "raw",
        "apiextensions.v1.JSON" => "json",
        "apiextensions.v1.JSONSchemaPropsOrBool" => "schemaorbool",
        "apiextensions.v1.JSONSchemaPropsOrArray" => "schemaorarray",
        "apiextensions.v1.JSONSchemaPropsOrStringArray" => "schemaorstrings",
        "apiextensions.v1.CustomResourceSubresourceStatus" => "object",
        _ => return None,
    })
}

fn rust_type_of(ty: &str) -> String {
    let inner = |prefix: &str| ty.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('>'));
    if let Some(ty) = inner("Option<").or_else(|| inner("std::boxed::Box<")) {
        return rust_type_of(ty);
    }
    if let Some(ty) = inner("std::vec::Vec<") {
        return format!("[{}", rust_type_of(ty));
    }
    if let Some(ty) = inner("std::collections::BTreeMap<std::string::String, ") {
        return format!("{{{}", rust_type_of(ty));
    }
    match ty {
        "std::string::String" => "s".into(),
        "bool" => "b".into(),
        "i32" | "i64" | "f64" => ty.into(),
        "crate::ByteString" => "bytes".into(),
        "crate::serde_json::Value" => "json".into(),
        path => {
            let name = short(&path.trim_start_matches("crate::").replace("::", "."));
            special(&name).map_or(name, String::from)
        }
    }
}
