//! When a probe is due and what its results add up to.

use crate::backoff::after;
use crate::spec::Probe;
use jiff::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeKind {
    Startup,
    Readiness,
    Liveness,
}

impl ProbeKind {
    pub(crate) const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];

    /// As events name it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// What one run of a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Success,
    /// Counts against the threshold.
    Failure {
        output: String,
    },
    /// The probe itself could not be run: neither good nor bad.
    Error {
        message: String,
    },
}

/// One probe of one running container.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProbeRun {
    last: Option<Timestamp>,
    pub(crate) running: bool,
    streak_good: bool,
    streak: u32,
    /// `None` until a threshold has been reached.
    pub(crate) result: Option<bool>,
    /// A failed liveness or startup probe waits for the next container.
    hold: bool,
    /// Tries that have not counted yet.
    early: u32,
}

impl ProbeRun {
    /// A probe that has already given its verdict (in a container that we have adopted).
    pub(crate) fn known(result: bool) -> Self {
        Self { result: Some(result), ..Self::default() }
    }

    pub(crate) fn due(&self, probe: &Probe, started: Timestamp) -> Option<Timestamp> {
        if self.running || self.hold {
            return None;
        }
        let first = after(started, probe.initial_delay);
        match self.last {
            None => Some(first),
            Some(last) if self.early > 0 => Some(self.soon(last).min(after(first, probe.period))),
            Some(last) => Some(after(last, probe.period)),
        }
    }

    /// 50 ms at first, doubling up to a second.
    fn soon(&self, last: Timestamp) -> Timestamp {
        let millis = 50i64 << self.early.saturating_sub(1).min(5);
        last.checked_add(jiff::SignedDuration::from_millis(millis.min(1000))).unwrap_or(Timestamp::MAX)
    }

    /// Whether a failure does not count yet. The kubelet's first look at a container comes at some moment within
    /// the first period; we look early and often, so that a good container is known at once, but judge it bad
    /// no earlier than the kubelet may.
    pub(crate) fn is_early(&mut self, probe: &Probe, started: Timestamp, good: bool) -> bool {
        let end = after(after(started, probe.initial_delay), probe.period);
        let early =
            !good && self.streak == 0 && self.result.is_none() && self.last.is_some_and(|last| last < end);
        self.early = if early { self.early.saturating_add(1) } else { 0 };
        early
    }

    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.last = Some(now);
        self.running = true;
    }

    /// Counts a result; true if the verdict changed.
    pub(crate) fn finish(&mut self, probe: &Probe, good: bool, kind: ProbeKind) -> bool {
        self.streak =
            if self.streak > 0 && self.streak_good == good { self.streak.saturating_add(1) } else { 1 };
        self.streak_good = good;
        let needed = if good { probe.success_threshold } else { probe.failure_threshold };
        if self.streak < needed {
            return false;
        }
        let changed = self.result != Some(good);
        self.result = Some(good);
        if !good && kind != ProbeKind::Readiness {
            self.hold = true;
            self.streak = 0;
        }
        changed
    }
}
