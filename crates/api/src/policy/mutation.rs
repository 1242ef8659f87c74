//! MutatingAdmissionPolicies: expressions that make an object to be applied, or operations of a JSON patch.

use super::evaluate::{Input, Names, conditions, in_version};
use super::program::{Mutation, Policy};
use super::{Bound, MUTATING, MUTATING_BINDINGS, forbidden, is_exempt, params};
use crate::admission::matching::Concern;
use crate::admission::{Attributes, Pass};
use crate::apply::{self, Shape};
use crate::metadata::text;
use crate::transaction::Transaction;
use crate::{Result, link};
use expression::value::to_json;
use serde_json::{Value, json};
use std::collections::HashSet;

/// A policy, a binding, and the namespace and name of the parameter.
type Key = (String, String, String, String);

/// What has been asked about an object, so that it can be asked again.
#[derive(Default)]
pub(crate) struct Mutated {
    /// What may be asked again, if somebody changes the object after it.
    asked: Vec<Key>,
    /// What is asked again.
    due: HashSet<Key>,
    last: Option<Value>,
}

impl Mutated {
    fn require_all(&mut self) {
        self.due.extend(std::mem::take(&mut self.asked));
    }
}

struct Problem {
    text: String,
    reason: &'static str,
}

/// Whether there is any policy that could change something.
pub(crate) fn mutates(tx: &Transaction<'_>, attributes: &Attributes<'_>) -> bool {
    let policies = &tx.api.inner.policies.mutating;
    !is_exempt(attributes) && policies.in_use(&tx.view(), [MUTATING, MUTATING_BINDINGS]).is_some()
}

/// The object as policies change it, if they do.
pub(crate) fn mutate(
    tx: &Transaction<'_>,
    attributes: &Attributes<'_>,
    object: &Value,
    pass: Pass,
) -> Result<Option<Value>> {
    let policies = &tx.api.inner.policies.mutating;
    let Some(policies) = policies.in_use(&tx.view(), [MUTATING, MUTATING_BINDINGS]) else { return Ok(None) };
    let mut state = tx.mutated.borrow_mut();
    if pass == Pass::First {
        *state = Mutated::default();
    } else if state.last.as_ref().is_some_and(|last| last != object) {
        state.require_all();
    }
    let problems = Vec::new();
    let mut work = Work { tx, attributes, object: object.clone(), pass, state: &mut state, problems };
    for bound in &policies.bound {
        work.ask(bound)?;
    }
    let Work { object: changed, problems, .. } = work;
    if let Some(first) = problems.first() {
        let mut error = forbidden(attributes, Some(object), "");
        error.message.clone_from(&first.text);
        if !first.reason.is_empty() {
            error.reason = first.reason;
        }
        error.details["causes"] = problems.iter().map(|problem| json!({ "message": problem.text })).collect();
        return Err(error);
    }
    state.last = Some(changed.clone());
    Ok((changed != *object).then_some(changed))
}

struct Work<'a> {
    tx: &'a Transaction<'a>,
    attributes: &'a Attributes<'a>,
    object: Value,
    pass: Pass,
    state: &'a mut Mutated,
    problems: Vec<Problem>,
}

