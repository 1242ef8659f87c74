//! What `struct()` and `module()` return: fields that print as starlark-go prints them.

use allocative::Allocative;
use starlark::coerce::{Coerce, coerce};
use starlark::collections::{SmallMap, StarlarkHasher};
use starlark::starlark_complex_value;
use starlark::values::{
    Freeze, Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Trace, Value,
    ValueLifetimeless, ValueLike, starlark_value,
};
use std::fmt;

/// Fields by name, in the order of their names.
#[derive(
    Debug, Clone, Trace, Freeze, Coerce, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic,
)]
#[repr(C)]
pub(crate) struct StructGen<V: ValueLifetimeless> {
    fields: SmallMap<String, V>,
}
starlark_complex_value!(pub(crate) Struct);

impl<'v> Struct<'v> {
    pub(crate) fn new(fields: impl IntoIterator<Item = (impl Into<String>, Value<'v>)>) -> Struct<'v> {
        let mut sorted: Vec<(String, Value<'v>)> = fields.into_iter().map(|(k, v)| (k.into(), v)).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        StructGen { fields: sorted.into_iter().collect() }
    }
}

/// Names and values of a struct.
pub(crate) fn struct_fields(v: Value<'_>) -> Option<Vec<(&str, Value<'_>)>> {
    let fields = &Struct::from_value(v)?.fields;
    Some(fields.iter().map(|(name, value)| (name.as_str(), *value)).collect())
}

impl<'v, V: ValueLike<'v>> fmt::Display for StructGen<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct(")?;
        for (i, (name, value)) in self.fields.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{name} = {value}")?;
        }
        f.write_str(")")
    }
}

#[starlark_value(type = "struct")]
impl<'v, V: ValueLike<'v>> StarlarkValue<'v> for StructGen<V>
where
    Self: ProvidesStaticType<'v>,
{
    fn collect_repr_cycle(&self, collector: &mut String) {
        collector.push_str("struct(...)");
    }

    fn get_attr(&self, attribute: &str, _heap: Heap<'v>) -> Option<Value<'v>> {
        coerce(&self.fields).get(attribute).copied()
    }

    fn dir_attr(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        let Some(other) = Struct::from_value(other) else { return Ok(false) };
        if self.fields.len() != other.fields.len() {
            return Ok(false);
        }
        for (name, value) in &self.fields {
            match other.fields.get(name) {
                Some(theirs) if value.equals(*theirs)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        for (name, value) in &self.fields {
            std::hash::Hash::hash(name, hasher);
            value.write_hash(hasher)?;
        }
        Ok(())
    }

    /// The fields of both; those of the right one win.
    fn add(&self, other: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        let theirs = &Struct::from_value(other)?.fields;
        let mut fields: SmallMap<String, Value<'v>> =
            self.fields.iter().map(|(name, value)| (name.clone(), value.to_value())).collect();
        fields.extend(theirs.iter().map(|(name, value)| (name.clone(), *value)));
        Some(Ok(heap.alloc(Struct::new(fields))))
    }
}

/// `module(NAME, …)`.
#[derive(
    Debug, Clone, Trace, Freeze, Coerce, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic,
)]
#[repr(C)]
pub(crate) struct NamedModuleGen<V: ValueLifetimeless> {
    name: String,
    fields: SmallMap<String, V>,
}
starlark_complex_value!(pub(crate) NamedModule);

impl<'v> NamedModule<'v> {
    pub(crate) fn new(name: &str, fields: impl IntoIterator<Item = (String, Value<'v>)>) -> NamedModule<'v> {
        NamedModuleGen { name: name.to_owned(), fields: fields.into_iter().collect() }
    }
}

impl<'v, V: ValueLike<'v>> fmt::Display for NamedModuleGen<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<module {:?}>", self.name)
    }
}

#[starlark_value(type = "module")]
impl<'v, V: ValueLike<'v>> StarlarkValue<'v> for NamedModuleGen<V>
where
    Self: ProvidesStaticType<'v>,
{
    fn get_attr(&self, attribute: &str, _heap: Heap<'v>) -> Option<Value<'v>> {
        coerce(&self.fields).get(attribute).copied()
    }

    fn dir_attr(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }
}
