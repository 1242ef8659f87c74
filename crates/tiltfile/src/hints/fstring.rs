//! What an f-string is called here.

/// `'…{}…'.format(…)` for the f-string that begins at `prefix` and whose quote is at `quote`.
pub(super) fn suggestion(text: &str, prefix: usize, quote: usize) -> Option<String> {
    let length = crate::dialect::string_length(&text[quote..]);
    let literal = &text[quote..quote + length];
    let raw = if text[prefix..quote].contains(['r', 'R']) { "r" } else { "" };
    let (mut format, mut arguments) = (String::new(), Vec::new());
    let mut rest = literal;
    while let Some(at) = rest.find(['{', '}']) {
        format.push_str(&rest[..at]);
        let here = &rest[at..];
        if here.starts_with("{{") || here.starts_with("}}") {
            format.push_str(&here[..2]);
            rest = &here[2..];
            continue;
        }
        let end = here.starts_with('{').then(|| here.find('}')).flatten()?;
        let expression = &here[1..end];
        // conversions, widths and the like have no counterpart
        if expression.is_empty() || expression.contains(['{', '!', ':', '"', '\'', '=']) {
            return None;
        }
        format.push_str("{}");
        arguments.push(expression.trim());
        rest = &here[end + 1..];
    }
    format.push_str(rest);
    if arguments.is_empty() {
        return Some(format!("{raw}{literal}"));
    }
    Some(format!("{raw}{format}.format({})", arguments.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn suggestions() {
        for (text, prefix, want) in [
            ("f'a{b}c{ d.e }'", 1, Some("'a{}c{}'.format(b, d.e)")),
            ("f\"{{x}} {f(1)[0]}\" + y", 1, Some("\"{{x}} {}\".format(f(1)[0])")),
            ("rf'\\d{x}'", 2, Some("r'\\d{}'.format(x)")),
            ("f'plain'", 1, Some("'plain'")),
            ("f'{x:>10}'", 1, None),
            ("f'{x!r}'", 1, None),
            ("f'{open'", 1, None),
            ("f'{a[\"b\"]}'", 1, None),
        ] {
            assert_eq!(suggestion(text, 0, prefix).as_deref(), want, "{text}");
        }
    }
}
