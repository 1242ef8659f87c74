//! Live update steps, and the list of them that an image takes.

use super::files::shown_command;
use crate::call::{Args, Call, Failure, Result, absolute, argv_of, fail, go_quote, go_repr, type_name};
use crate::env::StepDef;
use crate::plan::{LiveUpdate, LiveUpdateSelector, Step};
use crate::values::{FallBackOnStep, InitialSyncStep, RestartContainerStep, RunStep, SyncStep, step_index};
use starlark::values::{StarlarkValue, Value};
use std::path::PathBuf;
use std::sync::Arc;

fn add(call: &Call<'_, '_, '_, '_>, step: Step, kind: &'static str, text: String) -> (usize, Arc<str>) {
    let position = call.position();
    let text: Arc<str> = text.into();
    let mut reg = call.env().reg_mut();
    reg.steps.push(StepDef { step, position, used: false, kind, text: text.clone() });
    (reg.steps.len() - 1, text)
}

pub(crate) fn initial_sync<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    let text = "initial_sync step".to_owned();
    let (index, text) = add(call, Step::InitialSync, InitialSyncStep::TYPE, text);
    Ok(call.alloc(InitialSyncStep { index, text }))
}

pub(crate) fn fall_back_on<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let files = call.args()?.paths("paths")?;
    let shown: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    // the quote has no fellow in Tilt either
    let text = format!("fall_back_on step: [{}]'", shown.join(" "));
    let (index, text) = add(call, Step::FallBackOn(files), FallBackOnStep::TYPE, text);
    Ok(call.alloc(FallBackOnStep { index, text }))
}

pub(crate) fn sync<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let local = absolute(&args.dir, &args.text("local_path")?);
    let container = args.text("remote_path")?;
    let local_is_file = call.env().host.kind(&local) == Some(crate::FileKind::File);
    let text = format!("sync step: '{}'->'{container}'", local.display());
    let step = Step::Sync { local, container, local_is_file };
    let (index, text) = add(call, step, SyncStep::TYPE, text);
    Ok(call.alloc(SyncStep { index, text }))
}

pub(crate) fn run<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let echo_off = args.boolean("echo_off", false)?;
    let command = args.get("cmd").expect("it is required");
    let argv = argv_of(command, call.heap()).map_err(Failure::new)?;
    let shown = shown_command(&argv);
    let mut triggers: Vec<String> = Vec::new();
    for trigger in args.get("trigger").map(|v| args.one_or_many(v)).unwrap_or_default() {
        match trigger.unpack_str() {
            Some(text) => triggers.push(text.to_owned()),
            None => fail!(
                "run cmd '{shown}' triggers contained value '{}' of type '{}'. it may only contain strings",
                go_repr(trigger),
                type_name(trigger)
            ),
        }
    }
    if argv.is_empty() {
        fail!("run: cmd must not be empty");
    }
    let mut text = format!("run step: {}", go_quote(&shown));
    if !triggers.is_empty() {
        text.push_str(&format!(" (triggers: {})", triggers.join("; ")));
    }
    let triggers = triggers.iter().map(|t| absolute(&args.dir, t)).collect();
    let (index, text) = add(call, Step::Run { argv, triggers, echo_off }, RunStep::TYPE, text);
    Ok(call.alloc(RunStep { index, text }))
}

pub(crate) fn restart_container<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    let text = "restart_container step".to_owned();
    let (index, text) = add(call, Step::RestartContainer, RestartContainerStep::TYPE, text);
    Ok(call.alloc(RestartContainerStep { index, text }))
}

/// The `live_update=` of an image.
pub(crate) fn of_args<'v>(call: &Call<'v, '_, '_, '_>, args: &Args<'v>) -> Result<Option<LiveUpdate>> {
    let items = args.get("live_update").map(|v| args.one_or_many(v)).unwrap_or_default();
    if items.is_empty() {
        return Ok(None);
    }
    let steps = steps_of(call, items).map_err(|e| Failure::new(format!("live_update: {}", e.message)))?;
    Ok(Some(LiveUpdate { base: call.env().dir(), selector: LiveUpdateSelector::Image, steps }))
}

