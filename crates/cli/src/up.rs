//! `coracle up`, `ci` and `down`: cluster, session, and what is said at the beginning and the end.

use crate::args::{DownArgs, TiltfileArgs, UpArgs};
use crate::ci::{Progress, Round, progress};
use crate::clusters;
use crate::failure::{Done, Failure, INTERRUPTED, OURS, USAGE, YOURS};
use crate::printer::{Printer, seconds};
use cluster::control;
use cluster::settings::Settings;
use session::{Cluster, KubeconfigFile, LogSource, OsHost, Output, Programs, Session, SessionConfig};
use std::cell::RefCell;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tiltfile::{KubeContext, Plan};
use tokio_util::sync::CancellationToken;

/// The cluster of a project without a k3d configuration.
const PROJECT_CLUSTER: &str = "dev";
const K3D_FILES: &[&str] = &["k3d-config.yaml", "k3d-config.yml", "k3d.yaml", "k3d.yml"];

/// The text of the kubeconfig to use, and its context (`None`: the current one).
struct Target {
    kubeconfig: String,
    context: Option<String>,
    /// Where relative paths in it start.
    base: Option<PathBuf>,
}

impl Target {
    async fn connect(&self) -> Result<Cluster, Failure> {
        let (context, base) = (self.context.as_deref(), self.base.as_deref());
        Ok(Cluster::connect(&self.kubeconfig, context, base).await?)
    }
}

/// For the commands of the Tiltfile: the cluster of this session, whatever the current context is meanwhile.
fn kubeconfig_file(cluster: &Cluster) -> Result<KubeconfigFile, Failure> {
    let directory = crate::sessions::sessions_dir()?;
    KubeconfigFile::create(&directory, cluster).map_err(|e| Failure {
        causes: vec![e.to_string()],
        ..Failure::new(OURS, format!("cannot write a kubeconfig into {}", directory.display()))
    })
}

const WEB_HOST: &str = "localhost";
const WEB_PORT: u16 = 10350;

/// What commands find beside this process's own environment, as in Tilt.
fn command_environment(kubeconfig: &KubeconfigFile) -> Vec<(String, String)> {
    vec![
        ("KUBECONFIG".into(), kubeconfig.path().display().to_string()),
        ("TILT_HOST".into(), WEB_HOST.into()),
        ("TILT_PORT".into(), WEB_PORT.to_string()),
    ]
}

pub fn tiltfile_path(file: &Path) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(file).map_err(|_| {
        let path = std::env::current_dir().map_or_else(|_| file.to_owned(), |here| here.join(file));
        session::SessionError::NoTiltfile { path }.into()
    })
}

fn find_config(explicit: Option<&Path>, project: &Path) -> Option<PathBuf> {
    explicit
        .map(Path::to_path_buf)
        .or_else(|| K3D_FILES.iter().map(|name| project.join(name)).find(|path| path.exists()))
}

/// A context that is not in the kubeconfig is a slip of the pen, not an unreachable cluster.
fn known_context(kubeconfig: &str, context: &str, path: &Path) -> Result<(), Failure> {
    let documents = yaml::parse_documents(kubeconfig).unwrap_or_default();
    let contexts = documents.first().and_then(|document| document["contexts"].as_array());
    let names: Vec<&str> = contexts.into_iter().flatten().filter_map(|c| c["name"].as_str()).collect();
    if names.contains(&context) {
        return Ok(());
    }
    let failure = Failure::new(USAGE, format!("there is no context \"{context}\" in {}", path.display()));
    let known = if names.is_empty() { "none".into() } else { names.join(", ") };
    Err(failure.hint(format!("the contexts there: {known}; without --context it is the embedded cluster")))
}

