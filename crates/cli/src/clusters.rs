//! `coracle cluster …`, `kubeconfig …`, `registry list`, `node list`.

use crate::args::{ClusterCommand, CreateArgs, KubeconfigCommand, Names};
use crate::failure::{Done, Failure, OURS, USAGE};
use crate::printer::Printer;
use cluster::control::{self, Running};
use cluster::k3d_config::{self, K3dConfig};
use cluster::kubeconfig;
use cluster::paths::DataDir;
use cluster::progress::BootLine;
use cluster::settings::{PortMapping, Registry, Settings};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const DEFAULT_NAME: &str = "k3s-default";

pub fn data_dir() -> Result<DataDir, Failure> {
    let variable = |name| std::env::var(name).ok();
    DataDir::from_env(variable("XDG_DATA_HOME").as_deref(), variable("HOME").as_deref())
        .ok_or_else(|| Failure::new(USAGE, "neither XDG_DATA_HOME nor HOME is set to an absolute path"))
}

pub fn kubeconfig_path() -> Option<PathBuf> {
    let variable = |name| std::env::var(name).ok();
    kubeconfig::default_path(variable("KUBECONFIG").as_deref(), variable("HOME").as_deref())
}

/// Reads a k3d configuration and says what of it has no effect.
pub fn read_config(path: &Path, printer: &Printer) -> Result<K3dConfig, Failure> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|e| Failure {
        causes: vec![e.to_string()],
        ..Failure::new(USAGE, format!("cannot read {}", path.display()))
    })?;
    let config = k3d_config::parse(&text, &|name| std::env::var(name).ok()).map_err(|e| Failure {
        causes: vec![e.to_string()],
        ..Failure::new(USAGE, format!("{} is not a valid k3d configuration", path.display()))
    })?;
    config.warnings.iter().for_each(|w| printer.warn(&format!("{}: {w}", path.display())));
    Ok(config)
}

/// Starts the cluster (or finds it running) and tells the phases.
pub fn start(data: &DataDir, name: &str, printer: &Printer) -> Result<Running, Failure> {
    let began = Instant::now();
    let running = control::start(data, name, &mut |line| match line {
        BootLine::Phase { name, detail, millis } => {
            printer.done(name, detail, Some(Duration::from_millis(*millis)));
        }
        BootLine::Warning { text } => printer.warn(text),
        BootLine::Ready | BootLine::Failed { .. } => {}
    })?;
    if running.started {
        printer.done("cluster", &format!("{name} is running"), Some(began.elapsed()));
    } else {
        printer.done("cluster", &format!("{name} is running already (pid {})", running.pid), None);
    }
    Ok(running)
}

/// Puts the context into the default kubeconfig; a failure is only a warning, as in k3d.
pub fn merge_kubeconfig(running: &Running, switch: bool, printer: &Printer) -> Done {
    let Some(path) = kubeconfig_path() else { return Ok(()) };
    let pki = control::pki(&running.dir, &running.settings)?;
    match kubeconfig::merge(&path, &running.settings.name, &running.server, &pki, switch) {
        Ok(()) => printer.done(
            "kubeconfig",
            &format!("context {} in {}", running.settings.context(), path.display()),
            None,
        ),
        Err(error) => printer.warn(&format!("no context for kubectl: {}", Failure::of(OURS, &error).message)),
    }
    Ok(())
}

