//! The kustomization file that is edited.

use serde_json::Value;
use yaml::{Duplicates, Editor, Keys, Rules, Step};

use super::Context;
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::spec::{FILE_NAMES, read_kustomization};

const OPTIONS: yaml::Options =
    yaml::Options { rules: Rules::Sigs, duplicates: Duplicates::Refuse, keys: Keys::ToText };

pub(super) struct Target {
    file: String,
    dir: String,
    original: String,
    has_mark: bool,
    pub(super) editor: Editor,
}

impl Target {
    pub(super) fn open(context: &Context<'_>) -> Result<Target> {
        let found: Vec<&str> =
            FILE_NAMES.into_iter().filter(|name| context.files.exists(&context.path(name))).collect();
        let name = match found[..] {
            [name] => name,
            [] => {
                return Err(Error::new("Missing kustomization file 'kustomization.yaml'.").hint(
                    "edit works on the kustomization in this directory; `kustomize create` makes one",
                ));
            }
            _ => {
                return Err(Error::new(format!("Found multiple kustomization file: [{}]", found.join(" ")))
                    .hint("leave one of them"));
            }
        };
        let file = context.path(name);
        if context.files.is_dir(&file) {
            return Err(Error::new(format!("{name} should be a file")));
        }
        let bytes = context.files.read(&file)?;
        let original = String::from_utf8(bytes).map_err(|e| {
            Error::new(format!("{file} is not UTF-8 from byte {} on", e.utf8_error().valid_up_to()))
        })?;
        Target::of(&file, context.dir, original)
    }

    pub(super) fn of(file: &str, dir: &str, original: String) -> Result<Target> {
        let text = original.strip_prefix('\u{feff}');
        let has_mark = text.is_some();
        let text = text.unwrap_or(&original).to_string();
        check(&text, file, dir)?;
        let editor = Editor::new(text, &OPTIONS).map_err(|e| Error::from(e.in_file(file)))?;
        Ok(Target { file: file.to_string(), dir: dir.to_string(), original, has_mark, editor })
    }

    /// Hands the new text over, if it is one, and if it still reads as a kustomization.
    pub(super) fn finish(self, context: &mut Context<'_>) -> Result<()> {
        let mark = if self.has_mark { "\u{feff}" } else { "" };
        let text = format!("{mark}{}", self.editor.text());
        if text == self.original {
            return Ok(());
        }
        check(self.editor.text(), &self.file, &self.dir)
            .map_err(|e| e.doing("the file would no longer be a kustomization"))?;
        context.outcome.writes.push((self.file, text));
        Ok(())
    }

    /// A field by kustomize's rule: without regard to case.
    pub(super) fn field(&self, name: &str) -> Option<Value> {
        get(&self.editor.value(), name).filter(|value| !value.is_null()).cloned()
    }

    /// The items of a list; none if there is no such field.
    pub(super) fn items(&self, name: &str) -> Vec<Value> {
        self.field(name).as_ref().and_then(Value::as_array).cloned().unwrap_or_default()
    }

    pub(super) fn strings(&self, name: &str) -> Vec<String> {
        self.items(name).iter().filter_map(Value::as_str).map(str::to_string).collect()
    }

    /// The keys of a mapping field, with their texts.
    pub(super) fn pairs(&self, path: &[Step]) -> Vec<(String, String)> {
        let root = self.editor.value();
        let value = path.iter().try_fold(&root, |value, step| match step {
            Step::Key(key) => get(value, key),
            Step::Index(index) => value.get(*index),
        });
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        value.and_then(Value::as_object).into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect()
    }

