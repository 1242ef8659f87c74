//! Events: the same thing happening again raises a counter, and old ones go.

use crate::metadata::timestamp;
use crate::transaction::Transaction;
use crate::{Key, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use store::{EventKind, Object, Snapshot, Term, View};

const KEPT: Duration = Duration::from_secs(3600);
const PAUSE: Duration = Duration::from_secs(60);
/// After so many events within so long that differ by their message only, all others become one, as with client-go.
const MOST_SIMILAR: usize = 9;
const SIMILAR_FOR: Duration = Duration::from_secs(600);
const COMBINED: &str = "(combined from similar events): ";

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
    let kind = match event.kind {
        EventKind::Normal => "Normal",
        EventKind::Warning => "Warning",
    };
    let similar = similar(&view, namespace, kind, &event);
    let mut message = event.message.clone();
    let mut again = similar.iter().find(|known| known["message"] == message.as_str());
    if again.is_none() && of_late(&similar, tx.now) >= MOST_SIMILAR {
        message = format!("{COMBINED}{message}");
        again = similar.iter().find(|known| is_combined(known));
    }
    if let Some(known) = again {
        let mut next = (**known).clone();
        next["count"] = (next["count"].as_i64().unwrap_or(1) + 1).into();
        next["message"] = message.into();
        next["lastTimestamp"] = now.into();
        let key = Key::new("events", namespace, crate::metadata::text(known, "name"));
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
    let object = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "name": name, "namespace": namespace, "uid": tx.luck.uid(),
            "creationTimestamp": now,
        },
        "involvedObject": regarding, "reason": event.reason, "message": message,
        "source": { "component": event.component }, "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        "type": kind, "eventTime": null, "reportingComponent": event.component, "reportingInstance": "",
    });
    tx.put(Key::new("events", namespace, &name), object)?;
    prune(tx)
}

/// Events that differ by their message only.
fn similar(view: &Snapshot, namespace: &str, kind: &str, event: &Event) -> Vec<Object> {
    let regarding = &event.regarding;
    let named = |field: &str| regarding[field].as_str().filter(|text| !text.is_empty());
    let what = named("uid").or_else(|| named("name")).unwrap_or_default();
    let mut known = view.select("events", namespace, &[Term::Regards(what)]);
    known.retain(|known| {
        known["reason"] == event.reason.as_str()
            && known["type"] == kind
            && known["source"]["component"] == event.component.as_str()
            && ["kind", "name", "uid", "fieldPath"]
                .iter()
                .all(|field| known["involvedObject"][field] == regarding[field])
    });
    known
}

fn is_combined(event: &Value) -> bool {
    event["message"].as_str().is_some_and(|message| message.starts_with(COMBINED))
}

/// How many of them have happened lately, each of its own.
fn of_late(events: &[Object], now: Timestamp) -> usize {
    let oldest = now.checked_sub(SIMILAR_FOR).map(timestamp).unwrap_or_default();
    let lately =
        |event: &&Object| event["lastTimestamp"].as_str().is_some_and(|last| last >= oldest.as_str());
    events.iter().filter(|event| !is_combined(event)).filter(lately).count()
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

#[cfg(test)]
mod tests {
    use crate::tests::bench;
    use serde_json::json;
    use store::{EventKind, View, Write};

    /// (message, count) of each event after these messages.
    fn after(messages: &[String]) -> Vec<(String, i64)> {
        let (api, _dir) = bench();
        for message in messages {
            api.write(Write::Event {
                regarding: json!({ "kind": "Pod", "namespace": "default", "name": "p", "uid": "u" }),
                kind: EventKind::Warning,
                reason: "Failed".into(),
                message: message.clone(),
                component: "kubelet".into(),
            })
            .expect("recorded");
        }
        let mut events: Vec<(String, i64)> = api
            .view()
            .list("events", "default")
            .iter()
            .map(|e| {
                (e["message"].as_str().unwrap_or_default().to_string(), e["count"].as_i64().unwrap_or(0))
            })
            .collect();
        events.sort();
        events
    }

    #[test]
    fn the_same_is_counted_and_much_that_is_similar_combined() {
        let same = vec!["a".to_string(); 30];
        assert_eq!(after(&same), [("a".to_string(), 30)]);
        let numbered: Vec<String> = (10..25).map(|number| format!("error {number}")).collect();
        let events = after(&numbered);
        assert_eq!(events.len(), 10);
        assert_eq!(events[0], ("(combined from similar events): error 24".to_string(), 6));
        assert!(events[1..].iter().all(|(_, count)| *count == 1), "{events:?}");
    }
}
