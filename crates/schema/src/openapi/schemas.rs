//! The schemas of a document: what its kinds reach, each once.

use super::{Flavor, Served};
use crate::texts;
use crate::types::{Field, FieldType, Type, types};
use patch::TypeId;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) struct Schemas {
    pub(super) flavor: Flavor,
    all: BTreeMap<String, Value>,
}

/// `apiVersion` and `kind` are said to be the same everywhere.
const ANY_KIND: &str = "core.v1.Pod";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

impl Schemas {
    pub(super) fn new(flavor: Flavor) -> Self {
        Self { flavor, all: BTreeMap::new() }
    }

    pub(super) fn finish(self) -> Map<String, Value> {
        self.all.into_iter().collect()
    }

    pub(super) fn reference(&self, definition: &str) -> Value {
        let root = if self.flavor == Flavor::V2 { "#/definitions/" } else { "#/components/schemas/" };
        json!({ "$ref": format!("{root}{definition}") })
    }

    /// The kind's schema and its list's; the name of the former.
    pub(super) fn add_kind(&mut self, served: &Served<'_>) -> Option<String> {
        let definition = match &served.custom {
            Some(_) => self.add_custom(served),
            None => {
                let ty = types().by_gvk(&served.api_version(), &served.kind.kind)?;
                self.add_type(ty, Some(served))
            }
        };
        let item = self.reference(&definition);
        let metadata = self.add_named("meta.v1.ListMeta");
        let list_kind = format!("{}List", served.kind.kind);
        let mut schema = json!({
            "type": "object",
            "description": format!("{list_kind} is a list of {}.", served.kind.kind),
            "required": ["items"],
            "properties": {
                "apiVersion": told(text(), ANY_KIND, "apiVersion"),
                "items": { "type": "array", "items": item },
                "kind": told(text(), ANY_KIND, "kind"),
            },
            "x-kubernetes-group-version-kind": [served.gvk(&list_kind)],
        });
        schema["properties"]["metadata"] = metadata;
        self.all.insert(format!("{definition}List"), schema);
        Some(definition)
    }

    fn add_named(&mut self, name: &str) -> Value {
        let ty = types().by_name(name).expect("the table has the types of metadata");
        let definition = self.add_type(ty, None);
        self.reference(&definition)
    }

    /// A type and what it is made of.
    pub(super) fn add_type(&mut self, id: TypeId, kind: Option<&Served<'_>>) -> String {
        let ty = types().get(id);
        let definition = ty.definition();
        if self.all.contains_key(&definition) {
            return definition;
        }
        // Schemas refer to each other in circles: the place is taken first.
        self.all.insert(definition.clone(), Value::Null);
        let schema = self.object(ty, kind);
        self.all.insert(definition.clone(), schema);
        definition
    }

    fn object(&mut self, ty: &Type, kind: Option<&Served<'_>>) -> Value {
        let mut properties = Map::new();
        if ty.gvk.is_some() {
            for field in ["apiVersion", "kind"] {
                properties.insert(field.into(), told(text(), ty.name, field));
            }
        }
        for field in &ty.fields {
            let schema = self.field(ty, field);
            properties.insert(field.name.into(), schema);
        }
        let mut schema = told(json!({ "type": "object" }), ty.name, "");
        if !properties.is_empty() {
            properties.sort_keys();
            schema["properties"] = properties.into();
        }
        let required: Vec<&str> =
            ty.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if ty.atomic {
            schema["x-kubernetes-map-type"] = "atomic".into();
        }
        if let Some(served) = kind {
            schema["x-kubernetes-group-version-kind"] = json!([served.gvk(&served.kind.kind)]);
        } else if let Some(gvk) = ty.gvk {
            schema["x-kubernetes-group-version-kind"] =
                json!([{ "group": gvk.group, "version": gvk.version, "kind": gvk.kind }]);
        }
        schema
    }

    fn field(&mut self, ty: &Type, field: &Field) -> Value {
        let schema = self.value(&field.ty);
        let mut marks = marks(field);
        if let Some(text) = texts::text(ty.name, field.name) {
            marks.insert(0, ("description", text.into()));
        }
        if marks.is_empty() {
            return schema;
        }
        // A reference stands alone; what is said beside it would be lost.
        let mut schema = match schema.get("$ref") {
            Some(_) if self.flavor == Flavor::V3 => json!({ "allOf": [schema] }),
            _ => schema,
        };
        for (name, value) in marks {
            schema[name] = value;
        }
        schema
    }

    fn value(&mut self, ty: &FieldType) -> Value {
        match ty {
            FieldType::String => text(),
            FieldType::Bool => json!({ "type": "boolean" }),
            FieldType::Int32 => json!({ "type": "integer", "format": "int32" }),
            FieldType::Int64 => json!({ "type": "integer", "format": "int64" }),
            FieldType::Float => json!({ "type": "number", "format": "double" }),
            FieldType::Bytes => json!({ "type": "string", "format": "byte" }),
            FieldType::Object(id) => {
                let definition = self.add_type(*id, None);
                self.reference(&definition)
            }
            FieldType::List(item) => json!({ "type": "array", "items": self.value(item) }),
            FieldType::Map(value) => json!({ "type": "object", "additionalProperties": self.value(value) }),
            special => self.special(special),
        }
    }

