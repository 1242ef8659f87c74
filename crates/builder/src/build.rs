//! One build: the stages that are needed, each once, those that do not depend on each other side by side.

use crate::cache::{Cache, Key};
use crate::error::{Error, Result};
use crate::gather::Place;
use crate::memo::Memo;
use crate::runner::Runner;
use crate::state::State;
use crate::trust::Trust;
use crate::{BuildEvent, BuildRequest, Locks};
use dockerfile::{Graph, Ignore, Origin, PlannedStage, Severity};
use futures::future::{BoxFuture, FutureExt as _, try_join_all};
use images::{Image, Images, View};
use oci::Digest;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::Sender;

pub(crate) struct Build {
    pub(crate) images: Images,
    pub(crate) runner: Runner,
    pub(crate) root: PathBuf,
    pub(crate) locks: Locks,
    pub(crate) cache: Cache,
    pub(crate) request: BuildRequest,
    pub(crate) graph: Graph,
    /// Build arguments, and the platform's own (`TARGETARCH`, …).
    pub(crate) args: BTreeMap<String, String>,
    pub(crate) context: Place,
    pub(crate) memo: Arc<Mutex<Memo>>,
    pub(crate) trust: Option<Arc<Trust>>,
    events: Sender<BuildEvent>,
    stages: Vec<OnceCell<Arc<State>>>,
    /// Images that COPY --from and mounts name.
    others: tokio::sync::Mutex<BTreeMap<String, Arc<State>>>,
    /// Did any step have to be carried out?
    worked: AtomicBool,
}

impl Build {
    /// Reads what is asked for; nothing is built yet. Blocks.
    pub(crate) fn prepare(
        images: Images,
        runner: Runner,
        root: PathBuf,
        locks: Locks,
        request: BuildRequest,
        events: Sender<BuildEvent>,
    ) -> Result<Build> {
        let (file, diagnostics) = dockerfile::parse(&request.dockerfile);
        if let Some(first) = diagnostics.into_iter().find(|found| found.severity == Severity::Error) {
            return Err(Error::Syntax {
                file: request.dockerfile_path.clone(),
                line: first.line,
                column: first.column,
                message: first.message,
                hint: first.hint,
            });
        }
        let context = request.context.canonicalize();
        let context = context.map_err(|source| Error::Context { path: request.context.clone(), source })?;
        let mut args = platform_args(&images);
        args.extend(request.args.clone());
        let graph = dockerfile::plan(&file, &args, request.target.as_deref())?;
        let ignore = ignore(&request, &context)?;
        let trust = request.host_trust.then(|| Arc::new(Trust::of_host()));
        Ok(Build {
            cache: Cache::open(&root)?,
            memo: Arc::new(Mutex::new(Memo::open(&root, &context))),
            context: Place { view: View::new(vec![context]), ignore, keeps_owners: false },
            stages: graph.stages.iter().map(|_| OnceCell::new()).collect(),
            others: tokio::sync::Mutex::default(),
            worked: AtomicBool::new(false),
            images,
            runner,
            root,
            locks,
            request,
            graph,
            args,
            trust,
            events,
        })
    }

    pub(crate) async fn run(&self) -> Result<Image> {
        for name in &self.graph.unused_args {
            let text = format!("warning: no ARG in the Dockerfile takes the build argument {name}\n");
            self.tell(BuildEvent::Output { text }).await;
        }
        let state = self.stage(self.graph.target).await?;
        let mut config = state.config.clone();
        config.config.labels.extend(self.request.labels.clone());
        let (images, layers, tags) = (self.images.clone(), state.layers.clone(), self.request.tags.clone());
        let pins: Vec<Digest> = self
            .stages
            .iter()
            .filter_map(OnceCell::get)
            .flat_map(|s| s.config.rootfs.diff_ids.clone())
            .collect();
        let owner = self.owner();
        let memo = self.memo.clone();
        let worked = self.worked();
        blocking(move || {
            memo.lock().save();
            if worked {
                images.pin(&owner, &pins)?;
            }
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            Ok(images.put_image(&tags, &config, layers)?)
        })
        .await
    }

