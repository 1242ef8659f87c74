//! From YAML to [`Kustomization`].

use diag::Diagnostic;
use serde_json::Value;
use yaml::{Duplicates, Keys, Node, Options, Rules, Spanned};

use super::{
    Behavior, FieldOptions, Generator, GeneratorOptions, Image, Kustomization, Label, Named, OpenApiField,
    Patch, Place, Replacement, ReplacementField, ReplacementSource, ReplacementTarget, Replica, Selector,
    SortOptions,
};
use crate::decode::{Fields, Source};
use crate::error::{Error, Errors, Result};
use crate::fieldspec::FieldSpec;
use crate::helm;
use crate::id::Gvk;
use crate::vars;

const DEPRECATED: [(&str, &str); 6] = [
    ("bases", "Please use 'resources' instead. Run"),
    ("commonLabels", "Please use 'labels' instead. Run"),
    ("imageTags", "Please use 'images' instead. Run"),
    ("patchesJson6902", "Please use 'patches' instead. Run"),
    ("patchesStrategicMerge", "Please use 'patches' instead. Run"),
    ("vars", "Please use 'replacements' instead. [EXPERIMENTAL] Run"),
];

/// Reads a kustomization file. `dir` is for the messages only.
pub(crate) fn read_kustomization(source: Source<'_>, dir: &str) -> Result<Kustomization> {
    let options = Options { rules: Rules::Sigs, duplicates: Duplicates::LastWins, keys: Keys::ToText };
    let documents = yaml::parse_spanned_with(source.text, &options).map_err(|e| {
        let upstream = format!("invalid Kustomization: {}", e.upstream());
        Error::from(e.in_file(source.file)).worded(upstream)
    })?;
    let empty = || {
        let diagnostic = Diagnostic::error("kustomization.yaml is empty").in_file(source.file);
        Error::Input { diagnostic: Box::new(diagnostic) }
    };
    let root = documents.first().ok_or_else(empty)?;
    let mut f = Fields::new(source, root, "Kustomization").map_err(invalid)?;
    let mut k = Kustomization::default();
    read_type(&mut f, &mut k, dir)?;
    let meta = |e: &&yaml::Entry| {
        !e.value.is_null() && !["apiversion", "kind", "metadata"].contains(&e.key.to_lowercase().as_str())
    };
    if !root.entries().iter().any(|e| meta(&e)) {
        return Err(empty());
    }
    for (field, advice) in DEPRECATED {
        if f.has(field) {
            k.warnings.push(format!(
                "# Warning: '{field}' is deprecated. {advice} 'kustomize edit fix' to update your Kustomization automatically."
            ));
        }
    }
    read_fields(f, &mut k)?;
    Ok(k)
}

fn invalid(error: Error) -> Error {
    match error {
        // only what the decoder of JSON says is prefixed so
        Error::Worded { .. } => error.prefixed("invalid Kustomization"),
        Error::Several { first, others } => Error::Several {
            first: Box::new(invalid(*first)),
            others: others.into_iter().map(invalid).collect(),
        },
        other => other,
    }
}

/// What is wrong with one field has nothing to do with the others.
fn read_fields(mut f: Fields<'_>, k: &mut Kustomization) -> Result<()> {
    let mut errors = Errors::default();
    read_transformers(&mut f, k, &mut errors);
    read_generators(&mut f, k, &mut errors);
    k.resources = errors.keep(read_named(&mut f, "resources"));
    k.resources.extend(errors.keep(read_named(&mut f, "bases")));
    k.components = errors.keep(read_named(&mut f, "components"));
    k.generators = errors.keep(read_named(&mut f, "generators"));
    k.transformers = errors.keep(read_named(&mut f, "transformers"));
    k.validators = errors.keep(read_named(&mut f, "validators"));
    k.configurations = errors.keep(read_named(&mut f, "configurations"));
    k.crds = errors.keep(read_named(&mut f, "crds"));
    k.vars = errors.keep(f.each("vars", "Var", vars::read));
    k.openapi = errors.keep(read_openapi(&mut f));
    k.sort = errors.keep(read_sort(&mut f));
    errors.keep(read_build_metadata(&mut f, k));
    errors.keep(f.finish());
    errors.map(invalid).finish()
}

