//! `docker_build`, `custom_build`, `default_registry`.

use super::live_update;
use crate::call::{Args, Call, Failure, Result, argv_of, fail, go_quote, go_type};
use crate::env::{Env, ImageDef, io_text};
use crate::ignore::read_patterns;
use crate::plan::{CustomBuild, DockerBuild, Dockerfile, Ignore, ImageBuild, ImageKind, Registry};
use crate::text::ImageRef;
use crate::values::{CustomBuildValue, text_of};
use starlark::values::Value;
use std::path::{Path, PathBuf};

pub(crate) fn docker_build<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let env = call.env();
    let (written, reference) = image_ref(&args)?;
    let context = args.required_path("context")?;
    if args.get("cache").is_some() {
        env.warn(
            "docker_build(cache=...) is obsolete, and currently a no-op.\nYou should switch to live_update to optimize your builds.",
            Some(call.position()),
        );
    }
    let dockerfile = dockerfile(call, &args, &context)?;
    let build_args = args
        .string_map("build_args")?
        .into_iter()
        .map(|(key, value)| (key, (!value.is_empty()).then_some(value)))
        .collect();
    let extra_tags = extra_tags(&args)?;
    let paths = std::slice::from_ref(&context);
    let mut context_ignores = vec![tiltfile_ignore(env)];
    context_ignores.extend(git_ignores(env, paths));
    let (found, watched) = dockerignore(env, &context, dockerfile.path.as_deref());
    context_ignores.extend(found);
    context_ignores.extend(own_ignores(&args, paths)?);
    let mut ignores = context_ignores.clone();
    ignores.push(Ignore {
        base: dockerfile.path.clone().unwrap_or_else(|| context.join("Dockerfile")),
        source: "Dockerfile".to_owned(),
        patterns: Vec::new(),
    });
    let platform = match args.stringable("platform")? {
        platform if platform.is_empty() => env.getenv("DOCKER_DEFAULT_PLATFORM").unwrap_or_default(),
        platform => platform,
    };
    let bases = dockerfile_bases(&dockerfile.contents, &build_args);
    let kind = ImageKind::Docker(Box::new(DockerBuild {
        context,
        dockerfile,
        build_args,
        target: args.text("target")?,
        context_ignores,
        ssh: args.strings("ssh")?,
        secret: args.strings("secret")?,
        network: args.stringable("network")?,
        extra_tags,
        cache_from: args.strings("cache_from")?,
        pull: args.boolean("pull", false)?,
        platform,
        extra_hosts: args.strings("extra_hosts")?,
    }));
    let watched = watched.into_iter().collect();
    register(call, &args, written, reference, Definition { kind, ignores, bases, watched })?;
    call.none()
}

pub(crate) fn custom_build<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let env = call.env();
    let (written, reference) = image_ref(&args)?;
    let deps = args.paths("deps")?;
    let bases = image_deps(&args)?;
    let tag = args.text("tag")?;
    let outputs_image_ref_to = args.path("outputs_image_ref_to")?.filter(|p| *p != args.dir);
    let Some(command) = args.command_called("Argument 2 (command)", "command", "dir", "env")? else {
        fail!("Argument 2 (command) can't be empty");
    };
    if !tag.is_empty() && outputs_image_ref_to.is_some() {
        fail!("Cannot specify both tag= and outputs_image_ref_to=");
    }
    let live_update_only = command.argv.last().is_some_and(|c| c == ":");
    let mut ignores = vec![tiltfile_ignore(env)];
    ignores.extend(working_repository(env));
    ignores.extend(git_ignores(env, &deps));
    let mut watched = Vec::new();
    for dep in &deps {
        let (found, read) = dockerignore(env, dep, None);
        ignores.extend(found);
        watched.extend(read);
    }
    ignores.extend(own_ignores(&args, &deps)?);
    ignores.extend(outputs_image_ref_to.as_ref().map(|path| Ignore {
        base: path.clone(),
        source: OUTPUT_FILE.to_owned(),
        patterns: Vec::new(),
    }));
    let kind = ImageKind::Custom(Box::new(CustomBuild {
        command,
        deps,
        tag,
        disable_push: args.boolean("disable_push", false)?,
        skips_local_docker: args.boolean("skips_local_docker", false)?,
        outputs_image_ref_to,
        live_update_only,
        is_custom_deploy: false,
    }));
    let definition = Definition { kind, ignores, bases, watched };
    let text = format!("custom_build({})", go_quote(&reference.to_string())).into();
    let index = register(call, &args, written, reference, definition)?;
    Ok(call.alloc(CustomBuildValue { index, text }))
}