fn steps_of<'v>(call: &Call<'v, '_, '_, '_>, items: Vec<Value<'v>>) -> Result<Vec<Step>> {
    let mut order = Order::default();
    let mut steps = Vec::new();
    for item in items {
        let Some(index) = step_index(item) else {
            fail!(
                "'steps' must be a list of live update steps - got value '{}' of type '{}'",
                go_repr(item),
                type_name(item)
            );
        };
        let mut reg = call.env().reg_mut();
        let definition = &mut reg.steps[index];
        order.take(&definition.step)?;
        definition.used = true;
        steps.push(definition.step.clone());
    }
    validate(&steps)?;
    Ok(steps)
}

/// What may not come any more.
#[derive(Default)]
struct Order {
    no_initial_sync: bool,
    no_fall_back_on: bool,
    no_sync: bool,
    no_run: bool,
}

impl Order {
    fn take(&mut self, step: &Step) -> Result<()> {
        if self.no_run && matches!(step, Step::Sync { .. } | Step::Run { .. }) {
            fail!("restart container is only valid as the last step");
        }
        match step {
            Step::InitialSync if self.no_initial_sync => {
                fail!("initial_sync must appear at most once, at the start of the list")
            }
            Step::FallBackOn(_) if self.no_fall_back_on => {
                fail!("fall_back_on steps must appear at the start of the list")
            }
            Step::Sync { .. } if self.no_sync => fail!("all sync steps must precede all run steps"),
            _ => {}
        }
        self.no_initial_sync = true;
        self.no_fall_back_on |= !matches!(step, Step::InitialSync | Step::FallBackOn(_));
        self.no_sync |= matches!(step, Step::Run { .. } | Step::RestartContainer);
        self.no_run |= matches!(step, Step::RestartContainer);
        Ok(())
    }
}

/// What Tilt's API says of the object that the steps make.
fn validate(steps: &[Step]) -> Result<()> {
    if !steps.iter().any(|s| matches!(s, Step::Sync { .. } | Step::Run { .. })) {
        fail!(
            "spec.syncs: Invalid value: null: must contain at least 1 sync or 1 exec to run on live update"
        );
    }
    let syncs = steps.iter().filter_map(|s| match s {
        Step::Sync { container, .. } => Some(container),
        _ => None,
    });
    let relative: Vec<String> = syncs
        .enumerate()
        .filter(|(_, container)| !container.starts_with('/'))
        .map(|(i, container)| {
            let shown = go_quote(container);
            format!("spec.syncs[{i}]: Invalid value: {shown}: sync destination is not absolute")
        })
        .collect();
    match relative.as_slice() {
        [] => Ok(()),
        [one] => fail!("{one}"),
        several => fail!("[{}]", several.join(", ")),
    }
}

/// What is synced must be watched: `watched` are the directories whose changes the image sees.
pub(crate) fn check_paths(steps: &[Step], watched: &[PathBuf]) -> Result<()> {
    let inside = |path: &PathBuf| watched.iter().any(|w| path.starts_with(w));
    let list = || watched.iter().map(|w| w.display().to_string()).collect::<Vec<_>>().join(" ");
    for step in steps {
        match step {
            Step::Sync { local, .. } if !inside(local) => fail!(
                "sync step source '{}' is not a child of any watched filepaths ([{}])",
                local.display(),
                list()
            ),
            Step::FallBackOn(paths) => {
                if let Some(path) = paths.iter().find(|p| !inside(p)) {
                    fail!(
                        "fall_back_on paths '{}' is not a child of any watched filepaths ([{}])",
                        path.display(),
                        list()
                    );
                }
            }
            _ => {}
        }
    }
    Ok(())
}
