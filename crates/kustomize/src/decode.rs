//! Typed reading of kustomization files: field names without regard to case, unknown ones refused with their place.

use std::collections::{BTreeMap, HashSet};

use diag::{Diagnostic, Span};
use serde_json::Value;
use yaml::{Entry, Node, Spanned};

use crate::error::{Error, Errors, Result};

/// The text that a node came from. A plugin's configuration is printed anew before it is read: it has no file, and
/// as upstream its unknown fields do not matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    pub(crate) fn diagnostic(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(message).at(self.text, span).in_file(self.file)
    }

    pub(crate) fn error(&self, span: Span, message: impl Into<String>) -> Error {
        Error::Input { diagnostic: Box::new(self.diagnostic(span, message)) }
    }

    /// The configuration of a plugin.
    pub(crate) fn of_plugin(text: &str) -> Source<'_> {
        Source { file: "", text }
    }

    fn is_plugin(&self) -> bool {
        self.file.is_empty()
    }

    /// `field` is the struct of kustomize and the path in it: `Image.images.newTag`.
    fn mismatch(&self, node: &Spanned, field: &str, wanted: &str) -> Error {
        let found = match &node.node {
            Node::Mapping(_) => "object",
            Node::Sequence(_) => "array",
            Node::Scalar(Value::Bool(_)) => "bool",
            Node::Scalar(Value::Number(_)) => "number",
            Node::Scalar(Value::String(_)) => "string",
            Node::Scalar(_) => "null",
        };
        let name = field.rsplit('.').next().unwrap_or(field);
        let error = self.error(node.span, format!("{name} must be {}, not {}", kind(wanted), kind(found)));
        let error = match (wanted, &node.node) {
            ("string", Node::Scalar(Value::Bool(_))) => {
                error.hint("put it in quotes: in YAML 1.1, y, n, yes, no, on and off are booleans")
            }
            ("string", Node::Scalar(_)) => error.hint("put it in quotes"),
            ("bool" | "int64", Node::Scalar(Value::String(_))) => error.hint("leave the quotes out"),
            ("[]string", Node::Scalar(_)) => error.hint("write it as a list: - ..."),
            ("types.Patch", Node::Scalar(Value::String(text))) if !text.contains('\n') => {
                error.hint(&format!("write it as - path: {text}"))
            }
            ("types.Patch", Node::Scalar(Value::String(_))) => error.hint("write it as - patch: |"),
            _ => error,
        };
        let doing = if self.is_plugin() { "error unmarshaling JSON: while decoding JSON: " } else { "" };
        error.worded(format!(
            "{doing}json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
        ))
    }

    pub(crate) fn string(&self, node: &Spanned, field: &str) -> Result<String> {
        match &node.node {
            Node::Scalar(Value::String(text)) => Ok(text.clone()),
            Node::Scalar(Value::Null) => Ok(String::new()),
            _ => Err(self.mismatch(node, field, "string")),
        }
    }
}

/// A type of Go's JSON in words.
fn kind(go: &str) -> &str {
    match go {
        "string" => "text",
        "bool" => "true or false",
        "number" => "a number",
        "int64" => "a whole number",
        "object" => "a map",
        "null" => "null",
        go if go.starts_with("map[") => "a map",
        go if go == "array" || go.starts_with("[]") => "a list",
        _ => "a map",
    }
}

