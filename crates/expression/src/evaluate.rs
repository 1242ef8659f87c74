//! Evaluation.

use crate::operators::{apply, compare, index, negate, wrong};
use crate::syntax::{Fold, Form, Loop, Node, qualified};
use crate::value::{Opt, list, map, text};
use crate::{Budget, Failure, functions};
use kube_cel::cel::Value;
use kube_cel::cel::objects::Key;

type Result<T> = std::result::Result<T, Failure>;

/// Where names come from.
pub trait Host {
    /// What a name stands for; none if it stands for nothing.
    fn variable(&self, name: &str) -> Option<Result<Value>>;

    /// A field of a name that is not worth to be made whole.
    fn field(&self, _of: &str, _name: &str) -> Option<Result<Value>> {
        None
    }

    /// A function of the host's own; none if it has none of this name for these values.
    fn call(&self, _name: &str, _target: Option<&Value>, _arguments: &[Value]) -> Option<Result<Value>> {
        None
    }
}

impl Host for &[(&str, Value)] {
    fn variable(&self, name: &str) -> Option<Result<Value>> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| Ok(value.clone()))
    }
}

/// The names that can be seen.
#[derive(Clone, Copy)]
pub enum Scope<'a> {
    Host(&'a dyn Host),
    Within { outer: &'a Scope<'a>, name: &'a str, value: &'a Value },
}

impl Scope<'_> {
    fn bound(&self, wanted: &str) -> Option<&Value> {
        match self {
            Self::Host(_) => None,
            Self::Within { name, value, .. } if *name == wanted => Some(value),
            Self::Within { outer, .. } => outer.bound(wanted),
        }
    }

    fn host(&self) -> &dyn Host {
        match self {
            Self::Host(host) => *host,
            Self::Within { outer, .. } => outer.host(),
        }
    }

    fn get(&self, name: &str) -> Result<Value> {
        if let Some(value) = self.bound(name) {
            return Ok(value.clone());
        }
        match self.host().variable(name) {
            Some(found) => found,
            None => functions::type_value(name)
                .ok_or_else(|| Failure::Wrong(format!("no such attribute(s): {name}"))),
        }
    }
}

pub(crate) fn evaluate(node: &Node, scope: &Scope<'_>, budget: &Budget) -> Result<Value> {
    if let Form::Literal(value) = &node.form {
        return Ok(value.clone());
    }
    // Choosing costs nothing, as upstream has it; what is chosen does.
    let is_free =
        matches!(node.form, Form::Logic { .. } | Form::Choice { .. } | Form::Select { test: true, .. });
    budget.take(usize::from(!is_free))?;
    let run = |node: &Node| evaluate(node, scope, budget);
    match &node.form {
        Form::Literal(value) => Ok(value.clone()),
        Form::Name(name) => scope.get(name),
        Form::Select { of, field, test, optional } => select(of, field, *test, *optional, scope, budget),
        Form::Index { of, key, optional } => index(&run(of)?, &run(key)?, *optional),
        Form::Call { target, name, arguments } => {
            let arguments = arguments.iter().map(run).collect::<Result<Vec<_>>>()?;
            let (target, name) = match qualified(target.as_deref(), name) {
                Some(full) => (None, full),
                None => (target.as_deref().map(run).transpose()?, name.clone()),
            };
            if let Some(answer) = scope.host().call(&name, target.as_ref(), &arguments) {
                return answer;
            }
            functions::call(&name, target, arguments, budget)
        }
        Form::Unary { not, of } => match (not, run(of)?) {
            (true, Value::Bool(value)) => Ok(Value::Bool(!value)),
            (false, value) => negate(&value),
            _ => Err(Failure::NoOverload),
        },
        Form::Binary { operator, left, right } => apply(*operator, run(left)?, run(right)?, budget),
        Form::Logic { any, terms } => {
            let terms = terms.iter().map(|term| truth(run(term)));
            decide(*any, terms).map(Value::Bool)
        }
        Form::Choice { condition, yes, no } => {
            if truth(run(condition))? {
                run(yes)
            } else {
                run(no)
            }
        }
        Form::List(items) => items_of(items, scope, budget),
        Form::Map(entries) => {
            budget.take(30)?;
            let mut found = Vec::with_capacity(entries.len());
            for (key, value, optional) in entries {
                let key = run(key)?;
                if let Some(value) = present(run(value)?, *optional)? {
                    found.push((key_of(key)?, value));
                }
            }
            Ok(map(found))
        }
        Form::Struct { fields, .. } => {
            budget.take(40)?;
            let mut found = Vec::with_capacity(fields.len());
            for (name, value, optional) in fields {
                if let Some(value) = present(run(value)?, *optional)? {
                    found.push((Key::from(name.as_str()), value));
                }
            }
            Ok(map(found))
        }
        Form::Loop(inner) => repeat(inner, scope, budget),
        Form::Bind { name, value, body } => {
            let value = run(value)?;
            evaluate(body, &Scope::Within { outer: scope, name, value: &value }, budget)
        }
        Form::OptMap { of, name, body, flat } => match Opt::of(&run(of)?) {
            Some(Opt(Some(value))) => {
                let found = evaluate(body, &Scope::Within { outer: scope, name, value }, budget)?;
                Ok(if *flat { found } else { Opt::value(Some(found)) })
            }
            Some(Opt(None)) => Ok(Opt::value(None)),
            None => Err(Failure::NoOverload),
        },
    }
}

