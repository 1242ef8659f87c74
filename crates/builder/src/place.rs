//! Gathered trees become files of a new layer, placed as a container with the layers below would see them.

use crate::error::{Error, Result};
use crate::gather::{Content, Item, Tree};
use images::{Kind, View};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

/// A layer in the making.
pub(crate) struct Placer {
    tree: PathBuf,
    below: View,
    /// The view with the new layer on top.
    merged: View,
    /// Folders whose place is known: as named → as it is in the layer.
    folders: HashMap<PathBuf, PathBuf>,
    /// Times that folders get in the end.
    times: BTreeMap<PathBuf, i64>,
}

/// What copied files get instead of what they had.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dress {
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) mode: Option<u32>,
}

/// Where COPY puts things.
pub(crate) struct Destination<'a> {
    /// Absolute, as written.
    pub(crate) path: &'a Path,
    /// Was it written as a folder (`/` at the end, or several sources)?
    pub(crate) is_folder: bool,
    pub(crate) line: usize,
}

impl Placer {
    pub(crate) fn new(tree: PathBuf, below: View) -> Result<Placer> {
        fs::create_dir_all(&tree).map_err(Error::file("make folder", &tree))?;
        fs::set_permissions(&tree, fs::Permissions::from_mode(0o755))
            .map_err(Error::file("make folder", &tree))?;
        let merged = below.with(tree.clone());
        Ok(Placer { tree, below, merged, folders: HashMap::new(), times: BTreeMap::new() })
    }

    pub(crate) fn copy(
        &mut self,
        trees: &[Tree],
        to: &Destination<'_>,
        dress: Dress,
        parents: bool,
    ) -> Result<()> {
        for tree in trees {
            let fail = |reason| Error::Copy {
                line: to.line,
                from: tree.name.to_string_lossy().into_owned(),
                to: to.path.display().to_string(),
                reason,
            };
            let base = self.merged.resolve(to.path).ok_or_else(|| fail("there is a loop of symlinks"))?;
            let exists = self.merged.get(&base).map(|node| node.kind);
            let base = if parents { base.join(&tree.parent) } else { base };
            let base = match (tree.is_folder, parents, exists) {
                (_, true, _) => base.join(&tree.name),
                (true, ..) => base,
                (false, _, Some(Kind::Folder)) => base.join(&tree.name),
                (false, _, exists) if to.is_folder => {
                    if exists.is_some() {
                        return Err(fail("the destination is a file"));
                    }
                    base.join(&tree.name)
                }
                (false, ..) => base,
            };
            for item in &tree.items {
                let target =
                    if item.rel.as_os_str().is_empty() { base.clone() } else { base.join(&item.rel) };
                self.item(item, &target, dress).map_err(|error| match error {
                    Failed::Reason(reason) => fail(reason),
                    Failed::File(path, source) => Error::File { doing: "write", path, source },
                })?;
            }
        }
        Ok(())
    }

    /// Makes a folder (WORKDIR) if there is none.
    pub(crate) fn make_folder(&mut self, path: &Path, owner: (u32, u32)) -> Result<()> {
        let path = self.merged.resolve(path).unwrap_or_else(|| path.to_owned());
        let dress = Dress { owner: Some(owner), mode: None };
        self.folder(&path, dress).map(drop).map_err(|error| match error {
            Failed::Reason(reason) => {
                Error::Copy { line: 0, from: String::new(), to: path.display().to_string(), reason }
            }
            Failed::File(path, source) => Error::File { doing: "make folder", path, source },
        })
    }

    /// The finished tree.
    pub(crate) fn finish(self) -> Result<PathBuf> {
        for (folder, mtime) in self.times.iter().rev() {
            set_time(folder, *mtime).map_err(Error::file("set the time of", folder))?;
        }
        Ok(self.tree)
    }

