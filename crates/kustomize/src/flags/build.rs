//! The flags of `kustomize build`: for the command line and for the Tiltfile's `kustomize(flags=…)`.

use crate::flags::{Flag, FlagError, Words};
use crate::options::{Helm, LoadRestrictor, MergeKeys, Options, Plugins, Reorder};

pub const BUILD_FLAGS: &[Flag] = &[
    Flag::text("output", "Write to this file, or to a file for each resource in this directory").short('o'),
    Flag::text(
        "load-restrictor",
        "LoadRestrictionsRootOnly: files must lie in or below the kustomization that names them; \
         LoadRestrictionsNone: anywhere [LoadRestrictionsRootOnly]",
    ),
    Flag::text(
        "merge-keys",
        "newest: lists are merged by what the newest Kubernetes and the CRDs in the build say; upstream: as kustomize \
         itself, by Kubernetes v1.21 without CRDs [newest]",
    ),
    Flag::text("reorder", "legacy or none (deprecated: sortOptions in the kustomization)"),
    Flag::switch("enable-helm", "Inflate helmCharts"),
    Flag::text("helm-command", "The helm program [helm]"),
    Flag::text("helm-kube-version", "The Kubernetes version that charts see"),
    Flag::texts("helm-api-versions", "An API version that charts see; repeatable"),
    Flag::switch("helm-debug", "Let helm say more"),
    Flag::switch("enable-alpha-plugins", "Run generators and transformers that are programs or containers"),
    Flag::switch("enable-exec", "Run functions that are programs: arbitrary code with your rights"),
    Flag::switch("network", "Give functions that ask for it the network"),
    Flag::text("network-name", "The container network for functions [bridge]"),
    Flag::texts("mount", "A mount for functions in containers; repeatable"),
    Flag::texts("env", "NAME=value for functions, or NAME to pass it on; repeatable").short('e'),
    Flag::switch("as-current-user", "Run functions in containers with your user and group"),
    Flag::switch(
        "enable-managedby-label",
        "Label resources (deprecated: buildMetadata in the kustomization)",
    ),
    Flag::switch("stack-trace", "Taken for compatibility; errors name their place"),
];

/// What `kustomize build` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildCommand {
    /// A directory or a URL.
    pub target: String,
    /// A file, or a directory if one exists there.
    pub output: Option<String>,
    pub options: Options,
    /// For stderr, a line each.
    pub warnings: Vec<String>,
    /// Only help is wanted.
    pub help: bool,
}

impl BuildCommand {
    pub fn read(words: &[String]) -> Result<BuildCommand, FlagError> {
        let words = Words::read(words, BUILD_FLAGS)?;
        if words.arguments.len() > 1 && !words.help {
            return Err(FlagError::SeveralPaths);
        }
        let mut warnings = Vec::new();
        if words.is_given("reorder") {
            warnings.push(
                "Flag --reorder has been deprecated, use the new 'sortOptions' field in kustomization.yaml instead.",
            );
        }
        if words.is_given("enable-managedby-label") {
            warnings.push(
                "Flag --enable-managedby-label has been deprecated, The flag `enable-managedby-label` has been \
                 deprecated. Use the `managedByLabel` option in the `buildMetadata` field instead.",
            );
        }
        Ok(BuildCommand {
            target: words.arguments.first().map_or(".", String::as_str).to_string(),
            output: Some(words.text("output").to_string()).filter(|path| !path.is_empty()),
            options: options(&words)?,
            warnings: warnings.into_iter().map(str::to_string).collect(),
            help: words.help,
        })
    }
}

