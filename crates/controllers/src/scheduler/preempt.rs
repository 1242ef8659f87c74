//! Preemption: less important pods go so that a more important one finds room.

use super::fit::{Misfit, Scene};
use super::ledger::nominated_node;
use crate::access::{self, at, int_at, is_deleting, labels_match, list_at, name, namespace, str_at, uid};
use crate::{Outcome, pods};
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::Reverse;
use store::{EventKind, Object};

const BUDGETS: &str = "policy/poddisruptionbudgets";
const BY_SCHEDULER: &str = "PreemptionByScheduler";
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
const NO_VICTIMS: &str = "No preemption victims found for incoming pod";

/// What comes of the try.
pub(super) enum Preemption {
    /// Why it is of no use, as kube-scheduler adds it to its message.
    Useless(String),
    /// The node that is made room on, and who has to go.
    Room { node: String, victims: Vec<Object> },
}

/// A pod that found no node.
pub(super) struct Preemptor<'s, 'a> {
    pub(super) scene: &'s Scene<'a>,
}

/// The pods of a node that would have to go.
struct Candidate {
    node: usize,
    victims: Vec<Object>,
    /// How many of them a disruption budget would have kept.
    violations: usize,
}

impl Preemptor<'_, '_> {
    pub(super) fn priority(pod: &Value) -> i64 {
        int_at(pod, &["spec", "priority"]).unwrap_or(0)
    }

    /// `misfits` has why each node does not do, in the order of nodes; none where no node was looked at.
    pub(super) fn decide(&self, misfits: &[Misfit]) -> Preemption {
        if str_at(self.scene.pod, &["spec", "preemptionPolicy"]) == "Never" {
            return Preemption::Useless("not eligible due to preemptionPolicy=Never.".into());
        }
        if self.waits_for_victims(misfits) {
            return Preemption::Useless(
                "not eligible due to a terminating pod on the nominated node.".into(),
            );
        }
        let mut reasons: Vec<String> = Vec::new();
        let mut candidates = Vec::new();
        for (place, _) in self.scene.nodes.iter().enumerate() {
            match misfits.get(place).filter(|misfit| misfit.could_preempt).map(|_| self.victims_on(place)) {
                None => reasons.push(NOT_HELPFUL.into()),
                Some(Err(why)) => reasons.extend(why),
                Some(Ok(candidate)) => candidates.push(candidate),
            }
        }
        match candidates.into_iter().min_by_key(|candidate| self.cost(candidate)) {
            Some(best) => {
                Preemption::Room { node: name(&self.scene.nodes[best.node]).into(), victims: best.victims }
            }
            None => {
                let nodes = self.scene.nodes.len();
                let counted = super::counted(reasons.iter().map(String::as_str));
                Preemption::Useless(format!("0/{nodes} nodes are available: {counted}."))
            }
        }
    }

    fn less_important(&self, pod: &Value) -> bool {
        Self::priority(pod) < Self::priority(self.scene.pod)
    }

    /// Whether room is being made already.
    fn waits_for_victims(&self, misfits: &[Misfit]) -> bool {
        let nominated = nominated_node(self.scene.pod);
        let Some(place) = self.scene.nodes.iter().position(|node| name(node) == nominated) else {
            return false;
        };
        let hopeless = misfits.get(place).is_some_and(|misfit| !misfit.could_preempt);
        let going = |pod: &Object| {
            let conditions = list_at(pod, &["status", "conditions"]);
            let target = conditions.iter().find(|c| str_at(c, &["type"]) == pods::DISRUPTED);
            is_deleting(pod) && target.is_some_and(|c| str_at(c, &["reason"]) == BY_SCHEDULER)
        };
        let there = self.scene.ledger.on(nominated).into_iter().flat_map(|node| node.pods.values());
        !hopeless && there.map(|placed| &placed.pod).any(|pod| self.less_important(pod) && going(pod))
    }

