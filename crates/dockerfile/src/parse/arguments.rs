//! What stands behind an instruction's name.

use super::{Problem, problem};
use crate::heredoc::marks;
use crate::instruction::{Command, Copy, Heredoc, Kind, Run, Source};
use crate::mount::{RawMount, RunMount};
use crate::words::split;

/// An instruction's text after its name.
struct Arguments<'a> {
    word: &'a str,
    rest: &'a str,
    /// Where `rest` begins in the whole text.
    at: usize,
    escape: char,
}

pub(super) fn read(
    word: &str,
    text: &str,
    at: usize,
    escape: char,
    documents: Vec<Heredoc>,
) -> Result<Kind, Problem> {
    let mut arguments = Arguments { word, rest: &text[at..], at, escape };
    if arguments.rest.is_empty() && !matches!(word, "CMD" | "ENTRYPOINT") {
        return Err(problem(0, format!("{word} needs an argument")));
    }
    match word {
        "RUN" => arguments.run(documents),
        "COPY" | "ADD" => arguments.copy(documents),
        "ENV" => Ok(Kind::Env(arguments.pairs()?)),
        "LABEL" => Ok(Kind::Label(arguments.pairs()?)),
        "ARG" => arguments.args(),
        "WORKDIR" => Ok(Kind::Workdir(arguments.rest.to_owned())),
        "USER" => Ok(Kind::User(arguments.rest.to_owned())),
        "STOPSIGNAL" => Ok(Kind::StopSignal(arguments.rest.to_owned())),
        "VOLUME" => Ok(Kind::Volume(arguments.words())),
        "EXPOSE" => Ok(Kind::Expose(arguments.words())),
        "ENTRYPOINT" => Ok(Kind::Entrypoint(arguments.command())),
        "CMD" => Ok(Kind::Cmd(arguments.command())),
        "SHELL" => match json(arguments.rest) {
            Some(words) if !words.is_empty() => Ok(Kind::Shell(words)),
            _ => Err(problem(at, "SHELL needs its words as JSON: SHELL [\"/bin/bash\", \"-c\"]")),
        },
        "HEALTHCHECK" => arguments.healthcheck(),
        "ONBUILD" => {
            super::parse_trigger(arguments.rest, escape, 1).map_err(|inner| Problem {
                offset: at,
                message: inner.message,
                hint: inner.hint,
            })?;
            Ok(Kind::OnBuild(arguments.rest.to_owned()))
        }
        _ => Ok(Kind::Maintainer(arguments.rest.to_owned())),
    }
}

