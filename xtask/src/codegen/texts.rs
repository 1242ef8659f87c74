//! The documentation of types and fields, as clients show it (`kubectl explain`): `crates/schema/data/texts.txt`.

use super::Types;
use std::collections::BTreeMap;
use std::fmt::Write;

const HEAD: &str = "\
# What the Kubernetes API says of its types and fields, from the published types (k8s-openapi; Apache-2.0).
# Written by `cargo xtask codegen`. TYPE TEXT, then a line for each of its fields:
#  JSONNAME TEXT
# In a text \\n is the end of a line and \\\\ a backslash; the text `=TYPE` is the one of that type's field of this name.
";

/// Of one type.
#[derive(Debug, Default)]
pub(super) struct Texts {
    own: String,
    fields: BTreeMap<String, String>,
}

/// From the `JsonSchema` impl.
pub(super) fn read(source: &str) -> Texts {
    let mut texts = Texts::default();
    let mut field = String::new();
    let impls = source.lines().skip_while(|line| !line.contains("schemars::json_schema!("));
    for line in impls.take_while(|line| *line != "        })") {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if indent == 16
            && let Some(name) = line.strip_suffix(": {").or_else(|| line.strip_suffix(": ({"))
        {
            field = name.trim_matches('"').to_string();
        }
        let text = line.strip_prefix("\"description\": ").and_then(|rest| rest.strip_suffix(','));
        let text =
            text.or_else(|| line.split_once(".insert(\"description\".into(), ")?.1.strip_suffix(".into());"));
        let Some(text) = text.and_then(|quoted| serde_json::from_str::<String>(quoted).ok()) else {
            continue;
        };
        if indent == 12 {
            texts.own = text;
        } else if indent == 20 {
            texts.fields.insert(field.clone(), text);
        }
    }
    texts
}

/// What there is to say of the types of the table, and of those that are no objects (`meta.v1.Time`).
pub(super) fn table(types: &Types, texts: &BTreeMap<String, Texts>) -> String {
    let mut out = HEAD.to_string();
    let mut first: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let known = |name: &str| types.contains_key(name) || super::openapi::special(name).is_some();
    for (name, texts) in texts.iter().filter(|(name, _)| known(name)) {
        writeln!(out, "{name} {}", escaped(&texts.own)).expect("a string takes text");
        for (field, text) in &texts.fields {
            let at = *first.entry((field, text)).or_insert(name);
            let text = if at == name || text.len() < at.len() + 2 { escaped(text) } else { format!("={at}") };
            writeln!(out, " {field} {text}").expect("a string takes text");
        }
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        crate::schemars::json_schema!({
            "description": "A thing.",
            "type": "object",
            "properties": {
                "one": ({
                    let mut schema_obj = __gen.subschema_for::<crate::One>();
                    schema_obj.ensure_object().insert("description".into(), "Says \"one\".\nAnd more.".into());
                    schema_obj
                }),
                "two": {
                    "description": "Two.",
                    "type": "string",
                },
                "three": {
                    "type": "string",
                },
            },
        })
"#;

    #[test]
    fn texts_are_found() {
        let texts = read(SOURCE);
        assert_eq!(texts.own, "A thing.");
        let fields: Vec<_> = texts.fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(fields, [("one", "Says \"one\".\nAnd more."), ("two", "Two.")]);
        let all = [("meta.v1.A".to_string(), read(SOURCE)), ("meta.v1.Time".to_string(), read(SOURCE))];
        let types = Types::from([("meta.v1.A".to_string(), super::super::Type::default())]);
        let table = table(&types, &all.into_iter().collect());
        assert!(table.ends_with(
            "meta.v1.A A thing.\n one Says \"one\".\\nAnd more.\n two Two.\n\
             meta.v1.Time A thing.\n one =meta.v1.A\n two Two.\n"
        ));
    }
}
