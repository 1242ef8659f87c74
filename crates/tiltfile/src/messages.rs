//! The interpreter's messages in the words of Tilt's interpreter, where both say the same thing.

/// `at_toplevel`: it happened outside of functions.
pub(crate) fn translated(text: &str, at_toplevel: bool) -> String {
    operation(text)
        .or_else(|| call(text))
        .or_else(|| value(text, at_toplevel))
        .unwrap_or_else(|| text.to_owned())
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
            operator => format!("unknown binary op: {left} {operator} {right}"),
        });
    }
    let [operator, kind] = quoted.as_slice() else { return None };
    Some(match *operator {
        "len()" => format!("value of type {kind} has no len"),
        "call()" => format!("invalid call of non-function ({kind})"),
        "(iter)" => format!("{kind} value is not iterable"),
        "[]" => format!("unhandled index operation {kind}[...]"),
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

fn value(text: &str, at_toplevel: bool) -> Option<String> {
    let quoted = quoted(text);
    let first = quoted.first().copied().unwrap_or_default();
    if text.starts_with("Key `") && text.contains("` was not found") {
        return Some(format!("key {first} not in dict"));
    }
    if text.starts_with("Variable `") && text.contains("` not found") {
        return Some(format!("undefined: {first}"));
    }
    if text.starts_with("Local variable `") && text.ends_with("referenced before assignment") {
        let scope = if at_toplevel { "global" } else { "local" };
        return Some(format!("{scope} variable {first} referenced before assignment"));
    }
    if text.starts_with("Object of type `") && text.contains("` has no attribute `") {
        let attribute = quoted.get(1)?;
        return Some(match first {
            "namespace" => format!("module has no .{attribute} field or method"),
            "struct" => format!("struct has no .{attribute} attribute"),
            "K8sObjectID" => format!("tiltfile.k8sObjectID has no attribute '{attribute}'"),
            kind => format!("{kind} has no .{attribute} field or method"),
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
        return Some(format!("int: invalid literal with base {base}: {literal:?}"));
    }
    Some(match text {
        _ if text.starts_with("Index `") && text.ends_with("is out of bound") => {
            format!("index {first} out of range")
        }
        _ if text.starts_with("Floor division by zero") || text.starts_with("Integer division by zero") => {
            "floored division by zero".to_owned()
        }
        "Not enough arguments for format string" => "not enough arguments for format string".to_owned(),
        "Too many arguments for format string" => "too many arguments for format string".to_owned(),
        _ => return None,
    })
}

/// Changing what is frozen, by the method that tried to.
pub(crate) fn frozen(method: &str) -> String {
    let what = match method {
        "append" => "append to frozen list",
        "extend" => "extend frozen list",
        "insert" => "insert into frozen list",
        "remove" => "remove from frozen list",
        _ => "insert into frozen hash table",
    };
    match method {
        "append" | "extend" | "insert" | "remove" => format!("{method}: cannot {what}"),
        _ => format!("cannot {what}"),
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
            "Variable `x` not found",
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
            Operation `format(%d)` not supported on type `string`
            function f missing 1 argument (a)
            function f got 1 positional arguments too many
            function f got an unexpected keyword argument "b"
            key "x" not in dict
            undefined: x
            local variable x referenced before assignment
            module has no .x field or method
            git.Repo has no .x field or method
            too few values to unpack (got 1, want 2)
            too many values to unpack (got 3, want 2)
            unhashable type: list
            int: invalid literal with base 10: "x"
            index 5 out of range
            something else
        "#]]
        .assert_eq(&out);
    }
}
