//! Who is asking.

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
