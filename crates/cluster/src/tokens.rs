//! ServiceAccount tokens: JSON Web Tokens (RFC 7519) signed with ES256, as `TokenRequest` and projected volumes give.

use crate::files::write_private;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
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

/// Name and uid of an object.
pub type Reference = (String, String);

/// Whom a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    pub namespace: String,
    pub service_account: String,
    pub uid: String,
    /// The pod and the Secret that it dies with.
    pub pod: Option<Reference>,
    pub secret: Option<Reference>,
    pub node: Option<Reference>,
    /// What tells it from all others; empty for those of Secrets.
    pub id: String,
    /// The Secret that holds this token, which never expires.
    pub kept_in: Option<String>,
    /// Those of the wanted audiences that it is for.
    pub audiences: Vec<String>,
}

/// What a token is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub namespace: String,
    pub service_account: String,
    pub service_account_uid: String,
    pub pod: Option<Reference>,
    pub secret: Option<Reference>,
    pub node: Option<Reference>,
    pub audiences: Vec<String>,
    pub expiry_seconds: i64,
}

/// What pods get without asking: this odd number marks them.
const OF_PODS: i64 = 3607;
const YEAR: i64 = 365 * 24 * 3600;

impl Request {
    /// As upstream (KEP-1205): a client that reads its token only once goes on to work; the file is renewed all the same.
    fn lifetime(&self) -> i64 {
        let api = self.audiences.is_empty() || self.audiences.iter().any(|audience| audience == ISSUER);
        if self.expiry_seconds == OF_PODS && self.pod.is_some() && api { YEAR } else { self.expiry_seconds }
    }
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
        let bound = [("pod", &request.pod), ("secret", &request.secret), ("node", &request.node)];
        for (kind, reference) in bound {
            if let Some((name, uid)) = reference {
                kubernetes[kind] = json!({"name": name, "uid": uid});
            }
        }
        let lifetime = request.lifetime();
        if lifetime != request.expiry_seconds {
            kubernetes["warnafter"] = (now + request.expiry_seconds).into();
        }
        self.sign(&json!({
            "iss": ISSUER, "aud": audiences, "iat": now, "nbf": now, "exp": now + lifetime, "jti": self.random_id(),
            "sub": format!("system:serviceaccount:{}:{}", request.namespace, request.service_account),
            "kubernetes.io": kubernetes,
        }))
    }

    /// The token of a Secret of the type `kubernetes.io/service-account-token`: good as long as both are there.
    pub fn issue_for_secret(&self, namespace: &str, account: &str, uid: &str, secret: &str) -> String {
        self.sign(&json!({
            "iss": SECRETS_ISSUER,
            SECRET_CLAIMS[0]: namespace, SECRET_CLAIMS[1]: secret, SECRET_CLAIMS[2]: account, SECRET_CLAIMS[3]: uid,
            "sub": format!("system:serviceaccount:{namespace}:{account}"),
        }))
    }

    fn sign(&self, payload: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.key_id()});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(payload));
        let signature =
            self.key.sign(&self.random, signed.as_bytes()).expect("signing needs only random bytes");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// A random UUID (RFC 9562, version 4).
    fn random_id(&self) -> String {
        let mut bytes = [0u8; 16];
        self.random.fill(&mut bytes).expect("the system has random bytes");
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// The claims of a valid token for one of these audiences (none: this server); `None` for a foreign, changed or
    /// expired one.
    pub fn verify(&self, token: &str, audiences: &[String], now: i64) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref());
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        let (_, payload) = signed.split_once('.')?;
        let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let server = [ISSUER.to_string()];
        let wanted = if audiences.is_empty() { &server } else { audiences };
        if payload["iss"] == SECRETS_ISSUER {
            return of_secret(&payload, wanted);
        }
        let of = payload["aud"].as_array()?;
        let meant: Vec<String> =
            wanted.iter().filter(|audience| of.iter().any(|a| a == audience.as_str())).cloned().collect();
        let current = payload["exp"].as_i64()? > now && payload["nbf"].as_i64()? <= now + LEEWAY;
        if payload["iss"] != ISSUER || meant.is_empty() || !current {
            return None;
        }
        let claims = &payload["kubernetes.io"];
        let bound = |kind: &str| {
            let (name, uid) = (claims[kind]["name"].as_str()?, claims[kind]["uid"].as_str()?);
            Some((name.to_string(), uid.to_string()))
        };
        Some(Claims {
            namespace: claims["namespace"].as_str()?.into(),
            service_account: claims["serviceaccount"]["name"].as_str()?.into(),
            uid: claims["serviceaccount"]["uid"].as_str()?.into(),
            pod: bound("pod"),
            secret: bound("secret"),
            node: bound("node"),
            id: payload["jti"].as_str().unwrap_or_default().into(),
            kept_in: None,
            audiences: meant,
        })
    }
}

