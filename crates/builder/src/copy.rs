//! COPY and ADD.

use crate::build::{Build, blocking};
use crate::cache::{Cache, Key, Record};
use crate::error::{Error, Result};
use crate::gather::{Content, Item, Missing, Place, Tree, digest, gather, unchanged};
use crate::instruction::{expand, now};
use crate::memo::Memo;
use crate::owner::owner;
use crate::place::{Destination, Dress, Placer};
use crate::state::{State, absolute};
use dockerfile::{Copy, Ignore, Instruction, PlannedStage, Source};
use images::{Images, View};
use oci::Digest;
use parking_lot::Mutex;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often files that change while they are copied are tried again.
const ATTEMPTS: usize = 5;

/// Everything that a COPY depends on, with variables expanded.
struct Job {
    images: Images,
    cache: Cache,
    memo: Arc<Mutex<Memo>>,
    place: Place,
    /// What the place's files depend on, when it is a finished stage.
    place_key: Option<Digest>,
    words: Vec<Word>,
    excludes: Vec<String>,
    dest: PathBuf,
    is_folder: bool,
    dress: Dress,
    parents: bool,
    add: bool,
    line: usize,
    /// The stage's files.
    view: View,
    files: Digest,
    no_cache: bool,
}

enum Word {
    Path(String),
    Bytes { name: String, bytes: Vec<u8> },
}

impl Build {
    pub(crate) async fn copy_step(
        &self,
        stage: &PlannedStage,
        state: &mut State,
        instruction: &Instruction,
        copy: &Copy,
    ) -> Result<bool> {
        let job = self.copy_job(stage, state, instruction.line, copy).await?;
        let (key, record) = blocking(move || job.run()).await?;
        let is_cached = key.is_none();
        if let Some(key) = key {
            self.remember(&key, &record)?;
        }
        state.apply(&record, &self.images, &instruction.text);
        Ok(is_cached)
    }

    async fn copy_job(&self, stage: &PlannedStage, state: &State, line: usize, copy: &Copy) -> Result<Job> {
        let (place, place_key) = match &copy.from {
            None => (self.context.clone(), None),
            Some(from) => {
                let origin = self.origin(stage, from, line).await?;
                let place = Place { view: origin.view(), ignore: Ignore::default(), keeps_owners: true };
                (place, Some(origin.files.clone()))
            }
        };
        let mut words = Vec::new();
        for source in &copy.sources {
            words.push(word(state, line, source, copy.add)?);
        }
        let dest = expand(state, line, &copy.dest)?;
        let view = state.view();
        let chown = copy.chown.as_deref().map(|text| expand(state, line, text)).transpose()?;
        let chmod = copy.chmod.as_deref().map(|text| expand(state, line, text)).transpose()?;
        let dress = Dress {
            owner: chown
                .map(|value| {
                    owner(&view, &value).map_err(|reason| Error::Option {
                        line,
                        option: "--chown",
                        value,
                        reason,
                    })
                })
                .transpose()?,
            mode: chmod.map(|value| mode(line, value)).transpose()?,
        };
        let excludes =
            copy.excludes.iter().map(|text| expand(state, line, text)).collect::<Result<Vec<_>>>()?;
        let named_folder = dest.ends_with('/') || dest.ends_with("/.") || matches!(dest.as_str(), "." | "..");
        Ok(Job {
            images: self.images.clone(),
            cache: self.cache.clone(),
            memo: self.memo.clone(),
            place,
            place_key,
            is_folder: named_folder || words.len() > 1,
            words,
            excludes,
            dest: absolute(state.workdir(), &dest),
            dress,
            parents: copy.parents,
            add: copy.add,
            line,
            files: state.files.clone(),
            view,
            no_cache: self.request.no_cache,
        })
    }
}

impl Job {
    /// The step's result, and the key under which it is to be remembered if it is new.
    fn run(self) -> Result<(Option<Digest>, Record)> {
        for _ in 0..ATTEMPTS {
            // A finished stage's files need not be looked at again when they were once.
            if let Some(content) = self.known_content()
                && let Some(record) = self.cached(&self.key(&content))
            {
                return Ok((None, record));
            }
            let trees = self.gather()?;
            let content = self.content(&trees)?;
            let key = self.key(&content);
            if let Some(record) = self.cached(&key) {
                return Ok((None, record));
            }
            if let Some(record) = self.make(trees)? {
                return Ok((Some(key), record));
            }
        }
        Err(Error::Unstable { line: self.line, from: self.names().join(" ") })
    }

    fn names(&self) -> Vec<String> {
        let names = self.words.iter().map(|word| match word {
            Word::Path(path) => path.clone(),
            Word::Bytes { name, .. } => format!("<<{name}"),
        });
        names.collect()
    }

    fn gather(&self) -> Result<Vec<Tree>> {
        let excludes = Ignore::excluding(self.excludes.iter().map(String::as_str));
        let mut trees = Vec::new();
        for word in &self.words {
            match word {
                Word::Path(path) => {
                    trees.extend(
                        gather(&self.place, path, &excludes)
                            .map_err(|found| missing(found, path, self.line))?,
                    );
                }
                Word::Bytes { name, bytes } => trees.push(document(name, bytes)),
            }
        }
        Ok(trees)
    }

    fn content_key(&self) -> Option<Digest> {
        let place = self.place_key.as_ref()?;
        Some(Key::new("content").with(place.as_str()).list(self.names()).list(&self.excludes).finish())
    }

    fn known_content(&self) -> Option<Digest> {
        if self.words.iter().any(|word| matches!(word, Word::Bytes { .. })) {
            return None;
        }
        self.cache.digest(&self.content_key()?)
    }

