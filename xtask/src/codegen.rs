//! `cargo xtask codegen`: the table of Kubernetes types in `crates/schema/data/types.txt`.
//!
//! Facts are read from the generated sources of two crates: `k8s-openapi` has names, types and merge strategies, `k8s-pb` has
//! protobuf tags. Both are fetched by cargo into a scratch package; neither becomes a dependency of Coracle. What they do not
//! tell is in `crates/schema/data/overrides.txt`. The form of the table is described in its head. What the API says of its
//! types and fields goes to `texts.txt` beside it.

mod openapi;
mod protobuf;
mod texts;
mod write;

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const OPENAPI: (&str, &str) = ("k8s-openapi", "0.29.0");
const PROTOBUF: (&str, &str) = ("k8s-pb", "0.9.0");
const KUBERNETES: &str = "v1_37";

/// A field of a type, by its JSON name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Field {
    /// As in the table: `s`, `i32`, `[core.v1.Container`.
    pub(crate) ty: String,
    pub(crate) required: bool,
    /// Tags on the way to the field; more than one where Go embeds a struct.
    pub(crate) tags: Vec<u32>,
    /// The protobuf field is a message that wraps the list (`items = 1`).
    pub(crate) wrapped: bool,
    pub(crate) marks: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Type {
    /// `group/version/Kind` of types that are API objects.
    pub(crate) gvk: Option<String>,
    pub(crate) marks: Vec<String>,
    pub(crate) fields: BTreeMap<String, Field>,
}

pub(crate) type Types = BTreeMap<String, Type>;

/// `check`: say whether the files are up to date instead of writing them.
pub(crate) fn run(check: bool) -> Result<()> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is in the workspace")?.to_path_buf();
    let sources = fetch(&root)?;
    let (mut types, said) = openapi::read(&sources.join(source(OPENAPI)).join("src").join(KUBERNETES))?;
    let messages = protobuf::read(&sources.join(source(PROTOBUF)).join("src"))?;
    protobuf::add_tags(&mut types, &messages);
    let data = root.join("crates/schema/data");
    let overrides = std::fs::read_to_string(data.join("overrides.txt")).context("overrides.txt")?;
    apply_overrides(&mut types, &overrides)?;
    for (name, text) in [("types.txt", write::table(&types)), ("texts.txt", texts::table(&types, &said))] {
        let target = data.join(name);
        if !check {
            std::fs::write(&target, text).with_context(|| target.display().to_string())?;
        } else if std::fs::read_to_string(&target).unwrap_or_default() != text {
            bail!("{} is not what `cargo xtask codegen` writes", target.display());
        }
    }
    Ok(())
}

fn source((name, version): (&str, &str)) -> String {
    format!("{name}-{version}")
}

/// The folder in which cargo keeps unpacked sources.
fn fetch(root: &Path) -> Result<PathBuf> {
    let scratch = root.join("target/codegen");
    std::fs::create_dir_all(scratch.join("src"))?;
    std::fs::write(scratch.join("src/lib.rs"), "")?;
    let dependency = |(name, version): (&str, &str)| format!("{name} = {{ version = \"={version}\" }}\n");
    let manifest = format!(
        "[package]\nname = \"codegen-sources\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{}{}",
        dependency(OPENAPI),
        dependency(PROTOBUF)
    );
    std::fs::write(scratch.join("Cargo.toml"), manifest)?;
    let done = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(scratch.join("Cargo.toml"))
        .output()
        .context("cargo metadata")?;
    if !done.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&done.stderr));
    }
    let text = String::from_utf8(done.stdout)?;
    let wanted = format!("/{}/Cargo.toml\"", source(OPENAPI));
    let end = text.find(&wanted).context("cargo metadata does not name the sources of k8s-openapi")?;
    let start = text[..end].rfind('"').context("a path is quoted")? + 1;
    Ok(PathBuf::from(&text[start..end]))
}

/// Lines `core.v1.Container.ports keys=containerPort,protocol`: marks in place of those that were found; `-` clears them.
/// A line without a field (`core.v1.LabelSelector atomic`) marks the type. `!` and `?` make a field required or optional.
fn apply_overrides(types: &mut Types, text: &str) -> Result<()> {
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let name = words.next().context("a line has words")?;
        let words: Vec<&str> = words.collect();
        let marks: Vec<String> = words
            .iter()
            .filter(|word| !matches!(**word, "-" | "!" | "?"))
            .map(|word| word.to_string())
            .collect();
        if let Some(ty) = types.get_mut(name) {
            ty.marks = marks;
            continue;
        }
        let (ty, field) = name.rsplit_once('.').with_context(|| format!("override {line:?}"))?;
        let field = types
            .get_mut(ty)
            .and_then(|ty| ty.fields.get_mut(field))
            .with_context(|| format!("override of what is not there: {line:?}"))?;
        field.required = (field.required || words.contains(&"!")) && !words.contains(&"?");
        field.marks = marks;
    }
    Ok(())
}
