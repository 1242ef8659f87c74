//! What a structural schema declares of its values: their type, how many elements they can have and how short they can be
//! written. Read once from a schema, shared by all rules below it.

use crate::types::Type;
use crate::value::escape;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest request.
const REQUEST: u64 = 3 * 1024 * 1024;
/// The longest texts of these formats, with their quotes.
const LONGEST_DURATION: u64 = 32;
const LONGEST_TIME: u64 = 37;
const DATE: u64 = 12;

#[derive(Debug)]
pub struct Declared {
    ty: Type,
    /// Characters, bytes, items or entries; what has none of these has no size.
    most: u64,
    /// The size of the smallest value as JSON.
    least_bytes: u64,
    fields: BTreeMap<String, Arc<Declared>>,
    items: Option<Arc<Declared>>,
}

impl Declared {
    /// None: expressions cannot see values of this schema.
    pub fn of_schema(schema: &Json, is_root: bool) -> Option<Arc<Self>> {
        if schema["x-kubernetes-int-or-string"] == true {
            let most = by_length(schema).unwrap_or(REQUEST - 2);
            return Some(Arc::new(Self::simple(Type::Dyn, most, 1)));
        }
        let made = match schema["type"].as_str()? {
            "boolean" => Self::simple(Type::Bool, 0, 4),
            "integer" => Self::simple(Type::Int, 0, 1),
            "number" => Self::simple(Type::Double, 0, 1),
            "string" => Self::text(schema),
            "array" => {
                let items = below(&schema["items"])?;
                let most = bound(schema, "maxItems").unwrap_or((REQUEST - 2) / (items.least_bytes + 1));
                Self { items: Some(items.clone()), ..Self::simple(Type::list(items.ty.clone()), most, 2) }
            }
            "object" if schema["additionalProperties"].is_object() => {
                let values = below(&schema["additionalProperties"])?;
                let most = bound(schema, "maxProperties").unwrap_or((REQUEST - 2) / (values.least_bytes + 6));
                Self { items: Some(values.clone()), ..Self::simple(Type::map(values.ty.clone()), most, 2) }
            }
            "object" => Self::object(schema, is_root),
            _ => return None,
        };
        Some(Arc::new(made))
    }

    fn simple(ty: Type, most: u64, least_bytes: u64) -> Self {
        Self { ty, most, least_bytes, fields: BTreeMap::new(), items: None }
    }

    fn text(schema: &Json) -> Self {
        match schema["format"].as_str() {
            Some("byte") => Self::simple(Type::Bytes, bound(schema, "maxLength").unwrap_or(REQUEST - 2), 2),
            Some("duration") => Self::simple(Type::Duration, LONGEST_DURATION, 4),
            Some("date") => Self::simple(Type::Time, DATE, DATE),
            Some("date-time") => Self::simple(Type::Time, LONGEST_TIME, 21),
            _ => {
                let values = schema["enum"].as_array().filter(|values| !values.is_empty());
                let of_values = |values: &Vec<Json>| {
                    values.iter().filter_map(Json::as_str).map(|value| value.len() as u64).max().unwrap_or(0)
                };
                let most = by_length(schema).or(values.map(of_values)).unwrap_or(REQUEST - 2);
                Self::simple(Type::Text, most, 2)
            }
        }
    }

    fn object(schema: &Json, is_root: bool) -> Self {
        let mut fields: BTreeMap<String, Arc<Self>> = BTreeMap::new();
        let mut least_bytes = 2_u64;
        let required: std::collections::HashSet<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        for (name, given) in schema["properties"].as_object().into_iter().flatten() {
            let Some(field) = below(given) else { continue };
            // What has a default may be left out.
            if required.contains(name.as_str()) && given["default"].is_null() {
                least_bytes = least_bytes.saturating_add(name.len() as u64 + field.least_bytes + 4);
            }
            fields.insert(escape(name), field);
        }
        if is_root || schema["x-kubernetes-embedded-resource"] == true {
            let word = || Arc::new(Self::simple(Type::Text, REQUEST - 2, 2));
            fields.insert("apiVersion".into(), word());
            fields.insert("kind".into(), word());
            let names = ["name", "generateName"].map(|name| (name.to_string(), word()));
            fields.insert("metadata".into(), Arc::new(Self::of_fields(names.into(), 2)));
        }
        Self::of_fields(fields, least_bytes)
    }

    fn of_fields(fields: BTreeMap<String, Arc<Self>>, least_bytes: u64) -> Self {
        let types = fields.iter().map(|(name, field)| (name.clone(), field.ty.clone())).collect();
        Self { fields, ..Self::simple(Type::Object(Arc::new(types)), 0, least_bytes) }
    }

    pub fn ty(&self) -> &Type {
        &self.ty
    }

    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// By its name in expressions.
    pub fn field(&self, name: &str) -> Option<&Arc<Self>> {
        self.fields.get(name).or_else(|| self.fields.get(&crate::value::reserved(name)?))
    }

    /// Items of a list, values of a map.
    pub fn items(&self) -> Option<&Arc<Self>> {
        self.items.as_ref()
    }

    /// How many such values a request can have where nothing bounds them.
    pub fn most_times(&self) -> u64 {
        REQUEST / (self.least_bytes + 1)
    }
}

fn below(schema: &Json) -> Option<Arc<Declared>> {
    Declared::of_schema(schema, schema["x-kubernetes-embedded-resource"] == true)
}

/// Negative bounds are none that anything could keep.
fn bound(schema: &Json, name: &str) -> Option<u64> {
    let given = schema[name].as_i64()?;
    Some(u64::try_from(given).unwrap_or(0))
}

/// Characters may have four bytes.
fn by_length(schema: &Json) -> Option<u64> {
    Some(bound(schema, "maxLength")?.saturating_mul(4))
}
