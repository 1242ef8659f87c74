//! Helm charts, with a fake of the program.

mod world;

use expect_test::{Expect, expect};
use kustomize::{Helm, Memory, Options, Output, Program, build_with};
use world::World;

fn output(stdout: &str) -> Output {
    Output { code: 0, stdout: stdout.as_bytes().to_vec(), stderr: Vec::new() }
}

/// Prints the values that it is given as a ConfigMap, and a Namespace-less Deployment.
fn helm(program: &Program, world: &World) -> Output {
    match program.args[0].as_str() {
        "version" => output("v3.17.3+ge4da497\n"),
        "template" => {
            let files = program.args.windows(2).filter(|pair| pair[0] == "-f").map(|pair| pair[1].clone());
            let values: String =
                files.filter(|file| file.starts_with("/scratch")).map(|file| world.written(&file)).collect();
            let values: String = values.lines().map(|line| format!("    {line}\n")).collect();
            output(&format!(
                "walk.go:74: found symbolic link\n---\n# Source: web\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: cm\n  namespace: of-the-chart\ndata:\n  values: |\n{values}---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n"
            ))
        }
        _ => output(""),
    }
}

const CHART: &str = "//- /app/charts/web/Chart.yaml\nname: web\n//- /app/charts/web/values.yaml\nreplicas: 1\nimage: {repo: nginx, tag: '1'}\nlist: [a]\ngone: x\n";

fn options() -> Options {
    Options { helm: Helm { enabled: true, ..Helm::default() }, ..Options::default() }
}

/// The output, what was run, and the files that were read.
fn check(fixture: &str, options: &Options, expected: Expect) {
    let world = World::default().program("helm", helm).repository("https://acme.test/a/b.git", "/clones/b");
    let files = Memory::from_fixture(fixture);
    let (built, read) = build_with(&files, Some(&world), "/app", options);
    let text = match built {
        Ok(built) => built.yaml,
        Err(e) => format!("{}\n", e.chain()),
    };
    let log: String = world.log().iter().map(|line| format!("{line}\n")).collect();
    expected.assert_eq(&format!("{text}=== run\n{log}=== read\n{}\n", read.join(" ")));
}

