//! Kinds that are questions: posted, answered and not stored.

use crate::request::Target;
use crate::resources::{self, Call};
use crate::respond::{self, Answer};
use crate::server::Inner;
use crate::{auth, authorize, body};
use access::{Attributes, Rule, User};
use api::{ApiError, Result};
use axum::body::Body;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

/// Group, plural, kind, namespaced.
pub(crate) const REVIEWS: [(&str, &str, &str, bool); 6] = [
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", false),
    ("authentication.k8s.io", "tokenreviews", "TokenReview", false),
    ("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", true),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", false),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", false),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", false),
];

pub(crate) fn is_review(target: &Target) -> bool {
    target.version == "v1"
        && REVIEWS.iter().any(|review| review.0 == target.group && review.1 == target.plural)
}

pub(crate) fn answer(
    inner: &Inner,
    target: &Target,
    parts: &Parts,
    user: &User,
    mut review: Value,
) -> Result<Value> {
    if !is_review(target) || parts.method != Method::POST || !target.name.is_empty() {
        return Err(resources::missing());
    }
    if !review.is_object() {
        return Err(ApiError::bad_request("the body of the request must be an object"));
    }
    if !review["metadata"].is_object() {
        review["metadata"] = json!({ "creationTimestamp": null });
    }
    review["status"] = match target.plural.as_str() {
        "selfsubjectreviews" => json!({ "userInfo": user_info(user) }),
        "selfsubjectrulesreviews" => rules(inner, user, text(&review["spec"]["namespace"])),
        "tokenreviews" => token_review(inner, parts, text(&review["spec"]["token"])),
        "selfsubjectaccessreviews" => access(inner, user, &review)?,
        _ => access(inner, &subject(&review["spec"]), &review)?,
    };
    Ok(review)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn user_info(user: &User) -> Value {
    let mut info = json!({ "username": user.name });
    if !user.uid.is_empty() {
        info["uid"] = user.uid.clone().into();
    }
    info["groups"] = json!(user.groups);
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

/// The user that a SubjectAccessReview asks about.
fn subject(spec: &Value) -> User {
    let groups = spec["groups"].as_array().into_iter().flatten();
    User {
        name: text(&spec["user"]).into(),
        groups: groups.map(|group| text(group).to_string()).collect(),
        uid: text(&spec["uid"]).into(),
        ..User::default()
    }
}

fn access(inner: &Inner, user: &User, review: &Value) -> Result<Value> {
    let spec = &review["spec"];
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_object() == path.is_object() {
        let cause = (
            "spec.resourceAttributes".into(),
            "FieldValueInvalid".into(),
            "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified".into(),
        );
        let kind = review["kind"].as_str().unwrap_or("SubjectAccessReview");
        return Err(ApiError::invalid("authorization.k8s.io/subjectaccessreviews", kind, "", &[cause]));
    }
    let mut plural = text(&resource["resource"]).to_string();
    if !text(&resource["subresource"]).is_empty() {
        plural = format!("{plural}/{}", text(&resource["subresource"]));
    }
    let asked = if resource.is_object() {
        Attributes {
            verb: text(&resource["verb"]),
            namespace: text(&resource["namespace"]),
            group: text(&resource["group"]),
            resource: &plural,
            name: text(&resource["name"]),
            path: "",
        }
    } else {
        let (verb, path) = (text(&path["verb"]), text(&path["path"]));
        Attributes { verb, namespace: "", group: "", resource: "", name: "", path }
    };
    let decision = authorize::rules(inner).decide(user, &asked);
    let mut status = json!({ "allowed": decision.is_allowed() });
    if !decision.reason().is_empty() {
        status["reason"] = decision.reason().into();
    }
    Ok(status)
}

/// `kubectl auth can-i --list`.
fn rules(inner: &Inner, user: &User, namespace: &str) -> Value {
    let rules = authorize::rules(inner).of(user, namespace);
    let (paths, resources): (Vec<&Rule>, Vec<&Rule>) =
        rules.iter().partition(|rule| !rule.non_resource_urls.is_empty());
    let write = |rules: Vec<&Rule>| rules.into_iter().map(Rule::write).collect::<Vec<_>>();
    json!({ "incomplete": false, "resourceRules": write(resources), "nonResourceRules": write(paths) })
}

fn token_review(inner: &Inner, parts: &Parts, token: &str) -> Value {
    let mut asked = parts.clone();
    let header = HeaderValue::from_str(&format!("Bearer {token}"));
    let known = header.ok().zip(inner.options.authenticate.as_ref()).and_then(|(header, authenticate)| {
        asked.headers.insert(header::AUTHORIZATION, header);
        authenticate(&asked, None)
    });
    match known {
        Some(user) => {
            let mut status = json!({ "authenticated": true, "user": user_info(&auth::authenticated(user)) });
            if let Some((issuer, _)) = &inner.options.token_keys {
                status["audiences"] = json!([issuer]);
            }
            status
        }
        None => json!({ "user": {}, "error": "[invalid bearer token, token lookup failed]" }),
    }
}

/// `POST …/serviceaccounts/NAME/token`.
pub(crate) async fn token(call: Call, body: Body) -> Result<Answer> {
    let Some(issue) = call.inner.options.token_request.clone() else {
        return Err(ApiError::unavailable("this server issues no service account tokens"));
    };
    call.get()?;
    let mut problems = Vec::new();
    let request = body::read(&call.parts.headers, body, &mut problems).await?;
    let answer = issue(&call.target.namespace, &call.target.name, &request)?;
    Ok(respond::json(StatusCode::CREATED, &answer))
}
