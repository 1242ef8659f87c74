//! What is checked and filled in before an object is stored; the rules themselves are `schema`'s.

use crate::metadata::{field_map, text};
use crate::{
    Api, ApiError, FieldValidation, Result, WriteOptions, crds, rules, split_api_version, structural,
};
use base64::Engine as _;
use schema::Kind;
use serde_json::Value;
use store::{Snapshot, View};

/// Makes `apiVersion` and `kind` those that are stored; refuses an object of another kind.
pub(crate) fn identify(kind: &Kind, object: &mut Value) -> Result<()> {
    if !object.is_object() {
        return Err(ApiError::bad_request("the body of the request must be an object"));
    }
    let given = object["kind"].as_str().unwrap_or(&kind.kind);
    if given != kind.kind {
        return Err(ApiError::bad_request(format!(
            "{given} in version {:?} cannot be handled as a {}",
            object["apiVersion"].as_str().unwrap_or_default(),
            kind.kind
        )));
    }
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    if !api_version.is_empty() {
        let (group, version) = split_api_version(api_version);
        if group != kind.group || !kind.versions.iter().any(|served| served == version) {
            return Err(ApiError::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version ({})",
                kind.api_version()
            )));
        }
    }
    crate::link::to_stored(kind, object);
    let fields = object.as_object_mut().expect("checked above");
    fields.shift_remove("apiVersion");
    fields.shift_remove("kind");
    fields.shift_insert(0, "kind".into(), kind.kind.clone().into());
    fields.shift_insert(0, "apiVersion".into(), kind.api_version().into());
    field_map(object, "metadata");
    Ok(())
}

/// Fields that the kind does not have are dropped; the caller decides whether that is worth a word.
pub(crate) fn fields(
    api: &Api,
    view: &Snapshot,
    kind: &Kind,
    object: &mut Value,
    options: &WriteOptions,
) -> Result<()> {
    if !api.is_builtin(&kind.resource()) {
        let Some(definition) = structural::definition_of(view, kind) else { return Ok(()) };
        let unknown = structural::prune(structural::schema_in(&definition, kind), object);
        return say_unknown(kind, unknown, options);
    }
    let unfit = crate::link::type_errors(kind, object);
    if !unfit.is_empty() {
        return Err(undecodable(kind, &unfit.join(", ")));
    }
    let unknown = crate::link::drop_unknown_fields(kind, object);
    say_unknown(kind, unknown, options)
}

fn say_unknown(kind: &Kind, unknown: Vec<String>, options: &WriteOptions) -> Result<()> {
    if unknown.is_empty() {
        return Ok(());
    }
    match options.field_validation {
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            unknown.iter().for_each(|problem| options.warnings.push(problem.clone()));
            Ok(())
        }
        FieldValidation::Strict => {
            Err(undecodable(kind, &format!("strict decoding error: {}", unknown.join(", "))))
        }
    }
}

fn undecodable(kind: &Kind, problem: &str) -> ApiError {
    let version = kind.versions.first().map_or("v1", String::as_str);
    let name = &kind.kind;
    ApiError::bad_request(format!("{name} in version {version:?} cannot be handled as a {name}: {problem}"))
}

pub(crate) fn defaults(api: &Api, view: &Snapshot, kind: &Kind, object: &mut Value) {
    if api.is_builtin(&kind.resource()) {
        crate::link::defaults(kind, object);
    } else if let Some(definition) = structural::definition_of(view, kind) {
        structural::default(structural::schema_in(&definition, kind), object);
    }
}

pub(crate) fn validate(
    api: &Api,
    view: &Snapshot,
    kind: &Kind,
    object: &Value,
    previous: Option<&Value>,
) -> Result<()> {
    let mut causes = if api.is_builtin(&kind.resource()) {
        crate::link::validate(kind, object, previous)
    } else {
        let definition = structural::definition_of(view, kind);
        definition.map_or_else(Vec::new, |definition| {
            structural::validate(structural::schema_in(&definition, kind), object)
        })
    };
    if kind.resource() == crds::RESOURCE {
        // Of a schema that has no right shape nothing more is said.
        if causes.is_empty() {
            causes.extend(structural::default_problems(object));
        }
        causes.extend(rules::problems(object));
    } else if !api.is_builtin(&kind.resource()) {
        let fits = !causes.iter().any(|(_, reason, _)| rules::HINDERS.contains(&reason.as_str()));
        causes.extend(rules::check(api, view, kind, object, previous, fits));
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(&kind.resource(), &kind.kind, text(object, "name"), &causes))
}

/// `stringData` is write-only: it ends up in `data`.
pub(crate) fn string_data(secret: &mut Value) {
    let Some(fields) = secret.as_object_mut() else { return };
    let Some(Value::Object(plain)) = fields.remove("stringData") else { return };
    let data = field_map(secret, "data");
    for (name, value) in plain {
        let text = value.as_str().unwrap_or_default();
        data.insert(name, base64::engine::general_purpose::STANDARD.encode(text).into());
    }
}

pub(crate) fn default_storage_class(view: &Snapshot, claim: &mut Value) {
    let absent = claim["spec"].get("storageClassName").is_none_or(Value::is_null);
    let marked = "storageclass.kubernetes.io/is-default-class";
    if absent && let Some(name) = marked_default(view, "storage.k8s.io/storageclasses", marked) {
        field_map(claim, "spec").insert("storageClassName".into(), name.into());
    }
}

pub(crate) fn default_ingress_class(view: &Snapshot, ingress: &mut Value) {
    let absent = ingress["spec"].get("ingressClassName").is_none_or(Value::is_null)
        && ingress["metadata"]["annotations"].get("kubernetes.io/ingress.class").is_none();
    let marked = "ingressclass.kubernetes.io/is-default-class";
    if absent && let Some(name) = marked_default(view, "networking.k8s.io/ingressclasses", marked) {
        field_map(ingress, "spec").insert("ingressClassName".into(), name.into());
    }
}

fn marked_default(view: &Snapshot, resource: &str, annotation: &str) -> Option<String> {
    let classes = view.list(resource, "");
    let class = classes.iter().find(|class| class["metadata"]["annotations"][annotation] == "true")?;
    Some(text(class, "name").to_string())
}
