//! Hints for errors of evaluation.

use super::line_at;
use crate::call::distance;
use crate::{catalog, ext};
use regex::Regex;
use std::sync::LazyLock;

/// Names that Python has, or people think it has.
const NAMES: &[(&str, &str)] = &[
    ("true", "write True"),
    ("false", "write False"),
    ("null", "write None"),
    ("nil", "write None"),
    ("none", "write None"),
    ("undefined", "write None"),
    ("map", "write [f(x) for x in items]"),
    ("filter", "write [x for x in items if f(x)]"),
    ("reduce", "write a loop"),
    ("sum", "add in a loop"),
    ("round", "int() takes what stands before the point"),
    ("pow", "`1 << n` is a power of two"),
    ("isinstance", "compare type(x) with 'string', 'int', 'list', 'dict', …"),
    ("open", "read_file(path) returns a file's content"),
    ("input", "a Tiltfile cannot ask; config.define_string() takes arguments, os.environ the environment"),
    ("exec", "load_dynamic() takes what another file defines"),
    ("eval", "load_dynamic() takes what another file defines"),
    ("iter", "loop over the value itself"),
    ("next", "take items[0], or loop with `break`"),
    ("super", "there are no classes: struct(name=…) holds values"),
    ("object", "there are no classes: struct(name=…) holds values"),
    ("Exception", "there are no exceptions: fail('…') ends the evaluation with a message"),
    ("ValueError", "there are no exceptions: fail('…') ends the evaluation with a message"),
    ("json", "read_json(), decode_json() and encode_json() are builtins"),
    ("yaml", "read_yaml(), decode_yaml() and encode_yaml() are builtins"),
    ("subprocess", "local('…') runs a command and returns its output"),
    ("re", "there are no regular expressions; the methods of strings, or a program run by local(), may do"),
    ("glob", "listdir(path, recursive=True) lists files"),
    ("pathlib", "os.path.join(), os.path.exists() and listdir() are there"),
    ("Path", "os.path.join(), os.path.exists() and listdir() are there"),
    ("datetime", "local('date …') tells the time"),
    ("time", "local('date …') tells the time"),
    ("random", "a Tiltfile gives the same each time; local() may run a program that does not"),
    ("requests", "local('curl …') fetches something"),
    ("urllib", "local('curl …') fetches something"),
    ("platform", "os.name is 'posix' or 'nt'; local('uname -m') tells more"),
    ("env", "the environment is in os.environ"),
    ("environ", "the environment is in os.environ"),
    ("getenv", "it is os.getenv()"),
    ("exists", "it is os.path.exists()"),
    ("abspath", "it is os.path.abspath()"),
    ("quote", "it is shlex.quote()"),
    ("format", "format() is a method of strings: '{}'.format(value)"),
    ("sh", "local('…') runs a command and returns its output"),
    ("shell", "local('…') runs a command and returns its output"),
    ("run_cmd", "local('…') runs a command and returns its output"),
    ("static_build", "it was replaced by docker_build() long ago"),
    ("fast_build", "it was replaced by docker_build(…, live_update=[…]) long ago"),
    ("k8s_service", "it was replaced by k8s_resource() long ago"),
    ("global_yaml", "it was replaced by k8s_yaml() long ago"),
];