/// The fields of one mapping, taken one by one; [`Fields::finish`] refuses what is left.
pub(crate) struct Fields<'a> {
    pub(crate) source: Source<'a>,
    type_name: &'static str,
    /// From the top, with a dot behind each.
    path: String,
    entries: BTreeMap<String, &'a Entry>,
    taken: HashSet<&'static str>,
    /// Unknown fields do not matter.
    loose: bool,
    pub(crate) span: Span,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(source: Source<'a>, node: &'a Spanned, type_name: &'static str) -> Result<Fields<'a>> {
        if !matches!(node.node, Node::Mapping(_)) {
            let error = source.mismatch(node, type_name, type_name);
            let found = error.chain().replace(" Go struct field", " Go value");
            return Err(error.worded(found));
        }
        Ok(Fields::at(source, node, type_name, String::new()))
    }

    fn at(source: Source<'a>, node: &'a Spanned, type_name: &'static str, path: String) -> Fields<'a> {
        // a later field of the same name wins
        let entries = node.entries().iter().map(|e| (e.key.to_lowercase(), e)).collect();
        Fields {
            source,
            type_name,
            path,
            entries,
            taken: HashSet::new(),
            loose: source.is_plugin(),
            span: node.span,
        }
    }

    /// The fields of a mapping that is the value of one of these.
    fn below(&self, node: &'a Spanned, name: &str, type_name: &'static str) -> Result<Fields<'a>> {
        if !matches!(node.node, Node::Mapping(_)) {
            let wanted = format!("types.{type_name}");
            return Err(self.source.mismatch(node, &self.path(name), &wanted));
        }
        let fields = Fields::at(self.source, node, type_name, format!("{}{name}.", self.path));
        Ok(Fields { loose: self.loose, ..fields })
    }

    /// As upstream reads files that are named in a kustomization: unknown fields do not matter, here and below.
    pub(crate) fn loosely(self) -> Fields<'a> {
        Fields { loose: true, ..self }
    }

    pub(crate) fn entry(&mut self, name: &'static str) -> Option<&'a Entry> {
        self.taken.insert(name);
        self.entries.get(&name.to_lowercase()).copied().filter(|e| !e.value.is_null())
    }

    pub(crate) fn node(&mut self, name: &'static str) -> Option<&'a Spanned> {
        self.entry(name).map(|e| &e.value)
    }

    pub(crate) fn peek(&self, name: &str) -> Option<&'a Spanned> {
        self.entries.get(&name.to_lowercase()).map(|e| &e.value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.get(&name.to_lowercase()).is_some_and(|e| !e.value.is_null())
    }

    fn path(&self, name: &str) -> String {
        format!("{}.{}{name}", self.type_name, self.path)
    }

    pub(crate) fn string(&mut self, name: &'static str) -> Result<String> {
        match self.node(name) {
            Some(node) => self.source.string(node, &self.path(name)),
            None => Ok(String::new()),
        }
    }

    pub(crate) fn strings(&mut self, name: &'static str) -> Result<Vec<String>> {
        let path = self.path(name);
        self.list(name)?.iter().map(|node| self.source.string(node, &path)).collect()
    }

    pub(crate) fn list(&mut self, name: &'static str) -> Result<&'a [Spanned]> {
        match self.node(name) {
            None => Ok(&[]),
            Some(Spanned { node: Node::Sequence(items), .. }) => Ok(items),
            Some(node) => Err(self.source.mismatch(node, &self.path(name), "[]string")),
        }
    }

    pub(crate) fn bool(&mut self, name: &'static str) -> Result<bool> {
        match self.node(name) {
            None => Ok(false),
            Some(Spanned { node: Node::Scalar(Value::Bool(b)), .. }) => Ok(*b),
            Some(node) => Err(self.source.mismatch(node, &self.path(name), "bool")),
        }
    }

    pub(crate) fn int(&mut self, name: &'static str) -> Result<Option<i64>> {
        match self.node(name) {
            None => Ok(None),
            Some(node) => match &node.node {
                // 3.0 and 1e1 are whole numbers, as JSON has them
                Node::Scalar(Value::Number(n)) => yaml::json_number(n)
                    .parse()
                    .map(Some)
                    .map_err(|_| self.source.mismatch(node, &self.path(name), "int64")),
                _ => Err(self.source.mismatch(node, &self.path(name), "int64")),
            },
        }
    }

    pub(crate) fn string_map(&mut self, name: &'static str) -> Result<BTreeMap<String, String>> {
        let path = self.path(name);
        match self.node(name) {
            None => Ok(BTreeMap::new()),
            Some(Spanned { node: Node::Mapping(entries), .. }) => {
                entries.iter().map(|e| Ok((e.key.clone(), self.source.string(&e.value, &path)?))).collect()
            }
            Some(node) => Err(self.source.mismatch(node, &path, "map[string]string")),
        }
    }

    /// A mapping as it stands, or null.
    pub(crate) fn value_map(&mut self, name: &'static str) -> Result<Value> {
        match self.node(name) {
            None => Ok(Value::Null),
            Some(node @ Spanned { node: Node::Mapping(_), .. }) => Ok(node.to_value()),
            Some(node) => Err(self.source.mismatch(node, &self.path(name), "map[string]interface {}")),
        }
    }

    /// All fields as they stand.
    pub(crate) fn to_value(&self) -> Value {
        let fields = self.entries.values().map(|entry| (entry.key.clone(), entry.value.to_value()));
        Value::Object(fields.collect())
    }

    /// Reads a list of mappings.
    pub(crate) fn each<T>(
        &mut self,
        name: &'static str,
        type_name: &'static str,
        read: impl Fn(Fields<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut errors = Errors::default();
        let mut all = Vec::new();
        for node in self.list(name)? {
            all.extend(errors.keep(self.below(node, name, type_name).and_then(&read).map(Some)));
        }
        errors.finish()?;
        Ok(all)
    }

    pub(crate) fn one<T>(
        &mut self,
        name: &'static str,
        type_name: &'static str,
        read: impl Fn(Fields<'a>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.node(name).map(|node| read(self.below(node, name, type_name)?)).transpose()
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        self.source.error(self.span, message)
    }

    pub(crate) fn finish(self) -> Result<()> {
        if self.loose {
            return Ok(());
        }
        let known: HashSet<String> = self.taken.iter().map(|name| name.to_lowercase()).collect();
        let mut unknown: Vec<&Entry> =
            self.entries.iter().filter(|(name, _)| !known.contains(*name)).map(|(_, entry)| *entry).collect();
        unknown.sort_by_key(|entry| entry.key_span.start);
        let mut errors = Errors::default();
        for entry in unknown {
            errors.keep(Err::<(), Error>(self.unknown(entry)));
        }
        errors.finish()
    }

    fn unknown(&self, entry: &Entry) -> Error {
        let error = self
            .source
            .error(entry.key_span, format!("{} has no field {}", self.type_name, entry.key))
            .worded(format!("json: unknown field \"{}\"", entry.key));
        let near = self.taken.iter().find(|name| is_near(&name.to_lowercase(), &entry.key.to_lowercase()));
        match near {
            Some(near) => error.hint(&format!("did you mean {near}?")),
            None => error,
        }
    }
}

/// Equal but for one character more, less or other.
pub(crate) fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    a.len().abs_diff(b.len()) <= 1 && head + tail + 1 >= a.len().max(b.len())
}
