//! A source without what stands in its strings and comments, so that patterns find code alone.

use crate::dialect::string_length;

/// Each string becomes quotes around `s`, each comment blanks; all places stay.
pub(super) fn masked(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' | '\'' => string_length(rest),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            _ => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            }
        };
        let text = &rest[..length];
        let last = text.len().saturating_sub(1);
        for (i, byte) in text.bytes().enumerate() {
            // one byte for each byte
            out.push(match byte {
                b'\n' => '\n',
                _ if c == '#' => ' ',
                _ if i == 0 || i == last => '"',
                _ => 's',
            });
        }
        rest = &rest[length..];
    }
    out
}

/// The opening bracket before a place that nothing closes before it, the innermost.
pub(super) fn open_bracket(masked: &str, at: usize) -> Option<(usize, char)> {
    let mut open = Vec::new();
    for (i, c) in masked[..at].char_indices() {
        match c {
            '(' | '[' | '{' => open.push((i, c)),
            ')' | ']' | '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments() {
        let source = "x = f'é' + \"\"\"a\nb\"\"\" # why\n'open";
        let text = masked(source);
        assert_eq!(text, "x = f\"ss\" + \"sss\nsss\"      \n\"sss\"");
        assert_eq!(text.len(), source.len());
        assert_eq!(open_bracket("a(b[c]{", 7), Some((6, '{')));
        assert_eq!(open_bracket("a(b)", 4), None);
    }
}
