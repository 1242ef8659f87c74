//! What a check finds.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use expect_test::{Expect, expect};
use std::fmt::Write;
use std::path::Path;
use support::MemoryHost;
use tiltfile::{Commands, Settings};

fn found(text: &str, commands: Commands) -> (String, MemoryHost) {
    let host = MemoryHost::new(text);
    let settings = Settings { commands, subcommand: "up".to_owned(), ..Settings::default() };
    let report = tiltfile::check(&host, Path::new("/p/Tiltfile"), &settings);
    let mut out = String::new();
    for d in &report.diagnostics {
        let place = d.position.as_ref().map(|p| format!("{p}: ")).unwrap_or_default();
        writeln!(out, "{place}{:?} {}: {}", d.severity, d.code, d.message).unwrap();
        if let Some(hint) = &d.hint {
            writeln!(out, "    hint: {hint}").unwrap();
        }
    }
    if report.commands_skipped > 0 {
        writeln!(out, "skipped {}", report.commands_skipped).unwrap();
    }
    (out, host)
}

fn check(text: &str, want: Expect) {
    want.assert_eq(&found(text, Commands::Skip).0);
}

#[test]
fn nothing_is_wrong() {
    check(
        "load('ext://namespace', 'namespace_create')\nnamespace_create('x')\nn = 0\nwhile n < 3:\n    n += 1\nlocal_resource('a', 'true')\nprint(__file__, n)\n",
        expect![""],
    );
}

#[test]
fn a_builtin_until_it_is_assigned() {
    check(
        "k8s_context = k8s_context()\nif k8s_context:\n    os = os.getcwd()\ndef f():\n    blob = blob('')\n    return blob\nprint(k8s_context, os)\n",
        expect![[r#"
            /p/Tiltfile:5:12: Warning maybe-undefined: use of unassigned variable `blob`
            /p/Tiltfile:7:20: Warning maybe-undefined: use of potentially undefined variable `os`
        "#]],
    );
}

#[test]
fn all_files_at_once() {
    check(
        r#"
load('lib', 'f', 'unused')
include('broken')
docker_build('a', contxt='.')
k8s_yml('x')
local_resource()
def g():
    os.path.exists('a', 'b')
    config.define_string(name='x', nme='y')
    return
    print('never')
f()
-- lib
def f():
    k8s_resource('a', 'b', wrkload='c')
    undefined_name()
unused = {'a': 1, 'a': 2}
-- broken
def f(:
    pass
"#,
        expect![[r#"
            /p/Tiltfile:2:18: Warning unused-load: unused `load` of `unused`
            /p/Tiltfile:4:1: Error call: docker_build: unexpected keyword argument "contxt"
                hint: docker_build(ref, context, build_args={}, dockerfile=None, dockerfile_contents=None, cache=None, live_update=[], match_in_env_vars=False, ignore=[], only=[], entrypoint=None, container_args=None, target="", ssh=[], secret=[], network="", extra_tag=[], cache_from=[], pull=False, platform="", extra_hosts=[])
            /p/Tiltfile:4:1: Error call: docker_build: missing argument for context
                hint: docker_build(ref, context, build_args={}, dockerfile=None, dockerfile_contents=None, cache=None, live_update=[], match_in_env_vars=False, ignore=[], only=[], entrypoint=None, container_args=None, target="", ssh=[], secret=[], network="", extra_tag=[], cache_from=[], pull=False, platform="", extra_hosts=[])
            /p/Tiltfile:5:1: Error undefined: use of undefined variable `k8s_yml`
                hint: did you mean k8s_yaml?
            /p/Tiltfile:6:1: Error call: local_resource: missing argument for name
                hint: local_resource(name, cmd="", deps=[], trigger_mode=None, resource_deps=[], ignore=[], auto_init=True, serve_cmd="", cmd_bat="", serve_cmd_bat="", allow_parallel=False, links=[], labels=[], tags=[], env={}, serve_env={}, readiness_probe=None, dir="", serve_dir="")
            /p/Tiltfile:8:5: Error call: os.path.exists: got 2 arguments, want at most 1
                hint: os.path.exists(path)
            /p/Tiltfile:9:5: Error call: config.define_string: unexpected keyword argument "nme"
                hint: config.define_string(name, args=False, usage="")
            /p/Tiltfile:11:5: Warning unreachable: unreachable statement `print("never")`
            /p/broken:1:7: Error syntax: unexpected symbol ':', expected identifier
            /p/lib:2:5: Error call: k8s_resource: unexpected keyword argument "wrkload"
                hint: k8s_resource(workload="", new_name="", port_forwards=[], extra_pod_selectors=[], trigger_mode=None, resource_deps=[], objects=[], auto_init=True, pod_readiness="", links=[], labels=[], discovery_strategy="")
            /p/lib:3:5: Error undefined: use of undefined variable `undefined_name`
            /p/lib:4:11: Warning duplicate-key: duplicate dictionary key `"a"`, also used at /p/lib:4:19-22
        "#]],
    );
}

#[test]
fn names_of_their_own_are_no_builtins() {
    check(
        "def test(a): return a\ndef h(print): print()\ntest(1)\n[link() for link in [lambda: 1]]\nkw = {}\ndocker_build(**kw)\nlocal_resource('a', 'true')\n",
        expect![[r#"
            /p/Tiltfile:6:13: Error evaluation: docker_build: missing argument for ref
        "#]],
    );
}

#[test]
fn what_only_values_tell() {
    check(
        "local_resource('a')\n",
        expect![[r#"
        /p/Tiltfile:1:15: Error evaluation: local_resource must have a cmd and/or a serve_cmd, but both were empty
    "#]],
    );
    check(
        "x = {}\ny = x['k']\n",
        expect![[r#"
            /p/Tiltfile:2:6: Error evaluation: key "k" not in dict
                hint: d.get(key, default) takes a default
        "#]],
    );
}

#[test]
fn commands_do_not_run_unless_asked_for() {
    let text = "x = decode_json(local('echo {}'))\nprint(x['a'])\n";
    let (out, host) = found(text, Commands::Skip);
    expect![[r#"
        /p/Tiltfile:1:16: Warning evaluation: error parsing JSON: EOF
            hint: commands were not run, so this may be because a command's output is missing; --run-commands runs them
        skipped 1
    "#]].assert_eq(&out);
    assert!(host.commands.borrow().is_empty());
    let (out, host) = found("local('true')\nlocal_resource('a', 'true')\n", Commands::Run);
    expect![""].assert_eq(&out);
    assert_eq!(host.commands.borrow().len(), 1);
}
