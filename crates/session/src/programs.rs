//! Programs of resources: commands of local resources, custom builds and deploys, serve processes, probes.
//!
//! Each runs beside the loop in a process group of its own, so that its children end with it, and finds in its
//! environment what Tilt puts there: where the cluster is, and what the Tiltfile changed.

use crate::output::{LogSource, Output};
use crate::process::{exit_code, is_group_alive};
use parking_lot::{Mutex, RwLock};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tiltfile::plan::Command;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

/// What a program gets to end by itself when it is told to.
const GRACE: Duration = Duration::from_secs(5);
/// How often is looked whether all of a group has ended.
const POLL: Duration = Duration::from_millis(10);

/// Variables by name; `None` takes one away.
pub type Variables = BTreeMap<String, Option<String>>;

/// Starts programs and knows which run. Clones share that.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    /// For every command, beside this process's own environment.
    environment: Arc<Vec<(String, String)>>,
    /// What the Tiltfile of the plan in force changed.
    changed: Arc<RwLock<Variables>>,
    running: Arc<Mutex<BTreeSet<i32>>>,
    stop: CancellationToken,
}

impl Programs {
    pub fn new(environment: Vec<(String, String)>) -> Self {
        Self { environment: Arc::new(environment), ..Self::default() }
    }

    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// What the Tiltfile changed in its environment holds for what it runs.
    pub fn set_changed(&self, changed: Variables) {
        *self.changed.write() = changed;
    }

    /// Runs a command to its end, its output line by line to the log.
    pub async fn run(
        &self,
        output: &Arc<dyn Output>,
        resource: &str,
        source: LogSource,
        command: &Command,
    ) -> Result<(), String> {
        let code = self.start(command)?.follow(output, resource, source).await?;
        if code == 0 { Ok(()) } else { Err(format!("`{}` failed with exit code {code}", shown(command))) }
    }

    pub(crate) fn start(&self, command: &Command) -> Result<Running, String> {
        let Some((program, args)) = command.argv.split_first() else {
            return Err("the command is empty".into());
        };
        let mut child = std::process::Command::new(program);
        child.args(args).current_dir(&command.dir).envs(self.environment.iter().cloned());
        for (name, value) in self.changed.read().iter() {
            match value {
                Some(value) => child.env(name, value),
                None => child.env_remove(name),
            };
        }
        child.envs(command.env.iter().cloned());
        child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = tokio::process::Command::from(child)
            .process_group(0)
            .spawn()
            .map_err(|e| format!("cannot start `{}` in {}: {e}", shown(command), command.dir.display()))?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        self.running.lock().extend(id.map(Pid::as_raw_pid));
        let group = Group { id, running: self.running.clone() };
        Ok(Running { child, group, stop: self.stop.child_token() })
    }

    /// Ends all that runs, and comes back when nothing does.
    pub async fn end(&self) {
        self.stop.cancel();
        let began = Instant::now();
        while !self.running.lock().is_empty() && began.elapsed() < GRACE + Duration::from_secs(1) {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// A command as it may be shown: scripts by their first line.
pub fn shown(command: &Command) -> String {
    let words = match command.argv.as_slice() {
        // as Tilt tells commands that are given as text
        [shell, flag, script] if shell == "sh" && flag == "-c" => script.clone(),
        words => words.join(" "),
    };
    let mut lines = words.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    if lines.next().is_some() { format!("{first} …") } else { first }
}

/// A program that runs.
pub(crate) struct Running {
    pub(crate) child: Child,
    group: Group,
    /// Ends it.
    pub(crate) stop: CancellationToken,
}

/// Its process group, for as long as it may have members.
struct Group {
    id: Option<Pid>,
    running: Arc<Mutex<BTreeSet<i32>>>,
}

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // It may have ended by itself.
            let _ = kill_process_group(id, signal);
        }
    }

    fn is_there(&self) -> bool {
        self.id.is_some_and(|id| test_kill_process_group(id).is_ok() && is_group_alive(id.as_raw_pid()))
    }