/// The cluster that the project asks for, running; or the context that the user named.
fn target(
    args: &TiltfileArgs,
    config: Option<&Path>,
    project: &Path,
    printer: &Printer,
) -> Result<Target, Failure> {
    if let Some(context) = &args.context {
        let path = clusters::kubeconfig_path()
            .ok_or_else(|| Failure::new(USAGE, "HOME is not set: where is the kubeconfig?"))?;
        let kubeconfig = std::fs::read_to_string(&path).map_err(|e| Failure {
            causes: vec![e.to_string()],
            ..Failure::new(USAGE, format!("cannot read {}", path.display()))
        })?;
        known_context(&kubeconfig, context, &path)?;
        let base = path.parent().map(Path::to_path_buf);
        return Ok(Target { kubeconfig, context: Some(context.clone()), base });
    }
    let data = clusters::data_dir()?;
    let (wanted, update, switch) = match find_config(config, project) {
        Some(path) => {
            let config = clusters::read_config(&path, printer)?;
            printer.done(
                "k3d configuration",
                &format!("{} (cluster {})", path.display(), config.settings.name),
                None,
            );
            (config.settings, config.update_kubeconfig, config.switch_context)
        }
        None => (Settings::new(PROJECT_CLUSTER), true, true),
    };
    let name = wanted.name.clone();
    if !control::exists(&data, &name) {
        control::create(&data, wanted)?;
    } else {
        let have = Settings::load(&data.cluster(&name).settings()).map_err(|e| Failure::of(OURS, &e))?;
        let missing = have.differences(&wanted);
        if !missing.is_empty() {
            printer.warn(&format!(
                "the cluster {name} was made without {}; `coracle cluster delete {name}` and `coracle up` make it anew",
                missing.join(", ")
            ));
        }
    }
    let running = clusters::start(&data, &name, printer)?;
    if update {
        clusters::merge_kubeconfig(&running, switch, printer)?;
    }
    Ok(Target { kubeconfig: clusters::document(&data, &name)?, context: None, base: None })
}

fn settings(args: &TiltfileArgs, subcommand: &str, cluster: &Cluster) -> tiltfile::Settings {
    let registry = cluster.embedded().and_then(|e| e.registry.clone());
    tiltfile::Settings {
        args: args.args.clone(),
        subcommand: subcommand.into(),
        cluster_registry: registry.map(|host| tiltfile::plan::Registry {
            host,
            host_from_cluster: String::new(),
            single_name: String::new(),
        }),
        web_host: WEB_HOST.into(),
        web_port: WEB_PORT,
        executable: std::env::current_exe().map(|p| p.display().to_string()).unwrap_or_default(),
        ..tiltfile::Settings::default()
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|e| Failure {
        causes: vec![e.to_string()],
        ..Failure::new(OURS, "cannot start the async runtime")
    })
}

pub fn up(args: &UpArgs, once: bool, printer: &Arc<Printer>) -> Done {
    let began = Instant::now();
    let tiltfile = tiltfile_path(&args.tiltfile.file)?;
    let project = tiltfile.parent().unwrap_or(Path::new("/")).to_path_buf();
    if !once && crate::sessions::control(&tiltfile)?.is_running() {
        return Err(Failure::new(USAGE, format!("a session of {} is running already", tiltfile.display()))
            .hint("Ctrl-C ends it where it runs; `coracle status` shows it, `coracle args` changes its arguments"));
    }
    let target = target(&args.tiltfile, args.cluster_config.as_deref(), &project, printer)?;
    runtime()?.block_on(run(args, once, tiltfile, target, began, printer.clone()))
}

/// Where `coracle args` finds the session.
fn session_args(tiltfile: &Path, args: &[String]) -> Result<session::SessionArgs, Failure> {
    let file = session::SessionArgs::of(&crate::sessions::sessions_dir()?, tiltfile);
    file.create(tiltfile, args).map_err(|e| Failure {
        causes: vec![e.to_string()],
        ..Failure::new(OURS, format!("cannot write {}", file.path().display()))
    })?;
    Ok(file)
}

