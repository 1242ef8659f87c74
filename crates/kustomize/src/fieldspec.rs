//! Field specs: which path of which kinds a transformer touches, and the walk to it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::id::{Gvk, ResId};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: Gvk,
    pub(crate) path: String,
    pub(crate) create: bool,
    segments: FieldPath,
}

/// The segments of a spec's path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct FieldPath(Arc<[Segment]>);

impl FieldPath {
    /// Calls `visit` on every map at the path.
    pub(crate) fn each(&self, object: &mut Value, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
        let visited = walk(object, &self.0, false, Leaf::Never, &mut |value| {
            if let Value::Object(map) = value {
                visit(map);
            }
            Ok(())
        });
        // a scalar on the way: nothing is there
        drop(visited);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Segment {
    name: String,
    /// Written with `[]`: never created.
    list: bool,
}

/// What the last segment of a path becomes where it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    Map,
    Scalar,
    /// Nothing is created, whatever the spec says.
    Never,
}

impl FieldSpec {
    /// The path has `/` between segments; `\/` is a slash within one.
    pub(crate) fn new(gvk: Gvk, path: &str, create: bool) -> FieldSpec {
        let escaped = path.replace("\\/", "\u{0}");
        let segments = escaped
            .trim_start_matches('/')
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| {
                let list = segment.ends_with("[]");
                let name = segment.strip_suffix("[]").unwrap_or(segment).replace('\u{0}', "/");
                Segment { name, list }
            })
            .collect();
        FieldSpec { gvk, path: path.to_string(), create, segments: FieldPath(segments) }
    }

    pub(crate) fn field_path(&self) -> &FieldPath {
        &self.segments
    }

    /// Calls `set` on every value at the path, if the object is one of the spec's kinds.
    pub(crate) fn apply(
        &self,
        object: &mut Value,
        leaf: Leaf,
        set: &mut dyn FnMut(&mut Value) -> Result<()>,
    ) -> Result<()> {
        if !Gvk::of(object).is_selected(&self.gvk) {
            return Ok(());
        }
        self.apply_unchecked(object, leaf, set)
    }

    /// The same when the caller has matched the kind.
    pub(crate) fn apply_unchecked(
        &self,
        object: &mut Value,
        leaf: Leaf,
        set: &mut dyn FnMut(&mut Value) -> Result<()>,
    ) -> Result<()> {
        let create = self.create && leaf != Leaf::Never;
        let walked = if self.segments.0.is_empty() {
            Err(Error::new("a field spec needs a path").worded("cannot set or create an empty field name"))
        } else {
            walk(object, &self.segments.0, create, leaf, set)
        };
        walked.map_err(|e| {
            e.doing(format!("considering field '{}' of object {}", self.path, ResId::of(object)))
        })
    }
}

/// Field specs by the kind that they are for, so that each object meets only its own.
pub(crate) struct ByKind<'a> {
    kinds: HashMap<&'a str, Vec<&'a FieldSpec>>,
}

impl<'a> ByKind<'a> {
    pub(crate) fn new(fields: &'a [FieldSpec]) -> ByKind<'a> {
        let mut kinds: HashMap<&str, Vec<&FieldSpec>> = HashMap::new();
        for field in fields {
            kinds.entry(&field.gvk.kind).or_default().push(field);
        }
        ByKind { kinds }
    }

    pub(crate) fn of(&self, kind: &str) -> impl Iterator<Item = &'a FieldSpec> + '_ {
        let own = if kind.is_empty() { None } else { self.kinds.get(kind) };
        self.kinds.get("").into_iter().chain(own).flatten().copied()
    }
}

fn walk(
    value: &mut Value,
    path: &[Segment],
    create: bool,
    leaf: Leaf,
    set: &mut dyn FnMut(&mut Value) -> Result<()>,
) -> Result<()> {
    let Some((first, rest)) = path.split_first() else { return set(value) };
    match value {
        Value::Null => Ok(()),
        Value::Array(items) => {
            let rest = || path.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join(" ");
            items.iter_mut().try_for_each(|item| {
                walk(item, path, create, leaf, set)
                    .map_err(|e| e.prefixed(&format!("visit traversal on path: [{}]", rest())))
            })
        }
        Value::Object(map) => {
            if create && !first.list && map.get(&first.name).is_none_or(Value::is_null) {
                let new = if rest.is_empty() && leaf == Leaf::Scalar {
                    Value::String(String::new())
                } else {
                    Value::Object(Map::new())
                };
                map.insert(first.name.clone(), new);
            }
            match map.get_mut(&first.name) {
                Some(next) => walk(next, rest, create, leaf, set),
                None => Ok(()),
            }
        }
        _ => Err(Error::new(format!("'{}' lies below a value that is no map and no list", first.name))
            .worded("expected sequence or mapping node")),
    }
}
