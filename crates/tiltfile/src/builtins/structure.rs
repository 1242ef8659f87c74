//! `include`, `load_dynamic`, `print`, `warn`, `fail`, `exit`, `struct`, `module`.

use crate::call::{Call, Failure, FailureKind, Result, fail, go_quote, go_repr, type_name};
use crate::guard::check_printed;
use crate::values::go_text_of;
use crate::values::record::{NamedModule, Struct};
use crate::{Level, dialect, eval};
use starlark::environment::Module;
use starlark::values::dict::AllocDict;
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
            ("sep", None) => {
                fail!("print: for parameter \"sep\": got {}, want string", type_name(*value))
            }
            _ => {
                let hint = crate::call::nearest(name, ["sep"]).map(|n| format!(" (did you mean {n}?)"));
                fail!("print: unexpected keyword argument {}{}", go_quote(name), hint.unwrap_or_default())
            }
        }
    }
    for value in &call.positional {
        check_printed(call.eval, *value)?;
    }
    let text = call.positional.iter().map(|v| go_text_of(*v)).collect::<Vec<_>>().join(&separator);
    call.env().say(Level::Info, &text);
    call.none()
}

pub(crate) fn warn<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let text = call.args()?.text("msg")?;
    let position = call.position();
    call.env().warn(text, Some(position));
    call.none()
}

pub(crate) fn fail_<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let message = call.args()?.text("msg")?;
    Err(Failure::new(message))
}

pub(crate) fn exit<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    if let Some(code) = args.some("code") {
        check_printed(call.eval, code)?;
        call.env().say(Level::Info, &go_repr(code));
    }
    call.env().exited.set(true);
    Err(Failure { kind: FailureKind::Exit, ..Failure::new("exit") })
}

pub(crate) fn struct_<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    if !call.positional.is_empty() {
        fail!("struct: unexpected positional arguments");
    }
    Ok(call.alloc(Struct::new(call.named.clone())))
}

pub(crate) fn module<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    match call.positional.as_slice() {
        [name] => match name.unpack_str() {
            Some(text) => Ok(call.alloc(NamedModule::new(text, call.named.clone()))),
            None => fail!("module: for parameter 1: got {}, want string", type_name(*name)),
        },
        other => fail!("module: got {} arguments, want 1", other.len()),
    }
}
