//! `authorizer`: what an expression may ask about somebody's rights.

use super::evaluate::Input;
use access::{Attributes, RESOURCES, Rules, User};
use expression::value::{Handle, text};
use expression::{Failure, Function, Type, Value as Cel};
use parking_lot::Mutex;
use std::sync::Arc;
use store::{Mark, Snapshot};

const AUTHORIZER: &str = "kubernetes.authorization.Authorizer";
const PATH: &str = "kubernetes.authorization.PathCheck";
const GROUP: &str = "kubernetes.authorization.GroupCheck";
const RESOURCE: &str = "kubernetes.authorization.ResourceCheck";
const DECISION: &str = "kubernetes.authorization.Decision";

const fn function(name: &'static str, target: &'static str, texts: usize, result: Type) -> Function {
    Function { name, target: Type::Opaque(target), texts, result }
}

/// Functions of an authorizer and of what it gives.
pub(super) static FUNCTIONS: [Function; 15] = [
    function("path", AUTHORIZER, 1, Type::Opaque(PATH)),
    function("group", AUTHORIZER, 1, Type::Opaque(GROUP)),
    function("serviceAccount", AUTHORIZER, 2, Type::Opaque(AUTHORIZER)),
    function("check", PATH, 1, Type::Opaque(DECISION)),
    function("resource", GROUP, 1, Type::Opaque(RESOURCE)),
    function("subresource", RESOURCE, 1, Type::Opaque(RESOURCE)),
    function("namespace", RESOURCE, 1, Type::Opaque(RESOURCE)),
    function("name", RESOURCE, 1, Type::Opaque(RESOURCE)),
    function("fieldSelector", RESOURCE, 1, Type::Opaque(RESOURCE)),
    function("labelSelector", RESOURCE, 1, Type::Opaque(RESOURCE)),
    function("check", RESOURCE, 1, Type::Opaque(DECISION)),
    function("allowed", DECISION, 0, Type::Bool),
    function("reason", DECISION, 0, Type::Text),
    function("errored", DECISION, 0, Type::Bool),
    function("error", DECISION, 0, Type::Text),
];

/// The types of its names.
pub(super) fn names() -> [(&'static str, Type); 2] {
    [("authorizer", Type::Opaque(AUTHORIZER)), ("authorizer.requestResource", Type::Opaque(RESOURCE))]
}

/// The roles as they were read last, and what they were read from.
#[derive(Default)]
pub(crate) struct Known(Mutex<Option<(Vec<Mark>, Arc<Rules>)>>);

impl Known {
    fn rules(&self, view: &Snapshot) -> Arc<Rules> {
        let marks: Vec<Mark> = RESOURCES.iter().map(|resource| view.mark(resource)).collect();
        let mut known = self.0.lock();
        if let Some((read_from, rules)) = known.as_ref()
            && *read_from == marks
        {
            return rules.clone();
        }
        let rules = Arc::new(Rules::read(view));
        *known = Some((marks, rules.clone()));
        rules
    }
}

/// Who asks for the write.
pub(super) fn of_caller() -> Cel {
    Handle::value(AUTHORIZER, Vec::new())
}

/// What the request is about: group, resource, subresource, namespace and name.
pub(super) fn of_request(about: &[String; 5]) -> Cel {
    let fields = ["group", "resource", "subresource", "namespace", "name"];
    let state = fields.iter().zip(about).map(|(field, value)| (field.to_string(), value.clone()));
    Handle::value(RESOURCE, state.collect())
}

/// None: no function of an authorizer.
pub(super) fn call(
    input: &Input<'_>,
    name: &str,
    target: &Cel,
    arguments: &[Cel],
) -> Option<Result<Cel, Failure>> {
    let handle = Handle::of(target)?;
    let words: Vec<&str> = arguments.iter().map(word).collect::<Option<_>>()?;
    let with = |kind: &'static str, field: &str, value: &str| {
        let mut state = handle.state.clone();
        state.retain(|(known, _)| known != field);
        state.push((field.to_string(), value.to_string()));
        Ok(Handle::value(kind, state))
    };
    Some(match (handle.kind, name, words.as_slice()) {
        (AUTHORIZER, "path", [""]) => Err(Failure::Wrong("path must not be empty".into())),
        (AUTHORIZER, "path", [path]) => with(PATH, "path", path),
        (AUTHORIZER, "group", [group]) => with(GROUP, "group", group),
        (AUTHORIZER, "serviceAccount", [namespace, account]) => {
            with(AUTHORIZER, "account", &format!("{namespace}/{account}"))
        }
        (GROUP, "resource", [resource]) => with(RESOURCE, "resource", resource),
        (RESOURCE, "subresource" | "namespace" | "name", [value]) => with(RESOURCE, name, value),
        // Roles know no selectors.
        (RESOURCE, "fieldSelector" | "labelSelector", [_]) => Ok(target.clone()),
        (PATH | RESOURCE, "check", [verb]) => Ok(check(input, handle, verb)),
        (DECISION, "allowed", []) => Ok(Cel::Bool(of(handle, "allowed") == "true")),
        (DECISION, "reason", []) => Ok(text(of(handle, "reason"))),
        (DECISION, "errored", []) => Ok(Cel::Bool(false)),
        (DECISION, "error", []) => Ok(text("")),
        _ => Err(Failure::NoOverload),
    })
}

fn word(value: &Cel) -> Option<&str> {
    match value {
        Cel::String(text) => Some(text.as_str()),
        _ => None,
    }
}

fn of<'a>(handle: &'a Handle, field: &str) -> &'a str {
    handle.state.iter().find(|(known, _)| known == field).map_or("", |(_, value)| value)
}

fn check(input: &Input<'_>, handle: &Handle, verb: &str) -> Cel {
    let user = match of(handle, "account").split_once('/') {
        Some((namespace, name)) => User::service_account(namespace, name, ""),
        None => User {
            name: input.user.username.clone(),
            groups: input.user.groups.clone(),
            uid: input.user.uid.clone(),
            extra: input.user.extra.clone(),
        },
    };
    let resource = match of(handle, "subresource") {
        "" => of(handle, "resource").to_string(),
        sub => format!("{}/{sub}", of(handle, "resource")),
    };
    let asked = Attributes {
        verb,
        namespace: of(handle, "namespace"),
        group: of(handle, "group"),
        resource: &resource,
        name: of(handle, "name"),
        path: of(handle, "path"),
    };
    let rules = input.api.inner.roles.rules(&input.api.view());
    let decision = rules.decide(&user, &asked);
    let state = vec![
        ("allowed".to_string(), decision.is_allowed().to_string()),
        ("reason".to_string(), decision.reason().to_string()),
    ];
    Handle::value(DECISION, state)
}
