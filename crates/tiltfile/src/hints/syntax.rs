//! Hints for texts that are no Starlark.

use super::masked::{masked, open_bracket};
use super::{fstring, line_at};
use regex::Regex;
use std::sync::LazyLock;

/// Where a pattern is looked for; strings are masked in all of them.
#[derive(Clone, Copy)]
enum In {
    /// The whole line of the error.
    Line,
    /// The line from the place of the error on.
    At,
    /// The line up to the place of the error.
    Before,
    /// The line with a `¦` at the place of the error.
    Marked,
}

/// The first whose pattern is found gives the hint.
const TABLE: &[(In, &str, &str)] = &[
    (In::At, r"^//?", "comments begin with `#`"),
    (
        In::Line,
        r"^\s*(import|from)\s+(json)\b",
        "there is no import; read_json(), decode_json() and encode_json() are builtins",
    ),
    (
        In::Line,
        r"^\s*(import|from)\s+(yaml)\b",
        "there is no import; read_yaml(), decode_yaml() and encode_yaml() are builtins",
    ),
    (
        In::Line,
        r"^\s*(import|from)\s+(os|sys|shlex)\b",
        "there is no import; os, sys and shlex are there without it",
    ),
    (
        In::Line,
        r"^\s*(import|from)\s+(subprocess)\b",
        "there is no import; local('…') runs a command and returns its output",
    ),
    (
        In::Line,
        r"^\s*(import|from)\s+(re)\b",
        "there is no import, and no regular expressions; the methods of strings, or a program run by local(), may do",
    ),
    (
        In::Line,
        r"^\s*(import|from)\s+(glob|pathlib)\b",
        "there is no import; listdir(), os.path.exists() and os.path.join() are builtins",
    ),
    (
        In::Line,
        r"^\s*(import|from)\s",
        "there is no import: load('./file', 'name') takes names from another file, load('ext://…', 'name') from an extension",
    ),
    (
        In::Line,
        r"^\s*(try|except|finally)\b",
        "there are no exceptions: an error ends the evaluation. Look first (os.path.exists(), dict.get(), read_file(…, default='')), or let local() run `command || true`",
    ),
    (In::Line, r"^\s*raise\b", "there are no exceptions: fail('…') ends the evaluation with a message"),
    (
        In::Line,
        r"^\s*class\b",
        "there are no classes: struct(name=…) holds values, and functions take it as an argument",
    ),
    (In::Line, r"^\s*with\b", "there is no `with`: read_file(path) returns a file's content"),
    (
        In::Line,
        r"^\s*(global|nonlocal)\b",
        "a function cannot assign names outside of it: return the value, or change a list or dictionary that is defined outside",
    ),
    (In::Line, r"\byield\b", "there are no generators: return a list"),
    (In::Line, r"^\s*assert\s", "there is no assert statement: `if not …: fail('…')`"),
    (In::Line, r"^\s*del\s", "there is no `del`: dict.pop(key) and list.pop(index) take something away"),
    (In::Line, r"^\s*@", "there are no decorators: write `f = decorator(f)` after the function"),
    (In::Line, r"^\s*async\b|\bawait\b", "there is no async: a Tiltfile is evaluated from top to bottom"),
    (In::Line, r"^\s*print\s+[^(\s]", "print is a function: print(…)"),
    (
        In::Line,
        r"^\s*(exec|eval)\s",
        "there is no exec or eval: load_dynamic() takes what another file defines",
    ),
    (In::Line, r"^\s*(switch|match|case)\s.*", "there is no switch: use `if … elif … else`, or a dictionary"),
    (
        In::Line,
        r"^\s*(var|let|const|function|func)\s",
        "names are assigned without a keyword, and functions begin with `def`",
    ),
    (In::At, r"^is\s+not\b", "there is no `is not`: write `!=`"),
    (In::At, r"^is\b", "there is no `is`: write `==`"),
    (In::Line, r":=", "there is no `:=`: assign the name in a line of its own before"),
    (In::Line, r"&&", "write `and` for `&&`"),
    (In::Line, r"\|\|", "write `or` for `||`"),
    (In::At, r"^!", "write `not` for `!`"),
    (In::Line, r"<>", "write `!=` for `<>`"),
    (In::Line, r"^\s*\w+(\+\+|--)", "there is no `++` or `--`: write `+= 1` or `-= 1`"),
    (
        In::Line,
        r"^[^=(]*,\s*\*\w+.*=|^\s*\*\w+\s*,.*=",
        "`*name` cannot be assigned to: take slices, `first, rest = items[0], items[1:]`",
    ),
    (
        In::Line,
        r"\{[^}]*\*\*",
        "a dictionary cannot be spread within another: write `dict(other, name=value)` or `one | other`",
    ),
    (In::At, r"^\*\*", "there is no power operator; `1 << n` is a power of two"),
    (In::At, r"^\*", "a list cannot be spread within another: write `[1] + other`"),
    (In::At, r"^(<|>|==|!=)", "comparisons cannot be chained: write `a < b and b < c`"),
    (In::At, r"^\?", "there is no `?`: write `b if condition else c`"),
    (In::Line, r"\{\s*[^{}:,\s]+\s*(,[^{}:]*)?\}", "there are no set literals: write set([…])"),
    (
        In::Line,
        r"^\s*def\s+\w+\s*\(.*\)\s*->",
        "there are no annotations of types: leave `-> …` and `: type` away",
    ),
    (
        In::Before,
        r"^\s*(def\s+\w+\s*\([^=]*|\w+)\b\s*:\s*$",
        "there are no annotations of types: leave `: type` away",
    ),
    (
        In::Before,
        r"^\s*def\s+\w+\s*\(.*[,(]\s*\w+\s*:\s*$",
        "there are no annotations of types: leave `: type` away",
    ),
    (
        In::Line,
        r"[\[{].*\bfor\b.*\bif\b.*\belse\b",
        "in a comprehension a condition with `else` stands at the front: [a if condition else b for a in items]",
    ),
    (In::Line, r"^\s*else\s+if\b", "write `elif` for `else if`"),
    (
        In::Line,
        r"^\s*(if|elif|else|for|while|def)\b.*\{\s*$",
        "blocks have no braces: end the line with `:` and indent what follows",
    ),
    (In::Line, r"=>", "write `>=` for `=>`"),
    (In::Line, r"^\s*(if|elif|while)\b[^=<>!]*[^=<>!]=[^=]", "write `==` to compare; `=` assigns"),
    (
        In::Line,
        r"^\s*else\s*:?\s*$",
        "an `else` belongs to the `if` above with the same indentation; loops have none",
    ),
    (In::Line, r"\b\d+_\d", "numbers are written without `_`"),
    (In::At, r"^0\d", "octal numbers begin with 0o"),
    (
        In::Marked,
        r"\b\d+¦[A-Za-z_]",
        "this is no number in Starlark; there are `12`, `0xff`, `0o17` and `1.5`",
    ),
    (In::Before, r"\b[uU]$", "leave the `u` away: all strings are Unicode"),
    (In::At, "^[“”‘’„‟]", "these are typographic quotes: write ' or \""),
    (In::At, "^`", "a command is run by local('…')"),
    (In::At, r"^\$", "the environment is in os.environ: os.environ['NAME'], or os.getenv('NAME', 'default')"),
    (In::At, r"^\.\.\.", "an empty block is `pass`"),
    (
        In::Line,
        r"^\s+load\s*\(",
        "load() stands at the top level; load_dynamic() takes names from a file anywhere",
    ),
    (
        In::Line,
        r#"^load\s*\(\s*"s*"\s*,\s*\*"#,
        "name what to load: load('./file', 'name', other='their_name'); include('./file') only runs the file",
    ),
    (
        In::Line,
        r#"^load\s*\(\s*"s*"\s*\)"#,
        "name what to load: load('./file', 'name'); include('./file') only runs the file",
    ),
    (In::Line, r"^load\s*\(", "names stand in quotes: load('./file', 'name', other='their_name')"),
    (
        In::Line,
        r"\blambda\b[^:]*:\s*(return|if|for|while|pass)\b",
        "a lambda has one expression, whose value it returns; longer functions are a `def`",
    ),
    (
        In::At,
        r"^return\b",
        "`return` belongs into a function; exit() ends the Tiltfile early, `if` leaves a part out",
    ),
    (In::At, r"^(break|continue)\b", "this belongs into a loop"),
];

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| TABLE.iter().map(|(_, p, _)| regex(p)).collect());

