//! Values as Go writes them: Tilt's own texts name Go's types, where the interpreter's name Starlark's.

use crate::guard::is_short;
use crate::values::{LinkValue, go_repr_of};
use starlark::values::Value;
use std::fmt::Write as _;

/// What Starlark calls the type of a value.
pub(crate) fn type_name(v: Value<'_>) -> &'static str {
    match v.get_type() {
        "native_function" => "builtin_function_or_method",
        other => other,
    }
}

/// What Go calls the type of a value, as `%T` prints it.
pub(crate) fn go_type(v: Value<'_>) -> &'static str {
    if LinkValue::from_value(v).is_some() {
        return "links.Link";
    }
    match type_name(v) {
        "string" => "starlark.String",
        "int" => "starlark.Int",
        "float" => "starlark.Float",
        "bool" => "starlark.Bool",
        "NoneType" => "starlark.NoneType",
        "list" => "*starlark.List",
        "dict" => "*starlark.Dict",
        "tuple" => "starlark.Tuple",
        "set" => "*starlark.Set",
        "function" => "*starlark.Function",
        "builtin_function_or_method" => "*starlark.Builtin",
        "range" => "starlark.rangeValue",
        "struct" => "*starlarkstruct.Struct",
        "module" | "namespace" => "starkit.Module",
        "blob" => "io.Blob",
        "git.Repo" => "*git.Repo",
        "environ" => "*os.Environ",
        "K8sObjectID" => "tiltfile.k8sObjectID",
        "port_forward" => "tiltfile.portForward",
        "custom_build" => "*tiltfile.customBuild",
        "TriggerMode" => "tiltfile.triggerMode",
        "Probe" => "probe.Probe",
        "ExecAction" => "probe.ExecAction",
        "HTTPGetAction" => "probe.HTTPGetAction",
        "TCPSocketAction" => "probe.TCPSocketAction",
        "live_update_initial_sync_step" => "tiltfile.liveUpdateInitialSyncStep",
        "live_update_fall_back_on_step" => "tiltfile.liveUpdateFallBackOnStep",
        "live_update_sync_step" => "tiltfile.liveUpdateSyncStep",
        "live_update_run_step" => "tiltfile.liveUpdateRunStep",
        "live_update_restart_container_step" => "tiltfile.liveUpdateRestartContainerStep",
        other => other,
    }
}

/// A value as `%v` prints it: strings in quotes, a blob as its text.
pub(crate) fn go_repr(v: Value<'_>) -> String {
    match v.unpack_str() {
        Some(text) => go_quote(text),
        None if is_short(v) => go_repr_of(v),
        None => format!("a very large {}", type_name(v)),
    }
}

/// A string as `%q` prints it.
pub(crate) fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        let written = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\t' => out.write_str("\\t"),
            '\r' => out.write_str("\\r"),
            '\u{7}' => out.write_str("\\a"),
            '\u{8}' => out.write_str("\\b"),
            '\u{b}' => out.write_str("\\v"),
            '\u{c}' => out.write_str("\\f"),
            c if c.is_ascii_control() => write!(out, "\\x{:02x}", u32::from(c)),
            c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c)),
            c => out.write_char(c),
        };
        written.expect("a String takes all");
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        for (text, want) in [
            ("a'b", r#""a'b""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\t\u{1b}\u{7f}", r#""\n\t\x1b\x7f""#),
            ("é…\u{85}", r#""é…\u0085""#),
        ] {
            assert_eq!(go_quote(text), want);
        }
    }
}
