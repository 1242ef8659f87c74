//! What the API says of its types and fields; `data/texts.txt` tells in its head how it is written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

const TABLE: &str = include_str!("../data/texts.txt");

/// By the type's short name (`core.v1.Pod`) and the field's, which is empty for the type itself.
type Table = HashMap<(&'static str, &'static str), &'static str>;

/// Of a type, without a field; or of its field.
pub(crate) fn text(ty: &str, field: &str) -> Option<Cow<'static, str>> {
    static READ: OnceLock<Table> = OnceLock::new();
    let table = READ.get_or_init(read);
    let found = *table.get(&(ty, field))?;
    let found = match found.strip_prefix('=') {
        Some(other) => *table.get(&(other, field))?,
        None => found,
    };
    (!found.is_empty()).then(|| unescape(found))
}

fn read() -> Table {
    let mut table = Table::new();
    let mut ty = "";
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let (name, text, field) = match line.strip_prefix(' ') {
            Some(rest) => {
                let (field, text) = rest.split_once(' ').unwrap_or((rest, ""));
                (ty, text, field)
            }
            None => {
                let (name, text) = line.split_once(' ').unwrap_or((line, ""));
                ty = name;
                (name, text, "")
            }
        };
        table.insert((name, field), text);
    }
    table
}

fn unescape(text: &'static str) -> Cow<'static, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.push(if letters.next() == Some('n') { '\n' } else { '\\' }),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::types;

    #[test]
    fn types_and_fields_have_their_texts() {
        assert!(text("core.v1.Pod", "").expect("a kind").starts_with("Pod is a collection of containers"));
        assert!(
            text("apps.v1.DeploymentSpec", "replicas").expect("a field").starts_with("Number of desired")
        );
        // One that stands at another type.
        let kind = text("core.v1.Pod", "kind").expect("every kind");
        assert_eq!(text("apps.v1.Deployment", "kind"), Some(kind));
        assert!(text("meta.v1.Time", "").is_some());
        assert_eq!(text("core.v1.Pod", "nothing"), None);
    }

    #[test]
    fn no_text_is_lost_in_its_form() {
        assert_eq!(unescape(r"a\nb\\n"), "a\nb\\n");
        for ((ty, field), _) in read() {
            let found = text(ty, field);
            assert!(found.is_none_or(|found| !found.starts_with('=')), "{ty} {field}");
        }
        let told = types().all().iter().filter(|ty| text(ty.name, "").is_some()).count();
        assert!(told * 10 > types().all().len() * 8, "{told} types have a text");
    }
}
