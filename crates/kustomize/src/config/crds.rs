//! `crds`: OpenAPI definitions whose extensions say which fields hold names, labels and annotations.
//!
//! Such a file is a map from the name of a Go type to `{Schema: …}`, as code generators for custom resources write it.
//! It is no manifest of a CustomResourceDefinition, for all that the field is called `crds`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use yaml::{Duplicates, Keys, Node, Options, Rules, Spanned};

use super::{Config, List, MergeError};
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;

const ANNOTATION: &str = "x-kubernetes-annotation";
const LABEL_SELECTOR: &str = "x-kubernetes-label-selector";
const IDENTITY: &str = "x-kubernetes-identity";
const REFERENCE_VERSION: &str = "x-kubernetes-object-ref-api-version";
const REFERENCE_KIND: &str = "x-kubernetes-object-ref-kind";
const REFERENCE_NAME_KEY: &str = "x-kubernetes-object-ref-name-key";

/// Deeper fields than this are hardly meant.
const DEPTH: usize = 64;
/// Types that refer to each other over and over name exponentially many fields.
const MOST_FIELDS: usize = 100_000;

/// Adds what a file says.
pub(crate) fn merge(config: &mut Arc<Config>, source: Source<'_>, name: &str) -> Result<()> {
    let doing = format!("unable to parse open API definition from '{name}'");
    let Some(document) = parse(source).map_err(|e| e.doing(&doing))? else { return Ok(()) };
    let definitions = Definitions::of(source, &document).map_err(|e| e.doing(&doing))?;
    let mut found = Config::default();
    for (type_name, properties) in &definitions.types {
        let is_kind = ["kind", "apiVersion", "metadata"].iter().all(|field| properties.contains_key(field));
        if is_kind {
            let kind = type_name.rsplit('.').next().unwrap_or(type_name);
            let gvk = Gvk { kind: kind.to_string(), ..Gvk::default() };
            let mut walk =
                Walk { definitions: &definitions, gvk, found: &mut found, path: Vec::new(), count: 0 };
            walk.run(type_name, &mut HashSet::new())
                .map_err(|()| source.error(document.span, format!("type {type_name} has too many fields")))?;
        }
    }
    found.sort();
    Config::merge(config, &Arc::new(found))
        .map_err(|e: MergeError| source.error(document.span, e.message()).hint(&e.hint()))
}

fn parse(source: Source<'_>) -> Result<Option<Spanned>> {
    let options = Options { rules: Rules::Sigs, duplicates: Duplicates::LastWins, keys: Keys::ToText };
    let documents = yaml::parse_spanned_with(source.text, &options)
        .map_err(|e| Error::from(e.in_file(source.file)).prefixed("error converting YAML to JSON"))?;
    Ok(documents.into_iter().next().filter(|document| !document.is_null()))
}

type Properties<'a> = BTreeMap<&'a str, &'a Spanned>;

/// The properties of each type.
struct Definitions<'a> {
    types: BTreeMap<&'a str, Properties<'a>>,
    /// Types with something to say, themselves or in what they refer to.
    telling: HashSet<&'a str>,
}

impl<'a> Definitions<'a> {
    fn of(source: Source<'_>, document: &'a Spanned) -> Result<Definitions<'a>> {
        if !matches!(document.node, Node::Mapping(_)) {
            return Err(mismatch(source, document, document, "accumulator.nameToApiMap"));
        }
        let mut types = BTreeMap::new();
        for entry in document.entries().iter().filter(|entry| !entry.value.is_null()) {
            if !matches!(entry.value.node, Node::Mapping(_)) {
                return Err(mismatch(source, document, &entry.value, "accumulator.OpenAPIDefinition"));
            }
            let schema = map_field(source, document, &entry.value, "schema")?;
            let properties = match schema {
                Some(schema) => map_field(source, document, schema, "properties")?,
                None => None,
            };
            let properties = properties.map(Spanned::entries).unwrap_or_default();
            let properties = properties.iter().map(|p| (p.key.as_str(), &p.value)).collect();
            types.insert(entry.key.as_str(), properties);
        }
        let telling = telling(&types);
        Ok(Definitions { types, telling })
    }
}