    fn content(&self, trees: &[Tree]) -> Result<Digest> {
        let content = digest(trees, &self.place, &mut self.memo.lock())
            .map_err(|found| missing(found, &self.names().join(" "), self.line))?;
        if let Some(key) = self.content_key() {
            self.cache.put_digest(&key, &content)?;
        }
        Ok(content)
    }

    fn key(&self, content: &Digest) -> Digest {
        Key::new("copy")
            .with(self.files.as_str())
            .with(content.as_str())
            .with(self.dest.as_os_str().as_encoded_bytes())
            .with(format!("{:?} {:?}", self.dress.owner, self.dress.mode))
            .with([u8::from(self.is_folder), u8::from(self.parents), u8::from(self.add)])
            .finish()
    }

    fn cached(&self, key: &Digest) -> Option<Record> {
        if self.no_cache { None } else { self.cache.get(key, &self.images) }
    }

    /// Makes the layer; `None` if a file changed meanwhile.
    fn make(&self, mut trees: Vec<Tree>) -> Result<Option<Record>> {
        let scratch = self.images.scratch()?;
        let is_many = self.is_folder || trees.len() > 1;
        if self.add {
            for (number, tree) in trees.iter_mut().enumerate() {
                self.unpack(tree, &scratch.path().join(format!("archive-{number}")))?;
            }
        }
        let mut placer = Placer::new(scratch.path().join("tree"), self.view.clone())?;
        let to = Destination { path: &self.dest, is_folder: is_many, line: self.line };
        let copied = placer.copy(&trees, &to, self.dress, self.parents);
        if !unchanged(&trees) {
            return Ok(None);
        }
        copied?;
        let layer = self.images.adopt_layer(&placer.finish()?)?;
        Ok(Some(Record { layer: Some(layer.diff_id), size: layer.size, created: now() }))
    }

    /// ADD puts what is in a local archive in the archive's place.
    fn unpack(&self, tree: &mut Tree, into: &Path) -> Result<()> {
        let [Item { content: Content::File { path, .. }, .. }] = tree.items.as_slice() else { return Ok(()) };
        if tree.is_folder {
            return Ok(());
        }
        match archive_kind(path) {
            Some("tar") => {}
            Some(kind) => {
                let what = format!("unpacking {kind} archives (`{}`)", tree.name.to_string_lossy());
                return Err(Error::Unsupported { line: self.line, what });
            }
            None => return Ok(()),
        }
        let file = File::open(path).map_err(Error::file("open", path))?;
        self.images.unpack_archive(&tree.name.to_string_lossy(), file, into)?;
        let place =
            Place { view: View::new(vec![into.to_owned()]), ignore: Ignore::default(), keeps_owners: true };
        let mut unpacked = gather(&place, "", &Ignore::default())
            .map_err(|found| missing(found, &tree.name.to_string_lossy(), self.line))?;
        if let Some(mut inner) = unpacked.pop() {
            // The archive's root is the destination, which keeps what it has.
            inner.items.retain(|item| !item.rel.as_os_str().is_empty());
            *tree = inner;
        }
        Ok(())
    }
}

fn word(state: &State, line: usize, source: &Source, add: bool) -> Result<Word> {
    match source {
        Source::Heredoc(document) => {
            let body = document.body(state.escape, &|name| state.variable(name));
            let body = body.map_err(|source| Error::Expand { line, text: document.name.clone(), source })?;
            Ok(Word::Bytes { name: document.name.clone(), bytes: body.into_bytes() })
        }
        Source::Path(text) => {
            let path = expand(state, line, text)?;
            let is_url =
                ["http://", "https://", "git@", "git://"].iter().any(|start| path.starts_with(start));
            if add && is_url { Err(Error::Url { line, url: path }) } else { Ok(Word::Path(path)) }
        }
    }
}

pub(crate) fn missing(found: Missing, name: &str, line: usize) -> Error {
    match found {
        Missing::Nothing { ignored } => Error::NoSource { line, source_path: name.to_owned(), ignored },
        Missing::Read { path, source } => Error::File { doing: "read", path, source },
    }
}

fn document(name: &str, bytes: &[u8]) -> Tree {
    let item = Item {
        rel: PathBuf::new(),
        content: Content::Bytes(bytes.to_owned()),
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0,
    };
    Tree { name: OsString::from(name), parent: PathBuf::new(), is_folder: false, items: vec![item] }
}

fn mode(line: usize, value: String) -> Result<u32> {
    let parsed = u32::from_str_radix(&value, 8).ok().filter(|mode| *mode <= 0o7777);
    parsed.ok_or(Error::Option { line, option: "--chmod", value, reason: "it is not an octal mode" })
}

/// `tar` (plain, gzip, zstd), or the name of what we cannot unpack.
fn archive_kind(path: &Path) -> Option<&'static str> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(512).read_to_end(&mut start).ok()?;
    match start.as_slice() {
        // A compressed file need not be an archive; Docker leaves others alone.
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => is_tar_inside(path).then_some("tar"),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        bytes if bytes.get(257..262) == Some(b"ustar") => Some("tar"),
        _ => None,
    }
}

fn is_tar_inside(path: &Path) -> bool {
    let name = path.to_string_lossy();
    [".tar.gz", ".tgz", ".tar.zst", ".tzst"].iter().any(|end| name.ends_with(end)) || {
        let Ok(file) = File::open(path) else { return false };
        let mut start = Vec::new();
        let read = flate2::read::GzDecoder::new(file).take(512).read_to_end(&mut start);
        read.is_ok() && start.get(257..262) == Some(b"ustar")
    }
}
