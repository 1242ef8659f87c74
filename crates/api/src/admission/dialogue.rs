//! The dialogue with webhooks about one write.
//!
//! A write is decided under a lock, in one go, and webhooks take their time. So a write that has to ask some stops
//! instead, with its question in its [`Talk`]; the question is asked without the lock, and the write is gone through
//! again with the answer. Whatever has changed in between makes another question of it, so what is stored is what
//! webhooks have seen, and the version that they have seen is the one that is replaced.

use super::hooks::{Hook, Hooks};
use super::matching::Concern;
use super::talk::{Accepted, Conversion, Mutation, Pending, Question, Reinvocation, Talk};
use super::{Attributes, Origin, Pass, hooks, review};
use crate::{Api, ApiError, Result, admit};
use futures::future::join_all;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often a write is gone through before its object is taken to be too busy.
const MOST_ROUNDS: usize = 20;
/// Upstream's limit to what a JSON patch copies.
const MOST_COPIED: u64 = 3 << 20;

/// One request to a webhook.
#[derive(Debug, Clone)]
pub struct WebhookCall {
    pub target: hooks::WebhookTarget,
    /// PEM; empty: the authorities that the machine trusts.
    pub ca_bundle: Vec<u8>,
    /// Told to the webhook. The caller need not watch over it.
    pub timeout: Duration,
    /// JSON.
    pub body: Vec<u8>,
}

/// Who can reach webhooks.
#[async_trait::async_trait]
pub trait WebhookCaller: Send + Sync {
    /// The code and the body of the answer, or why there is none.
    async fn call(&self, call: WebhookCall) -> std::result::Result<(u16, Vec<u8>), String>;
}

/// How a webhook keeps a write from going on.
enum Failure {
    /// It did not answer, or not as it should.
    Unanswered(String),
    Refused(ApiError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// The error of the write, unless the webhook may be passed over.
    fn of(self, hook: &Hook) -> Option<ApiError> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Unanswered(why) => {
                let message = format!("failed calling webhook {:?}: {why}", hook.name);
                if hook.ignores_failures {
                    tracing::warn!(hook = hook.name, why, "a webhook that may be ignored has failed");
                    return None;
                }
                Some(ApiError::internal(message))
            }
        }
    }
}

impl Api {
    /// Who calls webhooks from now on. Only the first counts.
    pub fn set_webhook_caller(&self, caller: Arc<dyn WebhookCaller>) {
        if self.inner.caller.set(caller).is_err() {
            tracing::warn!("there is a caller of webhooks already");
        }
    }

    /// Whether there are webhooks at all, also such that convert.
    pub fn has_webhooks(&self) -> bool {
        !self.hooks().is_empty() || self.inner.converts.load(Ordering::Relaxed)
    }

    pub(crate) fn hooks(&self) -> Arc<Hooks> {
        self.inner.hooks.read().clone()
    }

    /// Goes through a write until webhooks have said everything that they have to say about it. `write` is called
    /// with the origin that it must use.
    pub async fn admitted<T>(
        &self,
        origin: &Origin,
        mut write: impl FnMut(&Origin) -> Result<T>,
    ) -> Result<T> {
        if !self.has_webhooks() {
            return write(origin);
        }
        let talk = Arc::new(parking_lot::Mutex::new(Talk::default()));
        let origin = origin.with_talk(talk.clone());
        let mut before = origin.warnings.take();
        for _ in 0..MOST_ROUNDS {
            let result = write(&origin);
            let Some(waits_for) = talk.lock().pending.take() else {
                let said = origin.warnings.take();
                before.extend(said);
                before.append(&mut talk.lock().warnings);
                before.into_iter().for_each(|warning| origin.warnings.push(warning));
                return result;
            };
            // The next time through says it again.
            origin.warnings.take();
            let answer = match waits_for {
                Pending::Conversion { definition, object, api_version } => {
                    self.ask_converting(&definition, object, &api_version, &talk).await
                }
                Pending::Question(question) => match question.pass {
                    Some(pass) => self.ask_mutating(&question, pass, &talk).await,
                    None => self.ask_validating(&question, &talk).await,
                },
            };
            if let Err(error) = answer {
                before.append(&mut talk.lock().warnings);
                before.into_iter().for_each(|warning| origin.warnings.push(warning));
                return Err(error);
            }
        }
        let why = "the object changes faster than admission webhooks answer";
        Err(ApiError::new(409, "Conflict", format!("the write was given up: {why}")))
    }

