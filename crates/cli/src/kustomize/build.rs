//! `kustomize build`: to stdout, to a file, or to a file for each resource.

use super::{Done, Failure, command_help, data, file_failure, narrate};
use kustomize::{BUILD_FLAGS, BuildCommand, Built, Disk};
use std::path::Path;

pub(super) fn run(words: &[String]) -> Done {
    let mut command =
        BuildCommand::read(words).map_err(|e| Failure::usage(e.to_string(), "kustomize build"))?;
    if command.help {
        let about = "Print the manifests of the kustomization in a directory [.]";
        return data(&command_help("build [DIR]", about, BUILD_FLAGS));
    }
    warn(&command.warnings);
    command.options.managed_by_label |= session::wants_managed_by_label();
    let world = session::World::from_environment();
    let (built, _) = kustomize::build_with(&Disk, Some(&world), &command.target, &command.options);
    let built = built?;
    warn(&built.warnings);
    match command.output.as_deref() {
        None => data(&built.yaml),
        Some(dir) if Path::new(dir).is_dir() => write_files(dir, &built),
        Some(file) => write(file, &built.yaml),
    }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        narrate(&format!("{}\n", crate::printer::escape(warning, false)));
    }
}

fn write_files(dir: &str, built: &Built) -> Done {
    for (name, text) in built.to_files() {
        // a name from a manifest must not lead out of the directory
        if name.contains('/') {
            return Err(Failure::new(format!("a resource cannot be written to the file {name:?} in {dir}"))
                .hint("its name has a slash; write one file with -o FILE"));
        }
        write(&Path::new(dir).join(name).to_string_lossy(), &text)?;
    }
    Ok(())
}

fn write(path: &str, text: &str) -> Done {
    std::fs::write(path, text).map_err(|e| file_failure("open", path, &e))
}
