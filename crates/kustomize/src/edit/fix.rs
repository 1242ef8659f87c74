//! `kustomize edit fix`: deprecated fields become those that replaced them, missing ones are added.

use serde_json::{Map, Value, json};

use super::target::{Target, get, steps, text};
use super::{Context, vars};
use crate::error::{Error, Result};
use crate::files::{FileError, Files};
use crate::flags::Words;
use crate::options::Options;
use crate::path;

pub(super) fn fix(context: &mut Context<'_>, words: &Words) -> Result<()> {
    let mut target = Target::open(context)?;
    let before = crate::build_with(context.files, context.outside, context.dir, &Options::default()).0;
    let mut fixed = Vec::new();
    types(&mut target, &mut fixed)?;
    moved(&mut target, &mut fixed, "bases", "resources")?;
    moved(&mut target, &mut fixed, "imageTags", "images")?;
    envs(&mut target, &mut fixed)?;
    charts(&mut target, &mut fixed)?;
    moved(&mut target, &mut fixed, "patchesJson6902", "patches")?;
    strategic_merge(context, &mut target, &mut fixed)?;
    common_labels(&mut target, &mut fixed)?;
    let has_vars = target.field("vars").is_some();
    if has_vars && words.is_on("vars") {
        vars::convert(context, &mut target)?;
        fixed.push("vars -> replacements".to_string());
    }
    target.finish(context)?;
    report(context, &fixed, has_vars && !words.is_on("vars"));
    compare(context, before);
    Ok(())
}

fn has(target: &Target, field: &str) -> bool {
    get(&target.editor.value(), field).is_some()
}

fn types(target: &mut Target, fixed: &mut Vec<String>) -> Result<()> {
    let kind = target.field("kind").and_then(|kind| kind.as_str().map(str::to_string));
    let version = if kind.as_deref() == Some("Component") { "v1alpha1" } else { "v1beta1" };
    let fields =
        [("apiVersion", format!("kustomize.config.k8s.io/{version}")), ("kind", "Kustomization".to_string())];
    for (index, (field, value)) in fields.into_iter().enumerate() {
        if target.field(field).is_none_or(|value| value == json!("")) {
            target.reshape(field, field, |editor, field, _| match editor.value().get(field) {
                Some(_) => editor.set(&[field.into()], &value.into()),
                None => editor.insert(index, field, &value.into()),
            })?;
            fixed.push(field.to_string());
        }
    }
    Ok(())
}

fn moved(target: &mut Target, fixed: &mut Vec<String>, from: &str, to: &str) -> Result<()> {
    if has(target, from) {
        target.reshape(from, to, |editor, from, to| editor.move_items(from, to))?;
        fixed.push(format!("{from} -> {to}"));
    }
    Ok(())
}

/// `env` of generators
fn envs(target: &mut Target, fixed: &mut Vec<String>) -> Result<()> {
    for list in ["configMapGenerator", "secretGenerator"] {
        for (index, item) in target.items(list).iter().enumerate() {
            if get(item, "env").is_none() {
                continue;
            }
            let env = text(item, "env");
            if !env.is_empty() && get(item, "envs").is_none() {
                target.rename(steps![list, index, "env"], "envs")?;
                target.set(steps![list, index, "envs"], &json!([env]))?;
            } else {
                let new: Vec<Value> =
                    Some(env).filter(|env| !env.is_empty()).map(Value::from).into_iter().collect();
                target.append(steps![list, index, "envs"], &new)?;
                target.remove(steps![list, index, "env"])?;
            }
            fixed.push(format!("{list}[{index}].env -> envs"));
        }
    }
    Ok(())
}

/// `helmChartInflationGenerator`, whose items had names of their own and held what is global now.
fn charts(target: &mut Target, fixed: &mut Vec<String>) -> Result<()> {
    const OLD: &str = "helmChartInflationGenerator";
    const RENAMED: [(&str, &str); 4] = [
        ("chartName", "name"),
        ("chartVersion", "version"),
        ("chartRepoUrl", "repo"),
        ("values", "valuesFile"),
    ];
    const GLOBAL: [(&str, &str); 2] = [("chartHome", "chartHome"), ("helmHome", "configHome")];
    if !has(target, OLD) {
        return Ok(());
    }
    let mut charts = Vec::new();
    let mut globals = Map::new();
    for item in target.items(OLD) {
        let Value::Object(fields) = item else { continue };
        let mut chart = Map::new();
        for (key, value) in fields {
            let called = |(old, _): &&(&str, &str)| old.to_lowercase() == key.to_lowercase();
            if let Some((_, new)) = GLOBAL.iter().find(called) {
                globals.insert(new.to_string(), value);
            } else if key != "helmBin" {
                let new = RENAMED.iter().find(called).map_or(key.as_str(), |(_, new)| *new).to_string();
                chart.insert(new, value);
            }
        }
        charts.push(Value::Object(chart));
    }
    target.append(steps!["helmCharts"], &charts)?;
    if target.field("helmGlobals").is_none() && !globals.is_empty() {
        target.set(steps!["helmGlobals"], &Value::Object(globals))?;
    }
    target.remove(steps![OLD])?;
    fixed.push(format!("{OLD} -> helmCharts"));
    Ok(())
}

