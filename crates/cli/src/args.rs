//! The command line as typed. What it means is decided elsewhere.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Kubernetes for one developer, in one binary
#[derive(Debug, Parser)]
#[command(name = "coracle", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Called by the name tilt, k3d or kustomize (a link), it takes that tool's commands.")]
pub struct Cli {
    /// Say more (twice: what Coracle does inside)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the project up and keep it in step with the files
    Up(UpArgs),
    /// Bring the project up once; end when everything is ready, or with an error
    Ci(UpArgs),
    /// Remove what `up` deployed; the cluster and its volumes stay
    Down(DownArgs),
    /// Create, start, stop, delete and list clusters
    Cluster {
        #[command(subcommand)]
        command: ClusterCommand,
    },
    /// Print or merge a cluster's kubeconfig
    Kubeconfig {
        #[command(subcommand)]
        command: KubeconfigCommand,
    },
    /// Work with the images on this machine
    #[command(alias = "images")]
    Image {
        #[command(subcommand)]
        command: ImageCommand,
    },
    /// List the registries of the clusters
    #[command(aliases = ["registries", "reg"])]
    Registry {
        #[command(subcommand)]
        command: RegistryCommand,
    },
    /// List the nodes of the clusters
    Node {
        #[command(subcommand)]
        command: NodeCommand,
    },
    /// Build, create and edit kustomizations, with the words of kustomize
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Kustomize {
        /// build, version, …: `coracle kustomize help` tells
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
        words: Vec<String>,
    },
    /// Check a Tiltfile, or print what editors need
    Tiltfile {
        #[command(subcommand)]
        command: TiltfileCommand,
    },
    /// Print what the Tiltfile means, as JSON
    TiltfileResult(TiltfileArgs),
    /// Show or change the arguments of the session that runs
    Args(ArgsArgs),
    /// Show how the resources of the session that runs stand
    Status(StatusArgs),
    /// Update a resource of the session that runs, now
    Trigger(TriggerArgs),
    /// Enable resources of the session that runs
    Enable(EnableArgs),
    /// Disable resources of the session that runs: what they deployed is taken down
    Disable(DisableArgs),
    /// List the buttons of the session that runs, or press one
    Button(ButtonArgs),
    /// Print the version
    Version,
    /// Print a completion script
    Completion { shell: String },
}

