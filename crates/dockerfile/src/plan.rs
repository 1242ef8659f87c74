//! The stages that a target needs, in an order in which they can be built.

use crate::instruction::{Instruction, Kind};
use crate::words::{ExpandError, expand};
use crate::{Dockerfile, Stage};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// In the file's order, which is a building order: stages refer only to earlier ones.
    pub stages: Vec<PlannedStage>,
    /// Index of the wanted stage in `stages`.
    pub target: usize,
    /// ARG before the first FROM, with their values: what `ARG name` in a stage takes.
    pub global_args: BTreeMap<String, String>,
    /// Build arguments that nothing in the file asks for.
    pub unused_args: Vec<String>,
    pub escape: char,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStage {
    pub line: usize,
    /// Its name, or its number in the file.
    pub name: String,
    pub base: Origin,
    pub platform: Option<String>,
    pub instructions: Vec<Instruction>,
    /// What `--from=…` names in its instructions.
    pub sources: BTreeMap<String, Origin>,
    /// Stages (indexes in `Graph::stages`) that must be built before.
    pub needs: Vec<usize>,
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Scratch,
    Image(String),
    /// Index in `Graph::stages`.
    Stage(usize),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("there is no stage `{name}`")]
    NoTarget { name: String, stages: Vec<String> },
    #[error("the file has no stage")]
    Empty,
    #[error("FROM {base}")]
    Expand { line: usize, base: String, source: ExpandError },
    #[error("FROM {base} names no image: a variable in it is empty")]
    EmptyBase { line: usize, base: String },
    #[error("--from={name} names a stage that comes later, or the stage itself")]
    Later { line: usize, name: String },
}

impl PlanError {
    pub fn line(&self) -> Option<usize> {
        match self {
            PlanError::NoTarget { .. } | PlanError::Empty => None,
            PlanError::Expand { line, .. }
            | PlanError::EmptyBase { line, .. }
            | PlanError::Later { line, .. } => Some(*line),
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            PlanError::NoTarget { stages, .. } if stages.is_empty() => {
                Some("no stage has a name (FROM … AS name)".into())
            }
            PlanError::NoTarget { stages, .. } => Some(format!("the stages are: {}", stages.join(", "))),
            PlanError::EmptyBase { .. } => {
                Some("give the ARG a default, or pass it as a build argument".into())
            }
            _ => None,
        }
    }
}

/// Chooses the stages. `args` are the build arguments and the platform's own (`TARGETARCH`, …).
pub fn plan(
    file: &Dockerfile,
    args: &BTreeMap<String, String>,
    target: Option<&str>,
) -> Result<Graph, PlanError> {
    let target = find_target(file, target)?;
    let global_args = global_args(file, args)?;
    let mut links = Vec::new();
    for (index, stage) in file.stages.iter().enumerate() {
        links.push(link(file, index, stage, &global_args, args)?);
    }
    let wanted = reachable(target, &links);
    let position: BTreeMap<usize, usize> = wanted.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let moved = |origin: &Origin| match origin {
        Origin::Stage(old) => Origin::Stage(position[old]),
        other => other.clone(),
    };
    let stages = wanted.iter().map(|old| {
        let (stage, link) = (&file.stages[*old], &links[*old]);
        PlannedStage {
            line: stage.line,
            name: stage.name.clone().unwrap_or_else(|| old.to_string()),
            base: moved(&link.base),
            platform: link.platform.clone(),
            instructions: stage.instructions.clone(),
            sources: link.sources.iter().map(|(name, origin)| (name.clone(), moved(origin))).collect(),
            needs: link.needs().map(|old| position[&old]).collect::<BTreeSet<_>>().into_iter().collect(),
        }
    });
    Ok(Graph {
        stages: stages.collect(),
        target: position[&target],
        unused_args: unused(file, args),
        global_args,
        escape: file.escape,
    })
}

/// A stage's base and sources, with stages numbered as in the file.
struct Link {
    base: Origin,
    platform: Option<String>,
    sources: BTreeMap<String, Origin>,
}

