//! Which pods of a DaemonSet come and go: first every node gets what it should have (`manage`), and when nothing is left to
//! do there, an update goes on (`roll`). The rules are those of upstream's controller.

use super::{DaemonSets, HASH_LABEL, Place, daemon_pod, node_of};
use crate::access::{self, at, is_deleting, name, str_at};
use crate::{Controller, Outcome, pods, ranking};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use store::{EventKind, Object};

pub(super) struct Placing<'a> {
    pub(super) set: &'a Value,
    pub(super) nodes: &'a [(Object, Place)],
    pub(super) all: &'a [Object],
    pub(super) hash: &'a str,
    pub(super) now: Timestamp,
}

/// The pods of each node.
pub(super) fn by_node(all: &[Object]) -> BTreeMap<&str, Vec<&Object>> {
    let mut by_node: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    for pod in all {
        by_node.entry(node_of(pod)).or_default().push(pod);
    }
    by_node
}

/// So old is a pod at least that has ended before it is replaced.
const PAUSE: Duration = Duration::from_secs(1);

/// What an update may cost.
struct Budget {
    surge: i64,
    unavailable: i64,
}

/// The pods of a node that an update is about: one of each kind at most.
struct Pair<'a> {
    new: Option<&'a Object>,
    old: Option<&'a Object>,
}

