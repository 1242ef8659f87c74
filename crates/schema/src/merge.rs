//! How fields of the built-in types merge.

/// The built-in types, for [`patch::strategic_merge`].
#[derive(Debug, Clone, Copy)]
pub struct Builtin;

pub fn builtin() -> &'static Builtin {
    static BUILTIN: Builtin = Builtin;
    &BUILTIN
}

impl patch::Schema for Builtin {
    fn object(&self, _api_version: &str, _kind: &str) -> Option<patch::TypeId> {
        None
    }

    fn field(&self, _ty: patch::TypeId, _name: &str) -> patch::FieldRule {
        patch::FieldRule::default()
    }
}
