//! Habits from Python, and other slips of the pen: what is said, and what to write instead.

mod support;

use std::fmt::Write as _;
use std::path::Path;
use support::MemoryHost;
use tiltfile::{Settings, evaluate};

/// `habits.txt`: Tiltfiles, each with the place and the hint of its error; the messages are tested where they are made.
/// `UPDATE_EXPECT=1` writes the results.
#[test]
fn habits() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/habits.txt");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut out = String::new();
    for case in text.split("\n\n\n").map(|c| c.trim_matches('\n')).filter(|c| !c.is_empty()) {
        let source = case.split("\n--->").next().unwrap();
        let e = evaluate(
            &MemoryHost::new(&format!("{source}\n")),
            Path::new("/p/Tiltfile"),
            &Settings::default(),
        );
        let told = match e.error {
            None => format!("fine: {}", e.output.trim_end()),
            Some(error) => {
                let at =
                    error.position.as_ref().map(|p| format!("{}:{}", p.line, p.column)).unwrap_or_default();
                format!("{at}: {}", error.hint.as_deref().unwrap_or("(no hint)"))
            }
        };
        writeln!(out, "{source}\n--->\n{told}\n\n").unwrap();
    }
    expect_test::expect_file![path].assert_eq(&out);
}
