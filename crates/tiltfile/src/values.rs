//! Values of our own that a Tiltfile can hold. Their `type()` is observable: extensions compare it.

pub(crate) mod module;
pub(crate) mod probe;
pub(crate) mod record;

use crate::builtins;
use crate::call::{Call, Failure, go_quote, go_type};
use crate::text::quote::with_printable;
use allocative::Allocative;
use starlark::environment::GlobalsBuilder;
use starlark::eval::{Arguments, Evaluator};
use starlark::starlark_simple_value;
use starlark::values::dict::{AllocDict, DictRef};
use starlark::values::list::{AllocList, ListRef};
use starlark::values::none::NoneType;
use starlark::values::tuple::TupleRef;
use starlark::values::{
    Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value, ValueLike,
    starlark_value,
};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A function of ours: an index into the table of builtins.
#[derive(Debug, Clone, Copy, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct Builtin {
    pub(crate) index: usize,
}
starlark_simple_value!(Builtin);

impl fmt::Display for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<built-in function {}>", shown(builtins::TABLE[self.index].0))
    }
}

/// A method has its own name only.
fn shown(name: &'static str) -> &'static str {
    name.strip_prefix("environ.").unwrap_or(name)
}

#[starlark_value(type = "builtin_function_or_method")]
impl<'v> StarlarkValue<'v> for Builtin {
    fn name_for_call_stack(&self, _me: Value<'v>) -> String {
        shown(builtins::TABLE[self.index].0).to_owned()
    }

    fn invoke(
        &self,
        _me: Value<'v>,
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let (name, function) = builtins::TABLE[self.index];
        let positional: Vec<Value<'v>> = args.positions(eval.heap())?.collect();
        let named = args.names_map()?.into_iter().map(|(k, v)| (k.as_str().to_owned(), v)).collect();
        let mut call = Call { name, params: crate::catalog::params(name), positional, named, eval };
        function(&mut call).map_err(Failure::into_starlark)
    }
}

/// Text with a source: what `local`, `read_file`, `kustomize`, … return. Not a string, but `str()` makes one.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct Blob {
    pub(crate) text: Arc<str>,
    pub(crate) source: String,
}
starlark_simple_value!(Blob);

impl fmt::Display for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[starlark_value(type = "blob")]
impl<'v> StarlarkValue<'v> for Blob {
    fn collect_str(&self, collector: &mut String) {
        collector.push_str(&self.text);
    }
    fn to_bool(&self) -> bool {
        !self.text.is_empty()
    }
    fn write_hash(&self, hasher: &mut starlark::collections::StarlarkHasher) -> starlark::Result<()> {
        std::hash::Hash::hash(&*self.text, hasher);
        Ok(())
    }
    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(Blob::from_value(other).is_some_and(|o| o.text == self.text))
    }
}

macro_rules! opaque {
    ($($name:ident $type:literal),*) => {$(
        /// Stands for an entry of the registry, and prints as `text`.
        #[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
        pub(crate) struct $name {
            pub(crate) index: usize,
            #[allocative(skip)]
            pub(crate) text: Arc<str>,
        }
        starlark_simple_value!($name);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }
        #[starlark_value(type = $type)]
        impl<'v> StarlarkValue<'v> for $name {}
    )*};
}

opaque!(
    InitialSyncStep "live_update_initial_sync_step",
    FallBackOnStep "live_update_fall_back_on_step",
    SyncStep "live_update_sync_step",
    RunStep "live_update_run_step",
    RestartContainerStep "live_update_restart_container_step",
    CustomBuildValue "custom_build"
);

/// The step that a value stands for.
pub(crate) fn step_index(v: Value<'_>) -> Option<usize> {
    InitialSyncStep::from_value(v)
        .map(|s| s.index)
        .or_else(|| FallBackOnStep::from_value(v).map(|s| s.index))
        .or_else(|| SyncStep::from_value(v).map(|s| s.index))
        .or_else(|| RunStep::from_value(v).map(|s| s.index))
        .or_else(|| RestartContainerStep::from_value(v).map(|s| s.index))
}