fn read_type(f: &mut Fields<'_>, k: &mut Kustomization, dir: &str) -> Result<()> {
    let span = f.node("kind").or(f.node("apiVersion")).map_or(f.span, |n| n.span);
    let (api_version, kind) = (f.string("apiVersion")?, f.string("kind")?);
    f.node("metadata");
    k.is_component = kind == "Component";
    if !["", "Kustomization", "Component"].contains(&kind.as_str()) {
        let message = format!(
            "Failed to read kustomization file under {dir}:\nkind should be Kustomization or Component"
        );
        return Err(f.source.error(span, message));
    }
    let wanted =
        if k.is_component { "kustomize.config.k8s.io/v1alpha1" } else { "kustomize.config.k8s.io/v1beta1" };
    if !api_version.is_empty() && api_version != wanted {
        let kind = if kind.is_empty() { "Kustomization" } else { &kind };
        let message = format!(
            "Failed to read kustomization file under {dir}:\napiVersion for {kind} should be {wanted}"
        );
        return Err(f.source.error(span, message));
    }
    Ok(())
}

fn read_transformers(f: &mut Fields<'_>, k: &mut Kustomization, errors: &mut Errors) {
    k.name_prefix = errors.keep(f.string("namePrefix"));
    k.name_suffix = errors.keep(f.string("nameSuffix"));
    k.namespace = errors.keep(f.string("namespace"));
    k.common_labels = errors.keep(f.string_map("commonLabels"));
    k.common_annotations = errors.keep(f.string_map("commonAnnotations"));
    k.labels = errors.keep(f.each("labels", "Label", read_label));
    k.patches_strategic_merge = errors.keep(read_named(f, "patchesStrategicMerge"));
    k.patches = errors.keep(f.each("patches", "Patch", read_patch));
    k.patches_json6902 = errors.keep(f.each("patchesJson6902", "Patch", read_patch));
    k.images = errors.keep(f.each("images", "Image", read_image));
    k.images.extend(errors.keep(f.each("imageTags", "Image", read_image)));
    k.replicas = errors.keep(f.each("replicas", "Replica", read_replica));
    k.replacements = errors.keep(f.each("replacements", "ReplacementField", read_replacement));
}

fn read_generators(f: &mut Fields<'_>, k: &mut Kustomization, errors: &mut Errors) {
    k.config_maps = errors.keep(f.each("configMapGenerator", "ConfigMapArgs", read_generator));
    k.secrets = errors.keep(f.each("secretGenerator", "SecretArgs", |mut f| {
        let secret_type = f.string("type")?;
        Ok(Generator { secret_type, ..read_generator(f)? })
    }));
    k.helm = errors.keep(helm::read::charts(f));
    let options = f.one("generatorOptions", "GeneratorOptions", read_generator_options);
    k.generator_options = errors.keep(options).unwrap_or_default();
}

pub(crate) fn place(f: &Fields<'_>) -> Place {
    place_of(f.source, f.span)
}

fn place_of(source: Source<'_>, span: diag::Span) -> Place {
    Place { file: source.file.to_string(), position: Some(diag::Position::of(source.text, span.start)), span }
}

fn read_named(f: &mut Fields<'_>, field: &'static str) -> Result<Vec<Named>> {
    let source = f.source;
    f.list(field)?
        .iter()
        .map(|node| {
            Ok(Named {
                text: source.string(node, &format!("Kustomization.{field}"))?,
                place: place_of(source, node.span),
            })
        })
        .collect()
}

fn read_label(mut f: Fields<'_>) -> Result<Label> {
    let label = Label {
        pairs: f.string_map("pairs")?,
        include_selectors: f.bool("includeSelectors")?,
        include_templates: f.bool("includeTemplates")?,
        include_volume_claim_templates: f.bool("includeVolumeClaimTemplates")?,
        fields: f.each("fields", "FieldSpec", read_fieldspec)?,
    };
    f.finish()?;
    Ok(label)
}

pub(crate) fn read_gvk(f: &mut Fields<'_>) -> Result<Gvk> {
    Ok(Gvk { group: f.string("group")?, version: f.string("version")?, kind: f.string("kind")? })
}

pub(crate) fn read_fieldspec(mut f: Fields<'_>) -> Result<FieldSpec> {
    let spec = read_loose_fieldspec(&mut f)?;
    f.finish()?;
    Ok(spec)
}

/// A plugin's field spec, which may hold fields that nobody knows.
pub(crate) fn read_loose_fieldspec(f: &mut Fields<'_>) -> Result<FieldSpec> {
    Ok(FieldSpec::new(read_gvk(f)?, &f.string("path")?, f.bool("create")?))
}

fn read_selector_fields(f: &mut Fields<'_>) -> Result<Selector> {
    Ok(Selector {
        gvk: read_gvk(f)?,
        name: f.string("name")?,
        namespace: f.string("namespace")?,
        label_selector: f.string("labelSelector")?,
        annotation_selector: f.string("annotationSelector")?,
    })
}

