//! How fast the number of replicas may follow what the metrics ask for: windows, policies, and what they remember.

use crate::access::{at, int_at, list_at, str_at};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Without rules, a target shrinks only to the largest number that was wanted in this time.
const WINDOW: i64 = 300;

/// What has been wanted and done lately. It is lost with the daemon, as upstream's is with its controller: the windows
/// begin anew then.
#[derive(Debug, Default)]
pub(super) struct Memory {
    wanted: Vec<(i64, Timestamp)>,
    grown: Vec<(i64, Timestamp)>,
    shrunk: Vec<(i64, Timestamp)>,
    /// The change that was decided last, from and to; whether it came to pass is seen at the next look.
    decided: Option<(i64, i64, Timestamp)>,
}

impl Memory {
    /// A look begins: the target has so many replicas.
    pub(super) fn begin(&mut self, replicas: i64, now: Timestamp) {
        if self.wanted.is_empty() {
            self.wanted.push((replicas, now));
        }
        if let Some((from, to, at)) = self.decided.take().filter(|(from, ..)| *from != replicas) {
            let list = if to > from { &mut self.grown } else { &mut self.shrunk };
            list.push(((to - from).abs(), at));
        }
    }

    pub(super) fn decide(&mut self, from: i64, to: i64, now: Timestamp) {
        self.decided = Some((from, to, now));
    }
}

pub(super) struct Bounds {
    pub(super) least: i64,
    pub(super) most: i64,
    pub(super) current: i64,
}

/// What comes of a wish, and what is said of it: conditions `AbleToScale` and `ScalingLimited`.
pub(super) struct Allowed {
    pub(super) replicas: i64,
    pub(super) able: (&'static str, &'static str),
    pub(super) limited: bool,
    pub(super) limit: (&'static str, &'static str),
}

const READY: (&str, &str) = ("ReadyForNewScale", "recommended size matches current size");
const HIGHER: (&str, &str) = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const LOWER: (&str, &str) = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);
const TOO_FAST: (&str, &str) =
    ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const TOO_FAST_DOWN: (&str, &str) =
    ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");
const TOO_MANY: (&str, &str) =
    ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const TOO_FEW: (&str, &str) =
    ("TooFewReplicas", "the desired replica count is less than the minimum replica count");
const WITHIN: (&str, &str) = ("DesiredWithinRange", "the desired count is within the acceptable range");

/// `behavior` is null without rules.
pub(super) fn allow(
    memory: &mut Memory,
    behavior: &Value,
    wish: i64,
    bounds: &Bounds,
    now: Timestamp,
) -> Allowed {
    let (steady, stabilized, (replicas, limit)) = if behavior.is_null() {
        let steady = memory.highest(wish, now);
        (steady, HIGHER, by_default(steady, bounds))
    } else {
        let (up, down) = (Rules::read(behavior, Way::Up), Rules::read(behavior, Way::Down));
        let steady = memory.between(wish, bounds.current, &up, &down, now);
        let said = if wish >= bounds.current { LOWER } else { HIGHER };
        (steady, said, memory.by_rules(steady, bounds, &up, &down, now))
    };
    let able = if steady == wish { READY } else { stabilized };
    Allowed { replicas, able, limited: replicas != steady, limit }
}