/// What `port_forward()` returns.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct PortForwardValue {
    #[allocative(skip)]
    pub(crate) forward: crate::plan::PortForward,
}
starlark_simple_value!(PortForwardValue);
impl fmt::Display for PortForwardValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "port_forward(local_port={}, container_port={}, name={})",
            self.forward.local,
            self.forward.container,
            go_quote(&self.forward.name)
        )
    }
}
#[starlark_value(type = "port_forward")]
impl<'v> StarlarkValue<'v> for PortForwardValue {}

/// What `link()` returns. To a Tiltfile it is a struct.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct LinkValue {
    #[allocative(skip)]
    pub(crate) link: crate::plan::Link,
}
starlark_simple_value!(LinkValue);
impl fmt::Display for LinkValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link(name = {}, url = {})", go_quote(&self.link.name), go_quote(&self.link.url))
    }
}
#[starlark_value(type = "struct")]
impl<'v> StarlarkValue<'v> for LinkValue {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        match attribute {
            "name" => Some(heap.alloc(self.link.name.as_str())),
            "url" => Some(heap.alloc(self.link.url.as_str())),
            _ => None,
        }
    }
    fn dir_attr(&self) -> Vec<String> {
        ["name", "url"].map(str::to_owned).to_vec()
    }
}

/// `TRIGGER_MODE_AUTO` and `TRIGGER_MODE_MANUAL`.
#[derive(Debug, Clone, Copy, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct TriggerModeValue {
    pub(crate) manual: bool,
}
starlark_simple_value!(TriggerModeValue);
impl fmt::Display for TriggerModeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.manual { "TRIGGER_MODE_MANUAL" } else { "TRIGGER_MODE_AUTO" })
    }
}
#[starlark_value(type = "TriggerMode")]
impl<'v> StarlarkValue<'v> for TriggerModeValue {
    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(TriggerModeValue::from_value(other).is_some_and(|o| o.manual == self.manual))
    }
}

/// The environment as the Tiltfile sees and changes it.
#[derive(Debug, Default)]
pub(crate) struct EnvVars {
    pub(crate) host: BTreeMap<String, String>,
    pub(crate) changed: BTreeMap<String, Option<String>>,
}

impl EnvVars {
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        match self.changed.get(key) {
            Some(changed) => changed.clone(),
            None => self.host.get(key).cloned(),
        }
    }
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        let mut all = self.host.clone();
        for (key, value) in &self.changed {
            match value {
                Some(value) => all.insert(key.clone(), value.clone()),
                None => all.remove(key),
            };
        }
        all
    }
}

/// `os.environ`.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct Environ {
    #[allocative(skip)]
    pub(crate) vars: Arc<Mutex<EnvVars>>,
}
starlark_simple_value!(Environ);

impl Environ {
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut EnvVars) -> R) -> R {
        f(&mut self.vars.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Display for Environ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.with(|v| v.all()))
    }
}

const ENVIRON_METHODS: [&str; 9] =
    ["clear", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"];

#[starlark_value(type = "environ")]
impl<'v> StarlarkValue<'v> for Environ {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        let index = builtins::index_of(&format!("environ.{attribute}"))?;
        ENVIRON_METHODS.contains(&attribute).then(|| heap.alloc(Builtin { index }))
    }
    fn dir_attr(&self) -> Vec<String> {
        ENVIRON_METHODS.iter().map(|m| (*m).to_owned()).collect()
    }
    fn at(&self, index: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        let key = index.unpack_str().unwrap_or_default();
        match self.with(|v| v.get(key)) {
            Some(value) => Ok(heap.alloc(value)),
            None => Err(Failure::new(format!("key {} not in environ", index.to_repr())).into_starlark()),
        }
    }
    fn set_at(&self, index: Value<'v>, value: Value<'v>) -> starlark::Result<()> {
        match builtins::environ::pair(index, value) {
            Ok((key, value)) => {
                self.with(|v| v.changed.insert(key, Some(value)));
                Ok(())
            }
            Err(e) => Err(Failure::new(e).into_starlark()),
        }
    }
    fn is_in(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(other.unpack_str().is_some_and(|key| self.with(|v| v.get(key)).is_some()))
    }
    fn length(&self) -> starlark::Result<i32> {
        Ok(i32::try_from(self.with(|v| v.all().len())).unwrap_or(i32::MAX))
    }
    fn iterate_collect(&self, heap: Heap<'v>) -> starlark::Result<Vec<Value<'v>>> {
        Ok(self.with(|v| v.all()).into_keys().map(|k| heap.alloc(k)).collect())
    }
}

/// A git repository on disk.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct GitRepo {
    pub(crate) path: std::path::PathBuf,
}
starlark_simple_value!(GitRepo);
impl fmt::Display for GitRepo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[git.Repo] '{}'", self.path.display())
    }
}
#[starlark_value(type = "git.Repo")]
impl<'v> StarlarkValue<'v> for GitRepo {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        (attribute == "paths").then(|| heap.alloc(RepoPaths { path: self.path.clone() }))
    }
    fn dir_attr(&self) -> Vec<String> {
        vec!["paths".to_owned()]
    }
}