pub(crate) fn read_selector(mut f: Fields<'_>) -> Result<Selector> {
    let selector = read_selector_fields(&mut f)?;
    f.finish()?;
    Ok(selector)
}

/// `options` of a patch; the rest is empty.
pub(crate) fn read_patch_options(f: &mut Fields<'_>) -> Result<Patch> {
    let options = f.one("options", "PatchArgs", |mut f| {
        let options = Patch {
            allow_name_change: f.bool("allowNameChange")?,
            allow_kind_change: f.bool("allowKindChange")?,
            ..Patch::default()
        };
        f.finish()?;
        Ok(options)
    })?;
    Ok(options.unwrap_or_default())
}

fn read_patch(mut f: Fields<'_>) -> Result<Patch> {
    let options = read_patch_options(&mut f)?;
    let patch = Patch {
        path: f.string("path")?,
        patch: f.string("patch")?,
        target: f.one("target", "Selector", read_selector)?,
        place: place(&f),
        ..options
    };
    f.finish()?;
    Ok(patch)
}

pub(crate) fn read_image(mut f: Fields<'_>) -> Result<Image> {
    let image = Image {
        name: f.string("name")?,
        new_name: f.string("newName")?,
        new_tag: f.string("newTag")?,
        tag_suffix: f.string("tagSuffix")?,
        digest: f.string("digest")?,
    };
    f.finish()?;
    Ok(image)
}

fn read_generator(mut f: Fields<'_>) -> Result<Generator> {
    let generator = read_generator_fields(&mut f)?;
    f.finish()?;
    Ok(generator)
}

/// A generator written as an object, whose name may stand in its metadata.
pub(crate) fn read_generator_plugin(f: &mut Fields<'_>, secret: bool) -> Result<Generator> {
    let mut generator = read_generator_fields(f)?;
    // `env` is moved to `envs` in kustomization files only
    if !f.string("env")?.is_empty() {
        generator.envs.pop();
    }
    if secret {
        generator.secret_type = f.string("type")?;
    }
    let meta = |field: &str| {
        let text = f.peek("metadata").and_then(|m| m.get(field)).and_then(Spanned::as_str);
        text.unwrap_or("").to_string()
    };
    if generator.name.is_empty() {
        generator.name = meta("name");
    }
    if generator.namespace.is_empty() {
        generator.namespace = meta("namespace");
    }
    generator.place = Place::default();
    Ok(generator)
}

fn read_generator_fields(f: &mut Fields<'_>) -> Result<Generator> {
    let behavior = match f.string("behavior")?.as_str() {
        "merge" => Behavior::Merge,
        "replace" => Behavior::Replace,
        _ => Behavior::Create,
    };
    let mut envs = f.strings("envs")?;
    let env = f.string("env")?;
    if !env.is_empty() {
        envs.push(env);
    }
    Ok(Generator {
        name: f.string("name")?,
        namespace: f.string("namespace")?,
        behavior,
        literals: f.strings("literals")?,
        files: f.strings("files")?,
        envs,
        options: f.one("options", "GeneratorOptions", read_generator_options)?.unwrap_or_default(),
        // `type` belongs to secrets alone
        secret_type: String::new(),
        place: place(f),
    })
}

fn read_generator_options(mut f: Fields<'_>) -> Result<GeneratorOptions> {
    let options = GeneratorOptions {
        labels: f.string_map("labels")?,
        annotations: f.string_map("annotations")?,
        disable_name_suffix_hash: f.bool("disableNameSuffixHash")?,
        immutable: f.bool("immutable")?,
    };
    f.finish()?;
    Ok(options)
}

fn read_options(mut f: Fields<'_>) -> Result<FieldOptions> {
    f.node("encoding");
    let options = FieldOptions {
        delimiter: f.string("delimiter")?,
        index: f.int("index")?.unwrap_or(0),
        create: f.bool("create")?,
    };
    f.finish()?;
    Ok(options)
}