#[test]
fn a_chart_of_the_project() {
    let kustomization = "//- /app/kustomization.yaml\nnamespace: ns\nnamePrefix: p-\nhelmCharts:\n- name: web\n  releaseName: rel\n";
    check(
        &format!("{kustomization}{CHART}"),
        &options(),
        expect![[r#"
            apiVersion: v1
            data:
              values: |
                replicas: 1
                image: {repo: nginx, tag: '1'}
                list: [a]
                gone: x
            kind: ConfigMap
            metadata:
              name: p-cm
              namespace: of-the-chart
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: p-web
            === run
            helm version --short
            helm template rel /app/charts/web --namespace ns -f /scratch/1/web-kustomize-values.yaml
            === read
            /app/charts/web/Chart.yaml /app/charts/web/values.yaml /app/kustomization.yaml
        "#]],
    );
}

/// As kustomize v5.8.1 does with helm v3.17: inline null takes a value away, at any depth.
#[test]
fn values() {
    let chart = |merge: &str| {
        format!(
            "//- /app/kustomization.yaml\nhelmCharts:\n- name: web\n  valuesInline:\n    replicas: 3\n    image: {{tag: null}}\n    list: [b]\n    gone: null\n    new: {{a: null, b: 1}}\n{merge}{CHART}"
        )
    };
    check(
        &chart(""),
        &options(),
        expect![[r#"
            apiVersion: v1
            data:
              values: |
                image:
                  repo: nginx
                list:
                - b
                new:
                  b: 1
                replicas: 3
            kind: ConfigMap
            metadata:
              name: cm
              namespace: of-the-chart
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            === run
            helm version --short
            helm template --generate-name /app/charts/web -f /scratch/1/web-kustomize-values.yaml
            === read
            /app/charts/web/Chart.yaml /app/charts/web/values.yaml /app/kustomization.yaml
        "#]],
    );
    check(
        &chart("  valuesMerge: merge\n"),
        &options(),
        expect![[r#"
            apiVersion: v1
            data:
              values: |
                gone: x
                image:
                  repo: nginx
                  tag: "1"
                list:
                - a
                new:
                  a: null
                  b: 1
                replicas: 1
            kind: ConfigMap
            metadata:
              name: cm
              namespace: of-the-chart
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            === run
            helm version --short
            helm template --generate-name /app/charts/web -f /scratch/1/web-kustomize-values.yaml
            === read
            /app/charts/web/Chart.yaml /app/charts/web/values.yaml /app/kustomization.yaml
        "#]],
    );
    check(
        &chart("  valuesMerge: replace\n"),
        &options(),
        expect![[r#"
            apiVersion: v1
            data:
              values: |
                gone: null
                image:
                  tag: null
                list:
                - b
                new:
                  a: null
                  b: 1
                replicas: 3
            kind: ConfigMap
            metadata:
              name: cm
              namespace: of-the-chart
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            === run
            helm version --short
            helm template --generate-name /app/charts/web -f /scratch/1/web-kustomize-values.yaml
            === read
            /app/charts/web/Chart.yaml /app/charts/web/values.yaml /app/kustomization.yaml
        "#]],
    );
    check(
        &chart("  valuesMerge: both\n"),
        &options(),
        expect![[r#"
            valuesMerge must be one of [merge override replace]
            === run
            === read
            /app/kustomization.yaml
        "#]],
    );
}

#[test]
fn every_option() {
    let kustomization = "//- /app/kustomization.yaml\nhelmGlobals: {chartHome: my, configHome: /etc/helm}\nhelmCharts:\n- name: web\n  version: 1.2.3\n  repo: https://charts.acme.test\n  namespace: other\n  nameTemplate: n-{{ randAlpha 2 }}\n  valuesFile: v.yaml\n  additionalValuesFiles: [w.yaml]\n  includeCRDs: true\n  skipHooks: true\n  skipTests: true\n  apiVersions: [a/v1, b/v1]\n  kubeVersion: '1.30'\n  debug: true\n  devel: true\n//- /app/v.yaml\na: 1\n//- /app/w.yaml\nb: 2\n";
    check(
        kustomization,
        &options(),
        expect![[r#"
            apiVersion: v1
            data:
              values: |
                a: 1
            kind: ConfigMap
            metadata:
              name: cm
              namespace: of-the-chart
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            === run
            helm version --short
            helm pull --untar --untardir /app/my/web-1.2.3 --repo https://charts.acme.test web --version 1.2.3 --devel
            helm template --generate-name /app/my/web-1.2.3/web --namespace other --name-template n-{{ randAlpha 2 }} -f /scratch/0/web-kustomize-values.yaml -f /app/w.yaml --api-versions a/v1 --api-versions b/v1 --kube-version 1.30 --include-crds --skip-tests --no-hooks --debug --devel
            === read
            /app/kustomization.yaml /app/v.yaml /app/w.yaml
        "#]],
    );
    let oci = "//- /app/kustomization.yaml\nhelmCharts:\n- {name: web, repo: 'oci://acme.test/charts/', digest: 'sha256:00', valuesFile: v.yaml, releaseName: r}\n//- /app/v.yaml\na: 1\n";
    let with_flags = Options {
        helm: Helm {
            enabled: true,
            command: "helm".to_string(),
            api_versions: vec!["c/v1".to_string()],
            kube_version: "1.31".to_string(),
            debug: true,
        },
        ..Options::default()
    };
    check(
        oci,
        &with_flags,
        expect![[r#"
            apiVersion: v1
            data:
              values: |
                a: 1
            kind: ConfigMap
            metadata:
              name: cm
              namespace: of-the-chart
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            === run
            helm version --short
            helm pull --untar --untardir /app/charts oci://acme.test/charts/web@sha256:00
            helm template r /app/charts/web -f /scratch/1/web-kustomize-values.yaml --api-versions c/v1 --kube-version 1.31 --debug
            === read
            /app/kustomization.yaml /app/v.yaml
        "#]],
    );
}

#[test]
fn older_fields_and_the_plugin() {
    let old = "//- /app/kustomization.yaml\nhelmChartInflationGenerator:\n- {chartName: web, chartHome: charts, releaseName: old, helmHome: /h, valuesLocal: {x: 1}, valuesMerge: replace}\n";
    check(
        &format!("{old}{CHART}"),
        &options(),
        expect![[r#"
            apiVersion: v1
            data:
              values: |
                x: 1
            kind: ConfigMap
            metadata:
              name: cm
              namespace: of-the-chart
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            === run
            helm version --short
            helm template old /app/charts/web -f /scratch/0/web-kustomize-values.yaml
            === read
            /app/charts/web/Chart.yaml /app/charts/web/values.yaml /app/kustomization.yaml
        "#]],
    );
    let plugin = "//- /app/kustomization.yaml\nnamespace: ns\ngenerators: [g.yaml]\n//- /app/g.yaml\napiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: any}\nname: web\nreleaseName: plugin\n";
    check(
        &format!("{plugin}{CHART}"),
        &options(),
        expect![[r#"
            apiVersion: v1
            data:
              values: |
                replicas: 1
                image: {repo: nginx, tag: '1'}
                list: [a]
                gone: x
            kind: ConfigMap
            metadata:
              name: cm
              namespace: of-the-chart
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            === run
            helm version --short
            helm template plugin /app/charts/web -f /scratch/1/web-kustomize-values.yaml
            === read
            /app/charts/web/Chart.yaml /app/charts/web/values.yaml /app/g.yaml /app/kustomization.yaml
        "#]],
    );
}

#[test]
fn the_namespace_comes_from_above() {
    let base = CHART.replace("/app/", "/base/");
    let kustomizations = "//- /app/kustomization.yaml\nnamespace: top\nresources: [../base]\n//- /base/kustomization.yaml\nhelmCharts: [{name: web, releaseName: r}]\n";
    check(
        &format!("{kustomizations}{base}"),
        &options(),
        expect![[r#"
            apiVersion: v1
            data:
              values: |
                replicas: 1
                image: {repo: nginx, tag: '1'}
                list: [a]
                gone: x
            kind: ConfigMap
            metadata:
              name: cm
              namespace: of-the-chart
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            === run
            helm version --short
            helm template r /base/charts/web --namespace top -f /scratch/1/web-kustomize-values.yaml
            === read
            /app/kustomization.yaml /base/charts/web/Chart.yaml /base/charts/web/values.yaml /base/kustomization.yaml
        "#]],
    );
}

#[test]
fn nothing_is_pulled_into_a_clone() {
    let app = "//- /app/kustomization.yaml\nresources: ['https://acme.test/a/b.git']\n//- /clones/b/kustomization.yaml\nhelmCharts: [{name: web, repo: 'https://charts.acme.test', version: 1.0.0, valuesFile: v.yaml}]\n//- /clones/b/v.yaml\na: 1\n";
    check(
        app,
        &options(),
        expect![[r#"
            apiVersion: v1
            data:
              values: |
                a: 1
            kind: ConfigMap
            metadata:
              name: cm
              namespace: of-the-chart
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            === run
            clone https://acme.test/a/b.git
            helm version --short
            helm pull --untar --untardir /scratch/0 --repo https://charts.acme.test web --version 1.0.0
            helm template --generate-name /scratch/0/web -f /scratch/2/web-kustomize-values.yaml
            === read
            /app/kustomization.yaml
        "#]],
    );
}

#[test]
fn errors() {
    let chart = "//- /app/kustomization.yaml\nhelmCharts:\n- name: web\n  releaseName: r\n";
    check(
        &format!("{chart}{CHART}"),
        &Options::default(),
        expect![[r#"
            trouble configuring builtin HelmChartInflationGenerator with config: `
            name: web
            releaseName: r
            `: must specify --enable-helm
            === run
            === read
            /app/kustomization.yaml
        "#]],
    );
    check(
        chart,
        &options(),
        expect![[r#"
            no repo specified for pull, no chart found at '/app/charts/web'
            === run
            helm version --short
            === read
            /app/kustomization.yaml
        "#]],
    );
    let missing =
        Options { helm: Helm { command: "helm5".to_string(), ..options().helm }, ..Options::default() };
    check(
        &format!("{chart}{CHART}"),
        &missing,
        expect![[r#"
            unable to run: 'helm5 version --short' with env=[HELM_CONFIG_HOME=/scratch/0/helm HELM_CACHE_HOME=/scratch/0/helm/.cache HELM_DATA_HOME=/scratch/0/helm/.data] (is 'helm5' installed?): exec: "helm5": executable file not found in $PATH
            === run
            helm5 version --short
            === read
            /app/kustomization.yaml
        "#]],
    );
    check(
        "//- /app/kustomization.yaml\nhelmCharts: [{releaseName: r}]\n",
        &options(),
        expect![[r#"
            chart name cannot be empty
            === run
            === read
            /app/kustomization.yaml
        "#]],
    );
    check(
        "//- /app/kustomization.yaml\nhelmCharts: [{name: web, digest: 'sha256:0', repo: 'https://x'}]\n",
        &options(),
        expect![[r#"
            digest is only supported for OCI repos (e.g. 'oci://my-registry.com/my-chart:latest')
            === run
            === read
            /app/kustomization.yaml
        "#]],
    );
    check(
        "//- /app/kustomization.yaml\nhelmCharts: [{nam: web}]\n",
        &options(),
        expect![[r#"
            invalid Kustomization: json: unknown field "nam"
            === run
            === read
            /app/kustomization.yaml
        "#]],
    );
}

#[test]
fn a_helm_that_fails_or_is_too_old() {
    let fixture = format!("//- /app/kustomization.yaml\nhelmCharts: [{{name: web}}]\n{CHART}");
    let error = |run: fn(&Program, &World) -> Output| {
        let world = World::default().program("helm", run);
        let built = build_with(&Memory::from_fixture(&fixture), Some(&world), "/app", &options()).0;
        let error = built.expect_err("helm fails");
        format!("{}\n{}", error.chain(), diag::render(&error.to_diagnostic(), None, false))
    };
    expect![[r#"
        this plugin requires helm V3 or V4 but got v2.17.0
        error: this plugin requires helm V3 or V4 but got v2.17.0
         --> /app/kustomization.yaml:1:14
        hint: name another helm with --helm-command
    "#]]
    .assert_eq(&error(|_, _| output("v2.17.0")));
    expect![[r#"
        Error: bad chart
        : unable to run: 'helm template --generate-name /app/charts/web -f /scratch/1/web-kustomize-values.yaml' with env=[HELM_CONFIG_HOME=/scratch/0/helm HELM_CACHE_HOME=/scratch/0/helm/.cache HELM_DATA_HOME=/scratch/0/helm/.data] (is 'helm' installed?): exit status 1
        error: helm fails for the chart web: Error: bad chart
         --> /app/kustomization.yaml:1:14
    "#]]
    .assert_eq(&error(|program, world| match program.args[0].as_str() {
        "version" => helm(program, world),
        _ => Output { code: 1, stdout: Vec::new(), stderr: b"Error: bad chart\n".to_vec() },
    }));
}