/// `image_deps=`: images that must be there.
pub(super) fn image_deps(args: &Args<'_>) -> Result<Vec<(ImageRef, bool)>> {
    let one = args.get("image_deps").and_then(|v| v.unpack_str());
    let written = match one {
        Some(one) => vec![one.to_owned()],
        None => args.string_list("image_deps")?,
    };
    let parsed = written.iter().map(|dep| {
        let invalid = |e| args.wrong("image_deps", format_args!("must be a valid image reference: {e}"));
        Ok((ImageRef::parse(dep).map_err(invalid)?, true))
    });
    parsed.collect()
}

fn image_ref(args: &Args<'_>) -> Result<(String, ImageRef)> {
    let written = args.text("ref")?;
    match ImageRef::parse(&written) {
        Ok(reference) => Ok((written, reference)),
        Err(e) => fail!("Argument 1 (ref): can't parse {}: {e}", go_quote(&written)),
    }
}

/// What is particular to a kind of build.
struct Definition {
    kind: ImageKind,
    ignores: Vec<Ignore>,
    /// Images that it is built from, and whether they must be defined.
    bases: Vec<(ImageRef, bool)>,
    /// Files to be watched if the image is used.
    watched: Vec<PathBuf>,
}

/// Adds the parameters that all kinds of builds share, and defines the image.
fn register<'v>(
    call: &Call<'v, '_, '_, '_>,
    args: &Args<'v>,
    written: String,
    reference: ImageRef,
    definition: Definition,
) -> Result<usize> {
    let live_update = live_update::of_args(call, args)?;
    let mut build = ImageBuild {
        reference: written.clone(),
        match_exact: reference.tag.is_some(),
        match_in_env_vars: args.boolean("match_in_env_vars", false)?,
        entrypoint: entrypoint(call, args)?,
        container_args: container_args(args)?,
        image_deps: Vec::new(),
        live_update,
        ignores: definition.ignores,
        kind: definition.kind,
    };
    let position = call.position();
    let mut reg = call.env().reg_mut();
    for other in &mut reg.images {
        if other.reference.name != reference.name {
            continue;
        }
        if other.reference == reference {
            fail!("Image for ref {:?} has already been defined", reference.familiar());
        }
        other.build.match_exact = true;
        build.match_exact = true;
    }
    let (bases, watched) = (definition.bases, definition.watched);
    reg.images.push(ImageDef { written, reference, build, bases, watched, position });
    Ok(reg.images.len() - 1)
}

fn dockerfile<'v>(call: &Call<'v, '_, '_, '_>, args: &Args<'v>, context: &Path) -> Result<Dockerfile> {
    let env = call.env();
    let path = args.path("dockerfile")?;
    if let Some(contents) = args.get("dockerfile_contents") {
        if path.is_some() {
            fail!("Cannot specify both dockerfile and dockerfile_contents keyword arguments");
        }
        return match text_of(contents) {
            Some(text) => Ok(Dockerfile { path: None, contents: text.to_owned() }),
            None => fail!("Argument (dockerfile_contents): must be string or blob."),
        };
    }
    let path = path.unwrap_or_else(|| context.join("Dockerfile"));
    match env.read(&path) {
        Ok(contents) => Ok(Dockerfile { path: Some(path), contents }),
        Err(e) => fail!("error reading dockerfile: {}", io_text("open", &path, &e)),
    }
}

