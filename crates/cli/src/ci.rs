//! How `coracle ci` ends: when all is well, with what failed, or because something takes too long.
//!
//! A resource has up to two targets, as in Tilt: its update, and what runs of it. `ci_settings()` says how long all
//! may take, how long what runs may take to become ready, and how long it may fail before that counts.

use devloop::{ResourceStatus, RuntimeStatus, State, UpdateStatus};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tiltfile::plan::{CiSettings, PodReadiness, Resource};
use tiltfile::{Plan, go_duration};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Going,
    Ready,
    /// Nothing is under way that could help, and these have failed.
    Failed(Vec<String>),
}

/// How a target stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    Fine,
    /// Not begun, or under way.
    Waiting(String),
    /// It runs, and is not ready.
    NotReady(String),
    Failed(String),
}

#[derive(Debug, Clone)]
struct Target {
    /// `web:runtime`.
    name: String,
    resource: String,
    standing: Standing,
    /// It runs until it ends, so that it has no time to become ready in.
    is_job: bool,
    /// An error of it may pass by itself.
    may_recover: bool,
}

/// How all stands, without any clock.
pub fn progress(state: &State, plan: &Plan) -> Progress {
    if plan.resources.is_empty() {
        return Progress::Going;
    }
    judge(&targets(state, plan), is_busy(state, plan), |target, message| {
        Some(format!("{}: {message}", target.resource))
    })
}

/// `problem`: what to say of a target that failed; `None`: it may pass.
fn judge(targets: &[Target], busy: bool, problem: impl Fn(&Target, &str) -> Option<String>) -> Progress {
    let mut problems = Vec::new();
    let mut waiting = false;
    for target in targets {
        match &target.standing {
            Standing::Fine => {}
            Standing::Failed(message) => match problem(target, message) {
                Some(problem) => problems.push(problem),
                None => waiting = true,
            },
            Standing::Waiting(_) | Standing::NotReady(_) => waiting = true,
        }
    }
    // what still builds may mend it; what waits for the broken one cannot
    if !problems.is_empty() && !busy {
        return Progress::Failed(problems);
    }
    if waiting || !problems.is_empty() { Progress::Going } else { Progress::Ready }
}

fn is_busy(state: &State, plan: &Plan) -> bool {
    let statuses = wanted(plan).filter_map(|r| state.status(&r.name));
    statuses.into_iter().any(|s| matches!(s.update, UpdateStatus::InProgress { .. }))
}

fn wanted(plan: &Plan) -> impl Iterator<Item = &Resource> {
    plan.resources.iter().filter(|r| plan.is_enabled(&r.name) && r.auto_init)
}

fn targets(state: &State, plan: &Plan) -> Vec<Target> {
    wanted(plan).flat_map(|r| of_resource(r, state.status(&r.name))).collect()
}

fn of_resource(resource: &Resource, status: Option<&ResourceStatus>) -> Vec<Target> {
    let target = |kind: &str, standing| Target {
        name: format!("{}:{kind}", resource.name),
        resource: resource.name.clone(),
        standing,
        is_job: resource.k8s().is_some_and(|k| k.pod_readiness == PodReadiness::Succeeded),
        may_recover: kind == "runtime",
    };
    let Some(status) = status else {
        return vec![target("update", Standing::Waiting("waiting".to_owned()))];
    };
    let update = match &status.update {
        UpdateStatus::None | UpdateStatus::Ok => Standing::Fine,
        UpdateStatus::Pending => Standing::Waiting("pending".to_owned()),
        UpdateStatus::InProgress { .. } => Standing::Waiting("in progress".to_owned()),
        UpdateStatus::Error { message } => Standing::Failed(message.clone()),
    };
    let runs = match &status.runtime {
        RuntimeStatus::NotApplicable => None,
        RuntimeStatus::Ok => Some(Standing::Fine),
        RuntimeStatus::Unknown => Some(Standing::Waiting("waiting".to_owned())),
        RuntimeStatus::Pending { reason } if has_begun(reason) => Some(Standing::NotReady(reason.clone())),
        RuntimeStatus::Pending { reason } => Some(Standing::Waiting(reason.clone())),
        RuntimeStatus::Error { message } => Some(Standing::Failed(message.clone())),
    };
    let kind = if resource.local().is_some() { "serve" } else { "runtime" };
    [Some(target("update", update)), runs.map(|standing| target(kind, standing))]
        .into_iter()
        .flatten()
        .collect()
}

/// There is something that runs.
fn has_begun(reason: &str) -> bool {
    !matches!(reason, "not deployed" | "no pod yet" | "not started")
}

