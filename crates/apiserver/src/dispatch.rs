//! From a request to its handler.

use crate::authorize;
use crate::output;
use crate::query::Query;
use crate::request::{self, Target};
use crate::resources::{self, Call};
use crate::respond::{self, Answer};
use crate::server::Inner;
use crate::{counted, discovery, information, metrics, pretty, reviews};
use access::{Attributes, User};
use api::{Result, Warnings};
use axum::body::Body;
use http::request::Parts;
use http::{Request, StatusCode};
use std::sync::Arc;
use std::time::Instant;

pub(crate) async fn handle(inner: Arc<Inner>, request: Request<Body>) -> Answer {
    let (parts, body) = request.into_parts();
    let indented = pretty::wanted(&parts);
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let target = request::target(parts.uri.path());
    let asked = counted::asked(&inner, &parts.method, target.as_ref(), &query);
    let begun = Instant::now();
    let running = inner.counted.begin(&parts.method);
    let answer = match authorize::caller(&inner, &parts) {
        Ok(user) => route(inner.clone(), user, parts, query, target, body).await,
        Err(error) => Err(error),
    };
    let answer = answer.unwrap_or_else(|error| respond::failure(&error));
    drop(running);
    inner.counted.end(asked, answer.status(), begun.elapsed());
    if indented { pretty::indent(answer).await } else { answer }
}

/// The caller of the daemon's own routes.
pub(crate) fn extra_caller(inner: &Inner, parts: &Parts) -> Result<User> {
    let user = authorize::caller(inner, parts)?;
    if !user.is_in(access::MASTERS) {
        let verb = parts.method.as_str().to_lowercase();
        let asked =
            Attributes { verb: &verb, namespace: "", group: "", resource: "", name: "", path: "/coracle" };
        authorize::decide(inner, &user, &asked)?;
    }
    Ok(user)
}

async fn route(
    inner: Arc<Inner>,
    user: User,
    parts: Parts,
    query: Query,
    target: Option<Target>,
    body: Body,
) -> Result<Answer> {
    authorize::request(&inner, &user, &parts, target.as_ref(), &query)?;
    if let Some(target) = target {
        return in_group(inner, user, parts, query, target, body).await;
    }
    let path = parts.uri.path().to_string();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        [] => Ok(respond::json(StatusCode::OK, &information::paths(&inner))),
        ["version"] => Ok(respond::json(StatusCode::OK, &information::version(&inner))),
        ["livez" | "readyz" | "healthz", rest @ ..] => Ok(information::health(segments[0], rest, &query)),
        ["metrics"] => Ok(counted::answer(&inner)),
        ["api"] => Ok(discovery::core(&inner, &parts.headers)),
        ["apis"] => Ok(discovery::groups(&inner, &parts.headers)),
        ["apis", group] => Ok(discovery::group(&inner, group)
            .unwrap_or_else(|| respond::text(StatusCode::NOT_FOUND, "404 page not found\n"))),
        ["openapi", "v2"] => information::openapi_v2(&inner, &parts.headers),
        ["openapi", "v3"] => Ok(respond::json(StatusCode::OK, &information::openapi_v3_index(&inner))),
        ["openapi", "v3", rest @ ..] => information::openapi_v3(&inner, &rest.join("/")),
        [".well-known", "openid-configuration"] => information::token_issuer(&inner),
        ["openid", "v1", "jwks"] => information::token_keys(&inner),
        // What there is, for whoever looks for it.
        _ => Ok(respond::json(StatusCode::NOT_FOUND, &information::paths(&inner))),
    }
}

async fn in_group(
    inner: Arc<Inner>,
    user: User,
    parts: Parts,
    query: Query,
    target: Target,
    body: Body,
) -> Result<Answer> {
    if target.plural.is_empty() {
        return discovery::resources(&inner, &target.group, &target.version);
    }
    if target.group == metrics::GROUP {
        return metrics::answer(&inner, &target, &query, &parts);
    }
    let kind = inner.api.kinds().by_plural(&target.group, &target.version, &target.plural);
    match kind {
        Some(kind) if !reviews::is_review(&target) => {
            let warnings = Warnings::default();
            if let Some(warning) = schema::warnings::of_kind(&target.group, &target.plural) {
                warnings.push(warning);
            }
            let call = Call { inner, user, kind, target, query, parts, warnings: warnings.clone() };
            let answer = resources::handle(call, body).await;
            let answer = answer.unwrap_or_else(|error| respond::failure(&error));
            Ok(respond::with_warnings(answer, &warnings))
        }
        _ => {
            let mut problems = Vec::new();
            let given =
                crate::body::read(&parts.headers, body, reviews::kind(&target), &mut problems).await?;
            let review = reviews::answer(&inner, &target, &parts, &user, given)?;
            Ok(respond::bytes(StatusCode::CREATED, output::to_bytes(&review)))
        }
    }
}
