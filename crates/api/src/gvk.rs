//! Objects that say to be of another kind than they are handled as, in the words of upstream's decoder.

use crate::{ApiError, split_api_version};
use schema::Kind;
use serde_json::Value;

/// Where upstream's types are registered, as its messages name it.
const SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";

/// What an object says to be.
pub(crate) struct Other<'a> {
    kind: &'a Kind,
    api_version: &'a str,
    given: &'a str,
}

/// What the object says to be, if that is not the kind. Nothing said is no contradiction.
pub(crate) fn other<'a>(kind: &'a Kind, object: &'a Value) -> Option<Other<'a>> {
    let given = object["kind"].as_str().filter(|given| !given.is_empty()).unwrap_or(&kind.kind);
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = split_api_version(api_version);
    let same_version =
        api_version.is_empty() || group == kind.group && kind.versions.iter().any(|served| served == version);
    let differs = given != kind.kind || !same_version;
    differs.then_some(Other { kind, api_version, given })
}

impl Other<'_> {
    /// Why the decoder does not take it.
    pub(crate) fn why(&self) -> String {
        let (group, version) = split_api_version(self.api_version);
        let (group, version) = match version {
            "" => (self.kind.group.as_str(), self.kind.versions.first().map_or("v1", String::as_str)),
            _ => (group, version),
        };
        let registered = schema::builtin_kinds().iter().any(|known| {
            known.kind == self.given && known.group == group && known.versions.iter().any(|v| v == version)
        });
        if registered {
            let package = match self.kind.group.split('.').next() {
                None | Some("") => "core",
                Some(first) => first,
            };
            let target = &self.kind.kind;
            return format!(
                "converting ({version}.{}) to ({package}.{target}): unknown conversion",
                self.given
            );
        }
        let shown = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
        format!("no kind {:?} is registered for version {shown:?} in scheme {SCHEME:?}", self.given)
    }

    /// The error of a body that is created or replaces something.
    pub(crate) fn in_body(&self) -> ApiError {
        if !schema::builtin_kinds().iter().any(|known| known.resource() == self.kind.resource()) {
            return self.of_custom();
        }
        let version = match split_api_version(self.api_version).1 {
            "" => self.kind.versions.first().map_or("v1", String::as_str),
            version => version,
        };
        let (given, target) = (self.given, &self.kind.kind);
        ApiError::bad_request(format!(
            "{given} in version {version:?} cannot be handled as a {target}: {}",
            self.why()
        ))
    }

    /// Custom kinds have no types to decode into: the version is compared, the kind is a field that is checked.
    fn of_custom(&self) -> ApiError {
        if self.given == self.kind.kind {
            return ApiError::bad_request(format!(
                "the API version in the data ({}) does not match the expected API version ({})",
                self.api_version,
                self.kind.api_version()
            ));
        }
        let message = format!("Invalid value: {:?}: must be {}", self.given, self.kind.kind);
        let cause = ("kind".into(), "FieldValueInvalid".into(), message);
        ApiError::invalid(&self.kind.resource(), &self.kind.kind, "", &[cause])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn what_is_no_config_map() {
        let kinds = schema::builtin_kinds();
        let kind = kinds.iter().find(|kind| kind.kind == "ConfigMap").expect("a built-in kind");
        let mut lines = Vec::new();
        for object in [
            json!({}),
            json!({ "kind": "ConfigMap" }),
            json!({ "kind": "Secret", "apiVersion": "v1" }),
            json!({ "kind": "Secret" }),
            json!({ "kind": "ConfigMap", "apiVersion": "v2" }),
            json!({ "kind": "Foo", "apiVersion": "v1" }),
            json!({ "kind": "Deployment", "apiVersion": "apps/v1" }),
            json!({ "apiVersion": "apps/v1" }),
        ] {
            let told = other(kind, &object).map_or("fine".into(), |other| other.in_body().message);
            lines.push(format!("{object}: {told}"));
        }
        expect![[r#"
            {}: fine
            {"kind":"ConfigMap"}: fine
            {"kind":"Secret","apiVersion":"v1"}: Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion
            {"kind":"Secret"}: Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion
            {"kind":"ConfigMap","apiVersion":"v2"}: ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v2" in scheme "pkg/api/legacyscheme/scheme.go:30"
            {"kind":"Foo","apiVersion":"v1"}: Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"
            {"kind":"Deployment","apiVersion":"apps/v1"}: Deployment in version "v1" cannot be handled as a ConfigMap: converting (v1.Deployment) to (core.ConfigMap): unknown conversion
            {"apiVersion":"apps/v1"}: ConfigMap in version "v1" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "apps/v1" in scheme "pkg/api/legacyscheme/scheme.go:30"
        "#]].assert_eq(&(lines.join("\n") + "\n"));
    }
}
