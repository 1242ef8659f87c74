//! The parameters that a binding gives its policy.

use crate::{Api, Object, Selector};
use serde_json::Value;
use store::{Snapshot, View};

/// One evaluation for each; `None` stands for no parameter. Why there are none is a fault of the configuration.
pub(super) fn collect(
    api: &Api,
    view: &Snapshot,
    kind: &Option<(String, String)>,
    reference: &Value,
    namespace: &str,
) -> Result<Vec<Option<Object>>, String> {
    let Some((api_version, name)) = kind else { return Ok(vec![None]) };
    let Some(kind) = api.kinds().by_gvk(api_version, name) else {
        let (group, version) = crate::split_api_version(api_version);
        let group = if group.is_empty() { String::new() } else { format!("{group}/") };
        return Err(format!("paramKind kind `{group}{version}, Kind={name}` not known"));
    };
    if !reference.is_object() {
        return Ok(vec![None]);
    }
    let given = reference["namespace"].as_str().unwrap_or_default();
    let namespace = match (kind.namespaced, given.is_empty()) {
        (false, false) => {
            return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".into());
        }
        (false, true) => "",
        (true, false) => given,
        (true, true) if namespace.is_empty() => {
            return Err(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
                    .into(),
            );
        }
        (true, true) => namespace,
    };
    let resource = kind.resource();
    let found: Vec<Option<Object>> = match reference["name"].as_str().filter(|name| !name.is_empty()) {
        Some(name) => view.get(&resource, namespace, name).map(Some).into_iter().collect(),
        None => {
            let selector = Selector::of_object(&reference["selector"]);
            let fits = |object: &Object| selector.matches(&object["metadata"]["labels"]);
            view.list(&resource, namespace).into_iter().filter(fits).map(Some).collect()
        }
    };
    if found.is_empty() && reference["parameterNotFoundAction"] == "Deny" {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".into());
    }
    Ok(found)
}