impl Placing<'_> {
    pub(super) fn place(&self, outcome: &mut Outcome) {
        let placed = by_node(self.all);
        let before = outcome.writes.len();
        self.manage(&placed, outcome);
        let rolls = str_at(self.set, &["spec", "updateStrategy", "type"]) != "OnDelete";
        if outcome.writes.len() == before && rolls {
            self.roll(&placed, outcome);
        }
    }

    fn manage(&self, placed: &BTreeMap<&str, Vec<&Object>>, outcome: &mut Outcome) {
        let places: BTreeMap<&str, Place> =
            self.nodes.iter().map(|(node, place)| (name(node), *place)).collect();
        for (node, place) in self.nodes {
            let here = placed.get(name(node)).map_or(&[][..], Vec::as_slice);
            match place {
                Place::Wanted if here.is_empty() => outcome.write(self.new_pod(node)),
                Place::Wanted | Place::Kept => self.tidy(node, here, outcome),
                Place::Refused => {}
            }
        }
        let stays = |pod: &Object| places.get(node_of(pod)).is_some_and(|place| *place != Place::Refused);
        for pod in self.all.iter().filter(|pod| pods::is_active(pod) && !stays(pod)) {
            self.delete(pod, outcome);
        }
    }

    /// Pods that have ended are made anew; of several the oldest stays, or one old and one new while an update surges.
    fn tidy(&self, node: &Object, here: &[&Object], outcome: &mut Outcome) {
        for pod in here.iter().filter(|pod| !is_deleting(pod) && !pods::is_active(pod)) {
            // One that fails at once is not made anew at once.
            let created = access::time_at(pod, &["metadata", "creationTimestamp"]);
            if created
                .is_some_and(|created| self.now.as_second() - created.as_second() < PAUSE.as_secs() as i64)
            {
                outcome.again(PAUSE);
            } else {
                self.replace_ended(pod, node, outcome);
            }
        }
        let mut running: Vec<&Object> = here.iter().copied().filter(|pod| pods::is_active(pod)).collect();
        if running.len() < 2 {
            return;
        }
        ranking::sort_of_node(&mut running);
        if self.budget().surge == 0 {
            return running[1..].iter().for_each(|pod| self.delete(pod, outcome));
        }
        let (new, old): (Vec<&Object>, Vec<&Object>) = running.into_iter().partition(|pod| self.is_new(pod));
        new.iter().skip(1).chain(old.iter().skip(1)).for_each(|pod| self.delete(pod, outcome));
        if let (Some(new), Some(old)) = (new.first(), old.first())
            && (!pods::is_ready(old) || self.is_available(new))
        {
            self.delete(old, outcome);
        }
    }

    fn budget(&self) -> Budget {
        let wanted = self.nodes.iter().filter(|(_, place)| *place == Place::Wanted).count() as i64;
        let of = |field: &str| match at(self.set, &["spec", "updateStrategy", "rollingUpdate", field]) {
            Value::Null => None,
            value => Some(access::int_or_percent(value, wanted, true)),
        };
        let rolls = str_at(self.set, &["spec", "updateStrategy", "type"]) != "OnDelete";
        let surge = of("maxSurge").filter(|_| rolls).unwrap_or(0);
        let unavailable = of("maxUnavailable").unwrap_or(1).max(i64::from(surge == 0));
        Budget { surge, unavailable }
    }

    fn roll(&self, placed: &BTreeMap<&str, Vec<&Object>>, outcome: &mut Outcome) {
        let budget = self.budget();
        let wanted = self.nodes.iter().filter(|(_, place)| *place == Place::Wanted);
        let pairs = wanted.map(|(node, _)| {
            let here = placed.get(name(node)).map_or(&[][..], Vec::as_slice);
            (node, self.pair(here))
        });
        if budget.surge > 0 {
            self.roll_by_surge(pairs, budget.surge, outcome);
        } else {
            self.roll_by_stopping(pairs, budget.unavailable, outcome);
        }
    }

    /// None: there are several of a kind, which `manage` sees to.
    fn pair<'p>(&self, here: &[&'p Object]) -> Option<Pair<'p>> {
        let mut pair = Pair { new: None, old: None };
        for pod in here.iter().copied().filter(|pod| !is_deleting(pod)) {
            let place = if self.is_new(pod) { &mut pair.new } else { &mut pair.old };
            if place.replace(pod).is_some() {
                return None;
            }
        }
        Some(pair)
    }

    /// Old pods that are not available go in any case; of the others as many as may be missing then.
    fn roll_by_stopping<'p>(
        &self,
        pairs: impl Iterator<Item = (&'p Object, Option<Pair<'p>>)>,
        most: i64,
        outcome: &mut Outcome,
    ) {
        let (mut missing, mut goes, mut candidates) = (0, Vec::new(), Vec::new());
        for (_, pair) in pairs {
            match pair {
                Some(Pair { new: Some(new), old: None }) => missing += i64::from(!self.is_available(new)),
                Some(Pair { new: None, old: Some(old) }) if self.is_available(old) => candidates.push(old),
                Some(Pair { new: None, old: Some(old) }) => {
                    missing += 1;
                    goes.push(old);
                }
                _ => missing += 1,
            }
        }
        goes.extend(candidates.into_iter().take(usize::try_from(most - missing).unwrap_or(0)));
        goes.into_iter().for_each(|pod| self.delete(pod, outcome));
    }

    /// A new pod comes beside the old one, which goes when the new one is available.
    fn roll_by_surge<'p>(
        &self,
        pairs: impl Iterator<Item = (&'p Object, Option<Pair<'p>>)>,
        most: i64,
        outcome: &mut Outcome,
    ) {
        let (mut surged, mut goes, mut comes, mut candidates) = (0, Vec::new(), Vec::new(), Vec::new());
        for (node, pair) in pairs {
            match pair {
                None => surged += 1,
                Some(Pair { old: None, .. }) => {}
                Some(Pair { new: None, old: Some(old) }) if self.is_available(old) => candidates.push(node),
                Some(Pair { new: None, old: Some(_) }) => comes.push(node),
                Some(Pair { new: Some(_), old: Some(old) }) if !self.is_available(old) => goes.push(old),
                Some(Pair { new: Some(new), old: Some(old) }) => {
                    surged += 1;
                    goes.extend(self.is_available(new).then_some(old));
                }
            }
        }
        comes.extend(candidates.into_iter().take(usize::try_from(most - surged).unwrap_or(0)));
        goes.into_iter().for_each(|pod| self.delete(pod, outcome));
        comes.into_iter().for_each(|node| outcome.write(self.new_pod(node)));
    }

    fn new_pod(&self, node: &Value) -> store::Write {
        pods::create(daemon_pod(self.set, node, self.hash))
    }

    fn is_new(&self, pod: &Value) -> bool {
        str_at(pod, &["metadata", "labels", HASH_LABEL]) == self.hash
    }

    fn is_available(&self, pod: &Value) -> bool {
        pods::availability(pod, pods::min_ready_seconds(self.set), self.now).is_ok() && pods::is_active(pod)
    }

    /// A daemon does not end: one that has is told of and made anew.
    fn replace_ended(&self, pod: &Value, node: &Value, outcome: &mut Outcome) {
        let (kind, reason, phase, verb) = match str_at(pod, &["status", "phase"]) {
            "Failed" => (EventKind::Warning, "FailedDaemonPod", "failed", "kill"),
            _ => (EventKind::Normal, "SucceededDaemonPod", "succeeded", "delete"),
        };
        let message = format!(
            "Found {phase} daemon pod {}/{} on node {}, will try to {verb} it",
            access::namespace(pod),
            name(pod),
            name(node)
        );
        let regarding = access::reference("apps/v1", "DaemonSet", self.set);
        outcome.write(access::event(kind, regarding, DaemonSets.name(), reason, message));
        self.delete(pod, outcome);
    }

    fn delete(&self, pod: &Value, outcome: &mut Outcome) {
        outcome.write(pods::delete(pod));
        outcome.write(access::event(
            EventKind::Normal,
            access::reference("apps/v1", "DaemonSet", self.set),
            DaemonSets.name(),
            "SuccessfulDelete",
            format!("Deleted pod: {}", name(pod)),
        ));
    }
}