    /// Ends it; `ended` waits for its first process.
    async fn end(&mut self, ended: impl Future) {
        self.signal(Signal::TERM);
        let began = Instant::now();
        tokio::pin!(ended);
        let first = tokio::time::timeout(GRACE, &mut ended).await;
        while self.is_there() && began.elapsed() < GRACE {
            tokio::time::sleep(POLL).await;
        }
        self.signal(Signal::KILL);
        if first.is_err() {
            ended.await;
        }
        self.done();
    }

    fn done(&mut self) {
        if let Some(id) = self.id.take() {
            self.running.lock().remove(&id.as_raw_pid());
        }
    }
}

impl Drop for Group {
    /// Whoever waited for it is gone.
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.done();
    }
}

impl Running {
    /// Waits for the end; gives the exit code. What it says while it is stopped is heard too.
    pub(crate) async fn follow(
        self,
        output: &Arc<dyn Output>,
        resource: &str,
        source: LogSource,
    ) -> Result<i32, String> {
        let Running { mut child, mut group, stop } = self;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let waiting = async {
            let streams = async {
                tokio::join!(copy(output, resource, source, out), copy(output, resource, source, err));
            };
            tokio::join!(child.wait(), streams).0
        };
        tokio::pin!(waiting);
        tokio::select! {
            status = &mut waiting => {
                // what it left running in the background has been let go
                group.done();
                status.map(exit_code).map_err(|e| e.to_string())
            }
            () = stop.cancelled() => {
                group.end(waiting).await;
                Err("it was stopped".into())
            }
        }
    }

    /// It has ended by itself.
    pub(crate) fn ended(mut self) {
        self.group.done();
    }

    /// Ends it with its children.
    pub(crate) async fn end(self) {
        let Running { mut child, mut group, .. } = self;
        group.end(child.wait()).await;
    }
}

pub(crate) async fn copy(
    output: &Arc<dyn Output>,
    resource: &str,
    source: LogSource,
    stream: Option<impl AsyncRead + Unpin>,
) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        output.log(resource, source, &format!("{}\n", String::from_utf8_lossy(&line)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Collector, shell};

    #[tokio::test]
    async fn what_a_command_finds_in_its_environment() {
        let programs = Programs::new(vec![("A".into(), "base".into()), ("B".into(), "base".into())]);
        let changed = [("B", Some("tiltfile")), ("C", Some("tiltfile")), ("HOME", None)];
        programs.set_changed(
            changed.iter().map(|(name, value)| ((*name).into(), value.map(str::to_owned))).collect(),
        );
        let mut command = shell("echo $A $B $C ${HOME-none}; echo oops >&2; exit 3");
        command.env.push(("C".into(), "command".into()));
        let collector = Collector::new();
        let result = programs.run(&collector.output(), "r", LogSource::Local, &command).await;
        assert!(result.is_err_and(|e| e.ends_with("failed with exit code 3")));
        let mut lines = collector.logged();
        lines.sort();
        assert_eq!(lines, ["base tiltfile command none\n", "oops\n"]);
    }

    #[tokio::test]
    async fn the_end_of_a_session_ends_children_too() {
        let programs = Programs::default();
        let collector = Collector::new();
        let (output, mut told) = (collector.output(), collector.subscribe());
        let runner = programs.clone();
        let script =
            "sh -c 'trap \"echo bye; exit 0\" TERM; echo $PPID; while :; do sleep 0.05; done' & wait; wait";
        let task =
            tokio::spawn(async move { runner.run(&output, "r", LogSource::Local, &shell(script)).await });
        told.changed().await.expect("the child tells its id");
        let group: i32 = collector.logged()[0].trim().parse().expect("a process id");
        assert!(is_group_alive(group));
        programs.end().await;
        assert_eq!(task.await.expect("no panic"), Err("it was stopped".into()));
        assert!(collector.logged().contains(&"bye\n".to_owned()), "its last words are heard");
        assert!(!is_group_alive(group), "the grandchild has ended");
    }

    #[test]
    fn commands_as_shown() {
        for (argv, want) in [
            (&["sh", "-c", "echo hi"][..], "echo hi"),
            (&["sh", "-c", "\nset -e\necho hi\n"], "set -e …"),
            (&["make", "-j", "2"], "make -j 2"),
        ] {
            let argv = argv.iter().map(|w| (*w).to_owned()).collect();
            assert_eq!(shown(&Command { argv, dir: "/".into(), env: Vec::new() }), want);
        }
    }
}
