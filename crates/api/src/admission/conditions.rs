//! `matchConditions`: expressions in CEL that a write must fulfil to concern a webhook.

use super::matching::Concern;
use super::{Attributes, review};
use crate::{ApiError, Result};
use expression::value::from_json;
use expression::{Budget, Failure, Host, Program, Scope, Value as Cel};
use serde_json::Value;

/// What the conditions of one webhook may cost, as upstream has it.
const COST: u64 = 2_500_000;

pub(crate) struct Conditions {
    all: Vec<Condition>,
    /// What becomes of a write over which a condition fails: refused, or no concern of the webhook.
    refuses: bool,
}

struct Condition {
    text: String,
    /// Why it is none.
    program: std::result::Result<Program, String>,
}

/// What a condition can name.
struct Names {
    object: Cel,
    old: Cel,
    request: Cel,
}

impl Host for Names {
    fn variable(&self, name: &str) -> Option<std::result::Result<Cel, Failure>> {
        match name {
            "object" => Some(Ok(self.object.clone())),
            "oldObject" => Some(Ok(self.old.clone())),
            "request" => Some(Ok(self.request.clone())),
            _ => None,
        }
    }
}

impl Conditions {
    pub(crate) fn read(list: &Value, refuses: bool) -> Self {
        let texts = list.as_array().into_iter().flatten().filter_map(|known| known["expression"].as_str());
        let compile = |text: &str| Condition {
            text: text.to_string(),
            program: Program::compile(text).map_err(|problem| problem.to_string()),
        };
        Self { all: texts.map(compile).collect(), refuses }
    }

    pub(crate) fn hold(
        &self,
        attributes: &Attributes<'_>,
        invocation: &Concern,
        object: Option<&Value>,
    ) -> Result<bool> {
        if self.all.is_empty() {
            return Ok(true);
        }
        let names = Names {
            object: from_json(&review::shown(attributes, invocation, object)),
            old: from_json(&review::shown(attributes, invocation, attributes.old)),
            request: from_json(&review::request(attributes, invocation)),
        };
        let budget = Budget::new(COST);
        let mut failures = Vec::new();
        for condition in &self.all {
            match condition.holds(&names, &budget) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(why) => {
                    failures.push(format!("expression '{}' resulted in error: {why}", condition.text));
                }
            }
        }
        if failures.is_empty() || !self.refuses {
            return Ok(failures.is_empty());
        }
        let why = match failures.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        Err(ApiError::forbidden(&attributes.kind.resource(), attributes.name, &why))
    }
}

impl Condition {
    fn holds(&self, names: &Names, budget: &Budget) -> std::result::Result<bool, String> {
        let program = self.program.as_ref().map_err(Clone::clone)?;
        match program.run(&Scope::Host(names), budget).map_err(|failure| failure.to_string())? {
            Cel::Bool(holds) => Ok(holds),
            other => Err(format!("expected a bool, got {}", other.type_of())),
        }
    }
}
