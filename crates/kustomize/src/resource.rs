//! One object on its way through a build, with the history of its names beside it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::id::{Gvk, ResId};
use crate::merge::BareNulls;
use crate::origin::{self, BuildMetadata};
use crate::scalar;
use crate::shared::Shared;

mod hidden;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    /// Null or an empty map: deleted, dropped after the transformer that did it.
    pub(crate) object: Value,
    /// Former ids, oldest first. Their group and version are always the present ones.
    previous: Vec<ResId>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    pub(crate) needs_hash: bool,
    /// A generator made it.
    pub(crate) is_generated: bool,
    /// A Helm chart made it.
    pub(crate) is_from_helm: bool,
    pub(crate) shared: Shared,
    /// The vars that take their value from here.
    pub(crate) vars: Vec<String>,
    /// Where the file had nothing at all for a value, until a merge or patch has settled it.
    pub(crate) bare_nulls: BareNulls,
    /// Name and namespace if they were written as numbers or booleans. They are text in between, for ids.
    unquoted: Vec<&'static str>,
}

const BUILD_ANNOTATIONS: &str = "internal.config.kubernetes.io/";
const NEEDS_HASH: &str = "internal.config.kubernetes.io/needsHashSuffix";
const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

impl Resource {
    pub(crate) fn new(object: Value) -> Resource {
        let mut resource = Resource {
            object,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            needs_hash: false,
            is_generated: false,
            is_from_helm: false,
            shared: Shared::default(),
            vars: Vec::new(),
            bare_nulls: BareNulls::new(),
            unquoted: Vec::new(),
        };
        resource.quote();
        if resource.meta_map("annotations").is_some() {
            resource.restore_history();
        }
        resource
    }

    fn quote(&mut self) {
        let Some(Value::Object(meta)) = self.object.get_mut("metadata") else { return };
        for field in ["name", "namespace"] {
            if let Some(value @ (Value::Number(_) | Value::Bool(_))) = meta.get_mut(field) {
                *value = Value::String(value.to_string());
                self.unquoted.push(field);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.object {
            Value::Object(map) => map.is_empty(),
            other => other.is_null(),
        }
    }

    pub(crate) fn id(&self) -> ResId {
        ResId::of(&self.object)
    }

    pub(crate) fn gvk(&self) -> Gvk {
        Gvk::of(&self.object)
    }

    fn meta(&self, field: &str) -> &str {
        self.object.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_str).unwrap_or("")
    }

    pub(crate) fn name(&self) -> &str {
        self.meta("name")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.meta("namespace")
    }

    pub(crate) fn kind(&self) -> &str {
        self.object.get("kind").and_then(Value::as_str).unwrap_or("")
    }

    /// As text, whatever it was written as.
    pub(crate) fn annotation(&self, key: &str) -> Option<String> {
        self.object.get("metadata")?.get("annotations")?.get(key).map(scalar::text_of_any)
    }

    fn annotation_list(&self, key: &str) -> Vec<String> {
        let list = self.annotation(&format!("{BUILD_ANNOTATIONS}{key}"));
        list.map(|list| list.split(',').map(str::to_string).collect()).unwrap_or_default()
    }

    /// The history may come with the object, from a tool that ran before.
    fn restore_history(&mut self) {
        self.needs_hash = self.annotation(NEEDS_HASH).is_some();
        self.prefixes = self.annotation_list("prefixes");
        self.suffixes = self.annotation_list("suffixes");
        let (kinds, namespaces) =
            (self.annotation_list("previousKinds"), self.annotation_list("previousNamespaces"));
        let names = self.annotation_list("previousNames");
        for ((name, kind), namespace) in names.into_iter().zip(kinds).zip(namespaces) {
            let gvk = Gvk { kind, ..self.gvk() };
            self.previous.push(ResId { gvk, name, namespace });
        }
    }

    pub(crate) fn meta_map(&self, field: &str) -> Option<&Map<String, Value>> {
        self.object.get("metadata")?.get(field)?.as_object()
    }

    /// The id that the object was loaded or generated with.
    pub(crate) fn original_id(&self) -> ResId {
        self.previous_ids().next().unwrap_or_else(|| self.id())
    }

    pub(crate) fn previous_ids(&self) -> impl Iterator<Item = ResId> + '_ {
        let gvk = self.gvk();
        self.previous.iter().map(move |id| ResId {
            gvk: Gvk { kind: id.gvk.kind.clone(), ..gvk.clone() },
            name: id.name.clone(),
            namespace: id.namespace.clone(),
        })
    }

    pub(crate) fn previous_names(&self) -> impl Iterator<Item = &str> {
        self.previous.iter().map(|id| id.name.as_str())
    }

    /// The metadata as Go prints its struct, former ids among the annotations.
    pub(crate) fn as_go_prints_it(&self) -> String {
        let pairs = |field: &str| -> BTreeMap<String, String> {
            let map = self.meta_map(field).into_iter().flatten();
            map.map(|(key, value)| (key.clone(), scalar::text_of_any(value))).collect()
        };
        let print = |pairs: BTreeMap<String, String>| {
            let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            format!("map[{}]", pairs.join(" "))
        };
        let mut annotations = pairs("annotations");
        let list = |of: fn(&ResId) -> &str| self.previous.iter().map(of).collect::<Vec<_>>().join(",");
        if !self.previous.is_empty() {
            let mut add =
                |key: &str, list: String| annotations.insert(format!("{BUILD_ANNOTATIONS}{key}"), list);
            add("previousKinds", list(|id| &id.gvk.kind));
            add("previousNames", list(|id| &id.name));
            add("previousNamespaces", list(|id| &id.namespace));
        }
        format!(
            "{{{{{} {}}} {{{{{} {}}} {} {}}}}}",
            self.gvk().api_version(),
            self.kind(),
            self.name(),
            self.namespace(),
            print(pairs("labels")),
            print(annotations)
        )
    }

