//! Calls into `schema`, in one place.

use api::{Api, ApiError, Kind, Object, Result, View};
use schema::convert::events;
use serde_json::{Value, json};

/// The Kubernetes version that the types are of.
pub(crate) const VERSION: &str = "v1.37.0";

const DEFINITIONS: &str = "apiextensions.k8s.io/customresourcedefinitions";

pub(crate) struct Table {
    pub(crate) columns: Vec<Value>,
    pub(crate) rows: Vec<Vec<Value>>,
}

pub(crate) fn table(api: &Api, kind: &Kind, api_version: &str, objects: &[Object]) -> Table {
    let resource = if kind.group == events::GROUP { "events".to_string() } else { kind.resource() };
    if !api.is_builtin(&resource) {
        return crate::columns::table(definition(api, kind).as_deref(), api_version, objects);
    }
    let columns = schema::table::columns(&resource).into_iter().map(|column| {
        json!({
            "name": column.name, "type": column.r#type, "format": column.format,
            "description": column.description, "priority": column.priority,
        })
    });
    let now = jiff::Timestamp::now().as_second();
    Table {
        columns: columns.collect(),
        rows: objects.iter().map(|object| schema::table::row(&resource, object, now)).collect(),
    }
}

/// The CustomResourceDefinition of a kind.
fn definition(api: &Api, kind: &Kind) -> Option<Object> {
    api.view().get(DEFINITIONS, "", &format!("{}.{}", kind.plural, kind.group))
}

pub(crate) fn decode_protobuf(bytes: &[u8]) -> Result<Value> {
    schema::protobuf::decode(bytes).map_err(|error| {
        ApiError::bad_request(format!(
            "the object provided is unrecognized: couldn't decode protobuf: {error}"
        ))
    })
}

/// Calls `then` with the kinds that CustomResourceDefinitions add, and with those that are measured.
fn with_custom<T>(api: &Api, then: impl FnOnce(&[schema::openapi::Custom<'_>]) -> T) -> T {
    let kinds = api.kinds();
    let custom = kinds.all().iter().filter(|kind| !api.is_builtin(&kind.resource()));
    let custom: Vec<_> = custom.map(|kind| (kind.clone(), definition(api, kind))).collect();
    let versions = custom
        .iter()
        .flat_map(|(kind, definition)| kind.versions.iter().map(move |version| (kind, definition, version)))
        .map(|(kind, definition, version)| schema::openapi::Custom {
            kind,
            version,
            is_read_only: false,
            schema: definition.as_ref().and_then(|definition| {
                let versions = definition["spec"]["versions"].as_array()?;
                let version = versions.iter().find(|known| known["name"] == version.as_str())?;
                version["schema"].get("openAPIV3Schema")
            }),
        });
    let mut all: Vec<schema::openapi::Custom<'_>> = versions.collect();
    // One by one: those that are measured live for longer.
    schema::openapi::measured().for_each(|kind| all.push(kind));
    then(&all)
}

/// The OpenAPI v3 document of a group-version (`api/v1`, `apis/apps/v1`).
pub(crate) fn openapi_v3(api: &Api, path: &str) -> Option<Value> {
    with_custom(api, |custom| schema::openapi::v3(path, custom))
}

pub(crate) fn openapi_v3_paths(api: &Api) -> Vec<String> {
    with_custom(api, schema::openapi::v3_paths)
}

/// What the document is made from, for its hash.
pub(crate) fn openapi_seed(api: &Api, path: &str) -> String {
    with_custom(api, |custom| {
        let mine = custom.iter().filter(|c| path == format!("apis/{}/{}", c.kind.group, c.version));
        let parts = mine.map(|c| format!("{:?}{}{:?}", c.kind, c.version, c.schema.map(Value::to_string)));
        parts.fold(path.to_string(), |all, part| all + &part)
    })
}

pub(crate) fn openapi_v2(api: &Api) -> Option<Value> {
    let document = with_custom(api, schema::openapi::v2);
    (!document.is_null()).then_some(document)
}
