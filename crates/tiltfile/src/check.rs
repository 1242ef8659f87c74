//! All that can be found wrong with a Tiltfile without a cluster, and without running its commands.
//!
//! Every file that can be reached is read as Starlark: names that nothing defines, calls that no builtin takes. Then
//! the Tiltfile is evaluated, which finds the first of the errors that depend on values.

mod calls;

use crate::env::Env;
use crate::eval;
use crate::{Commands, Host, Position, Settings, builtins, hints};
use serde::Serialize;
use starlark::analysis::AstModuleLint;
use starlark::codemap::FileSpan;
use starlark::syntax::AstModule;
use starlark_syntax::syntax::ast::{AstNoPayload, AstStmtP, StmtP};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// A name of the kind of finding, which stays.
    pub code: &'static str,
    pub message: String,
    pub position: Option<Position>,
    pub hint: Option<String>,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By place.
    pub diagnostics: Vec<Diagnostic>,
    /// The Starlark files that were looked at.
    pub files: Vec<PathBuf>,
    /// Commands of `local()` that were not run.
    pub commands_skipped: usize,
}

impl Report {
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == severity).count()
    }
}

/// Checks the Tiltfile at an absolute path. `settings.commands` says whether `local()` runs commands.
pub fn check(host: &dyn Host, tiltfile: &Path, settings: &Settings) -> Report {
    let mut report = Report::default();
    let env = Env::new(host, tiltfile, settings);
    let globals: HashSet<String> = builtins::globals(&env, false)
        .names()
        .map(|n| n.as_str().to_owned())
        .chain(FILE_NAMES.map(str::to_owned))
        .collect();
    let mut waiting = vec![tiltfile.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        // what cannot be read is an error of the evaluation, which knows where it is loaded
        let Ok(bytes) = host.read_file(&path) else { continue };
        report.files.push(path.clone());
        let source = String::from_utf8_lossy(&bytes).into_owned();
        match eval::parse(&path, source.clone(), settings.limits.nesting) {
            Ok(ast) => {
                let dir = path.parent().unwrap_or(Path::new("/"));
                waiting.extend(loads(&ast, dir));
                read_file(&ast, &source, &globals, &mut report.diagnostics);
            }
            Err(failure) => report.diagnostics.push(Diagnostic {
                severity: Severity::Error,
                code: "syntax",
                message: without_position(&failure.message, failure.position.as_deref()),
                hint: failure.hint.or_else(|| {
                    let at = failure.position.as_deref()?;
                    hints::of_syntax(&source, at.line, at.column)
                }),
                position: failure.position.map(|p| *p),
            }),
        }
    }
    drop(env);
    evaluated(host, tiltfile, settings, &mut report);
    report.diagnostics.sort_by(|a, b| (&a.position, a.severity).cmp(&(&b.position, b.severity)));
    report.files.sort();
    report
}

/// Names that every file has of its own.
const FILE_NAMES: [&str; 2] = ["__file__", "__name__"];

/// Files that are loaded by name.
fn loads(ast: &AstModule, dir: &Path) -> Vec<PathBuf> {
    let loaded = ast.loads().into_iter().map(|l| l.module_id.to_owned());
    let named = loaded.chain(calls::included(ast)).filter(|n| !n.starts_with("ext://"));
    named.map(|n| crate::call::absolute(dir, &n)).collect()
}

/// What one file's text tells.
fn read_file(ast: &AstModule, source: &str, globals: &HashSet<String>, out: &mut Vec<Diagnostic>) {
    for lint in ast.lint(Some(globals)) {
        // `x = x()` of a builtin: until then, the file has the builtin
        let is_builtin = || globals.contains(&lint.original) && !in_function(ast.statement(), &lint.location);
        if lint.short_name == "using-unassigned" && is_builtin() {
            continue;
        }
        let (severity, code) = match lint.short_name.as_str() {
            "using-undefined" => (Severity::Error, "undefined"),
            "unused-load" => (Severity::Warning, "unused-load"),
            "using-unassigned" | "using-maybe-undefined" => (Severity::Warning, "maybe-undefined"),
            "duplicate-key" => (Severity::Warning, "duplicate-key"),
            "unreachable" => (Severity::Warning, "unreachable"),
            _ => continue,
        };
        let at = eval::span_start(&lint.location);
        let undefined = || {
            let known = hints::of_undefined(&lint.original, source, at.line, at.column);
            known.or_else(|| near(&lint.original, globals))
        };
        out.push(Diagnostic {
            severity,
            code,
            message: lowercased(&lint.problem),
            hint: (code == "undefined").then(undefined).flatten(),
            position: Some(at),
        });
    }
    calls::check(ast, out);
}

fn in_function(statement: &AstStmtP<AstNoPayload>, location: &FileSpan) -> bool {
    if matches!(&statement.node, StmtP::Def(_)) && statement.span.contains(location.span.begin()) {
        return true;
    }
    let mut found = false;
    statement.visit_stmt(|s| found |= in_function(s, location));
    found
}

fn near(name: &str, globals: &HashSet<String>) -> Option<String> {
    let distances = globals.iter().map(|g| (crate::call::distance(name, g), g));
    let (distance, near) = distances.min()?;
    (distance <= 2 && distance < name.len()).then(|| format!("did you mean {near}?"))
}

/// Messages begin with a small letter here.
fn lowercased(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn without_position(message: &str, position: Option<&Position>) -> String {
    let prefix = position.map(|p| format!("{p}: ")).unwrap_or_default();
    message.strip_prefix(&prefix).unwrap_or(message).to_owned()
}

/// What the evaluation tells, except for what the text told already.
fn evaluated(host: &dyn Host, tiltfile: &Path, settings: &Settings, report: &mut Report) {
    let evaluation = crate::evaluate(host, tiltfile, settings);
    report.commands_skipped = evaluation.commands_skipped;
    let known_place = |position: &Option<Position>, found: &[Diagnostic]| {
        found.iter().any(|d| {
            d.severity == Severity::Error
                && matches!((&d.position, position), (Some(a), Some(b)) if a.file == b.file && a.line == b.line)
        })
    };
    for warning in evaluation.warnings {
        report.diagnostics.push(Diagnostic {
            severity: Severity::Warning,
            code: "warning",
            message: warning.message,
            position: warning.position,
            hint: None,
        });
    }
    let Some(error) = evaluation.error else { return };
    let unsure = report.commands_skipped > 0 && settings.commands == Commands::Skip;
    // a name that nothing defines stops the evaluation before it begins
    let told = known_place(&error.position, &report.diagnostics)
        || (without_position(&error.message, error.position.as_ref()).starts_with("undefined: ")
            && report.diagnostics.iter().any(|d| d.code == "undefined"));
    if told {
        return;
    }
    let hint = unsure.then(|| {
        "commands were not run, so this may be because a command's output is missing; --run-commands runs them"
            .to_owned()
    });
    report.diagnostics.push(Diagnostic {
        severity: if unsure { Severity::Warning } else { Severity::Error },
        code: "evaluation",
        message: without_position(&error.message, error.position.as_ref()),
        position: error.position,
        hint: error.hint.or(hint),
    });
}
