//! What a COPY takes: source words become trees of files, from the context or from another stage.

use crate::memo::{Memo, Stamp};
use dockerfile::{Glob, Ignore};
use images::{Kind, Node, View};
use oci::{Digest, Hasher};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// A place that sources are taken from.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) view: View,
    pub(crate) ignore: Ignore,
    /// Do files keep their owners (another stage's do, the context's become root's)?
    pub(crate) keeps_owners: bool,
}

/// One thing that a source word stands for.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// Its name, if it is put into a folder.
    pub(crate) name: OsString,
    /// Its folders in the place, for `--parents`.
    pub(crate) parent: PathBuf,
    pub(crate) is_folder: bool,
    pub(crate) items: Vec<Item>,
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Below the tree; empty for the tree itself.
    pub(crate) rel: PathBuf,
    pub(crate) content: Content,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: i64,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Folder,
    File { path: PathBuf, stamp: Stamp, keeps_attributes: bool },
    Bytes(Vec<u8>),
    Symlink(PathBuf),
}

/// Why a word stands for nothing.
#[derive(Debug)]
pub(crate) enum Missing {
    Nothing { ignored: bool },
    Read { path: PathBuf, source: io::Error },
}

/// Finds what a source word stands for.
pub(crate) fn gather(place: &Place, word: &str, excludes: &Ignore) -> Result<Vec<Tree>, Missing> {
    let mut ignored = false;
    let mut trees = Vec::new();
    for path in matching(&place.view, word) {
        let Some((_, node)) = place.view.follow(&path) else { continue };
        let text = slashes(&path);
        if !text.is_empty() && node.kind != Kind::Folder && place.ignore.ignores(&text) {
            ignored = true;
            continue;
        }
        let mut tree = Tree {
            name: path.file_name().map(OsStr::to_owned).unwrap_or_default(),
            parent: path.parent().map(Path::to_owned).unwrap_or_default(),
            is_folder: node.kind == Kind::Folder,
            items: Vec::new(),
        };
        let is_taken = if tree.is_folder {
            let is_ignored = !text.is_empty() && place.ignore.ignores(&text);
            let walk = Walk { place, excludes };
            let taken = walk.folder(&node, &path, Path::new(""), is_ignored, &mut tree.items)?;
            ignored |= is_ignored && !taken;
            taken
        } else if excludes.ignores(&tree.name.to_string_lossy()) {
            false
        } else {
            item(place, &node, PathBuf::new()).is_some_and(|item| {
                tree.items.push(item);
                true
            })
        };
        if is_taken {
            trees.push(tree);
        }
    }
    if trees.is_empty() { Err(Missing::Nothing { ignored }) } else { Ok(trees) }
}

/// A digest of everything about the trees that ends up in a layer, but for the times.
pub(crate) fn digest(trees: &[Tree], place: &Place, memo: &mut Memo) -> Result<Digest, Missing> {
    let mut hasher = Hasher::default();
    for tree in trees {
        hasher
            .field(tree.name.as_bytes())
            .field(tree.parent.as_os_str().as_bytes())
            .field(&[u8::from(tree.is_folder)]);
        for item in &tree.items {
            hasher.field(item.rel.as_os_str().as_bytes()).field(&item.mode.to_le_bytes());
            if place.keeps_owners {
                hasher.field(&item.uid.to_le_bytes()).field(&item.gid.to_le_bytes());
            }
            match &item.content {
                Content::Folder => hasher.field(b"folder"),
                Content::Symlink(target) => hasher.field(b"symlink").field(target.as_os_str().as_bytes()),
                Content::Bytes(bytes) => hasher.field(b"file").field(Digest::of(bytes).as_str().as_bytes()),
                Content::File { path, stamp, .. } => {
                    let digest = memo
                        .digest(path, *stamp)
                        .map_err(|source| Missing::Read { path: path.clone(), source })?;
                    hasher.field(b"file").field(digest.as_str().as_bytes())
                }
            };
        }
        hasher.field(b"end");
    }
    Ok(hasher.finish())
}

/// Are the files as they were when they were gathered?
pub(crate) fn unchanged(trees: &[Tree]) -> bool {
    trees.iter().flat_map(|tree| &tree.items).all(|item| match &item.content {
        Content::File { path, stamp, .. } => {
            fs::symlink_metadata(path).is_ok_and(|meta| Stamp::of(&meta) == *stamp)
        }
        _ => true,
    })
}

struct Walk<'a> {
    place: &'a Place,
    excludes: &'a Ignore,
}

impl Walk<'_> {
    /// Adds a folder and what is in it. A folder that is left out appears only if something in it does not stay out.
    fn folder(
        &self,
        node: &Node,
        path: &Path,
        rel: &Path,
        is_left_out: bool,
        items: &mut Vec<Item>,
    ) -> Result<bool, Missing> {
        let at = items.len();
        items.push(Item {
            rel: rel.to_owned(),
            content: Content::Folder,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            mtime: node.meta.mtime(),
        });
        let mut is_taken = !is_left_out;
        for (name, child) in self.place.view.list(node) {
            let (child_path, child_rel) = (path.join(&name), rel.join(&name));
            let (text, rel_text) = (slashes(&child_path), slashes(&child_rel));
            let (ignore, excludes) = (&self.place.ignore, self.excludes);
            let is_out = ignore.ignores(&text) || excludes.ignores(&rel_text);
            if child.kind == Kind::Folder {
                let is_pruned = ignore.prunes(&text) || excludes.prunes(&rel_text);
                if !is_pruned {
                    is_taken |= self.folder(&child, &child_path, &child_rel, is_out, items)?;
                }
            } else if !is_out && let Some(item) = item(self.place, &child, child_rel) {
                items.push(item);
                is_taken = true;
            }
        }
        if !is_taken {
            items.truncate(at);
        }
        Ok(is_taken)
    }
}

fn item(place: &Place, node: &Node, rel: PathBuf) -> Option<Item> {
    let content = match node.kind {
        Kind::File => Content::File {
            path: node.path.clone(),
            stamp: Stamp::of(&node.meta),
            keeps_attributes: place.keeps_owners,
        },
        Kind::Symlink => Content::Symlink(fs::read_link(&node.path).ok()?),
        // Sockets, pipes and devices are not files that could be copied.
        Kind::Folder | Kind::Other => return None,
    };
    let (uid, gid) = if place.keeps_owners { (node.uid, node.gid) } else { (0, 0) };
    // A symlink has no mode of its own, but file systems differ in what they say.
    let mode = if node.kind == Kind::Symlink { 0o777 } else { node.mode };
    Some(Item { rel, content, mode, uid, gid, mtime: node.meta.mtime() })
}

/// The paths that a source word matches, in order, without what leads out of the place.
fn matching(view: &View, word: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in Path::new(word).components() {
        match component {
            Component::Normal(name) => {
                let glob = Glob::new(&name.to_string_lossy());
                found = match glob.literal() {
                    Some(literal) => found.into_iter().map(|path| path.join(literal)).collect(),
                    None => found.iter().flat_map(|path| children(view, path, &glob)).collect(),
                };
            }
            Component::ParentDir => found.iter_mut().for_each(|path| {
                path.pop();
            }),
            _ => {}
        }
    }
    found
}

fn children(view: &View, path: &Path, glob: &Glob) -> Vec<PathBuf> {
    let Some((_, node)) = view.follow(path) else { return Vec::new() };
    let names = view.list(&node).into_keys().filter(|name| glob.matches(&name.to_string_lossy()));
    names.map(|name| path.join(name)).collect()
}

fn slashes(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
