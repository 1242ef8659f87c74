//! What is said about a write that webhooks are asked about: its questions, which stop it, and their answers.

use super::hooks::Hook;
use super::{Attributes, Operation, Origin, Pass, hooks};
use crate::transaction::Transaction;
use crate::{ApiError, Kind, Result};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// What has been said about a write so far.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) seed: u64,
    pub(crate) now: jiff::Timestamp,
    pub(super) pending: Option<Pending>,
    pub(super) conversions: Vec<Conversion>,
    pub(super) mutations: [Option<Mutation>; 2],
    pub(super) accepted: Option<Accepted>,
    pub(super) warnings: Vec<String>,
    pub(super) reinvocation: Reinvocation,
}

impl Default for Talk {
    fn default() -> Self {
        Self {
            seed: rand::random(),
            now: jiff::Timestamp::now(),
            pending: None,
            conversions: Vec::new(),
            mutations: [None, None],
            accepted: None,
            warnings: Vec::new(),
            reinvocation: Reinvocation::default(),
        }
    }
}

/// What a write waits for.
#[derive(Debug)]
pub(super) enum Pending {
    Question(Box<Question>),
    Conversion { definition: Value, object: Value, api_version: String },
}

/// An object in another version, as a webhook has it.
#[derive(Debug)]
pub(super) struct Conversion {
    pub(super) from: Value,
    pub(super) to: Value,
}

impl Talk {
    /// The object in another version, if the webhook has been asked.
    pub(crate) fn converted(
        &mut self,
        definition: &Value,
        object: &Value,
        api_version: &str,
    ) -> Result<Value> {
        let is_it = |known: &&Conversion| known.to["apiVersion"] == api_version && known.from == *object;
        if let Some(known) = self.conversions.iter().find(is_it) {
            return Ok(known.to.clone());
        }
        self.pending = Some(Pending::Conversion {
            definition: definition.clone(),
            object: object.clone(),
            api_version: api_version.to_string(),
        });
        Err(pending())
    }
}

/// What became of an object that webhooks might change.
#[derive(Debug)]
pub(super) struct Mutation {
    pub(super) old: Option<Value>,
    pub(super) given: Option<Value>,
    pub(super) changed: Option<Value>,
}

/// What validating webhooks have nothing against.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) old: Option<Value>,
    pub(super) object: Option<Value>,
}

/// Who has been asked and wants to be asked again when others change the object.
#[derive(Debug, Default)]
pub(super) struct Reinvocation {
    pub(super) asked: HashSet<String>,
    pub(super) again: HashSet<String>,
    pub(super) last: Option<Value>,
}

impl Reinvocation {
    pub(super) fn require(&mut self) {
        self.again.extend(self.asked.drain());
    }
}

/// A write that waits for webhooks; see [`Attributes`].
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) operation: Operation,
    pub(super) kind: Kind,
    pub(super) subresource: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) old: Option<Value>,
    pub(super) dry_run: bool,
    pub(super) origin: Origin,
    pub(super) object: Option<Value>,
    /// `None`: nothing is changed any more.
    pub(super) pass: Option<Pass>,
}

impl Question {
    fn new(attributes: &Attributes<'_>, object: Option<&Value>, pass: Option<Pass>) -> Self {
        Self {
            operation: attributes.operation,
            kind: attributes.kind.clone(),
            subresource: attributes.subresource.into(),
            namespace: attributes.namespace.into(),
            name: attributes.name.into(),
            old: attributes.old.cloned(),
            dry_run: attributes.dry_run,
            origin: attributes.origin.clone(),
            object: object.cloned(),
            pass,
        }
    }

    pub(super) fn attributes(&self) -> Attributes<'_> {
        Attributes {
            operation: self.operation,
            kind: &self.kind,
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
            old: self.old.as_ref(),
            dry_run: self.dry_run,
            origin: &self.origin,
        }
    }
}

/// Nobody sees this: it stops a write whose question is pending.
fn pending() -> ApiError {
    ApiError::internal("webhooks have to be asked, and nobody asks them")
}

/// What webhooks make of the object, if they change it.
pub(super) fn mutate(
    tx: &Transaction<'_>,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
    pass: Pass,
) -> Result<Option<Value>> {
    let Some(talk) = attributes.origin.talk() else { return Ok(None) };
    let hooks = tx.api.hooks();
    if hooks.mutating.is_empty() || hooks::is_exempt(attributes) {
        return Ok(None);
    }
    let mut talk = talk.lock();
    if let Some(known) = &talk.mutations[usize::from(pass == Pass::Again)]
        && known.old.as_ref() == attributes.old
        && known.given.as_ref() == object
    {
        return Ok(known.changed.clone());
    }
    if !concerns_any(tx, &hooks.mutating, attributes, object)? {
        return Ok(None);
    }
    talk.pending = Some(Pending::Question(Box::new(Question::new(attributes, object, Some(pass)))));
    Err(pending())
}

/// Whether webhooks let the object be stored.
pub(super) fn validate(
    tx: &Transaction<'_>,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
) -> Result<()> {
    let Some(talk) = attributes.origin.talk() else { return Ok(()) };
    let hooks = tx.api.hooks();
    if hooks.validating.is_empty() || hooks::is_exempt(attributes) {
        return Ok(());
    }
    let mut talk = talk.lock();
    let accepted = talk.accepted.as_ref();
    if accepted.is_some_and(|known| known.old.as_ref() == attributes.old && known.object.as_ref() == object) {
        return Ok(());
    }
    if !concerns_any(tx, &hooks.validating, attributes, object)? {
        return Ok(());
    }
    talk.pending = Some(Pending::Question(Box::new(Question::new(attributes, object, None))));
    Err(pending())
}

fn concerns_any(
    tx: &Transaction<'_>,
    hooks: &[Arc<Hook>],
    attributes: &Attributes<'_>,
    object: Option<&Value>,
) -> Result<bool> {
    let view = tx.view();
    for hook in hooks {
        if hook.invocation(tx.api, &view, attributes, object)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
