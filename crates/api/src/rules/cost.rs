//! Rules that upstream refuses as too expensive: told of when a definition is written. They are evaluated all the same, within
//! the limits of cost of an evaluation.

use super::RULES;
use expression::{Program, least_bytes, most_elements};
use serde_json::Value;

/// Of one rule, and of all that a version has.
const MOST_OF_RULE: u64 = 10_000_000;
const MOST_OF_ALL: u64 = 100_000_000;
const REQUEST: u64 = 3 * 1024 * 1024;

/// A warning for each rule, in the words of upstream's refusal.
pub(crate) fn warnings(definition: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (index, version) in definition["spec"]["versions"].as_array().into_iter().flatten().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        let mut all = 0_u64;
        at(&version["schema"]["openAPIV3Schema"], &path, Some(1), &mut all, &mut found);
        if all > MOST_OF_ALL {
            let name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
            found.push((path, "Forbidden".to_string(), exceeds(name, all, MOST_OF_ALL)));
        }
    }
    let told = crate::crds::places::name(definition, found).into_iter();
    told.map(|(field, _, text)| format!("{field}: {text}; a Kubernetes API server refuses this")).collect()
}

/// `times`: how many values of a schema an object can have at most, if something bounds them.
fn at(
    schema: &Value,
    path: &str,
    times: Option<u64>,
    all: &mut u64,
    found: &mut Vec<(String, String, String)>,
) {
    for (index, rule) in schema[RULES].as_array().into_iter().flatten().enumerate() {
        let times = times.unwrap_or_else(|| (REQUEST - 2) / (least_bytes(schema) + 1));
        for (field, name) in
            [("rule", "estimated rule cost"), ("messageExpression", "estimated messageExpression cost")]
        {
            let source = rule[field].as_str().unwrap_or_default();
            let Ok(program) = Program::compile(source) else { continue };
            let cost = program.estimate(schema).saturating_mul(times);
            *all = all.saturating_add(cost);
            if cost > MOST_OF_RULE {
                let path = format!("{path}.{RULES}[{index}].{field}");
                found.push((path, "Forbidden".into(), exceeds(name, cost, MOST_OF_RULE)));
            }
        }
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        at(below, &format!("{path}.properties[{name}]"), times, all, found);
    }
    for (field, bound) in [("items", "maxItems"), ("additionalProperties", "maxProperties")] {
        if schema[field].is_object() {
            let bounded = schema[bound].is_u64();
            let inner = times.filter(|_| bounded).map(|times| times.saturating_mul(most_elements(schema)));
            at(&schema[field], &format!("{path}.{field}"), inner, all, found);
        }
    }
}

fn exceeds(name: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        _ if factor > 100.0 => "more than 100x".to_string(),
        _ if factor < 1.5 => format!("{factor:.6}x"),
        _ => format!("{factor:.1}x"),
    };
    format!(
        "{name} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

#[cfg(test)]
mod tests {
    use super::warnings;
    use expect_test::expect;
    use serde_json::{Value, json};

    fn said(spec: Value) -> String {
        let schema = json!({ "type": "object", "properties": { "spec": spec } });
        let definition =
            json!({ "spec": { "versions": [{ "name": "v1", "schema": { "openAPIV3Schema": schema } }] } });
        let prefix = "spec.validation.openAPIV3Schema.properties[spec]";
        let hint = " (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared); a Kubernetes API server refuses this";
        warnings(&definition)
            .iter()
            .map(|line| line.replace(prefix, "…").replace(hint, ""))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn rules_without_bounds() {
        let rule = |rule: &str| json!([{ "rule": rule }]);
        let list = |most: Value, items: Value, text: &str| {
            json!({ "type": "object", "properties": { "list": { "type": "array",
            "maxItems": most, "items": items, "x-kubernetes-validations": rule(text) } } })
        };
        let name = json!({ "type": "object", "required": ["name"], "properties": { "name": { "type": "string", "maxLength": 253 } } });
        let free = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
        let twice = "self.all(a, self.exists_one(b, a.name == b.name))";
        let inner = |most: Value| {
            json!({ "type": "array", "maxItems": most, "items": { "type": "object", "properties": { "n": { "type": "integer" } },
            "x-kubernetes-validations": rule("self.n > 0 && self.n < 100") } })
        };
        let lines = [
            // Bounds as good operators set them.
            said(list(json!(32), name.clone(), twice)),
            said(list(json!(1000), name.clone(), "self.all(a, a.name.startsWith('x'))")),
            said(inner(json!(64))),
            said(
                json!({ "type": "string", "maxLength": 253, "x-kubernetes-validations": rule("self.matches('^[a-z]+$')") }),
            ),
            said(json!({ "type": "string", "x-kubernetes-validations": rule("self == oldSelf") })),
            // And without.
            said(list(json!(null), name, twice)),
            said(list(json!(null), free.clone(), "self.all(a, a.name == 'x')")),
            said(list(json!(32), free, twice)),
            said(inner(json!(null))),
            said(
                json!({ "type": "string", "x-kubernetes-validations": rule("self.contains(self) && self.matches('^[a-z]+([-a-z]*)$')") }),
            ),
            said(
                json!({ "type": "object", "additionalProperties": { "type": "string" }, "x-kubernetes-validations": rule("self.all(k, self[k].size() > 0 && self.exists(o, o == k))") }),
            ),
        ];
        expect![[r#"

            --

            --

            --

            --

            --
            ….properties[list].x-kubernetes-validations[0].rule: estimated rule cost exceeds budget by factor of more than 100x
            spec.validation.openAPIV3Schema: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x
            --

            --
            ….properties[list].x-kubernetes-validations[0].rule: estimated rule cost exceeds budget by factor of 32.2x
            spec.validation.openAPIV3Schema: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of 3.2x
            --

            --
            ….x-kubernetes-validations[0].rule: estimated rule cost exceeds budget by factor of more than 100x
            spec.validation.openAPIV3Schema: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x
            --
            ….x-kubernetes-validations[0].rule: estimated rule cost exceeds budget by factor of more than 100x
            spec.validation.openAPIV3Schema: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x"#]].assert_eq(&lines.join("\n--\n"));
    }
}