async fn run(
    args: &UpArgs,
    once: bool,
    tiltfile: PathBuf,
    target: Target,
    began: Instant,
    printer: Arc<Printer>,
) -> Done {
    let cluster = target.connect().await?;
    let kubeconfig = kubeconfig_file(&cluster)?;
    let arguments = (!once).then(|| session_args(&tiltfile, &args.tiltfile.args)).transpose()?;
    let control = (!once).then(|| crate::sessions::control(&tiltfile)).transpose()?;
    let config = SessionConfig {
        tiltfile,
        control,
        arguments: arguments.clone(),
        settings: tiltfile::Settings {
            ci_timeout_ms: Some(args.timeout),
            ..settings(&args.tiltfile, if once { "ci" } else { "up" }, &cluster)
        },
        host_trust: !args.no_host_trust,
        watch: !once,
        bootstrap: !args.no_bootstrap && cluster.embedded().is_some(),
        programs: Programs::new(command_environment(&kubeconfig)),
    };
    let stop = CancellationToken::new();
    let interrupted = Arc::new(std::sync::atomic::AtomicBool::new(false));
    tokio::spawn(wait_for_interrupt(stop.clone(), interrupted.clone()));
    let stopping =
        cluster.embedded().map(|embedded| format!("`coracle cluster stop {}` the cluster", embedded.name));
    let session = Session::new(cluster.clone(), config, printer.clone());
    let mut greeted = false;
    let round = RefCell::new(Round::new(Instant::now(), args.timeout));
    let greeting = printer.clone();
    let watching = session.run(stop.clone(), |state, plan| {
        if !greeted && progress(state, plan) == Progress::Ready {
            greeted = true;
            greet(&greeting, &cluster, plan, began.elapsed());
        }
        // only a round that ends is kept account of
        if !once {
            return false;
        }
        round.borrow_mut().note(state, plan, Instant::now());
        round.borrow().progress(Instant::now()) != Progress::Going
    });
    let mut verdict = Progress::Going;
    if once {
        verdict = judged(watching, &round).await?;
    } else {
        let result = watching.await;
        arguments.inspect(session::SessionArgs::remove);
        result?;
    }
    if interrupted.load(std::sync::atomic::Ordering::SeqCst) {
        printer.info("stopped watching; the cluster and what runs in it go on");
        let removing = iter::once("`coracle down` removes the project".to_owned()).chain(stopping);
        printer.info(&removing.collect::<Vec<_>>().join(", "));
        return if once { Err(Failure::new(INTERRUPTED, "interrupted")) } else { Ok(()) };
    }
    match verdict {
        Progress::Failed(problems) => {
            Err(Failure { causes: problems, ..Failure::new(YOURS, "the project did not come up") })
        }
        _ => Ok(()),
    }
}

/// The end of a round: time passes, too, while nothing happens.
async fn judged(
    session: impl Future<Output = Result<(), session::SessionError>>,
    round: &RefCell<Round>,
) -> Result<Progress, session::SessionError> {
    const LOOK: Duration = Duration::from_millis(500);
    let mut session = std::pin::pin!(session);
    loop {
        let ended = tokio::time::timeout(LOOK, &mut session).await;
        let progress = round.borrow().progress(Instant::now());
        match ended {
            Ok(result) => return result.map(|()| progress),
            Err(_) if progress != Progress::Going => return Ok(progress),
            Err(_) => {}
        }
    }
}

pub async fn wait_for_interrupt(stop: CancellationToken, interrupted: Arc<std::sync::atomic::AtomicBool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    interrupted.store(true, std::sync::atomic::Ordering::SeqCst);
    stop.cancel();
}

/// The end of a good start: how long it took, and where to look.
fn greet(printer: &Printer, cluster: &Cluster, plan: &Plan, took: Duration) {
    let count = plan.resources.iter().filter(|r| plan.is_enabled(&r.name)).count();
    printer.done("ready", &format!("{count} resources in {}", seconds(took)), None);
    for (resource, url) in printer.urls() {
        printer.info(&format!("{resource:<12} {url}"));
    }
    for resource in plan.resources.iter().filter(|r| plan.is_enabled(&r.name)) {
        for link in &resource.links {
            let name = if link.name.is_empty() { String::new() } else { format!(" ({})", link.name) };
            printer.info(&format!("{:<12} {}{name}", resource.name, link.url));
        }
    }
    for (host, inside) in cluster.embedded().map(|e| e.ports.clone()).unwrap_or_default() {
        let scheme = if inside == 443 { "https" } else { "http" };
        printer.info(&format!("{:<12} {scheme}://localhost:{host}/", "ingress"));
    }
}