    /// A path with its keys as the file spells them. Keys behind the first missing one stay as they are.
    pub(super) fn path(&self, steps: &[Step]) -> Vec<Step> {
        let root = self.editor.value();
        let mut value = Some(&root);
        let mut path = Vec::with_capacity(steps.len());
        for step in steps {
            let (spelled, next) = match (step, value) {
                (Step::Key(key), Some(holder)) => {
                    let spelled = spelling(holder, key);
                    let next = holder.get(&spelled);
                    (Step::Key(spelled), next)
                }
                (Step::Index(index), Some(holder)) => (step.clone(), holder.get(*index)),
                (_, None) => (step.clone(), None),
            };
            path.push(spelled);
            value = next;
        }
        path
    }

    pub(super) fn set(&mut self, steps: &[Step], value: &Value) -> Result<()> {
        let path = self.path(steps);
        self.editor.set(&path, value).map_err(|e| self.failed(e))
    }

    /// The same, with the steps behind the first `folded` ones as they are: keys of labels, say.
    pub(super) fn set_exact(&mut self, steps: &[Step], folded: usize, value: &Value) -> Result<()> {
        let mut path = self.path(&steps[..folded]);
        path.extend_from_slice(&steps[folded..]);
        self.editor.set(&path, value).map_err(|e| self.failed(e))
    }

    pub(super) fn append(&mut self, steps: &[Step], items: &[Value]) -> Result<()> {
        let path = self.path(steps);
        self.editor.append(&path, items).map_err(|e| self.failed(e))
    }

    pub(super) fn remove(&mut self, steps: &[Step]) -> Result<()> {
        let path = self.path(steps);
        self.editor.remove(&path).map_err(|e| self.failed(e))
    }

    pub(super) fn rename(&mut self, steps: &[Step], key: &str) -> Result<()> {
        let path = self.path(steps);
        self.editor.rename(&path, key).map_err(|e| self.failed(e))
    }

    pub(super) fn remove_items(&mut self, steps: &[Step], indices: &[usize]) -> Result<()> {
        let path = self.path(steps);
        self.editor.remove_items(&path, indices).map_err(|e| self.failed(e))
    }

    /// An operation of the editor on top-level fields, by their names as the file spells them.
    pub(super) fn reshape(
        &mut self,
        from: &str,
        to: &str,
        operation: impl FnOnce(&mut Editor, &str, &str) -> std::result::Result<(), yaml::Error>,
    ) -> Result<()> {
        let root = self.editor.value();
        let (from, to) = (spelling(&root, from), spelling(&root, to));
        operation(&mut self.editor, &from, &to).map_err(|e| self.failed(e))
    }

    fn failed(&self, error: yaml::Error) -> Error {
        Error::from(error.in_file(&self.file))
    }
}

/// Whether kustomize can read the file. An empty one, which a build refuses, can be edited.
fn check(text: &str, file: &str, dir: &str) -> Result<()> {
    let documents = yaml::parse_spanned_with(text, &OPTIONS).map_err(|e| Error::from(e.in_file(file)))?;
    let is_content = |key: &str| !["apiversion", "kind", "metadata"].contains(&key.to_lowercase().as_str());
    let has_content = documents.first().is_some_and(|root| {
        root.entries().is_empty() || root.entries().iter().any(|e| !e.value.is_null() && is_content(&e.key))
    });
    if !has_content || documents.first().is_some_and(|root| root.to_value() == serde_json::json!({})) {
        return Ok(());
    }
    read_kustomization(Source { file, text }, dir).map(|_| ())
}

pub(super) fn get<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(spelling(value, key))
}

/// A text in a mapping; empty if there is none.
pub(super) fn text(value: &Value, key: &str) -> String {
    get(value, key).and_then(Value::as_str).unwrap_or_default().to_string()
}

fn spelling(value: &Value, key: &str) -> String {
    match value {
        Value::Object(map) if !map.contains_key(key) => map
            .keys()
            .find(|own| own.to_lowercase() == key.to_lowercase())
            .map_or(key, String::as_str)
            .to_string(),
        _ => key.to_string(),
    }
}

/// Steps to a node.
macro_rules! steps {
    ($($step:expr),*) => { &[$(yaml::Step::from($step)),*][..] };
}

pub(super) use steps;
