//! Who is asking.

use crate::certificate;
use crate::server::Inner;
use access::User;
use api::Result;
use base64::Engine;
use http::header;
use http::request::Parts;
use serde_json::Value;
use std::sync::Arc;

/// The client certificate of a connection (DER), verified by TLS against the cluster's CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate(pub Vec<u8>);

/// Whose a bearer token is: the token and the audiences of which one must be the token's (none: this server) → the user
/// and those audiences that are.
pub type WhoseToken = Arc<dyn Fn(&str, &[String]) -> Option<(User, Vec<String>)> + Send + Sync>;

/// Answers `POST …/serviceaccounts/NAME/token`: (namespace, name, the TokenRequest) → the TokenRequest with its status.
pub type TokenRequest = Arc<dyn Fn(&str, &str, &Value) -> Result<Value> + Send + Sync>;

/// Marks a request that came over the network. One without it is from this process.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) peer: Option<Arc<PeerCertificate>>,
}

pub(crate) const AUTHENTICATED: &str = "system:authenticated";

/// Who the caller says that it is; an error if it says so wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// This process itself, which may do everything.
    Inside(User),
    Known(User),
    /// Says nothing about itself.
    Anonymous(User),
    /// With a token or a certificate that is not valid here.
    Unknown,
}

pub(crate) fn identify(inner: &Inner, parts: &Parts) -> Caller {
    let Some(remote) = parts.extensions.get::<Remote>() else {
        let groups = vec![access::MASTERS.into(), AUTHENTICATED.into()];
        return Caller::Inside(User { name: "system:admin".into(), groups, ..User::default() });
    };
    let peer = remote.peer.as_deref();
    let by_certificate = || {
        let subject = certificate::subject(&peer?.0)?;
        Some(User { name: subject.common_name?, groups: subject.organizations, ..User::default() })
    };
    let token = bearer(parts);
    let by_token = || Some(inner.options.whose_token.as_ref()?(token.as_ref()?, &[])?.0);
    match by_certificate().or_else(by_token) {
        Some(user) => Caller::Known(authenticated(user)),
        None if token.is_some() || peer.is_some() => Caller::Unknown,
        None => Caller::Anonymous(User {
            name: ANONYMOUS.into(),
            groups: vec![UNAUTHENTICATED.into()],
            ..User::default()
        }),
    }
}

/// What browsers send a token by, which cannot set headers of a WebSocket: its base64url behind this, as a subprotocol.
const PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// The token of a request. Authorization of another scheme is none, as upstream has it.
fn bearer(parts: &Parts) -> Option<String> {
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(given) = header(header::AUTHORIZATION) {
        let (scheme, token) = given.trim().split_once(' ')?;
        let token = token.trim_start();
        return (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_string());
    }
    let offered = header(header::SEC_WEBSOCKET_PROTOCOL)?;
    let token = offered.split(',').find_map(|protocol| protocol.trim().strip_prefix(PROTOCOL))?;
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).ok()?;
    String::from_utf8(token).ok()
}

pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";

pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// With the group that everybody who is known is in.
pub(crate) fn authenticated(mut user: User) -> User {
    if !user.is_in(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.into());
    }
    user
}