pub fn down(args: &DownArgs, printer: &Arc<Printer>) -> Done {
    let tiltfile = tiltfile_path(&args.tiltfile.file)?;
    let project = tiltfile.parent().unwrap_or(Path::new("/")).to_path_buf();
    if args.tiltfile.context.is_none() && !cluster_exists(args.cluster_config.as_deref(), &project, printer)?
    {
        printer.info("there is no cluster of this project: nothing to remove");
        return Ok(());
    }
    let target = target(&args.tiltfile, args.cluster_config.as_deref(), &project, printer)?;
    runtime()?.block_on(interruptible(async {
        let cluster = target.connect().await?;
        let kubeconfig = kubeconfig_file(&cluster)?;
        let environment = command_environment(&kubeconfig);
        let plan = evaluate(&args.tiltfile, "down", tiltfile, &cluster, environment.clone(), printer).await?;
        let programs = Programs::new(environment);
        programs.set_changed(plan.settings.env.clone());
        let mut commands = 0;
        for resource in &plan.resources {
            let Some(deploy) = resource.k8s().and_then(|k| k.custom_deploy.as_ref()) else { continue };
            if !deploy.delete.argv.is_empty() {
                commands += 1;
                let began = Instant::now();
                let output: Arc<dyn Output> = printer.clone();
                output.log(
                    &resource.name,
                    LogSource::Local,
                    &format!("Running cmd: {}\n", session::shown(&deploy.delete)),
                );
                programs
                    .run(&output, &resource.name, LogSource::Local, &deploy.delete)
                    .await
                    .map_err(|problem| Failure::new(YOURS, format!("{}: {problem}", resource.name)))?;
                printer.done(
                    "down",
                    &format!("{} by its delete command", resource.name),
                    Some(began.elapsed()),
                );
            }
        }
        let mut objects: Vec<serde_json::Value> =
            plan.resources.iter().filter_map(|r| r.k8s()).flat_map(|k| k.objects.clone()).collect();
        objects.reverse();
        let mut kept = Vec::new();
        objects.retain(|object| {
            let asked = object["metadata"]["annotations"]["tilt.dev/down-policy"] == "keep";
            let keep = asked
                || match object["kind"].as_str() {
                    Some("Namespace") => !args.delete_namespaces,
                    Some("PersistentVolumeClaim") => !args.delete_volumes,
                    _ => false,
                };
            if keep {
                kept.push(format!(
                    "{} {}",
                    object["kind"].as_str().unwrap_or(""),
                    object["metadata"]["name"].as_str().unwrap_or("")
                ));
            }
            !keep
        });
        let began = Instant::now();
        let deleted = session::delete_objects(&cluster, &objects, true)
            .await
            .map_err(|problem| Failure::new(OURS, format!("not everything could be deleted\n{problem}")))?;
        if !objects.is_empty() {
            let told = match deleted {
                0 => "nothing of the project is there".to_owned(),
                1 => "1 object deleted".to_owned(),
                more => format!("{more} objects deleted"),
            };
            printer.done("down", &told, Some(began.elapsed()));
        }
        if !kept.is_empty() {
            printer.info(&format!("kept: {} (--delete-namespaces, --delete-volumes)", kept.join(", ")));
        }
        if objects.is_empty() && kept.is_empty() && commands == 0 {
            printer.info("there is nothing to remove");
        }
        Ok(())
    }))
}

/// Ends the work at Ctrl-C.
async fn interruptible(work: impl Future<Output = Done>) -> Done {
    let interrupt = CancellationToken::new();
    tokio::spawn(wait_for_interrupt(interrupt.clone(), Arc::default()));
    let done = interrupt.run_until_cancelled(work).await;
    done.unwrap_or_else(|| Err(Failure::new(INTERRUPTED, "interrupted")))
}