/// Fields and methods, by type (`*`: any) and name.
const FIELDS: &[(&str, &str, &str)] = &[
    ("blob", "*", "this is a blob, not a string: str(value) makes one"),
    (
        "NoneType",
        "*",
        "the value is None: a function without `return`, or dict.get() of a key that is not there, gives it",
    ),
    ("module", "system", "local('…') runs a command and returns its output"),
    ("module", "popen", "local('…') runs a command and returns its output"),
    ("module", "listdir", "it is listdir(path), without `os.`"),
    ("module", "walk", "listdir(path, recursive=True) lists all files below a directory"),
    ("module", "expanduser", "the home directory is os.environ['HOME']"),
    ("module", "expandvars", "the environment is in os.environ"),
    ("module", "makedirs", "local('mkdir -p …') makes directories"),
    ("module", "mkdir", "local('mkdir -p …') makes directories"),
    ("module", "remove", "local('rm …') removes files"),
    ("module", "isfile", "os.path.exists() says whether something is there"),
    ("module", "isdir", "os.path.exists() says whether something is there"),
    ("module", "splitext", "take the string apart: name.rsplit('.', 1)"),
    ("module", "sep", "paths are joined by os.path.join()"),
    ("module", "chdir", "relative paths start at the Tiltfile; local(…, dir='…') runs elsewhere"),
    ("module", "exit", "it is exit(), and fail('…') for an error"),
    ("module", "stderr", "print() writes to the log; warn() writes a warning"),
    ("module", "stdout", "print() writes to the log"),
    ("module", "platform", "os.name is 'posix' or 'nt'; local('uname') tells more"),
    ("dict", "has_key", "write `key in d`"),
    ("dict", "iteritems", "it is d.items()"),
    ("dict", "itervalues", "it is d.values()"),
    ("dict", "iterkeys", "it is d.keys()"),
    ("dict", "copy", "write dict(d)"),
    ("dict", "fromkeys", "write {k: value for k in keys}"),
    ("dict", "*", "fields of a dictionary are taken by d['name']"),
    ("list", "sort", "sorted(items) returns a sorted list"),
    ("list", "reverse", "reversed(items) returns a reversed list"),
    ("list", "copy", "write list(items) or items[:]"),
    ("list", "count", "write len([x for x in items if x == value])"),
    ("list", "push", "it is items.append(value)"),
    ("list", "add", "it is items.append(value)"),
    ("list", "join", "it is ', '.join(items)"),
    ("list", "length", "it is len(items)"),
    ("tuple", "append", "a tuple does not change: list(t) makes a list of it"),
    ("string", "encode", "strings are text; there are no encodings"),
    ("string", "decode", "strings are text; there are no encodings"),
    ("string", "ljust", "write s + ' ' * (width - len(s))"),
    ("string", "rjust", "write ' ' * (width - len(s)) + s"),
    ("string", "zfill", "write '0' * (width - len(s)) + s"),
    ("string", "center", "write ' ' * n + s"),
    ("string", "format_map", "it is s.format(**d)"),
    ("string", "casefold", "it is s.lower()"),
    ("string", "isnumeric", "it is s.isdigit()"),
    ("string", "isdecimal", "it is s.isdigit()"),
    ("string", "contains", "write `part in s`"),
    ("string", "includes", "write `part in s`"),
    ("string", "trim", "it is s.strip()"),
    ("string", "append", "write s + other"),
    ("string", "length", "it is len(s)"),
    ("string", "toLowerCase", "it is s.lower()"),
    ("set", "update", "write s.union(other)"),
    ("int", "*", "str(n) makes a string of a number"),
];

/// By pattern of the message.
const MESSAGES: &[(&str, &str)] = &[
    (r"^unknown binary op: (blob \S+ \S+|\S+ \S+ blob)", "a blob is not a string: str(value) makes one"),
    (
        r"^unknown binary op: (string \+ (int|float|bool)|(int|float|bool) \+ string)",
        "str(value) makes a string of it; or write '%s' % value",
    ),
    (
        r"^unknown binary op: (NoneType|\S+ \S+ NoneType)|^unhandled index operation NoneType",
        "the value is None: a function without `return`, or dict.get() of a key that is not there, gives it",
    ),
    (r"^unknown binary op: dict \+ dict", "write `a | b`, or a.update(b)"),
    (r"^unknown binary op: (list \+ tuple|tuple \+ list)", "list(t) makes a list of a tuple"),
    (
        r"^unknown binary op: (list \+ string|string \+ list)",
        "a list takes another list: `items + ['one']`; strings are joined by ', '.join(items)",
    ),
    (r"^unknown binary op: string % ", "the values of `%` stand in a tuple: '%s %s' % (a, b)"),
    (
        r"replacement field|^format: |^key [^\x22]\S* not in dict$",
        "there are no widths and no fields within `{}`: '{}'.format(s.name); `{{` is a brace",
    ),
    (r"^print: unexpected keyword argument", "print() takes `sep=` alone; warn() writes a warning"),
    (
        r"^key .* not in environ",
        "os.environ.get('NAME', 'default') or os.getenv('NAME', 'default') takes a default",
    ),
    (r"^key .* not in dict", "d.get(key, default) takes a default"),
    (r"^(\w+ )?index \S+ out of range", "len(items) says how many there are"),
    (r"mutates an iterable for an iterator|during iteration", "loop over a copy: `for x in list(items)`"),
    (
        r"^local variable .* referenced before assignment",
        "a name that is assigned anywhere in a function is the function's own; take another name, or pass the value as an argument",
    ),
    (r"^unhashable type: list", "a tuple can be a key: tuple(items)"),
    (r"^unhashable type", "keys of dictionaries and members of sets are strings, numbers or tuples"),
    (r"frozen", "what another file defined cannot be changed: take a copy, list(items) or dict(d)"),
    (r"^int value is not iterable", "write range(n)"),
    (
        r"^string value is not iterable",
        "s.elems() are the characters of a string, s.splitlines() its lines; is [s] meant?",
    ),
    (r"^NoneType value is not iterable", "the value is None: write `for x in items or []`"),
    (r"^blob value is not iterable", "str(value).splitlines() are the lines of a blob"),
    (r"^invalid call of non-function \(string\)", "is there a comma missing before the `(`?"),
    (
        r"^invalid call of non-function \(module\)",
        "a module's functions are called by name: os.getenv('NAME')",
    ),
    (
        r"[Uu]nsupported format character|unknown conversion",
        "there are %s, %r, %d, %i, %x, %o, %f, %e, %g, %c, %% and %(key)s, without widths",
    ),
    (
        r"multiple values for keyword argument|got multiple values",
        "the argument is given by its place already",
    ),
];

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    MESSAGES.iter().map(|(p, _)| Regex::new(p).expect("a test looks at all patterns")).collect()
});

