//! Events: the same thing happening again raises a counter, and old ones go.

use crate::metadata::timestamp;
use crate::transaction::Transaction;
use crate::{Key, Result};
use serde_json::{Value, json};
use std::time::Duration;
use store::{EventKind, Term, View};

const KEPT: Duration = Duration::from_secs(3600);
const PAUSE: Duration = Duration::from_secs(60);

pub(crate) struct Event {
    pub(crate) regarding: Value,
    pub(crate) kind: EventKind,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) component: String,
}

pub(crate) fn record(tx: &mut Transaction<'_>, event: Event) -> Result<()> {
    let view = tx.view();
    let now = timestamp(tx.now);
    let regarding = &event.regarding;
    let namespace = regarding["namespace"].as_str().filter(|ns| !ns.is_empty()).unwrap_or("default");
    // Nobody can read what is told to a namespace that goes.
    if view.get("namespaces", "", namespace).is_none_or(|found| crate::metadata::is_deleting(&found)) {
        return Ok(());
    }
    let named = |field: &str| regarding[field].as_str().filter(|text| !text.is_empty());
    let what = named("uid").or_else(|| named("name")).unwrap_or_default();
    let again = view.select("events", namespace, &[Term::Regards(what)]).into_iter().find(|known| {
        known["reason"] == event.reason.as_str()
            && known["message"] == event.message.as_str()
            && ["kind", "name", "uid", "fieldPath"]
                .iter()
                .all(|field| known["involvedObject"][field] == regarding[field])
    });
    if let Some(known) = again {
        let mut next = (*known).clone();
        next["count"] = (next["count"].as_i64().unwrap_or(1) + 1).into();
        next["lastTimestamp"] = now.into();
        let key = Key::new("events", namespace, crate::metadata::text(&known, "name"));
        tx.put(key, next)?;
        return Ok(());
    }
    let name = format!(
        "{}.{:x}{}",
        regarding["name"].as_str().unwrap_or_default(),
        tx.now.as_nanosecond(),
        tx.luck.suffix()
    );
    let name = name.to_lowercase();
    let kind = match event.kind {
        EventKind::Normal => "Normal",
        EventKind::Warning => "Warning",
    };
    let object = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "name": name, "namespace": namespace, "uid": tx.luck.uid(),
            "creationTimestamp": now,
        },
        "involvedObject": regarding, "reason": event.reason, "message": event.message,
        "source": { "component": event.component }, "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        "type": kind, "eventTime": null, "reportingComponent": event.component, "reportingInstance": "",
    });
    tx.put(Key::new("events", namespace, &name), object)?;
    prune(tx)
}

/// Removes what has not happened for an hour. Called when a new event is stored, so that it costs nothing at rest; all
/// events are looked at once a minute.
fn prune(tx: &mut Transaction<'_>) -> Result<()> {
    if !tx.is_due_for_pruning(PAUSE) {
        return Ok(());
    }
    let Ok(oldest) = tx.now.checked_sub(KEPT) else { return Ok(()) };
    let oldest = timestamp(oldest);
    for event in tx.view().list("events", "") {
        let last = ["lastTimestamp", "eventTime"].iter().find_map(|field| event[field].as_str());
        let last = last.unwrap_or_else(|| crate::metadata::text(&event, "creationTimestamp"));
        // Times of one form and one zone compare as text.
        if last < oldest.as_str() {
            let (namespace, name) =
                (crate::metadata::text(&event, "namespace"), crate::metadata::text(&event, "name"));
            tx.remove(Key::new("events", namespace, name), (*event).clone())?;
        }
    }
    Ok(())
}