    pub(crate) fn worked(&self) -> bool {
        self.worked.load(Ordering::Relaxed)
    }

    pub(crate) fn has_worked(&self) {
        self.worked.store(true, Ordering::Relaxed);
    }

    /// Whoever reads the events may have gone; the build goes on.
    pub(crate) async fn tell(&self, event: BuildEvent) {
        let _gone = self.events.send(event).await;
    }

    /// The layers of a project's last build stay until its next one.
    fn owner(&self) -> String {
        let request = &self.request;
        let key = Key::new("owner")
            .with(request.context.as_os_str().as_encoded_bytes())
            .with(request.dockerfile_path.as_os_str().as_encoded_bytes())
            .with(request.target.as_deref().unwrap_or_default());
        format!("build-{}", key.finish().short())
    }

    /// A stage's end, built if it was not yet.
    fn stage(&self, index: usize) -> BoxFuture<'_, Result<Arc<State>>> {
        async move {
            let state = self.stages[index].get_or_try_init(|| self.build_stage(index)).await?;
            Ok(state.clone())
        }
        .boxed()
    }

    async fn build_stage(&self, index: usize) -> Result<Arc<State>> {
        let stage = &self.graph.stages[index];
        try_join_all(stage.needs.iter().map(|need| self.stage(*need))).await?;
        let counter = Counter { build: self, stage, first: self.first_step(index) };
        let mut state = counter.begin().await?;
        for trigger in state.take_triggers() {
            let instruction =
                dockerfile::parse_trigger(&trigger, state.escape, stage.line).map_err(|found| {
                    Error::Syntax {
                        file: self.request.dockerfile_path.clone(),
                        line: found.line,
                        column: found.column,
                        message: format!("ONBUILD {trigger} (of the base image): {}", found.message),
                        hint: found.hint,
                    }
                })?;
            self.instruction(stage, &mut state, &instruction).await?;
        }
        for (number, instruction) in stage.instructions.iter().enumerate() {
            counter.step(number + 1, &mut state, instruction).await?;
        }
        Ok(Arc::new(state))
    }

    fn first_step(&self, index: usize) -> usize {
        1 + self.graph.stages[..index].iter().map(|stage| 1 + stage.instructions.len()).sum::<usize>()
    }

    fn steps(&self) -> usize {
        self.first_step(self.graph.stages.len()) - 1
    }

    /// Where `--from` leads.
    pub(crate) async fn origin(&self, stage: &PlannedStage, from: &str, line: usize) -> Result<Arc<State>> {
        match stage.sources.get(from) {
            Some(Origin::Stage(index)) => self.stage(*index).await,
            Some(Origin::Scratch) => Ok(Arc::new(State::scratch(&self.images, self.graph.escape))),
            Some(Origin::Image(name)) => self.other(name, line).await,
            // A trigger of a base image can name only images.
            None => self.other(from, line).await,
        }
    }

    async fn other(&self, name: &str, line: usize) -> Result<Arc<State>> {
        let mut others = self.others.lock().await;
        if let Some(known) = others.get(name) {
            return Ok(known.clone());
        }
        let state = Arc::new(self.image(name, line).await?);
        others.insert(name.to_owned(), state.clone());
        Ok(state)
    }

    /// An image as the beginning of a stage: the one that is here, or the registry's.
    async fn image(&self, name: &str, line: usize) -> Result<State> {
        let fail = |source| Error::Base { line, name: name.to_owned(), source };
        let image = match self.images.get(name) {
            Some(image) => image,
            None => {
                self.has_worked();
                let events = self.events.clone();
                let label = name.to_owned();
                let progress = move |bytes| {
                    // Progress may be skipped when the reader is slow.
                    let _full = events.try_send(BuildEvent::Pull { name: label.clone(), bytes });
                };
                self.images.pull(name, progress).await.map_err(fail)?
            }
        };
        let rootfs = self.images.rootfs(&image).await.map_err(fail)?;
        State::of_image(&self.images, &image, rootfs.layers, self.graph.escape).map_err(fail)
    }
}

