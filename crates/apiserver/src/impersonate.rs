//! `kubectl --as`: a caller that acts as somebody else, if it may.

use crate::auth;
use crate::authorize;
use crate::server::Inner;
use access::{Attributes, User};
use api::{ApiError, Result};
use http::request::Parts;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

const EXTRA: &str = "impersonate-extra-";

/// The user that the `Impersonate-*` headers name; the caller itself without them.
pub(crate) fn become_other(inner: &Inner, parts: &Parts, caller: User) -> Result<User> {
    let values = |name: &str| -> Vec<String> {
        parts
            .headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok().map(str::to_string))
            .collect()
    };
    let (name, uid) = (values("impersonate-user").pop(), values("impersonate-uid").pop());
    let mut groups = values("impersonate-group");
    let extra = extra(parts);
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        if uid.is_some() || !groups.is_empty() || !extra.is_empty() {
            let message = "requested impersonation of groups, a uid or extras without impersonating a user";
            return Err(ApiError::new(500, "InternalError", format!("Internal error occurred: {message}")));
        }
        return Ok(caller);
    };
    let may = |namespace: &str, group: &str, resource: &str, name: &str| {
        let asked = Attributes { verb: "impersonate", namespace, group, resource, name, path: "" };
        authorize::decide(inner, &caller, &asked)
    };
    let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    match account {
        Some((namespace, account)) => may(namespace, "", "serviceaccounts", account)?,
        None => may("", "", "users", &name)?,
    }
    for group in &groups {
        may("", "", "groups", group)?;
    }
    if let Some(uid) = &uid {
        may("", "authentication.k8s.io", "uids", uid)?;
    }
    for (key, values) in &extra {
        for value in values {
            may("", "authentication.k8s.io", &format!("userextras/{key}"), value)?;
        }
    }
    if let (Some((namespace, account)), true) = (account, groups.is_empty()) {
        groups = User::service_account(namespace, account, "").groups;
    }
    // As upstream: nobody is both, and who says which is believed.
    let says = groups.iter().any(|group| group == auth::AUTHENTICATED || group == auth::UNAUTHENTICATED);
    if name == auth::ANONYMOUS && !groups.iter().any(|group| group == auth::UNAUTHENTICATED) {
        groups.push(auth::UNAUTHENTICATED.into());
    } else if name != auth::ANONYMOUS && !says {
        groups.push(auth::AUTHENTICATED.into());
    }
    Ok(User { name, groups, uid: uid.unwrap_or_default(), extra })
}

fn extra(parts: &Parts) -> BTreeMap<String, Vec<String>> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &parts.headers {
        let (Some(key), Ok(value)) = (name.as_str().strip_prefix(EXTRA), value.to_str()) else { continue };
        let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
        extra.entry(key).or_default().push(value.to_string());
    }
    extra
}
