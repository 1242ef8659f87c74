//! ServiceAccounts as users: whom a token speaks for, and tokens on request.

use crate::tokens::{Claims, ISSUER, Reference, Request, Tokens};
use access::User;
use api::{Api, ApiError, Key, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Whom a token with valid claims is of. It dies with its account, and with what it is bound to.
pub(crate) fn user(api: &Api, token: &str, claims: &Claims) -> Option<User> {
    let uid_of = |resource: &str, name: &str| {
        let object = api.get(resource, &claims.namespace, name).ok()?;
        Some(controllers::str_at(&object, &["metadata", "uid"]).to_string())
    };
    if uid_of("serviceaccounts", &claims.service_account)? != claims.uid {
        return None;
    }
    if let Some(secret) = &claims.kept_in {
        let kept = api.get("secrets", &claims.namespace, secret).ok()?;
        let same = STANDARD.decode(controllers::str_at(&kept, &["data", "token"])).ok()? == token.as_bytes();
        same.then_some(())?;
    }
    let mut user = User::service_account(&claims.namespace, &claims.service_account, &claims.uid);
    let mut extra = |field: &str, value: String| {
        user.extra.insert(format!("authentication.kubernetes.io/{field}"), vec![value]);
    };
    if !claims.id.is_empty() {
        extra("credential-id", format!("JTI={}", claims.id));
    }
    for (resource, bound) in [("pods", &claims.pod), ("secrets", &claims.secret)] {
        let Some((name, uid)) = bound else { continue };
        if uid_of(resource, name)? != *uid {
            return None;
        }
        if resource == "pods" {
            extra("pod-name", name.clone());
            extra("pod-uid", uid.clone());
        }
    }
    if let Some((name, uid)) = &claims.node {
        extra("node-name", name.clone());
        extra("node-uid", uid.clone());
    }
    Some(user)
}

/// Answers a TokenRequest.
pub(crate) fn issue(
    issuer: &Tokens,
    api: &Api,
    namespace: &str,
    name: &str,
    request: &Value,
) -> Result<Value> {
    const TEN_MINUTES: i64 = 600;
    let account = api.get("serviceaccounts", namespace, name)?;
    let seconds = controllers::int_at(request, &["spec", "expirationSeconds"]).unwrap_or(3600);
    let wrong = match seconds {
        ..TEN_MINUTES => Some("may not specify a duration less than 10 minutes"),
        TEN_MINUTES..=0x1_0000_0000 => None,
        _ => Some("may not specify a duration larger than 2^32 seconds"),
    };
    if let Some(detail) = wrong {
        let text = format!("Invalid value: {seconds}: {detail}");
        let cause = ("spec.expirationSeconds".into(), "FieldValueInvalid".into(), text);
        return Err(ApiError::invalid("authentication.k8s.io/tokenrequests", "TokenRequest", "", &[cause]));
    }
    let bound = bound_object(api, namespace, name, &request["spec"]["boundObjectRef"])?;
    let now = Timestamp::now().as_second();
    let token = issuer.issue(
        &Request {
            namespace: namespace.into(),
            service_account: name.into(),
            service_account_uid: controllers::str_at(&account, &["metadata", "uid"]).into(),
            pod: bound.pod,
            secret: bound.secret,
            node: bound.node,
            audiences: strings(controllers::list_at(request, &["spec", "audiences"])),
            expiry_seconds: seconds,
        },
        now,
    );
    let expiry = Timestamp::from_second(now + seconds).map(|t| t.to_string()).unwrap_or_default();
    let mut answer = request.clone();
    answer["kind"] = "TokenRequest".into();
    answer["apiVersion"] = "authentication.k8s.io/v1".into();
    answer["metadata"]["name"] = name.into();
    answer["metadata"]["namespace"] = namespace.into();
    answer["spec"]["expirationSeconds"] = seconds.into();
    if !answer["spec"]["audiences"].is_array() {
        answer["spec"]["audiences"] = json!([ISSUER]);
    }
    answer["status"] = json!({"token": token, "expirationTimestamp": expiry});
    Ok(answer)
}

/// What a token is to be bound to.
#[derive(Default)]
struct Bound {
    pod: Option<Reference>,
    secret: Option<Reference>,
    node: Option<Reference>,
}

fn bound_object(api: &Api, namespace: &str, account: &str, reference: &Value) -> Result<Bound> {
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    let resource = match text("kind") {
        "" => return Ok(Bound::default()),
        "Pod" => "pods",
        "Secret" => "secrets",
        "Node" => "nodes",
        other => {
            let why = format!("cannot bind token to object of type {}, Kind={other}", text("apiVersion"));
            return Err(ApiError::bad_request(why));
        }
    };
    let place = if resource == "nodes" { "" } else { namespace };
    let object = api.get(resource, place, text("name"))?;
    let uid = controllers::str_at(&object, &["metadata", "uid"]);
    if !text("uid").is_empty() && text("uid") != uid {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
            text("uid")
        );
        return Err(ApiError::conflict(&Key::new(resource, place, text("name")), &why));
    }
    let found = Some((text("name").to_string(), uid.to_string()));
    match resource {
        "pods" => {
            let runs_as = controllers::str_at(&object, &["spec", "serviceAccountName"]);
            if runs_as != account {
                let why = format!(
                    "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
                );
                return Err(ApiError::bad_request(why));
            }
            let node = controllers::str_at(&object, &["spec", "nodeName"]);
            Ok(Bound { pod: found, node: reference_to(api, "nodes", node), ..Bound::default() })
        }
        "nodes" => Ok(Bound { node: found, ..Bound::default() }),
        _ => Ok(Bound { secret: found, ..Bound::default() }),
    }
}

/// Name and uid of a cluster-scoped object, if it is there.
pub(crate) fn reference_to(api: &Api, resource: &str, name: &str) -> Option<Reference> {
    let object = api.get(resource, "", name).ok()?;
    Some((name.into(), controllers::str_at(&object, &["metadata", "uid"]).into()))
}

fn strings(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(|v| v.as_str().map(String::from)).collect()
}