/// Since when targets run and are not ready, or fail.
#[derive(Debug, Clone, Copy, Default)]
struct Since {
    not_ready: Option<Instant>,
    failing: Option<Instant>,
}

/// The clock over one round.
#[derive(Debug)]
pub struct Round {
    began: Instant,
    settings: CiSettings,
    /// There is a plan.
    loaded: bool,
    targets: Vec<Target>,
    busy: bool,
    since: HashMap<String, Since>,
}

impl Round {
    /// `timeout_ms`: for as long as the Tiltfile has not said another; 0: for ever.
    pub fn new(began: Instant, timeout_ms: u64) -> Round {
        let settings = CiSettings { timeout_ms, ..CiSettings::default() };
        Round { began, settings, loaded: false, targets: Vec::new(), busy: false, since: HashMap::new() }
    }

    /// Takes in how all stands.
    pub fn note(&mut self, state: &State, plan: &Plan, now: Instant) {
        // before the Tiltfile is evaluated, its settings are not known
        if !plan.resources.is_empty() {
            self.settings = plan.settings.ci.clone();
            self.loaded = true;
        }
        self.take(targets(state, plan), is_busy(state, plan), now);
    }

    fn take(&mut self, targets: Vec<Target>, busy: bool, now: Instant) {
        for target in &targets {
            let since = self.since.entry(target.name.clone()).or_default();
            match target.standing {
                Standing::Fine => *since = Since::default(),
                Standing::Waiting(_) => since.not_ready = None,
                Standing::NotReady(_) => since.not_ready = since.not_ready.or(Some(now)),
                // a container that starts again and again fails all the time
                Standing::Failed(_) => since.failing = since.failing.or(Some(now)),
            }
        }
        (self.targets, self.busy) = (targets, busy);
    }

    /// What can be said now.
    pub fn progress(&self, now: Instant) -> Progress {
        let grace = Duration::from_millis(self.settings.k8s_grace_period_ms);
        let since = |target: &Target| self.since.get(&target.name).copied().unwrap_or_default();
        let progress = judge(&self.targets, self.busy, |target, message| {
            let name = &target.resource;
            if !target.may_recover || grace.is_zero() {
                return Some(format!("{name}: {message}"));
            }
            let is_over = since(target).failing.is_some_and(|at| now.duration_since(at) >= grace);
            is_over.then(|| format!("{name}: exceeded grace period: {message}"))
        });
        let progress = if self.loaded { progress } else { Progress::Going };
        if progress != Progress::Going {
            return progress;
        }
        let limit = Duration::from_millis(self.settings.readiness_timeout_ms);
        let late = self.targets.iter().find(|target| {
            let not_ready =
                since(target).not_ready.filter(|_| matches!(target.standing, Standing::NotReady(_)));
            !target.is_job && !limit.is_zero() && not_ready.is_some_and(|at| now.duration_since(at) >= limit)
        });
        if let Some(target) = late {
            let after = go_duration(self.settings.readiness_timeout_ms);
            return Progress::Failed(vec![format!(
                "Readiness timeout after {after}: target {} not ready",
                target.name
            )]);
        }
        let timeout = Duration::from_millis(self.settings.timeout_ms);
        if !timeout.is_zero() && now.duration_since(self.began) >= timeout {
            return Progress::Failed(vec![self.late(timeout)]);
        }
        Progress::Going
    }

