//! Wrong input: the exit code says whose fault it was, and the text what, where, and what to do.

use anyhow::{Context, ensure};
use e2e::world::BUSYBOX;
use e2e::{World, files};
use std::net::{Ipv4Addr, TcpListener};

struct Case {
    name: &'static str,
    /// Files of the project, beside a k3d configuration.
    files: String,
    arguments: &'static [&'static str],
    exit: i32,
    says: &'static [&'static str],
}

const POD: &str = "==> pod.yml
apiVersion: v1
kind: Pod
metadata: {name: app}
spec: {containers: [{name: app, image: app}]}
";

fn cases() -> Vec<Case> {
    let case =
        |name, files: &str, arguments, exit, says| Case { name, files: files.into(), arguments, exit, says };
    let build = |dockerfile: &str| {
        format!(
            "==> Tiltfile\ndocker_build('app', '.')\nk8s_yaml('pod.yml')\n{POD}==> Dockerfile\n{dockerfile}"
        )
    };
    vec![
        case(
            "no Tiltfile",
            "",
            &["ci"],
            2,
            &[
                "error: No Tiltfile found at paths '/",
                "/Tiltfile'. Check out https://docs.tilt.dev/tutorial.html",
                "hint: ",
            ],
        ),
        case("no such command", "", &["fly"], 2, &["unrecognized subcommand 'fly'"]),
        case(
            "a syntax error",
            "==> Tiltfile\nprint('fine')\nk8s_yaml('x'\n",
            &["ci"],
            1,
            &["error: ", "Tiltfile:"],
        ),
        case(
            "an unknown name",
            "==> Tiltfile\nk8s_yml('x')\n",
            &["ci"],
            1,
            &["error: ", "Tiltfile:1", "k8s_yml"],
        ),
        case(
            "a missing manifest",
            "==> Tiltfile\nk8s_yaml('gone.yml')\n",
            &["ci"],
            1,
            &["error: ", "Tiltfile:1", "gone.yml"],
        ),
        case(
            "nothing to run",
            "==> Tiltfile\nprint('x')\n",
            &["ci"],
            1,
            &[
                "Loading Tiltfile at: /",
                "Successfully loaded Tiltfile (",
                "error: ",
                "No resources found. Check out https://docs.tilt.dev/tutorial.html to get started!",
            ],
        ),
        case(
            "Compose",
            "==> Tiltfile\ndocker_compose('c.yml')\n==> c.yml\nservices: {db: {image: postgres}}\n",
            &["ci"],
            1,
            &["error: ", "running services of docker_compose() is not built yet in Coracle: db", "hint: "],
        ),
        case("fail()", "==> Tiltfile\nfail('not today')\n", &["ci"], 1, &["error: ", "not today"]),
        case(
            "an unknown context",
            "==> Tiltfile\nprint('x')\n",
            &["ci", "--context", "moon"],
            2,
            &["error: there is no context \"moon\"", "hint: the contexts there: "],
        ),
        case(
            "an unknown cluster",
            "",
            &["cluster", "start", "moon"],
            2,
            &["there is no cluster \"moon\"", "hint: "],
        ),
        case(
            "an invalid manifest",
            "==> Tiltfile\nk8s_yaml(blob('a: [1'))\n",
            &["ci"],
            1,
            &["error: ", "Tiltfile:1"],
        ),
        Case {
            name: "a broken Dockerfile",
            files: build(&format!("FROM {BUSYBOX}\nCOPPY a b\n")),
            arguments: &["ci"],
            exit: 1,
            says: &["✗ app", "COPPY", "Dockerfile:2"],
        },
        Case {
            name: "a missing source of COPY",
            files: build(&format!("FROM {BUSYBOX}\nCOPY gone.txt /\n")),
            arguments: &["ci"],
            exit: 1,
            says: &["✗ app", "gone.txt", "Dockerfile:2"],
        },
        Case {
            name: "a failing RUN",
            files: build(&format!("FROM {BUSYBOX}\nRUN true\nRUN echo out of luck && exit 9\n")),
            arguments: &["ci"],
            exit: 1,
            says: &["✗ app", "out of luck", "9", "Dockerfile:3"],
        },
        Case {
            name: "a program that ends at once",
            files: build(&format!("FROM {BUSYBOX}\nCMD [\"sh\", \"-c\", \"echo no luck; exit 4\"]\n"))
                .replace(
                    "image: app}",
                    "image: app, readinessProbe: {exec: {command: [\"true\"]}, initialDelaySeconds: 2}}",
                ),
            arguments: &["ci", "--timeout", "30"],
            exit: 1,
            says: &["no luck", "app"],
        },
    ]
}

pub fn run(world: &World) -> anyhow::Result<()> {
    let mut problems = Vec::new();
    world.busybox_image()?;
    for case in cases() {
        if let Err(error) = attempt(world, &case) {
            problems.push(format!(
                "{}: {}",
                case.name,
                error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
            ));
        }
    }
    if let Err(error) = port_in_use(world) {
        problems.push(format!("a port in use: {error:#}"));
    }
    ensure!(problems.is_empty(), "{} cases:\n{}", problems.len(), problems.join("\n"));
    Ok(())
}

fn attempt(world: &World, case: &Case) -> anyhow::Result<()> {
    let project = world.project();
    std::fs::remove_dir_all(&project)?;
    std::fs::create_dir(&project)?;
    world.write_config(&[], None)?;
    files::write_tree(&project, &case.files)?;
    world.coracle(case.arguments)?.exits(case.exit)?.says(case.says)?;
    // What is left of a failed pod must not meet the next case.
    if project.join("pod.yml").exists() {
        let _ = world.kubectl(&["delete", "pod", "app", "--now", "--ignore-not-found"]);
    }
    Ok(())
}

fn port_in_use(world: &World) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let name = format!("{}-port", world.cluster_name());
    world.use_cluster(&name);
    let mapping = format!("{port}:80");
    let run = world.coracle(&["cluster", "create", &name, "--port", &mapping])?;
    let says = [format!("cannot listen on 127.0.0.1:{port}"), "hint: something else uses port".into()];
    let run = run.exits(3)?.says(&says.iter().map(String::as_str).collect::<Vec<_>>())?;
    ensure!(!run.text().contains("panicked"), "no panic");
    drop(listener);
    let run = world.coracle(&["cluster", "create", &name, "--port", &mapping])?;
    run.ok().context("once the port is free, the same command works")?;
    Ok(())
}
