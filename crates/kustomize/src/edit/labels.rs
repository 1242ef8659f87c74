//! Labels and annotations: `commonLabels`, `labels`, `commonAnnotations`.

use serde_json::{Map, Value};
use yaml::Step;

use super::Context;
use super::target::{Target, get, steps};
use crate::error::{Error, Result};
use crate::flags::{Flag, Words};

pub(super) const WITHOUT_SELECTOR: Flag =
    Flag::switch("without-selector", "Into labels, which leaves selectors alone, instead of commonLabels");
pub(super) const INCLUDE_TEMPLATES: Flag =
    Flag::switch("include-templates", "Label pod templates too (with --without-selector)");
pub(super) const IGNORE: Flag =
    Flag::switch("ignore-non-existence", "No error if there is no such one").short('i');

type Pairs = Vec<(String, String)>;

/// `key:value` each; a key alone has an empty value, quotes around a value go.
pub(super) fn pairs<'a>(words: impl Iterator<Item = &'a str>, noun: &str) -> Result<Pairs> {
    let mut pairs: Pairs = Vec::new();
    for word in words {
        let (key, value) = word.split_once(':').unwrap_or((word, ""));
        if key.is_empty() {
            return Err(Error::new(format!(
                "invalid {noun}: '{word}' (need k:v pair where v may be quoted)"
            )));
        }
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        pairs.retain(|(own, _)| own != key);
        pairs.push((key.to_string(), bare.to_string()));
    }
    Ok(pairs)
}

/// Labels cannot hold commas, so that `a:b,c:d` are two.
fn labels(words: &Words) -> Result<Pairs> {
    if words.arguments.is_empty() {
        return Err(Error::new("must specify label"));
    }
    if words.is_on(INCLUDE_TEMPLATES.name) && !words.is_on(WITHOUT_SELECTOR.name) {
        return Err(Error::new("--without-selector flag must be specified for --include-templates to work"));
    }
    pairs(words.arguments.iter().flat_map(|word| word.split(',')), "label")
}

fn annotations(words: &Words) -> Result<Pairs> {
    if words.arguments.is_empty() {
        return Err(Error::new("must specify annotation"));
    }
    pairs(words.arguments.iter().map(String::as_str), "annotation")
}

pub(super) fn add_annotations(context: &mut Context<'_>, words: &Words) -> Result<()> {
    let new = annotations(words)?;
    let mut target = Target::open(context)?;
    let place = steps!["commonAnnotations"];
    refuse_present(&target, place, &new, words, "annotation")?;
    write(&mut target, place, &new)?;
    target.finish(context)
}

pub(super) fn add_labels(context: &mut Context<'_>, words: &Words) -> Result<()> {
    let new = labels(words)?;
    let mut target = Target::open(context)?;
    let place = place(&target, words);
    refuse_present(&target, &place, &new, words, "label")?;
    write_labels(&mut target, &place, &new, words)?;
    target.finish(context)
}

pub(super) fn set_annotations(context: &mut Context<'_>, words: &Words) -> Result<()> {
    let new = annotations(words)?;
    if let Some((key, _)) = new.iter().find(|(key, _)| !is_key(key)) {
        return Err(Error::new(format!("key doesn't match annotation rules: {key:?}"))
            .hint("a key is a name, or a domain, a slash and a name"));
    }
    let mut target = Target::open(context)?;
    write(&mut target, steps!["commonAnnotations"], &new)?;
    target.finish(context)
}

fn is_key(key: &str) -> bool {
    let is_part = |part: &str, more: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(fits)
    };
    match key.split_once('/') {
        Some((domain, name)) => is_part(domain, "-.") && is_part(name, "-_."),
        None => is_part(key, "-_."),
    }
}

pub(super) fn set_labels(context: &mut Context<'_>, words: &Words) -> Result<()> {
    let new = labels(words)?;
    let mut target = Target::open(context)?;
    if words.is_on(WITHOUT_SELECTOR.name) {
        remove_elsewhere(&mut target, &new, words.is_on(INCLUDE_TEMPLATES.name))?;
    }
    let place = place(&target, words);
    write_labels(&mut target, &place, &new, words)?;
    target.finish(context)
}

/// A label has one place: it goes from `commonLabels` and from items with other settings.
fn remove_elsewhere(target: &mut Target, new: &Pairs, with_templates: bool) -> Result<()> {
    for (key, _) in new {
        if target.field("commonLabels").is_some_and(|own| own.get(key).is_some()) {
            target.remove(steps!["commonLabels", key.as_str()])?;
        }
        for (index, item) in target.items("labels").iter().enumerate().rev() {
            let is_other =
                is_on(item, "includeSelectors") || is_on(item, "includeTemplates") != with_templates;
            if is_other && get(item, "pairs").is_some_and(|pairs| pairs.get(key).is_some()) {
                remove_pair(target, index, item, key)?;
            }
        }
    }
    Ok(())
}

