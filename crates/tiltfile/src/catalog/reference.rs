//! The reference page of the builtins: `docs/reference/tiltfile.md` is written from the catalog.

use super::{Constant, Entry, SECTIONS, State, constants};
use std::fmt::Write;

const HEAD: &str = "# Builtins of a Tiltfile

Written from the catalog of builtins (`crates/tiltfile/src/catalog`); a test fails when this page is stale, and
`UPDATE_EXPECT=1 cargo test -p tiltfile --test reference` writes it anew.

Parameters stand in Python's notation: those without a default must be given, those after `*` by name. `Text` is a
string or a blob, `Path` a path that starts at the directory of the file that is executing, `Command` a string for the
shell or a list of words. What Tilt knows is meant by *state*: **done** behaves as in Tilt 0.37.
";

/// The whole page.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    let entries = || SECTIONS.iter().flat_map(|s| s.entries);
    let count = |test: fn(&State) -> bool| entries().filter(|e| test(&e.state)).count();
    write!(
        page,
        "\nOf {} builtins {} are done, {} differ, {} are not there yet.\n",
        entries().count(),
        count(|s| matches!(s, State::Done)),
        count(|s| matches!(s, State::Differs(_))),
        count(|s| matches!(s, State::NotBuilt)),
    )
    .expect("a String takes all");
    for section in SECTIONS {
        write!(page, "\n## {}\n\n| builtin | what it does | state |\n| --- | --- | --- |\n", section.title)
            .expect("a String takes all");
        section.entries.iter().for_each(|e| row(&mut page, e));
    }
    page.push_str("\n## Values\n\n| name | type | what it is |\n| --- | --- | --- |\n");
    for Constant { name, annotation, doc } in constants() {
        writeln!(page, "| `{name}` | `{annotation}` | {} |", one_line(doc)).expect("a String takes all");
    }
    page
}

fn row(page: &mut String, entry: &Entry) {
    let state = match entry.state {
        State::Done => "done".to_owned(),
        State::Differs(how) => format!("differs: {}", one_line(how)),
        State::NotBuilt => "not yet".to_owned(),
    };
    let returns = if entry.returns == "None" { String::new() } else { format!(" → {}", entry.returns) };
    let signature = format!("{}({}){returns}", entry.name, entry.signature).replace('|', "\\|");
    writeln!(page, "| `{signature}` | {} | {state} |", one_line(entry.doc)).expect("a String takes all");
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
