//! `status.typeChecking` of a policy: whether its validations make sense for the kinds that its rules name. It warns and
//! refuses nothing, as upstream's controller does.

use super::program::Checker;
use super::word;
use crate::admission::matching::words;
use crate::{Api, crds, split_api_version, structural};
use expression::{Declared, Type};
use patch::TypeId;
use schema::types::{FieldType, types};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use store::View;

/// How many kinds of a rule are looked at.
const MOST: usize = 10;

/// Group, version and kind.
type Gvk = (String, String, String);

/// An ExpressionWarning for each expression that does not fit a kind.
pub(super) fn warnings(api: &Api, view: &dyn View, policy: &Value) -> Vec<Value> {
    let spec = &policy["spec"];
    let mut types = Types { api, view, known: HashMap::new() };
    let kinds = kinds(api, spec);
    let kinds: Vec<(Gvk, Type)> =
        kinds.into_iter().filter_map(|gvk| Some((gvk.clone(), types.of(&gvk)?))).collect();
    if kinds.is_empty() {
        return Vec::new();
    }
    let params = &spec["paramKind"];
    let params = params.is_object().then(|| types.of(&named(params))).flatten();
    let checkers: Vec<(Gvk, Checker)> =
        kinds.into_iter().map(|(gvk, ty)| (gvk, Checker::typed(spec, ty, params.clone()))).collect();
    let mut found = Vec::new();
    for (index, validation) in spec["validations"].as_array().into_iter().flatten().enumerate() {
        for field in ["expression", "messageExpression"] {
            let source = validation[field].as_str().unwrap_or_default();
            let told: Vec<String> =
                checkers.iter().filter_map(|(gvk, checker)| told(gvk, checker, source)).collect();
            if !told.is_empty() {
                let place = format!("spec.validations[{index}].{field}");
                found.push(json!({ "fieldRef": place, "warning": told.join("\n") }));
            }
        }
    }
    found
}

fn told((group, version, kind): &Gvk, checker: &Checker, source: &str) -> Option<String> {
    if source.is_empty() {
        return None;
    }
    let problem = checker.type_of(source).err()?;
    Some(format!("{group}/{version}, Kind={kind}: {problem}\n"))
}

fn named(kind: &Value) -> Gvk {
    let api_version = word(&kind["apiVersion"]);
    let (group, version) = split_api_version(&api_version);
    (group.to_string(), version.to_string(), word(&kind["kind"]))
}

/// The kinds that the rules name one by one, in order.
fn kinds(api: &Api, spec: &Value) -> BTreeSet<Gvk> {
    let mut found = BTreeSet::new();
    let known = api.kinds();
    for rule in spec["matchConstraints"]["resourceRules"].as_array().into_iter().flatten() {
        let sorted = |field: &str| -> Vec<String> {
            let mut all = words(&rule[field]);
            all.sort();
            all
        };
        let (groups, versions, resources) = (sorted("apiGroups"), sorted("apiVersions"), sorted("resources"));
        if groups.iter().chain(&versions).any(|name| name.contains('*')) {
            continue;
        }
        let mut count = 0;
        for group in &groups {
            for version in &versions {
                for resource in resources.iter().filter(|name| !name.contains(['*', '/'])) {
                    let Some(kind) = known.by_plural(group, version, resource) else { continue };
                    found.insert((group.clone(), version.clone(), kind.kind.clone()));
                    count += 1;
                    if count == MOST {
                        return found;
                    }
                }
            }
        }
    }
    found
}

/// The types of kinds, and of what built-in ones are made of.
struct Types<'a> {
    api: &'a Api,
    view: &'a dyn View,
    /// None: it is being made, so that what refers to it stands within it.
    known: HashMap<TypeId, Option<Type>>,
}

impl Types<'_> {
    /// None: nothing is known of such a kind.
    fn of(&mut self, (group, version, kind): &Gvk) -> Option<Type> {
        let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
        let known = self.api.kinds().by_gvk(&api_version, kind)?;
        if self.api.is_builtin(&known.resource()) {
            return types().by_gvk(&api_version, kind).map(|id| self.builtin(id));
        }
        let definition = self.view.get(crds::RESOURCE, "", &format!("{}.{}", known.plural, known.group))?;
        let declared = Declared::of_schema(structural::schema_of(&definition, version), true)?;
        let Type::Object(fields) = declared.ty() else { return Some(declared.ty().clone()) };
        let mut fields = BTreeMap::clone(fields);
        if let Some(metadata) = types().by_name("meta.v1.ObjectMeta") {
            fields.insert("metadata".into(), self.builtin(metadata));
        }
        Some(Type::Object(Arc::new(fields)))
    }

    fn builtin(&mut self, id: TypeId) -> Type {
        if let Some(known) = self.known.get(&id) {
            return known.clone().unwrap_or(Type::Dyn);
        }
        self.known.insert(id, None);
        let made_of = types().get(id);
        let mut fields: BTreeMap<String, Type> =
            made_of.fields.iter().map(|field| (field.name.to_string(), self.field(&field.ty))).collect();
        if made_of.gvk.is_some() {
            fields.extend(["apiVersion", "kind"].map(|name| (name.to_string(), Type::Text)));
        }
        let ty = Type::Object(Arc::new(fields));
        self.known.insert(id, Some(ty.clone()));
        ty
    }

    fn field(&mut self, ty: &FieldType) -> Type {
        match ty {
            FieldType::String => Type::Text,
            FieldType::Bool => Type::Bool,
            FieldType::Int32 | FieldType::Int64 => Type::Int,
            FieldType::Float => Type::Double,
            FieldType::Bytes => Type::Bytes,
            FieldType::Time | FieldType::MicroTime => Type::Time,
            FieldType::Object(id) => self.builtin(*id),
            FieldType::List(item) => Type::list(self.field(item)),
            FieldType::Map(value) => Type::map(self.field(value)),
            // What may be one thing or another.
            _ => Type::Dyn,
        }
    }
}

#[cfg(test)]
mod tests;
