//! `kustomize edit add …`

use serde_json::Value;

use super::target::{Target, steps};
use super::{Command, Context, generator, glob, go_list, labels, patch};
use crate::error::{Error, Result};
use crate::flags::{Flag, Words};

const NO_VERIFY: &[Flag] = &[Flag::switch("no-verify", "Do not look whether they exist")];
const FORCE: Flag = Flag::switch("force", "Overwrite those that exist").short('f');

pub(super) const COMMANDS: &[Command] = &[
    Command::of(
        "add",
        "resource",
        "PATH…",
        "Add files, directories or URLs to resources",
        NO_VERIFY,
        |c, w| paths(c, w, "resource", "resources", "must specify a resource file"),
    ),
    Command::of("add", "component", "PATH…", "Add directories to components", NO_VERIFY, |c, w| {
        paths(c, w, "component", "components", "must specify a component file")
    }),
    Command::of("add", "generator", "PATH…", "Add files to generators", &[], |c, w| {
        let missing = "must specify a yaml file which contains a generator plugin resource";
        paths(c, w, "generator", "generators", missing)
    }),
    Command::of("add", "transformer", "PATH…", "Add files to transformers", &[], |c, w| {
        let missing = "must specify a yaml file which contains a transformer plugin resource";
        paths(c, w, "transformer", "transformers", missing)
    }),
    Command::of("add", "configuration", "PATH…", "Add files to configurations", &[], |c, w| {
        let missing = "must specify a yaml file which contains a configuration resource";
        paths(c, w, "configuration", "configurations", missing)
    }),
    Command::of("add", "base", "PATH[,PATH…]", "Add directories to resources", &[], base),
    Command::of(
        "add",
        "buildmetadata",
        "OPTION[,OPTION…]",
        "Add options to buildMetadata",
        &[],
        build_metadata,
    ),
    Command::of("add", "patch", "", "Add an item to patches", patch::FLAGS, patch::add),
    Command::of(
        "add",
        "configmap",
        "NAME",
        "Add data to a configMapGenerator",
        generator::CONFIG_MAP_FLAGS,
        |c, w| generator::add(c, w, &generator::CONFIG_MAP),
    ),
    Command::of("add", "secret", "NAME", "Add data to a secretGenerator", generator::SECRET_FLAGS, |c, w| {
        generator::add(c, w, &generator::SECRET)
    }),
    Command::of(
        "add",
        "annotation",
        "KEY:VALUE…",
        "Add to commonAnnotations",
        &[FORCE],
        labels::add_annotations,
    ),
    Command::of(
        "add",
        "label",
        "KEY:VALUE…",
        "Add to commonLabels, or with --without-selector to labels",
        &[FORCE, labels::WITHOUT_SELECTOR, labels::INCLUDE_TEMPLATES],
        labels::add_labels,
    ),
];

fn paths(context: &mut Context<'_>, words: &Words, noun: &str, field: &str, missing: &str) -> Result<()> {
    if words.arguments.is_empty() {
        return Err(Error::new(missing));
    }
    let found = match field {
        "resources" | "components" => {
            glob::matching_or_remote(context, &words.arguments, !words.is_on("no-verify"))?
        }
        _ => glob::matching(context, &words.arguments)?,
    };
    if found.is_empty() {
        return Ok(());
    }
    let mut target = Target::open(context)?;
    let mut present: std::collections::HashSet<String> = target.strings(field).into_iter().collect();
    if field == "resources" {
        present.extend(target.strings("bases"));
    }
    let mut new = Vec::new();
    for path in found {
        if crate::spec::FILE_NAMES.contains(&path.as_str()) {
            continue;
        }
        if !present.insert(path.clone()) {
            context.log(format!("{noun} {path} already in kustomization file"));
            continue;
        }
        new.push(Value::from(path));
    }
    target.append(steps![field], &new)?;
    target.finish(context)
}

fn base(context: &mut Context<'_>, words: &Words) -> Result<()> {
    let [argument] = &words.arguments[..] else { return Err(Error::new("must specify a base directory")) };
    let mut target = Target::open(context)?;
    let mut present = target.strings("resources");
    present.extend(target.strings("bases"));
    let mut new = Vec::new();
    for path in argument.split(',') {
        if !context.files.exists(&context.path(path)) {
            return Err(Error::new(format!("{path} does not exist")));
        }
        if present.iter().any(|p| p == path) {
            return Err(Error::new(format!("base {path} already in kustomization file")));
        }
        present.push(path.to_string());
        new.push(Value::from(path));
    }
    target.append(steps!["resources"], &new)?;
    target.finish(context)
}

fn build_metadata(context: &mut Context<'_>, words: &Words) -> Result<()> {
    let options = build_metadata_options(words)?;
    let mut target = Target::open(context)?;
    let mut present = target.strings("buildMetadata");
    for option in &options {
        if present.contains(option) {
            return Err(Error::new(format!("buildMetadata option {option} already in kustomization file")));
        }
        present.push(option.clone());
    }
    let new: Vec<Value> = options.into_iter().map(Value::from).collect();
    target.append(steps!["buildMetadata"], &new)?;
    target.finish(context)
}

pub(super) fn build_metadata_options(words: &Words) -> Result<Vec<String>> {
    const KNOWN: [&str; 3] = ["originAnnotations", "transformerAnnotations", "managedByLabel"];
    let argument = match &words.arguments[..] {
        [] => return Err(Error::new("must specify a buildMetadata option")),
        [argument] => argument,
        several => {
            return Err(Error::new(format!(
                "too many arguments: {}; to provide multiple buildMetadata options, please separate options by comma",
                go_list(several)
            )));
        }
    };
    let options: Vec<String> = argument.split(',').map(str::to_string).collect();
    match options.iter().find(|option| !KNOWN.contains(&option.as_str())) {
        Some(unknown) => Err(Error::new(format!("invalid buildMetadata option: {unknown}"))
            .hint("there are originAnnotations, transformerAnnotations and managedByLabel")),
        None => Ok(options),
    }
}