    /// What is not done in time.
    fn late(&self, timeout: Duration) -> String {
        let named = |what: &str, shown: fn(&Target) -> Option<String>| {
            let found: Vec<String> = self.targets.iter().filter_map(shown).collect();
            (!found.is_empty()).then(|| format!("{} resources {what} ({})", found.len(), found.join(",")))
        };
        let parts = [
            named("waiting", |t| match &t.standing {
                Standing::Waiting(reason) => Some(format!("{} {}", t.name, reason.replace(' ', "-"))),
                _ => None,
            }),
            named("not ready", |t| matches!(t.standing, Standing::NotReady(_)).then(|| t.name.clone())),
            named("retrying", |t| match &t.standing {
                Standing::Failed(message) => Some(format!("{}: {message}", t.name)),
                _ => None,
            }),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let after = format!("Timeout after {}", go_duration(milliseconds));
        if parts.is_empty() { after } else { format!("{after}: {}", parts.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn target(name: &str, standing: Standing) -> Target {
        let resource = name.split(':').next().expect("a split has a first part").to_owned();
        let may_recover = name.ends_with(":runtime");
        Target { name: name.to_owned(), resource, standing, is_job: name.starts_with("job"), may_recover }
    }

    /// What a round of these settings comes to, step by step: each at so many seconds.
    fn story(settings: &CiSettings, steps: &[(u32, &str, Standing)]) -> Vec<Progress> {
        let began = Instant::now();
        let mut round = Round { settings: settings.clone(), loaded: true, ..Round::new(began, 0) };
        let step = |(at, name, standing): &(u32, &str, Standing)| {
            let now = began + *at * SECOND;
            round.take(vec![target(name, standing.clone())], false, now);
            round.progress(now)
        };
        steps.iter().map(step).collect()
    }

    fn settings(grace: u64, timeout: u64, readiness: u64) -> CiSettings {
        CiSettings {
            k8s_grace_period_ms: grace * 1000,
            timeout_ms: timeout * 1000,
            readiness_timeout_ms: readiness * 1000,
        }
    }

    fn failed(text: &str) -> Progress {
        Progress::Failed(vec![text.to_owned()])
    }

    fn failing() -> Standing {
        Standing::Failed("main: CrashLoopBackOff".to_owned())
    }

    fn not_ready() -> Standing {
        Standing::NotReady("not ready".to_owned())
    }

    #[test]
    fn errors_end_it_at_once() {
        let story =
            story(&settings(0, 0, 0), &[(0, "web:runtime", not_ready()), (1, "web:runtime", failing())]);
        assert_eq!(story, [Progress::Going, failed("web: main: CrashLoopBackOff")]);
    }

    #[test]
    fn errors_within_the_grace_period_may_pass() {
        let recovers = [
            (0, "web:runtime", failing()),
            (5, "web:runtime", not_ready()),
            (9, "web:runtime", failing()),
            (9, "web:runtime", Standing::Fine),
        ];
        let going = Progress::Going;
        assert_eq!(
            story(&settings(10, 0, 0), &recovers),
            [going.clone(), going.clone(), going.clone(), Progress::Ready]
        );
        let stays =
            [(0, "web:runtime", failing()), (5, "web:runtime", not_ready()), (10, "web:runtime", failing())];
        let end = failed("web: exceeded grace period: main: CrashLoopBackOff");
        assert_eq!(story(&settings(10, 0, 0), &stays), [going.clone(), going, end]);
        // an update that failed does not mend itself
        let update = [(0, "web:update", Standing::Failed("no such file".to_owned()))];
        assert_eq!(story(&settings(10, 0, 0), &update), [failed("web: no such file")]);
    }

    #[test]
    fn what_runs_must_become_ready_in_time() {
        let steps = [
            (0, "web:runtime", Standing::Waiting("no pod yet".to_owned())),
            (20, "web:runtime", not_ready()),
            (29, "web:runtime", Standing::NotReady("starting".to_owned())),
            (30, "web:runtime", not_ready()),
        ];
        let going = Progress::Going;
        let end = failed("Readiness timeout after 10s: target web:runtime not ready");
        assert_eq!(story(&settings(0, 0, 10), &steps), [going.clone(), going.clone(), going.clone(), end]);
        let job = [(0, "job:runtime", not_ready()), (100, "job:runtime", not_ready())];
        assert_eq!(story(&settings(0, 0, 10), &job), [going.clone(), going]);
    }

    #[test]
    fn all_must_be_done_in_time() {
        let began = Instant::now();
        let mut round = Round { settings: settings(100, 60, 0), loaded: true, ..Round::new(began, 0) };
        let targets = vec![
            target("fe:update", Standing::Fine),
            target("fe:runtime", Standing::Waiting("no pod yet".to_owned())),
            target("db:update", Standing::Waiting("pending".to_owned())),
            target("web:runtime", not_ready()),
            target("api:runtime", failing()),
        ];
        round.take(targets, false, began + 30 * SECOND);
        assert_eq!(round.progress(began + 59 * SECOND), Progress::Going);
        let end = "Timeout after 1m0s: 2 resources waiting (fe:runtime no-pod-yet,db:update pending), \
            1 resources not ready (web:runtime), 1 resources retrying (api:runtime: main: CrashLoopBackOff)";
        assert_eq!(round.progress(began + 60 * SECOND), failed(end));
        // before there is a plan, the time of the command line holds
        assert_eq!(Round::new(began, 0).progress(began + 9999 * SECOND), Progress::Going);
        assert_eq!(Round::new(began, 1000).progress(began + SECOND), failed("Timeout after 1s"));
        // nothing is to start by itself
        let idle = Round { loaded: true, ..Round::new(began, 0) };
        assert_eq!(idle.progress(began), Progress::Ready);
    }
}