fn options(words: &Words) -> Result<Options, FlagError> {
    let or = |flag: &str, default: &str| {
        let given = words.text(flag);
        if given.is_empty() { default.to_string() } else { given.to_string() }
    };
    Ok(Options {
        load_restrictor: choose(
            words,
            "load-restrictor",
            &[
                ("LoadRestrictionsRootOnly", LoadRestrictor::RootOnly),
                ("LoadRestrictionsNone", LoadRestrictor::None),
                ("rootOnly", LoadRestrictor::RootOnly),
                ("none", LoadRestrictor::None),
            ],
            2,
        )?,
        reorder: choose(words, "reorder", &[("legacy", Reorder::Legacy), ("none", Reorder::None)], 2)?,
        managed_by_label: words.is_on("enable-managedby-label"),
        merge_keys: choose(
            words,
            "merge-keys",
            &[("newest", MergeKeys::Newest), ("upstream", MergeKeys::AsUpstream)],
            2,
        )?,
        helm: Helm {
            enabled: words.is_on("enable-helm"),
            command: or("helm-command", "helm"),
            api_versions: words.texts("helm-api-versions").to_vec(),
            kube_version: words.text("helm-kube-version").to_string(),
            debug: words.is_on("helm-debug"),
        },
        plugins: Plugins {
            enabled: words.is_on("enable-alpha-plugins"),
            exec: words.is_on("enable-exec"),
            as_current_user: words.is_on("as-current-user"),
            env: words.texts("env").to_vec(),
            mounts: words.texts("mount").to_vec(),
            network: words.is_on("network"),
            network_name: or("network-name", "bridge"),
        },
    })
}

/// One of a flag's values; messages name the first `shown` of them. The default if it is not given.
fn choose<T: Copy + Default>(
    words: &Words,
    flag: &'static str,
    values: &[(&'static str, T)],
    shown: usize,
) -> Result<T, FlagError> {
    if !words.is_given(flag) {
        return Ok(T::default());
    }
    let given = words.text(flag);
    match values.iter().find(|(name, _)| *name == given) {
        Some((_, value)) => Ok(*value),
        None => Err(FlagError::Illegal {
            flag,
            value: given.to_string(),
            legal: values.iter().take(shown).map(|(name, _)| *name).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<BuildCommand, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        BuildCommand::read(&words).map_err(|e| e.to_string())
    }

    #[test]
    fn every_flag_has_its_option() {
        let line = "overlays/dev -o out --load-restrictor LoadRestrictionsNone --reorder=none --merge-keys upstream \
                    --enable-helm --helm-command /opt/helm --helm-kube-version 1.30 --helm-api-versions a/v1 \
                    --helm-api-versions b/v1 --helm-debug --enable-alpha-plugins --enable-exec --network \
                    --network-name host --mount type=bind -e A=1 --env B --as-current-user --enable-managedby-label";
        let command = read(line).unwrap();
        assert_eq!((command.target.as_str(), command.output.as_deref()), ("overlays/dev", Some("out")));
        assert_eq!(command.warnings.len(), 2);
        let texts = |texts: &[&str]| texts.iter().map(|t| t.to_string()).collect::<Vec<_>>();
        let want = Options {
            load_restrictor: LoadRestrictor::None,
            reorder: Reorder::None,
            managed_by_label: true,
            merge_keys: MergeKeys::AsUpstream,
            helm: Helm {
                enabled: true,
                command: "/opt/helm".to_string(),
                api_versions: texts(&["a/v1", "b/v1"]),
                kube_version: "1.30".to_string(),
                debug: true,
            },
            plugins: Plugins {
                enabled: true,
                exec: true,
                as_current_user: true,
                env: texts(&["A=1", "B"]),
                mounts: texts(&["type=bind"]),
                network: true,
                network_name: "host".to_string(),
            },
        };
        assert_eq!(command.options, want);
    }

    #[test]
    fn wrong_values() {
        let cases = [
            (
                "--load-restrictor foo .",
                "illegal flag value --load-restrictor foo; legal values: [LoadRestrictionsRootOnly LoadRestrictionsNone]",
            ),
            ("--reorder x", "illegal flag value --reorder x; legal values: [legacy none]"),
            ("--merge-keys=", "illegal flag value --merge-keys ; legal values: [newest upstream]"),
            ("a b", "specify one path to kustomization.yaml"),
        ];
        for (line, want) in cases {
            assert_eq!(read(line).unwrap_err(), want, "{line}");
        }
        assert!(read("a b --help").unwrap().help);
        assert_eq!(read("").unwrap().target, ".");
    }
}
