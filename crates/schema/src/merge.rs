//! How fields of the built-in types merge: for strategic merge by [`patch::Schema`], for server-side apply by [`apply_root`]
//! and [`apply_field`].

use crate::types::{Field, FieldType, types};
use patch::{FieldRule, ListRule, TypeId};

/// The built-in types, for [`patch::strategic_merge`].
#[derive(Debug, Clone, Copy)]
pub struct Builtin;

pub static BUILTIN: Builtin = Builtin;

pub fn builtin() -> &'static Builtin {
    &BUILTIN
}

impl patch::Schema for Builtin {
    fn object(&self, api_version: &str, kind: &str) -> Option<TypeId> {
        types().by_gvk(api_version, kind)
    }

    fn field(&self, ty: TypeId, name: &str) -> FieldRule {
        let Some(field) = types().find(ty).and_then(|ty| ty.field(name)) else {
            return FieldRule::default();
        };
        let list = match field.merge.key {
            Some(key) => ListRule::Map(key.to_string()),
            None if field.merge.strategic_set => ListRule::Set,
            None => ListRule::Replace,
        };
        FieldRule { ty: field.ty.inner(), list, retain_keys: field.merge.retain_keys }
    }
}

/// A value's type, as far as server-side apply goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A scalar, or something that is owned whole.
    Atomic,
    /// An object with declared fields.
    Struct(TypeId),
    /// An object whose keys are data.
    Map(Box<Shape>),
    /// A list of scalars without order.
    Set,
    /// A list of objects that are told apart by these fields.
    Keyed(Vec<&'static str>, Box<Shape>),
}

pub fn apply_root(api_version: &str, kind: &str) -> Option<Shape> {
    types().by_gvk(api_version, kind).map(Shape::Struct)
}

/// `None` for a field that the type does not have.
pub fn apply_field(ty: TypeId, name: &str) -> Option<Shape> {
    let ty = types().find(ty)?;
    if ty.gvk.is_some() && matches!(name, "apiVersion" | "kind") {
        return Some(Shape::Atomic);
    }
    ty.field(name).map(shape)
}

fn shape(field: &Field) -> Shape {
    match &field.ty {
        _ if field.merge.atomic => Shape::Atomic,
        FieldType::Object(id) if field.merge.granular => Shape::Struct(*id),
        FieldType::List(item) if !field.merge.apply_keys.is_empty() => {
            Shape::Keyed(field.merge.apply_keys.clone(), Box::new(shape_of(item)))
        }
        FieldType::List(_) if field.merge.apply_set => Shape::Set,
        ty => shape_of(ty),
    }
}

fn shape_of(ty: &FieldType) -> Shape {
    match ty {
        FieldType::Object(id) if !types().get(*id).atomic => Shape::Struct(*id),
        FieldType::Map(value) => Shape::Map(Box::new(shape_of(value))),
        _ => Shape::Atomic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patch::Schema;

    fn rule(path: &str) -> FieldRule {
        let (kind, fields) = path.split_once(' ').expect("kind, then fields");
        let (api_version, kind) = kind.rsplit_once('/').expect("a version");
        let mut ty = builtin().object(api_version, kind).expect("built in");
        let mut rule = FieldRule::default();
        for name in fields.split('.') {
            rule = builtin().field(ty, name);
            ty = rule.ty.unwrap_or(TypeId(u32::MAX));
        }
        rule
    }

    #[test]
    fn strategic_rules() {
        let map = |key: &str| ListRule::Map(key.to_string());
        assert_eq!(rule("apps/v1/Deployment spec.template.spec.containers").list, map("name"));
        assert_eq!(rule("apps/v1/Deployment spec.template.spec.containers.ports").list, map("containerPort"));
        assert_eq!(rule("apps/v1/Deployment spec.template.spec.tolerations").list, ListRule::Replace);
        assert!(rule("apps/v1/Deployment spec.strategy").retain_keys);
        assert!(rule("v1/Pod spec.volumes").retain_keys);
        assert_eq!(rule("v1/Service metadata.finalizers").list, ListRule::Set);
        assert_eq!(rule("v1/Service spec.ports").list, map("port"));
        assert_eq!(rule("networking.k8s.io/v1/Ingress spec.rules").list, ListRule::Replace);
    }

    #[test]
    fn apply_shapes() {
        let at = |name: &str, field: &str| apply_field(types().by_name(name).expect("built in"), field);
        assert!(
            matches!(at("core.v1.Container", "ports"), Some(Shape::Keyed(keys, _)) if keys == ["containerPort", "protocol"])
        );
        assert_eq!(at("core.v1.PodSpec", "nodeSelector"), Some(Shape::Atomic));
        assert_eq!(at("apps.v1.DeploymentSpec", "selector"), Some(Shape::Atomic));
        assert_eq!(at("core.v1.PodStatus", "hostIPs"), Some(Shape::Atomic));
        assert_eq!(at("core.v1.ConfigMap", "data"), Some(Shape::Map(Box::new(Shape::Atomic))));
        assert_eq!(at("core.v1.Pod", "kind"), Some(Shape::Atomic));
        assert_eq!(at("core.v1.Event", "involvedObject"), Some(Shape::Atomic));
        assert!(matches!(at("core.v1.PersistentVolumeSpec", "claimRef"), Some(Shape::Struct(_))));
        assert_eq!(at("core.v1.Pod", "nope"), None);
    }
}
