//! Who is asking.

use crate::certificate;
use crate::server::Inner;
use api::Result;
use http::request::Parts;
use serde_json::Value;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    pub name: String,
    pub groups: Vec<String>,
    pub uid: String,
}

/// The client certificate of a connection (DER), verified by TLS against the cluster's CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate(pub Vec<u8>);

/// Decides who is asking from the request's head and the connection's client certificate. `None`: nobody known;
/// such a caller gets `/livez`, `/readyz`, `/healthz` and `/version` only.
pub type Authenticate = Arc<dyn Fn(&Parts, Option<&PeerCertificate>) -> Option<User> + Send + Sync>;

/// Answers `POST …/serviceaccounts/NAME/token`: (namespace, name, the TokenRequest) → the TokenRequest with its status.
pub type TokenRequest = Arc<dyn Fn(&str, &str, &Value) -> Result<Value> + Send + Sync>;

/// Marks a request that came over the network. One without it is from this process.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) peer: Option<Arc<PeerCertificate>>,
}

const AUTHENTICATED: &str = "system:authenticated";

/// The caller, if it is known.
pub(crate) fn identify(inner: &Inner, parts: &Parts) -> Option<User> {
    let Some(remote) = parts.extensions.get::<Remote>() else {
        let groups = vec!["system:masters".into(), AUTHENTICATED.into()];
        return Some(User { name: "system:admin".into(), groups, uid: String::new() });
    };
    let peer = remote.peer.as_deref();
    let by_certificate = || {
        let subject = certificate::subject(&peer?.0)?;
        Some(User { name: subject.common_name?, groups: subject.organizations, uid: String::new() })
    };
    let mut user =
        by_certificate().or_else(|| inner.options.authenticate.as_ref().and_then(|ask| ask(parts, peer)))?;
    if !user.groups.iter().any(|group| group == AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.into());
    }
    Some(user)
}

/// What everybody may read.
pub(crate) fn is_open(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    matches!(first, "livez" | "readyz" | "healthz" | "version")
}