pub(super) fn hint(source: &str, line: usize, column: usize) -> Option<String> {
    let masked = masked(source);
    let (text, at) = line_at(source, line, column);
    let start: usize = source.split('\n').take(line.saturating_sub(1)).map(|l| l.len() + 1).sum();
    let end = (start + text.len()).min(masked.len());
    let start = start.min(end);
    let code = &masked[start..end];
    let at = at.min(code.len());
    let at = (0..=at).rev().find(|i| code.is_char_boundary(*i)).unwrap_or_default();
    f_string(text, code)
        .or_else(|| indentation(source, &masked, line, text, at))
        .or_else(|| string(text, code, at))
        .or_else(|| unclosed(&masked, start + at, line))
        .or_else(|| adjacent(&masked[..start + at], &code[at..]))
        .or_else(|| ternary(code))
        .or_else(|| by_table(code, at))
        .or_else(|| no_colon(code))
        .or_else(|| comma(&masked, start + at, &code[at..]))
        .or_else(|| unfinished(&masked, start + at))
}

fn by_table(code: &str, at: usize) -> Option<String> {
    let marked = format!("{}¦{}", &code[..at], &code[at..]);
    let found = TABLE.iter().zip(&*PATTERNS).find(|((place, ..), pattern)| {
        pattern.is_match(match place {
            In::Line => code,
            In::At => &code[at..],
            In::Before => &code[..at],
            In::Marked => &marked,
        })
    });
    found.map(|((_, _, hint), _)| (*hint).to_owned())
}