pub fn run(command: ClusterCommand, printer: &Printer) -> Done {
    let data = data_dir()?;
    match command {
        ClusterCommand::Create(args) => {
            let CreateArgs {
                name,
                config,
                ports,
                registry_create,
                api_port,
                k3d,
                kubeconfig_update_default,
                kubeconfig_switch_context,
            } = *args;
            let mut wanted = match &config {
                Some(path) => read_config(path, printer)?,
                None => K3dConfig {
                    settings: Settings::new(DEFAULT_NAME),
                    update_kubeconfig: true,
                    switch_context: true,
                    warnings: Vec::new(),
                },
            };
            if let Some(name) = name {
                wanted.settings.name = name;
            }
            k3d.without_effect().iter().for_each(|warning| printer.warn(warning));
            apply_flags(&mut wanted.settings, &ports, registry_create.as_deref(), api_port.as_deref())?;
            let settings = wanted.settings;
            if let Some(problem) = k3d_config::name_problem(&settings.name) {
                return Err(Failure::new(USAGE, problem));
            }
            let name = settings.name.clone();
            control::create(&data, settings)?;
            let running = match start(&data, &name, printer) {
                Ok(running) => running,
                Err(failure) => {
                    // As k3d: a cluster that cannot start is rolled back.
                    block_on(control::delete(&data, &name, None))??;
                    return Err(failure);
                }
            };
            if kubeconfig_update_default && wanted.update_kubeconfig {
                merge_kubeconfig(&running, kubeconfig_switch_context && wanted.switch_context, printer)?;
            }
            printer.info("You can now use it like this:");
            printer.data("kubectl cluster-info\n");
            Ok(())
        }
        ClusterCommand::Start { names, .. } => {
            each(&data, names, |name| start(&data, name, printer).map(drop))
        }
        ClusterCommand::Stop(names) => each(&data, names, |name| {
            let began = Instant::now();
            block_on(control::stop(&data, name))??;
            printer.done(
                "cluster",
                &format!("{name} is stopped; objects and volumes stay"),
                Some(began.elapsed()),
            );
            Ok(())
        }),
        ClusterCommand::Delete { mut names, config } => {
            if let Some(path) = config {
                names.names.push(read_config(&path, printer)?.settings.name);
            }
            each(&data, names, |name| delete(&data, name, printer))
        }
        ClusterCommand::List { names, no_headers, output } => {
            list(&data, &names, no_headers, output.as_deref(), printer)
        }
    }
}

fn delete(data: &DataDir, name: &str, printer: &Printer) -> Done {
    if !data.cluster(name).root().exists() {
        // As k3d: nothing to delete is no error.
        printer.info(&format!("No nodes found for cluster '{name}', nothing to delete."));
        return Ok(());
    }
    let began = Instant::now();
    block_on(control::delete(data, name, kubeconfig_path().as_deref()))??;
    printer.done("cluster", &format!("{name} is deleted"), Some(began.elapsed()));
    Ok(())
}

fn apply_flags(
    settings: &mut Settings,
    ports: &[String],
    registry: Option<&str>,
    api_port: Option<&str>,
) -> Done {
    for text in ports {
        let bare = text.split('@').next().unwrap_or(text);
        let parsed = k3d_config::parse_port(bare)
            .map_err(|problem| Failure::new(USAGE, format!("--port {problem}")))?;
        settings.ports.extend::<Vec<PortMapping>>(parsed);
    }
    if let Some(text) = registry {
        settings.registry = Some(registry_of(text)?);
    }
    if let Some(text) = api_port {
        let number = text.rsplit(':').next().unwrap_or(text);
        if number != "random" {
            settings.api_port =
                number.parse().map_err(|_| Failure::new(USAGE, format!("--api-port: {text} is no port")))?;
        }
    }
    Ok(())
}

/// `NAME[:HOST][:PORT]`. The host is not used: the registry listens on the loopback address.
fn registry_of(text: &str) -> Result<Registry, Failure> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default().to_string();
    let rest: Vec<&str> = parts.collect();
    let port = match rest.last() {
        None | Some(&"random") => 0,
        Some(last) => match last.parse() {
            Ok(port) => port,
            // NAME:HOST
            Err(_) if rest.len() == 1 => 0,
            Err(_) => {
                return Err(Failure::new(USAGE, format!("--registry-create {text}: {last} is no port")));
            }
        },
    };
    Ok(Registry { name, port })
}

fn each(data: &DataDir, names: Names, mut act: impl FnMut(&str) -> Done) -> Done {
    let list = match (names.all, names.names.is_empty()) {
        (true, _) => data.cluster_names(),
        (false, true) => vec![DEFAULT_NAME.to_string()],
        (false, false) => names.names,
    };
    list.iter().try_for_each(|name| act(name))
}

fn list(data: &DataDir, names: &[String], no_headers: bool, output: Option<&str>, printer: &Printer) -> Done {
    let mut clusters = control::list(data)?;
    if let Some(missing) = names.iter().find(|n| !clusters.iter().any(|c| c.settings.name == **n)) {
        return Err(Failure::new(YOURS_NOT_FOUND, format!("there is no cluster \"{missing}\"")));
    }
    if !names.is_empty() {
        clusters.retain(|c| names.contains(&c.settings.name));
    }
    if let Some(format) = output {
        if format != "json" {
            return Err(Failure::new(USAGE, format!("--output {format} is not built yet; json is")));
        }
        let all: Vec<_> = clusters
            .iter()
            .map(|c| {
                let running = u8::from(c.running);
                json!({"name": c.settings.name, "serversRunning": running, "serversCount": 1, "agentsRunning": 0, "agentsCount": 0, "hasLoadbalancer": true})
            })
            .collect();
        printer.data(&format!("{}\n", json!(all)));
        return Ok(());
    }
    let rows = clusters.iter().map(|c| {
        vec![c.settings.name.clone(), format!("{}/1", u8::from(c.running)), "0/0".into(), "true".into()]
    });
    printer.data(&table(&["NAME", "SERVERS", "AGENTS", "LOADBALANCER"], rows, no_headers));
    Ok(())
}

