//! Kinds that are questions: posted, answered and not stored.

use crate::request::Target;
use crate::resources::{self, Call};
use crate::respond::{self, Answer};
use crate::server::Inner;
use crate::{admission, auth, authorize, body};
use access::{Attributes, Rule, User};
use api::{ApiError, Operation, Result};
use axum::body::Body;
use http::request::Parts;
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

/// What a body at this place should be.
pub(crate) fn kind(target: &Target) -> &'static str {
    REVIEWS.iter().find(|review| review.1 == target.plural).map_or("", |review| review.2)
}

pub(crate) fn answer(
    inner: &Inner,
    target: &Target,
    parts: &Parts,
    user: &User,
    mut review: Value,
) -> Result<Value> {
    let namespaced = REVIEWS.iter().any(|review| review.1 == target.plural && review.3);
    let placed = !target.namespace.is_empty();
    if !is_review(target) || parts.method != Method::POST || !target.name.is_empty() || placed != namespaced {
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
        "tokenreviews" => token_review(inner, &review["spec"])?,
        "selfsubjectaccessreviews" => {
            invalid_if(&attribute_problems(&review["spec"]))?;
            access(inner, user, &review["spec"])
        }
        _ => {
            invalid_if(&problems(&review, target))?;
            access(inner, &subject(&review["spec"]), &review["spec"])
        }
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

/// Field, and what is wrong with it, in upstream's words.
type Cause = (String, String, String);

fn cause(field: &str, value: &Value, detail: &str) -> Cause {
    let shown = match value {
        Value::Null => "\"null\"".to_string(),
        Value::Object(_) => "{}".to_string(),
        other => other.to_string(),
    };
    (field.into(), "FieldValueInvalid".into(), format!("Invalid value: {shown}: {detail}"))
}

fn attribute_problems(spec: &Value) -> Vec<Cause> {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    match (resource.is_object(), path.is_object()) {
        (true, true) => {
            let detail = "cannot be specified in combination with resourceAttributes";
            vec![cause("spec.nonResourceAttributes", path, detail)]
        }
        (false, false) => {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            vec![cause("spec.resourceAttributes", &Value::Null, detail)]
        }
        _ => Vec::new(),
    }
}

/// Of the reviews about somebody else.
fn problems(review: &Value, target: &Target) -> Vec<Cause> {
    let spec = &review["spec"];
    let mut causes = attribute_problems(spec);
    if text(&spec["user"]).is_empty() && spec["groups"].as_array().is_none_or(Vec::is_empty) {
        causes.push(cause("spec.user", &"".into(), "at least one of user or group must be specified"));
    }
    if target.namespace.is_empty() {
        return causes;
    }
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_object() && text(&resource["namespace"]) != target.namespace {
        let given = text(&resource["namespace"]).into();
        causes.push(cause("spec.resourceAttributes.namespace", &given, "must match metadata.namespace"));
    }
    if path.is_object() {
        causes.push(cause("spec.nonResourceAttributes", path, "disallowed on this kind of request"));
    }
    causes
}

fn invalid_if(causes: &[Cause]) -> Result<()> {
    if causes.is_empty() {
        return Ok(());
    }
    // Upstream does not name the kind here.
    Err(ApiError::invalid("authorization.k8s.io/subjectaccessreviews", "", "", causes))
}

fn access(inner: &Inner, user: &User, spec: &Value) -> Value {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
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
    status
}

/// `kubectl auth can-i --list`.
fn rules(inner: &Inner, user: &User, namespace: &str) -> Value {
    let rules = authorize::rules(inner).of(user, namespace);
    let (paths, resources): (Vec<&Rule>, Vec<&Rule>) =
        rules.iter().partition(|rule| !rule.non_resource_urls.is_empty());
    let write = |rules: Vec<&Rule>| rules.into_iter().map(Rule::write).collect::<Vec<_>>();
    json!({ "incomplete": false, "resourceRules": write(resources), "nonResourceRules": write(paths) })
}

fn token_review(inner: &Inner, spec: &Value) -> Result<Value> {
    let token = text(&spec["token"]);
    if token.is_empty() {
        return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
    }
    let asked = spec["audiences"].as_array().into_iter().flatten();
    let asked: Vec<String> = asked.map(|audience| text(audience).to_string()).collect();
    let known = inner.options.whose_token.as_ref().and_then(|whose| whose(token, &asked));
    Ok(match known {
        Some((user, audiences)) => json!({
            "authenticated": true, "user": user_info(&auth::authenticated(user)), "audiences": audiences,
        }),
        None => json!({ "user": {}, "error": "[invalid bearer token, token lookup failed]" }),
    })
}

/// `POST …/serviceaccounts/NAME/token`.
pub(crate) async fn token(call: Call, body: Body) -> Result<Answer> {
    let Some(issue) = call.inner.options.token_request.clone() else {
        return Err(ApiError::unavailable("this server issues no service account tokens"));
    };
    call.get()?;
    let mut problems = Vec::new();
    let request = body::read(&call.parts.headers, body, "TokenRequest", &mut problems).await?;
    let request = admission::ask(&call, Operation::Create, request).await?;
    let answer = issue(&call.target.namespace, &call.target.name, &request)?;
    Ok(respond::json(StatusCode::CREATED, &answer))
}