    /// Everything less important goes; then, the more important first, whoever need not go stays. Those that a disruption
    /// budget keeps are tried first.
    fn victims_on(&self, place: usize) -> Result<Candidate, Vec<String>> {
        let node = &self.scene.nodes[place];
        let there = self.scene.ledger.on(name(node)).into_iter().flat_map(|node| node.pods.values());
        let mut possible: Vec<Object> =
            there.map(|placed| &placed.pod).filter(|pod| self.less_important(pod)).cloned().collect();
        if possible.is_empty() {
            return Err(vec![NO_VICTIMS.into()]);
        }
        let mut scene = self.scene.clone();
        possible.iter().for_each(|pod| scene.remove(pod, node));
        if let Some(misfit) = scene.misfit(node) {
            return Err(misfit.reasons);
        }
        possible.sort_by_cached_key(|pod| importance(pod));
        let (kept, others) = self.by_budgets(possible);
        let violations_before = kept.len();
        let mut violations = 0;
        let mut victims = Vec::new();
        for (place, pod) in kept.into_iter().chain(others).enumerate() {
            scene.restore(&pod, node);
            if scene.misfit(node).is_some() {
                scene.remove(&pod, node);
                violations += usize::from(place < violations_before);
                victims.push(pod);
            }
        }
        victims.sort_by_cached_key(|pod| importance(pod));
        Ok(Candidate { node: place, victims, violations })
    }

    /// Those that a budget does not let go, and the others, in their order.
    fn by_budgets(&self, pods: Vec<Object>) -> (Vec<Object>, Vec<Object>) {
        let budgets = self.scene.server.list(BUDGETS, "");
        let mut allowed: Vec<i64> =
            budgets.iter().map(|b| int_at(b, &["status", "disruptionsAllowed"]).unwrap_or(0)).collect();
        pods.into_iter().partition(|pod| {
            let mut violated = false;
            for (budget, allowed) in budgets.iter().zip(&mut allowed) {
                let selector = at(budget, &["spec", "selector"]);
                let labels = at(pod, &["metadata", "labels"]);
                let selects = namespace(budget) == namespace(pod)
                    && selector.as_object().is_some_and(|s| !s.is_empty())
                    && labels.as_object().is_some_and(|l| !l.is_empty())
                    && labels_match(selector, labels);
                if selects && at(budget, &["status", "disruptedPods", name(pod)]).is_null() {
                    *allowed -= 1;
                    violated |= *allowed < 0;
                }
            }
            violated
        })
    }

    /// The fewest violated budgets, the least important victims, the fewest, and those that have run for the shortest time.
    fn cost(&self, candidate: &Candidate) -> (usize, i64, i64, usize, Reverse<String>) {
        let priorities = || candidate.victims.iter().map(|pod| Self::priority(pod));
        let highest = priorities().max().unwrap_or(i64::MIN);
        // Priorities are made positive so that fewer victims are better, whatever their sign.
        let sum = priorities().map(|priority| priority + i64::from(i32::MAX) + 1).sum();
        let started =
            candidate.victims.iter().filter(|pod| Self::priority(pod) == highest).map(|pod| start_of(pod));
        let earliest = started.min().unwrap_or_default();
        (candidate.violations, highest, sum, candidate.victims.len(), Reverse(earliest))
    }
}

fn start_of(pod: &Value) -> String {
    str_at(pod, &["status", "startTime"]).to_string()
}

/// Smaller is more important: the higher priority, then who has run for longer.
fn importance(pod: &Value) -> (Reverse<i64>, String, String) {
    (Reverse(Preemptor::priority(pod)), start_of(pod), name(pod).to_string())
}

/// A victim is told why, and goes.
pub(super) fn evict(preemptor: &Value, victim: &Object, node: &str, now: Timestamp, outcome: &mut Outcome) {
    let scheduler = match str_at(preemptor, &["spec", "schedulerName"]) {
        "" => "default-scheduler",
        named => named,
    };
    let message = format!("{scheduler}: preempting to accommodate a higher priority pod");
    pods::disrupt(victim, BY_SCHEDULER, &message, now, outcome);
    let message = format!("Preempted by pod {} on node {node}", uid(preemptor));
    let regarding = access::reference("v1", "Pod", victim);
    outcome.write(access::event(EventKind::Normal, regarding, scheduler, "Preempted", message));
}
