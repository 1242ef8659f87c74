//! `coracle kustomize …`, and the same words when the binary is called `kustomize`: dispatch, help, and how errors are
//! shown. Exit codes, stdout and the first line of stderr are kustomize's, for scripts; what follows is for people.

mod build;
mod edit;

use crate::printer::{self, Printer};
use diag::Diagnostic;
use kustomize::{Flag, FlagKind};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Why a command failed: what kustomize would say, and what else is known.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    /// Places and remedies; their messages are shown where they say something else.
    details: Vec<Diagnostic>,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), details: Vec::new() }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { details: vec![Diagnostic::error("").hint(hint)], ..self }
    }

    /// Wrong words, in a command whose help may tell more.
    fn usage(message: impl Into<String>, command: &str) -> Self {
        Self::new(message).hint(format!("`{command} --help` shows what there is"))
    }
}

impl From<kustomize::Error> for Failure {
    fn from(error: kustomize::Error) -> Self {
        let mut details = error.to_diagnostics();
        // the first line has them already
        details.iter_mut().for_each(|d| d.notes.retain(|note| !note.starts_with("while ")));
        Self { message: error.chain(), details }
    }
}

type Done = Result<(), Failure>;

pub fn run(words: &[String], printer: &Printer) -> ExitCode {
    match dispatch(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            narrate(&render(&failure, printer.is_coloured()));
            ExitCode::from(crate::failure::YOURS)
        }
    }
}

fn dispatch(words: &[String]) -> Done {
    let Some((command, rest)) = words.split_first() else { return data(&help()) };
    match command.as_str() {
        "build" => build::run(rest),
        "edit" => edit::edit(rest),
        "create" | "init" => edit::create(rest),
        "version" => version(rest),
        "help" | "-h" | "--help" => data(&help()),
        "completion" => Err(Failure::new("completion scripts come from Coracle itself")
            .hint("`coracle completion SHELL` prints one")),
        "cfg" | "fn" | "localize" | "openapi" => {
            Err(Failure::new(format!("kustomize {command} is not built in Coracle"))
                .hint("build, create, edit and version are"))
        }
        // as kubectl's: `kustomize DIR`
        word if word.starts_with('-') || Path::new(word).is_dir() => build::run(words),
        word => Err(Failure::usage(format!("unknown command {word:?} for \"kustomize\""), "kustomize")),
    }
}

const VERSION_FLAGS: &[Flag] = &[
    Flag::text("output", "json or yaml").short('o'),
    Flag::switch("short", "In braces, as old versions printed it"),
];

fn version(words: &[String]) -> Done {
    let words = kustomize::Words::read(words, VERSION_FLAGS)
        .map_err(|e| Failure::usage(e.to_string(), "kustomize version"))?;
    if words.help {
        return data(&command_help(
            "version",
            "Print the version of kustomize that Coracle is compatible with, and its own",
            VERSION_FLAGS,
        ));
    }
    let (ours, compatible) = (env!("CARGO_PKG_VERSION"), kustomize::VERSION);
    let version = format!("{compatible}+coracle.{ours}");
    match words.text("output") {
        _ if words.is_on("short") => data(&format!("{{{version}}}\n")),
        "" => data(&format!("{version}\n")),
        "yaml" => data(&format!("version: {version}\ncoracleVersion: v{ours}\n")),
        "json" => {
            data(&format!("{{\n  \"version\": \"{version}\",\n  \"coracleVersion\": \"v{ours}\"\n}}\n"))
        }
        _ => Err(Failure::new("--output must be 'yaml' or 'json'")),
    }
}

fn help() -> String {
    "Manages declarative configuration of Kubernetes\n\n\
     Usage: kustomize COMMAND\n\n\
     Commands:\n  \
     build    Print the manifests of a kustomization\n  \
     create   Make a kustomization in this directory\n  \
     edit     Change the kustomization in this directory; comments and layout stay\n  \
     version  Print the version of kustomize that this is compatible with\n\n\
     `kustomize COMMAND --help` tells more about one.\n"
        .to_string()
}

