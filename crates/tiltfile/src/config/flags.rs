//! Settings on the command line: flags as pflag reads them, and the list of them as it prints it.

use super::{Definition, Kind};
use crate::call::go_quote;
use crate::text::go_json;
use crate::values;
use serde_json::{Map, Value as Json};

type Text<T> = std::result::Result<T, String>;

/// The settings that the arguments give.
pub(super) fn parse(definitions: &[Definition], args: &[String]) -> Text<Map<String, Json>> {
    let mut given = Map::new();
    let with_usage = |e: String| format!("{e}{}", usage(definitions));
    let positional = flags(definitions, args, &mut given).map_err(with_usage)?;
    if positional.is_empty() {
        return Ok(given);
    }
    let Some(definition) = definitions.iter().find(|d| d.positional) else {
        return Err(format!(
            "positional CLI args ({}) were specified, but none were expected.\nSee https://docs.tilt.dev/tiltfile_config.html#positional-arguments for examples.",
            go_quote(&positional.join(" "))
        ));
    };
    for value in positional {
        set(definition, value, &mut given)
            .map_err(|e| format!("invalid positional args ({}): {e}", definition.name))?;
    }
    Ok(given)
}

/// Takes the flags, and gives the words that belong to none.
fn flags<'a>(
    definitions: &[Definition],
    args: &'a [String],
    given: &mut Map<String, Json>,
) -> Text<Vec<&'a str>> {
    let mut positional = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            positional.extend(rest.by_ref().map(String::as_str));
            break;
        }
        let Some(flag) = arg.strip_prefix("--") else {
            match arg.strip_prefix('-').and_then(|letters| letters.chars().next()) {
                Some('h') => return Err("pflag: help requested".to_owned()),
                Some(letter) => {
                    let letters = arg.strip_prefix('-').unwrap_or_default();
                    return Err(format!("unknown shorthand flag: '{letter}' in -{letters}"));
                }
                None => positional.push(arg.as_str()),
            }
            continue;
        };
        if flag.starts_with(['-', '=']) {
            return Err(format!("bad flag syntax: {arg}"));
        }
        let (name, inline) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let Some(definition) = definitions.iter().find(|d| d.name == name && !d.positional) else {
            return Err(match name {
                "help" => "pflag: help requested".to_owned(),
                name => format!("unknown flag: --{name}"),
            });
        };
        let value = match (inline, definition.kind) {
            (Some(value), _) => value,
            (None, Kind::Bool) => "true",
            (None, _) => rest.next().ok_or_else(|| format!("flag needs an argument: --{name}"))?,
        };
        set(definition, value, given).map_err(|e| {
            format!("invalid argument {} for {} flag: {e}", go_quote(value), go_quote(&format!("--{name}")))
        })?;
    }
    Ok(positional)
}

fn set(definition: &Definition, value: &str, given: &mut Map<String, Json>) -> Text<()> {
    let name = &definition.name;
    let before = given.get(name);
    match definition.kind {
        Kind::StringList => {
            let mut items = before.and_then(|b| b.as_array().cloned()).unwrap_or_default();
            items.push(value.into());
            given.insert(name.clone(), Json::Array(items));
        }
        // the parenthesis has no fellow in Tilt either
        Kind::String if before.is_some() => {
            return Err(format!(
                "string settings can only be specified once. multiple values found (last value: {value}"
            ));
        }
        Kind::String => {
            given.insert(name.clone(), value.into());
        }
        Kind::Bool if before.is_some() => {
            return Err(format!(
                "bool settings can only be specified once. multiple values found (last value: {value})"
            ));
        }
        Kind::Bool => {
            let parsed = match value {
                "1" | "t" | "T" | "TRUE" | "true" | "True" => true,
                "0" | "f" | "F" | "FALSE" | "false" | "False" => false,
                _ => return Err(format!("strconv.ParseBool: parsing {}: invalid syntax", go_quote(value))),
            };
            given.insert(name.clone(), parsed.into());
        }
        Kind::Object => {
            if let Some(before) = before {
                return Err(format!(
                    "object settings can only be specified once. multiple values found (last value: {})",
                    values::starlark_text(before)
                ));
            }
            let parsed =
                go_json::whole(value).map_err(|e| format!("decoding JSON, got {}: {e}", go_quote(value)))?;
            given.insert(name.clone(), parsed);
        }
    }
    Ok(())
}