fn extra_tags(args: &Args<'_>) -> Result<Vec<String>> {
    let tags = args.strings("extra_tag")?;
    for tag in &tags {
        if let Err(e) = ImageRef::parse(tag) {
            fail!("Argument extra_tag={} not a valid image reference: {e}", go_quote(tag));
        }
    }
    Ok(tags)
}

fn entrypoint<'v>(call: &Call<'v, '_, '_, '_>, args: &Args<'v>) -> Result<Option<Vec<String>>> {
    let Some(value) = args.get("entrypoint") else { return Ok(None) };
    let argv = argv_of(value, call.heap()).map_err(Failure::new)?;
    Ok((!argv.is_empty()).then_some(argv))
}

fn container_args(args: &Args<'_>) -> Result<Option<Vec<String>>> {
    match args.get("container_args") {
        None => Ok(None),
        Some(_) => {
            args.strings_in_sequence("container_args", format_args!("Argument 'container_args'")).map(Some)
        }
    }
}

/// Sources of ignores that need to be known again.
pub(crate) const OUTPUT_FILE: &str = "outputs_image_ref_to";
pub(crate) const WORKING_REPOSITORY: &str = ".git of the working directory";

/// The Tiltfile itself.
pub(crate) fn tiltfile_ignore(env: &Env<'_>) -> Ignore {
    Ignore { base: env.executing(), source: "Tiltfile".to_owned(), patterns: Vec::new() }
}

/// Git's own files, where a path is the root of a repository.
pub(crate) fn git_ignores(env: &Env<'_>, paths: &[PathBuf]) -> Vec<Ignore> {
    let mut ignores: Vec<Ignore> = Vec::new();
    for path in paths {
        let git = path.join(".git");
        if env.host.kind(&git).is_some() && !ignores.iter().any(|i| i.base == git) {
            ignores.push(Ignore { base: git, source: ".git".to_owned(), patterns: Vec::new() });
        }
    }
    ignores
}

/// The repository that the main Tiltfile is the root of, for builds that may look anywhere.
fn working_repository(env: &Env<'_>) -> Option<Ignore> {
    let base = env.tiltfile.parent()?.join(".git");
    env.host.kind(&base)?;
    Some(Ignore { base, source: WORKING_REPOSITORY.to_owned(), patterns: Vec::new() })
}

