//! Secrets of the type `kubernetes.io/service-account-token`: filled for their ServiceAccount, and gone without it.

use crate::access::{self, at, str_at};
use crate::{Controller, Outcome, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::{Change, Key, Propagation, Write};

const SECRETS: &str = "secrets";
const ACCOUNTS: &str = "serviceaccounts";
const KIND: &str = "kubernetes.io/service-account-token";
const NAME: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";

pub(crate) struct SecretTokens;

fn holds_token(secret: &Value) -> bool {
    secret["type"] == KIND
}

fn annotation<'a>(secret: &'a Value, name: &str) -> &'a str {
    str_at(secret, &["metadata", "annotations", name])
}

impl Controller for SecretTokens {
    fn name(&self) -> &'static str {
        "tokens-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            SECRETS if holds_token(&change.object) => vec![change.key.clone()],
            ACCOUNTS => server
                .list(SECRETS, &change.key.namespace)
                .iter()
                .filter(|secret| holds_token(secret) && annotation(secret, NAME) == &*change.key.name)
                .map(|secret| access::key_of(SECRETS, secret))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(secret) =
            server.get(SECRETS, &key.namespace, &key.name).filter(|secret| holds_token(secret))
        else {
            return outcome;
        };
        let account = server.get(ACCOUNTS, &key.namespace, annotation(&secret, NAME));
        let known = annotation(&secret, UID);
        let account = account.filter(|account| {
            let uid = str_at(account, &["metadata", "uid"]);
            (known.is_empty() || known == uid) && at(account, &["metadata", "deletionTimestamp"]).is_null()
        });
        let Some(account) = account else {
            let uid = Some(str_at(&secret, &["metadata", "uid"]).to_string());
            outcome.write(Write::Delete {
                key: key.clone(),
                uid,
                grace_seconds: None,
                propagation: Propagation::Background,
            });
            return outcome;
        };
        let (name, uid) = (annotation(&secret, NAME), str_at(&account, &["metadata", "uid"]));
        let mut data = Map::new();
        let mut want = |field: &str, value: &dyn Fn() -> String, once: bool| {
            let have = str_at(&secret, &["data", field]);
            if once && !have.is_empty() {
                return;
            }
            let value = STANDARD.encode(value());
            if have != value {
                data.insert(field.into(), value.into());
            }
        };
        want("ca.crt", &|| server.ca_certificate().to_string(), false);
        want("namespace", &|| key.namespace.to_string(), true);
        want("token", &|| server.secret_token(&key.namespace, name, uid, &key.name), true);
        let mut patch = json!({});
        if !data.is_empty() {
            patch["data"] = data.into();
        }
        if known.is_empty() {
            patch["metadata"] = json!({ "annotations": { UID: uid } });
        }
        if patch != json!({}) {
            outcome.write(Write::Merge { key: key.clone(), subresource: "", patch });
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Small;
    use expect_test::{Expect, expect};

    fn check(account: Value, secret: &Value, expected: Expect) {
        let mut world = Small::default();
        if account.is_object() {
            world.put(ACCOUNTS, account);
        }
        let key = world.put(SECRETS, secret.clone());
        let outcome = SecretTokens.reconcile(&world, &key, Timestamp::UNIX_EPOCH);
        let lines: Vec<String> = outcome
            .writes
            .into_iter()
            .map(|write| match write {
                Write::Merge { patch, .. } => patch.to_string(),
                Write::Delete { uid, .. } => format!("delete {uid:?}"),
                other => format!("{other:?}"),
            })
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn secrets_are_filled_once_and_go_with_their_account() {
        let account = |uid: &str| json!({ "metadata": { "name": "bot", "namespace": "a", "uid": uid } });
        let secret = |annotations: Value, data: Value| json!({ "type": KIND, "metadata": { "name": "t", "namespace": "a", "uid": "s", "annotations": annotations }, "data": data });
        let fresh = secret(json!({ NAME: "bot" }), Value::Null);
        check(
            account("u1"),
            &fresh,
            expect![[
                r#"{"data":{"ca.crt":"Q0E=","namespace":"YQ==","token":"YS9ib3QvdTEvdA=="},"metadata":{"annotations":{"kubernetes.io/service-account.uid":"u1"}}}"#
            ]],
        );
        let full = json!({ "ca.crt": "Q0E=", "namespace": "YQ==", "token": "b3RoZXI=" });
        let done = secret(json!({ NAME: "bot", UID: "u1" }), full.clone());
        check(account("u1"), &done, expect![[""]]);
        let mut old_ca = full;
        old_ca["ca.crt"] = "b2xk".into();
        let old = secret(json!({ NAME: "bot", UID: "u1" }), old_ca);
        check(account("u1"), &old, expect![[r#"{"data":{"ca.crt":"Q0E="}}"#]]);
        check(account("u2"), &done, expect![[r#"delete Some("s")"#]]);
        check(Value::Null, &fresh, expect![[r#"delete Some("s")"#]]);
        let other = json!({ "type": "Opaque", "metadata": { "name": "t", "namespace": "a", "annotations": { NAME: "gone" } } });
        check(Value::Null, &other, expect![[""]]);
    }
}
