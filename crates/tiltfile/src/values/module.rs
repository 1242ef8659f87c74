//! Builtins that live in a module of their own: `os`, `os.path`, `config`, …

use super::{Builtin, Environ};
use crate::builtins;
use allocative::Allocative;
use starlark::starlark_simple_value;
use starlark::values::list::AllocList;
use starlark::values::{
    Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value, starlark_value,
};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What stands in a module besides functions.
#[derive(Debug, Clone)]
pub(crate) enum Constant {
    Text(String),
    Texts(Vec<String>),
    Environ(Environ),
}

/// A module by its full name.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct ModuleValue {
    pub(crate) name: String,
    #[allocative(skip)]
    pub(crate) constants: Arc<Vec<(&'static str, Constant)>>,
}
starlark_simple_value!(ModuleValue);

impl fmt::Display for ModuleValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<module {:?}>", self.name)
    }
}

impl ModuleValue {
    /// Names of functions and modules in it.
    fn members(&self) -> BTreeSet<&'static str> {
        let inner = |full: &'static str| full.strip_prefix(self.name.as_str())?.strip_prefix('.');
        let names = builtins::TABLE.iter().filter_map(|(full, _)| inner(full));
        names.map(|rest| rest.split('.').next().unwrap_or(rest)).collect()
    }
}

#[starlark_value(type = "module")]
impl<'v> StarlarkValue<'v> for ModuleValue {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        if let Some((_, constant)) = self.constants.iter().find(|(name, _)| *name == attribute) {
            return Some(match constant {
                Constant::Text(text) => heap.alloc(text.as_str()),
                Constant::Texts(texts) => heap.alloc(AllocList(texts.iter().map(String::as_str))),
                Constant::Environ(environ) => heap.alloc(environ.clone()),
            });
        }
        let full = format!("{}.{attribute}", self.name);
        match builtins::index_of(&full) {
            Some(index) => Some(heap.alloc(Builtin { index })),
            None if self.members().contains(attribute) => {
                Some(heap.alloc(ModuleValue { name: full, constants: Arc::default() }))
            }
            None => None,
        }
    }

    fn dir_attr(&self) -> Vec<String> {
        let constants = self.constants.iter().map(|(name, _)| *name);
        self.members()
            .into_iter()
            .chain(constants)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }
}
