//! `kustomize edit …` and `kustomize create`: from words and files to the texts that are to be written.
//!
//! An edit changes the bytes that it must: the rest of the file (comments, order, quotes) stays. What each command
//! means, its flags and its messages are kustomize's. Nothing is written here: see [`Outcome`].

mod add;
mod create;
mod fix;
mod generator;
mod glob;
mod image;
mod labels;
mod patch;
mod remove;
mod set;
mod target;
mod vars;

use crate::error::{Error, Result};
use crate::files::Files;
use crate::flags::{Flag, Words};
use crate::outside::Outside;
use crate::path;

pub use create::{CREATE_FLAGS, create};

/// A command below `kustomize edit`.
pub struct Command {
    pub verb: &'static str,
    /// Empty where the verb is the whole.
    pub noun: &'static str,
    /// The arguments, for the help.
    pub arguments: &'static str,
    pub about: &'static str,
    pub flags: &'static [Flag],
    run: fn(&mut Context<'_>, &Words) -> Result<()>,
}

/// What a command wants done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Files and their new texts.
    pub writes: Vec<(String, String)>,
    /// For stderr, a line each.
    pub log: Vec<String>,
    /// For stdout.
    pub output: String,
    /// The command whose help is asked for; empty for that of `edit` itself.
    pub help: Option<String>,
}

/// What a command works with.
struct Context<'a> {
    files: &'a dyn Files,
    /// For builds that compare what an edit changes.
    outside: Option<&'a dyn Outside>,
    dir: &'a str,
    outcome: Outcome,
}

impl Context<'_> {
    fn path(&self, name: &str) -> String {
        path::join(self.dir, name)
    }

    fn log(&mut self, line: impl Into<String>) {
        self.outcome.log.push(line.into());
    }
}

const VERBS: [&str; 5] = ["add", "set", "remove", "fix", "alpha-list-builtin-plugin"];

/// All commands below `edit`.
pub fn commands() -> impl Iterator<Item = &'static Command> {
    [add::COMMANDS, set::COMMANDS, remove::COMMANDS, WHOLE].into_iter().flatten()
}

const WHOLE: &[Command] = &[
    Command {
        verb: "fix",
        noun: "",
        arguments: "",
        about: "Replace deprecated fields and add missing ones",
        flags: &[Flag::switch(
            "vars",
            "Convert vars to replacements too; this rewrites the files that use them",
        )],
        run: fix::fix,
    },
    Command {
        verb: "alpha-list-builtin-plugin",
        noun: "",
        arguments: "",
        about: "List the built-in plugins",
        flags: &[],
        run: |context, _| {
            let names = crate::plugin::kinds();
            let lines: String = names.iter().map(|name| format!(" * {name}\n")).collect();
            context.outcome.output = format!("Builtin plugins:\n\n{lines}");
            Ok(())
        },
    },
];

/// Runs the command that the words after `edit` name, on the kustomization in `dir`.
pub fn edit(files: &dyn Files, dir: &str, words: &[String]) -> Result<Outcome> {
    edit_with(files, None, dir, words)
}

/// The same, with the world outside for the builds that `fix` compares.
pub fn edit_with(
    files: &dyn Files,
    outside: Option<&dyn Outside>,
    dir: &str,
    words: &[String],
) -> Result<Outcome> {
    let help = |of: &str| Ok(Outcome { help: Some(of.to_string()), ..Outcome::default() });
    let is_help = |word: &String| matches!(word.as_str(), "-h" | "--help" | "help");
    let Some((verb, rest)) = words.split_first().filter(|(verb, _)| !is_help(verb)) else { return help("") };
    if !VERBS.contains(&verb.as_str()) {
        return Err(unknown(verb, "kustomize edit", "add, set, remove and fix are commands"));
    }
    let (command, rest) = match commands().find(|c| c.verb == verb && c.noun.is_empty()) {
        Some(command) => (command, rest),
        None => {
            let Some((noun, rest)) = rest.split_first().filter(|(noun, _)| !is_help(noun)) else {
                return help(verb);
            };
            let command = commands().find(|c| c.verb == verb && c.is_called(noun));
            let nouns =
                || commands().filter(|c| c.verb == verb).map(|c| c.noun).collect::<Vec<_>>().join(", ");
            let command = command.ok_or_else(|| {
                unknown(noun, &format!("kustomize edit {verb}"), &format!("there are {}", nouns()))
            })?;
            (command, rest)
        }
    };
    let words = Words::read(rest, command.flags).map_err(|e| flag_error(&e, command))?;
    if words.help {
        return help(&command.name());
    }
    let mut context = Context { files, outside, dir, outcome: Outcome::default() };
    (command.run)(&mut context, &words)?;
    Ok(context.outcome)
}

impl Command {
    const fn of(
        verb: &'static str,
        noun: &'static str,
        arguments: &'static str,
        about: &'static str,
        flags: &'static [Flag],
        run: fn(&mut Context<'_>, &Words) -> Result<()>,
    ) -> Command {
        Command { verb, noun, arguments, about, flags, run }
    }

    /// `add resource`
    pub fn name(&self) -> String {
        format!("{} {}", self.verb, self.noun).trim_end().to_string()
    }

    /// By its name, the plural of it, or a short form of kubectl's.
    fn is_called(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let short = match self.noun {
            "configmap" => "cm",
            "annotation" => "anno",
            "namespace" => "ns",
            "patch" => "patches",
            "nameprefix" => "prefix",
            "namesuffix" => "suffix",
            "replicas" => "replica",
            _ => self.noun,
        };
        word == self.noun || word == short || word.strip_suffix('s') == Some(self.noun)
    }
}

fn unknown(word: &str, place: &str, hint: &str) -> Error {
    Error::new(format!("unknown command {word:?} for {place:?}")).hint(hint)
}

fn flag_error(error: &crate::flags::FlagError, command: &Command) -> Error {
    let hint = match error {
        crate::flags::FlagError::UnknownShort { group, .. } if command.verb == "set" => {
            format!("for a value that begins with a dash: kustomize edit {} -- -{group}", command.name())
        }
        _ => format!("`kustomize edit {} --help` lists the flags", command.name()),
    };
    Error::new(error.to_string()).hint(&hint)
}

/// `[a b]`, as Go prints lists.
fn go_list(items: &[String]) -> String {
    format!("[{}]", items.join(" "))
}
