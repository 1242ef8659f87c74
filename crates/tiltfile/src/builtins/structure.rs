//! `include`, `load_dynamic`, `print`, `warn`, `fail`, `exit`, `struct`, `module`.

use crate::call::{Call, Failure, FailureKind, Result, fail};
use crate::guard::check_printed;
use crate::values::text_of;
use crate::{Level, dialect, eval};
use starlark::environment::Module;
use starlark::values::dict::AllocDict;
use starlark::values::structs::AllocStruct;
use starlark::values::{FrozenHeapName, Value};

pub(crate) fn include<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    eval::load(call.env(), &args.text("path")?)?;
    call.none()
}

pub(crate) fn load_dynamic<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let loaded = eval::load(call.env(), &args.text("path")?)?;
    // a dict is frozen with the module that it lives in
    let frozen = Module::with_temp_heap(|module| {
        let heap = module.heap();
        let mut entries = Vec::new();
        for name in loaded.names() {
            if name.as_str().starts_with("__") {
                continue;
            }
            if let Ok(value) = loaded.get(name.as_str()) {
                let name = dialect::original_name(name.as_str()).to_owned();
                entries.push((name, heap.access_owned_frozen_value(&value)));
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        module.set(DYNAMIC, heap.alloc(AllocDict(entries)));
        module
            .freeze_named(FrozenHeapName::User(Box::new(DYNAMIC.to_owned())))
            .map_err(|e| Failure::new(format!("load_dynamic: {e:?}")))
    })?;
    let (dict, _) = frozen.get_any_visibility(DYNAMIC).map_err(|e| Failure::new(e.to_string()))?;
    Ok(call.heap().access_owned_frozen_value(&dict))
}

const DYNAMIC: &str = "load_dynamic";

pub(crate) fn print<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let mut separator = " ".to_owned();
    for (name, value) in &call.named {
        match (name.as_str(), value.unpack_str()) {
            ("sep", Some(s)) => separator = s.to_owned(),
            ("sep", None) => fail!("print: for parameter sep: got {}, want string", value.get_type()),
            _ => fail!("print: unexpected keyword argument {name:?}"),
        }
    }
    for value in &call.positional {
        check_printed(call.eval, *value)?;
    }
    let text = call.positional.iter().map(|v| v.to_str()).collect::<Vec<_>>().join(&separator);
    call.env().say(Level::Info, &text);
    call.none()
}

pub(crate) fn warn<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let message = args.get("msg").expect("it is required");
    let text = shown(call, message)?;
    let position = call.position();
    call.env().warn(text, Some(position));
    call.none()
}

pub(crate) fn fail_<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let message = args.get("msg").expect("it is required");
    Err(Failure::new(shown(call, message)?))
}

/// The text of what is to be told.
fn shown<'v>(call: &Call<'v, '_, '_, '_>, value: Value<'v>) -> Result<String> {
    check_printed(call.eval, value)?;
    Ok(text_of(value).map(str::to_owned).unwrap_or_else(|| value.to_str()))
}

pub(crate) fn exit<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    if let Some(code) = args.some("code") {
        check_printed(call.eval, code)?;
        call.env().say(Level::Info, &code.to_str());
    }
    call.env().exited.set(true);
    Err(Failure { kind: FailureKind::Exit, ..Failure::new("exit") })
}

pub(crate) fn struct_<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    if !call.positional.is_empty() {
        fail!("struct: unexpected positional arguments");
    }
    Ok(call.alloc(AllocStruct(call.named.clone())))
}

pub(crate) fn module<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    match call.positional.as_slice() {
        [name] if name.unpack_str().is_some() => Ok(call.alloc(AllocStruct(call.named.clone()))),
        _ => fail!("module: the first argument must be the module's name"),
    }
}
