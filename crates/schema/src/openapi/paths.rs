//! The operations of a kind.

use super::schemas::Schemas;
use super::{Flavor, Served};
use crate::types::types;
use serde_json::{Map, Value, json};

/// Query parameters of reads and of writes, by name and type.
const LIST: &[(&str, &str)] = &[
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
const WRITE: &[(&str, &str)] =
    &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const PATCH: &[(&str, &str)] =
    &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")];
const DELETE: &[(&str, &str)] = &[
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];

const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

struct Operations<'a> {
    served: &'a Served<'a>,
    flavor: Flavor,
    /// `AppsV1NamespacedDeployment`, for names of operations.
    suffix: String,
}

pub(super) fn add(
    paths: &mut Map<String, Value>,
    served: &Served<'_>,
    definition: &str,
    schemas: &mut Schemas,
) {
    let kind = served.kind;
    let root = format!("/{}", served.path());
    let scope = if kind.namespaced { "Namespaced" } else { "" };
    let group = if kind.group.is_empty() { "Core" } else { kind.group.split('.').next().unwrap_or_default() };
    let suffix = format!("{}{}{scope}{}", upper(group), upper(served.version), kind.kind);
    let operations = Operations { served, flavor: schemas.flavor, suffix };
    let collection = if kind.namespaced {
        format!("{root}/namespaces/{{namespace}}/{}", kind.plural)
    } else {
        format!("{root}/{}", kind.plural)
    };
    let one = schemas.reference(definition);
    let list = schemas.reference(&format!("{definition}List"));
    let status = schemas.reference("io.k8s.apimachinery.pkg.apis.meta.v1.Status");
    let options = schemas.reference("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions");
    let scoped: &[&str] = if kind.namespaced { &["namespace"] } else { &[] };
    let is_read_only = served.custom.is_some_and(|custom| custom.is_read_only);
    let kept = |all: Vec<(&'static str, Value)>| -> Vec<(&'static str, Value)> {
        all.into_iter().filter(|(method, _)| !is_read_only || *method == "get").collect()
    };
    paths.insert(
        collection.clone(),
        operations.item(
            scoped,
            kept(vec![
                ("get", operations.operation("list", "list", LIST, None, &list)),
                ("post", operations.operation("create", "post", WRITE, Some(&one), &one)),
                (
                    "delete",
                    operations.operation(
                        "deletecollection",
                        "deletecollection",
                        DELETE,
                        Some(&options),
                        &status,
                    ),
                ),
            ]),
        ),
    );
    if kind.namespaced {
        let everywhere = operations.operation("listAll", "list", LIST, None, &list);
        paths.insert(format!("{root}/{}", kind.plural), operations.item(&[], vec![("get", everywhere)]));
    }
    let named: Vec<&str> = scoped.iter().copied().chain(["name"]).collect();
    let mut whole = operations.read_and_write(&one, "");
    whole.push(("delete", operations.operation("delete", "delete", DELETE, Some(&options), &status)));
    let path = format!("{collection}/{{name}}");
    paths.insert(path.clone(), operations.item(&named, kept(whole)));
    for subresource in &kind.subresources {
        let schema = match subresource.as_str() {
            "status" => one.clone(),
            "scale" => {
                let ty = types().by_name("autoscaling.v1.Scale").expect("the table has scales");
                let definition = schemas.add_type(ty, None);
                schemas.reference(&definition)
            }
            _ => continue,
        };
        let item = operations.item(&named, operations.read_and_write(&schema, &upper(subresource)));
        paths.insert(format!("{path}/{subresource}"), item);
    }
}

impl Operations<'_> {
    fn read_and_write(&self, schema: &Value, subresource: &str) -> Vec<(&'static str, Value)> {
        let named = |verb: &str| format!("{verb}{subresource}");
        let mut patch = self.operation(&named("patch"), "patch", PATCH, None, schema);
        let free = json!({ "type": "object" });
        // Clients look here for whether a kind takes strategic patches; custom ones do not.
        let media = if self.served.custom.is_some() { &PATCHES[..3] } else { &PATCHES };
        self.body(&mut patch, &free, media);
        vec![
            ("get", self.operation(&named("read"), "get", &[], None, schema)),
            ("put", self.operation(&named("replace"), "put", WRITE, Some(schema), schema)),
            ("patch", patch),
        ]
    }

    fn operation(
        &self,
        verb: &str,
        action: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
        answer: &Value,
    ) -> Value {
        let parameters: Vec<Value> =
            query.iter().map(|(name, ty)| self.parameter(name, "query", ty)).collect();
        let mut operation = json!({
            "operationId": format!("{verb}{}", self.suffix),
            "tags": [self.served.path().replace('/', "_")],
            "parameters": parameters,
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": self.served.gvk(&self.served.kind.kind),
        });
        operation["responses"] = match self.flavor {
            Flavor::V2 => {
                operation["consumes"] = json!(["*/*"]);
                operation["produces"] = json!(["application/json"]);
                operation["schemes"] = json!(["https"]);
                json!({ "200": { "description": "OK", "schema": answer } })
            }
            Flavor::V3 => {
                json!({ "200": { "description": "OK", "content": { "application/json": { "schema": answer } } } })
            }
        };
        if let Some(body) = body {
            self.body(&mut operation, body, &["*/*"]);
        }
        operation
    }

    fn body(&self, operation: &mut Value, schema: &Value, media: &[&str]) {
        match self.flavor {
            Flavor::V2 => {
                operation["consumes"] = media.into();
                let body = json!({ "name": "body", "in": "body", "required": true, "schema": schema });
                if let Some(parameters) = operation["parameters"].as_array_mut() {
                    parameters.push(body);
                }
            }
            Flavor::V3 => {
                let content: Map<String, Value> =
                    media.iter().map(|media| (media.to_string(), json!({ "schema": schema }))).collect();
                operation["requestBody"] = json!({ "content": content });
            }
        }
    }

    fn item(&self, path_parameters: &[&str], operations: Vec<(&str, Value)>) -> Value {
        let mut item: Map<String, Value> =
            operations.into_iter().map(|(method, operation)| (method.to_string(), operation)).collect();
        let parameters: Vec<Value> =
            path_parameters.iter().map(|name| self.parameter(name, "path", "string")).collect();
        if !parameters.is_empty() {
            item.insert("parameters".into(), parameters.into());
        }
        item.into()
    }

    fn parameter(&self, name: &str, place: &str, ty: &str) -> Value {
        let mut parameter = match self.flavor {
            Flavor::V2 => json!({ "name": name, "in": place, "type": ty, "uniqueItems": true }),
            Flavor::V3 => json!({ "name": name, "in": place, "schema": { "type": ty, "uniqueItems": true } }),
        };
        if place == "path" {
            parameter["required"] = true.into();
        }
        parameter
    }
}

fn upper(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
