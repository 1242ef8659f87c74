//! Making and stopping a Job's pods: as many active ones as there may be now.

use super::{Progress, is_indexed, is_per_index, pods, tracking};
use crate::access::{at, int_at, name, str_at};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{EventKind, Object};

/// Pauses after failures: doubled each time, up to the longest.
const FIRST_PAUSE: i64 = 10;
const LONGEST_PAUSE: i64 = 600;
/// Pods made or stopped in one go.
const BURST: i64 = 500;

impl Progress<'_> {
    /// The Job has ended: what runs is stopped, and counted if that is how it failed. Pods that go because enough
    /// others succeeded are let go at once.
    pub(super) fn end_all(&mut self, succeeds: bool) {
        let active = std::mem::take(&mut self.tally.active);
        active.iter().for_each(|pod| if succeeds { self.stop(pod) } else { self.delete(pod) });
    }

    pub(super) fn stop_all(&mut self) {
        let active = std::mem::take(&mut self.tally.active);
        active.iter().for_each(|pod| self.stop(pod));
    }

    /// A pod that is not wanted any more is not counted as failed.
    fn stop(&mut self, pod: &Object) {
        if tracking::is_tracked(pod) {
            self.outcome.write(tracking::release(pod));
            self.tally.released.insert(crate::access::uid(pod).to_string());
        }
        self.delete(pod);
    }

    fn delete(&mut self, pod: &Object) {
        self.outcome.write(crate::pods::delete(pod));
        self.say(EventKind::Normal, "SuccessfulDelete", format!("Deleted pod: {}", name(pod)));
        self.tally.terminating += 1;
    }

    /// Either stops what is too many or makes what is missing.
    pub(super) fn adjust(&mut self) {
        let parallelism = int_at(self.job, &["spec", "parallelism"]).unwrap_or(1).max(0);
        let active = self.tally.active.len() as i64;
        let wanted = match self.completions() {
            Some(wanted) => (wanted - self.tally.succeeded).min(parallelism).max(0),
            None if self.tally.succeeded > 0 => active,
            None => parallelism,
        };
        if self.stop_surplus((active - wanted).max(0) as usize) {
            return;
        }
        let replaces_late = match str_at(self.job, &["spec", "podReplacementPolicy"]) {
            "" => at(self.job, &["spec", "podFailurePolicy"]).is_object(),
            policy => policy == "Failed",
        };
        let going = if replaces_late { self.tally.terminating as i64 } else { 0 };
        let missing = (wanted - active - going).min(BURST);
        if missing > 0 {
            self.start(missing);
        }
    }

    /// Pods that do a work twice or that no index asks for go first.
    fn stop_surplus(&mut self, at_least: usize) -> bool {
        let mut left = std::mem::take(&mut self.tally.active);
        let mut goes = Vec::new();
        if is_indexed(self.job) {
            let end = self.completions().unwrap_or(0);
            let mut by_index: BTreeMap<i64, Vec<Object>> = BTreeMap::new();
            for pod in left.drain(..) {
                match pods::index_of(&pod).filter(|index| *index < end) {
                    Some(index) => by_index.entry(index).or_default().push(pod),
                    None => goes.push(pod),
                }
            }
            for mut same in by_index.into_values() {
                crate::ranking::sort(&mut same);
                left.extend(same.pop());
                goes.extend(same);
            }
        }
        if goes.len() < at_least {
            crate::ranking::sort(&mut left);
            goes.extend(left.drain(..(at_least - goes.len()).min(left.len())));
        }
        let later = goes.split_off(goes.len().min(BURST as usize));
        goes.iter().for_each(|pod| self.stop(pod));
        left.extend(later);
        self.tally.active = left;
        !goes.is_empty()
    }

    fn start(&mut self, missing: i64) {
        if !is_per_index(self.job)
            && let Some(left) = self.pause_left()
        {
            return self.outcome.again(left);
        }
        if !is_indexed(self.job) {
            (0..missing).for_each(|_| self.create(None));
            return;
        }
        let open = self.tally.open_indexes(self.completions().unwrap_or(0));
        let open: Vec<i64> = open.take(missing as usize).collect();
        for index in open {
            match self.pause_left_of(index) {
                Some(left) => self.outcome.again(left),
                None => self.create(Some(index)),
            }
        }
    }

    fn create(&mut self, index: Option<i64>) {
        let replaced = index.and_then(|index| self.tally.last_failed.get(&index));
        let pod = pods::new_pod(self.job, index, replaced.map(|pod| &**pod));
        self.outcome.write(crate::pods::create(pod));
        self.tally.made += 1;
    }

    /// How long no pod may be started after failures.
    fn pause_left(&self) -> Option<Duration> {
        let last = self.tally.recent_failures.last()?;
        self.pause(self.tally.recent_failures.len() as i64, last.as_second())
    }

    /// The same for one index, from what its last pod says.
    fn pause_left_of(&self, index: i64) -> Option<Duration> {
        let last = self.tally.last_failed.get(&index).filter(|_| is_per_index(self.job))?;
        let (failures, ignored) = pods::failures_before(last);
        self.pause(failures + ignored + 1, pods::ended_at(last)?.as_second())
    }

    fn pause(&self, failures: i64, last: i64) -> Option<Duration> {
        let doublings = (failures - 1).clamp(0, 10);
        let pause = (FIRST_PAUSE << doublings).min(LONGEST_PAUSE);
        let left = last + pause - self.now.as_second();
        (left > 0).then(|| Duration::from_secs(left.unsigned_abs()))
    }
}
