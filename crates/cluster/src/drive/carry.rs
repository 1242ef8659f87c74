//! Carrying out what a controller wants to write, one write after the other.
//!
//! Without webhooks nothing here waits, and the driver goes on with what has come of it; a write that webhooks are asked
//! about goes on in a task of its own.

use super::{Facts, World};
use api::{Api, ApiError, FieldValidation, Object, Origin, UserInfo, Write, WriteOptions};
use jiff::Timestamp;
use std::sync::Arc;
use store::Key;

/// Who a controller is to those who are asked about its writes, as upstream names it.
pub(super) fn user(component: &str) -> UserInfo {
    let account = match component {
        "default-scheduler" => {
            return UserInfo {
                username: "system:kube-scheduler".into(),
                groups: vec!["system:authenticated".into()],
                ..UserInfo::default()
            };
        }
        "controllermanager" => "disruption-controller",
        "garbage-collector-controller" => "generic-garbage-collector",
        other => other,
    };
    UserInfo {
        username: format!("system:serviceaccount:kube-system:{account}"),
        groups: ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]
            .map(String::from)
            .to_vec(),
        ..UserInfo::default()
    }
}

/// The writes of one reconcile.
pub(super) struct Carrier {
    pub(super) api: Api,
    pub(super) component: &'static str,
    pub(super) key: Key,
    pub(super) facts: Arc<Facts>,
}

impl Carrier {
    /// What the first failure was, if there was one.
    pub(super) async fn all(self, writes: Vec<Write>) -> Option<ApiError> {
        let origin = Origin::of(Arc::new(user(self.component)));
        let mut failed: Option<ApiError> = None;
        let mut refused = false;
        let mut writes = writes.into_iter();
        while let Some(write) = writes.next() {
            let creates = match &write {
                Write::Create { resource, .. } => resource.as_str().to_string(),
                _ => String::new(),
            };
            if refused && !creates.is_empty() {
                continue;
            }
            let rescales = matches!(&write, Write::Merge { subresource: "scale", .. });
            let Err(error) = self.one(write, &origin).await else { continue };
            if rescales {
                self.tell_of_scale(writes.as_slice(), &error);
                failed.get_or_insert(error);
                break;
            }
            // Somebody was faster: the next look sees what they did.
            let outrun = matches!(error.reason, "Conflict" | "AlreadyExists" | "NotFound");
            match error.reason {
                _ if outrun => {}
                // A quota or a range: the next pod would fare no better, and an event has told the user.
                "Forbidden" => {
                    tracing::debug!(key = ?self.key, %error, "write refused");
                    refused = true;
                }
                _ => {
                    tracing::warn!(controller = self.component, key = ?self.key, %error, "write refused");
                    refused |= creates == "pods";
                }
            }
            failed.get_or_insert(error);
            // What goes on from a set or a job that is not there would be wrong.
            if outrun || matches!(creates.as_str(), "apps/replicasets" | "batch/jobs") {
                break;
            }
        }
        failed
    }

    async fn one(&self, write: Write, origin: &Origin) -> Result<(), ApiError> {
        let Write::Create { resource, object } = write else {
            if !self.api.has_webhooks() {
                return self.api.write_by(write, origin);
            }
            return self.api.admitted(origin, |origin| self.api.write_by(write.clone(), origin)).await;
        };
        let made = self.create(resource.as_str(), &object, origin).await;
        self.tell(matches!(resource.as_str(), "pods" | "batch/jobs"), &object, &made);
        made.map(drop)
    }

    async fn create(
        &self,
        resource: &str,
        object: &serde_json::Value,
        origin: &Origin,
    ) -> Result<Object, ApiError> {
        let create = |origin: &Origin| {
            let options = WriteOptions {
                field_validation: FieldValidation::Ignore,
                origin: origin.clone(),
                ..WriteOptions::default()
            };
            self.api.create(resource, object.clone(), &options)
        };
        self.api.admitted(origin, create).await
    }

    /// An autoscaler's target did not take its new size: what was to be said of it is not so.
    fn tell_of_scale(&self, after: &[Write], error: &ApiError) {
        let (world, now) = (World::now(&self.api, &self.facts), Timestamp::now());
        for write in controllers::rescale_refused(&world, &self.key, after, &error.message, now) {
            if let Err(error) = self.api.write(write) {
                tracing::debug!(%error, "what an autoscaler says is not recorded");
            }
        }
    }

    /// Pods and jobs that are made, or could not be made, are told of on what they belong to.
    fn tell(&self, is_told: bool, object: &serde_json::Value, made: &Result<Object, ApiError>) {
        let told = |object: &serde_json::Value, why| {
            if is_told { controllers::creation(self.component, object, why) } else { None }
        };
        let writes: Vec<Write> = match made {
            Ok(made) => told(made, None).into_iter().collect(),
            Err(error) if matches!(error.reason, "AlreadyExists" | "Conflict") => Vec::new(),
            Err(error) => {
                let refusal =
                    controllers::refusal(&self.api.view(), object, &error.message, Timestamp::now());
                told(object, Some(&error.message)).into_iter().chain(refusal).collect()
            }
        };
        for write in writes {
            if let Err(error) = self.api.write(write) {
                tracing::debug!(%error, "event not recorded");
            }
        }
    }
}
