//! Plugins that are programs, with fakes of them.

mod world;

use expect_test::{Expect, expect};
use kustomize::{Memory, Options, Output, Plugins, Program, build_with};
use world::World;

fn prints(stdout: &str) -> Output {
    Output { code: 0, stdout: stdout.as_bytes().to_vec(), stderr: Vec::new() }
}

fn fails(stderr: &str) -> Output {
    Output { code: 3, stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() }
}

fn input(program: &Program) -> String {
    String::from_utf8(program.stdin.clone()).expect("it is text")
}

fn allowed() -> Options {
    Options { plugins: Plugins { enabled: true, exec: true, ..Plugins::default() }, ..Options::default() }
}

fn check(fixture: &str, options: &Options, world: &World, expected: Expect) {
    let files = Memory::from_fixture(fixture);
    let text = match build_with(&files, Some(world), "/app", options).0 {
        Ok(built) => built.warnings.iter().map(|w| format!("{w}\n")).chain([built.yaml]).collect::<String>(),
        Err(e) => format!("{}\n{}", e.chain(), diag::render(&e.to_diagnostic(), None, false)),
    };
    expected.assert_eq(&text);
}

const HOME: &str = "//- /home/acme.test/v1/gen/README\nx\n";

/// The plugin `Gen.v1.acme.test` as a generator or transformer.
fn plugin(field: &str, more: &str) -> String {
    format!(
        "{HOME}//- /app/kustomization.yaml\nnamePrefix: p-\nresources: [cm.yaml, old.yaml]\n{field}: [g.yaml]\n//- /app/g.yaml\napiVersion: acme.test/v1\nkind: Gen\nmetadata: {{name: g}}\n{more}//- /app/cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cm}}\ndata: {{value: old}}\n//- /app/old.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: old, annotations: {{a: b}}}}\n//- /app/args.txt\n  x y\n\nz\n"
    )
}

fn world(run: impl Fn(&Program, &World) -> Output + 'static) -> World {
    World::default()
        .with_variable("KUSTOMIZE_PLUGIN_HOME", "/home")
        .program("/home/acme.test/v1/gen/Gen", run)
}

