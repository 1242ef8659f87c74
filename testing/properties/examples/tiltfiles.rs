//! The property of Tiltfiles at length, for machines without cargo-fuzz:
//!
//! `cargo run --release -p properties --example tiltfiles -- SECONDS SEED FOLDER…` joins and changes the lines of all
//! Tiltfiles below the folders. Before each case its text is written to `target/tiltfiles.last`, so that one that ends
//! the process, or never ends, is not lost.

use properties::Random;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What stands in the place of a word or a value.
const PIECES: [&str; 72] = [
    "\n",
    "\n    ",
    "\n\t",
    "\t",
    " ",
    "'",
    "\"\"\"",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "=",
    ";",
    "\\\n",
    "#",
    ".",
    "é",
    "\u{feff}",
    "\r\n",
    "while x: ",
    "for i in ",
    "if ",
    "else: ",
    "elif ",
    "def f(a, *b, **c): ",
    "lambda x: ",
    "load(",
    "not ",
    " in ",
    " and ",
    " or ",
    "return ",
    "break",
    "pass",
    "*",
    "**",
    "-",
    "//",
    "%",
    "<<",
    ">>",
    "|",
    "&",
    "^",
    "~",
    "+=",
    "*=",
    "%=",
    "==",
    "<",
    "None",
    "True",
    "[]",
    "{}",
    "()",
    "''",
    "0",
    "-1",
    "1.5",
    "999999999",
    "1 << 70",
    "range(10)",
    ".join(",
    ".format(",
    ".replace(",
    "str(",
    "print(",
    "'%s' % ",
];

/// Lines of several texts, one after the other, with some of their words replaced.
fn text(random: &mut Random, lines: &[&str], words: &[&str]) -> String {
    let mut out = String::new();
    let mut at = random.below(lines.len());
    for _ in 0..1 + random.below(20) {
        if random.below(4) == 0 {
            at = random.below(lines.len());
        }
        out.push_str(lines[at % lines.len()]);
        out.push('\n');
        at += 1;
    }
    for _ in 0..random.below(8) {
        let mut place = random.below(out.len() + 1);
        while !out.is_char_boundary(place) {
            place -= 1;
        }
        let piece = if random.below(2) == 0 { random.of(&PIECES) } else { random.of(words) };
        let rest = &out[place..];
        let word = rest
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(rest.len())
            .max(rest.chars().next().map_or(0, char::len_utf8));
        match random.below(3) {
            0 => out.insert_str(place, piece),
            1 => out.replace_range(place..place + word, piece),
            _ => out.replace_range(place..place + word, ""),
        }
    }
    out
}

fn tiltfiles(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            tiltfiles(&path, out);
        } else if name.contains("Tiltfile")
            || [".star", ".tilt", ".project", ".txt"].iter().any(|e| name.ends_with(e))
        {
            out.push(path);
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual| arguments.next().and_then(|a| a.parse().ok()).unwrap_or(usual);
    let (seconds, seed) = (number(60), number(1));
    let mut files = Vec::new();
    arguments.for_each(|folder| tiltfiles(Path::new(&folder), &mut files));
    files.sort();
    let texts: Vec<String> = files.iter().filter_map(|f| std::fs::read_to_string(f).ok()).collect();
    let lines: Vec<&str> = texts.iter().flat_map(|t| t.lines()).collect();
    let is_word = |c: char| !c.is_alphanumeric() && c != '_' && c != '.';
    let words: Vec<&str> = texts.iter().flat_map(|t| t.split(is_word)).filter(|w| !w.is_empty()).collect();
    assert!(!lines.is_empty(), "give folders with Tiltfiles");
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (seed << 1 | 1));
    let (began, limit) = (Instant::now(), Duration::from_secs(seconds));
    let (mut count, mut slowest) = (0u64, Duration::ZERO);
    let last = format!("target/tiltfiles.last.{seed}");
    std::fs::create_dir_all("target").expect("a folder can be made here");
    let mut out = std::io::stdout();
    while began.elapsed() < limit {
        let text = text(&mut random, &lines, &words);
        std::fs::write(&last, &text).expect("the case can be written");
        let start = Instant::now();
        properties::tiltfile(text.as_bytes());
        count += 1;
        if start.elapsed() > slowest {
            slowest = start.elapsed();
            if slowest > Duration::from_millis(500) {
                std::fs::write(format!("{last}.slow"), &text).expect("the case can be written");
            }
        }
    }
    writeln!(out, "{count} cases, the slowest took {slowest:?}").expect("stdout is there");
}