/// A JSON list of strings; anything else is text for a shell.
fn json(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

impl<'a> Arguments<'a> {
    /// Takes the `--flag[=value]` words in front.
    fn flags(&mut self) -> Vec<(usize, &'a str, Option<String>)> {
        let mut flags = Vec::new();
        loop {
            let Some((0, word)) = split(self.rest, self.escape).first().copied() else { return flags };
            let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else { return flags };
            let (key, value) = flag.split_once('=').map_or((flag, None), |(key, value)| (key, Some(value)));
            flags.push((self.at, key, value.map(str::to_owned)));
            let after = &self.rest[word.len()..];
            let blank = after.len() - after.trim_start().len();
            self.at += word.len() + blank;
            self.rest = after.trim_start();
        }
    }

    fn unknown_flag(&self, offset: usize, flag: &str) -> Problem {
        problem(offset, format!("{} has no flag --{flag}", self.word))
    }

    fn command(&self) -> Command {
        match json(self.rest) {
            Some(words) => Command::Exec(words),
            None => Command::Shell(self.rest.to_owned()),
        }
    }

    fn words(&self) -> Vec<String> {
        json(self.rest).unwrap_or_else(|| self.rest.split_whitespace().map(str::to_owned).collect())
    }

    fn run(&mut self, heredocs: Vec<Heredoc>) -> Result<Kind, Problem> {
        let mut mounts = Vec::new();
        for (offset, flag, value) in self.flags() {
            let value = value.unwrap_or_default();
            match flag {
                "mount" => {
                    // Values with variables are checked when these are known.
                    if !value.contains('$') {
                        RunMount::parse(value.trim_matches(['"', '\'']))
                            .map_err(|error| problem(offset, error.to_string()))?;
                    }
                    mounts.push(RawMount(value));
                }
                // Steps always have the host's network and no more rights than they need.
                "network" | "security" => {}
                _ => return Err(self.unknown_flag(offset, flag)),
            }
        }
        if self.rest.is_empty() {
            return Err(problem(0, "RUN needs a command"));
        }
        Ok(Kind::Run(Run { command: self.command(), mounts, heredocs }))
    }

    fn copy(&mut self, documents: Vec<Heredoc>) -> Result<Kind, Problem> {
        let add = self.word == "ADD";
        let mut copy = Copy {
            add,
            from: None,
            chown: None,
            chmod: None,
            link: false,
            parents: false,
            excludes: Vec::new(),
            sources: Vec::new(),
            dest: String::new(),
        };
        for (offset, flag, value) in self.flags() {
            let is_on = value.as_deref() != Some("false");
            let text = value.unwrap_or_default();
            match flag {
                "from" if !add => copy.from = Some(text),
                "chown" => copy.chown = Some(text),
                "chmod" => copy.chmod = Some(text),
                "exclude" => copy.excludes.push(text),
                "link" => copy.link = is_on,
                "parents" if !add => copy.parents = is_on,
                "checksum" | "keep-git-dir" | "unpack" if add => {
                    return Err(problem(offset, format!("ADD --{flag} is not supported")));
                }
                _ => return Err(self.unknown_flag(offset, flag)),
            }
        }
        let mut words = self.words();
        if words.len() < 2 {
            return Err(problem(
                self.at,
                format!("{} needs at least one source and a destination", self.word),
            ));
        }
        copy.dest = words.pop().expect("there are two words at least");
        let mut documents = documents.into_iter();
        for word in words {
            let is_mark = marks(&word, self.escape).first().is_some_and(|mark| mark.start == 0);
            let document = if is_mark { documents.next() } else { None };
            copy.sources.push(document.map_or(Source::Path(word), Source::Heredoc));
        }
        Ok(Kind::Copy(copy))
    }

    /// `A=1 B="2 3"`, or the old `A rest of the line`.
    fn pairs(&self) -> Result<Vec<(String, String)>, Problem> {
        let words = split(self.rest, self.escape);
        let first = words.first().map_or("", |(_, word)| word);
        if !first.contains('=') {
            let value = self.rest[first.len()..].trim();
            if value.is_empty() {
                return Err(problem(self.at, format!("{} needs NAME=VALUE", self.word)));
            }
            return Ok(vec![(first.to_owned(), value.to_owned())]);
        }
        let pairs = words.into_iter().map(|(offset, word)| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(Problem {
                offset: self.at + offset,
                message: format!("`{word}` is not NAME=VALUE"),
                hint: Some("put a value with blanks in quotes".into()),
            }),
        });
        pairs.collect()
    }

    fn args(&self) -> Result<Kind, Problem> {
        let words = split(self.rest, self.escape).into_iter().map(|(offset, word)| {
            let (name, value) =
                word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            if name.is_empty() {
                return Err(problem(self.at + offset, "ARG needs a name"));
            }
            Ok((name.to_owned(), value.map(str::to_owned)))
        });
        words.collect::<Result<_, _>>().map(Kind::Arg)
    }

    fn healthcheck(&mut self) -> Result<Kind, Problem> {
        let mut options = Vec::new();
        for (offset, flag, value) in self.flags() {
            let text = value.unwrap_or_default();
            let bad = || problem(offset, format!("--{flag}: `{text}` is not valid"));
            let option = match flag {
                "interval" => ("Interval", duration(&text).ok_or_else(bad)?),
                "timeout" => ("Timeout", duration(&text).ok_or_else(bad)?),
                "start-period" => ("StartPeriod", duration(&text).ok_or_else(bad)?),
                "start-interval" => ("StartInterval", duration(&text).ok_or_else(bad)?),
                "retries" => ("Retries", text.parse().map_err(|_| bad())?),
                _ => return Err(self.unknown_flag(offset, flag)),
            };
            options.push((option.0.to_owned(), option.1));
        }
        let (word, rest_at) = super::keyword(self.rest);
        let inner = Arguments {
            word: "HEALTHCHECK",
            rest: &self.rest[rest_at..],
            at: self.at + rest_at,
            escape: self.escape,
        };
        let test = match word.as_str() {
            "NONE" => vec!["NONE".to_owned()],
            "CMD" => match inner.command() {
                Command::Exec(words) => [vec!["CMD".to_owned()], words].concat(),
                Command::Shell(text) => vec!["CMD-SHELL".to_owned(), text],
            },
            _ => return Err(problem(self.at, "HEALTHCHECK needs NONE or CMD")),
        };
        Ok(Kind::Healthcheck { test, options })
    }
}

/// `1m30s`, `500ms` in nanoseconds.
fn duration(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !(char.is_ascii_digit() || char == '.'))?;
        let value: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|char: char| char.is_ascii_digit()).unwrap_or(rest.len());
        let scale = match &rest[..unit] {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        nanos += value * scale;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(nanos as u64)
}
