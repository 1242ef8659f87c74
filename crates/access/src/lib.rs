//! Who may do what: Kubernetes' role-based access control, as questions to a reading of the store.
//!
//! [`Rules`] is read once from the roles and bindings and answers then without looking at objects; it is read anew when one
//! of them has changed. What is asked is an [`Attributes`]; the verbs and resources are those of upstream's request
//! information. [`bootstrap`] has the roles that every cluster has, [`escalation`] what nobody may grant beyond their own
//! rights. Nothing here knows HTTP.

pub mod bootstrap;
pub mod escalation;
mod rule;
mod rules;

pub use rule::Rule;
pub use rules::{Attributes, Decision, RESOURCES, Rules};

use std::collections::BTreeMap;

/// Members may do everything.
pub const MASTERS: &str = "system:masters";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    pub name: String,
    pub groups: Vec<String>,
    pub uid: String,
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|known| known == group)
    }

    /// The user that a ServiceAccount is.
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".into(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".into(),
            ],
            uid: uid.into(),
            extra: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
