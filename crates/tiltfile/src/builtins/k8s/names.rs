//! `workload_to_resource_function`.

use crate::Position;
use crate::call::{Call, Result, fail};
use starlark::docs::{DocItem, DocMember};
use starlark::values::Value;
use std::path::Path;

/// A function that maps workloads to names is kept under this name in the module that set it.
pub(crate) const WORKLOAD_FUNCTION: &str = "__workload_to_resource_function";

pub(crate) fn workload_to_resource_function<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let function = args.get("func").expect("it is required");
    if function.get_type() != "function" {
        return Err(args.wrong("func", format_args!("got {}, want function", function.get_type())));
    }
    let name = function_name(function);
    let count = parameter_count(function);
    if count != 1 {
        fail!("workload_to_resource_function arg must take 1 argument. {name} takes {count}");
    }
    let file = call.env().executing();
    let position = definition_place(call, &file, &name);
    call.eval.module().set(WORKLOAD_FUNCTION, function);
    call.env().reg_mut().workload_to_resource = Some((file, position));
    call.none()
}

fn function_name(function: Value<'_>) -> String {
    let shown = function.to_str();
    shown.rsplit('.').next().unwrap_or(&shown).to_owned()
}

fn parameter_count(function: Value<'_>) -> usize {
    match function.documentation() {
        DocItem::Member(DocMember::Function(doc)) => {
            let params = &doc.params;
            let lists = [&params.pos_only, &params.pos_or_named, &params.named_only];
            let rest = usize::from(params.args.is_some()) + usize::from(params.kwargs.is_some());
            lists.iter().map(|l| l.len()).sum::<usize>() + rest
        }
        _ => 1,
    }
}

/// Where the function is defined; errors in it are told there. That of the call if it has no name.
fn definition_place(call: &Call<'_, '_, '_, '_>, file: &Path, name: &str) -> Position {
    let text = call.env().host.read_file(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line =
        text.lines().position(|l| l.strip_prefix("def ").is_some_and(|l| l.trim_start().starts_with(name)));
    match line {
        Some(line) => Position { file: file.to_owned(), line: line + 1, column: 1 },
        None => call.position(),
    }
}