const YOURS_NOT_FOUND: u8 = 1;

pub fn registries(no_headers: bool, printer: &Printer) -> Done {
    let clusters = control::list(&data_dir()?)?;
    let rows = clusters.iter().filter_map(|c| {
        let registry = c.settings.registry.as_ref()?;
        Some(vec![registry.name.clone(), "registry".into(), c.settings.name.clone(), status(c.running)])
    });
    printer.data(&table(&["NAME", "ROLE", "CLUSTER", "STATUS"], rows, no_headers));
    Ok(())
}

pub fn nodes(no_headers: bool, printer: &Printer) -> Done {
    let clusters = control::list(&data_dir()?)?;
    let rows = clusters
        .iter()
        .map(|c| vec![c.settings.node_name(), "server".into(), c.settings.name.clone(), status(c.running)]);
    printer.data(&table(&["NAME", "ROLE", "CLUSTER", "STATUS"], rows, no_headers));
    Ok(())
}

fn status(running: bool) -> String {
    if running { "running" } else { "exited" }.to_string()
}

/// Columns as k3d prints them: three spaces between, the last one as it is.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>, no_headers: bool) -> String {
    let mut lines: Vec<Vec<String>> = rows.collect();
    if !no_headers {
        lines.insert(0, header.iter().map(|h| h.to_string()).collect());
    }
    let width = |column: usize| lines.iter().map(|l| l[column].len()).max().unwrap_or(0).max(3) + 3;
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        for (index, cell) in line.iter().enumerate() {
            let pad = if index + 1 == line.len() { 0 } else { widths[index] };
            out.push_str(&format!("{cell:pad$}"));
        }
        out.push('\n');
    }
    out
}

pub fn kubeconfigs(command: KubeconfigCommand, printer: &Printer) -> Done {
    let data = data_dir()?;
    match command {
        KubeconfigCommand::Get(names) => each(&data, names, |name| {
            printer.data(&format!("---\n{}", document(&data, name)?));
            Ok(())
        }),
        KubeconfigCommand::Merge { names, output, kubeconfig_merge_default, kubeconfig_switch_context } => {
            let default = kubeconfig_merge_default.then(kubeconfig_path).flatten();
            each(&data, names, |name| {
                let (settings, server, pki) = reach(&data, name)?;
                if output.as_deref() == Some(Path::new("-")) {
                    printer.data(&document(&data, name)?);
                    return Ok(());
                }
                let path =
                    output.clone().or(default.clone()).unwrap_or_else(|| data.cluster(name).kubeconfig());
                kubeconfig::merge(&path, &settings.name, &server, &pki, kubeconfig_switch_context)
                    .map_err(|e| Failure::of(OURS, &e))?;
                printer.data(&format!("{}\n", path.display()));
                Ok(())
            })
        }
    }
}

fn reach(data: &DataDir, name: &str) -> Result<(Settings, String, cluster::pki::Pki), Failure> {
    let dir = data.cluster(name);
    if !control::exists(data, name) {
        return Err(control::ControlError::NotFound { name: name.into() }.into());
    }
    let settings = Settings::load(&dir.settings()).map_err(|e| Failure::of(OURS, &e))?;
    let pki = control::pki(&dir, &settings)?;
    let server = format!("https://127.0.0.1:{}", settings.api_port);
    Ok((settings, server, pki))
}

/// The kubeconfig of one cluster, as YAML.
pub fn document(data: &DataDir, name: &str) -> Result<String, Failure> {
    let (settings, server, pki) = reach(data, name)?;
    Ok(yaml::to_string(&kubeconfig::document(&settings.name, &server, &pki)))
}

/// Runs a future on a small runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| {
        Failure { causes: vec![e.to_string()], ..Failure::new(OURS, "cannot start the async runtime") }
    })?;
    Ok(runtime.block_on(future))
}
