//! Where a write comes from: who asks for it, and in which words.

use super::Talk;
use crate::Warnings;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The caller as admission is told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserInfo {
    pub username: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// As an `authentication.k8s.io/v1` UserInfo: what is empty is left out.
    pub fn to_value(&self) -> Value {
        let mut info = Map::new();
        if !self.username.is_empty() {
            info.insert("username".into(), self.username.clone().into());
        }
        if !self.uid.is_empty() {
            info.insert("uid".into(), self.uid.clone().into());
        }
        if !self.groups.is_empty() {
            info.insert("groups".into(), self.groups.clone().into());
        }
        if !self.extra.is_empty() {
            info.insert("extra".into(), json!(self.extra));
        }
        info.into()
    }
}

/// What admission knows of a request besides its object.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `None`: the server itself.
    user: Option<Arc<UserInfo>>,
    /// The version of the request, such as `autoscaling/v1`; empty: the stored one.
    pub api_version: String,
    /// The fields of its CreateOptions (UpdateOptions, DeleteOptions) that it has given.
    pub options: Map<String, Value>,
    /// Where warnings for the caller go.
    pub warnings: Warnings,
    /// What webhooks have said; `None`: they are not asked.
    talk: Option<Arc<Mutex<Talk>>>,
}

impl Origin {
    pub fn of(user: Arc<UserInfo>) -> Self {
        Self { user: Some(user), ..Self::default() }
    }

    pub(crate) fn with_talk(&self, talk: Arc<Mutex<Talk>>) -> Self {
        Self { talk: Some(talk), ..self.clone() }
    }

    pub(crate) fn talk(&self) -> Option<&Mutex<Talk>> {
        self.talk.as_deref()
    }

    pub fn user(&self) -> UserInfo {
        match &self.user {
            Some(user) => (**user).clone(),
            None => UserInfo {
                username: "system:apiserver".into(),
                groups: vec!["system:authenticated".into(), "system:masters".into()],
                ..UserInfo::default()
            },
        }
    }
}
