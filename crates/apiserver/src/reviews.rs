//! Kinds that are questions: posted, answered and not stored.

use crate::auth::User;
use crate::body;
use crate::request::Target;
use crate::resources::{self, Call};
use crate::respond::{self, Answer};
use api::{ApiError, Result};
use axum::body::Body;
use http::{Method, StatusCode};
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

pub(crate) fn answer(target: &Target, method: &Method, user: &User, mut review: Value) -> Result<Value> {
    if !is_review(target) || method != Method::POST || !target.name.is_empty() {
        return Err(resources::missing());
    }
    if !review.is_object() {
        return Err(ApiError::bad_request("the body of the request must be an object"));
    }
    if !review["metadata"].is_object() {
        review["metadata"] = json!({ "creationTimestamp": null });
    }
    review["status"] = match target.plural.as_str() {
        "selfsubjectreviews" => {
            json!({ "userInfo": { "username": user.name, "groups": user.groups, "uid": user.uid } })
        }
        "selfsubjectrulesreviews" => json!({
            "incomplete": false,
            "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
            "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
        }),
        "tokenreviews" => json!({ "authenticated": false, "error": "token review is not built" }),
        // Everybody who is known may do everything: this cluster is one developer's own.
        _ => {
            json!({ "allowed": true, "reason": "every authenticated user may do everything in this cluster" })
        }
    };
    Ok(review)
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