fn select(
    of: &Node,
    field: &str,
    test: bool,
    optional: bool,
    scope: &Scope<'_>,
    budget: &Budget,
) -> Result<Value> {
    if let Form::Name(name) = &of.form
        && scope.bound(name).is_none()
        && let Some(found) = scope.host().field(name, field)
    {
        return match found {
            _ if test => Ok(Value::Bool(true)),
            Ok(value) if optional => Ok(Opt::value(Some(value))),
            found => found,
        };
    }
    // `google.protobuf.Timestamp` names a type.
    if let Some(name) = dotted(of)
        && let Some(value) = functions::type_value(&format!("{name}.{field}"))
    {
        return Ok(value);
    }
    let of = evaluate(of, scope, budget)?;
    if test {
        return match Opt::of(&of) {
            Some(Opt(None)) => Ok(Value::Bool(false)),
            Some(Opt(Some(inner))) => has(inner, field),
            None => has(&of, field),
        };
    }
    if matches!(of, Value::List(_)) {
        return Err(Failure::NoOverload);
    }
    match escaped(&of, field) {
        Some(other) => index(&of, &text(other), optional),
        None => index(&of, &text(field), optional),
    }
}

fn dotted(node: &Node) -> Option<String> {
    match &node.form {
        Form::Name(name) if name == "google" => Some(name.clone()),
        Form::Select { of, field, test: false, .. } => Some(format!("{}.{field}", dotted(of)?)),
        _ => None,
    }
}

fn has(of: &Value, field: &str) -> Result<Value> {
    match of {
        Value::Map(_) => Ok(Value::Bool(is_there(of, field) || escaped(of, field).is_some())),
        _ => Err(Failure::NoOverload),
    }
}

fn is_there(of: &Value, field: &str) -> bool {
    matches!(of, Value::Map(entries) if entries.get(&kube_cel::cel::objects::KeyRef::String(field)).is_some())
}

/// The other name of a field that is declared with one that the language keeps for itself.
fn escaped(of: &Value, field: &str) -> Option<String> {
    let other = crate::value::reserved(field)?;
    (!is_there(of, field) && is_there(of, &other)).then_some(other)
}

fn truth(value: Result<Value>) -> Result<bool> {
    match value? {
        Value::Bool(value) => Ok(value),
        _ => Err(Failure::NoOverload),
    }
}

/// `||` and `&&`: one term that decides is enough, whatever is wrong with the others.
fn decide(any: bool, terms: impl Iterator<Item = Result<bool>>) -> Result<bool> {
    let mut problem = None;
    for term in terms {
        match term {
            Ok(value) if value == any => return Ok(any),
            Ok(_) => {}
            Err(Failure::Budget) => return Err(Failure::Budget),
            Err(failure) => problem = problem.or(Some(failure)),
        }
    }
    problem.map_or(Ok(!any), Err)
}

fn present(value: Value, optional: bool) -> Result<Option<Value>> {
    if !optional {
        return Ok(Some(value));
    }
    match Opt::of(&value) {
        Some(Opt(inner)) => Ok(inner.clone()),
        None => wrong(format!("cannot initialize optional entry from non-optional value {value:?}")),
    }
}

