//! Tiltfiles and what becomes of them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use expect_test::{Expect, expect};
use std::fmt::Write;
use std::path::Path;
use support::MemoryHost;
use tiltfile::plan::{Dependency, ResourceKind, Step};
use tiltfile::{Evaluation, Settings, evaluate};

fn run(text: &str, args: &[&str]) -> Evaluation {
    let host = MemoryHost::new(text);
    let settings = Settings {
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        subcommand: "up".to_owned(),
        ..Settings::default()
    };
    evaluate(&host, Path::new("/p/Tiltfile"), &settings)
}

fn render(e: &Evaluation) -> String {
    let mut out = String::new();
    if let Some(error) = &e.error {
        writeln!(out, "{error}").unwrap();
        if let Some(hint) = &error.hint {
            writeln!(out, "hint: {hint}").unwrap();
        }
        return out;
    }
    for r in &e.plan.resources {
        write!(out, "{}", r.name).unwrap();
        match &r.kind {
            ResourceKind::K8s(k) | ResourceKind::Uncategorized(k) => {
                for o in &k.objects {
                    write!(
                        out,
                        " {}/{}",
                        o["kind"].as_str().unwrap(),
                        o["metadata"]["name"].as_str().unwrap()
                    )
                    .unwrap();
                }
                for i in &k.images {
                    write!(out, " image={}", e.plan.images[*i].reference).unwrap();
                }
                for f in &k.port_forwards {
                    write!(out, " port={}{}:{}", f.host, f.local, f.container).unwrap();
                }
                write!(out, " readiness={:?}", k.pod_readiness).unwrap();
            }
            ResourceKind::Compose(c) => {
                let (project, service) = (&c.project.name, &c.service);
                write!(out, " service={project}/{service} ports={:?}", c.published_ports).unwrap();
                for i in &c.images {
                    write!(out, " image={}", e.plan.images[*i].reference).unwrap();
                }
                if let Some(build) = &c.build {
                    write!(out, " builds={} in {}", build.image, build.context.display()).unwrap();
                }
            }
            ResourceKind::Local(l) => {
                write!(
                    out,
                    " cmd={:?} serve={:?}",
                    l.cmd.as_ref().map(|c| &c.argv),
                    l.serve_cmd.as_ref().map(|c| &c.argv)
                )
                .unwrap();
            }
        }
        if !r.labels.is_empty() {
            write!(out, " labels={:?}", r.labels).unwrap();
        }
        for dep in &r.resource_deps {
            match dep {
                Dependency::Resource(name) => write!(out, " after={name}").unwrap(),
                Dependency::Object { name, kind, namespace } => write!(
                    out,
                    " after={}/{}/{name}",
                    namespace.as_deref().unwrap_or("*"),
                    kind.as_deref().unwrap_or("*")
                )
                .unwrap(),
            }
        }
        if !e.plan.is_enabled(&r.name) {
            write!(out, " disabled").unwrap();
        }
        out.push('\n');
    }
    for image in &e.plan.images {
        write!(out, "image {}", image.reference).unwrap();
        for step in image.live_update.iter().flat_map(|l| &l.steps) {
            match step {
                Step::Sync { local, container, .. } => {
                    write!(out, " sync {}:{container}", local.display()).unwrap()
                }
                Step::Run { argv, triggers, .. } => write!(out, " run {argv:?} on {triggers:?}").unwrap(),
                other => write!(out, " {other:?}").unwrap(),
            }
        }
        out.push('\n');
    }
    for warning in &e.warnings {
        writeln!(out, "warning: {}", warning.message).unwrap();
    }
    out
}

fn check(text: &str, want: Expect) {
    want.assert_eq(&render(&run(text, &[])));
}

const RENDERED: &str = r#"
-- k8s/overlays/dev/rendered.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: codex-config, namespace: codex}
data: {DEBUG: "true"}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: codex-data, namespace: codex}
---
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: codex}
spec: {selector: {app: backend}, ports: [{port: 8000}]}
---
apiVersion: v1
kind: Service
metadata: {name: frontend, namespace: codex}
spec: {selector: {app: frontend}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: backend, namespace: codex}
spec:
  selector: {matchLabels: {app: backend}}
  template:
    metadata: {labels: {app: backend}}
    spec:
      containers: [{name: backend, image: "codex-registry.localhost:5111/codex-backend:dev"}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: frontend, namespace: codex}
spec:
  selector: {matchLabels: {app: frontend}}
  template:
    metadata: {labels: {app: frontend}}
    spec:
      containers: [{name: frontend, image: "codex-registry.localhost:5111/codex-frontend:dev"}]
-- backend/Dockerfile
FROM python:3.13-slim
-- frontend/Dockerfile
FROM node:25-slim
-- frontend/.dockerignore
node_modules
"#;