    fn item(&mut self, item: &Item, target: &Path, dress: Dress) -> Result<(), Failed> {
        if let Content::Folder = item.content {
            let is_new = self.merged.follow(target).is_none();
            let place = self.folder(target, dress)?;
            if is_new {
                // It has what its source has, not what missing parents get.
                let (uid, gid) = dress.owner.unwrap_or((item.uid, item.gid));
                lchown(&place, Some(uid), Some(gid)).map_err(failed(&place))?;
                let mode = dress.mode.unwrap_or(item.mode);
                fs::set_permissions(&place, fs::Permissions::from_mode(mode)).map_err(failed(&place))?;
                self.times.insert(place, item.mtime);
            }
            return Ok(());
        }
        let name =
            target.file_name().ok_or(Failed::Reason("a file cannot take the place of the root folder"))?;
        let parent = self.folder(target.parent().unwrap_or(Path::new("")), dress)?;
        let place = parent.join(name);
        if let Some(node) = self.merged.get(&self.inside(&place))
            && node.kind == Kind::Folder
        {
            return Err(Failed::Reason("a folder is in the place of the file"));
        }
        if let Err(error) = fs::remove_file(&place)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(Failed::File(place, error));
        }
        match &item.content {
            Content::File { path, .. } => {
                fs::copy(path, &place).map(drop).map_err(failed(path))?;
            }
            Content::Bytes(bytes) => fs::write(&place, bytes).map_err(failed(&place))?,
            Content::Symlink(target) => std::os::unix::fs::symlink(target, &place).map_err(failed(&place))?,
            Content::Folder => {}
        }
        let (uid, gid) = dress.owner.unwrap_or((item.uid, item.gid));
        lchown(&place, Some(uid), Some(gid)).map_err(failed(&place))?;
        if let Content::File { path, keeps_attributes: true, .. } = &item.content {
            // After the owner: changing it takes capabilities away.
            copy_attributes(path, &place).map_err(failed(&place))?;
        }
        if !matches!(item.content, Content::Symlink(_)) {
            let mode = dress.mode.unwrap_or(item.mode);
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).map_err(failed(&place))?;
        }
        set_time(&place, item.mtime).map_err(failed(&place))
    }

    /// The folder in the layer for a folder of the container, made with all its parents: those that exist below with
    /// the attributes that they have there, the others as root's (or the copy's owner's) with mode 755.
    fn folder(&mut self, path: &Path, dress: Dress) -> Result<PathBuf, Failed> {
        let path: PathBuf =
            path.components().filter(|c| matches!(c, std::path::Component::Normal(_))).collect();
        if path.as_os_str().is_empty() {
            return Ok(self.tree.clone());
        }
        if let Some(known) = self.folders.get(&path) {
            return Ok(known.clone());
        }
        let parent = self.folder(path.parent().unwrap_or(Path::new("")), dress)?;
        let place = parent.join(path.file_name().expect("the path is not empty"));
        let inside = self.inside(&place);
        let node = self.merged.get(&inside);
        let made = match node.as_ref().map(|node| node.kind) {
            Some(Kind::Symlink) => {
                let (reached, node) = self
                    .merged
                    .follow(&inside)
                    .ok_or(Failed::Reason("a symlink in the path leads nowhere"))?;
                if node.kind != Kind::Folder {
                    return Err(Failed::Reason("a file is where a folder should be"));
                }
                self.folder(&reached, dress)?
            }
            Some(Kind::Folder) if place.exists() => place,
            Some(Kind::Folder) => {
                let node = self.below.get(&inside).ok_or(Failed::Reason("a folder vanished"))?;
                fs::create_dir(&place).map_err(failed(&place))?;
                lchown(&place, Some(node.uid), Some(node.gid)).map_err(failed(&place))?;
                fs::set_permissions(&place, fs::Permissions::from_mode(node.mode)).map_err(failed(&place))?;
                self.times.insert(place.clone(), node.meta.mtime());
                place
            }
            Some(_) => return Err(Failed::Reason("a file is where a folder should be")),
            None => {
                fs::create_dir(&place).map_err(failed(&place))?;
                let (uid, gid) = dress.owner.unwrap_or((0, 0));
                lchown(&place, Some(uid), Some(gid)).map_err(failed(&place))?;
                fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).map_err(failed(&place))?;
                self.times.insert(place.clone(), 0);
                place
            }
        };
        self.folders.insert(path, made.clone());
        Ok(made)
    }

    fn inside(&self, place: &Path) -> PathBuf {
        place.strip_prefix(&self.tree).unwrap_or(place).to_owned()
    }
}

enum Failed {
    Reason(&'static str),
    File(PathBuf, io::Error),
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Failed {
    let path = path.to_owned();
    move |source| Failed::File(path, source)
}

/// Capabilities and the user's own attributes; what is missing on this file system stays missing.
fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let Ok(names) = xattr::list(from) else { return Ok(()) };
    for name in names {
        let text = name.to_string_lossy();
        let is_the_files = text == "security.capability" || text.starts_with("user.");
        if is_the_files
            && !text.starts_with("user.overlay.")
            && let Some(value) = xattr::get(from, &name)?
        {
            xattr::set(to, &name, &value)?;
        }
    }
    Ok(())
}

fn set_time(path: &Path, seconds: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// Copies trees into an empty folder of their own (bind mounts), and says what to mount.
pub(crate) fn lay_out(trees: &[Tree], folder: &Path, line: usize) -> Result<PathBuf> {
    let mut placer = Placer::new(folder.to_owned(), View::new(Vec::new()))?;
    let single = trees.first().filter(|tree| trees.len() == 1 && !tree.is_folder);
    let to = Destination { path: Path::new("/"), is_folder: single.is_some(), line };
    placer.copy(trees, &to, Dress::default(), false)?;
    let made = placer.finish()?;
    Ok(single.map_or(made.clone(), |tree| made.join(&tree.name)))
}

/// Does a folder of the layer say nothing that the layers below do not say?
pub(crate) fn is_noise(folder: &Path, below: &View, inside: &Path) -> bool {
    let Ok(meta) = fs::symlink_metadata(folder) else { return false };
    let is_empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    is_empty
        && below.get(inside).is_some_and(|node| {
            node.kind == Kind::Folder
                && node.mode == meta.mode() & 0o7777
                && (node.uid, node.gid) == (meta.uid(), meta.gid())
        })
}
