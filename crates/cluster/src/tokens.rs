//! ServiceAccount tokens: JSON Web Tokens (RFC 7519) signed with ES256, as `TokenRequest` and projected volumes give.

use crate::files::write_private;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot use the token key {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the token key {path} is damaged")]
    Key { path: PathBuf },
    #[error("cannot make a token key")]
    Random,
}

/// Signs and checks tokens with the cluster's key.
pub struct Tokens {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

/// Whom a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub namespace: String,
    pub service_account: String,
    pub uid: String,
    /// Name and uid of the pod and of the Secret that it dies with.
    pub pod: Option<(String, String)>,
    pub secret: Option<(String, String)>,
}

/// What a token is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub namespace: String,
    pub service_account: String,
    pub service_account_uid: String,
    /// Name and uid of the pod that it is bound to.
    pub pod: Option<(String, String)>,
    /// The same of a Secret.
    pub secret: Option<(String, String)>,
    pub audiences: Vec<String>,
    pub expiry_seconds: i64,
}

impl Tokens {
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        let random = SystemRandom::new();
        if !path.exists() {
            let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .map_err(|_| TokenError::Random)?;
            write_private(path, key.as_ref())
                .map_err(|source| TokenError::File { path: path.into(), source })?;
        }
        let bytes = std::fs::read(path).map_err(|source| TokenError::File { path: path.into(), source })?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, &random)
            .map_err(|_| TokenError::Key { path: path.into() })?;
        Ok(Self { key, random })
    }

    /// The key that checks the tokens, as a JSON Web Key Set (RFC 7517).
    pub fn public_keys(&self) -> Value {
        // Uncompressed: a byte 4, then both coordinates.
        let point = self.key.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        json!({"keys": [{
            "use": "sig", "kty": "EC", "kid": self.key_id(), "crv": "P-256", "alg": "ES256",
            "x": part(1..33), "y": part(33..65),
        }]})
    }

    fn key_id(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.key.public_key().as_ref());
        URL_SAFE_NO_PAD.encode(digest.as_ref())
    }

    /// A token from `now` (Unix seconds) on.
    pub fn issue(&self, request: &Request, now: i64) -> String {
        let audiences =
            if request.audiences.is_empty() { vec![ISSUER.to_string()] } else { request.audiences.clone() };
        let mut kubernetes = json!({
            "namespace": request.namespace,
            "serviceaccount": {"name": request.service_account, "uid": request.service_account_uid},
        });
        if let Some((name, uid)) = &request.pod {
            kubernetes["pod"] = json!({"name": name, "uid": uid});
        }
        if let Some((name, uid)) = &request.secret {
            kubernetes["secret"] = json!({"name": name, "uid": uid});
        }
        let payload = json!({
            "iss": ISSUER, "aud": audiences, "iat": now, "nbf": now, "exp": now + request.expiry_seconds,
            "sub": format!("system:serviceaccount:{}:{}", request.namespace, request.service_account),
            "kubernetes.io": kubernetes,
        });
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.key_id()});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&payload));
        let signature =
            self.key.sign(&self.random, signed.as_bytes()).expect("signing needs only random bytes");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// The claims of a valid token for this server; `None` for a foreign, changed or expired one.
    pub fn verify(&self, token: &str, now: i64) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref());
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        let (_, payload) = signed.split_once('.')?;
        let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let ours = payload["aud"].as_array()?.iter().any(|a| a == ISSUER);
        let current = payload["exp"].as_i64()? > now && payload["nbf"].as_i64()? <= now + 5;
        if payload["iss"] != ISSUER || !ours || !current {
            return None;
        }
        let claims = &payload["kubernetes.io"];
        let bound = |kind: &str| {
            let (name, uid) = (claims[kind]["name"].as_str()?, claims[kind]["uid"].as_str()?);
            Some((name.to_string(), uid.to_string()))
        };
        Some(Claims {
            pod: bound("pod"),
            secret: bound("secret"),
            namespace: claims["namespace"].as_str()?.into(),
            service_account: claims["serviceaccount"]["name"].as_str()?.into(),
            uid: claims["serviceaccount"]["uid"].as_str()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_unchanged_current_tokens_are_valid() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let tokens = Tokens::open(&dir.path().join("key")).expect("a new key");
        let request = Request {
            namespace: "codex".into(),
            service_account: "default".into(),
            service_account_uid: "u".into(),
            expiry_seconds: 600,
            ..Request::default()
        };
        let token = tokens.issue(&request, 1_000);
        assert_eq!(tokens.verify(&token, 1_100).map(|c| c.namespace).as_deref(), Some("codex"));
        assert_eq!(tokens.verify(&token, 1_700), None, "expired");
        let other = Tokens::open(&dir.path().join("other")).expect("a new key");
        assert_eq!(other.verify(&token, 1_100), None, "another cluster's");
        assert_eq!(tokens.verify(&token.replace('.', ".A"), 1_100), None, "changed");
        let foreign = tokens.issue(&Request { audiences: vec!["vault".into()], ..request }, 1_000);
        assert_eq!(tokens.verify(&foreign, 1_100), None, "for somebody else");
        let reopened = Tokens::open(&dir.path().join("key")).expect("the same key");
        assert!(reopened.verify(&token, 1_100).is_some(), "the key is kept");
    }
}
