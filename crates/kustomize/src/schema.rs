//! How the fields of Kubernetes v1.21 merge, which is the version that kustomize goes by.

use std::collections::HashMap;
use std::sync::OnceLock;

const TABLE: &str = include_str!("../data/schema.txt");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule<'a> {
    /// A map, or a list that is replaced whole.
    Plain(Option<u32>),
    /// A map that is replaced whole.
    Replace,
    /// A list of maps merged by these keys.
    Keyed(Option<u32>, &'a [&'static str]),
    /// A list of scalars merged as a set.
    Set,
}

/// The built-in types. Parsed once, when the first strategic merge needs it.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    kinds: HashMap<(&'static str, &'static str), u32>,
    types: HashMap<u32, HashMap<&'static str, Field>>,
}

#[derive(Debug)]
struct Field {
    how: How,
    ty: Option<u32>,
    keys: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Plain,
    Replace,
    Keyed,
    Set,
}

impl Schema {
    pub(crate) fn builtin() -> &'static Schema {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(Schema::parse)
    }

    fn parse() -> Schema {
        let mut schema = Schema::default();
        let mut current = 0;
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&'static str> = line.split(' ').collect();
            let ty = |at: usize| words.get(at).and_then(|word: &&str| word.parse().ok());
            match words.as_slice() {
                ["kind", api_version, kind, _] => {
                    schema.kinds.insert((api_version, kind), ty(3).unwrap_or_default());
                }
                ["type", _] => current = ty(1).unwrap_or_default(),
                [name, how, ..] => {
                    let how = match *how {
                        "replace" => How::Replace,
                        "keyed" => How::Keyed,
                        "set" => How::Set,
                        _ => How::Plain,
                    };
                    let keys = words.get(3).map(|keys| keys.split(',').collect()).unwrap_or_default();
                    schema.types.entry(current).or_default().insert(name, Field { how, ty: ty(2), keys });
                }
                _ => {}
            }
        }
        schema
    }

    pub(crate) fn object(&self, api_version: &str, kind: &str) -> Option<u32> {
        self.kinds.get(&(api_version, kind)).copied()
    }

    pub(crate) fn field(&self, ty: Option<u32>, name: &str) -> Rule<'_> {
        match ty.and_then(|ty| self.types.get(&ty)).and_then(|fields| fields.get(name)) {
            None => Rule::Plain(None),
            Some(field) => match field.how {
                How::Plain => Rule::Plain(field.ty),
                How::Replace => Rule::Replace,
                How::Keyed => Rule::Keyed(field.ty, &field.keys),
                How::Set => Rule::Set,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Rule, Schema};

    #[test]
    fn the_way_to_a_port() {
        let schema = Schema::builtin();
        let mut ty = schema.object("apps/v1", "Deployment");
        for step in ["spec", "template", "spec"] {
            let Rule::Plain(next) = schema.field(ty, step) else { panic!("{step}") };
            ty = next;
        }
        let Rule::Keyed(container, ["name"]) = schema.field(ty, "containers") else { panic!("containers") };
        let Rule::Keyed(_, ["containerPort", "protocol"]) = schema.field(container, "ports") else {
            panic!("ports")
        };
        assert_eq!(schema.object("apps/v1beta1", "Deployment"), None);
    }
}
