//! Built-in extensions that are a command for other programs: the commands, and what their scripts do with stand-ins
//! for those programs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use expect_test::{Expect, expect};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use support::MemoryHost;
use tiltfile::{Evaluation, Settings, evaluate, neutral};

fn run(text: &str) -> Evaluation {
    let host = MemoryHost::new(text);
    let settings = Settings { subcommand: "up".to_owned(), ..Settings::default() };
    let e = evaluate(&host, Path::new("/p/Tiltfile"), &settings);
    assert_eq!(e.error.as_ref().map(ToString::to_string), None);
    e
}

fn commands(text: &str, want: Expect) {
    let e = run(text);
    let result = neutral::evaluation(&e);
    let mut lines = Vec::new();
    strings(&result, &mut lines);
    want.assert_eq(&(lines.join("\n") + "\n"));
}

/// The command lines in a result.
fn strings(value: &serde_json::Value, lines: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                if key.contains("cmd") || key == "custom" {
                    if !value.is_null() {
                        lines.push(format!("{key} in {}: {}", value["dir"], value["args"]));
                    }
                } else {
                    strings(value, lines);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| strings(v, lines)),
        _ => {}
    }
}

fn fails(text: &str, want: Expect) {
    let host = MemoryHost::new(text);
    let error = evaluate(&host, Path::new("/p/Tiltfile"), &Settings::default()).error.unwrap();
    want.assert_eq(&(error.message + "\n"));
}