/// `repo.paths`: a function that makes a path in the repository.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct RepoPaths {
    path: std::path::PathBuf,
}
starlark_simple_value!(RepoPaths);
impl fmt::Display for RepoPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<built-in function paths>")
    }
}
#[starlark_value(type = "builtin_function_or_method")]
impl<'v> StarlarkValue<'v> for RepoPaths {
    fn name_for_call_stack(&self, _me: Value<'v>) -> String {
        "paths".to_owned()
    }
    fn invoke(
        &self,
        _me: Value<'v>,
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let path = args.positional1(eval.heap())?;
        let path = path.unpack_str().unwrap_or_default();
        Ok(eval.heap().alloc(crate::call::absolute(&self.path, path).to_string_lossy().into_owned()))
    }
}

/// An identity of a Kubernetes object, for `workload_to_resource_function`.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct K8sObjectId {
    pub(crate) name: String,
    /// As the object spells it.
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) group: String,
}
starlark_simple_value!(K8sObjectId);
impl fmt::Display for K8sObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}:{}:{}:{}", self.name, self.kind, self.namespace, self.group);
        f.write_str(&text.to_lowercase())
    }
}
#[starlark_value(type = "K8sObjectID")]
impl<'v> StarlarkValue<'v> for K8sObjectId {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        let value = match attribute {
            "name" => &self.name,
            "kind" => &self.kind,
            "namespace" => &self.namespace,
            "group" => &self.group,
            _ => return None,
        };
        Some(heap.alloc(value.as_str()))
    }
    fn dir_attr(&self) -> Vec<String> {
        ["group", "kind", "name", "namespace"].map(str::to_owned).to_vec()
    }
}

/// Puts the named builtin into a scope.
pub(crate) fn set_builtin(builder: &mut GlobalsBuilder, name: &str, full_name: &str) {
    let index =
        builtins::index_of(full_name).expect("the table of builtins has every name that is put in scope");
    builder.set(name, Builtin { index });
}