/// `<Dockerfile>.dockerignore`, or the `.dockerignore` of the context; and the file to watch for it.
pub(crate) fn dockerignore(
    env: &Env<'_>,
    context: &Path,
    dockerfile: Option<&Path>,
) -> (Option<Ignore>, Option<PathBuf>) {
    let beside = dockerfile.map(|path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    let read = |path: &Path| env.host.read_file(path).ok().map(|b| String::from_utf8_lossy(&b).into_owned());
    if let Some(path) = beside.filter(|p| env.host.kind(p).is_some())
        && let Some(text) = read(&path)
    {
        return (patterns(context, &path, &text), Some(path));
    }
    if env.host.kind(context) != Some(crate::FileKind::Directory) {
        return (None, None);
    }
    let path = context.join(".dockerignore");
    let found = env.host.kind(&path).and_then(|_| read(&path));
    (found.and_then(|text| patterns(context, &path, &text)), Some(path))
}

fn patterns(base: &Path, source: &Path, text: &str) -> Option<Ignore> {
    let patterns = read_patterns(text);
    (!patterns.is_empty()).then(|| Ignore {
        base: base.to_owned(),
        source: source.display().to_string(),
        patterns,
    })
}

/// `ignore=` and `only=`.
fn own_ignores(args: &Args<'_>, bases: &[PathBuf]) -> Result<Vec<Ignore>> {
    let mut ignores = Vec::new();
    let ignore = glob_list(args, "ignore")?;
    if !ignore.is_empty() {
        for base in bases {
            ignores.push(Ignore {
                base: base.clone(),
                source: "ignore=".to_owned(),
                patterns: ignore.clone(),
            });
        }
    }
    if args.has("only") {
        let only = glob_list(args, "only")?;
        if let Some(glob) = only.iter().find(|o| o.contains('*')) {
            fail!("'only' does not support '*' file globs. Must be a real path: {glob}");
        }
        if !only.is_empty() {
            let patterns: Vec<String> =
                std::iter::once("**".to_owned()).chain(only.iter().map(|o| format!("!{o}"))).collect();
            for base in bases {
                ignores.push(Ignore {
                    base: base.clone(),
                    source: "only=".to_owned(),
                    patterns: patterns.clone(),
                });
            }
        }
    }
    Ok(ignores)
}

pub(super) fn glob_list(args: &Args<'_>, name: &str) -> Result<Vec<String>> {
    let mut list = Vec::new();
    for item in args.get(name).map(|v| args.one_or_many(v)).unwrap_or_default() {
        match item.unpack_str() {
            Some(text) if text.contains('\n') => {
                fail!("{name} cannot contain newlines; found {name}: {}", go_quote(text))
            }
            Some(text) => list.push(text.to_owned()),
            None => fail!("{name} must be a string or a sequence of strings; found a {}", go_type(item)),
        }
    }
    Ok(list)
}

/// Images that a Dockerfile starts from or copies from, with `ARG`s filled in.
fn dockerfile_bases(
    text: &str,
    build_args: &std::collections::BTreeMap<String, Option<String>>,
) -> Vec<(ImageRef, bool)> {
    let mut known: Vec<(String, String)> = Vec::new();
    let mut stages: Vec<String> = Vec::new();
    let mut bases = Vec::new();
    let joined = text.replace("\\\n", " ");
    for line in joined.lines() {
        let mut words = line.split_whitespace();
        let Some(instruction) = words.next() else { continue };
        let words: Vec<&str> = words.collect();
        let found = match instruction.to_ascii_uppercase().as_str() {
            "ARG" => {
                let Some((name, default)) = words.first().map(|w| w.split_once('=').unwrap_or((w, "")))
                else {
                    continue;
                };
                let value = build_args.get(name).cloned().flatten().unwrap_or_else(|| default.to_owned());
                known.push((name.to_owned(), value));
                None
            }
            "FROM" => {
                let image = words.iter().find(|w| !w.starts_with("--")).copied();
                if let [.., keyword, name] = words.as_slice()
                    && keyword.eq_ignore_ascii_case("as")
                {
                    let is_stage = image.is_some_and(|i| stages.contains(&i.to_owned()));
                    stages.push((*name).to_owned());
                    if is_stage { None } else { image }
                } else {
                    image
                }
            }
            "COPY" => words.iter().find_map(|w| w.strip_prefix("--from=")),
            _ => None,
        };
        let Some(image) = found else { continue };
        let image = fill_in(image, &known);
        if stages.contains(&image) || image.parse::<usize>().is_ok() || image == "scratch" {
            continue;
        }
        if let Ok(reference) = ImageRef::parse(&image) {
            bases.push((reference, false));
        }
    }
    bases
}

fn fill_in(text: &str, known: &[(String, String)]) -> String {
    let mut out = text.trim_matches('"').to_owned();
    for (name, value) in known {
        out = out.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
    }
    out
}

pub(crate) fn default_registry<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    if call.env().reg().settings.default_registry.is_some() {
        fail!("default registry already defined");
    }
    let args = call.args()?;
    let registry = Registry {
        host: args.text("host")?,
        host_from_cluster: args.text("host_from_cluster")?,
        single_name: args.text("single_name")?,
    };
    for (field, host) in [("host", &registry.host), ("hostFromContainerRuntime", &registry.host_from_cluster)]
    {
        if host.is_empty() && field != "host" {
            continue;
        }
        let named = ImageRef::parse(&format!("{host}/x"))
            .is_ok_and(|r| !r.name.starts_with("docker.io/") || host.starts_with("docker.io"));
        if !named {
            fail!(
                "validating defaultRegistry: {field}: Invalid value: {host:?}: repository name must be canonical"
            );
        }
    }
    call.env().reg_mut().settings.default_registry = Some(registry);
    call.none()
}