#[test]
fn lines() {
    commands(
        "
load('ext://execute_in_pod', 'execute_in_pod')
load('ext://earthly', 'earthly_build', 'earthly_build_with_restart')
load('ext://conftest', 'conftest')
load('ext://kim', 'kim_build')
load('ext://tilt_inspector', 'tilt_inspector')
local_resource('fill', ' && '.join([execute_in_pod('web', 'echo 1'), execute_in_pod('web', 'echo 2', container='a b')]))
conftest('d.yaml')
conftest(path='d.yaml', name='all', all_namespaces=True, data=['x', 'y'], policy='rules', labels=['t'])
tilt_inspector(port=4009)
earthly_build('.', '+image', 'one', 'NAME', ignore='./test.sh', extra_flags=['--strict'], extra_args=['--PORT=80 80'])
earthly_build_with_restart(context='dir', target='+image', ref='two', image_arg='NAME', entrypoint='./run.sh', live_update=[sync('dir', '/d')])
kim_build('three', 'dir', extra_flags=['-f', 'Other file'])
k8s_yaml(blob('{kind: Pod, apiVersion: v1, metadata: {name: p}, spec: {containers: [{name: a, image: one}, {name: b, image: two}, {name: c, image: three}]}}'))
",
        expect![[r#"
            custom in "/p": ["sh","-c","cd . && earthly --strict +image --NAME=$EXPECTED_REF '--PORT=80 80'"]
            custom in "/p": ["sh","-c","cd dir && earthly +image --NAME=$EXPECTED_REF"]
            custom in "/p": ["sh","-c","kim build -t $EXPECTED_REF -f 'Other file' dir"]
            update_cmd in "/p": ["sh","-c","kubectl exec \"$(kubectl get pods --field-selector=status.phase=Running -o name | grep -m1 -E '^pod/web(-|$)')\" -- echo 1 && kubectl exec \"$(kubectl get pods --field-selector=status.phase=Running -o name | grep -m1 -E '^pod/web(-|$)')\" -c 'a b' -- echo 2"]
            update_cmd in "/p": ["conftest","test","d.yaml"]
            update_cmd in "/p": ["conftest","test","--all-namespaces","--data","x","--data","y","--policy","rules","d.yaml"]
        "#]],
    );
}

/// A program made of a line for a shell.
fn program(directory: &Path, name: &str, line: &str) {
    let file = directory.join(name);
    fs::write(&file, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What a command says, in a directory with programs of its own.
fn output(argv: &[String], directory: &Path, env: &[(&str, &str)]) -> String {
    let path = format!("{}:{}", directory.join("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir(directory).env("PATH", path).envs(env.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    text.into_owned()
}

#[test]
fn syncback_copies() {
    let directory = tempfile::tempdir().unwrap();
    let (bin, remote, local) =
        (directory.path().join("bin"), directory.path().join("remote"), directory.path().join("local"));
    for d in [&bin, &remote, &local, &remote.join("node_modules")] {
        fs::create_dir(d).unwrap();
    }
    // the container is this machine
    program(
        &bin,
        "kubectl",
        "echo \"$1 $2 $3 $4 $5 $6\" >&2; while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"",
    );
    fs::write(remote.join("a"), "new").unwrap();
    fs::write(remote.join("b"), "").unwrap();
    fs::write(remote.join("node_modules/m"), "").unwrap();
    fs::write(local.join("a"), "old").unwrap();
    fs::write(local.join("mine"), "").unwrap();
    let text = format!(
        "load('ext://syncback', 'syncback')\nsyncback('back', 'deploy/web', '{}/', ignore=['node_modules'], target_dir='local', container='c', namespace='n')\n",
        remote.display()
    );
    let e = run(&text);
    let back = e.plan.resource("back").unwrap();
    let argv = &back.local().unwrap().cmd.as_ref().unwrap().argv;
    let said = output(argv, directory.path(), &[]).replace(&remote.display().to_string(), "/remote");
    expect![[r#"
        syncback: deploy/web:/remote/ -> local
        exec deploy/web --namespace n --container c
    "#]]
    .assert_eq(&said);
    let mut names: Vec<_> = fs::read_dir(&local).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "b", "mine"]);
    assert_eq!(fs::read_to_string(local.join("a")).unwrap(), "new");
    // what rsync is told reaches it as it is
    let e = run(
        "load('ext://syncback', 'syncback')\nsyncback('back', 'pod/web', '/', rsync_options=['--include=a b', '--exclude=*'], labels=['x'])\n",
    );
    let argv = &e.plan.resource("back").unwrap().local().unwrap().cmd.as_ref().unwrap().argv;
    assert!(argv[2].contains("rsync -rlptc '--include=a b' '--exclude=*' "), "{}", argv[2]);
    fails(
        "load('ext://syncback', 'syncback')\nsyncback('back', 'deploy/web', '/app')\n",
        expect![[r#"
            src_dir must be a directory and have a trailing slash (got: '/app')
        "#]],
    );
}

#[test]
fn pulumi_reports_its_objects() {
    let directory = tempfile::tempdir().unwrap();
    let bin = directory.path().join("bin");
    fs::create_dir(&bin).unwrap();
    program(
        &bin,
        "pulumi",
        "echo \"pulumi $*\" >&2; if [ \"$1\" = stack ]; then echo '{\"export\": 1}'; else echo noise; fi",
    );
    program(&bin, "python3", "echo \"objects of $(cat)\"");
    program(&bin, "kubectl", "exit 1");
    let e = run("
load('ext://pulumi', 'pulumi_resource')
docker_build('api-image', '.', dockerfile_contents='FROM scratch')
pulumi_resource('api', stack='org/dev', image_deps=['api-image'], image_configs=['image'], port_forwards=['8080:80'], labels=['x'])
");
    let api = e.plan.resource("api").unwrap();
    let deploy = api.k8s().unwrap().custom_deploy.as_ref().unwrap();
    let said = output(&deploy.apply.argv, directory.path(), &[("TILT_IMAGE_0", "r.example/api:1")]);
    expect![[r#"
        objects of {"export": 1}
        pulumi up --refresh --yes --stack org/dev --config image=r.example/api:1
        noise
        pulumi stack export --stack org/dev
        ["pulumi", "destroy", "--yes", "--stack", "org/dev"]
    "#]]
    .assert_eq(&format!("{said}{:?}\n", deploy.delete.argv));
    fails(
        "load('ext://pulumi', 'pulumi_resource')\npulumi_resource('x', image_deps=['a'])\n",
        expect![[r#"
            image_deps and image_configs must have the same length, so that we know how to inject images into the pulumi stack
        "#]],
    );
}

#[test]
fn nix_flakes() {
    let directory = tempfile::tempdir().unwrap();
    let bin = directory.path().join("bin");
    fs::create_dir(&bin).unwrap();
    program(&bin, "nix", "echo \"nix $*\"");
    program(&bin, "docker", "echo \"docker $*\" >&2; [ \"$1\" = tag ] || echo 'Loaded image: flake/web:abc'");
    let e = run("
load('ext://nix_flake', 'build_flake_image')
build_flake_image('r.example/web', '~/flakes', 'image x', deps=['flake.nix'])
k8s_yaml(blob('{kind: Pod, apiVersion: v1, metadata: {name: p}, spec: {containers: [{name: a, image: r.example/web}]}}'))
");
    let mut lines = Vec::new();
    strings(&neutral::evaluation(&e), &mut lines);
    let argv: Vec<String> =
        serde_json::from_str(lines[0].strip_prefix("custom in \"/p\": ").unwrap()).unwrap();
    let said =
        output(&argv, directory.path(), &[("EXPECTED_REF", "r.example/web:tilt-1"), ("HOME", "/home/me")]);
    expect![[r#"
        nix build /home/me/flakes#image x --refresh --out-link ./result-r.example_web
        docker load --input ./result-r.example_web
        docker tag flake/web:abc r.example/web:tilt-1
    "#]]
    .assert_eq(&said);
}

#[test]
fn kubebuilder_projects() {
    let files = "
-- go.mod
x
-- PROJECT
x
-- api/v1/x.go
x
-- FILE
x
-- config/default/rendered.yaml
kind: Deployment
apiVersion: apps/v1
metadata: {name: p-controller-manager}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      securityContext: {runAsNonRoot: true}
      containers:
      - {name: manager, image: 'controller:latest', securityContext: {allowPrivilegeEscalation: false}}
      - {name: proxy, image: proxy}
---
kind: ServiceAccount
apiVersion: v1
metadata: {name: p-controller-manager}
";
    let text = "
load('ext://kubebuilder', 'kubebuilder')
kubebuilder('example.com', 'g', 'v1', 'Kind', IMG='mine/manager')
";
    let live = text.to_owned() + &files.replace("FILE", "cmd/main.go");
    commands(
        &live,
        expect![[r#"
        update_cmd in "/p": ["sh","-c","controller-gen rbac:roleName=manager-role crd webhook paths=\"./...\" output:crd:artifacts:config=config/crd/bases && kubectl apply -k config/crd"]
        update_cmd in "/p": ["sh","-c","controller-gen object:headerFile=\"hack/boilerplate.go.txt\" paths=\"./...\" && CGO_ENABLED=0 GOOS=linux GO111MODULE=on go build -o tilt_bin/manager cmd/main.go"]
        update_cmd in "/p": ["sh","-c","kubectl apply -f ./config/samples"]
    "#]],
    );
    commands(
        &(text.to_owned() + &files.replace("FILE", "main.go")),
        expect![[r#"
        update_cmd in "/p": ["sh","-c","controller-gen rbac:roleName=manager-role crd webhook paths=\"./...\" output:crd:artifacts:config=config/crd/bases && kubectl apply -k config/crd"]
        update_cmd in "/p": ["sh","-c","controller-gen object:headerFile=\"hack/boilerplate.go.txt\" paths=\"./...\" && CGO_ENABLED=0 GOOS=linux GO111MODULE=on go build -o tilt_bin/manager main.go"]
        update_cmd in "/p": ["sh","-c","kubectl apply -f ./config/samples"]
    "#]],
    );
    let host = MemoryHost::new(&format!(
        "load('ext://kubebuilder', 'kubebuilder')\nkubebuilder('example.com', 'g', 'v1', 'Kind', 'i', DISABLE_SECURITY_CONTEXT=False)\n-- config/default/rendered.yaml\n{}",
        files.rsplit("rendered.yaml\n").next().unwrap()
    ));
    let e = evaluate(&host, Path::new("/p/Tiltfile"), &Settings::default());
    assert_eq!(e.error.as_ref().map(ToString::to_string), None);
    let ran: Vec<String> = host.commands.borrow().iter().map(|c| c.argv.join(" ")).collect();
    expect![[r#"
        go mod init p
        kubebuilder init --domain example.com
        kubebuilder create api --resource --controller --group g --version v1 --kind Kind
        sh -c controller-gen rbac:roleName=manager-role crd webhook paths="./..." output:crd:artifacts:config=config/crd/bases && controller-gen object:headerFile="hack/boilerplate.go.txt" paths="./..."
    "#]].assert_eq(&(ran.join("\n") + "\n"));
    let yaml = |e: &Evaluation| {
        let manager = e.plan.resource("p-controller-manager").unwrap();
        format!("{}", serde_json::Value::from(manager.k8s().unwrap().objects.clone()))
    };
    assert!(yaml(&e).contains("runAsNonRoot") && yaml(&e).contains("allowPrivilegeEscalation"));
    assert!(
        !yaml(&run(&live)).contains("runAsNonRoot")
            && !yaml(&run(&live)).contains("allowPrivilegeEscalation")
    );
    assert!(yaml(&run(&live)).contains(r#""image":"mine/manager""#));
}
