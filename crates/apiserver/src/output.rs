//! The form in which objects are answered: as they are, as a Table, or only their metadata.

use crate::link;
use crate::query::Query;
use api::{Api, Kind, Object};
use bytes::Bytes;
use http::{HeaderMap, header};
use schema::convert::events;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Object,
    /// `kubectl get`: columns computed here, so that clients need not know the kinds.
    Table,
    /// `PartialObjectMetadata` and its list.
    Metadata,
}

/// What of the object goes into a Table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    None,
    Metadata,
    Object,
}

#[derive(Clone)]
pub(crate) struct Output {
    pub(crate) form: Form,
    pub(crate) include: Include,
    /// The version that was asked for, such as `apps/v1`.
    pub(crate) api_version: String,
    pub(crate) kind: Arc<Kind>,
    api: Api,
}

impl Output {
    pub(crate) fn new(
        api: &Api,
        kind: &Arc<Kind>,
        version: &str,
        headers: &HeaderMap,
        query: &Query,
    ) -> Self {
        let include = match query.text("includeObject") {
            "None" => Include::None,
            "Object" => Include::Object,
            _ => Include::Metadata,
        };
        let api_version =
            if kind.group.is_empty() { version.to_string() } else { format!("{}/{version}", kind.group) };
        Self { form: form(headers), include, api_version, kind: kind.clone(), api: api.clone() }
    }

    /// The same output, always whole objects: what writes answer with unless metadata is asked for.
    pub(crate) fn for_write(mut self) -> Self {
        if self.form == Form::Table {
            self.form = Form::Object;
        }
        self
    }

    /// One object.
    pub(crate) fn object(&self, object: &Object) -> Value {
        match self.form {
            Form::Object => self.versioned(object),
            Form::Metadata => partial(object),
            Form::Table => self.table(std::slice::from_ref(object), version_meta(object), true),
        }
    }

    /// Whether an object is answered as it is stored.
    pub(crate) fn is_as_stored(&self, object: &Value) -> bool {
        self.form == Form::Object
            && self.kind.group != events::GROUP
            && object["apiVersion"] == self.api_version.as_str()
    }

    /// Whether an object of a custom kind is stored in another version than was asked for.
    pub(crate) fn must_convert(&self, object: &Value) -> bool {
        object["apiVersion"] != self.api_version.as_str()
            && self.kind.group != events::GROUP
            && !self.api.is_builtin(&self.kind.resource())
    }

    /// An object in the version that was asked for.
    fn versioned(&self, object: &Object) -> Value {
        if self.kind.group == events::GROUP {
            return events::from_core(object);
        }
        if let Some(converted) =
            schema::convert::from_stored(&self.kind.resource(), &self.api_version, object)
        {
            return converted;
        }
        let mut shown = (**object).clone();
        if shown["apiVersion"] != self.api_version.as_str() && shown.get("apiVersion").is_some() {
            shown["apiVersion"] = self.api_version.clone().into();
        }
        shown
    }

    pub(crate) fn list(&self, objects: &[Object], metadata: Value) -> Bytes {
        match self.form {
            Form::Table => to_bytes(&self.table(objects, metadata, true)),
            Form::Metadata => {
                let items: Vec<Value> = objects.iter().map(|object| partial(object)).collect();
                to_bytes(&json!({
                    "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                    "metadata": metadata, "items": items,
                }))
            }
            Form::Object => self.plain_list(objects, &metadata),
        }
    }

    /// Written piece by piece: a list of thousands of objects is not copied first.
    fn plain_list(&self, objects: &[Object], metadata: &Value) -> Bytes {
        let head = json!({
            "kind": format!("{}List", self.kind.kind), "apiVersion": self.api_version, "metadata": metadata,
        });
        let mut text = serde_json::to_vec(&head).expect("JSON values serialise");
        text.pop();
        text.extend_from_slice(b",\"items\":[");
        for (index, object) in objects.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            let written = if object["apiVersion"] == self.api_version.as_str() {
                serde_json::to_writer(&mut text, object)
            } else {
                serde_json::to_writer(&mut text, &self.versioned(object))
            };
            written.expect("JSON values serialise");
        }
        text.extend_from_slice(b"]}");
        text.into()
    }

    /// `headed`: with the columns' definitions, which a watch sends only once.
    pub(crate) fn table(&self, objects: &[Object], metadata: Value, headed: bool) -> Value {
        let mut table = link::table(&self.api, &self.kind, &self.api_version, objects);
        let cells = std::mem::take(&mut table.rows);
        let rows: Vec<Value> = objects
            .iter()
            .zip(cells)
            .map(|(object, cells)| {
                let mut row = json!({ "cells": cells });
                match self.include {
                    Include::None => {}
                    Include::Metadata => row["object"] = partial(object),
                    Include::Object => row["object"] = self.versioned(object),
                }
                row
            })
            .collect();
        let columns = if headed { table.columns } else { Vec::new() };
        json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            "columnDefinitions": columns, "rows": rows,
        })
    }

    /// A bookmark carries nothing but a version.
    pub(crate) fn bookmark(&self, version: u64, initial_events_end: bool) -> Value {
        let mut metadata = json!({ "resourceVersion": version.to_string(), "creationTimestamp": null });
        if initial_events_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        match self.form {
            Form::Table => json!({
                "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "columnDefinitions": [], "rows": [],
            }),
            Form::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            }),
            Form::Object => {
                json!({ "kind": self.kind.kind, "apiVersion": self.api_version, "metadata": metadata })
            }
        }
    }
}

fn version_meta(object: &Value) -> Value {
    json!({ "resourceVersion": object["metadata"]["resourceVersion"] })
}

fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
    })
}

pub(crate) fn to_bytes(value: &Value) -> Bytes {
    serde_json::to_vec(value).expect("JSON values serialise").into()
}

/// The first form of the `Accept` header that is known.
pub(crate) fn form(headers: &HeaderMap) -> Form {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        if !matches!(media, "application/json" | "*/*" | "application/*" | "") {
            continue;
        }
        let mut form = Form::Object;
        let mut known = true;
        for parameter in parts {
            match parameter.split_once('=') {
                Some(("as", "Table")) => form = Form::Table,
                Some(("as", "PartialObjectMetadata" | "PartialObjectMetadataList")) => form = Form::Metadata,
                Some(("as", _)) => known = false,
                Some(("v", version)) => known &= version == "v1",
                _ => {}
            }
        }
        if known {
            return form;
        }
    }
    Form::Object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_by_accept_header() {
        let check = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a header"));
            form(&headers)
        };
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(check(kubectl), Form::Table);
        assert_eq!(check("application/json;as=Table;v=v9;g=meta.k8s.io,application/json"), Form::Object);
        assert_eq!(check("application/vnd.kubernetes.protobuf,application/json"), Form::Object);
        assert_eq!(
            check(
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            ),
            Form::Metadata
        );
        assert_eq!(check("*/*"), Form::Object);
    }
}
