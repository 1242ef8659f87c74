//! The table as text.

use super::{Field, Types};
use std::fmt::Write;

const HEAD: &str = "\
# Facts about the Kubernetes types. Written by `cargo xtask codegen`; change overrides.txt instead.
# TYPE [=GROUP/VERSION/KIND] [MARK…], then a line for each of its fields:
#  JSONNAME TAGS TYPE [MARK…]
# TAGS: protobuf tags on the way to the field, 0 if there is none; w: a message wraps the list.
# TYPE: s b i32 i64 f64, bytes, q (quantity), intstr, time, microtime, raw, json, fields, object, [ITEM, {VALUE, or a type.
# MARK: ! required; merge=KEY (strategic merge and apply by this key); keys=K,K (apply by these keys; strategic merge too
#  only if merge= is there); set (both), applyset, merges (strategic only: a list of scalars), atomic, granular, retain, replace.
";

pub(super) fn table(types: &Types) -> String {
    let mut text = HEAD.to_string();
    for (name, ty) in types {
        text.push_str(name);
        if let Some(gvk) = &ty.gvk {
            write!(text, " ={gvk}").expect("a string takes text");
        }
        push_marks(&mut text, &ty.marks);
        for (json, field) in &ty.fields {
            write!(text, " {json} {} {}", tags(field), field.ty).expect("a string takes text");
            if field.required {
                text.push_str(" !");
            }
            push_marks(&mut text, &field.marks);
        }
    }
    text
}

fn push_marks(text: &mut String, marks: &[String]) {
    for mark in marks {
        text.push(' ');
        text.push_str(mark);
    }
    text.push('\n');
}

fn tags(field: &Field) -> String {
    if field.tags.is_empty() {
        return "0".into();
    }
    let path: Vec<String> = field.tags.iter().map(u32::to_string).collect();
    format!("{}{}", path.join("/"), if field.wrapped { "w" } else { "" })
}
