//! A change of `replicas` while several ReplicaSets have pods: each grows or shrinks in proportion, so that a rollout that
//! may be bad is not hurried on.

use super::sets::{DESIRED, MOST};
use super::{Plan, available, spec_replicas};
use crate::access::{at, int_at, name, str_at};
use serde_json::Value;
use std::cmp::Reverse;
use store::Object;

fn annotation(set: &Value, key: &str) -> Option<i64> {
    str_at(set, &["metadata", "annotations", key]).parse().ok()
}

impl Plan<'_> {
    /// Whether a set with pods was sized for another number of replicas.
    pub(super) fn is_scaling(&self) -> bool {
        let mut active = self.sets().filter(|set| spec_replicas(set) > 0);
        active.any(|set| annotation(set, DESIRED).is_some_and(|sized_for| sized_for != self.desired()))
    }

    pub(super) fn scale_all(&mut self) {
        let mut active: Vec<&Object> =
            self.old.iter().chain(self.current).filter(|s| spec_replicas(s) > 0).collect();
        let latest = || self.current.or(self.old.last());
        match (active.as_slice(), latest()) {
            ([], None) => return,
            ([], Some(only)) => return self.resize(only, self.desired()),
            ([only], _) => return self.resize(only, self.desired()),
            _ => {}
        }
        if self.current.is_some_and(|current| self.is_saturated(current)) {
            self.old.iter().for_each(|set| self.scale(set, 0));
            return;
        }
        if str_at(self.deployment, &["spec", "strategy", "type"]) == "Recreate" {
            return;
        }
        let total: i64 = active.iter().map(|set| spec_replicas(set)).sum();
        let allowed = if self.desired() > 0 { self.desired() + self.budget().surge } else { 0 };
        let to_add = allowed - total;
        // The larger first; among equals the newer grows and the older shrinks first.
        let age = |set: &Object| {
            (str_at(set, &["metadata", "creationTimestamp"]).to_string(), name(set).to_string())
        };
        if to_add >= 0 {
            active.sort_by_cached_key(|set| Reverse((spec_replicas(set), age(set))));
        } else {
            active.sort_by_cached_key(|set| (Reverse(spec_replicas(set)), age(set)));
        }
        let mut added = 0;
        let mut sizes: Vec<i64> = Vec::new();
        for set in &active {
            let share = self.share(set, allowed, to_add, added);
            added += share;
            sizes.push(spec_replicas(set) + share);
        }
        // What is left over goes to the largest.
        sizes[0] = (sizes[0] + to_add - added).max(0);
        active.into_iter().zip(sizes).for_each(|(set, size)| self.resize(set, size));
    }

    /// How many of `to_add` replicas a set gets; `added` are given away already.
    fn share(&self, set: &Object, allowed: i64, to_add: i64, added: i64) -> i64 {
        let size = spec_replicas(set);
        if self.desired() == 0 {
            return (-size).max(to_add - added);
        }
        let all = || int_at(self.deployment, &["status", "replicas"]);
        let part_of = annotation(set, MOST).filter(|most| *most > 0).or_else(all).filter(|all| *all > 0);
        let fraction = part_of.map_or(0, |part_of| rounded(size * allowed, part_of) - size);
        if to_add > 0 { fraction.min(to_add - added) } else { fraction.max(to_add - added) }
    }

    /// Whether the new set alone is all that is wanted, and all of it is available.
    fn is_saturated(&self, current: &Object) -> bool {
        let desired = self.desired();
        annotation(current, DESIRED) == Some(desired)
            && spec_replicas(current) == desired
            && available(current) == desired
            && at(current, &["metadata", "deletionTimestamp"]).is_null()
    }
}

/// The quotient of two positive numbers, a half up.
fn rounded(whole: i64, by: i64) -> i64 {
    (2 * whole + by).div_euclid(2 * by)
}
