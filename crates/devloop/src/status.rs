//! How resources stand, and the lines that tell it.

/// How a resource stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceStatus {
    pub update: UpdateStatus,
    pub runtime: RuntimeStatus,
    /// Why the next update does not start.
    pub hold: Option<Hold>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UpdateStatus {
    /// Disabled, or never to start by itself.
    #[default]
    None,
    Pending,
    InProgress {
        what: Activity,
    },
    Ok,
    Error {
        message: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activity {
    Building { image: String },
    Applying,
    Syncing,
    Running,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RuntimeStatus {
    #[default]
    Unknown,
    NotApplicable,
    Pending {
        reason: String,
    },
    Ok,
    Error {
        message: String,
    },
}

/// Why a resource waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// The Tiltfile is being evaluated.
    TiltfileReload,
    /// Resources and objects (`kind/name` or `name`) that are not there yet.
    Dependencies { names: Vec<String> },
    /// Objects that belong to no resource go first.
    Uncategorized,
    /// All slots of `max_parallel_updates` are taken.
    Parallelism,
    /// A local resource that wants to be alone runs, or this one does and others run.
    Local { name: String },
    /// Another resource builds the same image.
    SharedImage { image: String },
    /// Changes wait for a trigger.
    Manual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Begins or goes on.
    Info,
    Done,
    Failed,
    Warning,
}

/// One line for the user; empty `resource`: about the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub resource: String,
    pub mark: Mark,
    pub text: String,
}
