//! Serve processes of local resources, with their readiness probes.

use crate::output::{LogSource, Output};
use crate::probe::{Prober, Reading};
use crate::programs::{Programs, Running};
use devloop::{Event, ServeFact};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use tiltfile::plan::{Command, Probe};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// All serve processes of a session, by resource.
pub(crate) struct Serving {
    programs: Programs,
    output: Arc<dyn Output>,
    events: mpsc::Sender<Event>,
    /// Where the commands of probes run.
    dir: PathBuf,
    tasks: HashMap<String, Task>,
}

struct Task {
    stop: CancellationToken,
    handle: JoinHandle<()>,
}

/// One of them.
struct Server {
    programs: Programs,
    output: Arc<dyn Output>,
    events: mpsc::Sender<Event>,
    resource: String,
}

impl Serving {
    pub(crate) fn new(
        programs: Programs,
        output: Arc<dyn Output>,
        events: mpsc::Sender<Event>,
        dir: PathBuf,
    ) -> Self {
        Self { programs, output, events, dir, tasks: HashMap::new() }
    }

    /// Starts it; the one before ends first, so that its ports are free.
    pub(crate) fn start(&mut self, resource: String, command: Command, probe: Option<Probe>) {
        let before = self.stop(&resource);
        let server = Server {
            programs: self.programs.clone(),
            output: self.output.clone(),
            events: self.events.clone(),
            resource: resource.clone(),
        };
        let prober =
            probe.map(|probe| Prober { probe, dir: self.dir.clone(), programs: self.programs.clone() });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let handle = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            server.run(&command, prober, stopped).await;
        });
        self.tasks.insert(resource, Task { stop, handle });
    }

    /// Ends it, in its own time.
    pub(crate) fn stop(&mut self, resource: &str) -> Option<JoinHandle<()>> {
        let task = self.tasks.remove(resource)?;
        task.stop.cancel();
        Some(task.handle)
    }
}

impl Server {
    async fn run(&self, command: &Command, prober: Option<Prober>, stop: CancellationToken) {
        if stop.is_cancelled() {
            return;
        }
        let code = match self.programs.start(command) {
            Ok(running) => {
                let state = if prober.is_some() { ServeFact::Starting } else { ServeFact::Ready };
                self.tell(state).await;
                match self.follow(running, prober, &stop).await {
                    Some(code) => code,
                    None => return,
                }
            }
            Err(problem) => {
                self.log(&problem);
                127
            }
        };
        self.tell(ServeFact::Exited { code }).await;
    }

    /// Until it ends by itself (with its exit code) or is to.
    async fn follow(
        &self,
        running: Running,
        prober: Option<Prober>,
        stop: &CancellationToken,
    ) -> Option<i32> {
        let ends = running.stop.clone();
        let (tell, mut told) = mpsc::channel(1);
        let probing = async {
            if let Some(prober) = &prober {
                prober.run(tell).await;
            }
            std::future::pending::<()>().await;
        };
        let ended = running.follow(&self.output, &self.resource, LogSource::Local);
        tokio::pin!(probing, ended);
        loop {
            tokio::select! {
                code = &mut ended => {
                    // it was to end, by us or with the session
                    return (!ends.is_cancelled()).then(|| code.unwrap_or(-1));
                }
                () = stop.cancelled(), if !ends.is_cancelled() => ends.cancel(),
                () = &mut probing => {}
                Some(reading) = told.recv() => match reading {
                    Reading::Ready => self.tell(ServeFact::Ready).await,
                    Reading::NotReady(why) => {
                        self.log(&format!("readiness probe: {why}"));
                        self.tell(ServeFact::NotReady).await;
                    }
                },
            }
        }
    }

    async fn tell(&self, serve: ServeFact) {
        let _ = self.events.send(Event::ServeChanged { resource: self.resource.clone(), serve }).await;
    }

    fn log(&self, text: &str) {
        self.output.log(&self.resource, LogSource::Local, &format!("{text}\n"));
    }
}