/// Whether the project's own cluster is there, running or not.
fn cluster_exists(config: Option<&Path>, project: &Path, printer: &Printer) -> Result<bool, Failure> {
    let name = match find_config(config, project) {
        Some(path) => clusters::read_config(&path, printer)?.settings.name,
        None => PROJECT_CLUSTER.to_string(),
    };
    Ok(control::exists(&clusters::data_dir()?, &name))
}

async fn evaluate(
    args: &TiltfileArgs,
    subcommand: &str,
    tiltfile: PathBuf,
    cluster: &Cluster,
    environment: Vec<(String, String)>,
    printer: &Arc<Printer>,
) -> Result<Plan, Failure> {
    let settings = settings(args, subcommand, cluster);
    let context = KubeContext {
        name: cluster.context().to_string(),
        namespace: cluster.default_namespace().to_string(),
        is_local: cluster.is_local(),
    };
    let host = OsHost { environment, ..host(context, printer) };
    let evaluation = session::evaluate_aloud(host, tiltfile, settings).await;
    evaluation.warnings.iter().for_each(|w| printer.warn(&w.message));
    match evaluation.error {
        None => Ok(evaluation.plan),
        Some(_) if evaluation.interrupted => Err(Failure::new(INTERRUPTED, "interrupted")),
        Some(error) => Err(tiltfile_failure(&error)),
    }
}

/// The world for one evaluation, which Ctrl-C ends.
fn host(context: KubeContext, printer: &Arc<Printer>) -> OsHost {
    let output = printer.clone();
    let interrupt = CancellationToken::new();
    tokio::spawn(wait_for_interrupt(interrupt.clone(), Arc::default()));
    let print = Arc::new(move |_: tiltfile::Level, text: &str| {
        output.log("", LogSource::Tiltfile, &format!("{text}\n"));
    });
    OsHost::new(Some(context), print, interrupt)
}

/// What `tilt alpha tiltfile-result` exits with if the Tiltfile fails.
const TILTFILE_FAILED: u8 = 5;

/// `coracle tiltfile-result`: the plan as JSON, with no cluster touched. As in Tilt, the context is the kubeconfig's.
pub fn tiltfile_result(args: &TiltfileArgs, printer: &Arc<Printer>) -> Done {
    let tiltfile = tiltfile_path(&args.file)?;
    let kubeconfig = clusters::kubeconfig_path().and_then(|path| std::fs::read_to_string(path).ok());
    let context = kubeconfig
        .and_then(|text| tiltfile::kube_context(&text, args.context.as_deref()))
        .unwrap_or_else(crate::tiltfiles::no_cluster);
    let settings = tiltfile::Settings {
        args: args.args.clone(),
        subcommand: "tiltfile-result".into(),
        web_host: WEB_HOST.into(),
        web_port: WEB_PORT,
        ..tiltfile::Settings::default()
    };
    let evaluation =
        clusters::block_on(async { session::evaluate(host(context, printer), tiltfile, settings).await })?;
    let text = serde_json::to_string_pretty(&tiltfile::neutral::evaluation(&evaluation))
        .map_err(|e| Failure::of(OURS, &e))?;
    printer.data(&format!("{text}\n"));
    match evaluation.error {
        None => Ok(()),
        Some(_) if evaluation.interrupted => Err(Failure::new(INTERRUPTED, "interrupted")),
        Some(error) => Err(Failure { exit: TILTFILE_FAILED, ..tiltfile_failure(&error) }),
    }
}

fn tiltfile_failure(error: &tiltfile::TiltfileError) -> Failure {
    let excerpt = error.excerpt.as_ref().map(|e| format!("\n\n{e}")).unwrap_or_default();
    session::SessionError::Tiltfile { text: format!("{error}{excerpt}"), hint: error.hint.clone() }.into()
}