    async fn ask_converting(
        &self,
        definition: &Value,
        object: Value,
        api_version: &str,
        talk: &parking_lot::Mutex<Talk>,
    ) -> Result<()> {
        let mut converted = self.converted(definition, &[&object], api_version).await?;
        let to = converted.pop().unwrap_or_default();
        talk.lock().conversions.push(Conversion { from: object, to });
        Ok(())
    }

    /// One after the other, each with what the one before has left.
    async fn ask_mutating(
        &self,
        question: &Question,
        pass: Pass,
        talk: &parking_lot::Mutex<Talk>,
    ) -> Result<()> {
        let attributes = question.attributes();
        let mut object = question.object.clone();
        let mut changed = false;
        if pass == Pass::First {
            talk.lock().reinvocation = Reinvocation::default();
        } else if talk.lock().reinvocation.last != object {
            // The server's own rules have changed what webhooks had left.
            talk.lock().reinvocation.require();
        }
        for hook in &self.hooks().mutating {
            let invocation = hook.invocation(self, &self.view(), &attributes, object.as_ref())?;
            let Some(invocation) = invocation else { continue };
            // Who was not asked before is not asked now.
            if pass == Pass::Again && !talk.lock().reinvocation.again.contains(&hook.id) {
                continue;
            }
            let answer = self.mutated(hook, &invocation, &attributes, object.as_ref(), talk).await;
            match answer {
                Ok(None) => {}
                Ok(Some(next)) => {
                    if object.as_ref() != Some(&next) {
                        changed = true;
                        talk.lock().reinvocation.require();
                    }
                    object = Some(next);
                }
                Err(failure) => match failure.of(hook) {
                    Some(error) => return Err(error),
                    None => continue,
                },
            }
            if hook.is_asked_again {
                talk.lock().reinvocation.asked.insert(hook.id.clone());
            }
        }
        let mut talk = talk.lock();
        talk.reinvocation.last = object.clone();
        talk.mutations[usize::from(pass == Pass::Again)] = Some(Mutation {
            old: question.old.clone(),
            given: question.object.clone(),
            changed: if changed { object } else { None },
        });
        Ok(())
    }

    /// The object as one webhook wants it, with the defaults of what it has added.
    async fn mutated(
        &self,
        hook: &Hook,
        invocation: &Concern,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
        talk: &parking_lot::Mutex<Talk>,
    ) -> std::result::Result<Option<Value>, Failure> {
        let verdict = self.call(hook, invocation, attributes, object, true, talk).await?;
        if verdict.patch.is_empty() {
            return Ok(None);
        }
        let undecodable = |why: String| {
            Failure::Unanswered(format!("received undecodable patch in webhook response: {why}"))
        };
        let patch: Value =
            serde_json::from_slice(&verdict.patch).map_err(|error| undecodable(error.to_string()))?;
        let operations = patch::parse_operations(&patch).map_err(|error| undecodable(error.to_string()))?;
        if operations.is_empty() {
            return Ok(None);
        }
        let Some(object) = object else {
            return Err(ApiError::internal(format!(
                "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
                hook.name
            ))
            .into());
        };
        if verdict.patch_type != "JSONPatch" {
            return Err(Failure::Unanswered(format!("unsupported patch type {:?}", verdict.patch_type)));
        }
        let mut next = self.in_version(attributes.kind, &invocation.api_version(), object.clone()).await?;
        patch::json_patch_within(&mut next, &operations, MOST_COPIED)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        if object["kind"] != attributes.kind.kind.as_str() {
            return Ok(Some(next));
        }
        let mut next = crate::convert::from_version(attributes.kind, next);
        if !self.is_builtin(&attributes.kind.resource()) {
            next = self.in_version(attributes.kind, &attributes.kind.api_version(), next).await?;
        }
        admit::remade(self, &self.view(), attributes.kind, &mut next)
            .map_err(|error| ApiError::internal(error.message))?;
        admit::defaults(self, &self.view(), attributes.kind, &mut next);
        Ok(Some(next))
    }