/// All flags with what they are for, side by side; nothing if there are none.
fn usage(definitions: &[Definition]) -> String {
    const WIDTH: usize = 80;
    let mut flags: Vec<&Definition> = definitions.iter().filter(|d| !d.positional).collect();
    flags.sort_by(|a, b| a.name.cmp(&b.name));
    let rows: Vec<(String, String)> = flags.into_iter().map(row).collect();
    // one more than the longest, for the column between
    let column = rows.iter().map(|(flag, _)| flag.len()).max().unwrap_or_default() + 1;
    let mut out = String::new();
    for (flag, what) in rows {
        let gap = " ".repeat(column - flag.len());
        out.push_str(&format!("{flag} {gap} {}\n", wrapped(column + 2, WIDTH, &what)));
    }
    if out.is_empty() { out } else { format!("\nUsage:\n{out}") }
}

/// `--name value` and its use. A word in backquotes in the use is the value's name.
fn row(definition: &Definition) -> (String, String) {
    let mut usage = definition.usage.clone();
    let mut kind = match definition.kind {
        Kind::Bool => "",
        Kind::StringList => "list[string]",
        Kind::String => "string",
        Kind::Object => "object",
    }
    .to_owned();
    if let [before, name, after] = usage.splitn(3, '`').collect::<Vec<_>>().as_slice() {
        kind = (*name).to_owned();
        usage = format!("{before}{name}{after}");
    }
    if definition.kind == Kind::Object {
        usage.push_str(" (default None)");
    }
    let mut flag = format!("      --{}", definition.name);
    if !kind.is_empty() {
        flag.push_str(&format!(" {kind}"));
    }
    (flag, usage)
}

/// Breaks a text into lines, all but the first indented.
fn wrapped(indent: usize, width: usize, text: &str) -> String {
    // below this it is better to start on a line of its own
    const NARROW: usize = 24;
    const OWN_INDENT: usize = 16;
    /// A short last word may stick out by this much.
    const SLOP: usize = 5;
    let mut out = String::new();
    let (mut indent, mut room) = (indent, width.saturating_sub(indent));
    if room < NARROW {
        (indent, room) = (OWN_INDENT, width - OWN_INDENT);
        out.push('\n');
        out.push_str(&" ".repeat(indent));
    }
    let break_ = format!("\n{}", " ".repeat(indent));
    let mut rest = text;
    loop {
        let (line, left) = line_of(rest, room - SLOP, SLOP);
        out.push_str(&line.replace('\n', &break_));
        if left.is_empty() {
            return out;
        }
        out.push_str(&break_);
        rest = left;
    }
}

/// The first line of a text, and what is left of it.
fn line_of(text: &str, most: usize, slop: usize) -> (&str, &str) {
    if most + slop > text.len() {
        return (text, "");
    }
    let head = &text.as_bytes()[..most];
    let space = head.iter().rposition(|c| matches!(c, b' ' | b'\t' | b'\n')).unwrap_or(0);
    if space == 0 {
        return (text, "");
    }
    let newline = head.iter().rposition(|c| *c == b'\n').unwrap_or(0);
    let at = if newline > 0 && newline < space { newline } else { space };
    (&text[..at], &text[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, kind: Kind, usage: &str) -> Definition {
        Definition { name: name.to_owned(), kind, positional: false, usage: usage.to_owned() }
    }

    #[test]
    fn usages() {
        let long =
            "what this one is for takes so many words that they need more than a line, and then some more";
        let definitions = [
            definition("list-of-them", Kind::StringList, long),
            definition("b", Kind::Bool, "yes or no"),
            definition("file", Kind::String, "reads `PATH` first"),
            definition("o", Kind::Object, "any JSON"),
        ];
        expect_test::expect![[r#"

            Usage:
                  --b                           yes or no
                  --file PATH                   reads PATH first
                  --list-of-them list[string]   what this one is for takes so many
                                                words that they need more than a line,
                                                and then some more
                  --o object                    any JSON (default None)
        "#]]
        .assert_eq(&usage(&definitions));
        let name = "a-name-that-is-so-long-that-nothing-has-room-beside-it";
        expect_test::expect![[r#"

            Usage:
                  --a-name-that-is-so-long-that-nothing-has-room-beside-it list[string]   
                            what this one is for takes so many words that they need
                            more than a line, and then some more
        "#]]
        .assert_eq(&usage(&[definition(name, Kind::StringList, long)]));
    }
}