pub(crate) fn read_replacement(mut f: Fields<'_>) -> Result<ReplacementField> {
    let path = f.string("path")?;
    let source = f.one("source", "SourceSelector", |mut f| {
        let source = ReplacementSource {
            selector: read_selector_fields(&mut f)?,
            field_path: f.string("fieldPath")?,
            options: f.one("options", "FieldOptions", read_options)?.unwrap_or_default(),
        };
        f.finish()?;
        Ok(source)
    })?;
    let source_value = match f.node("sourceValue") {
        Some(node) => Some(f.source.string(node, "Replacement.sourceValue")?),
        None => None,
    };
    let targets = f.each("targets", "TargetSelector", read_target)?;
    let place = place(&f);
    f.finish()?;
    let is_inline = source.is_some() || !targets.is_empty();
    let path = Named { text: path, place: place.clone() };
    let replacement = Box::new(Replacement { source, source_value, targets, place });
    Ok(match (path.text.is_empty(), is_inline) {
        (true, _) => ReplacementField::Inline(replacement),
        (false, false) => ReplacementField::Path(path),
        (false, true) => ReplacementField::Both(path, replacement),
    })
}

fn read_target(mut f: Fields<'_>) -> Result<ReplacementTarget> {
    let target = ReplacementTarget {
        select: f.one("select", "Selector", read_selector)?,
        reject: f.each("reject", "Selector", read_selector)?,
        field_paths: f.strings("fieldPaths")?,
        options: f.one("options", "FieldOptions", read_options)?.unwrap_or_default(),
    };
    f.finish()?;
    Ok(target)
}

pub(crate) fn read_replica(mut f: Fields<'_>) -> Result<Replica> {
    let replica = Replica { name: f.string("name")?, count: f.int("count")?.unwrap_or(0) };
    f.finish()?;
    Ok(replica)
}

/// The replacements of a file: a list, or one alone.
pub(crate) fn read_replacements(source: Source<'_>) -> Result<Vec<Replacement>> {
    let documents = yaml::parse_spanned(source.text).map_err(|e| Error::from(e.in_file(source.file)))?;
    let unsupported = |kind: &str, span| {
        let message = format!("unsupported replacement type encountered within replacement path: {kind}");
        Err(source.error(span, message).hint("the file holds a replacement, or a list of them"))
    };
    let Some(document) = documents.first() else { return unsupported("invalid", diag::Span::new(0, 0)) };
    let items = match &document.node {
        Node::Sequence(items) => items,
        Node::Mapping(_) => std::slice::from_ref(document),
        Node::Scalar(Value::Bool(_)) => return unsupported("bool", document.span),
        Node::Scalar(Value::Number(_)) => return unsupported("float64", document.span),
        Node::Scalar(_) => return unsupported("string", document.span),
    };
    let read = |item| match read_replacement(Fields::new(source, item, "Replacement")?.loosely())? {
        ReplacementField::Inline(replacement) => Ok(*replacement),
        ReplacementField::Path(_) | ReplacementField::Both(..) => {
            Err(source.error(item.span, "a replacement file cannot name another one"))
        }
    };
    items.iter().map(read).collect()
}

fn read_sort(f: &mut Fields<'_>) -> Result<Option<SortOptions>> {
    f.one("sortOptions", "SortOptions", |mut f| {
        let order = f.string("order")?;
        let lists = f.one("legacySortOptions", "LegacySortOptions", |mut f| {
            let lists = (f.strings("orderFirst")?, f.strings("orderLast")?);
            f.finish()?;
            Ok(lists)
        })?;
        match order.as_str() {
            "fifo" if lists.is_some() => Err(f.error(
                "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'",
            )),
            "fifo" => f.finish().map(|()| SortOptions::Fifo),
            "legacy" => f.finish().map(|()| SortOptions::Legacy(lists)),
            _ => Err(f.error("the field 'sortOptions.order' must be one of [fifo, legacy]")),
        }
    })
}

/// A map of texts, of which two count.
fn read_openapi(f: &mut Fields<'_>) -> Result<Option<OpenApiField>> {
    let fields = f.string_map("openapi")?;
    let Some(node) = f.node("openapi") else { return Ok(None) };
    let place = Fields::new(f.source, node, "Kustomization.openapi").map(|f| place(&f))?;
    let text = |name: &str| fields.get(name).cloned();
    Ok(Some(OpenApiField { version: text("version"), path: text("path"), place }))
}

fn read_build_metadata(f: &mut Fields<'_>, k: &mut Kustomization) -> Result<()> {
    let source = f.source;
    for node in f.list("buildMetadata")? {
        let metadata = &mut k.build_metadata;
        metadata.any = true;
        match source.string(node, "Kustomization.buildMetadata")?.as_str() {
            "managedByLabel" => metadata.managed_by = true,
            "originAnnotations" => metadata.origins = true,
            "transformerAnnotations" => metadata.transformations = true,
            // upstream does not mind others
            _ => {}
        }
    }
    Ok(())
}
