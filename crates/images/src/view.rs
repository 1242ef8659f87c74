//! Layers seen as one tree, as a container would see them, without mounting anything.

use crate::layer_tar::is_opaque;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

/// How many symlinks a path may lead through, as in the kernel.
const MOST_LINKS: usize = 40;

/// A stack of layers, lowest first.
#[derive(Debug, Clone)]
pub struct View {
    layers: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Folder,
    File,
    Symlink,
    Other,
}

/// What the view has at a path.
#[derive(Debug, Clone)]
pub struct Node {
    pub kind: Kind,
    /// Where it is on this machine. For a folder: its highest layer (attributes come from there).
    pub path: PathBuf,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub meta: Metadata,
    /// The folder in every layer that adds to it, highest first.
    merged: Vec<PathBuf>,
}

impl View {
    pub fn new(layers: Vec<PathBuf>) -> View {
        View { layers }
    }

    pub fn layers(&self) -> &[PathBuf] {
        &self.layers
    }

    /// The view with one more layer on top.
    pub fn with(&self, layer: PathBuf) -> View {
        let mut layers = self.layers.clone();
        layers.push(layer);
        View { layers }
    }

    /// What is at a path, without following a symlink anywhere in it.
    pub fn get(&self, path: &Path) -> Option<Node> {
        let mut folders: Vec<PathBuf> = self.layers.iter().rev().cloned().collect();
        let mut node = None;
        let mut depth = 0;
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            if depth > 0 && node.as_ref().is_none_or(|node: &Node| node.kind != Kind::Folder) {
                return None;
            }
            let found = look(&folders, &PathBuf::from(name))?;
            folders.clone_from(&found.merged);
            node = Some(found);
            depth += 1;
        }
        if depth == 0 { root(folders) } else { node }
    }

    /// What is at a path, following symlinks within the view, and the path that was reached in the end.
    pub fn follow(&self, path: &Path) -> Option<(PathBuf, Node)> {
        let reached = self.resolve(path)?;
        let node = self.get(&reached)?;
        (node.kind != Kind::Symlink).then_some((reached, node))
    }

    /// Where a path leads, following symlinks within the view; what does not exist is kept as it is.
    /// `None`: too many symlinks.
    pub fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let mut left: Vec<OsString> = parts(path);
        left.reverse();
        let mut reached = PathBuf::new();
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == ".." {
                reached.pop();
                continue;
            }
            let next = reached.join(&name);
            match self.get(&next) {
                Some(node) if node.kind == Kind::Symlink => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    let target = fs::read_link(&node.path).ok()?;
                    if target.is_absolute() {
                        reached = PathBuf::new();
                    }
                    left.extend(parts(&target).into_iter().rev());
                }
                _ => reached = next,
            }
        }
        Some(reached)
    }

    /// The names in a folder and what they are, in order.
    pub fn list(&self, folder: &Node) -> BTreeMap<OsString, Node> {
        let mut names = std::collections::BTreeSet::new();
        for path in &folder.merged {
            if let Ok(entries) = fs::read_dir(path) {
                names.extend(entries.flatten().map(|entry| entry.file_name()));
            }
        }
        let nodes = names.into_iter().filter_map(|name| {
            let node = look(&folder.merged, Path::new(&name))?;
            Some((name, node))
        });
        nodes.collect()
    }

    /// The text of a small file of the image (`/etc/passwd`), following symlinks.
    pub fn read(&self, path: &str) -> Option<String> {
        let (_, node) = self.follow(Path::new(path))?;
        (node.kind == Kind::File)
            .then(|| fs::read(&node.path).ok())?
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn parts(path: &Path) -> Vec<OsString> {
    let wanted = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    wanted.collect()
}

fn root(folders: Vec<PathBuf>) -> Option<Node> {
    let path = folders.first()?.clone();
    let meta = fs::symlink_metadata(&path).ok()?;
    Some(node(Kind::Folder, path, meta, folders))
}

/// Looks a name up in the same folder of several layers, highest first.
fn look(folders: &[PathBuf], name: &Path) -> Option<Node> {
    let mut found: Option<Node> = None;
    for folder in folders {
        let path = folder.join(name);
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let kind = meta.file_type();
        if kind.is_dir() {
            let last = is_opaque(&path);
            match &mut found {
                Some(node) => node.merged.push(path),
                None => found = Some(node(Kind::Folder, path.clone(), meta, vec![path])),
            }
            if last {
                break;
            }
            continue;
        }
        if found.is_none() && !(kind.is_char_device() && meta.rdev() == 0) {
            let kind = if kind.is_file() {
                Kind::File
            } else if kind.is_symlink() {
                Kind::Symlink
            } else {
                Kind::Other
            };
            found = Some(node(kind, path, meta, Vec::new()));
        }
        // A file, a symlink or a whiteout hides everything below.
        break;
    }
    found
}

fn node(kind: Kind, path: PathBuf, meta: Metadata, merged: Vec<PathBuf>) -> Node {
    Node { kind, path, mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid(), meta, merged }
}
