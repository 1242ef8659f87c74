//! The words in which kustomize says that a field of the kustomization makes no transformer: with the configuration
//! that it would have had.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::spec::{FieldOptions, Patch, Replacement, ReplacementField, Selector};

/// `trouble configuring builtin KIND with config: ...`
pub(crate) fn doing(kind: &str, config: &str) -> String {
    format!("trouble configuring builtin {kind} with config: `\n{config}`")
}

/// Adds it to an error.
pub(crate) fn configuring(kind: &str, config: &str) -> impl Fn(Error) -> Error {
    let doing = doing(kind, config);
    move |error| error.doing(&doing)
}

/// An entry of `patches`, or of `patchesJson6902` with `jsonOp` as the field of its text.
pub(crate) fn of_patch(patch: &Patch, text_field: &str) -> String {
    let mut config = Fields::default();
    config.text("path", &patch.path);
    config.text(text_field, &patch.patch);
    if let Some(target) = &patch.target {
        config.put("target", Fields::of_selector(target));
    }
    let mut options = Fields::default();
    options.flag("allowNameChange", patch.allow_name_change);
    options.flag("allowKindChange", patch.allow_kind_change);
    if !options.0.is_empty() {
        config.put("options", options);
    }
    yaml::to_string(&Value::Object(config.0))
}

pub(crate) fn of_replacements(fields: &[ReplacementField]) -> String {
    let items = fields.iter().map(|field| match field {
        ReplacementField::Path(path) => {
            let mut config = Fields::default();
            config.text("path", &path.text);
            Value::Object(config.0)
        }
        ReplacementField::Inline(replacement) => of_replacement("", replacement),
        ReplacementField::Both(path, replacement) => of_replacement(&path.text, replacement),
    });
    let list = Value::Array(items.collect());
    yaml::to_string(&Value::Object([("Replacements".to_string(), list)].into_iter().collect()))
}

fn of_replacement(path: &str, replacement: &Replacement) -> Value {
    let mut config = Fields::default();
    config.text("path", path);
    if let Some(source) = &replacement.source {
        let mut fields = Fields::of_selector(&source.selector);
        fields.text("fieldPath", &source.field_path);
        fields.options(&source.options);
        config.put("source", fields);
    }
    if let Some(value) = &replacement.source_value {
        config.0.insert("sourceValue".to_string(), Value::String(value.clone()));
    }
    let list = |items: Vec<Value>| (!items.is_empty()).then_some(Value::Array(items));
    let targets = replacement.targets.iter().map(|target| {
        let mut fields = Fields::default();
        if let Some(select) = &target.select {
            fields.put("select", Fields::of_selector(select));
        }
        let rejects =
            target.reject.iter().map(|reject| Value::Object(Fields::of_selector(reject).0)).collect();
        fields.0.extend(list(rejects).map(|rejects| ("reject".to_string(), rejects)));
        let paths = target.field_paths.iter().cloned().map(Value::String).collect();
        fields.0.extend(list(paths).map(|paths| ("fieldPaths".to_string(), paths)));
        fields.options(&target.options);
        Value::Object(fields.0)
    });
    config.0.extend(list(targets.collect()).map(|targets| ("targets".to_string(), targets)));
    Value::Object(config.0)
}

/// A map without what is empty.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn of_selector(selector: &Selector) -> Fields {
        let mut fields = Fields::default();
        fields.text("group", &selector.gvk.group);
        fields.text("version", &selector.gvk.version);
        fields.text("kind", &selector.gvk.kind);
        fields.text("name", &selector.name);
        fields.text("namespace", &selector.namespace);
        fields.text("labelSelector", &selector.label_selector);
        fields.text("annotationSelector", &selector.annotation_selector);
        fields
    }

    fn put(&mut self, field: &str, fields: Fields) {
        self.0.insert(field.to_string(), Value::Object(fields.0));
    }

    fn text(&mut self, field: &str, text: &str) {
        if !text.is_empty() {
            self.0.insert(field.to_string(), Value::String(text.to_string()));
        }
    }

    fn flag(&mut self, field: &str, set: bool) {
        if set {
            self.0.insert(field.to_string(), Value::Bool(true));
        }
    }

    fn options(&mut self, options: &FieldOptions) {
        let mut fields = Fields::default();
        fields.text("delimiter", &options.delimiter);
        if options.index != 0 {
            fields.0.insert("index".to_string(), options.index.into());
        }
        fields.flag("create", options.create);
        if !fields.0.is_empty() {
            self.put("options", fields);
        }
    }
}