    pub(crate) fn store_previous_id(&mut self) {
        let id = self.id();
        let namespace = id.effective_namespace().to_string();
        self.previous.push(ResId { namespace, ..id });
    }

    pub(crate) fn set_meta(&mut self, field: &str, value: &str) {
        let Value::Object(object) = &mut self.object else { return };
        let meta = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if meta.is_null() {
            *meta = Value::Object(Map::new());
        }
        let Value::Object(meta) = meta else { return };
        if value.is_empty() && field == "namespace" {
            meta.shift_remove(field);
        } else {
            meta.insert(field.to_string(), Value::String(value.to_string()));
        }
    }

    pub(crate) fn remove_label(&mut self, key: &str) {
        let Some(Value::Object(meta)) = self.object.get_mut("metadata") else { return };
        let Some(Value::Object(labels)) = meta.get_mut("labels") else { return };
        if labels.shift_remove(key).is_some() && labels.is_empty() {
            meta.shift_remove("labels");
        }
    }

    pub(crate) fn remove_annotations(&mut self, which: impl Fn(&str) -> bool) {
        let Some(Value::Object(meta)) = self.object.get_mut("metadata") else { return };
        let Some(Value::Object(annotations)) = meta.get_mut("annotations") else { return };
        let before = annotations.len();
        annotations.retain(|name, _| !which(name));
        if annotations.is_empty() && before > 0 {
            meta.shift_remove("annotations");
        }
    }

    /// A copy with its history in annotations, as plugins see it.
    pub(crate) fn with_history(&self) -> Resource {
        let mut copy = self.clone();
        let previous =
            |part: fn(&ResId) -> &str| self.previous.iter().map(part).collect::<Vec<_>>().join(",");
        for (name, list) in [
            ("prefixes", self.prefixes.join(",")),
            ("suffixes", self.suffixes.join(",")),
            ("previousKinds", previous(|id| &id.gvk.kind)),
            ("previousNames", previous(|id| &id.name)),
            ("previousNamespaces", previous(|id| &id.namespace)),
            ("needsHashSuffix", if self.needs_hash { "enabled" } else { "" }.to_string()),
        ] {
            if !list.is_empty() {
                copy.set_annotation(&format!("{BUILD_ANNOTATIONS}{name}"), list);
            }
        }
        copy
    }

    pub(crate) fn set_annotation(&mut self, key: &str, value: String) {
        let mut annotations: BTreeMap<String, Value> =
            self.meta_map("annotations").cloned().unwrap_or_default().into_iter().collect();
        annotations.insert(key.to_string(), Value::String(value));
        self.set_meta_map("annotations", annotations);
    }

    pub(crate) fn set_meta_map(&mut self, field: &str, pairs: BTreeMap<String, Value>) {
        if pairs.is_empty() {
            return;
        }
        let Value::Object(object) = &mut self.object else { return };
        let meta = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(meta) = meta {
            meta.insert(field.to_string(), Value::Object(pairs.into_iter().collect()));
        }
    }

    /// Takes over what a generated object inherits from the one that it is merged into or replaces.
    pub(crate) fn inherit(&mut self, old: &Resource) {
        for field in ["labels", "annotations"] {
            let pairs = |r: &Resource| r.meta_map(field).cloned().unwrap_or_default();
            self.set_meta_map(field, pairs(old).into_iter().chain(pairs(self)).collect());
        }
        self.set_meta("namespace", old.namespace());
        self.set_meta("name", old.name());
        self.previous.clone_from(&old.previous);
        self.prefixes.clone_from(&old.prefixes);
        self.suffixes.clone_from(&old.suffixes);
        self.vars.clone_from(&old.vars);
        self.needs_hash &= old.needs_hash;
    }

    /// Only for tools on the developer's machine: not part of the output.
    pub(crate) fn is_local_config(&self) -> bool {
        self.annotation(LOCAL_CONFIG).is_some_and(|value| value != "false")
    }

    /// The object as it is printed.
    pub(crate) fn finish(mut self, keep: BuildMetadata) -> Value {
        if keep.managed_by {
            let mut labels: BTreeMap<String, Value> =
                self.meta_map("labels").cloned().unwrap_or_default().into_iter().collect();
            labels.insert(MANAGED_BY.to_string(), Value::String(format!("kustomize-{}", crate::VERSION)));
            self.set_meta_map("labels", labels);
        }
        if let Some(Value::Object(meta)) = self.object.get_mut("metadata")
            && let Some(Value::Object(annotations)) = meta.get_mut("annotations")
        {
            annotations.retain(|key, _| {
                !key.starts_with(BUILD_ANNOTATIONS)
                    && (keep.origins || key != origin::ORIGIN)
                    && (keep.transformations || key != origin::TRANSFORMATIONS)
            });
            for value in annotations.values_mut().filter(|v| !v.is_string()) {
                *value = Value::String(scalar::text_of_any(value));
            }
        }
        for field in self.unquoted {
            if let Some(value @ Value::String(_)) =
                self.object.get_mut("metadata").and_then(|meta| meta.get_mut(field))
            {
                *value = scalar::plain(scalar::text_of_any(value));
            }
        }
        // upstream writes the annotations anew, if there are any
        if let Some(Value::Object(meta)) = self.object.get_mut("metadata")
            && meta
                .get("annotations")
                .is_some_and(|a| a.is_null() || a.as_object().is_some_and(Map::is_empty))
        {
            meta.shift_remove("annotations");
        }
        self.object
    }
}
