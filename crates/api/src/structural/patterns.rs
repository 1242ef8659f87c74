//! Regular expressions of a definition's schemas: that they are any.

use super::nodes;
use serde_json::Value;

/// Field, reason, text.
type Cause = (String, String, String);

pub(crate) fn problems(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    nodes::each(definition, &mut |schema, path| {
        if let Some(pattern) = schema["pattern"].as_str()
            && let Err(error) = expression::pattern::compile(pattern)
        {
            let text =
                format!("Invalid value: {pattern:?}: must be a valid regular expression, but isn't: {error}");
            causes.push((format!("{path}.pattern"), "FieldValueInvalid".into(), text));
        }
    });
    causes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_is_no_pattern_is_named() {
        let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
        let schema = json!({ "type": "object", "properties": {
            "fine": text(r"^[\w&&-]{1,63}\/$"),
            "ahead": text("^(?!x)"),
            "list": { "type": "array", "items": { "anyOf": [text("a"), text("[a")] } },
            "map": { "type": "object", "additionalProperties": text(r"\1") },
            "pattern": { "type": "object" },
        } });
        let definition = json!({ "spec": { "versions": [{ "schema": { "openAPIV3Schema": schema } }] } });
        let lines =
            super::problems(&definition).into_iter().map(|(field, _, text)| format!("{field}: {text}"));
        expect_test::expect![[r#"
            spec.versions[0].schema.openAPIV3Schema.properties[ahead].pattern: Invalid value: "^(?!x)": must be a valid regular expression, but isn't: error parsing regexp: invalid or unsupported Perl syntax: `(?!`
            spec.versions[0].schema.openAPIV3Schema.properties[list].items.anyOf[1].pattern: Invalid value: "[a": must be a valid regular expression, but isn't: error parsing regexp: missing closing ]: `[a`
            spec.versions[0].schema.openAPIV3Schema.properties[map].additionalProperties.pattern: Invalid value: "\\1": must be a valid regular expression, but isn't: error parsing regexp: invalid escape sequence: `\1`"#]].assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    }
}
