//! `kustomize edit` and `kustomize create`: reads, and writes files whole or not at all.

use super::{Done, command_help, data, file_failure, narrate};
use crate::printer;
use kustomize::Disk;
use kustomize::edit::{CREATE_FLAGS, Outcome, commands};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub(super) fn edit(words: &[String]) -> Done {
    let world = session::World::from_environment();
    carry_out(kustomize::edit::edit_with(&Disk, Some(&world), ".", words)?)
}

pub(super) fn create(words: &[String]) -> Done {
    carry_out(kustomize::edit::create(&Disk, ".", words)?)
}

fn carry_out(outcome: Outcome) -> Done {
    if let Some(command) = &outcome.help {
        return data(&help(command));
    }
    for (path, text) in &outcome.writes {
        write(Path::new(path), text).map_err(|e| file_failure("open", path, &e))?;
    }
    for line in &outcome.log {
        narrate(&format!("{}\n", printer::escape(line, false)));
    }
    data(&outcome.output)
}

/// Help of `create`, of `edit`, of a verb below it, or of a command.
fn help(command: &str) -> String {
    if command == "create" {
        return command_help("create", "Make a kustomization in this directory", CREATE_FLAGS);
    }
    if let Some(found) = commands().find(|c| c.name() == command) {
        let usage = format!("edit {} {}", found.name(), found.arguments);
        return command_help(usage.trim_end(), found.about, found.flags);
    }
    let of_verb: Vec<_> = commands().filter(|c| command.is_empty() || c.verb == command).collect();
    let width = of_verb.iter().map(|c| c.name().len()).max().unwrap_or(0);
    let lines: String = of_verb.iter().map(|c| format!("  {:width$}  {}\n", c.name(), c.about)).collect();
    format!(
        "Edit the kustomization in this directory; comments and layout stay\n\n\
         Usage: kustomize edit COMMAND\n\nCommands:\n{lines}\n\
         `kustomize edit COMMAND --help` tells more about one.\n"
    )
}

/// Replaces a file by one with the new text beside it, so that whoever reads it sees the old or the new. Links are
/// followed; mode and owner stay.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        Err(e) if e.kind() == ErrorKind::NotFound => path.to_path_buf(),
        Err(e) => return Err(e),
    };
    let old = match OpenOptions::new().write(true).open(&path) {
        Ok(file) => Some(file.metadata()?),
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        // the file is read-only, whatever its directory allows
        Err(e) => return Err(e),
    };
    let beside = beside(&path);
    let written = write_new(&beside, text).and_then(|()| {
        if let Some(old) = &old {
            fs::set_permissions(&beside, fs::Permissions::from_mode(old.mode()))?;
            // only root may; others keep their own
            let _ = std::os::unix::fs::chown(&beside, Some(old.uid()), Some(old.gid()));
        }
        fs::rename(&beside, &path)
    });
    match written {
        // a file that may be written in a directory that may not
        Err(e) if old.is_some() && e.kind() == ErrorKind::PermissionDenied => fs::write(&path, text),
        Err(e) => {
            let _ = fs::remove_file(&beside);
            Err(e)
        }
        Ok(()) => Ok(()),
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_behind_its_link_with_its_mode() {
        let dir = std::env::temp_dir().join(format!("coracle-edit-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (file, link) = (dir.join("file"), dir.join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write(&link, "new").unwrap();
        write(&dir.join("fresh"), "fresh").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        let mut names: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["file", "fresh", "link"]);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn every_command_has_help() {
        for command in commands() {
            assert!(help(&command.name()).contains(command.about), "{}", command.name());
        }
        assert!(help("add").contains("add resource") && !help("add").contains("set image"));
    }
}
