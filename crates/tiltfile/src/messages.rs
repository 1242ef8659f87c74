//! The interpreter's messages in the words of Tilt's interpreter, where both say the same thing.

use crate::call::nearest;

/// `at_toplevel`: it happened outside of functions.
pub(crate) fn translated(text: &str, at_toplevel: bool) -> String {
    operation(text)
        .or_else(|| call(text))
        .or_else(|| value(text, at_toplevel))
        .unwrap_or_else(|| text.to_owned())
}

/// A message that says too little without the text of what failed: its operator, and whether it is a call of `len`.
pub(crate) fn with_operator<'s>(
    text: String,
    is_len: bool,
    operator: impl Fn(&str) -> Option<&'s str>,
) -> String {
    let sized = text.strip_prefix("value of type ").and_then(|t| t.strip_suffix(" has no len"));
    if let Some(kind) = sized.filter(|_| !is_len) {
        return format!("got {kind} in sequence assignment");
    }
    let compared = text.strip_prefix("unknown binary op: ").and_then(|types| types.split_once(" compare "));
    if let Some((left, right)) = compared {
        return match operator(&text) {
            Some(operator) => format!("{left} {operator} {right} not implemented"),
            None => format!("{left} < {right} not implemented"),
        };
    }
    match text.as_str() {
        "Cannot divide by zero" => match operator(&text).map(|o| o.trim_end_matches('=')) {
            Some("%") => "floating-point modulo by zero".to_owned(),
            Some("//") => "floored division by zero".to_owned(),
            _ => "floating-point division by zero".to_owned(),
        },
        _ if text.ends_with(", want float") && operator(&text) == Some("%") => {
            format!("%f format requires float, not {}", &text[4..text.len() - ", want float".len()])
        }
        _ => match text.strip_prefix("got ").and_then(|t| t.strip_suffix(", want string")) {
            Some(got) if matches!(operator(&text), Some("in" | "not")) => {
                format!("'in <string>' requires string as left operand, not {got}")
            }
            _ => text,
        },
    }
}

/// What stands between backquotes, in order.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// ``Operation `+` not supported …``
fn operation(text: &str) -> Option<String> {
    let rest = text.strip_prefix("Operation `")?;
    let quoted = quoted(text);
    if rest.contains("` not supported for types ") || rest.contains("` not supported on types ") {
        let [operator, left, right] = quoted.as_slice() else { return None };
        return Some(match *operator {
            "cmp()" => format!("{left} < {right} not implemented"),
            "[]" => format!("unhandled index operation {left}[{right}]"),
            "in" | "not in" if *right == "string" => {
                format!("'in <string>' requires string as left operand, not {left}")
            }
            "in" | "not in" if *right == "range" => {
                format!("'in <range>' requires integer as left operand, not {left}")
            }
            operator => format!("unknown binary op: {left} {operator} {right}"),
        });
    }
    let [operator, kind] = quoted.as_slice() else { return None };
    Some(match *operator {
        "len()" => format!("value of type {kind} has no len"),
        "call()" => format!("invalid call of non-function ({kind})"),
        "(iter)" => format!("{kind} value is not iterable"),
        "[]" => format!("unhandled index operation {kind}[...]"),
        "[]=" => format!("{kind} value does not support item assignment"),
        "[::]" => format!("invalid slice operand {kind}"),
        "-" | "+" | "~" => format!("unknown unary op: {operator} {kind}"),
        operator if operator.starts_with("format(%") => {
            let conversion = operator.trim_start_matches("format(%").trim_end_matches(')');
            match conversion {
                "d" | "i" | "o" | "x" | "X" => {
                    format!("%{conversion} format requires integer: cannot convert {kind} to int")
                }
                "c" => format!("%c format requires int or single-character string, not {kind}"),
                _ => format!("%{conversion} format requires float, not {kind}"),
            }
        }
        operator => {
            let attribute = operator.strip_prefix('.').and_then(|o| o.strip_suffix('='))?;
            format!("can't assign to .{attribute} field of {kind}")
        }
    })
}

/// Arguments of a function that do not fit.
fn call(text: &str) -> Option<String> {
    let function = |text: &str| {
        let name = text.rsplit(['.', ' ']).next().unwrap_or_default();
        name.trim_matches('`').to_owned()
    };
    if text.starts_with("Missing parameter `") || text.starts_with("Missing named-only parameter `") {
        let name = *quoted(text).first()?;
        return Some(format!("function {} missing 1 argument ({name})", function(text)));
    }
    if let Some(rest) = text.strip_prefix("Found ")
        && let Some((count, _)) = rest.split_once(" extra positional argument(s)")
    {
        return Some(format!("function {} got {count} positional arguments too many", function(text)));
    }
    if let Some(rest) = text.strip_prefix("Found ")
        && rest.contains("extra named parameter(s)")
    {
        let name = *quoted(text).first()?;
        return Some(format!("function {} got an unexpected keyword argument {name:?}", function(text)));
    }
    None
}

/// What was wanted, and the type that was given.
fn mismatch(text: &str) -> Option<(&str, &str)> {
    let rest = text
        .strip_prefix("Type of parameters mismatch, expected `")
        .or_else(|| text.strip_prefix("Expected `"))?;
    let (want, rest) = rest.split_once("`, actual `").or_else(|| rest.split_once("`, but got `"))?;
    let (got, _) = rest.split_once(" (repr: ")?;
    let want = match want {
        "str" => "string",
        "float | int" => "float",
        want => want,
    };
    Some((want, got))
}