fn items_of(items: &[(Node, bool)], scope: &Scope<'_>, budget: &Budget) -> Result<Value> {
    budget.take(10)?;
    let mut found = Vec::with_capacity(items.len());
    for (item, optional) in items {
        found.extend(present(evaluate(item, scope, budget)?, *optional)?);
    }
    Ok(list(found))
}

fn key_of(value: Value) -> Result<Key> {
    value.try_into().map_err(|_| Failure::Wrong("unsupported key type".into()))
}

/// The rounds of a loop: what its variables stand for.
fn rounds(range: &Value, two: bool) -> Result<Vec<(Value, Value)>> {
    match range {
        Value::List(items) if two => {
            Ok(items.iter().enumerate().map(|(at, item)| (Value::Int(at as i64), item.clone())).collect())
        }
        Value::List(items) => Ok(items.iter().map(|item| (item.clone(), Value::Null)).collect()),
        Value::Map(entries) => {
            let mut all: Vec<(&Key, &Value)> = entries.map.iter().collect();
            all.sort_by(|a, b| a.0.cmp(b.0));
            Ok(all.into_iter().map(|(key, value)| (from_key(key), value.clone())).collect())
        }
        _ => Err(Failure::NoOverload),
    }
}

fn from_key(key: &Key) -> Value {
    match key {
        Key::Int(number) => Value::Int(*number),
        Key::Uint(number) => Value::UInt(*number),
        Key::Bool(value) => Value::Bool(*value),
        Key::String(name) => Value::String(name.clone()),
    }
}

fn repeat(inner: &Loop, scope: &Scope<'_>, budget: &Budget) -> Result<Value> {
    let range = evaluate(&inner.range, scope, budget)?;
    let rounds = rounds(&range, inner.second.is_some())?;
    let within = |node: &Node, (first, second): &(Value, Value)| {
        budget.take(1)?;
        let outer = Scope::Within { outer: scope, name: &inner.first, value: first };
        match &inner.second {
            Some(name) => evaluate(node, &Scope::Within { outer: &outer, name, value: second }, budget),
            None => evaluate(node, &outer, budget),
        }
    };
    let kept = |round: &(Value, Value)| match &inner.filter {
        Some(filter) => truth(within(filter, round)),
        None => Ok(true),
    };
    match inner.fold {
        Fold::All | Fold::Exists => {
            let terms = rounds.iter().map(|round| truth(within(&inner.body, round)));
            decide(inner.fold == Fold::Exists, terms).map(Value::Bool)
        }
        Fold::ExistsOne => {
            let mut count = 0;
            for round in &rounds {
                count += usize::from(truth(within(&inner.body, round))?);
            }
            Ok(Value::Bool(count == 1))
        }
        Fold::Filter => {
            let mut found = Vec::new();
            for round in &rounds {
                if truth(within(&inner.body, round))? {
                    found.push(round.0.clone());
                }
            }
            Ok(list(found))
        }
        Fold::List => {
            let mut found = Vec::new();
            for round in &rounds {
                if kept(round)? {
                    found.push(within(&inner.body, round)?);
                }
            }
            Ok(list(found))
        }
        Fold::Map | Fold::Entries => {
            let mut found = Vec::new();
            for round in &rounds {
                if !kept(round)? {
                    continue;
                }
                let made = within(&inner.body, round)?;
                match made {
                    Value::Map(entries) if inner.fold == Fold::Entries => {
                        found.extend(entries.map.iter().map(|(key, value)| (key.clone(), value.clone())));
                    }
                    made if inner.fold == Fold::Map => found.push((key_of(round.0.clone())?, made)),
                    _ => return Err(Failure::NoOverload),
                }
            }
            Ok(map(found))
        }
        Fold::SortBy => sort_by(&rounds, |round| within(&inner.body, round)),
    }
}

fn sort_by(rounds: &[(Value, Value)], key: impl Fn(&(Value, Value)) -> Result<Value>) -> Result<Value> {
    let mut keyed = Vec::with_capacity(rounds.len());
    for round in rounds {
        keyed.push((key(round)?, round.0.clone()));
    }
    if let [(first, _), rest @ ..] = keyed.as_slice() {
        for (other, _) in rest {
            compare(first, other)?;
        }
        compare(first, first)?;
    }
    keyed.sort_by(|a, b| compare(&a.0, &b.0).ok().flatten().unwrap_or(std::cmp::Ordering::Equal));
    Ok(list(keyed.into_iter().map(|(_, value)| value).collect()))
}
