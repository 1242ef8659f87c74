//! The arithmetic of a rolling update: how far the new ReplicaSet may grow and the old ones shrink.

use crate::access::{at, int_or_percent};
use serde_json::Value;

pub(crate) struct Budget {
    pub(crate) surge: i64,
    pub(crate) unavailable: i64,
}

impl Budget {
    /// From `strategy.rollingUpdate`; 25 % each by default. Both 0 would never move: one may then be unavailable.
    pub(crate) fn new(rolling: &Value, desired: i64) -> Self {
        let quarter = Value::from("25%");
        let read = |field: &str, up: bool| {
            let value = at(rolling, &[field]);
            int_or_percent(if value.is_null() { &quarter } else { value }, desired, up)
        };
        let (surge, unavailable) = (read("maxSurge", true), read("maxUnavailable", false));
        if surge == 0 && unavailable == 0 {
            return Self { surge, unavailable: 1 };
        }
        Self { surge, unavailable: unavailable.min(desired) }
    }
}

/// How many replicas the new set should have now; `total` counts all sets' replicas, the new one's too.
pub(crate) fn new_replicas(new: i64, desired: i64, total: i64, budget: &Budget) -> i64 {
    if new >= desired {
        return desired;
    }
    let room = (desired + budget.surge - total).max(0);
    new + room.min(desired - new)
}

pub(crate) struct Old {
    pub(crate) replicas: i64,
    pub(crate) available: i64,
}

#[derive(Clone, Copy)]
pub(crate) struct New {
    pub(crate) replicas: i64,
    pub(crate) available: i64,
}

/// The next replica numbers of the old sets, oldest first: broken pods go before working ones, and no more than
/// the budget of unavailable pods allows.
pub(crate) fn shrink(old: &[Old], new: New, desired: i64, budget: &Budget) -> Vec<i64> {
    let mut next: Vec<i64> = old.iter().map(|s| s.replicas).collect();
    let old_total: i64 = next.iter().sum();
    let min_available = desired - budget.unavailable;
    let new_unavailable = (new.replicas - new.available).max(0);
    let mut may_go = old_total + new.replicas - min_available - new_unavailable;
    for (set, replicas) in old.iter().zip(&mut next) {
        let broken = (set.replicas - set.available).max(0).min(may_go.max(0));
        *replicas -= broken;
        may_go -= broken;
    }
    let available: i64 = old.iter().map(|s| s.available.min(s.replicas)).sum::<i64>() + new.available;
    let mut working = (available - min_available).max(0);
    for replicas in &mut next {
        let goes = (*replicas).min(working);
        *replicas -= goes;
        working -= goes;
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn steps_of_a_rolling_update() {
        // (desired, surge, unavailable, old replicas/available, new replicas/available) -> (new, old)
        let cases = [
            ((1, 1, 0), (1, 1), (0, 0), (1, 1)),
            ((1, 1, 0), (1, 1), (1, 0), (1, 1)),
            ((1, 1, 0), (1, 1), (1, 1), (1, 0)),
            ((4, 1, 1), (4, 4), (0, 0), (1, 3)),
            ((4, 1, 1), (3, 3), (2, 0), (2, 3)),
            ((4, 1, 1), (3, 3), (2, 2), (2, 1)),
            ((4, 0, 1), (4, 2), (0, 0), (0, 3)),
            ((0, 1, 0), (2, 2), (0, 0), (0, 0)),
        ];
        for ((desired, surge, unavailable), (or, oa), (nr, na), want) in cases {
            let budget = Budget { surge, unavailable };
            let new = new_replicas(nr, desired, or + nr, &budget);
            let old = shrink(
                &[Old { replicas: or, available: oa }],
                New { replicas: new, available: na },
                desired,
                &budget,
            );
            assert_eq!(
                (new, old[0]),
                want,
                "desired {desired} surge {surge} unavailable {unavailable} old {or}/{oa} new {nr}/{na}"
            );
        }
    }

    #[test]
    fn budget_rounds_surge_up_and_unavailable_down() {
        let budget = Budget::new(&json!({"maxSurge": "25%", "maxUnavailable": "25%"}), 1);
        assert_eq!((budget.surge, budget.unavailable), (1, 0));
        let budget = Budget::new(&json!({"maxSurge": 0, "maxUnavailable": "0%"}), 3);
        assert_eq!((budget.surge, budget.unavailable), (0, 1));
    }
}
