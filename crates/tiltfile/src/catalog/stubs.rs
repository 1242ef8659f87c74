//! The builtins as a Python stub file, for editors.

use super::{Constant, Entry, Param, ParamKind, SECTIONS, State, constants};
use std::fmt::Write;

/// Types that signatures speak of.
const HEADER: &str = "\
\"\"\"The builtins of a Tiltfile, for editors. Written by `coracle tiltfile stubs`.

`load('path', 'name')` and `load('ext://extension', 'name')` are statements of the language.
\"\"\"

from typing import Any, Callable, NoReturn

class Blob:
    \"\"\"Text with a source; `str(blob)` is the text.\"\"\"

class Repo:
    \"\"\"A git repository on disk.\"\"\"
    def paths(self, path: str) -> str: ...

class TriggerMode: ...
class LiveUpdateStep: ...
class CustomBuild: ...
class PortForward: ...

class Link:
    url: str
    name: str

class ExecAction: ...
class HTTPGetAction: ...
class TCPSocketAction: ...

class Probe:
    initial_delay_secs: int
    timeout_secs: int
    period_secs: int
    success_threshold: int
    failure_threshold: int
    exec: ExecAction
    http_get: HTTPGetAction
    tcp_socket: TCPSocketAction

class K8sObjectID:
    name: str
    kind: str
    namespace: str
    group: str

Text = str | Blob
Path = str | Repo
Command = str | list[str]
";

/// The whole file.
pub fn stubs() -> String {
    let mut out = String::from(HEADER);
    // `os.environ` has a type of its own, which must stand before it.
    out.push_str("\nclass Environ(dict[str, str]):\n");
    members(&mut out, "environ", 1);
    constants_of(&mut out, "", 0);
    for section in SECTIONS {
        let plain = section.entries.iter().filter(|e| !e.name.contains('.')).collect::<Vec<_>>();
        if !plain.is_empty() {
            writeln!(out, "\n# {}", section.title).expect("a String takes all");
        }
        plain.into_iter().for_each(|e| function(&mut out, e, e.name, 0));
    }
    for module in ["config", "os", "shlex", "sys", "v1alpha1"] {
        writeln!(out, "\nclass {module}:").expect("a String takes all");
        constants_of(&mut out, module, 1);
        members(&mut out, module, 1);
        if module == "os" {
            out.push_str("\n    class path:\n");
            members(&mut out, "os.path", 2);
        }
    }
    out
}

fn constants_of(out: &mut String, module: &str, depth: usize) {
    let pad = "    ".repeat(depth);
    for Constant { name, annotation, doc } in constants() {
        if let Some(name) = in_module(name, module) {
            write!(out, "\n{pad}{name}: {annotation}\n{pad}\"\"\"{doc}\"\"\"\n").expect("a String takes all");
        }
    }
}

/// The name within the module, if it is that module's own.
fn in_module<'n>(full: &'n str, module: &str) -> Option<&'n str> {
    let name = if module.is_empty() { full } else { full.strip_prefix(module)?.strip_prefix('.')? };
    (!name.contains('.')).then_some(name)
}

fn members(out: &mut String, module: &str, depth: usize) {
    for entry in SECTIONS.iter().flat_map(|s| s.entries) {
        if let Some(name) = in_module(entry.name, module) {
            function(out, entry, name, depth);
        }
    }
}

fn function(out: &mut String, entry: &Entry, name: &str, depth: usize) {
    let pad = "    ".repeat(depth);
    // the members of `Environ` are methods; modules are no objects
    let receiver = entry.name.starts_with("environ.");
    if depth > 0 && !receiver {
        write!(out, "\n{pad}@staticmethod").expect("a String takes all");
    }
    let params = parameters(entry.params(), receiver);
    write!(out, "\n{pad}def {name}({params}) -> {}:\n{pad}    \"\"\"", entry.returns)
        .expect("a String takes all");
    let mut lines = entry.doc.lines();
    out.push_str(lines.next().unwrap_or_default());
    let note = match entry.state {
        State::Done => None,
        State::Differs(how) => Some(format!("Other than in Tilt: {how}.")),
        State::NotBuilt => Some("Not built yet.".to_owned()),
    };
    let rest: Vec<String> = lines.map(str::to_owned).chain(note).collect();
    if rest.is_empty() {
        out.push_str("\"\"\"\n");
        return;
    }
    out.push_str("\n\n");
    for line in rest {
        writeln!(out, "{pad}    {line}").expect("a String takes all");
    }
    writeln!(out, "{pad}    \"\"\"").expect("a String takes all");
}

fn parameters(params: &[Param], receiver: bool) -> String {
    let mut written: Vec<String> = Vec::new();
    if receiver {
        written.push("self".to_owned());
    }
    let mut starred = false;
    for param in params {
        let stars = match param.kind {
            ParamKind::Positionals => "*",
            ParamKind::Keywords => "**",
            ParamKind::KeywordOnly if !starred => {
                written.push("*".to_owned());
                ""
            }
            ParamKind::Plain | ParamKind::KeywordOnly => "",
        };
        starred |= !matches!(param.kind, ParamKind::Plain);
        let or_none = if param.default == Some("None") && param.annotation != "Any" { " | None" } else { "" };
        let default = param.default.map(|d| format!(" = {d}")).unwrap_or_default();
        written.push(format!("{stars}{}: {}{or_none}{default}", param.name, param.annotation));
    }
    written.join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_part_of_the_stubs() {
        let text = super::stubs();
        let part = |name: &str| {
            let start = text.find(&format!("def {name}(")).expect("the builtin is there");
            text[start..].split("\n\n").next().unwrap_or_default().to_owned()
        };
        expect_test::expect![[r#"
            def k8s_kind(kind: str, *, image_json_path: str | list[str] = [], api_version: str = "", image_object: dict[str, str] | None = None, pod_readiness: str = "") -> None:
                """Says that objects of a kind are workloads, and where they name images."#]]
        .assert_eq(&part("k8s_kind"));
    }

    #[test]
    fn every_builtin_is_there() {
        let text = super::stubs();
        for name in crate::catalog::SECTIONS.iter().flat_map(|s| s.entries).map(|e| e.name) {
            let last = name.rsplit('.').next().unwrap_or(name);
            assert!(text.contains(&format!("def {last}(")), "{name}");
        }
    }
}
