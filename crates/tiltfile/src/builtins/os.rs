//! `os.*` and `shlex.*`.

use crate::call::{Call, Result, absolute, clean, fail};
use crate::values::EnvVars;
use starlark::values::Value;
use starlark::values::list::AllocList;
use std::path::{Component, Path, PathBuf};

pub(crate) fn getcwd<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    Ok(call.alloc(call.env().dir().to_string_lossy().into_owned()))
}

pub(crate) fn getenv<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    match (call.env().getenv(&args.text("key")?), args.get("default")) {
        (Some(value), _) => Ok(call.alloc(value)),
        (None, Some(default)) => Ok(default),
        (None, None) => call.none(),
    }
}

pub(crate) fn putenv<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let (key, value) = (args.text("key")?, args.text("value")?);
    vars(call, |v| v.changed.insert(key, Some(value)));
    call.none()
}

pub(crate) fn unsetenv<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let key = args.text("key")?;
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
    let dir = call.env().dir();
    let target = absolute(&dir, &args.text("targpath")?);
    let base = absolute(&dir, &args.text("basepath")?);
    let shared = target.components().zip(base.components()).take_while(|(a, b)| a == b).count();
    let mut relative = PathBuf::new();
    for _ in base.components().skip(shared) {
        relative.push(Component::ParentDir);
    }
    relative.extend(target.components().skip(shared));
    let text = if relative.as_os_str().is_empty() {
        ".".to_owned()
    } else {
        relative.to_string_lossy().into_owned()
    };
    Ok(call.alloc(text))
}

pub(crate) fn join<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    if let Some((name, _)) = call.named.first() {
        fail!("os.path.join: unexpected keyword argument {name:?}");
    }
    let mut out = String::new();
    for (i, part) in call.positional.iter().enumerate() {
        let Some(part) = part.unpack_str() else {
            fail!(
                "os.path.join() only accepts strings. Argument #{i}: {} has type {}",
                part.to_repr(),
                part.get_type()
            );
        };
        if part.starts_with('/') {
            part.clone_into(&mut out);
        } else {
            if !out.is_empty() && !out.ends_with('/') {
                out.push('/');
            }
            out.push_str(part);
        }
    }
    Ok(call.alloc(out))
}

pub(crate) fn environ_clear<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    vars(call, |v| {
        for key in v.all().into_keys() {
            v.changed.insert(key, None);
        }
    });
    call.none()
}

pub(crate) fn environ_get<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    getenv(call)
}

pub(crate) fn environ_items<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    Ok(call.alloc(AllocList(vars(call, |v| v.all()))))
}

pub(crate) fn environ_keys<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    Ok(call.alloc(AllocList(vars(call, |v| v.all()).into_keys())))
}

pub(crate) fn environ_values<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    Ok(call.alloc(AllocList(vars(call, |v| v.all()).into_values())))
}

pub(crate) fn environ_pop<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let key = args.text("key")?;
    match (vars(call, |v| v.get(&key)), args.get("default")) {
        (Some(value), _) => {
            vars(call, |v| v.changed.insert(key, None));
            Ok(call.alloc(value))
        }
        (None, Some(default)) => Ok(default),
        (None, None) => fail!("pop: missing key"),
    }
}

pub(crate) fn environ_popitem<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    match vars(call, |v| v.all()).into_iter().next() {
        Some((key, value)) => {
            vars(call, |v| v.changed.insert(key.clone(), None));
            Ok(call.alloc((key, value)))
        }
        None => fail!("environ is empty"),
    }
}

pub(crate) fn environ_setdefault<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let (key, default) = (args.text("key")?, args.text("default")?);
    let value = vars(call, |v| match v.get(&key) {
        Some(value) => value,
        None => {
            v.changed.insert(key, Some(default.clone()));
            default
        }
    });
    Ok(call.alloc(value))
}

pub(crate) fn environ_update<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for value in &call.positional {
        pairs.extend(crate::call::string_map(*value).map_err(crate::call::Failure::new)?);
    }
    for (name, value) in &call.named {
        match value.unpack_str() {
            Some(text) => pairs.push((name.clone(), text.to_owned())),
            None => fail!("update: value of {name:?} is not a string: {}", value.get_type()),
        }
    }
    vars(call, |v| v.changed.extend(pairs.into_iter().map(|(k, value)| (k, Some(value)))));
    call.none()
}

pub(crate) fn shlex_quote<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let text = call.args()?.text("s")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(call.alloc(text));
    }
    Ok(call.alloc(format!("'{}'", text.replace('\'', "'\"'\"'"))))
}