    fn special(&mut self, ty: &FieldType) -> Value {
        let v2 = self.flavor == Flavor::V2;
        let (definition, schema) = match ty {
            FieldType::Time => (format!("{META}.Time"), json!({ "type": "string", "format": "date-time" })),
            FieldType::MicroTime => {
                (format!("{META}.MicroTime"), json!({ "type": "string", "format": "date-time" }))
            }
            FieldType::FieldsV1 => (format!("{META}.FieldsV1"), json!({ "type": "object" })),
            FieldType::Quantity => (
                "io.k8s.apimachinery.pkg.api.resource.Quantity".into(),
                if v2 { text() } else { json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }) },
            ),
            FieldType::IntOrString => (
                "io.k8s.apimachinery.pkg.util.intstr.IntOrString".into(),
                if v2 {
                    json!({ "type": "string", "format": "int-or-string" })
                } else {
                    json!({ "format": "int-or-string", "oneOf": [{ "type": "integer" }, { "type": "string" }] })
                },
            ),
            FieldType::Raw => {
                ("io.k8s.apimachinery.pkg.runtime.RawExtension".into(), json!({ "type": "object" }))
            }
            FieldType::SchemaOrBool => (format!("{EXTENSIONS}.JSONSchemaPropsOrBool"), json!({})),
            FieldType::SchemaOrArray => (format!("{EXTENSIONS}.JSONSchemaPropsOrArray"), json!({})),
            FieldType::SchemaOrStrings => (format!("{EXTENSIONS}.JSONSchemaPropsOrStringArray"), json!({})),
            FieldType::AnyObject => {
                (format!("{EXTENSIONS}.CustomResourceSubresourceStatus"), json!({ "type": "object" }))
            }
            _ => (format!("{EXTENSIONS}.JSON"), json!({})),
        };
        let reference = self.reference(&definition);
        let name: Vec<&str> = definition.rsplitn(4, '.').take(3).collect();
        let name = format!("{}.{}.{}", name[2], name[1], name[0]);
        self.all.entry(definition).or_insert_with(|| told(schema, &name, ""));
        reference
    }

    /// `com.example.v1.Widget`.
    fn add_custom(&mut self, served: &Served<'_>) -> String {
        let group: Vec<&str> = served.kind.group.split('.').rev().collect();
        let definition = format!("{}.{}.{}", group.join("."), served.version, served.kind.kind);
        let given = served.custom.and_then(|custom| custom.schema).filter(|schema| schema.is_object());
        let mut schema = given
            .cloned()
            .unwrap_or_else(|| json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }));
        if self.flavor == Flavor::V2 {
            simplify(&mut schema);
        }
        let metadata = self.add_named("meta.v1.ObjectMeta");
        // Version 2 knows free objects only as objects without properties.
        let free = self.flavor == Flavor::V2 && schema["x-kubernetes-preserve-unknown-fields"] == true;
        if !free {
            let properties =
                schema.as_object_mut().map(|schema| schema.entry("properties").or_insert_with(|| json!({})));
            if let Some(Value::Object(properties)) = properties {
                for field in ["apiVersion", "kind"] {
                    properties.insert(field.into(), told(text(), ANY_KIND, field));
                }
                properties.insert("metadata".into(), metadata);
            }
        }
        schema["x-kubernetes-group-version-kind"] = json!([served.gvk(&served.kind.kind)]);
        self.all.insert(definition.clone(), schema);
        definition
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

/// With what the API says of the type or of its field.
fn told(mut schema: Value, ty: &str, field: &str) -> Value {
    if let Some(text) = texts::text(ty, field) {
        schema["description"] = text.into();
    }
    schema
}

/// How the field merges.
fn marks(field: &Field) -> Vec<(&'static str, Value)> {
    let merge = &field.merge;
    let mut marks = Vec::new();
    if !merge.apply_keys.is_empty() {
        marks.push(("x-kubernetes-list-map-keys", merge.apply_keys.clone().into()));
        marks.push(("x-kubernetes-list-type", "map".into()));
    } else if merge.apply_set {
        marks.push(("x-kubernetes-list-type", "set".into()));
    } else if matches!(field.ty, FieldType::List(_)) {
        marks.push(("x-kubernetes-list-type", "atomic".into()));
    }
    if merge.atomic {
        marks.push(("x-kubernetes-map-type", "atomic".into()));
    }
    if merge.granular {
        marks.push(("x-kubernetes-map-type", "granular".into()));
    }
    if let Some(key) = merge.key {
        marks.push(("x-kubernetes-patch-merge-key", key.into()));
    }
    let merges = merge.key.is_some() || merge.strategic_set;
    let strategies = [(merges, "merge"), (merge.retain_keys, "retainKeys"), (merge.replace, "replace")];
    let strategies: Vec<&str> = strategies.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if !strategies.is_empty() {
        marks.push(("x-kubernetes-patch-strategy", strategies.join(",").into()));
    }
    marks
}

/// Takes out of a schema what version 2 cannot say.
fn simplify(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for name in ["oneOf", "anyOf", "allOf", "not", "default"] {
        fields.shift_remove(name);
    }
    let nullable = fields.shift_remove("nullable").is_some_and(|nullable| nullable == true);
    if nullable || fields.get("x-kubernetes-int-or-string").is_some_and(|is| *is == true) {
        fields.shift_remove("type");
    }
    if fields.get("x-kubernetes-preserve-unknown-fields").is_some_and(|free| *free == true)
        || !fields.contains_key("type")
    {
        for name in ["properties", "items", "additionalProperties", "required"] {
            fields.shift_remove(name);
        }
    }
    for (name, value) in fields.iter_mut() {
        match name.as_str() {
            "properties" => {
                value.as_object_mut().into_iter().flat_map(|map| map.values_mut()).for_each(simplify)
            }
            "items" | "additionalProperties" => simplify(value),
            _ => {}
        }
    }
}