impl Work<'_> {
    fn say(&mut self, policy: &Policy, text: String, reason: &'static str) {
        if !policy.ignores_failures {
            self.problems.push(Problem { text, reason });
        }
    }

    fn ask(&mut self, bound: &Bound) -> Result<()> {
        let policy = &*bound.policy;
        let view = self.tx.view();
        let concern = match policy.matcher.concern(&view, self.attributes, Some(&self.object)) {
            Ok(Some(concern)) => concern,
            Ok(None) => return Ok(()),
            Err(error) => {
                let why = format!("failed to configure policy: {}", error.message);
                self.say(policy, format!("policy {:?} denied request: {why}", policy.name), "");
                return Ok(());
            }
        };
        let told = |why: &str| {
            format!("policy '{}' with binding '{}' denied request: {why}", policy.name, bound.name)
        };
        let unbound = |why: &str| told(&format!("failed to configure binding: {why}"));
        match bound.matcher.concern(&view, self.attributes, Some(&self.object)) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(error) => {
                self.say(policy, unbound(&error.message), "");
                return Ok(());
            }
        }
        let api = self.tx.api;
        let namespace = self.attributes.namespace;
        match params::collect(api, &view, &policy.param_kind, &bound.reference, namespace) {
            Err(why) => self.say(policy, unbound(&why), ""),
            Ok(params) => {
                for param in params {
                    let param = param.as_deref();
                    for why in self.invoke(bound, &concern, param)? {
                        self.say(policy, told(&why), "Invalid");
                    }
                }
            }
        }
        Ok(())
    }

    /// Asks once; answers with what is wrong.
    fn invoke(&mut self, bound: &Bound, concern: &Concern, param: Option<&Value>) -> Result<Vec<String>> {
        let policy = &*bound.policy;
        let of = |field: &str| param.map_or("", |param| text(param, field)).to_string();
        let key = (policy.name.clone(), bound.name.clone(), of("namespace"), of("name"));
        let (api, view) = (self.tx.api, self.tx.view());
        {
            let input = Input::new(api, &view, self.attributes, concern, Some(&self.object))?;
            match conditions(&policy.conditions, &Names::of_conditions(&input, param)) {
                Ok(true) => {}
                Ok(false) => return Ok(Vec::new()),
                Err(why) => return Ok(vec![why]),
            }
        }
        if self.pass == Pass::Again && !self.state.due.contains(&key) {
            return Ok(Vec::new());
        }
        let (before, mut problems) = (self.object.clone(), Vec::new());
        for mutation in &policy.mutations {
            // Each sees what those before it have made.
            let input = Input::new(api, &view, self.attributes, concern, Some(&self.object))?;
            let names = Names::new(&input, &policy.variables, param);
            match self.changed(mutation, &names, concern) {
                Ok(changed) => self.object = changed,
                Err(why) => problems.push(why),
            }
        }
        if self.object != before {
            self.state.require_all();
        }
        if policy.is_asked_again {
            self.state.asked.push(key);
        }
        Ok(problems)
    }

    fn changed(
        &self,
        mutation: &Mutation,
        names: &Names<'_>,
        concern: &Concern,
    ) -> std::result::Result<Value, String> {
        let made = names.evaluate(&mutation.program)?;
        let made =
            to_json(&made).ok_or("the expression evaluated to a type that could not marshal to JSON")?;
        let kind = self.attributes.kind;
        let mut object = in_version(self.attributes, &concern.kind, &self.object);
        if mutation.is_json_patch {
            patched(&mut object, &made)?;
        } else {
            object = self.applied(&object, made)?;
        }
        if object["kind"] == kind.kind.as_str() {
            link::to_stored(kind, &mut object);
            object["apiVersion"] = kind.api_version().into();
        }
        Ok(object)
    }

    fn applied(&self, object: &Value, mut config: Value) -> std::result::Result<Value, String> {
        let Some(fields) = config.as_object_mut() else {
            return Err("unsupported return type from ApplyConfiguration expression".into());
        };
        for field in ["kind", "apiVersion"] {
            fields.shift_remove(field);
            fields.shift_insert(0, field.into(), object[field].clone());
        }
        let kind = self.attributes.kind;
        let is_stored =
            object["kind"] == kind.kind.as_str() && object["apiVersion"] == kind.api_version().as_str();
        let shape = if is_stored {
            apply::root(self.tx, kind)
        } else {
            let word = |field: &str| object[field].as_str().unwrap_or_default();
            link::apply_root_of(word("apiVersion"), word("kind"))
        };
        let problems = if is_stored { apply::problems(self.tx, kind, &config) } else { Vec::new() };
        let problems = match problems.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => Some(format!("errors:\n  {}", many.join("\n  "))),
        };
        if let Some(why) = problems {
            return Err(format!(
                "error applying patch: failed to convert patch object to typed object: {why}"
            ));
        }
        let mut atomic = Vec::new();
        whole(&config, &shape, "", &mut atomic);
        if !atomic.is_empty() {
            return Err(format!(
                "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {}",
                atomic.join(", ")
            ));
        }
        Ok(apply::merge(object, &config, &shape))
    }
}

/// Where a configuration would replace a list, map or object as a whole: what it does not say would be lost.
fn whole(config: &Value, shape: &Shape, path: &str, found: &mut Vec<String>) {
    if matches!(shape, Shape::Atomic) && (config.is_object() || config.is_array()) {
        found.push(path.to_string());
        return;
    }
    match config {
        Value::Object(fields) => {
            for (name, value) in fields {
                whole(value, &shape.field(name).0, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) => {
            if let Shape::Keyed(_, below) = shape {
                for (index, item) in items.iter().enumerate() {
                    whole(item, below, &format!("{path}[{index}]"), found);
                }
            }
        }
        _ => {}
    }
}

/// An operation that tests and fails leaves the object as it is.
fn patched(object: &mut Value, operations: &Value) -> std::result::Result<(), String> {
    if !operations.is_array() {
        return Err("type mismatch: JSONPatchType.expression should evaluate to array".into());
    }
    let operations = patch::parse_operations(operations).map_err(|error| format!("JSONPath: {error}"))?;
    match patch::json_patch(object, &operations) {
        Ok(()) | Err(patch::Error::TestFailed { .. }) => Ok(()),
        Err(error) => Err(format!("JSONPath: {error}")),
    }
}

#[cfg(test)]
mod tests;
