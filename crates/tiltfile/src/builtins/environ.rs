//! `os.environ`: methods as a dict has them. Their errors are those of starlark-go's positional arguments.

use crate::call::{Call, Failure, Result, fail, type_name};
use crate::values::{self, EnvVars, Environ, text_of};
use starlark::values::Value;
use starlark::values::dict::DictRef;
use starlark::values::list::AllocList;

/// The method's own name.
fn name_of(call: &Call<'_, '_, '_, '_>) -> &'static str {
    call.name.rsplit('.').next().unwrap_or(call.name)
}

/// Between `least` and `most` positional arguments.
fn positional<'v>(call: &Call<'v, '_, '_, '_>, least: usize, most: usize) -> Result<Vec<Value<'v>>> {
    let (name, count) = (name_of(call), call.positional.len());
    if !call.named.is_empty() {
        fail!("{name}: unexpected keyword arguments");
    }
    if count < least {
        let at_least = if least < most { "at least " } else { "" };
        fail!("{name}: got {count} arguments, want {at_least}{least}");
    }
    if count > most {
        let at_most = if most > least { "at most " } else { "" };
        fail!("{name}: got {count} arguments, want {at_most}{most}");
    }
    Ok(call.positional.clone())
}

fn vars<R>(call: &Call<'_, '_, '_, '_>, f: impl FnOnce(&mut EnvVars) -> R) -> R {
    call.env().environ.with(f)
}

/// What is set by a key that may be anything.
fn look_up(call: &Call<'_, '_, '_, '_>, key: Value<'_>) -> Option<String> {
    text_of(key).and_then(|key| vars(call, |v| v.get(key)))
}

/// Name and value of a variable to be set.
pub(crate) fn pair(key: Value<'_>, value: Value<'_>) -> std::result::Result<(String, String), String> {
    let Some(key) = text_of(key) else {
        return Err(format!("putenv() key must be a string, not {}", type_name(key)));
    };
    let Some(value) = text_of(value) else {
        return Err(format!("putenv() value must be a string, not {}", type_name(value)));
    };
    Ok((key.to_owned(), value.to_owned()))
}

pub(crate) fn clear<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    positional(call, 0, 0)?;
    vars(call, |v| {
        for key in v.all().into_keys() {
            v.changed.insert(key, None);
        }
    });
    call.none()
}

pub(crate) fn get<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = positional(call, 1, 2)?;
    match (look_up(call, args[0]), args.get(1)) {
        (Some(value), _) => Ok(call.alloc(value)),
        (None, Some(default)) => Ok(*default),
        (None, None) => call.none(),
    }
}

pub(crate) fn items<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    positional(call, 0, 0)?;
    Ok(call.alloc(AllocList(vars(call, |v| v.all()))))
}

pub(crate) fn keys<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    positional(call, 0, 0)?;
    Ok(call.alloc(AllocList(vars(call, |v| v.all()).into_keys())))
}

pub(crate) fn values<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    positional(call, 0, 0)?;
    Ok(call.alloc(AllocList(vars(call, |v| v.all()).into_values())))
}

pub(crate) fn pop<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = positional(call, 1, 2)?;
    match (look_up(call, args[0]), args.get(1)) {
        (Some(value), _) => {
            let key = text_of(args[0]).unwrap_or_default().to_owned();
            vars(call, |v| v.changed.insert(key, None));
            Ok(call.alloc(value))
        }
        (None, Some(default)) => Ok(*default),
        (None, None) => fail!("pop: missing key"),
    }
}

pub(crate) fn popitem<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    positional(call, 0, 0)?;
    match vars(call, |v| v.all()).into_iter().next() {
        Some((key, value)) => {
            vars(call, |v| v.changed.insert(key.clone(), None));
            Ok(call.alloc((key, value)))
        }
        None => fail!("popitem: empty environ"),
    }
}

pub(crate) fn setdefault<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = positional(call, 1, 2)?;
    if let Some(value) = look_up(call, args[0]) {
        return Ok(call.alloc(value));
    }
    let default = args.get(1).copied().unwrap_or_else(Value::new_none);
    let (key, value) = pair(args[0], default).map_err(|e| Failure::new(format!("setdefault: {e}")))?;
    vars(call, |v| v.changed.insert(key, Some(value)));
    Ok(default)
}

pub(crate) fn update<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    if call.positional.len() > 1 {
        fail!("update: got {} arguments, want at most 1", call.positional.len());
    }
    let mut pairs = match call.positional.first() {
        Some(updates) => pairs_of(call, *updates).map_err(|e| Failure::new(format!("update: {e}")))?,
        None => Vec::new(),
    };
    for (name, value) in &call.named {
        let name = call.alloc(name.as_str());
        pairs.push(pair(name, *value).map_err(|e| Failure::new(format!("update: {e}")))?);
    }
    vars(call, |v| v.changed.extend(pairs.into_iter().map(|(k, value)| (k, Some(value)))));
    call.none()
}

/// A mapping, or a sequence of pairs.
fn pairs_of<'v>(
    call: &Call<'v, '_, '_, '_>,
    updates: Value<'v>,
) -> std::result::Result<Vec<(String, String)>, String> {
    if let Some(dict) = DictRef::from_value(updates) {
        return dict.iter().map(|(key, value)| pair(key, value)).collect();
    }
    if Environ::from_value(updates).is_some() {
        return Ok(Vec::new());
    }
    let Some(items) = values::go_sequence(updates, call.heap()) else {
        return Err(format!("got {}, want iterable", type_name(updates)));
    };
    let items = items.into_iter().enumerate();
    let pairs = items.map(|(i, item)| {
        let Some(parts) = values::go_sequence(item, call.heap()) else {
            let kind = type_name(item);
            return Err(format!("dictionary update sequence element #{i} is not iterable ({kind})"));
        };
        match parts.as_slice() {
            [key, value] => pair(*key, *value),
            other => {
                Err(format!("dictionary update sequence element #{i} has length {}, want 2", other.len()))
            }
        }
    });
    pairs.collect()
}
