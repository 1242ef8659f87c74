//! One rule of a role.

use serde_json::{Map, Value, json};

/// A `PolicyRule`: verbs on resources, or on paths that are no resources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    pub verbs: Vec<String>,
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
    pub resource_names: Vec<String>,
    pub non_resource_urls: Vec<String>,
}

/// Field in JSON and the list of it.
type Part = (&'static str, fn(&Rule) -> &Vec<String>);

const PARTS: [Part; 5] = [
    ("apiGroups", |rule| &rule.api_groups),
    ("nonResourceURLs", |rule| &rule.non_resource_urls),
    ("resourceNames", |rule| &rule.resource_names),
    ("resources", |rule| &rule.resources),
    ("verbs", |rule| &rule.verbs),
];

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}

impl Rule {
    pub fn read(rule: &Value) -> Self {
        let list = |field: &str| -> Vec<String> {
            rule[field]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|v| v.as_str().map(str::to_string))
                .collect()
        };
        Self {
            verbs: list("verbs"),
            api_groups: list("apiGroups"),
            resources: list("resources"),
            resource_names: list("resourceNames"),
            non_resource_urls: list("nonResourceURLs"),
        }
    }

    /// As it stands in a role.
    pub fn write(&self) -> Value {
        let mut out = Map::new();
        for (name, part) in PARTS {
            let list = part(self);
            if !list.is_empty() {
                out.insert(name.into(), json!(list));
            }
        }
        Value::Object(out)
    }

    /// `resource` with its subresource behind a slash.
    pub fn allows_resource(&self, verb: &str, group: &str, resource: &str, name: &str) -> bool {
        has(&self.verbs, verb)
            && has(&self.api_groups, group)
            && self.has_resource(resource)
            && (self.resource_names.is_empty() || self.resource_names.iter().any(|known| known == name))
    }

    fn has_resource(&self, resource: &str) -> bool {
        let sub = resource.split_once('/').map(|(_, sub)| sub);
        self.resources.iter().any(|known| {
            known == "*" || known == resource || sub.is_some_and(|sub| known.strip_prefix("*/") == Some(sub))
        })
    }

    pub fn allows_path(&self, verb: &str, path: &str) -> bool {
        has(&self.verbs, verb)
            && self.non_resource_urls.iter().any(|known| {
                known == "*"
                    || known == path
                    || known.strip_suffix('*').is_some_and(|start| path.starts_with(start))
            })
    }

    /// As upstream writes it into a refusal: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`.
    pub fn compact(&self) -> String {
        let parts: [(&str, &[String]); 5] = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| {
                let list: Vec<String> = list.iter().map(|item| format!("{item:?}")).collect();
                format!("{name}:[{}]", list.join(" "))
            })
            .collect();
        format!("{{{}}}", parts.join(", "))
    }
}
