//! `vars`: values of fields, put in the place of `$(NAME)`.
//!
//! A kustomization's vars find their objects when it has run its transformers; their values are taken and put in once,
//! at the top, when names are final. Replacements are the newer way; vars are kept for the projects that have them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::config::{Config, List};
use crate::decode::Fields;
use crate::error::{Error, Result};
use crate::expand;
use crate::fieldpath;
use crate::fieldspec::{ByKind, Leaf};
use crate::id::Gvk;
use crate::resmap::ResMap;
use crate::spec::Place;
use crate::spec::read::{place, read_gvk};

const DEFAULT_FIELD: &str = "metadata.name";

/// An item of `vars`, as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Var {
    name: String,
    api_version: String,
    gvk: Gvk,
    object: String,
    namespace: String,
    field_path: String,
    place: Place,
}

pub(crate) fn read(mut f: Fields<'_>) -> Result<Var> {
    let mut var = Var { name: f.string("name")?, place: place(&f), ..Var::default() };
    let target = f.one("objref", "Target", |mut f| {
        let target = (f.string("apiVersion")?, read_gvk(&mut f)?, f.string("name")?, f.string("namespace")?);
        f.finish()?;
        Ok(target)
    })?;
    (var.api_version, var.gvk, var.object, var.namespace) = target.unwrap_or_default();
    var.field_path = f
        .one("fieldref", "FieldSelector", |mut f| {
            let path = f.string("fieldPath")?;
            f.finish()?;
            Ok(path)
        })?
        .unwrap_or_default();
    f.finish()?;
    Ok(var)
}

impl Var {
    /// `apiVersion` has precedence over `group` and `version`.
    fn target(&self) -> Gvk {
        let mut gvk = self.gvk.clone();
        match self.api_version.split('/').collect::<Vec<_>>().as_slice() {
            [""] => {}
            [version] => gvk.version = (*version).to_string(),
            [group, version] => (gvk.group, gvk.version) = ((*group).to_string(), (*version).to_string()),
            _ => {}
        }
        gvk
    }

    fn field_path(&self) -> &str {
        if self.field_path.is_empty() { DEFAULT_FIELD } else { &self.field_path }
    }

    /// As kustomize prints it.
    fn describe(&self) -> String {
        format!("{{{} {} {{{}}}}}", self.name, self.target(), self.field_path())
    }
}

/// The vars of all kustomizations so far, by name.
#[derive(Debug, Default)]
pub(crate) struct Vars {
    by_name: BTreeMap<String, Var>,
}

impl Vars {
    /// Adds the vars of a kustomization and marks the resources that they take their values from.
    pub(crate) fn record(&mut self, vars: &[Var], resources: &mut ResMap) -> Result<()> {
        if vars.is_empty() {
            return Ok(());
        }
        let doing = || {
            let list: Vec<String> = vars
                .iter()
                .map(|var| format!("{{{} {} {{{}}}}}", var.name, var.gvk, var.field_path))
                .collect();
            format!("merging vars [{}]", list.join(" "))
        };
        let sources = Sources::of(resources);
        for var in vars {
            if let Some(at) = sources.find(var).map_err(|e| e.at_place(&var.place).doing(doing()))? {
                resources.add_var(at, &var.name);
            }
        }
        vars.iter().try_for_each(|var| self.add(var.clone())).map_err(|e| e.doing(doing()))
    }

    fn add(&mut self, var: Var) -> Result<()> {
        if let Some(known) = self.by_name.get(&var.name) {
            let line = known.place.position.map(|at| format!(":{}", at.line)).unwrap_or_default();
            let hint =
                format!("the other one is in {}{line}; give one of them another name", known.place.file);
            return Err(Error::new(format!("var '{}' already encountered", var.name))
                .hint(&hint)
                .at_place(&var.place));
        }
        self.by_name.insert(var.name.clone(), var);
        Ok(())
    }

    pub(crate) fn merge(&mut self, other: Vars) -> Result<()> {
        other.by_name.into_values().try_for_each(|var| self.add(var))
    }

