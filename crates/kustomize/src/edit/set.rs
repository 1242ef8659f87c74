//! `kustomize edit set …`

use serde_json::{Value, json};

use super::target::{Target, steps, text};
use super::{Command, Context, add, generator, image, labels};
use crate::error::{Error, Result};
use crate::flags::Words;

pub(super) const COMMANDS: &[Command] = &[
    Command::of(
        "set",
        "image",
        "IMAGE=NEWIMAGE[:TAG][@DIGEST]… or IMAGE:TAG… or IMAGE@DIGEST…",
        "Set names, tags and digests of images; * for one of them keeps it",
        &[],
        image::set,
    ),
    Command::of("set", "namespace", "NAMESPACE", "Set namespace", &[], |c, w| {
        one(c, w, "namespace", "must specify exactly one namespace value")
    }),
    Command::of("set", "nameprefix", "PREFIX", "Set namePrefix", &[], |c, w| {
        one(c, w, "namePrefix", "must specify exactly one prefix value")
    }),
    Command::of("set", "namesuffix", "-- SUFFIX", "Set nameSuffix", &[], |c, w| {
        one(c, w, "nameSuffix", "must specify exactly one suffix value")
    }),
    Command::of("set", "replicas", "NAME=COUNT…", "Set counts of replicas", &[], replicas),
    Command::of("set", "buildmetadata", "OPTION[,OPTION…]", "Replace buildMetadata", &[], build_metadata),
    Command::of("set", "annotation", "KEY:VALUE…", "Set in commonAnnotations", &[], labels::set_annotations),
    Command::of(
        "set",
        "label",
        "KEY:VALUE…",
        "Set in commonLabels, or with --without-selector in labels",
        &[labels::WITHOUT_SELECTOR, labels::INCLUDE_TEMPLATES],
        labels::set_labels,
    ),
    Command::of(
        "set",
        "configmap",
        "NAME",
        "Change literals or the namespace",
        generator::SET_FLAGS,
        |c, w| generator::set(c, w, &generator::CONFIG_MAP),
    ),
    Command::of("set", "secret", "NAME", "Change literals or the namespace", generator::SET_FLAGS, |c, w| {
        generator::set(c, w, &generator::SECRET)
    }),
];

fn one(context: &mut Context<'_>, words: &Words, field: &str, missing: &str) -> Result<()> {
    let [value] = &words.arguments[..] else { return Err(Error::new(missing)) };
    let mut target = Target::open(context)?;
    match value.as_str() {
        "" => target.remove(steps![field])?,
        value => target.set(steps![field], &Value::from(value))?,
    }
    target.finish(context)
}

fn replicas(context: &mut Context<'_>, words: &Words) -> Result<()> {
    if words.arguments.is_empty() {
        return Err(Error::new("no replicas specified"));
    }
    let parse = |argument: &String| match argument.split('=').collect::<Vec<_>>()[..] {
        [name, count] => count.parse::<i64>().ok().map(|count| (name.to_string(), count)),
        _ => None,
    };
    let invalid = "invalid format of replica, use the following format: <name>=<count>";
    let counts: Vec<(String, i64)> = words
        .arguments
        .iter()
        .map(|argument| parse(argument).ok_or_else(|| Error::new(invalid)))
        .collect::<Result<_>>()?;
    let mut target = Target::open(context)?;
    for (name, count) in counts {
        let items = target.items("replicas");
        let named: Vec<usize> =
            (0..items.len()).filter(|index| text(&items[*index], "name") == name).collect();
        match named.split_first() {
            Some((first, surplus)) => {
                target.remove_items(steps!["replicas"], surplus)?;
                target.set(steps!["replicas", *first, "count"], &json!(count))?;
            }
            None => target.append(steps!["replicas"], &[json!({"name": name, "count": count})])?,
        }
    }
    target.finish(context)
}

fn build_metadata(context: &mut Context<'_>, words: &Words) -> Result<()> {
    let options = add::build_metadata_options(words)?;
    let mut target = Target::open(context)?;
    let present = target.strings("buildMetadata");
    let dropped: Vec<usize> =
        (0..present.len()).filter(|index| !options.contains(&present[*index])).collect();
    let new: Vec<Value> =
        options.iter().filter(|option| !present.contains(option)).cloned().map(Value::from).collect();
    // in this order, so that the list never is empty
    target.append(steps!["buildMetadata"], &new)?;
    target.remove_items(steps!["buildMetadata"], &dropped)?;
    target.finish(context)
}
