//! Who is asking.

use crate::certificate;
use crate::server::Inner;
use access::User;
use api::Result;
use http::header;
use http::request::Parts;
use serde_json::Value;
use std::sync::Arc;

/// The client certificate of a connection (DER), verified by TLS against the cluster's CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate(pub Vec<u8>);

/// Decides who is asking from the request's head and the connection's client certificate. `None`: nobody known;
/// such a caller is `system:anonymous`, one with a wrong token nobody.
pub type Authenticate = Arc<dyn Fn(&Parts, Option<&PeerCertificate>) -> Option<User> + Send + Sync>;

/// Answers `POST …/serviceaccounts/NAME/token`: (namespace, name, the TokenRequest) → the TokenRequest with its status.
pub type TokenRequest = Arc<dyn Fn(&str, &str, &Value) -> Result<Value> + Send + Sync>;

/// Marks a request that came over the network. One without it is from this process.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) peer: Option<Arc<PeerCertificate>>,
}

const AUTHENTICATED: &str = "system:authenticated";

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
    let known =
        by_certificate().or_else(|| inner.options.authenticate.as_ref().and_then(|ask| ask(parts, peer)));
    match known {
        Some(user) => Caller::Known(authenticated(user)),
        None if parts.headers.contains_key(header::AUTHORIZATION) || peer.is_some() => Caller::Unknown,
        None => Caller::Anonymous(User {
            name: ANONYMOUS.into(),
            groups: vec!["system:unauthenticated".into()],
            ..User::default()
        }),
    }
}

pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// With the group that everybody who is known is in.
pub(crate) fn authenticated(mut user: User) -> User {
    if !user.is_in(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.into());
    }
    user
}