fn value(text: &str, at_toplevel: bool) -> Option<String> {
    let quoted = quoted(text);
    let first = quoted.first().copied().unwrap_or_default();
    if text.starts_with("Key `") && text.contains("` was not found") {
        return Some(format!("key {first} not in dict"));
    }
    if text.starts_with("Local variable `") && text.ends_with("referenced before assignment") {
        let scope = if at_toplevel { "global" } else { "local" };
        return Some(format!("{scope} variable {first} referenced before assignment"));
    }
    if text.starts_with("Object of type `") && text.contains("` has no attribute `") {
        let attribute = quoted.get(1)?;
        let near = quoted.get(2).and_then(|near| nearest(attribute, [*near]));
        let tail = near.map(|n| format!(" (did you mean .{n}?)")).unwrap_or_default();
        return Some(match first {
            "namespace" => format!("module has no .{attribute} field or method{tail}"),
            "struct" => format!("struct has no .{attribute} attribute{tail}"),
            "K8sObjectID" => format!("tiltfile.k8sObjectID has no attribute '{attribute}'"),
            kind => format!("{kind} has no .{attribute} field or method{tail}"),
        });
    }
    if let Some(rest) = text.strip_prefix("Unpacked ")
        && let Some((got, want)) = rest.split_once(" values but expected ")
    {
        let few = got.parse::<usize>().ok()? < want.parse::<usize>().ok()?;
        let amount = if few { "few" } else { "many" };
        return Some(format!("too {amount} values to unpack (got {got}, want {want})"));
    }
    if text.starts_with("Value of type `") && text.ends_with("is not hashable") {
        return Some(format!("unhashable type: {first}"));
    }
    if let Some(rest) = text.strip_prefix("Cannot parse `")
        && let Some((literal, base)) = rest.split_once("` as an integer in base ")
    {
        return Some(format!("int: invalid literal with base {base}: {literal}"));
    }
    if let Some(operands) = text.strip_prefix("Modulo by zero: ") {
        let kind = if operands.contains('.') { "floating-point" } else { "integer" };
        return Some(format!("{kind} modulo by zero"));
    }
    if let Some((want, got)) = mismatch(text) {
        return Some(format!("got {got}, want {want}"));
    }
    Some(match text {
        "The argument provided for *args is not iterable" => "argument after * must be iterable".to_owned(),
        "The argument provided for **kwargs is not a dictionary" => {
            "argument after ** must be a mapping".to_owned()
        }
        _ if text.starts_with("Index `") && text.ends_with("is out of bound") => {
            format!("index {first} out of range")
        }
        _ if text.starts_with("Floor division by zero") || text.starts_with("Integer division by zero") => {
            "floored division by zero".to_owned()
        }
        _ if text.starts_with("float division by zero") => "floating-point division by zero".to_owned(),
        "Not enough arguments for format string" => "not enough arguments for format string".to_owned(),
        "Too many arguments for format string" => "too many arguments for format string".to_owned(),
        _ => return None,
    })
}

/// Changing what must not change, by the method that tried to: what is frozen, or what a loop goes over.
pub(crate) fn unchangeable(method: &str, is_frozen: bool) -> String {
    let (what, of_list) = match method {
        "append" => ("append to", true),
        "extend" => ("extend", true),
        "insert" => ("insert into", true),
        "remove" => ("remove from", true),
        "pop" => ("pop from", true),
        "clear" => ("clear", true),
        "popitem" => ("delete from", false),
        _ => ("insert into", false),
    };
    let prefix = match method {
        "append" | "extend" | "insert" | "remove" | "pop" | "clear" | "popitem" | "setdefault" | "update" => {
            format!("{method}: ")
        }
        _ => String::new(),
    };
    match (of_list, is_frozen) {
        (true, true) => format!("{prefix}cannot {what} frozen list"),
        (true, false) => format!("{prefix}cannot {what} list during iteration"),
        (false, true) => format!("{prefix}cannot {what} frozen hash table"),
        (false, false) => format!("{prefix}cannot {what} hash table during iteration"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn words() {
        let mut out = String::new();
        for text in [
            "Operation `+` not supported for types `int` and `string`",
            "Operation `cmp()` not supported for types `int` and `string`",
            "Operation `len()` not supported on type `int`",
            "Operation `call()` not supported on type `int`",
            "Operation `(iter)` not supported on type `int`",
            "Operation `.url=` not supported on type `struct`",
            "Operation `format(%d)` not supported on type `string`",
            "Missing parameter `a` for call to `/p/Tiltfile.f`",
            "Found 1 extra positional argument(s) for call to /p/Tiltfile.f",
            "Found `b` extra named parameter(s) for call to /p/Tiltfile.f",
            "Key `\"x\"` was not found",
            "Local variable `x` referenced before assignment",
            "Object of type `namespace` has no attribute `x`",
            "Object of type `git.Repo` has no attribute `x`",
            "Unpacked 1 values but expected 2",
            "Unpacked 3 values but expected 2",
            "Value of type `list` is not hashable",
            "Cannot parse `x` as an integer in base 10",
            "Index `5` is out of bound",
            "something else",
        ] {
            writeln!(out, "{}", translated(text, false)).expect("a String takes all");
        }
        expect_test::expect![[r#"
            unknown binary op: int + string
            int < string not implemented
            value of type int has no len
            invalid call of non-function (int)
            int value is not iterable
            can't assign to .url field of struct
            %d format requires integer: cannot convert string to int
            function f missing 1 argument (a)
            function f got 1 positional arguments too many
            function f got an unexpected keyword argument "b"
            key "x" not in dict
            local variable x referenced before assignment
            module has no .x field or method
            git.Repo has no .x field or method
            too few values to unpack (got 1, want 2)
            too many values to unpack (got 3, want 2)
            unhashable type: list
            int: invalid literal with base 10: x
            index 5 out of range
            something else
        "#]]
        .assert_eq(&out);
    }
}
