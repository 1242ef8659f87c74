//! A diagnostic as lines of text, with the source line and carets where the source is at hand.

use crate::{Diagnostic, Severity};

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const BLUE: &str = "\x1b[1;34m";
const CYAN: &str = "\x1b[1;36m";

/// Text of one diagnostic, with a final newline. `source` is the whole text of the file it points into.
pub fn render(diagnostic: &Diagnostic, source: Option<&str>, colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour { format!("{code}{text}{RESET}") } else { text.to_string() }
    };
    let severity = match diagnostic.severity {
        Severity::Error => "\x1b[1;31m",
        Severity::Warning => "\x1b[1;33m",
        Severity::Note => CYAN,
    };
    let mut out = format!(
        "{}{}\n",
        paint(severity, diagnostic.severity.word()),
        paint(BOLD, &format!(": {}", printable(&diagnostic.message)))
    );
    let excerpt = source.and_then(|text| excerpt(diagnostic, text));
    let gutter = excerpt.as_ref().map_or(1, |e| e.number.len());
    let pad = " ".repeat(gutter);
    if let Some(place) = diagnostic.place() {
        out.push_str(&format!("{pad}{} {}\n", paint(BLUE, "-->"), printable(&place)));
    }
    if let Some(e) = excerpt {
        let bar = paint(BLUE, "|");
        out.push_str(&format!("{pad} {bar}\n"));
        out.push_str(&format!("{} {bar} {}\n", paint(BLUE, &e.number), e.line));
        out.push_str(&format!("{pad} {bar} {}{}\n", e.indent, paint(severity, &e.carets)));
    }
    for note in &diagnostic.notes {
        out.push_str(&format!("{pad} {} {}\n", paint(BLUE, "="), printable(note)));
    }
    if let Some(hint) = &diagnostic.hint {
        out.push_str(&format!("{}: {}\n", paint(CYAN, "hint"), printable(hint)));
    }
    out
}

struct Excerpt {
    number: String,
    line: String,
    indent: String,
    carets: String,
}

fn excerpt(diagnostic: &Diagnostic, text: &str) -> Option<Excerpt> {
    let at = diagnostic.position?;
    let line = text.split('\n').nth(at.line - 1)?.trim_end_matches('\r');
    let before = line.chars().take(at.column - 1);
    // a tab stays a tab, so that the carets stand under the text whatever the terminal's tab width is
    let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let rest = line.chars().count().saturating_sub(at.column - 1);
    let wanted = diagnostic.span.map_or(1, |span| {
        let end = span.end.min(text.len());
        text.get(span.start.min(end)..end).map_or(1, |s| s.split('\n').next().unwrap_or("").chars().count())
    });
    let carets = "^".repeat(wanted.min(rest).max(1));
    Some(Excerpt { number: at.line.to_string(), line: printable(line), indent, carets })
}

/// Control characters shown as `\u{1b}`: what a file or a container says must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' | '\n' => c.to_string(),
            c if c.is_control() => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::{Diagnostic, Span};
    use expect_test::{Expect, expect};

    fn check(diagnostic: Diagnostic, source: Option<&str>, expected: Expect) {
        expected.assert_eq(&render(&diagnostic, source, false));
    }

    #[test]
    fn whole() {
        let source = "resources:\n- a.yaml\nimagez: []\n";
        let at = source.find("imagez").unwrap();
        let diagnostic = Diagnostic::error("cannot read kustomization: unknown field \"imagez\"")
            .in_file("k8s/kustomization.yaml")
            .at(source, Span::new(at, at + 6))
            .note("fields are matched without regard to case")
            .hint("did you mean images?");
        check(
            diagnostic,
            Some(source),
            expect![[r#"
                error: cannot read kustomization: unknown field "imagez"
                 --> k8s/kustomization.yaml:3:1
                  |
                3 | imagez: []
                  | ^^^^^^
                  = fields are matched without regard to case
                hint: did you mean images?
            "#]],
        );
    }

    #[test]
    fn bare() {
        check(
            Diagnostic::warning("nothing to do"),
            None,
            expect![[r#"
            warning: nothing to do
        "#]],
        );
    }

    #[test]
    fn a_span_over_lines_shows_its_first_and_escapes_are_inert() {
        let source = "a: ü\u{1b}[2J x\nb\n";
        check(
            Diagnostic::error("bad").at(source, Span::new(3, 17)),
            Some(source),
            expect![[r#"
            error: bad
             --> 1:4
              |
            1 | a: ü\u{1b}[2J x
              |    ^^^^^^^
        "#]],
        );
    }

    #[test]
    fn past_the_end() {
        check(
            Diagnostic::error("unexpected end").at("a", Span::new(9, 12)),
            Some("a"),
            expect![[r#"
            error: unexpected end
             --> 1:2
              |
            1 | a
              |  ^
        "#]],
        );
    }

    #[test]
    fn colour_is_only_colour() {
        let diagnostic = Diagnostic::error("bad").hint("good");
        let coloured = render(&diagnostic, None, true);
        let mut plain = coloured.clone();
        while let Some(start) = plain.find('\x1b') {
            let end = start + plain[start..].find('m').unwrap();
            plain.replace_range(start..=end, "");
        }
        assert_eq!(plain, render(&diagnostic, None, false));
        assert_ne!(plain, coloured);
    }
}
