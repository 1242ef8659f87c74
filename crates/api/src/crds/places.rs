//! Where the problems of a definition are: what all its versions have alike, upstream finds in `spec` itself
//! (`spec.validation`, `spec.subresources`, `spec.additionalPrinterColumns`), and says once.

use serde_json::Value;

/// Field, reason, text.
type Cause = (String, String, String);

const PARTS: [(&str, &str); 3] = [
    ("schema", "validation"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
];

pub(crate) fn name(definition: &Value, causes: Vec<Cause>) -> Vec<Cause> {
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let alike = |part: &str| {
        let first = versions.first().map(|version| &version[part]).filter(|first| !first.is_null());
        first.is_some_and(|first| versions.iter().all(|version| version[part] == *first))
    };
    let shared: Vec<(&str, &str)> = PARTS.into_iter().filter(|(part, _)| alike(part)).collect();
    causes.into_iter().filter_map(|cause| place(cause, &shared)).collect()
}

/// None: it has been said of the first version.
fn place((field, reason, text): Cause, shared: &[(&str, &str)]) -> Option<Cause> {
    let split = || -> Option<(&str, &str)> { field.strip_prefix("spec.versions[")?.split_once("].") };
    let Some((index, rest)) = split() else { return Some((field, reason, text)) };
    let is_part = |part: &str| {
        rest.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let Some((part, name)) = shared.iter().find(|(part, _)| is_part(part)) else {
        return Some((field, reason, text));
    };
    if index != "0" {
        return None;
    }
    // Some texts name places too.
    let text = text.replace(&format!("spec.versions[0].{part}"), &format!("spec.{name}"));
    Some((format!("spec.{name}{}", &rest[part.len()..]), reason, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_versions_share_is_in_the_specification() {
        let one = json!({ "openAPIV3Schema": { "type": "object" } });
        let other = json!({ "openAPIV3Schema": { "type": "array" } });
        let columns = json!([{ "name": "a" }]);
        let said = |first: &Value, second: &Value| {
            let version = |schema: &Value| json!({ "schema": schema, "additionalPrinterColumns": columns });
            let definition = json!({ "spec": { "versions": [version(first), version(second)] } });
            let fields = [
                "[0].schema.openAPIV3Schema.type",
                "[1].schema.openAPIV3Schema.type",
                "[0].schemas",
                "[1].name",
                "[0].additionalPrinterColumns[1].name",
                "[0].subresources.scale",
            ];
            let causes = fields.map(|field| {
                (format!("spec.versions{field}"), String::new(), "spec.versions[0].schema.x".into())
            });
            let named = name(&definition, causes.into()).into_iter();
            named.map(|(field, _, text)| format!("{field}: {text}")).collect::<Vec<_>>().join("\n")
        };
        expect_test::expect![[r#"
            spec.validation.openAPIV3Schema.type: spec.validation.x
            spec.versions[0].schemas: spec.versions[0].schema.x
            spec.versions[1].name: spec.versions[0].schema.x
            spec.additionalPrinterColumns[1].name: spec.versions[0].schema.x
            spec.versions[0].subresources.scale: spec.versions[0].schema.x"#]]
        .assert_eq(&said(&one, &one));
        expect_test::expect![[r#"
            spec.versions[0].schema.openAPIV3Schema.type: spec.versions[0].schema.x
            spec.versions[1].schema.openAPIV3Schema.type: spec.versions[0].schema.x
            spec.versions[0].schemas: spec.versions[0].schema.x
            spec.versions[1].name: spec.versions[0].schema.x
            spec.additionalPrinterColumns[1].name: spec.versions[0].schema.x
            spec.versions[0].subresources.scale: spec.versions[0].schema.x"#]]
        .assert_eq(&said(&one, &other));
    }
}
