//! `coracle.*`: what built-in extensions need and Starlark cannot do. No Tiltfile sees these names.

use crate::call::{Args, Call, Failure, Result, absolute, fail};
use crate::env::{Env, io_text};
use crate::values::record::Struct;
use crate::{FileKind, base64};
use starlark::values::list::AllocList;
use starlark::values::{Heap, Value};
use std::path::Path;

pub(crate) fn base64_encode<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let text = call.args()?.text("text")?;
    Ok(call.alloc(base64::encode(text.as_bytes())))
}

pub(crate) fn base64_decode<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let text = call.args()?.text("text")?;
    match base64::decode(&text).map(String::from_utf8) {
        Some(Ok(text)) => Ok(call.alloc(text)),
        Some(Err(_)) => fail!("what is encoded in base 64 here is no text"),
        None => fail!("this is not base 64: {text:?}"),
    }
}

fn read(env: &Env<'_>, path: &Path, watch: bool) -> Result<Vec<u8>> {
    if watch {
        env.reads(path);
    }
    env.host.read_file(path).map_err(|e| Failure::new(io_text("open", path, &e)))
}

/// A file's content as `text` (`None` if it is not UTF-8) and `base64`.
fn content<'v>(heap: Heap<'v>, bytes: Vec<u8>) -> Value<'v> {
    let encoded = heap.alloc(base64::encode(&bytes));
    let text = String::from_utf8(bytes).map_or_else(|_| Value::new_none(), |text| heap.alloc(text));
    heap.alloc(Struct::new([("text", text), ("base64", encoded)]))
}

pub(crate) fn data_of_file<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let path = required_path(&args)?;
    Ok(content(call.heap(), read(call.env(), &path, args.boolean("watch", true)?)?))
}

fn required_path(args: &Args<'_>) -> Result<std::path::PathBuf> {
    args.path("path")?.ok_or_else(|| Failure::new("a path must be given"))
}

/// `path`, `key=path`, or a directory whose files count: pairs of key and content, as `kubectl create --from-file`
/// has it.
pub(crate) fn data_of_files<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let watch = args.boolean("watch", true)?;
    let (env, heap) = (call.env(), call.heap());
    let mut found: Vec<(String, Value<'v>)> = Vec::new();
    for source in args.one_or_many(args.get("sources").expect("it is required")) {
        let Some(source) = source.unpack_str() else { fail!("Bad from_file argument: {}", source.to_repr()) };
        let (key, path) = match source.split_once('=') {
            Some((key, path)) => (Some(key.to_owned()), path),
            None => (None, source),
        };
        let path = absolute(&env.dir(), path);
        if key.is_none() && env.host.kind(&path) == Some(FileKind::Directory) {
            let mut entries =
                env.host.list_dir(&path).map_err(|e| Failure::new(io_text("open", &path, &e)))?;
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            if watch {
                env.reads(path.clone());
            }
            for entry in entries.into_iter().filter(|e| !e.is_dir) {
                let bytes = read(env, &path.join(&entry.name), false)?;
                found.push((entry.name, content(heap, bytes)));
            }
            continue;
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        found.push((key.unwrap_or(name), content(heap, read(env, &path, watch)?)));
    }
    for (i, (key, _)) in found.iter().enumerate() {
        check_key(key)?;
        if found[..i].iter().any(|(k, _)| k == key) {
            fail!("cannot add key {key:?}, another key by that name already exists");
        }
    }
    Ok(call.alloc(AllocList(found)))
}

/// Keys of ConfigMaps and Secrets.
fn check_key(key: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if key.is_empty() || key.len() > 253 || !key.chars().all(fits) || matches!(key, "." | "..") {
        fail!(
            "{key:?} is not a valid key name: a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        );
    }
    Ok(())
}

/// `KEY=VALUE` lines, as `kubectl create --from-env-file` reads them: a key without `=` takes the environment's value.
pub(crate) fn data_of_env_file<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let path = required_path(&args)?;
    let env = call.env();
    let text = String::from_utf8_lossy(&read(env, &path, args.boolean("watch", true)?)?).into_owned();
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (line, env.getenv(line)),
        };
        check_key(key)?;
        if let Some(value) = value {
            found.retain(|(k, _)| k != key);
            found.push((key.to_owned(), value));
        }
    }
    Ok(call.alloc(AllocList(found)))
}

/// Files of a pattern with `*`, `?` and `**`, as the pattern has them: relative or absolute.
pub(crate) fn glob<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let pattern = call.args()?.text("pattern")?;
    let env = call.env();
    let parts: Vec<&str> = pattern.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = Vec::new();
    expand(env, start, &parts, 0, &mut found);
    found.sort();
    found.dedup();
    Ok(call.alloc(AllocList(found)))
}

/// Directories may lead back to themselves by links.
const MAX_DEPTH: usize = 40;

fn expand(env: &Env<'_>, at: &str, parts: &[&str], depth: usize, out: &mut Vec<String>) {
    let Some((part, rest)) = parts.split_first() else { return };
    if depth > MAX_DEPTH {
        return;
    }
    let join = |name: &str| match at {
        "" => name.to_owned(),
        at if at.ends_with('/') => format!("{at}{name}"),
        at => format!("{at}/{name}"),
    };
    let on_disk = |path: &str| absolute(&env.dir(), path);
    if !part.contains(['*', '?']) {
        let path = join(part);
        match (rest.is_empty(), env.host.kind(&on_disk(&path))) {
            (true, Some(_)) => out.push(path),
            (false, Some(FileKind::Directory)) => expand(env, &path, rest, depth + 1, out),
            _ => {}
        }
        return;
    }
    if *part == "**" {
        expand(env, at, if rest.is_empty() { &["*"] } else { rest }, depth + 1, out);
    }
    for entry in env.host.list_dir(&on_disk(at)).unwrap_or_default() {
        let hidden = entry.name.starts_with('.') && !part.starts_with('.');
        let path = join(&entry.name);
        if *part == "**" {
            if entry.is_dir && !hidden {
                expand(env, &path, parts, depth + 1, out);
            }
        } else if !hidden && matches(part, &entry.name) {
            match (rest.is_empty(), entry.is_dir) {
                (true, false) => out.push(path),
                (false, true) => expand(env, &path, rest, depth + 1, out),
                _ => {}
            }
        }
    }
}

/// One name against one pattern, in time that is their product.
fn matches(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for p in pattern.chars() {
        let mut next = vec![false; name.len() + 1];
        for i in 0..=name.len() {
            next[i] = match p {
                '*' => reached[i] || (i > 0 && next[i - 1]),
                '?' => i > 0 && reached[i - 1],
                p => i > 0 && reached[i - 1] && name[i - 1] == p,
            };
        }
        reached = next;
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a.yml", false),
            ("a*b*c", "aXbXc", true),
            ("a*b*c", "aXcXb", false),
            ("?", "é", true),
            ("*", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
