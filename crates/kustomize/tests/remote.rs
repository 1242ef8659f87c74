//! What lies elsewhere: addresses and repositories, with a fake of the world.

mod world;

use expect_test::{Expect, expect};
use kustomize::{LoadRestrictor, Memory, Options, build, build_with};
use world::World;

/// The output and the warnings, or the error.
fn check(fixture: &str, world: &World, expected: Expect) {
    check_at(fixture, "/app", &Options::default(), world, expected);
}

fn check_at(fixture: &str, dir: &str, options: &Options, world: &World, expected: Expect) {
    let files = Memory::from_fixture(fixture);
    let text = match build_with(&files, Some(world), dir, options).0 {
        Ok(built) => built.warnings.iter().map(|w| format!("{w}\n")).chain([built.yaml]).collect::<String>(),
        Err(e) => format!("{e}\n"),
    };
    expected.assert_eq(&text);
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: far}\n";

#[test]
fn files_behind_addresses() {
    let world = World::default()
        .page("https://acme.test/far.yaml", 200, MAP)
        .page("https://acme.test/patch.yaml", 200, "- {op: add, path: /data, value: {a: b}}")
        .page("https://acme.test/key.txt", 200, "hello");
    check(
        "//- /app/kustomization.yaml\nresources: [\"https://acme.test/far.yaml\"]\npatches: [{path: \"https://acme.test/patch.yaml\", target: {kind: ConfigMap}}]\nconfigMapGenerator:\n- {name: g, files: [\"https://acme.test/key.txt\"], options: {disableNameSuffixHash: true}}\n",
        &world,
        expect![[r#"
            apiVersion: v1
            data:
              a: b
            kind: ConfigMap
            metadata:
              name: far
            ---
            apiVersion: v1
            data:
              a: b
            kind: ConfigMap
            metadata:
              name: g
        "#]],
    );
    assert_eq!(
        world.log(),
        [
            "GET https://acme.test/far.yaml",
            "GET https://acme.test/key.txt",
            "GET https://acme.test/patch.yaml"
        ]
    );
}

#[test]
fn an_address_that_is_no_repository_fails_by_its_status() {
    let world = World::default().page("https://acme.test/a/b/gone.yaml", 404, "");
    check(
        "//- /app/kustomization.yaml\nresources: [\"https://acme.test/a/b/gone.yaml\"]\n",
        &world,
        expect![[r#"
            accumulating resources: accumulating resources from 'https://acme.test/a/b/gone.yaml': HTTP Error: status code 404 (Not Found)
        "#]],
    );
}

#[test]
fn repositories() {
    let world = World::default().repository("https://github.com/acme/shop", "/clones/shop");
    let clone = "//- /clones/shop/deploy/dev/kustomization.yaml\nresources: [../base]\nnamePrefix: dev-\n//- /clones/shop/deploy/base/kustomization.yaml\nresources: [map.yaml]\n//- /clones/shop/deploy/base/map.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: far}\n";
    let app = "//- /app/kustomization.yaml\nresources: [\"https://github.com/acme/shop//deploy/dev?ref=v1\"]\nnamespace: ns\n";
    let expected = expect![[r#"
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: dev-far
          namespace: ns
    "#]];
    check(&format!("{app}{clone}"), &world, expected);
    assert_eq!(world.log(), ["clone https://github.com/acme/shop v1"]);
}

#[test]
fn a_page_for_people_may_be_a_repository() {
    let world = World::default()
        .page("https://git.acme.test/a/b", 200, "<html><body>welcome: to</body>\n  - x: y\n z</html>")
        .page("https://git.acme.test/a/c", 404, "")
        .repository("https://git.acme.test/a/b", "/clones/b")
        .repository("https://git.acme.test/a/c", "/clones/b");
    let clone =
        format!("//- /clones/b/kustomization.yaml\nresources: [map.yaml]\n//- /clones/b/map.yaml\n{MAP}");
    let app = |name: &str| {
        format!("//- /app/kustomization.yaml\nresources: [\"https://git.acme.test/a/{name}\"]\n{clone}")
    };
    check(
        &app("b"),
        &world,
        expect![[r#"
            apiVersion: v1
            kind: ConfigMap
            metadata:
              name: far
        "#]],
    );
    check(
        &app("c"),
        &world,
        expect![[r#"
            apiVersion: v1
            kind: ConfigMap
            metadata:
              name: far
        "#]],
    );
}

#[test]
fn neither_file_nor_repository() {
    check(
        "//- /app/kustomization.yaml\nresources: [\"https://acme.test/a/b/c\"]\n",
        &World::default(),
        expect![[r#"
            accumulating resources: accumulation err='accumulating resources from 'https://acme.test/a/b/c': Get "https://acme.test/a/b/c": no such host': failed to run 'git fetch https://acme.test/a/b': repository not found: exit status 128
        "#]],
    );
}

#[test]
fn components_and_configurations_from_repositories() {
    let world = World::default().repository("git@acme.test:a/b", "/clones/b");
    let clone = "//- /clones/b/c/kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n//- /clones/b/t/kustomization.yaml\nresources: [t.yaml]\n//- /clones/b/t/t.yaml\napiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: p}\nprefix: t-\nfieldSpecs: [{path: metadata/name}]\n";
    let app = format!(
        "//- /app/kustomization.yaml\nresources: [map.yaml]\ncomponents: [\"git@acme.test:a/b//c\"]\ntransformers: [\"git@acme.test:a/b//t\"]\n//- /app/map.yaml\n{MAP}"
    );
    check(
        &format!("{app}{clone}"),
        &world,
        expect![[r#"
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: t-far-c
    "#]],
    );
}

#[test]
fn the_root_may_be_a_repository() {
    let world = World::default().repository("https://acme.test/a/b", "/clones/b");
    let clone =
        format!("//- /clones/b/x/kustomization.yaml\nresources: [map.yaml]\n//- /clones/b/x/map.yaml\n{MAP}");
    check_at(
        &clone,
        "https://acme.test/a/b//x",
        &Options::default(),
        &world,
        expect![[r#"
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: far
    "#]],
    );
}

/// Whatever the options say: what came from elsewhere stays in its clone.
#[test]
fn clones_do_not_reach_out() {
    let options = Options { load_restrictor: LoadRestrictor::None, ..Options::default() };
    let world = World::default().repository("https://acme.test/a/b.git", "/clones/b");
    let app = "//- /app/kustomization.yaml\nresources: [\"https://acme.test/a/b.git\"]\n//- /secret/kustomization.yaml\nresources: []\n//- /secret/key\nx\n";
    let clone = |text: &str| format!("{app}//- /clones/b/kustomization.yaml\n{text}\n");
    let file = clone("secretGenerator: [{name: s, files: [../../secret/key]}]");
    check_at(
        &file,
        "/app",
        &options,
        &world,
        expect![[r#"
            accumulating resources: recursed accumulation of path '/clones/b': loading KV pairs: file sources: [../../secret/key]: /clones/b/kustomization.yaml:1:19: security; file '/secret/key' is not in or below '/clones/b'
        "#]],
    );
    let absolute = clone("secretGenerator: [{name: s, files: [/secret/key]}]");
    check_at(
        &absolute,
        "/app",
        &options,
        &world,
        expect![[r#"
            accumulating resources: recursed accumulation of path '/clones/b': loading KV pairs: file sources: [/secret/key]: /clones/b/kustomization.yaml:1:19: security; file '/secret/key' is not in or below '/clones/b'
        "#]],
    );
    let base = clone("resources: [../../secret]");
    check_at(
        &base,
        "/app",
        &options,
        &world,
        expect![[r#"
            accumulating resources: recursed accumulation of path '/clones/b': accumulating resources: accumulation err='accumulating resources from '../../secret': '/secret' must resolve to a file': security; bases in kustomizations found in cloned git repos must be within the repo, but base '/secret' is outside '/clones/b'
        "#]],
    );
    let cycle = clone("resources: [\"https://acme.test/a/b.git\"]");
    check_at(
        &cycle,
        "/app",
        &options,
        &world,
        expect![[r#"
            accumulating resources: recursed accumulation of path '/clones/b': accumulating resources: accumulation err='accumulating resources from 'https://acme.test/a/b.git': URL is a git repository': cycle detected: URI 'https://acme.test/a/b.git' referenced by previous URI 'https://acme.test/a/b.git'
        "#]],
    );
}

#[test]
fn directories_that_are_not_in_the_repository() {
    let world = World::default().repository("https://acme.test/a/b.git", "/clones/b");
    let clone = "//- /clones/b/file\nx\n";
    let app = |path: &str| {
        format!(
            "//- /app/kustomization.yaml\nresources: [\"https://acme.test/a/b.git//{path}?ref=v1\"]\n{clone}"
        )
    };
    check(
        &app("nowhere"),
        &world,
        expect![[r#"
            accumulating resources: accumulation err='accumulating resources from 'https://acme.test/a/b.git//nowhere?ref=v1': URL is a git repository': 'nowhere' does not exist in the repository 'https://acme.test/a/b.git' at c0ffee
        "#]],
    );
    check(
        &app("file"),
        &world,
        expect![[r#"
            accumulating resources: accumulation err='accumulating resources from 'https://acme.test/a/b.git//file?ref=v1': URL is a git repository': 'file' is a file; expecting directory in the repository 'https://acme.test/a/b.git' at c0ffee
        "#]],
    );
}

#[test]
fn without_an_outside() {
    let message = |entry: &str| {
        let files = Memory::from_fixture(&format!("//- /app/kustomization.yaml\nresources: [\"{entry}\"]\n"));
        let error = build(&files, "/app", &Options::default()).expect_err("it needs the outside");
        diag::render(&error.to_diagnostic(), None, false)
    };
    expect![[r#"
        error: 'https://acme.test/x.yaml' is outside of the files that this build may use
         --> /app/kustomization.yaml:1:13
          = while accumulating resources
          = while accumulating resources from 'https://acme.test/x.yaml'
        hint: `coracle kustomize build` and `kustomize()` in a Tiltfile reach it
    "#]]
    .assert_eq(&message("https://acme.test/x.yaml"));
    expect![[r#"
        error: the repository 'https://github.com/acme/shop' is outside of the files that this build may use
         --> /app/kustomization.yaml:1:13
          = while accumulating resources
        hint: `coracle kustomize build` and `kustomize()` in a Tiltfile reach it
    "#]]
    .assert_eq(&message("https://github.com/acme/shop"));
}

#[test]
fn a_segment_with_dots_inside() {
    check(
        "//- /app/kustomization.yaml\nresources: [\"base - ../x\"]\n//- /app/x/kustomization.yaml\nresources: []\n",
        &World::default(),
        expect![[r#"
            accumulating resources: accumulation err='accumulating resources from 'base - ../x': path "base - ../x" is ambiguous: resolves to "../x" after normalization': must build at directory: not a valid directory: evalsymlink failure on '/app/base - ../x' : lstat /app/base - ..: no such file or directory
        "#]],
    );
}

#[test]
fn registries_hold_no_bases() {
    check(
        "//- /app/kustomization.yaml\nresources: [\"oci://acme.test/base:v1\"]\n",
        &World::default(),
        expect![[r#"
            accumulating resources: accumulation err='bases in OCI registries are not supported: 'oci://acme.test/base:v1'': must build at directory: not a valid directory: evalsymlink failure on '/app/oci:/acme.test/base:v1' : lstat /app/oci:: no such file or directory
        "#]],
    );
}