fn strategic_merge(context: &Context<'_>, target: &mut Target, fixed: &mut Vec<String>) -> Result<()> {
    let field = "patchesStrategicMerge";
    let is_file = |text: &String| !text.contains('\n') && context.files.exists(&context.path(text));
    let keys: Vec<&str> =
        target.strings(field).iter().map(|text| if is_file(text) { "path" } else { "patch" }).collect();
    if !keys.is_empty() {
        target.reshape(field, field, |editor, field, _| editor.wrap_items(field, &keys))?;
    }
    moved(target, fixed, field, "patches")
}

fn common_labels(target: &mut Target, fixed: &mut Vec<String>) -> Result<()> {
    if !has(target, "commonLabels") {
        return Ok(());
    }
    let common = target.pairs(steps!["commonLabels"]);
    for (index, _) in target.items("labels").iter().enumerate() {
        let own = target.pairs(steps!["labels", index, "pairs"]);
        if let Some((name, _)) = common.iter().find(|(name, _)| own.iter().any(|(other, _)| other == name)) {
            return Err(Error::new(format!("label name '{name}' exists in both commonLabels and labels"))
                .hint("remove one of them"));
        }
    }
    if common.is_empty() {
        target.remove(steps!["commonLabels"])?;
    } else {
        target.reshape("commonLabels", "labels", |editor, from, to| {
            editor.nest(from, to, &[("includeSelectors", Value::Bool(true))], "pairs")
        })?;
    }
    fixed.push("commonLabels -> labels".to_string());
    Ok(())
}

fn report(context: &mut Context<'_>, fixed: &[String], has_vars: bool) {
    let mut out = match fixed {
        [] => "\nNothing to fix\n".to_string(),
        fixed => format!("\nFixed fields:\n  {}\n", fixed.join("\n  ")),
    };
    if has_vars {
        out.push_str(
            "\nTo convert vars -> replacements, run `kustomize edit fix --vars`\n\n\
             WARNING: that rewrites resource files which use the vars, and the output of `kustomize build` may change.\n\
             Commit your work before, so that it is easy to undo.\n",
        );
    }
    context.outcome.output = out;
}

/// Says when the build gives something else than before.
fn compare(context: &mut Context<'_>, before: Result<crate::Built>) {
    let writes = context.outcome.writes.clone();
    let files = Overlay { files: context.files, writes: &writes };
    let after = crate::build_with(&files, context.outside, context.dir, &Options::default()).0;
    match (before, after) {
        (Ok(_), Err(e)) => context.log(format!(
            "Warning: 'Fixed' kustomization now produces the error when running `kustomize build`: {}",
            e.chain()
        )),
        (Err(_), Err(e)) => context.log(format!(
            "Warning: `kustomize build` fails before and after, so that the outputs could not be compared: {}",
            e.chain()
        )),
        (Ok(before), Ok(after)) if before.yaml != after.yaml => context.log(
            "Warning: 'Fixed' kustomization now produces different output when running `kustomize build`",
        ),
        _ => {}
    }
}

/// Files as they will be.
struct Overlay<'a> {
    files: &'a dyn Files,
    writes: &'a [(String, String)],
}

impl Files for Overlay<'_> {
    fn read(&self, path: &str) -> std::result::Result<Vec<u8>, FileError> {
        let is_same =
            |own: &str| path::clean(own) == path::clean(path) || self.canonical(own) == self.canonical(path);
        match self.writes.iter().find(|(own, _)| is_same(own)) {
            Some((_, text)) => Ok(text.clone().into_bytes()),
            None => self.files.read(path),
        }
    }

    fn exists(&self, path: &str) -> bool {
        self.files.exists(path)
    }

    fn is_dir(&self, path: &str) -> bool {
        self.files.is_dir(path)
    }

    fn list(&self, path: &str) -> std::result::Result<Vec<String>, FileError> {
        self.files.list(path)
    }

    fn canonical(&self, path: &str) -> std::result::Result<String, FileError> {
        self.files.canonical(path)
    }
}