fn f_string(text: &str, code: &str) -> Option<String> {
    let prefix = regex(r#"(?:^|[^\w"])((?i:f|rf|fr))""#);
    let prefix = prefix.captures(code)?.get(1)?;
    let instead = fstring::suggestion(text, prefix.start(), prefix.end());
    Some(match instead {
        Some(instead) => format!("there are no f-strings: write {instead}"),
        None => "there are no f-strings: write '…{}…'.format(value) or '…%s…' % value; there are no widths"
            .to_owned(),
    })
}

/// Tabs and blanks that do not go together, and what is indented for no reason, or not.
fn indentation(source: &str, masked: &str, line: usize, text: &str, at: usize) -> Option<String> {
    let here = indent(text);
    if at > here.len() {
        return None;
    }
    if let Some((number, header)) = header_before(masked, line)
        && here.len() <= indent(header).len()
    {
        return Some(format!("what follows line {number} must be indented; an empty block is `pass`"));
    }
    let (this, others, other) =
        if here.contains('\t') { ("tabs", "blanks", ' ') } else { ("blanks", "tabs", '\t') };
    if !here.is_empty() && source.lines().any(|l| indent(l).contains(other)) {
        return Some(format!(
            "this line is indented with {this}, others with {others}; a tab reaches to the next multiple of eight"
        ));
    }
    let is_deep = at < here.len();
    is_deep.then(|| "this line is indented further than those around it".to_owned())
}

fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// The line with code before another, if it begins a block.
fn header_before(masked: &str, line: usize) -> Option<(usize, &str)> {
    let before = masked.split('\n').enumerate().take(line.checked_sub(1)?);
    let (number, text) = before.filter(|(_, text)| !text.trim().is_empty()).last()?;
    text.trim_end().ends_with(':').then_some((number + 1, text))
}

/// Strings that end too early, or not at all.
fn string(text: &str, code: &str, at: usize) -> Option<String> {
    let quote = text[at..].chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        let length = crate::dialect::string_length(&text[at..]);
        let is_open = at + length == text.len() && (length == 1 || !text.ends_with(quote));
        if is_open {
            return Some(
                "a string ends in its line; a text of several lines stands between \"\"\" and \"\"\""
                    .to_owned(),
            );
        }
    }
    let before = code[..at].rsplit('\n').next().unwrap_or_default();
    // An odd quote begins a string.
    let after_string = before.ends_with('"')
        && before.matches('"').count().is_multiple_of(2)
        && text[..at].ends_with(['"', '\'']);
    let word = code[at..].starts_with(|c: char| c.is_alphanumeric()) && !starts_with_keyword(&code[at..]);
    (after_string && word).then(|| {
        "the string ends before this; a quote within a string is written \\', or the string stands in the other quotes"
            .to_owned()
    })
}