fn mismatch(source: Source<'_>, document: &Spanned, node: &Spanned, wanted: &str) -> Error {
    let found = match &node.node {
        Node::Mapping(_) => "object",
        Node::Sequence(_) => "array",
        Node::Scalar(value) if value.is_string() => "string",
        Node::Scalar(value) if value.is_number() => "number",
        Node::Scalar(_) => "bool",
    };
    let is_crd = document.get("kind").and_then(Spanned::as_str) == Some("CustomResourceDefinition");
    let error = if is_crd {
        source
            .error(node.span, "crds takes OpenAPI definitions, not the manifest of a CustomResourceDefinition")
            .hint("name the manifest under resources, and say under configurations (nameReference) where its objects name others")
    } else {
        source.error(node.span, "crds takes a map from the names of types to {Schema: ...}")
    };
    let doing =
        if source.text.starts_with('{') { "" } else { "error unmarshaling JSON: while decoding JSON: " };
    error.worded(format!("{doing}json: cannot unmarshal {found} into Go value of type {wanted}"))
}

fn map_field<'a>(
    source: Source<'_>,
    document: &Spanned,
    node: &'a Spanned,
    name: &str,
) -> Result<Option<&'a Spanned>> {
    match field(node, name).filter(|value| !value.is_null()) {
        Some(value) if !matches!(value.node, Node::Mapping(_)) => {
            Err(mismatch(source, document, value, "spec.Schema"))
        }
        value => Ok(value),
    }
}

/// Without regard to case, as Go reads JSON.
fn field<'a>(node: &'a Spanned, name: &str) -> Option<&'a Spanned> {
    node.entries().iter().rev().find(|entry| entry.key.eq_ignore_ascii_case(name)).map(|entry| &entry.value)
}

fn text<'a>(node: &'a Spanned, name: &str) -> Option<&'a str> {
    field(node, name).and_then(Spanned::as_str)
}

fn tells(property: &Spanned) -> bool {
    [ANNOTATION, LABEL_SELECTOR, IDENTITY, REFERENCE_VERSION]
        .iter()
        .any(|name| field(property, name).is_some())
}

/// The types from which a marked property can be reached, by following the references backwards.
fn telling<'a>(types: &BTreeMap<&'a str, Properties<'a>>) -> HashSet<&'a str> {
    let mut referrers: BTreeMap<&str, Vec<&'a str>> = BTreeMap::new();
    let mut next: Vec<&'a str> = Vec::new();
    for (name, properties) in types {
        for property in properties.values() {
            if let Some(reference) = text(property, "$ref") {
                referrers.entry(reference).or_default().push(name);
            }
            if tells(property) {
                next.push(name);
            }
        }
    }
    let mut telling = HashSet::new();
    while let Some(name) = next.pop() {
        if telling.insert(name) {
            next.extend(referrers.get(name).into_iter().flatten());
        }
    }
    telling
}

/// From the properties of a kind down to all that they refer to.
struct Walk<'a, 'c> {
    definitions: &'a Definitions<'a>,
    gvk: Gvk,
    found: &'c mut Config,
    path: Vec<&'a str>,
    count: usize,
}

impl<'a> Walk<'a, '_> {
    fn run(&mut self, type_name: &'a str, within: &mut HashSet<&'a str>) -> std::result::Result<(), ()> {
        // a type within itself has no end: upstream does not come back from it
        if self.path.len() > DEPTH
            || !self.definitions.telling.contains(type_name)
            || !within.insert(type_name)
        {
            return Ok(());
        }
        let definitions = self.definitions;
        for (name, property) in definitions.types.get(type_name).into_iter().flatten() {
            self.path.push(name);
            self.count += 1;
            if self.count > MOST_FIELDS {
                return Err(());
            }
            self.note(property);
            if let Some(reference) = text(property, "$ref") {
                self.run(reference, within)?;
            }
            self.path.pop();
        }
        within.remove(type_name);
        Ok(())
    }

    fn note(&mut self, property: &Spanned) {
        for (mark, list) in [
            (ANNOTATION, List::CommonAnnotations),
            (LABEL_SELECTOR, List::CommonLabels),
            (IDENTITY, List::NamePrefix),
        ] {
            if text(property, mark).is_some() {
                let spec = FieldSpec::new(self.gvk.clone(), &self.path.join("/"), false);
                self.found.push(list, spec);
            }
        }
        if let (Some(version), Some(kind)) =
            (text(property, REFERENCE_VERSION), text(property, REFERENCE_KIND))
        {
            let key = text(property, REFERENCE_NAME_KEY).unwrap_or("name");
            let path = format!("{}/{key}", self.path.join("/"));
            let target = Gvk { group: String::new(), version: version.to_string(), kind: kind.to_string() };
            self.found.name_references.push(&target, FieldSpec::new(self.gvk.clone(), &path, false));
        }
    }
}
