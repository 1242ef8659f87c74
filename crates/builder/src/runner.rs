//! Running one command over layers: the runtime, or in tests a fake.

use runtime::{ContainerSpec, Exit, LogTarget, Mount, Resources, Runtime};
use std::path::PathBuf;

/// What the ids of steps' containers begin with.
pub(crate) const PREFIX: &str = "build-";

#[derive(Clone)]
pub(crate) enum Runner {
    Runtime(Runtime),
    #[cfg(test)]
    Fake(crate::tests::Fake),
}

/// A command to run.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) id: String,
    /// Lowest first.
    pub(crate) layers: Vec<PathBuf>,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) user: String,
    pub(crate) mounts: Vec<Mount>,
    /// Both output streams are appended here.
    pub(crate) log: PathBuf,
}

/// How it ended. What it wrote is gone when this is dropped.
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// What it wrote, as an overlay's upper folder.
    pub(crate) upper: PathBuf,
    _container: Container,
}

/// A container that is removed when nobody is interested in it any more, also when a build is stopped half-way.
struct Container {
    runner: Runner,
    id: String,
}

impl Drop for Container {
    fn drop(&mut self) {
        let (runner, id) = (self.runner.clone(), self.id.clone());
        // Without a tokio runtime the process is ending; the next start of the runtime finds and removes it.
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            handle.spawn(async move {
                if let Err(error) = runner.remove(&id).await {
                    tracing::warn!(%id, %error, "a build step's container was not removed");
                }
            });
        }
    }
}

impl Runner {
    /// Runs the command to its end.
    pub(crate) async fn run(
        &self,
        command: Command,
    ) -> Result<Ended, Box<dyn std::error::Error + Send + Sync>> {
        let container = Container { runner: self.clone(), id: command.id.clone() };
        match self {
            Runner::Runtime(runtime) => {
                let upper = runtime.upper(&command.id);
                let id = command.id.clone();
                match runtime.start_container(spec(command)).await {
                    // A program that cannot be started is the step's failure: the container's end says why.
                    Ok(()) | Err(runtime::Error::Start { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                let exit = runtime.wait(&id).await?;
                Ok(Ended { exit, upper, _container: container })
            }
            #[cfg(test)]
            Runner::Fake(fake) => {
                let (exit, upper) = fake.run(&command);
                Ok(Ended { exit, upper, _container: container })
            }
        }
    }

    /// Removes steps' containers that a daemon that was killed left behind.
    pub(crate) async fn remove_stale(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for id in self.containers().into_iter().filter(|id| id.starts_with(PREFIX)) {
            self.remove(&id).await?;
        }
        Ok(())
    }

    fn containers(&self) -> Vec<String> {
        match self {
            Runner::Runtime(runtime) => runtime.containers().into_iter().map(|(id, _)| id).collect(),
            #[cfg(test)]
            Runner::Fake(_) => Vec::new(),
        }
    }

    async fn remove(&self, id: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match self {
            Runner::Runtime(runtime) => Ok(runtime.remove_container(id).await?),
            #[cfg(test)]
            Runner::Fake(fake) => {
                fake.remove(id);
                Ok(())
            }
        }
    }
}

fn spec(command: Command) -> ContainerSpec {
    ContainerSpec {
        id: command.id,
        // The host's network: packages come from wherever the host gets them.
        sandbox: None,
        processes_of: None,
        layers: command.layers,
        readonly_root: false,
        args: command.args,
        env: command.env,
        cwd: command.cwd,
        user: command.user,
        groups: Vec::new(),
        mounts: command.mounts,
        privileged: false,
        add_capabilities: Vec::new(),
        drop_capabilities: Vec::new(),
        no_new_privileges: false,
        resources: Resources::default(),
        tty: false,
        stdin: false,
        log: LogTarget::Raw(command.log),
    }
}