#[test]
fn a_program_generates() {
    let world = world(|program, world| {
        world.note(format!(
            "config:\n{}env: {:?}\ndir: {:?}",
            world.written(&program.args[0]),
            program.env,
            program.dir
        ));
        prints(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: made\n  annotations: {kustomize.config.k8s.io/needs-hash: 'true'}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: old\n  annotations: {kustomize.config.k8s.io/behavior: merge}\ndata: {new: entry}\n",
        )
    });
    let fixture =
        plugin("generators", "argsOneLiner: one \"two three\" # c\nargsFromFile: args.txt\na: yes\n");
    check(
        &fixture,
        &allowed(),
        &world,
        expect![[r#"
            apiVersion: v1
            data:
              value: old
            kind: ConfigMap
            metadata:
              name: p-cm
            ---
            apiVersion: v1
            kind: ConfigMap
            metadata:
              name: p-made-6ct58987ht
            ---
            apiVersion: v1
            data:
              new: entry
            kind: ConfigMap
            metadata:
              annotations:
                a: b
              name: p-old
        "#]],
    );
    expect![[r#"
        /home/acme.test/v1/gen/Gen /scratch/0/kust-plugin-config one two three x y z
        config:
        a: "yes"
        apiVersion: acme.test/v1
        argsFromFile: args.txt
        argsOneLiner: one "two three"
        kind: Gen
        metadata:
          name: g
        env: [("KUSTOMIZE_PLUGIN_CONFIG_STRING", "a: \"yes\"\napiVersion: acme.test/v1\nargsFromFile: args.txt\nargsOneLiner: one \"two three\"\nkind: Gen\nmetadata:\n  name: g\n"), ("KUSTOMIZE_PLUGIN_CONFIG_ROOT", "/app")]
        dir: Some("/app")"#]]
    .assert_eq(&world.log().join("\n"));
}

#[test]
fn a_program_transforms() {
    let world = world(|program, world| {
        world.note(input(program));
        // one goes, one changes, one comes
        prints(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: p-cm\ndata: {value: new}\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n",
        )
    });
    check(
        &plugin("transformers", ""),
        &allowed(),
        &world,
        expect![[r#"
            apiVersion: v1
            data:
              value: new
            kind: ConfigMap
            metadata:
              name: p-cm
            ---
            apiVersion: v1
            kind: Secret
            metadata:
              name: s
        "#]],
    );
    expect![[r#"
        apiVersion: v1
        data:
          value: old
        kind: ConfigMap
        metadata:
          annotations:
            internal.config.kubernetes.io/prefixes: p-
            internal.config.kubernetes.io/previousKinds: ConfigMap
            internal.config.kubernetes.io/previousNames: cm
            internal.config.kubernetes.io/previousNamespaces: default
            kustomize.config.k8s.io/id: |
              kind: ConfigMap
              name: p-cm
              version: v1
          name: p-cm
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata:
          annotations:
            a: b
            internal.config.kubernetes.io/prefixes: p-
            internal.config.kubernetes.io/previousKinds: ConfigMap
            internal.config.kubernetes.io/previousNames: old
            internal.config.kubernetes.io/previousNamespaces: default
            kustomize.config.k8s.io/id: |
              kind: ConfigMap
              name: p-old
              version: v1
          name: p-old
    "#]]
    .assert_eq(&world.log()[1..].join("\n"));
}

#[test]
fn programs_that_are_not_run() {
    let fixture = plugin("transformers", "");
    let with = |run: fn(&Program, &World) -> Output| world(run);
    check(
        &fixture,
        &Options::default(),
        &with(|_, _| prints("")),
        expect![[r#"
            external plugins disabled; unable to load external plugin 'Gen'
            error: external plugins disabled; unable to load external plugin 'Gen'
             --> /app/kustomization.yaml:3:16
            hint: plugins that are programs run with --enable-alpha-plugins; kustomize's own have apiVersion: builtin
        "#]],
    );
    check(
        &fixture,
        &allowed(),
        &with(|_, _| fails("no luck\n")),
        expect![[r#"
            no luck
            : failure in plugin configured via /scratch/0/kust-plugin-config; exit status 3
            error: the plugin /home/acme.test/v1/gen/Gen failed: no luck
             --> /app/kustomization.yaml:3:16
        "#]],
    );
    check(
        &fixture,
        &allowed(),
        &World::default(),
        expect![[r#"
            unable to find plugin root - tried: ('<no value>'; homed in $KUSTOMIZE_PLUGIN_HOME), ('<no value>'; homed in $XDG_CONFIG_HOME), ('~/.config/kustomize/plugin'; homed in default value of $XDG_CONFIG_HOME), ('~/kustomize/plugin'; homed in home directory)
            error: unable to find plugin root - tried: ('<no value>'; homed in $KUSTOMIZE_PLUGIN_HOME), ('<no value>'; homed in $XDG_CONFIG_HOME), ('~/.config/kustomize/plugin'; homed in default value of $XDG_CONFIG_HOME), ('~/kustomize/plugin'; homed in home directory)
             --> /app/kustomization.yaml:3:16
            hint: a program without a place of its own is a KRM function: annotate its configuration with config.kubernetes.io/function
        "#]],
    );
    let other = fixture.replace("kind: Gen", "kind: Other");
    check(
        &other,
        &allowed(),
        &with(|_, _| prints("")),
        expect![[r#"
            expected file with Go object code at: /home/acme.test/v1/other/Other.so
            error: there is no plugin at /home/acme.test/v1/other/Other
             --> /app/kustomization.yaml:3:16
        "#]],
    );
    let twice = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    check(
        &fixture,
        &allowed(),
        &world(move |_, _| prints(twice)),
        expect![[r#"
            plugin /home/acme.test/v1/gen/Gen generated duplicate resource: Secret.v1.[noGrp]/s.[noNs]
            error: plugin /home/acme.test/v1/gen/Gen generated duplicate resource: Secret.v1.[noGrp]/s.[noNs]
             --> /app/kustomization.yaml:3:16
        "#]],
    );
    let open = plugin("generators", "argsOneLiner: \"'open\"\n");
    check(
        &open,
        &allowed(),
        &with(|_, _| prints("")),
        expect![[r#"
            loading generator plugins: failed to load generator: failed to split argsOneLiner: a quote is not closed in 'open
            error: failed to split argsOneLiner: a quote is not closed in 'open
             --> /app/kustomization.yaml:3:14
              = while loading generator plugins
              = while failed to load generator
        "#]],
    );
}

/// A function, whose annotation says what it is.
fn function(field: &str, spec: &str) -> String {
    format!(
        "//- /app/kustomization.yaml\nresources: [cm.yaml]\nnameSuffix: -s\n{field}:\n- |-\n  apiVersion: acme.test/v1\n  kind: Fn\n  metadata:\n    name: fn\n    annotations:\n      config.kubernetes.io/function: |\n        {spec}\n  spec: {{color: red}}\n//- /app/cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cm}}\ndata: {{value: old}}\n"
    )
}

fn list(program: &Program) -> serde_json::Value {
    yaml::parse_documents(&input(program)).expect("it is YAML").remove(0)
}

#[test]
fn a_function_transforms() {
    let world = World::default().program("/app/fn.sh", |program, world| {
        world.note(input(program));
        let mut list = list(program);
        list["items"][0]["data"]["value"] = list["functionConfig"]["spec"]["color"].clone();
        list["results"] = serde_json::json!([{"severity": "warning", "message": "painted", "resourceRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "cm"}, "field": {"path": "data.value"}}]);
        Output { stderr: b"a line\n".to_vec(), ..prints(&yaml::to_string(&list)) }
    });
    let with_env = Options {
        plugins: Plugins { env: vec!["A=b".to_string(), "HOME".to_string()], ..allowed().plugins },
        ..Options::default()
    };
    check(
        &function("transformers", "exec: {path: ./fn.sh}"),
        &with_env,
        &world,
        expect![[r#"
            a line
            [warning] v1/ConfigMap/cm data.value: painted
            apiVersion: v1
            data:
              value: red
            kind: ConfigMap
            metadata:
              name: cm-s
        "#]],
    );
    expect![[r#"
        /app/fn.sh
        apiVersion: config.kubernetes.io/v1
        functionConfig:
          apiVersion: acme.test/v1
          kind: Fn
          metadata:
            annotations:
              config.kubernetes.io/function: |
                exec: {path: ./fn.sh}
              config.kubernetes.io/local-config: "true"
            name: fn
          spec:
            color: red
        items:
        - apiVersion: v1
          data:
            value: old
          kind: ConfigMap
          metadata:
            annotations:
              config.k8s.io/id: "1"
              config.kubernetes.io/index: "0"
              internal.config.kubernetes.io/id: "1"
              internal.config.kubernetes.io/index: "0"
              internal.config.kubernetes.io/previousKinds: ConfigMap
              internal.config.kubernetes.io/previousNames: cm
              internal.config.kubernetes.io/previousNamespaces: default
              internal.config.kubernetes.io/suffixes: -s
              kustomize.config.k8s.io/id: |
                kind: ConfigMap
                name: cm-s
                version: v1
            name: cm-s
        kind: ResourceList
    "#]]
    .assert_eq(&world.log().join("\n"));
}

#[test]
fn a_function_generates_and_plain_objects_will_do() {
    let world = World::default().program("/app/fn.sh", |_, _| {
        prints("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: made\n  annotations: {size: small, config.kubernetes.io/path: x.yaml}\n")
    });
    check(
        &function("generators", "exec: {path: ./fn.sh}"),
        &allowed(),
        &world,
        expect![[r#"
            apiVersion: v1
            data:
              value: old
            kind: ConfigMap
            metadata:
              name: cm-s
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              annotations:
                size: small
              name: made-s
        "#]],
    );
}

#[test]
fn a_function_of_the_project_is_watched() {
    let world = World::default().program("/app/fn.sh", |program, _| prints(&input(program)));
    let files = Memory::from_fixture(&function("transformers", "exec: {path: ./fn.sh}"));
    let (_, read) = build_with(&files, Some(&world), "/app", &allowed());
    assert_eq!(read, ["/app/cm.yaml", "/app/fn.sh", "/app/kustomization.yaml"]);
}

#[test]
fn a_function_validates() {
    let same = World::default().program("/app/fn.sh", |program, _| prints(&input(program)));
    check(
        &function("validators", "exec: {path: ./fn.sh}"),
        &allowed(),
        &same,
        expect![[r#"
            apiVersion: v1
            data:
              value: old
            kind: ConfigMap
            metadata:
              name: cm-s
        "#]],
    );
    let changes =
        World::default().program("/app/fn.sh", |program, _| prints(&input(program).replace("old", "new")));
    check(
        &function("validators", "exec: {path: ./fn.sh}"),
        &allowed(),
        &changes,
        expect![[r#"
            validator shouldn't modify the resource map: nodes unequal: ConfigMap.v1.[noGrp]/cm-s.[noNs]
            error: validator shouldn't modify the resource map: nodes unequal: ConfigMap.v1.[noGrp]/cm-s.[noNs]
             --> /app/kustomization.yaml:4:3
            hint: name it under transformers if it is to change them
        "#]],
    );
    let refuses = World::default().program("/app/fn.sh", |_, _| {
        let list = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nresults: [{severity: error, message: too red}]\n";
        Output { code: 1, ..prints(list) }
    });
    check(
        &function("validators", "exec: {path: ./fn.sh}"),
        &allowed(),
        &refuses,
        expect![[r#"
            couldn't execute function: exit status 1 [error] too red
            error: the function Fn.v1.acme.test/fn.[noNs] failed with exit status 1: [error] too red
             --> /app/kustomization.yaml:4:3
        "#]],
    );
}

#[test]
fn functions_that_are_not_run() {
    let world = World::default();
    let no_exec = Options { plugins: Plugins { enabled: true, ..Plugins::default() }, ..Options::default() };
    check(
        &function("transformers", "exec: {path: ./fn.sh}"),
        &Options::default(),
        &world,
        expect![[r#"
            external plugins disabled; unable to load external plugin 'Fn'
            error: external plugins disabled; unable to load external plugin 'Fn'
             --> /app/kustomization.yaml:4:3
            hint: plugins that are programs run with --enable-alpha-plugins; kustomize's own have apiVersion: builtin
        "#]],
    );
    check(
        &function("transformers", "exec: {path: ./fn.sh}"),
        &no_exec,
        &world,
        expect![[r#"
            the function Fn.v1.acme.test/fn.[noNs] is a program, and must be allowed by --enable-exec
            error: the function Fn.v1.acme.test/fn.[noNs] is a program, and must be allowed by --enable-exec
             --> /app/kustomization.yaml:4:3
            hint: look at what it does first: it runs as you
        "#]],
    );
    check(
        &function("transformers", "container: {image: acme/fn}"),
        &allowed(),
        &world,
        expect![[r#"
            the function Fn.v1.acme.test/fn.[noNs] runs in a container of the image acme/fn, and a build here runs no containers
            error: the function Fn.v1.acme.test/fn.[noNs] runs in a container of the image acme/fn, and a build here runs no containers
             --> /app/kustomization.yaml:4:3
            hint: name a program instead, as exec: {path: ...}, with --enable-exec; or build with kustomize itself, in a Tiltfile by kustomize(..., kustomize_bin='kustomize')
        "#]],
    );
    check(
        &function("transformers", "starlark: {path: x.star}"),
        &allowed(),
        &world,
        expect![[r#"
            loader: failed to get FunctionSpec: config.kubernetes.io/function unmarshal error: error unmarshaling JSON: while decoding JSON: json: unknown field "starlark"
            error: loader: failed to get FunctionSpec: config.kubernetes.io/function unmarshal error: error unmarshaling JSON: while decoding JSON: json: unknown field "starlark"
             --> /app/kustomization.yaml:4:3
            hint: a function is a program: exec: {path: ...}
        "#]],
    );
    check(
        &function("transformers", "exec: {}"),
        &allowed(),
        &world,
        expect![[r#"
            the function Fn.v1.acme.test/fn.[noNs] names no program
            error: the function Fn.v1.acme.test/fn.[noNs] names no program
             --> /app/kustomization.yaml:4:3
            hint: exec: {path: ./program} in its annotation config.kubernetes.io/function
        "#]],
    );
}
