//! Configuration files, strictly: what is not known is an error with its place.

use std::collections::HashMap;
use std::sync::Arc;

use diag::Span;
use yaml::{Duplicates, Keys, Options, Rules};

use super::{Config, List, MergeError};
use crate::decode::{Fields, Source};
use crate::error::{Error, Result};
use crate::fieldspec::FieldSpec;
use crate::spec::read::{read_fieldspec, read_gvk};

/// The configuration of a file, and where each of its specs stands.
struct File {
    config: Config,
    places: HashMap<FieldSpec, Span>,
}

/// Adds the configuration of a file.
pub(crate) fn merge(config: &mut Arc<Config>, source: Source<'_>) -> Result<()> {
    let file = read(source)?;
    let places = file.places;
    let err = |e: MergeError| {
        let span =
            [&e.conflict.incoming, &e.conflict.existing].into_iter().find_map(|field| places.get(&**field));
        at(source, span.copied(), &e)
    };
    Config::merge(config, &Arc::new(file.config)).map_err(err)?;
    Config::settle(config);
    // what contradicts itself comes up when it is merged again; here it is known where it stands
    Config::merge(&mut Config::empty(), config).map_err(|e| err(e).prefixed("merging config"))
}

fn at(source: Source<'_>, span: Option<Span>, e: &MergeError) -> Error {
    let error = match span {
        Some(span) => source.error(span, e.message()),
        None => Error::new(e.message()),
    };
    error.hint(&e.hint())
}

fn read(source: Source<'_>) -> Result<File> {
    let options = Options { rules: Rules::Sigs, duplicates: Duplicates::Refuse, keys: Keys::ToText };
    let documents = yaml::parse_spanned_with(source.text, &options)
        .map_err(|e| Error::from(e.in_file(source.file)).prefixed("error converting YAML to JSON"))?;
    let mut file = File { config: Config::default(), places: HashMap::new() };
    if let Some(root) = documents.first()
        && !root.is_null()
    {
        Fields::new(source, root, "TransformerConfig")
            .and_then(|fields| read_lists(fields, &mut file))
            .map_err(|e| e.prefixed("error unmarshaling JSON: while decoding JSON"))?;
    }
    file.config.sort();
    Ok(file)
}

fn read_lists(mut f: Fields<'_>, file: &mut File) -> Result<()> {
    for list in List::ALL {
        for (field, span) in f.each(list.field(), "FieldSpec", spanned_fieldspec)? {
            file.places.entry(field.clone()).or_insert(span);
            file.config.push(list, field);
        }
    }
    let references = f.each("nameReference", "NameBackReferences", |mut f| {
        let target = read_gvk(&mut f)?;
        let fields = f.each("fieldSpecs", "FieldSpec", spanned_fieldspec)?;
        f.finish()?;
        Ok((target, fields))
    })?;
    for (target, fields) in references {
        for (field, span) in fields {
            file.places.entry(field.clone()).or_insert(span);
            file.config.name_references.push(&target, field);
        }
    }
    f.finish()
}

fn spanned_fieldspec(f: Fields<'_>) -> Result<(FieldSpec, Span)> {
    let span = f.span;
    Ok((read_fieldspec(f)?, span))
}
