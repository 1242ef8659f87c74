//! Words of a command line into flags and arguments, by the rules and with the messages of kustomize's own reader
//! (pflag): flags and arguments in any order, `--flag value`, `--flag=value`, `-f value`, `-fvalue`, and `--` before
//! words that only look like flags.

mod build;

use std::collections::BTreeMap;

pub use build::{BUILD_FLAGS, BuildCommand};

/// A flag that a command has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    pub name: &'static str,
    pub short: Option<char>,
    pub kind: FlagKind,
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagKind {
    Switch,
    /// The last one counts.
    Text,
    /// Each occurrence adds one.
    Texts,
    /// Each occurrence adds some, with commas between.
    List,
}

impl Flag {
    pub const fn switch(name: &'static str, help: &'static str) -> Flag {
        Flag { name, short: None, kind: FlagKind::Switch, help }
    }

    pub const fn text(name: &'static str, help: &'static str) -> Flag {
        Flag { name, short: None, kind: FlagKind::Text, help }
    }

    pub const fn texts(name: &'static str, help: &'static str) -> Flag {
        Flag { name, short: None, kind: FlagKind::Texts, help }
    }

    pub const fn list(name: &'static str, help: &'static str) -> Flag {
        Flag { name, short: None, kind: FlagKind::List, help }
    }

    pub const fn short(self, short: char) -> Flag {
        Flag { short: Some(short), ..self }
    }

    /// As messages name it.
    fn shown(&self) -> String {
        match self.short {
            Some(short) => format!("-{short}, --{}", self.name),
            None => format!("--{}", self.name),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    #[error("unknown flag: --{name}")]
    Unknown { name: String },
    #[error("unknown shorthand flag: {short:?} in -{group}")]
    UnknownShort { short: char, group: String },
    #[error("flag needs an argument: --{name}")]
    NoValue { name: String },
    #[error("flag needs an argument: {short:?} in -{group}")]
    NoShortValue { short: char, group: String },
    #[error("bad flag syntax: {word}")]
    Syntax { word: String },
    #[error(
        "invalid argument {value:?} for {flag:?} flag: strconv.ParseBool: parsing {value:?}: invalid syntax"
    )]
    NoSwitch { flag: String, value: String },
    #[error("illegal flag value --{flag} {value}; legal values: [{}]", legal.join(" "))]
    Illegal { flag: &'static str, value: String, legal: Vec<&'static str> },
    #[error("specify one path to kustomization.yaml")]
    SeveralPaths,
}