    /// Puts the values in. What is said of vars that are nowhere used is returned.
    pub(crate) fn resolve(&self, resources: &mut ResMap, config: &Config) -> Result<Option<String>> {
        if self.by_name.is_empty() {
            return Ok(None);
        }
        let values = self.values(resources)?;
        let mut used = BTreeSet::new();
        let fields = ByKind::new(config.fields(List::VarReference));
        for resource in resources.resources_mut() {
            for field in fields.of(&resource.gvk().kind) {
                field.apply(&mut resource.object, Leaf::Never, &mut |value| {
                    expand::expand(value, &values, &mut used)
                })?;
            }
        }
        let unused: Vec<&str> =
            values.keys().map(String::as_str).filter(|name| !used.contains(*name)).collect();
        let warning = format!("well-defined vars that were never replaced: {}", unused.join(","));
        Ok((!unused.is_empty()).then_some(warning))
    }

    fn values(&self, resources: &ResMap) -> Result<BTreeMap<String, Value>> {
        let mut sources: HashMap<&str, &Value> = HashMap::new();
        for resource in resources.resources() {
            for name in &resource.vars {
                sources.entry(name).or_insert(&resource.object);
            }
        }
        let value = |var: &Var| {
            let source = sources.get(var.name.as_str()).ok_or_else(|| {
                let message = format!(
                    "var '{}' cannot be mapped to a field in the set of known resources",
                    var.describe()
                );
                Error::new(message)
                    .hint("objref needs the apiVersion (or group and version), kind and name of one resource")
            })?;
            lookup(source, var.field_path()).ok_or_else(|| {
                Error::new(format!(
                    "field specified in var '{}' not found in corresponding resource",
                    var.describe()
                ))
            })
        };
        self.by_name
            .iter()
            .map(|(name, var)| Ok((name.clone(), value(var).map_err(|e| e.at_place(&var.place))?)))
            .collect()
    }
}

/// Where the objects of vars are, by every id that they have or had.
struct Sources {
    by_name: HashMap<(Gvk, String), Vec<(String, usize)>>,
}

impl Sources {
    fn of(resources: &ResMap) -> Sources {
        let mut by_name: HashMap<(Gvk, String), Vec<(String, usize)>> = HashMap::new();
        for (at, resource) in resources.resources().iter().enumerate() {
            for id in resource.previous_ids().chain([resource.id()]) {
                let namespace = id.effective_namespace().to_string();
                by_name.entry((id.gvk, id.name)).or_default().push((namespace, at));
            }
        }
        Sources { by_name }
    }

    /// A var without a namespace finds its object in any.
    fn find(&self, var: &Var) -> Result<Option<usize>> {
        let mut found: Vec<usize> = self
            .by_name
            .get(&(var.target(), var.object.clone()))
            .into_iter()
            .flatten()
            .filter(|(namespace, _)| var.namespace.is_empty() || *namespace == var.namespace)
            .map(|(_, at)| *at)
            .collect();
        found.dedup();
        match found.as_slice() {
            [] => Ok(None),
            [at] => Ok(Some(*at)),
            _ => Err(Error::new(format!(
                "found {} resId matches for var {{{} {} {{{}}}}} (unable to disambiguate)",
                found.len(),
                var.name,
                var.target(),
                var.field_path
            ))
            .hint("say in objref which namespace is meant")),
        }
    }
}

/// The value at a path of dots, `[0]` and `[key=value]`.
fn lookup(object: &Value, path: &str) -> Option<Value> {
    let found = fieldpath::split(path).iter().try_fold(object, |value, segment| {
        let inner = segment.strip_prefix('[').and_then(|s| s.strip_suffix(']')).unwrap_or(segment);
        match value {
            Value::Object(map) => map.get(inner),
            Value::Array(items) => match inner.split_once('=') {
                Some((key, wanted)) => items.iter().find(|item| {
                    let have = if key.is_empty() { Some(*item) } else { item.get(key) };
                    have.is_some_and(|have| expand::text(have) == wanted)
                }),
                None if inner == "-" => items.last(),
                None => items.get(inner.parse::<usize>().ok()?),
            },
            _ => None,
        }
    })?;
    Some(if found.is_null() { Value::String("null".to_string()) } else { found.clone() })
}