/// A command's help from its table of flags.
fn command_help(usage: &str, about: &str, flags: &[Flag]) -> String {
    let shown = |flag: &Flag| {
        let short = flag.short.map_or("    ".to_string(), |short| format!("-{short}, "));
        let value = match flag.kind {
            FlagKind::Switch => "",
            FlagKind::Text | FlagKind::Texts => " VALUE",
            FlagKind::List => " VALUE,…",
        };
        format!("{short}--{}{value}", flag.name)
    };
    let width = flags.iter().map(|flag| shown(flag).chars().count()).max().unwrap_or(0);
    let mut out = format!("{about}\n\nUsage: kustomize {usage}\n");
    if !flags.is_empty() {
        out.push_str("\nOptions:\n");
    }
    for flag in flags {
        out.push_str(&format!("  {:width$}  {}\n", shown(flag), flag.help));
    }
    out
}

/// `Error: …` on one line as kustomize prints it, then the place, the text there, and the remedy.
fn render(failure: &Failure, colour: bool) -> String {
    let mut out = format!("Error: {}\n", printer::escape(failure.message.trim_end(), false));
    for details in &failure.details {
        let source = details.file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        let is_told = failure.message.ends_with(&details.message);
        let message = if is_told { String::new() } else { details.message.clone() };
        let rendered = diag::render(&Diagnostic { message, ..details.clone() }, source.as_deref(), colour);
        let shown = if is_told { rendered.split_once('\n').map_or("", |(_, rest)| rest) } else { &rendered };
        out.push_str(shown);
    }
    out
}

/// Text for stdout. A reader that went away (`| head`) wants no more; that is no failure.
fn data(text: &str) -> Done {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("write /dev/stdout: {e}")))
        }
        _ => Ok(()),
    }
}

/// Text for stderr.
fn narrate(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// What went wrong with a file, in the words that kustomize (Go) has for it.
fn file_failure(doing: &str, path: &str, error: &std::io::Error) -> Failure {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_string(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_string(),
        std::io::ErrorKind::ReadOnlyFilesystem => "read-only file system".to_string(),
        _ => error.to_string(),
    };
    Failure::new(format!("{doing} {path}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use kustomize::BUILD_FLAGS;

    #[test]
    fn an_error_is_kustomizes_line_then_place_and_remedy() {
        let dir = std::env::temp_dir().join(format!("coracle-kustomize-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("kustomization.yaml");
        std::fs::write(&file, "resources:\n- a.yaml\nimagez: []\n").unwrap();
        let error =
            kustomize::build(&kustomize::Disk, &dir.to_string_lossy(), &kustomize::Options::default())
                .unwrap_err();
        let text = render(&error.into(), false).replace(&*dir.to_string_lossy(), "DIR");
        std::fs::remove_dir_all(&dir).unwrap();
        expect![[r#"
            Error: invalid Kustomization: json: unknown field "imagez"
            error: Kustomization has no field imagez
             --> DIR/kustomization.yaml:3:1
              |
            3 | imagez: []
              | ^^^^^^
            hint: did you mean images?
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn help_lists_the_flags_in_columns() {
        expect![[r#"
            Print

            Usage: kustomize build [DIR]

            Options:
              -o, --output VALUE           Write to this file, or to a file for each resource in this directory
                  --load-restrictor VALUE  LoadRestrictionsRootOnly: files must lie in or below the kustomization that names them; LoadRestrictionsNone: anywhere [LoadRestrictionsRootOnly]
                  --merge-keys VALUE       newest: lists are merged by what the newest Kubernetes and the CRDs in the build say; upstream: as kustomize itself, by Kubernetes v1.21 without CRDs [newest]
        "#]].assert_eq(&command_help("build [DIR]", "Print", &BUILD_FLAGS[..3]));
    }
}