impl Link {
    fn needs(&self) -> impl Iterator<Item = usize> {
        let origins = [&self.base].into_iter().chain(self.sources.values());
        origins.filter_map(|origin| if let Origin::Stage(index) = origin { Some(*index) } else { None })
    }
}

fn find_target(file: &Dockerfile, target: Option<&str>) -> Result<usize, PlanError> {
    let last = file.stages.len().checked_sub(1).ok_or(PlanError::Empty)?;
    let Some(name) = target.filter(|name| !name.is_empty()) else { return Ok(last) };
    let lower = name.to_lowercase();
    let named = file.stages.iter().position(|stage| stage.name.as_ref() == Some(&lower));
    named.or_else(|| name.parse().ok().filter(|index| *index <= last)).ok_or_else(|| PlanError::NoTarget {
        name: name.to_owned(),
        stages: file.stages.iter().filter_map(|stage| stage.name.clone()).collect(),
    })
}

fn global_args(
    file: &Dockerfile,
    args: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, PlanError> {
    let mut values = BTreeMap::new();
    for arg in &file.global_args {
        let value = match (args.get(&arg.name), &arg.default) {
            (Some(value), _) => value.clone(),
            (None, Some(default)) => {
                let get = |name: &str| values.get(name).or_else(|| args.get(name)).cloned();
                expand(default, file.escape, &get).map_err(|source| PlanError::Expand {
                    line: arg.line,
                    base: default.clone(),
                    source,
                })?
            }
            (None, None) => continue,
        };
        values.insert(arg.name.clone(), value);
    }
    Ok(values)
}

fn link(
    file: &Dockerfile,
    index: usize,
    stage: &Stage,
    global_args: &BTreeMap<String, String>,
    args: &BTreeMap<String, String>,
) -> Result<Link, PlanError> {
    let platform_arg = |name: &str| name.starts_with("TARGET") || name.starts_with("BUILD");
    let get =
        |name: &str| global_args.get(name).or_else(|| args.get(name).filter(|_| platform_arg(name))).cloned();
    let expanded = |text: &str| {
        expand(text, file.escape, &get).map_err(|source| PlanError::Expand {
            line: stage.line,
            base: text.to_owned(),
            source,
        })
    };
    let base = expanded(&stage.base)?;
    if base.is_empty() {
        return Err(PlanError::EmptyBase { line: stage.line, base: stage.base.clone() });
    }
    let before = &file.stages[..index];
    let by_name = |name: &str| {
        let lower = name.to_lowercase();
        before.iter().position(|other| other.name.as_ref() == Some(&lower))
    };
    let base = match by_name(&base) {
        Some(index) => Origin::Stage(index),
        None if base == "scratch" => Origin::Scratch,
        None => Origin::Image(base),
    };
    let mut sources = BTreeMap::new();
    for instruction in &stage.instructions {
        for name in from_names(instruction) {
            let origin = match (by_name(&name), name.parse::<usize>()) {
                (Some(index), _) => Origin::Stage(index),
                (None, Ok(number)) if number < index => Origin::Stage(number),
                (None, Ok(_)) => return Err(PlanError::Later { line: instruction.line, name }),
                (None, Err(_)) => {
                    let lower = name.to_lowercase();
                    if file.stages[index..].iter().any(|other| other.name.as_ref() == Some(&lower)) {
                        return Err(PlanError::Later { line: instruction.line, name });
                    }
                    Origin::Image(name.clone())
                }
            };
            sources.insert(name, origin);
        }
    }
    Ok(Link {
        base,
        platform: stage.platform.as_deref().map(expanded).transpose()?.filter(|p| !p.is_empty()),
        sources,
    })
}

fn from_names(instruction: &Instruction) -> Vec<String> {
    match &instruction.kind {
        Kind::Copy(copy) => copy.from.iter().cloned().collect(),
        Kind::Run(run) => run
            .mounts
            .iter()
            .flat_map(|raw| raw.0.split(','))
            .filter_map(|field| field.trim().strip_prefix("from="))
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

fn reachable(target: usize, links: &[Link]) -> Vec<usize> {
    let mut wanted = BTreeSet::from([target]);
    let mut open = vec![target];
    while let Some(index) = open.pop() {
        for need in links[index].needs() {
            if wanted.insert(need) {
                open.push(need);
            }
        }
    }
    wanted.into_iter().collect()
}

fn unused(file: &Dockerfile, args: &BTreeMap<String, String>) -> Vec<String> {
    let mut declared: BTreeSet<&str> = file.global_args.iter().map(|arg| arg.name.as_str()).collect();
    for instruction in file.stages.iter().flat_map(|stage| &stage.instructions) {
        if let Kind::Arg(names) = &instruction.kind {
            declared.extend(names.iter().map(|(name, _)| name.as_str()));
        }
    }
    // These need no ARG.
    let predefined = |name: &str| {
        let lower = name.to_ascii_lowercase();
        matches!(lower.as_str(), "http_proxy" | "https_proxy" | "ftp_proxy" | "no_proxy" | "all_proxy")
            || name.starts_with("BUILDKIT_")
            || matches!(
                name.strip_prefix("TARGET").or_else(|| name.strip_prefix("BUILD")),
                Some("PLATFORM" | "OS" | "ARCH" | "VARIANT")
            )
            || name == "SOURCE_DATE_EPOCH"
    };
    args.keys().filter(|name| !declared.contains(name.as_str()) && !predefined(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use expect_test::{Expect, expect};

    fn check(text: &str, args: &[(&str, &str)], target: Option<&str>, expect: Expect) {
        let (file, diagnostics) = parse(text);
        assert_eq!(diagnostics, []);
        let args = args.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let shown = match plan(&file, &args, target) {
            Err(error) => format!("error at {:?}: {error} (hint: {:?})\n", error.line(), error.hint()),
            Ok(graph) => {
                let stages = graph.stages.iter().map(|stage| {
                    format!(
                        "{} from {:?} on {:?} sources {:?} needs {:?}\n",
                        stage.name, stage.base, stage.platform, stage.sources, stage.needs
                    )
                });
                let stages: String = stages.collect();
                format!("{stages}target {} unused {:?}\n", graph.target, graph.unused_args)
            }
        };
        expect.assert_eq(&shown);
    }

    const FILE: &str = "ARG V=3.11\nARG TAG=${V}-slim\nFROM --platform=$BUILDPLATFORM node:22 AS web\nFROM python:$TAG AS base\nFROM base AS test\nRUN t\nFROM base\nCOPY --from=web /d /d\nCOPY --from=0 /e /e\nRUN --mount=type=bind,from=busybox,target=/b x\n";

    #[test]
    fn only_what_is_needed() {
        check(
            FILE,
            &[("BUILDPLATFORM", "linux/amd64"), ("X", "1")],
            None,
            expect![[r#"
            web from Image("node:22") on Some("linux/amd64") sources {} needs []
            base from Image("python:3.11-slim") on None sources {} needs []
            3 from Stage(1) on None sources {"0": Stage(0), "busybox": Image("busybox"), "web": Stage(0)} needs [0, 1]
            target 2 unused ["X"]
        "#]],
        );
        check(
            FILE,
            &[("V", "3.12")],
            Some("test"),
            expect![[r#"
            base from Image("python:3.12-slim") on None sources {} needs []
            test from Stage(0) on None sources {} needs [0]
            target 1 unused []
        "#]],
        );
        check(
            FILE,
            &[],
            Some("prod"),
            expect![[r#"
            error at None: there is no stage `prod` (hint: Some("the stages are: web, base, test"))
        "#]],
        );
        check(
            "ARG B\nFROM $B\n",
            &[],
            None,
            expect![[r#"
            error at Some(2): FROM $B names no image: a variable in it is empty (hint: Some("give the ARG a default, or pass it as a build argument"))
        "#]],
        );
        check(
            "FROM a AS x\nCOPY --from=y / /\nFROM b AS y\n",
            &[],
            Some("x"),
            expect![[r#"
            error at Some(2): --from=y names a stage that comes later, or the stage itself (hint: None)
        "#]],
        );
    }
}
