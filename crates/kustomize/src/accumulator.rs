//! What has been accumulated on the way up: resources, the rules to transform them by, and vars.

use std::sync::Arc;

use crate::config::Config;
use crate::error::Result;
use crate::resmap::ResMap;
use crate::vars::{Var, Vars};

#[derive(Debug)]
pub(crate) struct Accumulator {
    pub(crate) resources: ResMap,
    pub(crate) config: Arc<Config>,
    pub(crate) vars: Vars,
}

impl Default for Accumulator {
    fn default() -> Accumulator {
        Accumulator { resources: ResMap::default(), config: Config::empty(), vars: Vars::default() }
    }
}

impl Accumulator {
    /// Takes over what a base came to.
    pub(crate) fn merge(&mut self, other: Accumulator) -> Result<()> {
        self.resources.append_all(other.resources)?;
        self.add_config(&other.config)?;
        self.vars.merge(other.vars)
    }

    pub(crate) fn add_config(&mut self, config: &Arc<Config>) -> Result<()> {
        Ok(Config::merge(&mut self.config, config)?)
    }

    /// Notes the vars of a kustomization, once its transformers have run.
    pub(crate) fn record_vars(&mut self, vars: &[Var]) -> Result<()> {
        self.vars.record(vars, &mut self.resources)
    }
}