fn starts_with_keyword(text: &str) -> bool {
    let word = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    matches!(word, "if" | "else" | "for" | "in" | "not" | "and" | "or" | "is")
}

/// A bracket of an earlier line that is still open where a statement seems to begin.
fn unclosed(masked: &str, at: usize, line: usize) -> Option<String> {
    let (place, bracket) = open_bracket(masked, at)?;
    let opened = masked[..place].matches('\n').count() + 1;
    let rest = masked[at..].trim_start();
    let statement = regex(r"^(\w+\s*=[^=]|\w+(\.\w+)*\(|(def|for|if|load|while|return)\b)");
    let starts = masked[..at].rsplit('\n').next().is_some_and(|l| l.trim().is_empty());
    let comma = masked[..at].trim_end().ends_with([',', '(', '[', '{']);
    let is_end = rest.is_empty();
    (opened < line && (is_end || starts && !comma && statement.is_match(rest)))
        .then(|| format!("the `{bracket}` in line {opened} is not closed"))
}

/// Two strings side by side, which Python joins.
fn adjacent(before: &str, rest: &str) -> Option<String> {
    let strings = rest.starts_with('"') && before.trim_end().ends_with('"');
    strings.then(|| "strings side by side are not joined: write `+` between them, or a comma".to_owned())
}

fn no_colon(code: &str) -> Option<String> {
    let text = code.trim_end();
    let header = regex(r"^\s*(if|elif|else|for|while|def)\b");
    let closed = open_bracket(text, text.len()).is_none();
    (header.is_match(text) && closed && !text.contains(':')).then(|| "the line must end with `:`".to_owned())
}

/// Two values within brackets with nothing between them.
fn comma(masked: &str, at: usize, rest: &str) -> Option<String> {
    let (place, bracket) = open_bracket(masked, at)?;
    let before = masked[..at].trim_end();
    let is_value = |c: char| c.is_alphanumeric() || matches!(c, '_' | '"');
    let value_before = before.ends_with(|c| is_value(c) || matches!(c, ')' | ']' | '}'));
    let value_here = rest.starts_with(|c| is_value(c) || matches!(c, '[' | '{'));
    if !value_before || !value_here || starts_with_keyword(rest) {
        return None;
    }
    let entry = before[place..].rsplit(',').next().unwrap_or_default();
    let is_key = bracket == '{' && !entry.contains(':');
    let question =
        if is_key { "is a `:` missing between key and value?" } else { "is a comma missing before this?" };
    Some(question.to_owned())
}

fn ternary(code: &str) -> Option<String> {
    let is_statement = regex(r"^\s*(if|elif)\b|\bfor\b|\belse\b").is_match(code);
    (!is_statement && regex(r"\S\s+if\s").is_match(code))
        .then(|| "a condition within an expression has an `else`: `a if condition else b`".to_owned())
}

/// Closing brackets too many, and expressions that want another line.
fn unfinished(masked: &str, at: usize) -> Option<String> {
    let rest = &masked[at..];
    if rest.starts_with([')', ']', '}']) {
        return Some(match open_bracket(masked, at) {
            None => "nothing is open here that this could close".to_owned(),
            Some((_, bracket)) => format!("this does not close the `{bracket}` that is open"),
        });
    }
    let goes_on = regex(r"([+\-*/%=|&,.]|\b(and|or|not|in))\s*$").is_match(&masked[..at]);
    (goes_on && rest.starts_with('\n'))
        .then(|| "an expression goes on in the next line only within parentheses".to_owned())
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a test looks at all patterns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_patterns() {
        for (_, pattern, _) in TABLE {
            assert!(Regex::new(pattern).is_ok(), "{pattern}");
        }
    }
}