pub(super) fn hint(message: &str, source: &str, line: usize, column: usize) -> Option<String> {
    if let Some(name) = message.rsplit("undefined: ").next().filter(|n| message.len() > n.len()) {
        return undefined(name, source, line, column);
    }
    let field = Regex::new(r"^(\S+) has no \.(\w+) (?:field or method|attribute)").ok()?;
    if let Some(found) = field.captures(message) {
        let (kind, name) = (&found[1], &found[2]);
        let known = FIELDS.iter().find(|(k, n, _)| *k == kind && (*n == name || *n == "*"));
        return known.map(|(_, _, hint)| (*hint).to_owned());
    }
    let known = MESSAGES.iter().zip(&*PATTERNS).find(|(_, pattern)| pattern.is_match(message));
    known.map(|((_, hint), _)| (*hint).to_owned())
}

pub(super) fn undefined(name: &str, source: &str, line: usize, column: usize) -> Option<String> {
    let (text, at) = line_at(source, line, column);
    let rest = text[at..].strip_prefix(name).unwrap_or_default();
    let dashed =
        Regex::new(r"^(-\w+)+").ok()?.find(rest).map(|m| format!("{name}{}", m.as_str().replace('-', "_")));
    if let Some(builtin) = dashed.filter(|n| catalog::find(n).is_some()) {
        return Some(format!("names have `_`, not `-`: {builtin}"));
    }
    if let Some((_, hint)) = NAMES.iter().find(|(n, _)| *n == name) {
        return Some((*hint).to_owned());
    }
    if let Some(extension) = extension_with(name) {
        return Some(format!("it is an extension's: load('ext://{extension}', '{name}')"));
    }
    // two letters that changed places count as two changes
    let limit = (name.len() / 2).min(2);
    let entries = catalog::SECTIONS.iter().flat_map(|s| s.entries);
    let names = entries.map(|e| e.name).filter(|n| !n.contains('.')).chain(own_names(source));
    let near = names
        .filter(|n| *n != name)
        .map(|n| (distance(name, n), n))
        .filter(|(d, n)| *d < limit || *d == limit && n.get(..1) == name.get(..1));
    near.min().map(|(_, n)| format!("did you mean {n}?"))
}

/// The built-in extension that defines a function.
fn extension_with(name: &str) -> Option<&'static str> {
    let definition = format!("\ndef {name}(");
    let defines = |extension: &str| ext::builtin_source(extension).is_some_and(|s| s.contains(&definition));
    ext::BUILTIN_EXTENSIONS.iter().copied().find(|extension| defines(extension))
}

/// Functions and names of the file itself.
fn own_names(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let text = line.trim_start();
        let text = text.strip_prefix("def ").unwrap_or(text);
        let name = &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())];
        let rest = text[name.len()..].trim_start();
        let is_definition =
            line.trim_start().starts_with("def ") || rest.starts_with('=') && !rest.starts_with("==");
        (is_definition && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_patterns() {
        for (pattern, _) in MESSAGES {
            assert!(Regex::new(pattern).is_ok(), "{pattern}");
        }
    }
}
