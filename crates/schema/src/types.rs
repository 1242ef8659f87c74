//! The table of types, read on first use.
//!
//! `data/types.txt` says in its head how it is written. Names are short here (`core.v1.Pod`); [`Type::definition`] is the
//! name that OpenAPI documents use.

use patch::TypeId;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::OnceLock;

const TABLE: &str = include_str!("../data/types.txt");

#[derive(Debug, Clone)]
pub struct Type {
    /// `core.v1.Pod`.
    pub name: &'static str,
    /// Set for types that are API objects.
    pub gvk: Option<Gvk>,
    /// Server-side apply takes or leaves such an object whole.
    pub atomic: bool,
    /// In the order of names, without `apiVersion` and `kind`.
    pub fields: Fields,
}

/// A type's fields, read on first use: a command that prints something looks at few of the types.
#[derive(Debug, Clone)]
pub struct Fields {
    lines: &'static str,
    read: OnceLock<Vec<Field>>,
}

impl Deref for Fields {
    type Target = [Field];

    fn deref(&self) -> &[Field] {
        self.read.get_or_init(|| {
            let names = &types().by_name;
            self.lines
                .lines()
                .filter_map(|line| line.strip_prefix(' '))
                .map(|line| read_field(line, names))
                .collect()
        })
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gvk {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    /// Protobuf tags on the way to the field: two where Go embeds a struct; empty if protobuf does not know it.
    pub tags: Vec<u32>,
    /// In protobuf a message with one field wraps the list.
    pub wrapped: bool,
    pub ty: FieldType,
    pub required: bool,
    pub merge: Merge,
}

/// How a field merges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merge {
    /// `patchMergeKey`, for strategic merge.
    pub key: Option<&'static str>,
    /// A list of scalars that strategic merge joins.
    pub strategic_set: bool,
    /// `x-kubernetes-list-map-keys`, for server-side apply.
    pub apply_keys: Vec<&'static str>,
    /// `x-kubernetes-list-type: set`.
    pub apply_set: bool,
    /// `x-kubernetes-map-type: atomic`.
    pub atomic: bool,
    /// `x-kubernetes-map-type: granular`: by its fields, although the type is atomic.
    pub granular: bool,
    pub retain_keys: bool,
    /// `patchStrategy: replace`.
    pub replace: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType {
    String,
    Bool,
    Int32,
    Int64,
    Float,
    /// Base64 in JSON.
    Bytes,
    Quantity,
    IntOrString,
    Time,
    MicroTime,
    /// An object that is embedded whole (`RawExtension`).
    Raw,
    /// Any JSON.
    Json,
    FieldsV1,
    SchemaOrBool,
    SchemaOrArray,
    SchemaOrStrings,
    /// An object without fields.
    AnyObject,
    Object(TypeId),
    List(Box<FieldType>),
    Map(Box<FieldType>),
}

impl FieldType {
    /// The object type inside of lists and maps.
    pub fn inner(&self) -> Option<TypeId> {
        match self {
            Self::Object(id) => Some(*id),
            Self::List(item) | Self::Map(item) => item.inner(),
            _ => None,
        }
    }
}

impl Type {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.binary_search_by(|field| field.name.cmp(name)).ok().map(|index| &self.fields[index])
    }

    /// `io.k8s.api.core.v1.Pod`.
    pub fn definition(&self) -> String {
        match self.name.split('.').next().unwrap_or_default() {
            "meta" => format!("io.k8s.apimachinery.pkg.apis.{}", self.name),
            "apiextensions" => format!("io.k8s.apiextensions-apiserver.pkg.apis.{}", self.name),
            "apiregistration" => format!("io.k8s.kube-aggregator.pkg.apis.{}", self.name),
            _ => format!("io.k8s.api.{}", self.name),
        }
    }
}

#[derive(Debug)]
pub struct Types {
    all: Vec<Type>,
    by_name: HashMap<&'static str, TypeId>,
    /// `apiVersion`, then `kind`.
    by_gvk: HashMap<String, HashMap<&'static str, TypeId>>,
}

/// The built-in types.
pub fn types() -> &'static Types {
    static TYPES: OnceLock<Types> = OnceLock::new();
    TYPES.get_or_init(|| Types::read(TABLE))
}

impl Types {
    pub fn get(&self, id: TypeId) -> &Type {
        &self.all[id.0 as usize]
    }

    pub fn find(&self, id: TypeId) -> Option<&Type> {
        self.all.get(id.0 as usize)
    }