fn by_default(wish: i64, bounds: &Bounds) -> (i64, (&'static str, &'static str)) {
    let fastest = (bounds.current * 2).max(4);
    let (most, reached) = if bounds.most > fastest { (fastest, TOO_FAST) } else { (bounds.most, TOO_MANY) };
    if wish < bounds.least {
        (bounds.least, TOO_FEW)
    } else if wish > most {
        (most, reached)
    } else {
        (wish, WITHIN)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

struct Rules {
    window: i64,
    select: String,
    policies: Vec<Policy>,
}

struct Policy {
    percent: bool,
    value: i64,
    period: i64,
}

impl Rules {
    fn read(behavior: &Value, way: Way) -> Self {
        let (field, window) = if way == Way::Up { ("scaleUp", 0) } else { ("scaleDown", WINDOW) };
        let rules = at(behavior, &[field]);
        let policies = list_at(rules, &["policies"]).iter().map(|policy| Policy {
            percent: str_at(policy, &["type"]) == "Percent",
            value: int_at(policy, &["value"]).unwrap_or(0),
            period: int_at(policy, &["periodSeconds"]).unwrap_or(0),
        });
        Self {
            window: int_at(rules, &["stabilizationWindowSeconds"]).unwrap_or(window),
            select: str_at(rules, &["selectPolicy"]).to_string(),
            policies: policies.collect(),
        }
    }

    fn longest_period(&self) -> i64 {
        self.policies.iter().map(|policy| policy.period).max().unwrap_or(0)
    }
}

fn before(now: Timestamp, seconds: i64) -> Timestamp {
    now.saturating_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Memory {
    /// The most that has been wanted lately.
    fn highest(&mut self, wish: i64, now: Timestamp) -> i64 {
        let since = before(now, WINDOW);
        self.wanted.retain(|(_, at)| *at >= since);
        let most = self.wanted.iter().map(|(wanted, _)| *wanted).fold(wish, i64::max);
        self.wanted.push((wish, now));
        most
    }

    /// The current number, brought between the least and the most that have been wanted in the windows of either way.
    fn between(&mut self, wish: i64, current: i64, up: &Rules, down: &Rules, now: Timestamp) -> i64 {
        let (up_since, down_since) = (before(now, up.window), before(now, down.window));
        self.wanted.retain(|(_, at)| *at >= up_since.min(down_since));
        let lately =
            |since: Timestamp| self.wanted.iter().filter(move |(_, at)| *at > since).map(|(n, _)| *n);
        let least = lately(up_since).fold(wish, i64::min);
        let most = lately(down_since).fold(wish, i64::max);
        self.wanted.push((wish, now));
        current.max(least).min(most)
    }

    fn by_rules(
        &mut self,
        wish: i64,
        bounds: &Bounds,
        up: &Rules,
        down: &Rules,
        now: Timestamp,
    ) -> (i64, (&'static str, &'static str)) {
        let oldest = before(now, up.longest_period().max(down.longest_period()));
        self.grown.retain(|(_, at)| *at >= oldest);
        self.shrunk.retain(|(_, at)| *at >= oldest);
        if wish > bounds.current {
            let fastest = self.limit(Way::Up, bounds.current, up, now).max(bounds.current);
            let (most, reached) =
                if bounds.most > fastest { (fastest, TOO_FAST) } else { (bounds.most, TOO_MANY) };
            if wish > most {
                return (most, reached);
            }
        } else if wish < bounds.current {
            let fastest = self.limit(Way::Down, bounds.current, down, now).min(bounds.current);
            let (least, reached) =
                if bounds.least < fastest { (fastest, TOO_FAST_DOWN) } else { (bounds.least, TOO_FEW) };
            if wish < least {
                return (least, reached);
            }
        }
        (wish, WITHIN)
    }

    /// How far the policies let the number go: from what it was at the beginning of each one's period.
    fn limit(&self, way: Way, current: i64, rules: &Rules, now: Timestamp) -> i64 {
        if rules.select == "Disabled" {
            return current;
        }
        let proposals = rules.policies.iter().map(|policy| {
            let since = before(now, policy.period);
            let sum = |list: &[(i64, Timestamp)]| -> i64 {
                list.iter().filter(|(_, at)| *at > since).map(|(change, _)| change).sum()
            };
            let start = current - sum(&self.grown) + sum(&self.shrunk);
            let share = start as f64 * policy.value as f64 / 100.0;
            match (way, policy.percent) {
                (Way::Up, false) => start.saturating_add(policy.value),
                (Way::Up, true) => (start as f64 + share).ceil() as i64,
                (Way::Down, false) => start.saturating_sub(policy.value),
                (Way::Down, true) => (start as f64 - share).trunc() as i64,
            }
        });
        // The policy that is chosen is the one that changes the most, or the least.
        let farthest = (rules.select == "Min") != (way == Way::Up);
        if farthest { proposals.max() } else { proposals.min() }.unwrap_or(current)
    }
}