/// Numbers and announces the steps of a stage.
struct Counter<'a> {
    build: &'a Build,
    stage: &'a PlannedStage,
    first: usize,
}

impl Counter<'_> {
    async fn announce(&self, offset: usize, text: &str) {
        let (number, of) = (self.first + offset, self.build.steps());
        let stages = self.build.graph.stages.len();
        let place = format!("{}/{}", offset + 1, 1 + self.stage.instructions.len());
        let name = match self.stage.name.parse::<usize>() {
            _ if stages == 1 => String::new(),
            Ok(number) => format!("stage-{number} "),
            Err(_) => format!("{} ", self.stage.name),
        };
        self.build.tell(BuildEvent::Step { number, of, text: format!("[{name}{place}] {text}") }).await;
    }

    async fn ended(&self, offset: usize, is_cached: bool, since: Instant) {
        let number = self.first + offset;
        let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let event =
            if is_cached { BuildEvent::Cached { number } } else { BuildEvent::Done { number, millis } };
        self.build.tell(event).await;
    }

    async fn begin(&self) -> Result<State> {
        let since = Instant::now();
        let line = self.stage.line;
        let base = match &self.stage.base {
            Origin::Scratch => "scratch".to_owned(),
            Origin::Image(name) => name.clone(),
            Origin::Stage(index) => self.build.graph.stages[*index].name.clone(),
        };
        self.announce(0, &format!("FROM {base}")).await;
        if let Some(platform) = &self.stage.platform {
            let host = self.build.images.platform();
            let fits = oci::Platform::parse(platform).is_some_and(|wanted| wanted.fits(host).is_some());
            if !fits {
                return Err(Error::Platform { line, platform: platform.clone(), host: host.to_string() });
            }
        }
        let state = match &self.stage.base {
            Origin::Scratch => State::scratch(&self.build.images, self.build.graph.escape),
            Origin::Image(name) => self.build.image(name, line).await?,
            Origin::Stage(index) => self.build.stage(*index).await?.child(),
        };
        self.ended(0, false, since).await;
        Ok(state)
    }

    async fn step(
        &self,
        offset: usize,
        state: &mut State,
        instruction: &dockerfile::Instruction,
    ) -> Result<()> {
        let since = Instant::now();
        self.announce(offset, &instruction.text).await;
        let is_cached = self.build.instruction(self.stage, state, instruction).await?;
        self.ended(offset, is_cached, since).await;
        Ok(())
    }
}

/// `<Dockerfile>.dockerignore` beside the Dockerfile wins over the context's.
fn ignore(request: &BuildRequest, context: &Path) -> Result<Ignore> {
    if let Some(text) = &request.ignore {
        return Ok(Ignore::parse(text));
    }
    let mut beside = request.dockerfile_path.as_os_str().to_owned();
    beside.push(".dockerignore");
    for path in [PathBuf::from(beside), context.join(".dockerignore")] {
        match fs::read_to_string(&path) {
            Ok(text) => return Ok(Ignore::parse(&text)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(source) => return Err(Error::File { doing: "read", path, source }),
        }
    }
    Ok(Ignore::default())
}

/// `TARGETPLATFORM`, `BUILDARCH` and the like: what is built for is what is built on.
fn platform_args(images: &Images) -> BTreeMap<String, String> {
    let platform = images.platform();
    let mut args = BTreeMap::new();
    for side in ["TARGET", "BUILD"] {
        args.insert(format!("{side}PLATFORM"), platform.to_string());
        args.insert(format!("{side}OS"), platform.os.clone());
        args.insert(format!("{side}ARCH"), platform.architecture.clone());
        args.insert(format!("{side}VARIANT"), platform.variant.clone().unwrap_or_default());
    }
    args
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopped)?
}