    /// All at once; of several refusals the first of their order counts.
    async fn ask_validating(&self, question: &Question, talk: &parking_lot::Mutex<Talk>) -> Result<()> {
        let attributes = question.attributes();
        let object = question.object.as_ref();
        let view = self.view();
        let all = self.hooks();
        let mut asked = Vec::new();
        for hook in &all.validating {
            if let Some(invocation) = hook.invocation(self, &view, &attributes, object)? {
                asked.push((hook, invocation));
            }
        }
        let calls = asked
            .iter()
            .map(|(hook, invocation)| self.call(hook, invocation, &attributes, object, false, talk));
        for ((hook, _), answer) in asked.iter().zip(join_all(calls).await) {
            if let Some(error) = answer.err().and_then(|failure| failure.of(hook)) {
                return Err(error);
            }
        }
        talk.lock().accepted = Some(Accepted { old: question.old.clone(), object: question.object.clone() });
        Ok(())
    }

    /// What one webhook says, if it allows the write.
    async fn call(
        &self,
        hook: &Hook,
        invocation: &Concern,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
        mutating: bool,
        talk: &parking_lot::Mutex<Talk>,
    ) -> std::result::Result<review::Verdict, Failure> {
        if attributes.dry_run && !matches!(hook.side_effects.as_str(), "None" | "NoneOnDryRun") {
            let text = format!("admission webhook {:?} does not support dry run", hook.name);
            return Err(ApiError::bad_request(text).into());
        }
        let Some(version) = review::Version::of(hook) else {
            return Err(Failure::Unanswered(
                "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)"
                    .into(),
            ));
        };
        let uid = uuid::Uuid::new_v4().to_string();
        let shown = async |object: Option<&Value>| match object {
            Some(object) => self.in_version(attributes.kind, &invocation.api_version(), object.clone()).await,
            None => Ok(Value::Null),
        };
        let objects = (shown(object).await?, shown(attributes.old).await?);
        let body = review::write(version, &uid, attributes, invocation, objects);
        let answer = self.post(&hook.target, &hook.ca_bundle, hook.timeout, &body).await;
        let answer = answer.map_err(|why| Failure::Unanswered(format!("failed to call webhook: {why}")))?;
        let verdict = review::read(version, &uid, mutating, &answer)
            .map_err(|why| Failure::Unanswered(format!("received invalid webhook response: {why}")))?;
        talk.lock().warnings.extend(verdict.warnings.iter().cloned());
        if verdict.allowed { Ok(verdict) } else { Err(review::refusal(&hook.name, &verdict.result).into()) }
    }

    /// Sends an object to a webhook and reads the one that it answers with.
    pub(crate) async fn post(
        &self,
        target: &hooks::WebhookTarget,
        ca_bundle: &[u8],
        timeout: Duration,
        body: &Value,
    ) -> std::result::Result<Value, String> {
        let failed = |why: &str| format!("Post {:?}: {why}", target.url(timeout));
        let Some(caller) = self.inner.caller.get() else {
            return Err(failed("this server calls no webhooks"));
        };
        let body = serde_json::to_vec(body).map_err(|error| error.to_string())?;
        let call = WebhookCall { target: target.clone(), ca_bundle: ca_bundle.to_vec(), timeout, body };
        let answer = tokio::time::timeout(timeout, caller.call(call)).await;
        let answer = answer.map_err(|_| failed("context deadline exceeded"))?;
        let (code, body) = answer.map_err(|why| failed(&why))?;
        if !(200..300).contains(&code) {
            return Err(review::of_status(code, &body));
        }
        serde_json::from_slice(&body)
            .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))
    }
}
