//! Live update steps, and the list of them that an image takes.

use crate::call::{Args, Call, Failure, Result, absolute, argv_of, fail};
use crate::env::StepDef;
use crate::plan::{LiveUpdate, LiveUpdateSelector, Step};
use crate::values::{
    FallBackOnStep, InitialSyncStep, RestartContainerStep, RunStep, SyncStep, iterable, sequence, step_index,
};
use starlark::values::Value;
use std::path::PathBuf;

fn add(call: &Call<'_, '_, '_, '_>, step: Step) -> usize {
    let position = call.position();
    let mut reg = call.env().reg_mut();
    reg.steps.push(StepDef { step, position, used: false });
    reg.steps.len() - 1
}

pub(crate) fn initial_sync<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    let index = add(call, Step::InitialSync);
    Ok(call.alloc(InitialSyncStep { index }))
}

pub(crate) fn fall_back_on<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let files = args.strings("paths")?;
    let dir = call.env().dir();
    let index = add(call, Step::FallBackOn(files.iter().map(|f| absolute(&dir, f)).collect()));
    Ok(call.alloc(FallBackOnStep { index }))
}

pub(crate) fn sync<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let local = args.path("local_path")?.ok_or_else(|| Failure::new("sync: local_path must be given"))?;
    let container = args.text("remote_path")?;
    let local_is_file = call.env().host.kind(&local) == Some(crate::FileKind::File);
    let index = add(call, Step::Sync { local, container, local_is_file });
    Ok(call.alloc(SyncStep { index }))
}

pub(crate) fn run<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let command = args.get("cmd").expect("it is required");
    let argv = argv_of(command, call.heap()).map_err(Failure::new)?;
    if argv.is_empty() {
        fail!("run: cmd must not be empty");
    }
    let dir = call.env().dir();
    let triggers = args.strings("trigger")?.iter().map(|t| absolute(&dir, t)).collect();
    let echo_off = args.boolean("echo_off", false)?;
    let index = add(call, Step::Run { argv, triggers, echo_off });
    Ok(call.alloc(RunStep { index }))
}

pub(crate) fn restart_container<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    let index = add(call, Step::RestartContainer);
    Ok(call.alloc(RestartContainerStep { index }))
}

/// The `live_update=` of an image.
pub(crate) fn of_args<'v>(call: &Call<'v, '_, '_, '_>, args: &Args<'v>) -> Result<Option<LiveUpdate>> {
    let Some(value) = args.some("live_update") else { return Ok(None) };
    let items = match sequence(value).or_else(|| iterable(value, call.heap())) {
        Some(items) => items,
        None => vec![value],
    };
    let mut steps = Vec::new();
    for item in items {
        let Some(index) = step_index(item) else {
            fail!(
                "'steps' must be a list of live update steps - got value \"{}\" of type '{}'",
                item.to_str(),
                item.get_type()
            );
        };
        let mut reg = call.env().reg_mut();
        let definition = &mut reg.steps[index];
        definition.used = true;
        if let Step::Sync { container, .. } = &definition.step
            && !container.starts_with('/')
        {
            fail!("sync destination '{container}' ({}) is not absolute", definition.position);
        }
        steps.push(definition.step.clone());
    }
    if steps.is_empty() {
        return Ok(None);
    }
    check_order(&steps).map_err(|e| Failure::new(format!("live_update: {}", e.message)))?;
    Ok(Some(LiveUpdate { base: call.env().dir(), selector: LiveUpdateSelector::Image, steps }))
}

fn check_order(steps: &[Step]) -> Result<()> {
    let (mut other_than_initial, mut work, mut ran) = (false, false, false);
    for (i, step) in steps.iter().enumerate() {
        match step {
            Step::InitialSync if other_than_initial || i > 0 => {
                fail!("initial_sync must appear at most once, at the start of the list")
            }
            Step::InitialSync => {}
            Step::FallBackOn(_) if work => fail!("fall_back_on steps must appear at the start of the list"),
            Step::FallBackOn(_) => other_than_initial = true,
            Step::Sync { .. } if ran => fail!("all sync steps must precede all run steps"),
            Step::Sync { .. } => (other_than_initial, work) = (true, true),
            Step::Run { .. } => (other_than_initial, work, ran) = (true, true, true),
            Step::RestartContainer if i + 1 != steps.len() => {
                fail!("restart container is only valid as the last step")
            }
            Step::RestartContainer => {}
        }
    }
    if !work {
        fail!("must contain at least 1 sync or 1 exec to run on live update");
    }
    Ok(())
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