/// Without pairs, an item of `labels` goes.
fn remove_pair(target: &mut Target, index: usize, item: &Value, key: &str) -> Result<()> {
    let is_last = get(item, "pairs").and_then(Value::as_object).is_none_or(|pairs| pairs.len() == 1);
    match is_last {
        true => target.remove_items(steps!["labels"], &[index]),
        false => target.remove(steps!["labels", index, "pairs", key]),
    }
}

fn is_on(item: &Value, field: &str) -> bool {
    get(item, field).and_then(Value::as_bool).unwrap_or(false)
}

/// Where labels go: `commonLabels`, or the pairs of the first item of `labels` with the same settings; an index past
/// the end if there is none.
fn place(target: &Target, words: &Words) -> Vec<Step> {
    if !words.is_on(WITHOUT_SELECTOR.name) {
        return steps!["commonLabels"].to_vec();
    }
    let items = target.items("labels");
    let fits = |item: &Value| {
        !is_on(item, "includeSelectors")
            && is_on(item, "includeTemplates") == words.is_on(INCLUDE_TEMPLATES.name)
    };
    let index = items.iter().position(fits).unwrap_or(items.len());
    steps!["labels", index, "pairs"].to_vec()
}

fn write_labels(target: &mut Target, place: &[Step], new: &Pairs, words: &Words) -> Result<()> {
    match place {
        [_, Step::Index(index), _] if *index == target.items("labels").len() => {
            let pairs: Map<String, Value> = new.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
            let mut item = Map::from_iter([("pairs".to_string(), Value::Object(pairs))]);
            if words.is_on(INCLUDE_TEMPLATES.name) {
                item.insert("includeTemplates".to_string(), Value::Bool(true));
            }
            target.append(steps!["labels"], &[Value::Object(item)])
        }
        _ => write(target, place, new),
    }
}

fn write(target: &mut Target, place: &[Step], new: &Pairs) -> Result<()> {
    for (key, value) in new {
        let path: Vec<Step> = place.iter().cloned().chain([Step::from(key.as_str())]).collect();
        target.set_exact(&path, place.len(), &Value::from(value.as_str()))?;
    }
    Ok(())
}

fn refuse_present(target: &Target, place: &[Step], new: &Pairs, words: &Words, noun: &str) -> Result<()> {
    let present = target.pairs(place);
    match new.iter().find(|(key, _)| present.iter().any(|(own, _)| own == key)) {
        Some((key, _)) if !words.is_on("force") => {
            Err(Error::new(format!("{noun} {key} already in kustomization file"))
                .hint("--force overwrites it, as `edit set` does"))
        }
        _ => Ok(()),
    }
}

pub(super) fn remove_annotations(context: &mut Context<'_>, words: &Words) -> Result<()> {
    remove(context, words, "annotation", "commonAnnotations")
}

pub(super) fn remove_labels(context: &mut Context<'_>, words: &Words) -> Result<()> {
    remove(context, words, "label", "commonLabels")
}

fn remove(context: &mut Context<'_>, words: &Words, noun: &str, field: &str) -> Result<()> {
    let keys: Vec<&str> = match &words.arguments[..] {
        [] => return Err(Error::new(format!("must specify {noun}"))),
        [keys] => keys.split(',').collect(),
        _ => return Err(Error::new(format!("{noun}s must be comma-separated, with no spaces"))),
    };
    if keys.iter().any(|key| key.is_empty()) {
        return Err(Error::new(format!("invalid {noun}: '' (name is empty)")));
    }
    let mut target = Target::open(context)?;
    let is_ignored = words.is_on(IGNORE.name);
    let has_items = noun == "label" && !target.items("labels").is_empty();
    if target.field(field).is_none() && !has_items && !is_ignored {
        return Err(Error::new(format!("{field} is not defined in kustomization file")));
    }
    for key in keys {
        let is_common = target.field(field).is_some_and(|own| own.get(key).is_some());
        if is_common {
            target.remove(steps![field, key])?;
        }
        let items = if noun == "label" { target.items("labels") } else { Vec::new() };
        let holders: Vec<usize> = (0..items.len())
            .filter(|index| get(&items[*index], "pairs").is_some_and(|pairs| pairs.get(key).is_some()))
            .collect();
        for index in holders.iter().rev() {
            remove_pair(&mut target, *index, &items[*index], key)?;
        }
        if !is_common && holders.is_empty() && !is_ignored {
            return Err(Error::new(format!("{noun} {key} is not defined in kustomization file")));
        }
    }
    target.finish(context)
}
