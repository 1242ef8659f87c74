//! `os.*` and `shlex.*`.

use crate::call::{Call, Result, absolute, clean, fail, go_repr};
use crate::values::EnvVars;
use starlark::values::Value;
use std::path::{Component, Path, PathBuf};

pub(crate) fn getcwd<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    Ok(call.alloc(call.env().dir().to_string_lossy().into_owned()))
}

pub(crate) fn getenv<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    match (call.env().getenv(&args.stringable("key")?), args.get("default")) {
        (Some(value), _) => Ok(call.alloc(value)),
        (None, Some(default)) => Ok(default),
        (None, None) => call.none(),
    }
}

pub(crate) fn putenv<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let (key, value) = (args.stringable("key")?, args.stringable("value")?);
    vars(call, |v| v.changed.insert(key, Some(value)));
    call.none()
}

pub(crate) fn unsetenv<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let key = args.stringable("key")?;
    vars(call, |v| v.changed.insert(key, None));
    call.none()
}

fn vars<R>(call: &Call<'_, '_, '_, '_>, f: impl FnOnce(&mut EnvVars) -> R) -> R {
    call.env().environ.with(f)
}

fn path_arg(call: &mut Call<'_, '_, '_, '_>) -> Result<String> {
    call.args()?.text("path")
}

pub(crate) fn abspath<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let path = path_arg(call)?;
    Ok(call.alloc(absolute(&call.env().dir(), &path).to_string_lossy().into_owned()))
}

pub(crate) fn basename<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let path = path_arg(call)?;
    let trimmed = path.trim_end_matches('/');
    let base = match (path.is_empty(), trimmed.is_empty()) {
        (true, _) => ".",
        (false, true) => "/",
        _ => trimmed.rsplit('/').next().unwrap_or(trimmed),
    };
    Ok(call.alloc(base))
}

pub(crate) fn dirname<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let path = path_arg(call)?;
    let dir = match path.rfind('/') {
        Some(slash) => clean(Path::new(&path[..=slash])),
        None => PathBuf::from("."),
    };
    Ok(call.alloc(dir.to_string_lossy().into_owned()))
}

pub(crate) fn exists<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let path = path_arg(call)?;
    let env = call.env();
    Ok(call.alloc(env.host.kind(&absolute(&env.dir(), &path)).is_some()))
}

pub(crate) fn realpath<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let path = path_arg(call)?;
    let env = call.env();
    let full = absolute(&env.dir(), &path);
    match env.host.canonical(&full) {
        Ok(real) => Ok(call.alloc(real.to_string_lossy().into_owned())),
        Err(e) => fail!("{}", crate::env::io_text("lstat", &full, &e)),
    }
}

pub(crate) fn relpath<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let target = args.text("targpath")?;
    let base = match args.get("basepath") {
        Some(_) => args.text("basepath")?,
        None => call.env().dir().to_string_lossy().into_owned(),
    };
    match relative(&base, &target) {
        Some(path) => Ok(call.alloc(path)),
        None => fail!("Rel: can't make {target} relative to {base}"),
    }
}

/// The way from one path to the other, by their texts; `None` if only the disk knows it.
fn relative(base: &str, target: &str) -> Option<String> {
    let (base, target) = (clean(Path::new(base)), clean(Path::new(target)));
    if base.is_absolute() != target.is_absolute() {
        return None;
    }
    let parts = |path: &'_ Path| -> Vec<std::ffi::OsString> {
        let parts = path.components().filter(|c| !matches!(c, Component::RootDir | Component::CurDir));
        parts.map(|c| c.as_os_str().to_owned()).collect()
    };
    let (base, target) = (parts(&base), parts(&target));
    let shared = target.iter().zip(&base).take_while(|(a, b)| a == b).count();
    if base[shared..].iter().any(|part| part == "..") {
        return None;
    }
    let up = base[shared..].iter().map(|_| std::ffi::OsStr::new(".."));
    let path: PathBuf = up.chain(target[shared..].iter().map(|part| part.as_os_str())).collect();
    Some(if path.as_os_str().is_empty() { ".".to_owned() } else { path.to_string_lossy().into_owned() })
}

/// As Go joins paths: a part that begins with a slash is a part like any other, and the whole is cleaned.
pub(crate) fn join<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let mut parts = Vec::new();
    for (i, part) in call.positional.iter().enumerate() {
        match part.unpack_str() {
            Some("") => {}
            Some(text) => parts.push(text),
            None => fail!("os.path.join() only accepts strings. Argument #{i}: {}", go_repr(*part)),
        }
    }
    let joined = parts.join("/");
    let path = if joined.is_empty() { PathBuf::new() } else { clean(Path::new(&joined)) };
    Ok(call.alloc(path.to_string_lossy().into_owned()))
}

pub(crate) fn shlex_quote<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let text = call.args()?.text("name")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(call.alloc(text));
    }
    Ok(call.alloc(format!("'{}'", text.replace('\'', "'\"'\"'"))))
}
