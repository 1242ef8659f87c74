//! ServiceAccounts as users: whom a token speaks for, and tokens on request.

use crate::tokens::{Claims, ISSUER, Request, Tokens};
use access::User;
use api::{Api, ApiError, Key, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Whom valid claims are of. A token dies with its account, and with what it is bound to.
pub(crate) fn user(api: &Api, claims: &Claims) -> Option<User> {
    let uid_of = |resource: &str, name: &str| {
        let object = api.get(resource, &claims.namespace, name).ok()?;
        Some(controllers::str_at(&object, &["metadata", "uid"]).to_string())
    };
    if uid_of("serviceaccounts", &claims.service_account)? != claims.uid {
        return None;
    }
    let mut user = User::service_account(&claims.namespace, &claims.service_account, &claims.uid);
    for (resource, bound) in [("pods", &claims.pod), ("secrets", &claims.secret)] {
        let Some((name, uid)) = bound else { continue };
        if uid_of(resource, name)? != *uid {
            return None;
        }
        if resource == "pods" {
            let extra = |field: &str| format!("authentication.kubernetes.io/pod-{field}");
            user.extra.insert(extra("name"), vec![name.to_string()]);
            user.extra.insert(extra("uid"), vec![uid.to_string()]);
        }
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
    let bound = bound_object(api, namespace, &request["spec"]["boundObjectRef"])?;
    let (mut pod, mut secret) = (None, None);
    match bound {
        Some(("Pod", name, uid)) => pod = Some((name, uid)),
        Some((_, name, uid)) => secret = Some((name, uid)),
        None => {}
    }
    let now = Timestamp::now().as_second();
    let token = issuer.issue(
        &Request {
            namespace: namespace.into(),
            service_account: name.into(),
            service_account_uid: controllers::str_at(&account, &["metadata", "uid"]).into(),
            pod,
            secret,
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

type Bound = (&'static str, String, String);

/// Kind, name and uid of what a token is to be bound to.
fn bound_object(api: &Api, namespace: &str, reference: &Value) -> Result<Option<Bound>> {
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    let (kind, resource) = match text("kind") {
        "" => return Ok(None),
        "Pod" => ("Pod", "pods"),
        "Secret" => ("Secret", "secrets"),
        other => {
            let version = text("apiVersion");
            let why =
                format!("cannot bind token for serviceaccount to object of type {version}, Kind={other}");
            return Err(ApiError::bad_request(why));
        }
    };
    let object = api.get(resource, namespace, text("name"))?;
    let uid = controllers::str_at(&object, &["metadata", "uid"]);
    if !text("uid").is_empty() && text("uid") != uid {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
            text("uid")
        );
        return Err(ApiError::conflict(&Key::new(resource, namespace, text("name")), &why));
    }
    Ok(Some((kind, text("name").into(), uid.into())))
}

fn strings(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(|v| v.as_str().map(String::from)).collect()
}