    pub fn by_name(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// By `apiVersion` and `kind`. The options of requests (`DeleteOptions`) are in every version.
    pub fn by_gvk(&self, api_version: &str, kind: &str) -> Option<TypeId> {
        let found = self.by_gvk.get(api_version).and_then(|kinds| kinds.get(kind)).copied();
        found.or_else(|| {
            let is_options = kind.ends_with("Options") || kind == "Status";
            is_options.then(|| self.by_name(&format!("meta.v1.{kind}"))).flatten()
        })
    }

    pub fn all(&self) -> &[Type] {
        &self.all
    }

    fn read(text: &'static str) -> Self {
        let mut all: Vec<Type> = Vec::new();
        let mut at = 0;
        let mut lines = text.split_inclusive('\n').peekable();
        while let Some(line) = lines.next() {
            at += line.len();
            if line.starts_with('#') {
                continue;
            }
            let begin = at;
            while let Some(field) = lines.next_if(|line| line.starts_with(' ')) {
                at += field.len();
            }
            all.push(read_type(line.trim_end(), &text[begin..at]));
        }
        let by_name = all.iter().map(|ty| ty.name).zip((0..).map(TypeId)).collect();
        let mut by_gvk: HashMap<String, HashMap<&'static str, TypeId>> = HashMap::new();
        for (ty, index) in all.iter().zip(0..) {
            let Some(gvk) = ty.gvk else { continue };
            let version = if gvk.group.is_empty() {
                gvk.version.into()
            } else {
                format!("{}/{}", gvk.group, gvk.version)
            };
            by_gvk.entry(version).or_default().insert(gvk.kind, TypeId(index));
        }
        Self { all, by_name, by_gvk }
    }
}

fn read_type(line: &'static str, fields: &'static str) -> Type {
    let mut words = line.split(' ');
    let name = words.next().expect("a line has a word");
    let fields = Fields { lines: fields, read: OnceLock::new() };
    let mut ty = Type { name, gvk: None, atomic: false, fields };
    for word in words {
        match word.strip_prefix('=') {
            Some(gvk) => {
                let mut parts = gvk.split('/');
                let mut part = || parts.next().expect("a kind is written as group/version/kind");
                ty.gvk = Some(Gvk { group: part(), version: part(), kind: part() });
            }
            None => ty.atomic |= word == "atomic",
        }
    }
    ty
}

fn read_field(line: &'static str, names: &HashMap<&'static str, TypeId>) -> Field {
    let mut words = line.split(' ');
    let mut word = || words.next().expect("a field has a name, tags and a type");
    let (name, tags, ty) = (word(), word(), word());
    let path = tags.trim_end_matches('w');
    let tags_of = |path: &str| path.split('/').map(|tag| tag.parse().expect("a tag is a number")).collect();
    let mut field = Field {
        name,
        tags: if path == "0" { Vec::new() } else { tags_of(path) },
        wrapped: path.len() != tags.len(),
        ty: read_field_type(ty, names),
        required: false,
        merge: Merge::default(),
    };
    for mark in words {
        let merge = &mut field.merge;
        match mark.split_once('=') {
            Some(("merge", keys)) => {
                merge.key = keys.split(',').next();
                merge.apply_keys = keys.split(',').collect();
            }
            Some((_, keys)) => merge.apply_keys = keys.split(',').collect(),
            None => match mark {
                "!" => field.required = true,
                "set" => (merge.strategic_set, merge.apply_set) = (true, true),
                "merges" => merge.strategic_set = true,
                "applyset" => merge.apply_set = true,
                "applyatomic" => merge.apply_keys.clear(),
                "atomic" => merge.atomic = true,
                "granular" => merge.granular = true,
                "retain" => merge.retain_keys = true,
                "replace" => merge.replace = true,
                other => unreachable!("the table has no mark {other}"),
            },
        }
    }
    field
}

fn read_field_type(text: &str, names: &HashMap<&'static str, TypeId>) -> FieldType {
    if let Some(item) = text.strip_prefix('[') {
        return FieldType::List(Box::new(read_field_type(item, names)));
    }
    if let Some(value) = text.strip_prefix('{') {
        return FieldType::Map(Box::new(read_field_type(value, names)));
    }
    match text {
        "s" => FieldType::String,
        "b" => FieldType::Bool,
        "i32" => FieldType::Int32,
        "i64" => FieldType::Int64,
        "f64" => FieldType::Float,
        "bytes" => FieldType::Bytes,
        "q" => FieldType::Quantity,
        "intstr" => FieldType::IntOrString,
        "time" => FieldType::Time,
        "microtime" => FieldType::MicroTime,
        "raw" => FieldType::Raw,
        "json" => FieldType::Json,
        "fields" => FieldType::FieldsV1,
        "schemaorbool" => FieldType::SchemaOrBool,
        "schemaorarray" => FieldType::SchemaOrArray,
        "schemaorstrings" => FieldType::SchemaOrStrings,
        "object" => FieldType::AnyObject,
        name => FieldType::Object(
            *names.get(name).expect("the table is closed: every type that is named is there"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads() {
        let types = types();
        assert!(types.all().len() > 500);
        let pod = types.get(types.by_gvk("v1", "Pod").expect("pods are built in"));
        assert_eq!(pod.definition(), "io.k8s.api.core.v1.Pod");
        let fields: Vec<_> = pod.fields.iter().map(|field| field.name).collect();
        assert_eq!(fields, ["metadata", "spec", "status"]);
        let volume = types.get(types.by_name("core.v1.Volume").expect("volumes are built in"));
        assert_eq!(volume.field("configMap").map(|field| field.tags.clone()), Some(vec![2, 19]));
        let ports =
            types.get(types.by_name("core.v1.Container").expect("there")).field("ports").expect("there");
        assert_eq!(ports.merge.key, Some("containerPort"));
        assert_eq!(ports.merge.apply_keys, ["containerPort", "protocol"]);
        assert!(types.by_gvk("apps/v1", "DeleteOptions").is_some());
    }

    #[test]
    fn fields_are_sorted() {
        for ty in types().all() {
            assert!(ty.fields.is_sorted_by(|a, b| a.name < b.name), "{}", ty.name);
        }
    }
}
