//! `matchConditions`: expressions in CEL that a write must fulfil to concern a webhook. They see what those of a policy
//! see, and are evaluated as these are.

use super::Attributes;
use super::matching::Concern;
use crate::{Api, ApiError, Result, policy};
use expression::Program;
use serde_json::Value;
use store::View;

pub(crate) struct Conditions {
    /// Those that do not compile are refused when they are written.
    all: Vec<Program>,
    /// What becomes of a write over which a condition fails: refused, or no concern of the webhook.
    refuses: bool,
}

impl Conditions {
    pub(crate) fn read(list: &Value, refuses: bool) -> Self {
        let texts = list.as_array().into_iter().flatten().filter_map(|known| known["expression"].as_str());
        Self { all: texts.filter_map(|text| Program::compile(text).ok()).collect(), refuses }
    }

    pub(crate) fn hold(
        &self,
        api: &Api,
        view: &dyn View,
        attributes: &Attributes<'_>,
        concern: &Concern,
        object: Option<&Value>,
    ) -> Result<bool> {
        if self.all.is_empty() {
            return Ok(true);
        }
        match policy::conditions(api, view, attributes, concern, object, &self.all)? {
            Ok(holds) => Ok(holds),
            Err(_) if !self.refuses => Ok(false),
            Err(why) => Err(ApiError::forbidden(&attributes.kind.resource(), attributes.name, &why)),
        }
    }
}
