//! Parameters in Python's notation, taken apart: `ref: str, ignore: str | list[str] = []`.

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    pub name: &'static str,
    pub annotation: &'static str,
    /// As written; `None` for parameters that must be given.
    pub default: Option<&'static str>,
    /// `None` counts as not given, whatever the type.
    pub none_is_unset: bool,
    pub kind: ParamKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    Plain,
    /// After a `*`.
    KeywordOnly,
    /// `*args`
    Positionals,
    /// `**kwargs`
    Keywords,
}

/// Only the catalog's own texts come here.
pub(super) fn parse(signature: &'static str) -> Vec<Param> {
    let mut params = Vec::new();
    let mut kind = ParamKind::Plain;
    for text in split(signature) {
        if text == "*" {
            kind = ParamKind::KeywordOnly;
            continue;
        }
        let (declared, default) = match text.split_once(" = ") {
            Some((declared, default)) => (declared, Some(default.trim())),
            None => (text, None),
        };
        let (name, annotation) = declared.split_once(':').unwrap_or((declared, "Any"));
        let (name, kind) = if let Some(name) = name.strip_prefix("**") {
            (name, ParamKind::Keywords)
        } else if let Some(name) = name.strip_prefix('*') {
            (name, ParamKind::Positionals)
        } else {
            (name, kind)
        };
        params.push(Param {
            name: name.trim_end_matches('?'),
            annotation: annotation.trim(),
            default,
            none_is_unset: name.ends_with('?'),
            kind,
        });
    }
    params
}

/// At commas that stand in no brackets.
fn split(signature: &'static str) -> impl Iterator<Item = &'static str> {
    let mut depth = 0i32;
    signature
        .split(move |c| {
            match c {
                '[' | '{' | '(' => depth += 1,
                ']' | '}' | ')' => depth -= 1,
                _ => {}
            }
            c == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation() {
        let params = parse("ref: str, args: dict[str, str] = {}, file?: Path = None, *, *rest: str, **more");
        let seen: Vec<String> = params
            .iter()
            .map(|p| format!("{} {} {:?} {} {:?}", p.name, p.annotation, p.default, p.none_is_unset, p.kind))
            .collect();
        expect_test::expect![[r#"
            ref str None false Plain
            args dict[str, str] Some("{}") false Plain
            file Path Some("None") true Plain
            rest str None false Positionals
            more Any None false Keywords"#]]
        .assert_eq(&seen.join("\n"));
    }
}
