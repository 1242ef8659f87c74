//! `kustomize create`

use serde_json::{Map, Value};

use super::target::{Target, steps};
use super::{Context, Outcome, glob, labels};
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::flags::{Flag, Words};
use crate::load;
use crate::path;
use crate::spec::FILE_NAMES;

pub const CREATE_FLAGS: &[Flag] = &[
    Flag::text("resources", "Files, directories and URLs, with commas between"),
    Flag::text("namespace", "The namespace"),
    Flag::text("nameprefix", "The namePrefix"),
    Flag::text("namesuffix", "The nameSuffix"),
    Flag::text("labels", "commonLabels: KEY:VALUE, with commas between"),
    Flag::text("annotations", "commonAnnotations: KEY:VALUE, with commas between"),
    Flag::switch("autodetect", "Add the resource files in this directory"),
    Flag::switch("recursive", "… and below, with --autodetect"),
];

/// Makes a kustomization in `dir`, which must have none.
pub fn create(files: &dyn Files, dir: &str, words: &[String]) -> Result<Outcome> {
    let words = Words::read(words, CREATE_FLAGS)
        .map_err(|e| Error::new(e.to_string()).hint("`kustomize create --help` lists the flags"))?;
    if words.help {
        return Ok(Outcome { help: Some("create".to_string()), ..Outcome::default() });
    }
    if let Some(argument) = words.arguments.first() {
        return Err(Error::new(format!("unexpected argument {argument:?}"))
            .hint("create works in this directory; resources are given by --resources"));
    }
    let mut context = Context { files, outside: None, dir, outcome: Outcome::default() };
    let mut resources = match words.text("resources") {
        "" => Vec::new(),
        list => {
            let patterns: Vec<String> = list.split(',').map(str::to_string).collect();
            glob::matching_or_remote(&context, &patterns, true)?
        }
    };
    if FILE_NAMES.iter().any(|name| files.exists(&context.path(name))) {
        return Err(Error::new("kustomization file already exists").hint("`kustomize edit` changes it"));
    }
    if words.is_on("autodetect") {
        detect(&context, ".", words.is_on("recursive"), 0, &mut resources)?;
    }
    let pairs = |flag: &str, noun: &str| -> Result<Value> {
        let list = Some(words.text(flag)).filter(|list| !list.is_empty());
        let pairs = labels::pairs(list.into_iter().flat_map(|list| list.split(',')), noun)?;
        Ok(Value::Object(pairs.into_iter().map(|(key, value)| (key, value.into())).collect::<Map<_, _>>()))
    };
    let fields: [(&str, Value); 6] = [
        ("resources", resources.into_iter().map(Value::from).collect()),
        ("namePrefix", words.text("nameprefix").into()),
        ("nameSuffix", words.text("namesuffix").into()),
        ("namespace", words.text("namespace").into()),
        ("commonLabels", pairs("labels", "label")?),
        ("commonAnnotations", pairs("annotations", "annotation")?),
    ];
    let mut target = Target::of(&context.path(FILE_NAMES[0]), dir, String::new())?;
    target.set(steps!["apiVersion"], &"kustomize.config.k8s.io/v1beta1".into())?;
    target.set(steps!["kind"], &"Kustomization".into())?;
    for (field, value) in fields {
        let is_empty = match &value {
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            other => other.as_str().is_some_and(str::is_empty),
        };
        if !is_empty {
            target.set(steps![field], &value)?;
        }
    }
    target.finish(&mut context)?;
    Ok(context.outcome)
}

/// Deeper trees are cut off: a link to a directory above would never end.
const MAX_DEPTH: usize = 64;

/// The files in a directory that hold resources, and the directories below that hold a kustomization.
fn detect(
    context: &Context<'_>,
    dir: &str,
    is_recursive: bool,
    depth: usize,
    found: &mut Vec<String>,
) -> Result<()> {
    let mut names = context.files.list(&context.path(dir))?;
    names.sort();
    for name in names {
        let relative = path::join(dir, &name);
        let full = context.path(&relative);
        if context.files.is_dir(&full) {
            if !is_recursive || depth == MAX_DEPTH {
                continue;
            }
            if FILE_NAMES.iter().any(|file| context.files.exists(&path::join(&full, file))) {
                push(found, relative);
            } else {
                detect(context, &relative, is_recursive, depth + 1, found)?;
            }
        } else if holds_resources(context, &full) {
            push(found, relative);
        }
    }
    Ok(())
}

fn push(found: &mut Vec<String>, path: String) {
    if !found.contains(&path) {
        found.push(path);
    }
}

fn holds_resources(context: &Context<'_>, file: &str) -> bool {
    let Ok(bytes) = context.files.read(file) else { return false };
    let Ok(text) = load::text(bytes, file) else { return false };
    load::objects(Source { file, text: &text }).is_ok_and(|objects| !objects.is_empty())
}