/// Seconds that clocks may differ by.
const LEEWAY: i64 = 5;

const SECRETS_ISSUER: &str = "kubernetes/serviceaccount";

/// Namespace, Secret, account and its uid.
const SECRET_CLAIMS: [&str; 4] = [
    "kubernetes.io/serviceaccount/namespace",
    "kubernetes.io/serviceaccount/secret.name",
    "kubernetes.io/serviceaccount/service-account.name",
    "kubernetes.io/serviceaccount/service-account.uid",
];

fn of_secret(payload: &Value, wanted: &[String]) -> Option<Claims> {
    let claim = |index: usize| payload[SECRET_CLAIMS[index]].as_str().map(str::to_string);
    // They name no audience and are for this server only.
    let audiences: Vec<String> = wanted.iter().filter(|audience| *audience == ISSUER).cloned().collect();
    (!audiences.is_empty()).then_some(())?;
    Some(Claims {
        namespace: claim(0)?,
        service_account: claim(2)?,
        uid: claim(3)?,
        kept_in: Some(claim(1)?),
        audiences,
        ..Claims::default()
    })
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
        let check = |tokens: &Tokens, token: &str, now| tokens.verify(token, &[], now);
        assert_eq!(check(&tokens, &token, 1_100).map(|c| c.namespace).as_deref(), Some("codex"));
        assert_eq!(check(&tokens, &token, 1_700), None, "expired");
        let other = Tokens::open(&dir.path().join("other")).expect("a new key");
        assert_eq!(check(&other, &token, 1_100), None, "another cluster's");
        assert_eq!(check(&tokens, &token.replace('.', ".A"), 1_100), None, "changed");
        let reopened = Tokens::open(&dir.path().join("key")).expect("the same key");
        assert!(check(&reopened, &token, 1_100).is_some(), "the key is kept");

        let foreign = tokens.issue(&Request { audiences: vec!["vault".into()], ..request.clone() }, 1_000);
        assert_eq!(check(&tokens, &foreign, 1_100), None, "for somebody else");
        let audiences = ["vault".to_string(), "x".to_string()];
        let claims = tokens.verify(&foreign, &audiences, 1_100).expect("asked for that audience");
        assert_eq!(claims.audiences, ["vault"]);
        assert_eq!(tokens.verify(&token, &audiences, 1_100), None, "one for the server is for nobody else");

        let pod = Some(("web".to_string(), "p".to_string()));
        let of_pod =
            tokens.issue(&Request { pod: pod.clone(), expiry_seconds: 3607, ..request.clone() }, 1_000);
        assert_eq!(check(&tokens, &of_pod, 20_000).map(|c| c.pod), Some(pod.clone()), "a year, as upstream");
        let short = tokens.issue(&Request { pod, ..request }, 1_000);
        assert_eq!(check(&tokens, &short, 20_000), None, "asked for ten minutes");

        let kept = tokens.issue_for_secret("codex", "default", "u", "s");
        let claims = check(&tokens, &kept, i64::MAX - 10).expect("it never expires");
        assert_eq!((claims.kept_in.as_deref(), claims.uid.as_str()), (Some("s"), "u"));
        assert_eq!(tokens.verify(&kept, &audiences, 1_100), None);
    }
}