#[derive(Debug, Args)]
pub struct TiltfileArgs {
    /// The Tiltfile
    #[arg(short, long, value_name = "PATH", default_value = "Tiltfile")]
    pub file: PathBuf,
    /// Use this context of the kubeconfig instead of the embedded cluster
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Resources to run, and after `--` arguments for the Tiltfile
    #[arg(value_name = "RESOURCE")]
    pub args: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum TiltfileCommand {
    /// Find all that is wrong, without a cluster and without running commands
    Check(CheckArgs),
    /// Print the builtins as a Python stub file, for editors
    Stubs,
    /// Print what the Tiltfile means, as JSON
    Result(TiltfileArgs),
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The Tiltfile
    #[arg(value_name = "FILE", default_value = "Tiltfile")]
    pub file: PathBuf,
    /// The Tiltfile, as other commands take it
    #[arg(short = 'f', long = "file", value_name = "PATH", conflicts_with = "file")]
    pub named_file: Option<PathBuf>,
    /// How to print what is found
    #[arg(long, value_enum, default_value = "text")]
    pub format: CheckFormat,
    /// Let local() run its commands
    #[arg(long)]
    pub run_commands: bool,
    /// Arguments for the Tiltfile
    #[arg(last = true, value_name = "ARGUMENT")]
    pub args: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CheckFormat {
    /// With the lines that it is about
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct ArgsArgs {
    /// The Tiltfile of the session
    #[arg(short, long, value_name = "PATH", default_value = "Tiltfile")]
    pub file: PathBuf,
    /// Take all arguments away
    #[arg(long, conflicts_with = "args")]
    pub clear: bool,
    /// The new arguments: resources to run, and after `--` what the Tiltfile's `config` takes
    #[arg(value_name = "ARGUMENT")]
    pub args: Vec<String>,
}

#[derive(Debug, Args)]
pub struct OfTiltfile {
    /// The Tiltfile of the session
    #[arg(short, long, value_name = "PATH", default_value = "Tiltfile")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub session: OfTiltfile,
    /// `json`
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json"])]
    pub output: Option<String>,
}

#[derive(Debug, Args)]
pub struct TriggerArgs {
    #[command(flatten)]
    pub session: OfTiltfile,
    /// The resource; `(Tiltfile)` reads the Tiltfile again
    pub resource: String,
}

#[derive(Debug, Args)]
pub struct EnableArgs {
    #[command(flatten)]
    pub session: OfTiltfile,
    /// All of them
    #[arg(short, long, conflicts_with = "resources")]
    pub all: bool,
    /// Disable all others
    #[arg(long, conflicts_with = "all")]
    pub only: bool,
    #[arg(value_name = "RESOURCE", required_unless_present = "all")]
    pub resources: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DisableArgs {
    #[command(flatten)]
    pub session: OfTiltfile,
    /// All of them
    #[arg(short, long, conflicts_with = "resources")]
    pub all: bool,
    #[arg(value_name = "RESOURCE", required_unless_present = "all")]
    pub resources: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ButtonArgs {
    #[command(flatten)]
    pub session: OfTiltfile,
    /// The button (`cmd_button`, `v1alpha1.ui_button`); without one, all are listed
    pub name: Option<String>,
    /// Values of its inputs
    #[arg(value_name = "INPUT=VALUE")]
    pub inputs: Vec<String>,
}

#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub tiltfile: TiltfileArgs,
    /// The k3d configuration that names the cluster, its ports and its registry
    #[arg(long, value_name = "PATH", env = "K3D_CONFIG")]
    pub cluster_config: Option<PathBuf>,
    /// Do not create namespaces and secrets that the manifests need and nothing defines
    #[arg(long)]
    pub no_bootstrap: bool,
    /// Do not give image builds this machine's CA certificates and proxy settings
    #[arg(long)]
    pub no_host_trust: bool,
    /// End with an error after this time, as 90 or 1h30m, if the Tiltfile does not say another; 0 waits for ever (ci)
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = milliseconds)]
    pub timeout: u64,
    /// Taken for compatibility; output is always a stream
    #[arg(long, hide = true, default_value_t = true, num_args = 0..=1, require_equals = true)]
    pub stream: bool,
}

/// Seconds, or a duration as Go writes it.
fn milliseconds(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(seconds.saturating_mul(1000)),
        Err(_) => tiltfile::go_duration_ms(text),
    }
}

#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    pub tiltfile: TiltfileArgs,
    /// The k3d configuration that names the cluster
    #[arg(long, value_name = "PATH", env = "K3D_CONFIG")]
    pub cluster_config: Option<PathBuf>,
    /// Delete the namespaces of the manifests too
    #[arg(long)]
    pub delete_namespaces: bool,
    /// Delete the persistent volume claims of the manifests too, with their data
    #[arg(long)]
    pub delete_volumes: bool,
}

#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Create a cluster and start it
    Create(Box<CreateArgs>),
    /// Start stopped clusters
    Start {
        #[command(flatten)]
        names: Names,
        /// Taken for compatibility with k3d: a started cluster is ready
        #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        wait: Option<bool>,
        /// Taken for compatibility with k3d
        #[arg(long, hide = true)]
        timeout: Option<String>,
    },
    /// Stop clusters; objects and volumes stay
    Stop(Names),
    /// Delete clusters with all their objects and volumes
    #[command(aliases = ["del", "rm"])]
    Delete {
        #[command(flatten)]
        names: Names,
        /// Take the name from a k3d configuration
        #[arg(short, long, value_name = "PATH")]
        config: Option<PathBuf>,
    },
    /// List the clusters
    #[command(aliases = ["ls", "get"])]
    List {
        names: Vec<String>,
        /// Leave the header out
        #[arg(long)]
        no_headers: bool,
        /// `json`
        #[arg(short, long, value_name = "FORMAT")]
        output: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Its name [default: from the configuration, or k3s-default]
    pub name: Option<String>,
    /// A k3d configuration (`k3d.io/v1alpha5`)
    #[arg(short, long, value_name = "PATH", env = "K3D_CONFIG")]
    pub config: Option<PathBuf>,
    /// Lead a port of this machine into the cluster: HOSTPORT:CLUSTERPORT
    #[arg(short, long = "port", value_name = "PORTS")]
    pub ports: Vec<String>,
    /// Create a registry: NAME[:HOST][:PORT]
    #[arg(long, value_name = "NAME")]
    pub registry_create: Option<String>,
    /// Port of the API server
    #[arg(long, value_name = "PORT")]
    pub api_port: Option<String>,
    /// Write the context into the default kubeconfig
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub kubeconfig_update_default: bool,
    /// Make the context the current one
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub kubeconfig_switch_context: bool,
    #[command(flatten)]
    pub k3d: K3dFlags,
}

