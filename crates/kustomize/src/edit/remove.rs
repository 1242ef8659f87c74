//! `kustomize edit remove …`

use super::target::{Target, steps};
use super::{Command, Context, add, generator, glob, labels, patch};
use crate::error::{Error, Result};
use crate::flags::Words;

pub(super) const COMMANDS: &[Command] = &[
    Command::of("remove", "resource", "PATTERN…", "Remove from resources", &[], |c, w| {
        paths(c, w, "resource", &["resources", "bases"], "must specify a resource file")
    }),
    Command::of("remove", "component", "PATTERN…", "Remove from components", &[], |c, w| {
        paths(c, w, "component", &["components"], "must specify a component")
    }),
    Command::of("remove", "transformer", "PATTERN…", "Remove from transformers", &[], |c, w| {
        paths(c, w, "transformer", &["transformers"], "must specify a transformer file")
    }),
    Command::of("remove", "generator", "PATTERN…", "Remove from generators", &[], |c, w| {
        paths(c, w, "generator", &["generators"], "must specify a generator file")
    }),
    Command::of("remove", "configuration", "PATTERN…", "Remove from configurations", &[], |c, w| {
        paths(c, w, "configuration", &["configurations"], "must specify a configuration file")
    }),
    Command::of(
        "remove",
        "buildmetadata",
        "OPTION[,OPTION…]",
        "Remove options of buildMetadata",
        &[],
        build_metadata,
    ),
    Command::of(
        "remove",
        "patch",
        "",
        "Remove the item of patches that is just so",
        patch::FLAGS,
        patch::remove,
    ),
    Command::of(
        "remove",
        "configmap",
        "NAME[,NAME…]",
        "Remove from configMapGenerator",
        generator::REMOVE_FLAGS,
        |c, w| generator::remove(c, w, &generator::CONFIG_MAP),
    ),
    Command::of(
        "remove",
        "secret",
        "NAME[,NAME…]",
        "Remove from secretGenerator",
        generator::REMOVE_FLAGS,
        |c, w| generator::remove(c, w, &generator::SECRET),
    ),
    Command::of(
        "remove",
        "annotation",
        "KEY[,KEY…]",
        "Remove from commonAnnotations",
        &[labels::IGNORE],
        labels::remove_annotations,
    ),
    Command::of(
        "remove",
        "label",
        "KEY[,KEY…]",
        "Remove from commonLabels and labels",
        &[labels::IGNORE],
        labels::remove_labels,
    ),
];

fn paths(context: &mut Context<'_>, words: &Words, noun: &str, lists: &[&str], missing: &str) -> Result<()> {
    if words.arguments.is_empty() {
        return Err(Error::new(missing));
    }
    let mut target = Target::open(context)?;
    let mut is_used = vec![false; words.arguments.len()];
    for list in lists {
        let mut indices = Vec::new();
        for (index, path) in target.strings(list).iter().enumerate() {
            for (pattern, used) in words.arguments.iter().zip(&mut is_used) {
                if glob::matches(pattern, path)? {
                    *used = true;
                    indices.push(index);
                }
            }
        }
        target.remove_items(steps![*list], &indices)?;
    }
    for (pattern, _) in words.arguments.iter().zip(is_used).filter(|(_, used)| !used) {
        context.log(format!("{noun} {pattern} doesn't exist in kustomization file"));
    }
    target.finish(context)
}

fn build_metadata(context: &mut Context<'_>, words: &Words) -> Result<()> {
    let options = add::build_metadata_options(words)?;
    let mut target = Target::open(context)?;
    let present = target.strings("buildMetadata");
    let indices: Vec<usize> = (0..present.len()).filter(|index| options.contains(&present[*index])).collect();
    target.remove_items(steps!["buildMetadata"], &indices)?;
    target.finish(context)
}
