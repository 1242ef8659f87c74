//! What is known at a point of a stage: layers so far, config so far, variables in scope.

use crate::cache::{Key, Record};
use dockerfile::ExpandError;
use images::{Image, Images, View};
use oci::{Descriptor, Digest, History, ImageConfig, LayerList, media};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Images from nothing, and steps that make nothing, have this time: the same build gives the same image.
const EPOCH: &str = "1970-01-01T00:00:00Z";

pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) config: ImageConfig,
    /// As the manifest names them.
    pub(crate) layers: Vec<Descriptor>,
    /// Unpacked.
    pub(crate) paths: Vec<PathBuf>,
    /// Says what files there are: made of the layers' digests alone, so that a step that makes the same files again
    /// leaves everything after it in the cache.
    pub(crate) files: Digest,
    /// ARG values in scope.
    pub(crate) args: BTreeMap<String, String>,
    /// Has this stage set CMD itself? (An ENTRYPOINT clears the base image's CMD.)
    pub(crate) has_cmd: bool,
    pub(crate) escape: char,
}

impl State {
    pub(crate) fn scratch(images: &Images, escape: char) -> State {
        let platform = images.platform();
        let config = ImageConfig {
            created: Some(EPOCH.into()),
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
            rootfs: LayerList::default(),
            ..ImageConfig::default()
        };
        State {
            config,
            layers: Vec::new(),
            paths: Vec::new(),
            files: Key::new("files").finish(),
            args: BTreeMap::new(),
            has_cmd: false,
            escape,
        }
    }

    pub(crate) fn of_image(
        images: &Images,
        image: &Image,
        paths: Vec<PathBuf>,
        escape: char,
    ) -> images::Result<State> {
        let mut state = State::scratch(images, escape);
        state.config = images.config(image)?;
        // An image that says when it was made says it for its children until a step makes something.
        state.config.created.get_or_insert_with(|| EPOCH.into());
        for (diff_id, descriptor) in images.layers_of(image)? {
            state.files = next(&state.files, &diff_id);
            state.layers.push(descriptor);
        }
        state.paths = paths;
        Ok(state)
    }

    /// A stage that begins where another ended: variables of ARG do not cross over.
    pub(crate) fn child(&self) -> State {
        State { args: BTreeMap::new(), has_cmd: false, ..self.clone() }
    }

    pub(crate) fn view(&self) -> View {
        View::new(self.paths.clone())
    }

    /// A variable's value: ENV wins over ARG.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.config.config.env(name).map(str::to_owned).or_else(|| self.args.get(name).cloned())
    }

    pub(crate) fn expand(&self, text: &str) -> Result<String, ExpandError> {
        dockerfile::expand(text, self.escape, &|name| self.variable(name))
    }

    /// The folder that relative paths are in.
    pub(crate) fn workdir(&self) -> &Path {
        match self.config.config.working_dir.as_str() {
            "" => Path::new("/"),
            other => Path::new(other),
        }
    }

    pub(crate) fn shell(&self) -> Vec<String> {
        let own = self.config.config.extra_list("Shell");
        if own.is_empty() { vec!["/bin/sh".into(), "-c".into()] } else { own }
    }

    /// The step's result becomes part of the stage.
    pub(crate) fn apply(&mut self, record: &Record, images: &Images, text: &str) {
        let mut history = History {
            created: Some(record.created.clone()),
            created_by: Some(text.to_owned()),
            ..History::default()
        };
        match &record.layer {
            Some(layer) => {
                self.files = next(&self.files, layer);
                self.paths.push(images.layer_path(layer));
                self.layers.push(Descriptor::new(media::OCI_LAYER, layer.clone(), record.size));
                self.config.rootfs.diff_ids.push(layer.clone());
                self.config.created = Some(record.created.clone());
            }
            None => history.empty_layer = true,
        }
        self.config.history.push(history);
    }

    /// An instruction that changed only the config.
    pub(crate) fn noted(&mut self, text: &str) {
        let created = self.config.created.clone().unwrap_or_else(|| EPOCH.into());
        let history = History {
            created: Some(created),
            created_by: Some(text.to_owned()),
            empty_layer: true,
            ..History::default()
        };
        self.config.history.push(history);
    }

    pub(crate) fn set_extra(&mut self, name: &str, value: Value) {
        self.config.config.extra.insert(name.to_owned(), value);
    }

    pub(crate) fn add_trigger(&mut self, text: &str) {
        let mut triggers = self.config.config.extra_list("OnBuild");
        triggers.push(text.to_owned());
        self.set_extra("OnBuild", json!(triggers));
    }

    /// The base image's ONBUILD triggers; they are for its children only, not for theirs.
    pub(crate) fn take_triggers(&mut self) -> Vec<String> {
        let triggers = self.config.config.extra_list("OnBuild");
        self.config.config.extra.remove("OnBuild");
        triggers
    }
}

fn next(files: &Digest, layer: &Digest) -> Digest {
    Key::new("files+").with(files.as_str()).with(layer.as_str()).finish()
}

/// A path as the container sees it, without `.` and `..`.
pub(crate) fn absolute(base: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::from("/");
    for component in base.join(path).components() {
        match component {
            std::path::Component::Normal(name) => whole.push(name),
            std::path::Component::ParentDir => {
                whole.pop();
            }
            _ => {}
        }
    }
    whole
}
