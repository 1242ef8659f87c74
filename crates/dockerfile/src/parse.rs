//! The whole file: instructions into stages, and everything that is wrong.

mod arguments;

use crate::heredoc::marks;
use crate::instruction::{Heredoc, Instruction, Kind};
use crate::lines::{Logical, Reader};
use crate::words::split;
use crate::{Diagnostic, Dockerfile, GlobalArg, Severity, Stage};

/// An instruction's problem, at an offset in its text.
pub(crate) struct Problem {
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

pub(crate) fn problem(offset: usize, message: impl Into<String>) -> Problem {
    Problem { offset, message: message.into(), hint: None }
}

const KNOWN: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Reads a Dockerfile. What is wrong is reported and left out; a file with errors must not be built.
pub fn parse(text: &str) -> (Dockerfile, Vec<Diagnostic>) {
    let mut reader = Reader::new(text);
    let mut file = Dockerfile { escape: reader.escape, global_args: Vec::new(), stages: Vec::new() };
    let mut diagnostics = Vec::new();
    while let Some(logical) = reader.logical() {
        let read =
            heredocs(&mut reader, &logical).and_then(|documents| instruction(&mut file, &logical, documents));
        if let Err(problem) = read {
            diagnostics.push(diagnostic(&logical, problem));
        }
    }
    if file.stages.is_empty() && diagnostics.is_empty() {
        diagnostics.push(Diagnostic {
            severity: Severity::Error,
            line: 1,
            column: 1,
            message: "the file has no FROM".into(),
            hint: Some("begin with FROM and a base image, or FROM scratch".into()),
        });
    }
    (file, diagnostics)
}

/// Reads one instruction of an image's `OnBuild` list.
pub fn parse_trigger(text: &str, escape: char, line: usize) -> Result<Instruction, Diagnostic> {
    let logical = Logical::single(text, line);
    let (word, rest_at) = keyword(&logical.text);
    known(&word)
        .and_then(|()| {
            if matches!(word.as_str(), "FROM" | "ONBUILD" | "MAINTAINER") {
                return Err(problem(0, format!("{word} cannot be an ONBUILD trigger")));
            }
            arguments::read(&word, &logical.text, rest_at, escape, Vec::new())
        })
        .map(|kind| Instruction { line, text: one_line(&logical.text), kind })
        .map_err(|problem| diagnostic(&logical, problem))
}

fn diagnostic(logical: &Logical, problem: Problem) -> Diagnostic {
    let (line, column) = logical.position(problem.offset);
    Diagnostic { severity: Severity::Error, line, column, message: problem.message, hint: problem.hint }
}

/// The instruction's name in capitals, and where its arguments begin.
fn keyword(text: &str) -> (String, usize) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let rest = &text[end..];
    (text[..end].to_ascii_uppercase(), end + rest.len() - rest.trim_start().len())
}

fn known(word: &str) -> Result<(), Problem> {
    if KNOWN.contains(&word) {
        return Ok(());
    }
    let close = KNOWN.iter().map(|known| (distance(word, known), *known)).min();
    let hint =
        close.filter(|(distance, _)| *distance <= 2).map(|(_, known)| format!("did you mean {known}?"));
    Err(Problem { offset: 0, message: format!("unknown instruction {word}"), hint })
}

/// How many letters must change to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Reads the bodies of the here-documents that an instruction's line announces.
fn heredocs(reader: &mut Reader<'_>, logical: &Logical) -> Result<Vec<Heredoc>, Problem> {
    let (word, rest_at) = keyword(&logical.text);
    let rest = &logical.text[rest_at..];
    // In the JSON form nothing is a here-document.
    if !matches!(word.as_str(), "RUN" | "COPY" | "ADD") || rest.starts_with('[') {
        return Ok(Vec::new());
    }
    let documents = marks(rest, reader.escape).into_iter().map(|mark| {
        let content = reader.heredoc(&mark.name, mark.strip_tabs).ok_or_else(|| {
            problem(
                rest_at + mark.start,
                format!("the here-document has no line `{}` that ends it", mark.name),
            )
        })?;
        Ok(Heredoc { name: mark.name, content, expand: mark.expand })
    });
    documents.collect()
}

fn instruction(file: &mut Dockerfile, logical: &Logical, documents: Vec<Heredoc>) -> Result<(), Problem> {
    let (word, rest_at) = keyword(&logical.text);
    known(&word)?;
    if word == "FROM" {
        let stage = from(logical, rest_at, file.escape)?;
        if let Some(name) = &stage.name
            && file.stages.iter().any(|other| other.name.as_ref() == Some(name))
        {
            return Err(problem(rest_at, format!("there is already a stage named `{name}`")));
        }
        file.stages.push(stage);
        return Ok(());
    }
    let kind = arguments::read(&word, &logical.text, rest_at, file.escape, documents)?;
    match (file.stages.last_mut(), kind) {
        (Some(stage), kind) => {
            let text = one_line(&logical.text);
            stage.instructions.push(Instruction { line: logical.line(), text, kind });
        }
        (None, Kind::Arg(args)) => {
            let line = logical.line();
            file.global_args.extend(args.into_iter().map(|(name, default)| GlobalArg {
                line,
                name,
                default,
            }));
        }
        (None, _) => return Err(problem(0, format!("{word} before the first FROM (only ARG may be there)"))),
    }
    Ok(())
}

fn from(logical: &Logical, rest_at: usize, escape: char) -> Result<Stage, Problem> {
    let mut platform = None;
    let mut words = Vec::new();
    for (offset, word) in split(&logical.text[rest_at..], escape) {
        match word.strip_prefix("--") {
            Some(flag) if words.is_empty() => match flag.split_once('=') {
                Some(("platform", value)) => platform = Some(value.to_owned()),
                _ => return Err(problem(rest_at + offset, format!("FROM has no flag --{flag}"))),
            },
            _ => words.push((rest_at + offset, word)),
        }
    }
    let name = match words.as_slice() {
        [_] => None,
        [_, (_, keyword), (offset, name)] if keyword.eq_ignore_ascii_case("as") => {
            let name = name.to_lowercase();
            let good = name.starts_with(|char: char| char.is_ascii_lowercase())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
            if !good {
                return Err(problem(
                    *offset,
                    format!("`{name}` is not a stage name (a letter, then letters, digits, `_`, `-`, `.`)"),
                ));
            }
            Some(name)
        }
        _ => return Err(problem(rest_at, "FROM needs one image, and perhaps `AS name`")),
    };
    let base = words[0].1.to_owned();
    Ok(Stage { line: logical.line(), name, base, platform, instructions: Vec::new() })
}

fn one_line(text: &str) -> String {
    let (word, rest_at) = keyword(text);
    let rest: Vec<&str> = text[rest_at..].split_whitespace().collect();
    format!("{word} {}", rest.join(" ")).trim_end().to_owned()
}

#[cfg(test)]
mod tests;
