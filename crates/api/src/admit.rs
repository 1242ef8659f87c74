//! What is checked and filled in before an object is stored; the rules themselves are `schema`'s.

use crate::metadata::{field_map, text};
use crate::{
    Api, ApiError, FieldValidation, Result, WriteOptions, admission, crds, gvk, policy, rules, structural,
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
    if let Some(other) = gvk::other(kind, object) {
        return Err(other.in_body());
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
    let unknown = decode(api, view, kind, object).map_err(|unfit| undecodable(kind, &unfit))?;
    say_unknown(unknown, options).map_err(|problem| undecodable(kind, &problem))
}

/// Takes out the fields that the kind does not have and names them; or says which value does not fit its field.
pub(crate) fn decode(
    api: &Api,
    view: &Snapshot,
    kind: &Kind,
    object: &mut Value,
) -> std::result::Result<Vec<String>, String> {
    if !api.is_builtin(&kind.resource()) {
        let Some(definition) = structural::definition_of(view, kind) else { return Ok(Vec::new()) };
        let unfit = crate::link::metadata_type_errors(&object["metadata"]);
        if !unfit.is_empty() {
            return Err(unfit.join(", "));
        }
        return Ok(structural::prune(structural::schema_in(&definition, kind), object));
    }
    let unfit = crate::link::type_errors(kind, object);
    if !unfit.is_empty() {
        return Err(unfit.join(", "));
    }
    Ok(crate::link::drop_unknown_fields(kind, object))
}

/// What others than the caller make of an object must still be one of its kind; what the kind does not know is left
/// out without a word.
pub(crate) fn remade(api: &Api, view: &Snapshot, kind: &Kind, object: &mut Value) -> Result<()> {
    identify(kind, object)?;
    decode(api, view, kind, object).map(drop).map_err(|unfit| undecodable(kind, &unfit))
}

/// What a lenient reader overlooks, by the caller's wish: nothing, a warning, an error.
pub(crate) fn say_unknown(unknown: Vec<String>, options: &WriteOptions) -> std::result::Result<(), String> {
    let mut all = options.oversights.iter().chain(&unknown).peekable();
    match options.field_validation {
        FieldValidation::Strict if all.peek().is_some() => {
            let all: Vec<&str> = all.map(String::as_str).collect();
            Err(format!("strict decoding error: {}", all.join(", ")))
        }
        FieldValidation::Warn => {
            all.for_each(|problem| options.warnings.push(problem.clone()));
            Ok(())
        }
        FieldValidation::Strict | FieldValidation::Ignore => Ok(()),
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
        let mut causes = crate::link::validate_custom_metadata(object, previous);
        if let Some(definition) = structural::definition_of(view, kind) {
            let schema = structural::schema_in(&definition, kind);
            causes.extend(structural::validate(schema, object, previous));
            causes.extend(structural::embedded_problems(schema, object));
        }
        causes
    };
    if kind.resource() == crds::RESOURCE {
        // Of a schema that has no right shape nothing more is said.
        if causes.is_empty() {
            causes.extend(structural::default_problems(object));
        }
        causes.extend(structural::pattern_problems(object));
        causes.extend(rules::problems(object, previous));
        causes = crds::places::name(object, causes);
    } else if policy::has_expressions(kind) {
        causes.extend(policy::problems(object));
    } else if admission::is_configuration(&kind.resource()) {
        causes.extend(policy::problems_of_webhooks(object));
    } else if !api.is_builtin(&kind.resource()) {
        let fits = !causes.iter().any(|(_, reason, _)| rules::HINDERS.contains(&reason.as_str()));
        causes.extend(rules::check(api, view, kind, object, previous, fits));
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(&kind.resource(), &kind.kind, text(object, "name"), &causes))
}

/// What may be written, but had better not.
pub(crate) fn warn(kind: &Kind, object: &Value, previous: Option<&Value>, options: &WriteOptions) {
    for warning in crate::link::warnings(kind, object, previous) {
        options.warnings.push(warning);
    }
    if kind.resource() == crds::RESOURCE {
        let known = previous.map(structural::format_warnings).unwrap_or_default();
        let new = structural::format_warnings(object).into_iter().filter(|warning| !known.contains(warning));
        new.for_each(|warning| options.warnings.push(warning));
    }
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