const CODEX: &str = r#"
load('ext://namespace', 'namespace_create')
REGISTRY = 'codex-registry.localhost:5111'
namespace_create('codex')
k8s_yaml(kustomize('k8s/overlays/dev'))
docker_build(
    REGISTRY + '/codex-backend',
    context='./backend',
    dockerfile='./backend/Dockerfile',
    live_update=[
        sync('./backend/codex', '/app/codex'),
        sync('./backend/alembic.ini', '/app/alembic.ini'),
        run('uv pip install --system .', trigger=['./backend/pyproject.toml']),
    ],
)
docker_build(
    REGISTRY + '/codex-frontend',
    context='./frontend',
    dockerfile='./frontend/Dockerfile',
    build_args={'VITE_API_BASE_URL': '/api', 'PLUGINS_DIR': '/plugins'},
    live_update=[
        sync('./frontend/src', '/app/src'),
        run('pnpm build', trigger=['./frontend/package.json']),
    ],
)
k8s_resource('backend', port_forwards=['8765:8000'], labels=['codex'],
    resource_deps=['codex-config', 'codex-secrets', 'codex-data'])
k8s_resource('frontend', port_forwards=['8065:80'], labels=['codex'], resource_deps=['backend'])
"#;

#[test]
fn the_plans_tiltfile() {
    check(
        &format!("{CODEX}{RENDERED}"),
        expect![[r#"
            backend Service/backend Deployment/backend image=codex-registry.localhost:5111/codex-backend port=8765:8000 readiness=Wait labels=["codex"] after=codex/ConfigMap/codex-config after=codex/*/codex-secrets after=codex/PersistentVolumeClaim/codex-data
            frontend Service/frontend Deployment/frontend image=codex-registry.localhost:5111/codex-frontend port=8065:80 readiness=Wait labels=["codex"] after=backend
            uncategorized Namespace/codex PersistentVolumeClaim/codex-data ConfigMap/codex-config readiness=Ignore
            image codex-registry.localhost:5111/codex-backend sync /p/backend/codex:/app/codex sync /p/backend/alembic.ini:/app/alembic.ini run ["sh", "-c", "uv pip install --system ."] on ["/p/backend/pyproject.toml"]
            image codex-registry.localhost:5111/codex-frontend sync /p/frontend/src:/app/src run ["sh", "-c", "pnpm build"] on ["/p/frontend/package.json"]
        "#]],
    );
}

#[test]
fn what_is_read_is_watched() {
    let e = run(&format!("{CODEX}{RENDERED}"), &[]);
    let files: Vec<String> = e.files_read.iter().map(|f| f.display().to_string()).collect();
    expect![[r#"
        /p/.tiltignore
        /p/Tiltfile
        /p/backend/.dockerignore
        /p/backend/Dockerfile
        /p/frontend/.dockerignore
        /p/frontend/Dockerfile
        /p/k8s/overlays/dev/kustomization.yml"#]]
    .assert_eq(&files.join("\n"));
}

#[test]
fn only_what_was_asked_for() {
    let e = run(&format!("{CODEX}{RENDERED}"), &["backend"]);
    expect!["backend uncategorized"].assert_eq(&e.plan.enabled.join(" "));
    let e = run(&format!("{CODEX}{RENDERED}"), &["frontend"]);
    expect!["backend frontend uncategorized"].assert_eq(&e.plan.enabled.join(" "));
    let e = run(&format!("{CODEX}{RENDERED}"), &["nothing"]);
    expect![[r#"
        You specified some resources that could not be found: "nothing"
        Is this a typo? Existing resources in Tiltfile: "backend", "frontend", "uncategorized"
    "#]]
    .assert_eq(&render(&e));
}

#[test]
fn errors_have_tracebacks() {
    check(
        "def f():\n    docker_build('x')\nf()\n",
        expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:3:2: in <toplevel>
          /p/Tiltfile:2:17: in f
        Error in docker_build: docker_build: missing argument for context
    "#]],
    );
    check(
        "docker_build('a b', '.')\n",
        expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:13: in <toplevel>
        Error in docker_build: Argument 1 (ref): can't parse "a b": invalid reference format
    "#]],
    );
    check(
        "x = {}\ny = x['k']\n",
        expect![[r#"
            Traceback (most recent call last):
              /p/Tiltfile:2:6: in <toplevel>
            Error: key "k" not in dict
            hint: d.get(key, default) takes a default
        "#]],
    );
    check(
        "nope()\n",
        expect![[r#"
            /p/Tiltfile:1:1: undefined: nope
        "#]],
    );
    check(
        "x = \n",
        expect![[r#"
            /p/Tiltfile:1:5: unexpected new line, expected expression
            hint: an expression goes on in the next line only within parentheses
        "#]],
    );
    check(
        "include('other/Tiltfile')\n-- other/Tiltfile\nfail('no')\n",
        expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:8: in <toplevel>
          <builtin>: in include
          /p/other/Tiltfile:1:5: in <toplevel>
        Error in fail: no
    "#]],
    );
    check(
        "load('other/Tiltfile', 'a')\n-- other/Tiltfile\na = 1 // 0\n",
        expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:1: in <toplevel>
          /p/other/Tiltfile:1:7: in <toplevel>
        Error: floored division by zero
    "#]],
    );
    check(
        "include('missing')\n",
        expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:8: in <toplevel>
        Error in include: error reading file /p/missing: open /p/missing: no such file or directory
    "#]],
    );
    check(
        "include('a')\n-- a\ninclude('Tiltfile')\n",
        expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:8: in <toplevel>
          <builtin>: in include
          /p/a:1:8: in <toplevel>
        Error in include: Circular load: /p/Tiltfile
    "#]],
    );
    check(
        "os.nope\n",
        expect![[r#"
            Traceback (most recent call last):
              /p/Tiltfile:1:3: in <toplevel>
            Error: module has no .nope field or method
        "#]],
    );
    check(
        "docker_build('x', '.', contxt='a')\n",
        expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:13: in <toplevel>
        Error in docker_build: docker_build: unexpected keyword argument "contxt" (did you mean context?)
    "#]],
    );
}

#[test]
fn what_is_not_here_says_so() {
    let refusal = |text| run(text, &[]).plan.refusal();
    assert_eq!(refusal("local_resource('a', 'true')\n"), None);
    let compose = "docker_compose('c.yml')\n-- c.yml\nservices: {web: {image: nginx}}\n";
    assert!(refusal(compose).is_some_and(|r| r.contains("not built yet in Coracle: web")));
}

#[test]
fn local_resources() {
    check(
        r#"
local_resource('gen', 'make gen', deps=['src'], labels=['a', 'b'])
local_resource('web', serve_cmd=['npm', 'start'], resource_deps=['gen'],
    readiness_probe=probe(period_secs=1, http_get=http_get_action(port=80, path='/x')))
"#,
        expect![[r#"
            gen cmd=Some(["sh", "-c", "make gen"]) serve=None labels=["a", "b"]
            web cmd=None serve=Some(["npm", "start"]) after=gen
        "#]],
    );
    check(
        "local_resource('x')\n",
        expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:15: in <toplevel>
        Error in local_resource: local_resource must have a cmd and/or a serve_cmd, but both were empty
    "#]],
    );
    check(
        "local_resource('x', 'a', resource_deps=['y'])\nlocal_resource('y', 'b', resource_deps=['x'])\n",
        expect![[r#"
        cycle detected in resource dependency graph: x -> y -> x
    "#]],
    );
}

#[test]
fn files_and_values() {
    check(
        r#"
def eq(a, b):
    if a != b:
        fail('%s != %s' % (repr(a), repr(b)))
eq(str(local('hello')).strip(), 'hello')
eq(str(read_file('a.txt')), 'text\n')
eq(str(read_file('none', default='d')), 'd')
eq(read_yaml('a.yaml'), {'a': [1, 2.5, True, None, 'x']})
eq(decode_json('{"a": [1]}'), {'a': [1]})
eq(encode_json({'b': 1, 'a': 'x'}), '{\n  "a": "x",\n  "b": 1\n}\n')
eq(str(encode_yaml({'b': 1, 'a': ['x']})), 'a:\n- x\nb: 1\n')
eq(decode_yaml_stream('a: 1\n---\nb: 2\n'), [{'a': 1}, {'b': 2}])
eq(os.getcwd(), '/p')
eq(os.path.join('a', 'b', '/c', 'd'), '/c/d')
eq(os.path.relpath('/p/a/b'), 'a/b')
eq(os.path.dirname('/x/y/'), '/x/y')
eq(os.environ['HOME'], '/home/me')
os.environ['X'] = '1'
eq(os.getenv('X'), '1')
eq('X' in os.environ, True)
eq(os.getenv('Y', 'z'), 'z')
eq(shlex.quote("a b"), "'a b'")
eq(type(blob('x')), 'blob')
eq(struct(a=1).a, 1)
eq(listdir('d'), ['/p/d/1', '/p/d/2'])
eq(__file__, '/p/Tiltfile')
eq(__name__, '__main__')
step = sync('x', '/y')
eq(type(step), 'live_update_sync_step')
docker_build('img', '.', dockerfile_contents='FROM scratch', live_update=[step])
while_loop = [x for x in range(3)]
eq(k8s_context(), 'k3d-codex-dev')
x = load_dynamic('lib')
eq(x['f'](2), 4)
eq(x['cwd'], '/p')
-- lib
def f(x):
    return x * 2
cwd = os.getcwd()
-- a.txt
text
-- a.yaml
a: [1, 2.5, true, null, x]
-- d/1
-- d/2
x
-- d/1
y
"#,
        expect![[r#"
            Traceback (most recent call last):
              /p/Tiltfile:14:3: in <toplevel>
              /p/Tiltfile:4:13: in eq
            Error in fail: "a/b/c/d" != "/c/d"
        "#]],
    );
}

#[test]
fn contexts_that_may_matter_to_others() {
    let mut host = MemoryHost::new(&format!("{CODEX}{RENDERED}"));
    host.context.as_mut().unwrap().is_local = false;
    host.context.as_mut().unwrap().name = "prod".to_owned();
    let e = evaluate(&host, Path::new("/p/Tiltfile"), &Settings::default());
    expect![[r#"
        Stop! prod might be production.
        If you're sure you want to deploy there, add:
        	allow_k8s_contexts('prod')
        to your Tiltfile. Otherwise, switch k8s contexts and restart Tilt.
    "#]]
    .assert_eq(&render(&e));
}

/// A use at the top level means the builtin until the file's own definition, wherever that stands.
#[test]
fn builtins_that_the_file_redefines() {
    let e = run(
        r#"
print(k8s_namespace(), len('ab'))
k8s_context = k8s_context()
for k8s_namespace in [k8s_namespace()]:
    print(k8s_context, k8s_namespace)
if len(k8s_context) > 99:
    link = None
print(str(link('http://a')) != '')
def len(x):
    return 'own'
def warn():
    port_forward = len('a')
    return port_forward
print(len('ab'), warn(), type(port_forward(1)))
local_resource('x', 'true')
"#,
        &[],
    );
    expect![[r#"
        default 2
        k3d-codex-dev default
        True
        own own port_forward
    "#]]
    .assert_eq(&format!("{}{}", e.output, e.error.map(|e| e.to_string()).unwrap_or_default()));
}

#[test]
fn names_that_are_no_builtins_must_be_assigned_first() {
    expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:5: in <toplevel>
        Error: global variable a referenced before assignment
    "#]]
    .assert_eq(&render(&run("b = a\na = 1\n", &[])));
}

#[test]
fn config_from_the_command_line() {
    let text = "config.define_string('name')\nconfig.define_bool('fast')\nconfig.define_string_list('rest', args=True)\ncfg = config.parse()\nprint(cfg)\nlocal_resource('x', 'true')\n";
    let e = run(text, &["--name", "n", "--fast", "a", "b"]);
    expect![[r#"
        {"name": "n", "fast": True, "rest": ["a", "b"]}
    "#]]
    .assert_eq(&e.output);
    expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:4:19: in <toplevel>
        Error in config.parse: invalid Tiltfile config args: unknown flag: --nope
        Usage:
              --fast          
              --name string   

    "#]]
    .assert_eq(&render(&run(text, &["--nope"])));
}

/// What is taken and has no effect here.
#[test]
fn settings_without_effect_are_told_of() {
    let notes = |text: &str| run(text, &[]).plan.notes();
    let text = "update_settings(k8s_server_side_apply='false')\ndocker_prune_settings(num_builds=3)\n\
        experimental_telemetry_cmd('x')\n";
    expect![[r#"
        update_settings(k8s_server_side_apply='false') has no effect: objects are always applied on the server's side
        docker_prune_settings() has no effect: nothing is pruned by itself, `coracle image gc` removes images
        experimental_telemetry_cmd() has no effect: there are no traces for the command
    "#]]
    .assert_eq(&format!("{}\n", notes(text).join("\n")));
    let fine = "update_settings(k8s_server_side_apply='auto')\ndocker_prune_settings(disable=True, max_age_mins=9)\n\
        analytics_settings(False)\nversion_settings(check_updates=False)\n";
    assert_eq!(notes(fine), Vec::<String>::new());
}

#[test]
fn the_time_of_ci_is_the_tiltfiles_or_the_command_lines() {
    let timeout = |text: &str| {
        let settings = Settings { ci_timeout_ms: Some(90_000), ..Settings::default() };
        evaluate(&MemoryHost::new(text), Path::new("/p/Tiltfile"), &settings).plan.settings.ci.timeout_ms
    };
    assert_eq!(timeout("local_resource('a', 'b')\n"), 90_000);
    assert_eq!(timeout("local_resource('a', 'b')\nci_settings(timeout='1h')\n"), 3_600_000);
    assert_eq!(timeout("local_resource('a', 'b')\nci_settings(readiness_timeout='1m')\n"), 90_000);
}