/// What a command line says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    pub arguments: Vec<String>,
    /// `--help` or `-h`; nothing is looked at after it.
    pub help: bool,
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Words {
    pub fn read(words: &[String], flags: &[Flag]) -> Result<Words, FlagError> {
        let mut read = Words::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                read.arguments.extend(rest.cloned());
                break;
            } else if let Some(long) = word.strip_prefix("--") {
                read.long(long, flags, &mut rest)?;
            } else if word.len() > 1 && word.starts_with('-') {
                read.group(&word[1..], flags, &mut rest)?;
            } else {
                read.arguments.push(word.clone());
            }
            if read.help {
                break;
            }
        }
        Ok(read)
    }

    pub fn is_given(&self, flag: &str) -> bool {
        self.values.contains_key(flag)
    }

    pub fn is_on(&self, flag: &str) -> bool {
        self.text(flag) == "true"
    }

    /// Empty if it is not given.
    pub fn text(&self, flag: &str) -> &str {
        self.texts(flag).last().map_or("", String::as_str)
    }

    pub fn texts(&self, flag: &str) -> &[String] {
        self.values.get(flag).map_or(&[], Vec::as_slice)
    }

    fn long<'a>(
        &mut self,
        word: &str,
        flags: &[Flag],
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), FlagError> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(FlagError::Syntax { word: format!("--{word}") });
        }
        let Some(flag) = flags.iter().find(|f| f.name == name) else {
            if name == "help" {
                self.help = true;
                return Ok(());
            }
            return Err(FlagError::Unknown { name: name.to_string() });
        };
        let value = match (value, flag.kind) {
            (Some(value), _) => value.to_string(),
            (None, FlagKind::Switch) => "true".to_string(),
            (None, _) => rest.next().ok_or_else(|| FlagError::NoValue { name: name.to_string() })?.clone(),
        };
        self.take(flag, value)
    }

    /// `-abc`: switches, and at the end one with a value.
    fn group<'a>(
        &mut self,
        group: &str,
        flags: &[Flag],
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), FlagError> {
        let mut letters = group.chars();
        while let Some(short) = letters.next() {
            let after = letters.as_str();
            let Some(flag) = flags.iter().find(|f| f.short == Some(short)) else {
                if short == 'h' {
                    self.help = true;
                    return Ok(());
                }
                return Err(FlagError::UnknownShort { short, group: group.to_string() });
            };
            if let Some(value) = after.strip_prefix('=') {
                return self.take(flag, value.to_string());
            }
            if flag.kind == FlagKind::Switch {
                self.take(flag, "true".to_string())?;
                continue;
            }
            let value = if after.is_empty() {
                let missing = || FlagError::NoShortValue { short, group: group.to_string() };
                rest.next().ok_or_else(missing)?.clone()
            } else {
                after.to_string()
            };
            return self.take(flag, value);
        }
        Ok(())
    }

    fn take(&mut self, flag: &Flag, value: String) -> Result<(), FlagError> {
        let values = self.values.entry(flag.name).or_default();
        match flag.kind {
            FlagKind::Switch => match value.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => *values = vec!["true".to_string()],
                "0" | "f" | "F" | "false" | "FALSE" | "False" => *values = vec!["false".to_string()],
                _ => return Err(FlagError::NoSwitch { flag: flag.shown(), value }),
            },
            FlagKind::Text => *values = vec![value],
            FlagKind::Texts => values.push(value),
            FlagKind::List => values.extend(value.split(',').map(str::to_string)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [Flag; 5] = [
        Flag::switch("force", "").short('f'),
        Flag::switch("quick", "").short('q'),
        Flag::text("output", "").short('o'),
        Flag::texts("env", "").short('e'),
        Flag::list("from-file", ""),
    ];

    fn read(line: &str) -> String {
        let words: Vec<String> = line.split(' ').filter(|w| !w.is_empty()).map(str::to_string).collect();
        match Words::read(&words, &FLAGS) {
            Ok(words) if words.help => "help".to_string(),
            Ok(words) => format!("{:?} {:?}", words.arguments, words.values),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn words() {
        let cases = [
            ("", "[] {}"),
            ("a -o x b", r#"["a", "b"] {"output": ["x"]}"#),
            ("-ox", r#"[] {"output": ["x"]}"#),
            ("-o=x -o y", r#"[] {"output": ["y"]}"#),
            ("-fqo x", r#"[] {"force": ["true"], "output": ["x"], "quick": ["true"]}"#),
            ("--force=F a", r#"["a"] {"force": ["false"]}"#),
            ("--env A=1 -e B=2=3 --env=C", r#"[] {"env": ["A=1", "B=2=3", "C"]}"#),
            ("--from-file a,b --from-file=c", r#"[] {"from-file": ["a", "b", "c"]}"#),
            ("-- -o --x", r#"["-o", "--x"] {}"#),
            ("- a", r#"["-", "a"] {}"#),
            ("--output -- a", r#"["a"] {"output": ["--"]}"#),
            ("a --help --nope", "help"),
            ("-fh", "help"),
            ("--nope", "unknown flag: --nope"),
            ("-fx", "unknown shorthand flag: 'x' in -fx"),
            ("--output", "flag needs an argument: --output"),
            ("-fo", "flag needs an argument: 'o' in -fo"),
            ("--=a", "bad flag syntax: --=a"),
            (
                "--force=maybe",
                r#"invalid argument "maybe" for "-f, --force" flag: strconv.ParseBool: parsing "maybe": invalid syntax"#,
            ),
        ];
        for (line, want) in cases {
            assert_eq!(read(line), want, "{line}");
        }
    }
}
