//! Built-in extensions, and those of repositories.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use expect_test::{Expect, expect};
use std::path::Path;
use support::MemoryHost;
use tiltfile::{BUILTIN_EXTENSIONS, Evaluation, Settings, evaluate};

fn run(text: &str) -> Evaluation {
    let host = MemoryHost::new(text);
    let settings = Settings { subcommand: "up".to_owned(), ..Settings::default() };
    evaluate(&host, Path::new("/p/Tiltfile"), &settings)
}

fn prints(text: &str, want: Expect) {
    let e = run(text);
    assert_eq!(e.error.map(|e| e.to_string()), None);
    want.assert_eq(&e.output);
}

fn fails(text: &str, want: Expect) {
    let error = run(text).error.unwrap();
    let hint = error.hint.map(|h| format!("\nhint: {h}")).unwrap_or_default();
    want.assert_eq(&format!("{}{hint}\n", error.message));
}

#[test]
fn all_of_them_load() {
    for name in BUILTIN_EXTENSIONS {
        let e = run(&format!("load_dynamic('ext://{name}')\nlocal_resource('x', 'true')\n"));
        assert_eq!(e.error.map(|e| e.to_string()), None, "{name}");
    }
    // and what they are made of stays with them
    fails(
        "coracle.glob('*')\n",
        expect![[r#"
            /p/Tiltfile:1:1: undefined: coracle
        "#]],
    );
}

#[test]
fn secrets() {
    prints(
        r#"
load('ext://secret', 'secret_yaml_generic', 'secret_from_dict', 'secret_yaml_tls', 'secret_yaml_docker_registry', 'secret_yaml_registry')
print(secret_yaml_generic('s', namespace='n', from_file=['a.txt', 'key=d/b.txt'], secret_type='x/y'))
print(secret_yaml_generic('s', from_file='d'))
print(secret_yaml_generic('s', from_env_file='.env'))
print(secret_from_dict('s', inputs={'b': 'two', 'a': 1}))
print(secret_yaml_tls('s', 'a.txt', 'd/b.txt'))
print(str(secret_yaml_docker_registry('s', 'u', 'p')) == str(secret_yaml_registry('s', flags_dict={'docker-username': 'u', 'docker-password': blob('p')})))
print(secret_yaml_docker_registry('s', 'u', 'p', server='r.example'))
-- a.txt
A
-- d/b.txt
B
-- d/c.txt
C
-- .env
# comment
ONE=1=1

HOME
MISSING
"#,
        expect![[r#"
            apiVersion: v1
            data:
              a.txt: QQo=
              key: Qgo=
            kind: Secret
            metadata:
              name: s
              namespace: "n"
            type: x/y

            apiVersion: v1
            data:
              b.txt: Qgo=
              c.txt: Qwo=
            kind: Secret
            metadata:
              name: s

            apiVersion: v1
            data:
              HOME: L2hvbWUvbWU=
              ONE: MT0x
            kind: Secret
            metadata:
              name: s

            apiVersion: v1
            data:
              a: MQ==
              b: dHdv
            kind: Secret
            metadata:
              name: s

            apiVersion: v1
            data:
              tls.crt: QQo=
              tls.key: Qgo=
            kind: Secret
            metadata:
              name: s
            type: kubernetes.io/tls

            True
            apiVersion: v1
            data:
              .dockerconfigjson: ewogICJhdXRocyI6IHsKICAgICJyLmV4YW1wbGUiOiB7CiAgICAgICJhdXRoIjogImRUcHciLAogICAgICAicGFzc3dvcmQiOiAicCIsCiAgICAgICJ1c2VybmFtZSI6ICJ1IgogICAgfQogIH0KfQo=
            kind: Secret
            metadata:
              name: s
            type: kubernetes.io/dockerconfigjson

        "#]],
    );
    fails(
        "load('ext://secret', 'secret_yaml_generic')\nsecret_yaml_generic('s')\n",
        expect![[r#"
        No secret generator specified
    "#]],
    );
    fails(
        "load('ext://secret', 'secret_yaml_generic')\nsecret_yaml_generic('s', from_file='nothing')\n",
        expect![[r#"
            open /p/nothing: no such file or directory
        "#]],
    );
}

#[test]
fn config_maps() {
    prints(
        r#"
load('ext://configmap', 'configmap_yaml', 'configmap_from_dict')
print(configmap_yaml('c', namespace='n', from_file=['a.txt']))
print(configmap_yaml('c', from_env_file='.env'))
print(configmap_from_dict('c', inputs={'a': 'b'}))
-- a.txt
A
-- .env
ONE=1
"#,
        expect![[r#"
            apiVersion: v1
            data:
              a.txt: |
                A
            kind: ConfigMap
            metadata:
              name: c
              namespace: "n"

            apiVersion: v1
            data:
              ONE: "1"
            kind: ConfigMap
            metadata:
              name: c

            apiVersion: v1
            data:
              a: b
            kind: ConfigMap
            metadata:
              name: c

        "#]],
    );
    let watched = |watch: &str| {
        let e = run(&format!(
            "load('ext://configmap', 'configmap_create')\nconfigmap_create('c', from_file='a.txt'{watch})\n-- a.txt\nA\n"
        ));
        e.files_read.contains(Path::new("/p/a.txt"))
    };
    assert!(watched("") && !watched(", watch=False"));
    fails(
        "load('ext://configmap', 'configmap_yaml')\nconfigmap_yaml('c')\n",
        expect![[r#"
        No configmap generator specified
    "#]],
    );
    fails(
        "load('ext://configmap', 'configmap_yaml')\nconfigmap_yaml('c', from_file='a', from_env_file='b')\n",
        expect![[r#"
            Must specify either 'from_file' OR 'from_env_file'
        "#]],
    );
    fails(
        "load('ext://configmap', 'configmap_yaml')\nconfigmap_yaml('c', from_file=['x=a.txt', 'x=a.txt'])\n-- a.txt\nA\n",
        expect![[r#"
            cannot add key "x", another key by that name already exists
        "#]],
    );
}

#[test]
fn environment() {
    prints(
        r#"
load('ext://dotenv', 'dotenv')
dotenv()
for name in ['A', 'B', 'C', 'D', 'E']:
    print(name, repr(os.getenv(name)))
-- .env
# A=0
A=1
B="two
lines"
C='single'
export D=x=y
nothing
E=
"#,
        expect![[r#"
            A "1"
            B "two\nlines"
            C "single"
            D "x=y"
            E ""
        "#]],
    );
}

#[test]
fn deployments() {
    prints(
        r#"
load('ext://deployment', 'deployment_yaml', 'service_yaml')
print(deployment_yaml('d', image='r.example:5000/a/my_image:1', command=['sleep', '1'], namespace='n', port='80', image_pull_policy='Never', liveness_probe={'http_get': {'path': '/'}}))
print(service_yaml('d', ports=['80:8080', '90']))
print(service_yaml('d', external_name='x.example'))
"#,
        expect![[r#"
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              labels:
                app: d
              name: d
              namespace: "n"
            spec:
              replicas: 1
              selector:
                matchLabels:
                  app: d
              template:
                metadata:
                  labels:
                    app: d
                spec:
                  containers:
                  - command:
                    - sleep
                    - "1"
                    image: r.example:5000/a/my_image:1
                    imagePullPolicy: Never
                    livenessProbe:
                      httpGet:
                        path: /
                    name: my-image
                    ports:
                    - containerPort: 80

            apiVersion: v1
            kind: Service
            metadata:
              labels:
                app: d
              name: d
            spec:
              ports:
              - name: 80-8080
                port: 80
                protocol: TCP
                targetPort: 8080
              - name: "90"
                port: 90
                protocol: TCP
                targetPort: 90
              selector:
                app: d
              type: ClusterIP

            apiVersion: v1
            kind: Service
            metadata:
              labels:
                app: d
              name: d
            spec:
              externalName: x.example
              selector:
                app: d
              type: ExternalName

        "#]],
    );
    let e = run("load('ext://deployment', 'deployment_create')\ndeployment_create('redis', ports='6379')\n");
    assert_eq!(e.error, None);
    assert_eq!(e.plan.resources[0].k8s().unwrap().objects.len(), 2);
}

#[test]
fn charts() {
    let e = run(r#"
load('ext://helm_resource', 'helm_resource', 'helm_repo')
helm_repo('bitnami', 'https://charts.example/bitnami', username='u')
docker_build('img', '.')
helm_resource('db', 'bitnami/db', namespace='n', flags=['--set', 'a=b'], image_deps=['img'], image_keys=[('image.registry', 'image.repository', 'image.tag')], resource_deps=['bitnami'], port_forwards=[5432], labels=['data'])
helm_resource('two', './chart', image_deps=['img'], image_keys=[['a', ('b', 'c')]], update_dependencies=True)
-- Dockerfile
FROM scratch
"#);
    assert_eq!(e.error.as_ref().map(ToString::to_string), None);
    let db = e.plan.resource("db").unwrap();
    let deploy = db.k8s().unwrap().custom_deploy.as_ref().unwrap();
    expect![[r#"
        set -eu

        parts() {
          tag=${1##*:}; repository=${1%:*}; registry=
          case $repository in
            */*) first=${repository%%/*}
              case $first in *.*|*:*|localhost) registry=$first; repository=${repository#*/} ;; esac ;;
          esac
        }
        parts "$TILT_IMAGE_0"
        [ -z "$registry" ] || set -- "$@" --set image.registry"=$registry"
        set -- "$@" --set image.repository"=$repository" --set image.tag"=$tag"
        helm upgrade --install "$@" --namespace n db bitnami/db >&2

        manifest=$(helm get manifest --namespace n db)
        if command -v kubectl >/dev/null && objects=$(printf '%s\n' "$manifest" | kubectl get --namespace n -o yaml -f - 2>/dev/null); then
          printf '%s\n' "$objects"
        else
          printf '%s\n' "$manifest"
        fi
        ["helm_resource", "--set", "a=b"]
        ["helm", "uninstall", "--namespace", "n", "db"]
    "#]].assert_eq(&format!(
        "{}\n{:?}\n{:?}\n",
        deploy.apply.argv[2],
        &deploy.apply.argv[3..],
        deploy.delete.argv
    ));
    expect![[r#"
        set -eu

        parts() {
          tag=${1##*:}; repository=${1%:*}; registry=
          case $repository in
            */*) first=${repository%%/*}
              case $first in *.*|*:*|localhost) registry=$first; repository=${repository#*/} ;; esac ;;
          esac
        }
        set -- "$@" --set a"=$TILT_IMAGE_0"
        parts "$TILT_IMAGE_0"
        set -- "$@" --set b"=${registry:+$registry/}$repository" --set c"=$tag"
        helm dependency update ./chart >&2
        helm upgrade --install "$@" two ./chart >&2

        manifest=$(helm get manifest two)
        if command -v kubectl >/dev/null && objects=$(printf '%s\n' "$manifest" | kubectl get -o yaml -f - 2>/dev/null); then
          printf '%s\n' "$objects"
        else
          printf '%s\n' "$manifest"
        fi"#]].assert_eq(
        &e.plan.resource("two").unwrap().k8s().unwrap().custom_deploy.as_ref().unwrap().apply.argv[2],
    );
    fails(
        "load('ext://helm_resource', 'helm_resource')\nhelm_resource('x', 'y', image_deps=['a'])\n",
        expect![[r#"
            image_deps and image_keys must have the same length, so that we know how to inject images into the helm chart;
        "#]],
    );
    fails(
        "load('ext://helm_resource', 'helm_resource')\nhelm_resource('x', 'y', image_deps=['a', 'a'], image_keys=['a', 'a'])\n",
        expect![[r#"
            helm_resource: image_deps should be unique. Found duplicate: a
              If you need to inject an image twice, the corresponding element of image_keys can be a list of values
        "#]],
    );
}

#[test]
fn restarts() {
    let e = run(r#"
load('ext://restart_process', 'docker_build_with_restart', 'custom_build_with_restart')
docker_build_with_restart('a', '.', entrypoint='x && y', live_update=[sync('.', '/app')])
custom_build_with_restart('b', 'make', ['.'], entrypoint=['x', 'y z'], live_update=[sync('.', '/app')], trigger=['t'], restart_file='/r', exit_policy='continue')
k8s_yaml(blob('''
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: a, image: a}, {name: b, image: b}]}
'''))
-- Dockerfile
FROM scratch
"#);
    assert_eq!(e.error.as_ref().map(ToString::to_string), None);
    let seen: Vec<String> = e
        .plan
        .images
        .iter()
        .map(|i| {
            let entrypoint = i.entrypoint.as_ref().unwrap();
            format!("{:?} {:?}", &entrypoint[3..], i.live_update.as_ref().unwrap().steps.last().unwrap())
        })
        .collect();
    expect![[r#"
        ["/tmp/.restart-proc", "restart", "sh", "-c", "x && y"] Run { argv: ["sh", "-c", "date +%s%N > /tmp/.restart-proc"], triggers: [], echo_off: false }
        ["/r", "continue", "x", "y z"] Run { argv: ["sh", "-c", "date +%s%N > /r"], triggers: ["/p/t"], echo_off: false }"#]].assert_eq(&seen.join("\n"));
    fails(
        "load('ext://restart_process', 'docker_build_with_restart')\ndocker_build_with_restart('a', '.', 'x', [])\n",
        expect![[r#"
            `docker_build_with_restart` requires at least one live_update step
        "#]],
    );
    fails(
        "load('ext://restart_process', 'docker_build_with_restart')\ndocker_build_with_restart('a', '.', 'x', [restart_container()])\n",
        expect![[r#"
            `docker_build_with_restart` is not compatible with live_update step: `restart_container()` (this extension is meant to REPLACE restart_container() )
        "#]],
    );
}

#[test]
fn small_ones() {
    prints(
        r#"
load('ext://base64', 'encode_base64', 'decode_base64')
load('ext://color', 'color')
load('ext://dict_merge', 'dict_merge')
load('ext://files_glob', 'files_glob')
load('ext://local_output', 'local_output')
load('ext://min_tilt_version', 'min_tilt_version')
load('ext://uibutton', 'cmd_button', 'location', 'text_input', 'bool_input', 'choice_input')
load('ext://current_namespace', 'current_namespace')
load('ext://git_resource', 'git_checkout', 'git_resource_set_checkout_dir')
print(decode_base64(encode_base64('é')))
os.putenv('NO_COLOR', '1')
d = {'a': {'b': 1}}
dict_merge(d, {'a': {'c': 2}, 'e': 3})
print(d)
print(files_glob('**/*.go', 'd/*.txt', 'literal'))
print(local_output('text'))
min_tilt_version('0.30.0')
cmd_button('b', resource='r', argv=['echo', 'a b'], inputs=[text_input('x'), bool_input('y'), choice_input('z', choices=['1'])])
cmd_button('n', argv=['true'], location=location.NAV)
print(current_namespace())
print(git_checkout('https://x.example/a/b.git#main'))
git_resource_set_checkout_dir('/elsewhere')
print(git_checkout('https://x.example/a/b.git'))
-- main.go
x
-- d/e/x.go
x
-- d/.hidden/x.go
x
-- d/a.txt
x
"#,
        expect![[r#"
            é
            {"a": {"b": 1, "c": 2}, "e": 3}
            ["d/e/x.go", "main.go", "d/a.txt", "literal"]
            local: text
             → text
            text
            default
            local: git clone https://x.example/a/b.git -b main .git-sources/b
            .git-sources/b
            local: git clone https://x.example/a/b.git -b master /elsewhere/b
            /elsewhere/b
        "#]],
    );
    fails(
        "load('ext://min_tilt_version', 'min_tilt_version')\nmin_tilt_version('99.0.0')\n",
        expect![[r#"
        Tilt version is out of date minimum required version is [99.0.0]
    "#]],
    );
    fails(
        "load('ext://uibutton', 'cmd_button')\ncmd_button('x', argv=['y'])\n",
        expect![[r#"
        Must provide a resource name
    "#]],
    );
}

#[test]
fn repositories() {
    let repo = "-- ext/mine/Tiltfile\ndef f(): return 'mine'\n-- ext/sub/deep/Tiltfile\nload('ext://mine', g='f')\ndef f(): return 'deep ' + g()\n";
    prints(
        &format!(
            "v1alpha1.extension_repo('default', url='file:///p/ext')\nload('ext://mine', 'f')\nprint(f())\n{repo}"
        ),
        expect![[r#"
            mine
        "#]],
    );
    prints(
        &format!(
            "v1alpha1.extension_repo('x', url='file:///p/ext', load_host='host', git_subpath='sub')\nv1alpha1.extension_repo('default', url='file:///p/ext')\nload('ext://host/deep', 'f')\nprint(f())\n{repo}"
        ),
        expect![[r#"
            deep mine
        "#]],
    );
    prints(
        &format!(
            "v1alpha1.extension_repo('x', url='file:///p/ext')\nv1alpha1.extension('other', repo_name='x', repo_path='mine')\nload('ext://other', 'f')\nprint(f())\n{repo}"
        ),
        expect![[r#"
            mine
        "#]],
    );
    // what Tilt's own has at some commit cannot be had without network, but some of it is built in
    let pinned =
        "v1alpha1.extension_repo('default', url='https://github.com/tilt-dev/tilt-extensions', ref='abc')\n";
    let e = run(&format!("{pinned}load('ext://namespace', 'namespace_create')\nnamespace_create('n')\n"));
    assert_eq!(e.error, None);
    expect![[r#"
        loading extension repo default: https://github.com/tilt-dev/tilt-extensions cannot be fetched here; the ext://namespace that is built in stands for it
    "#]].assert_eq(&format!("{}\n", e.warnings[0].message));
    fails(
        &format!("{pinned}load('ext://nope', 'x')\n"),
        expect![[r#"
            cannot load ext://nope: loading extension repo default: https://github.com/tilt-dev/tilt-extensions cannot be fetched here
            hint: the extension nope is in it
        "#]],
    );
    // a repository that is not Tilt's has its own extensions, whatever their names
    fails(
        "v1alpha1.extension_repo('default', url='file:///p/ext')\nload('ext://namespace', 'x')\n",
        expect![[r#"
            cannot load ext://namespace: loading extension namespace: no extension tiltfile found at /p/ext/namespace/Tiltfile
        "#]],
    );
    fails(
        "load('ext://namespaces', 'x')\n",
        expect![[r#"
            cannot load ext://namespaces: loading extension repo default: https://github.com/tilt-dev/tilt-extensions cannot be fetched here
            hint: the extension namespaces is in it
        "#]],
    );
    fails(
        "v1alpha1.extension_repo('default', url='file:///p/ext')\nload('ext://../etc', 'x')\n",
        expect![[r#"
            cannot load ext://../etc: loading extension .._etc: the path "../etc" leads out of its repository
        "#]],
    );
    fails(
        "v1alpha1.extension('a', repo_name='none', repo_path='b')\nload('ext://a', 'x')\n",
        expect![[r#"
            cannot load ext://a: loading extension a: the repository that it was registered with does not exist
            hint: register it first: v1alpha1.extension_repo(name=…, url=…)
        "#]],
    );
    fails(
        "v1alpha1.extension_repo('a', url='ftp://x')\n",
        expect![[r#"
        spec.url: Invalid value: "ftp://x": URLs must start with http(s):// or file://
    "#]],
    );
    fails(
        "v1alpha1.extension_repo('a', url='file:///x', ref='main')\n",
        expect![[r#"
        spec.ref: Invalid value: "main": spec.ref not supported on file:// repos
    "#]],
    );
    fails(
        "v1alpha1.extension_repo('a', url='https://x')\nv1alpha1.extension_repo('a', url='https://y')\n",
        expect![[r#"
            extensionrepos "a" already registered
        "#]],
    );
    fails(
        "load('ext://namespace', 'namespace_creat')\n",
        expect![[r#"
            load: name namespace_creat not found in module ext://namespace (did you mean namespace_create?)
        "#]],
    );
    let e = run(&format!(
        "v1alpha1.extension_repo('x', url='file:///p/ext')\nv1alpha1.extension('other', repo_name='x', repo_path='mine')\nlocal_resource('a', 'true')\n{repo}"
    ));
    expect!["the extension other is registered but not loaded, so it is not evaluated: extensions do not run as resources of their own yet. load('ext://other', …) evaluates it"].assert_eq(&e.plan.notes()[0]);
}