/// JSON as a Starlark value.
pub(crate) fn from_json<'v>(heap: Heap<'v>, json: &serde_json::Value) -> Value<'v> {
    use serde_json::Value as Json;
    match json {
        Json::Null => heap.alloc(NoneType),
        Json::Bool(b) => heap.alloc(*b),
        Json::Number(n) => match n.as_i64() {
            Some(i) => heap.alloc(i),
            None => heap.alloc(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => heap.alloc(s.as_str()),
        Json::Array(items) => heap.alloc(AllocList(items.iter().map(|i| from_json(heap, i)))),
        Json::Object(map) => {
            heap.alloc(AllocDict(map.iter().map(|(k, v)| (heap.alloc(k.as_str()), from_json(heap, v)))))
        }
    }
}

/// A value as `repr()` writes it.
pub(crate) fn go_repr_of(v: Value<'_>) -> String {
    let text = v.to_repr();
    match v.get_type() {
        "string" | "list" | "tuple" | "dict" | "set" | "struct" => with_printable(&text).into_owned(),
        // a blob is its text
        _ => text,
    }
}

/// A value as `str()` and `print()` write it: a string is itself.
pub(crate) fn go_text_of(v: Value<'_>) -> String {
    v.unpack_str().map_or_else(|| go_repr_of(v), str::to_owned)
}

/// JSON as Starlark writes it.
pub(crate) fn starlark_text(json: &serde_json::Value) -> String {
    starlark::environment::Module::with_temp_heap(|module| go_repr_of(from_json(module.heap(), json)))
}

/// A Starlark value as JSON; the error is the text that Tilt gives.
pub(crate) fn to_json(v: Value<'_>) -> Result<serde_json::Value, String> {
    to_json_within(v, MAX_DATA_DEPTH, &Cell::new(MAX_DATA_BYTES))
}

/// Lists may hold themselves; no text is that deep.
const MAX_DATA_DEPTH: usize = 500;
/// A list may hold another many times, which may hold another many times. About what all take here.
const MAX_DATA_BYTES: usize = 256 << 20;

fn to_json_within(v: Value<'_>, depth: usize, left: &Cell<usize>) -> Result<serde_json::Value, String> {
    use serde_json::Value as Json;
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("this is nested more than {MAX_DATA_DEPTH} deep; does it hold itself?"));
    };
    let own = size_of::<Json>() + v.unpack_str().map_or(0, str::len);
    let Some(rest) = left.get().checked_sub(own) else {
        return Err(format!("this takes more than {} MiB", MAX_DATA_BYTES >> 20));
    };
    left.set(rest);
    let to_json = |v| to_json_within(v, depth, left);
    if v.is_none() {
        return Ok(Json::Null);
    }
    if let Some(b) = v.unpack_bool() {
        return Ok(Json::Bool(b));
    }
    if let Some(s) = v.unpack_str() {
        return Ok(Json::String(s.to_owned()));
    }
    match v.get_type() {
        "int" | "float" => {
            let text = v.to_repr();
            return serde_json::from_str(&text).map_err(|_| format!("cannot represent {text} as a number"));
        }
        _ => {}
    }
    if let Some(items) = sequence(v) {
        return Ok(Json::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?));
    }
    if let Some(dict) = DictRef::from_value(v) {
        let mut map = serde_json::Map::new();
        for (key, value) in dict.iter() {
            let Some(key) = key.unpack_str() else {
                return Err(format!(
                    "only string keys are supported in maps. found key '{}' of type {}",
                    key.to_str(),
                    match key.get_type() {
                        "int" => "int64",
                        "float" => "float64",
                        "NoneType" => "<nil>",
                        other => other,
                    }
                ));
            };
            map.insert(key.to_owned(), to_json(value)?);
        }
        return Ok(Json::Object(map));
    }
    if let Some(fields) = record::struct_fields(v) {
        let mut map = serde_json::Map::new();
        for (key, value) in fields {
            map.insert(key.to_owned(), to_json(value)?);
        }
        return Ok(Json::Object(map));
    }
    Err(format!("unable to convert from starlark value, unsupported type {}", go_type(v)))
}

/// The items of a list or tuple.
pub(crate) fn sequence(v: Value<'_>) -> Option<Vec<Value<'_>>> {
    if let Some(list) = ListRef::from_value(v) {
        return Some(list.content().to_vec());
    }
    TupleRef::from_value(v).map(|tuple| tuple.content().to_vec())
}

/// The items of a list, tuple or set.
pub(crate) fn iterable<'v>(v: Value<'v>, heap: Heap<'v>) -> Option<Vec<Value<'v>>> {
    sequence(v).or_else(|| (v.get_type() == "set").then(|| v.iterate(heap).ok().map(Iterator::collect))?)
}

/// The items of what starlark-go calls a sequence: of a dict the keys; a string is none.
pub(crate) fn go_sequence<'v>(v: Value<'v>, heap: Heap<'v>) -> Option<Vec<Value<'v>>> {
    sequence(v).or_else(|| {
        let iterates = matches!(v.get_type(), "set" | "dict" | "range");
        iterates.then(|| v.iterate(heap).ok().map(Iterator::collect))?
    })
}

/// The text of a string or blob.
pub(crate) fn text_of(v: Value<'_>) -> Option<&str> {
    v.unpack_str().or_else(|| v.downcast_ref::<Blob>().map(|b| &*b.text))
}
