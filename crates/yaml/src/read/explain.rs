//! What people did when the parser complains.

use crate::scan::SyntaxError;

pub(super) fn hint(text: &str, error: &SyntaxError) -> Option<String> {
    let at = error.at.byte.min(text.len());
    let line_start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let line = text[line_start..].lines().next().unwrap_or("");
    let began = error.context.map_or(0, |mark| mark.line + 1);
    if line.trim_start_matches(' ').starts_with('\t') {
        return Some("indent with blanks: YAML takes no tabs there".to_string());
    }
    Some(match &*error.problem {
        "could not find expected ':'" => format!("line {began} is no `key: value`: is a colon missing, or a quote?"),
        "mapping values are not allowed in this context" => {
            "a colon with a blank after it begins a value: put text that holds `: ` in quotes, or check the indentation"
                .to_string()
        }
        "did not find expected key" => {
            format!("the indentation does not fit the map that begins in line {began}, or a value needs quotes")
        }
        "did not find expected '-' indicator" => {
            format!("the indentation does not fit the list that begins in line {began}: its items begin with `- `")
        }
        "did not find expected ',' or ']'" => format!("the list that is opened in line {began} is not closed"),
        "did not find expected ',' or '}'" => {
            format!("the map that is opened in line {began} is not closed; template braces need quotes: \"{{{{ name }}}}\"")
        }
        "found unexpected end of stream" | "found unexpected document indicator" => {
            format!("the quote that is opened in line {began} is not closed")
        }
        "found unknown escape character" => {
            "in double quotes a backslash begins an escape: write \\\\ for one, or use single quotes".to_string()
        }
        "found character that cannot start any token" => {
            "text that begins with one of % @ ` must be in quotes".to_string()
        }
        "block sequence entries are not allowed in this context" => {
            "a list begins on a line of its own".to_string()
        }
        "did not find expected alphabetic or numeric character" => {
            "text that begins with & or * must be in quotes".to_string()
        }
        _ => return None,
    })
}