/// Flags of k3d that say how Docker is to be used. They are taken, so that scripts run; a warning names each that
/// would change something.
#[derive(Debug, Args)]
#[command(next_help_heading = "Taken for compatibility with k3d")]
pub struct K3dFlags {
    /// Wait until the cluster is ready (it always is)
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub wait: Option<bool>,
    #[arg(long, hide = true)]
    pub timeout: Option<String>,
    #[arg(short, long, hide = true)]
    pub servers: Option<u32>,
    #[arg(short, long, hide = true)]
    pub agents: Option<u32>,
    #[arg(short, long, hide = true)]
    pub image: Option<String>,
    #[arg(long, hide = true)]
    pub no_lb: bool,
    #[arg(long, hide = true)]
    pub no_rollback: bool,
    #[arg(long, hide = true)]
    pub no_image_volume: bool,
    #[arg(long, hide = true)]
    pub network: Option<String>,
    #[arg(long, hide = true)]
    pub k3s_arg: Vec<String>,
    #[arg(long, hide = true)]
    pub volume: Vec<String>,
    #[arg(short, long, hide = true)]
    pub env: Vec<String>,
}

impl K3dFlags {
    /// What was asked for and is not done here.
    pub fn without_effect(&self) -> Vec<String> {
        let mut out = Vec::new();
        let nodes = self.servers.unwrap_or(1) + self.agents.unwrap_or(0);
        if nodes > 1 {
            out.push(format!("--servers and --agents ask for {nodes} nodes: the embedded cluster has one; all pods run on it"));
        }
        let harmless = |arg: &String| arg.starts_with("--disable=traefik");
        let lists = [("--k3s-arg", &self.k3s_arg), ("--volume", &self.volume), ("--env", &self.env)];
        for (flag, values) in lists {
            out.extend(
                values
                    .iter()
                    .filter(|v| !harmless(v))
                    .map(|v| format!("{flag} {v} has no effect on the embedded cluster")),
            );
        }
        out.extend(
            self.network.iter().map(|n| format!("--network {n} has no effect on the embedded cluster")),
        );
        out
    }
}

#[derive(Debug, Args)]
pub struct Names {
    /// Clusters [default: k3s-default]
    pub names: Vec<String>,
    /// All of them
    #[arg(short, long)]
    pub all: bool,
}

#[derive(Debug, Subcommand)]
pub enum KubeconfigCommand {
    /// Print the kubeconfig of clusters
    #[command(aliases = ["print", "show"])]
    Get(Names),
    /// Write the kubeconfig of clusters to a file and print its path
    #[command(alias = "write")]
    Merge {
        #[command(flatten)]
        names: Names,
        /// The file, or `-`
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Merge into the default kubeconfig
        #[arg(short = 'd', long)]
        kubeconfig_merge_default: bool,
        /// Make the context the current one
        #[arg(short = 's', long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
        kubeconfig_switch_context: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// List images
    #[command(alias = "list")]
    Ls,
    /// Import image archives (docker save, OCI layout), or with --rootfs a plain file system tar
    #[command(alias = "load")]
    Import {
        /// Archives; `-` is standard input
        #[arg(required = true)]
        archives: Vec<PathBuf>,
        /// The archive is a root file system; this is the name of the image made of it
        #[arg(long, value_name = "NAME")]
        rootfs: Option<String>,
        /// Environment of the image (with --rootfs)
        #[arg(long, value_name = "NAME=VALUE")]
        env: Vec<String>,
        /// Command of the image (with --rootfs), as JSON: '["python3"]'
        #[arg(long, value_name = "JSON")]
        cmd: Option<String>,
        /// Taken for compatibility: all clusters share the images
        #[arg(short, long)]
        cluster: Vec<String>,
    },
    /// Pull an image from its registry
    Pull { name: String },
    /// Give an image another name
    Tag { source: String, target: String },
    /// Remove names of images
    #[command(alias = "remove")]
    Rm {
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Remove layers and blobs that no image needs
    Gc,
    /// Write images to an archive (docker load reads it)
    Export {
        #[arg(required = true)]
        names: Vec<String>,
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// List registries
    #[command(aliases = ["ls", "get"])]
    List {
        #[arg(long)]
        no_headers: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List nodes
    #[command(aliases = ["ls", "get"])]
    List {
        #[arg(long)]
        no_headers: bool,
    },
}

#[cfg(test)]
mod tests {
    /// clap finds double flags only in debug builds, and only for the command that is called.
    #[test]
    fn the_command_line_is_consistent() {
        <super::Cli as clap::CommandFactory>::command().debug_assert();
    }
}
