//! `local_resource`, links, probes, trigger modes.

use crate::call::{
    Args, Call, Failure, Result, fail, go_quote, go_repr, go_type, sequence_strings, type_name,
};
use crate::env::LocalDef;
use crate::plan::{Link, LocalResource, Probe, ProbeHandler, TriggerMode};
use crate::text::url;
use crate::values::probe::{ExecActionValue, HttpGetActionValue, ProbeValue, TcpSocketActionValue};
use crate::values::{self, LinkValue, TriggerModeValue};
use starlark::values::Value;

pub(crate) fn local_resource<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    register(call, false)
}

pub(crate) fn test<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let position = call.position();
    call.env().warn(
        "test() is deprecated and will be removed in a future release.\nChange this call to use `local_resource(..., allow_parallel=True)`",
        Some(position),
    );
    register(call, true)
}

fn register<'v>(call: &mut Call<'v, '_, '_, '_>, parallel: bool) -> Result<Value<'v>> {
    let args = call.args()?;
    let (name, deps) = (args.segment("name")?, args.paths("deps")?);
    let trigger_mode = trigger_mode_arg(&args)?;
    let (auto_init, allow_parallel) =
        (args.boolean("auto_init", true)?, args.boolean("allow_parallel", parallel)?);
    let (links, labels) = (links(&args)?, args.labels("labels")?);
    let mut readiness_probe = args.some("readiness_probe").map(|v| probe_of(&args, v)).transpose()?;
    let resource_deps =
        args.strings_in_sequence("resource_deps", format_args!("{}: resource_deps", call.name))?;
    let ignore = super::images::glob_list(&args, "ignore")?;
    let cmd = args.command("cmd", "dir", "env")?;
    let serve_cmd = args.command("serve_cmd", "serve_dir", "serve_env")?;
    check_commands(&args, cmd.is_some(), serve_cmd.is_some())?;
    let env = call.env();
    if serve_cmd.is_none() && readiness_probe.take().is_some() {
        env.warn(
            format!("Ignoring readiness probe for local resource {name:?} (no serve_cmd was defined)"),
            Some(call.position()),
        );
    }
    let allow_parallel = allow_parallel || cmd.is_none();
    let definition = LocalDef {
        ignore,
        dir: env.dir(),
        trigger_mode,
        resource_deps,
        auto_init,
        links,
        labels,
        local: LocalResource { cmd, serve_cmd, deps, ignores: Vec::new(), allow_parallel, readiness_probe },
        name,
    };
    let mut reg = env.reg_mut();
    reg.check_conflict(&definition.name)?;
    reg.locals.push(definition);
    drop(reg);
    call.none()
}

/// Something must run, and a directory is for what runs.
fn check_commands(args: &Args<'_>, updates: bool, serves: bool) -> Result<()> {
    if !updates && args.get("dir").is_some() {
        if serves {
            fail!(
                "local_resource: 'dir' only affects 'cmd', not 'serve_cmd'. Did you mean to use 'serve_dir' instead?"
            );
        }
        fail!("local_resource: 'dir' specified but 'cmd' is empty");
    }
    if !serves && args.get("serve_dir").is_some() {
        fail!("local_resource: 'serve_dir' specified but 'serve_cmd' is empty");
    }
    if !updates && !serves {
        fail!("local_resource must have a cmd and/or a serve_cmd, but both were empty");
    }
    Ok(())
}

pub(super) fn trigger_mode_arg(args: &Args<'_>) -> Result<Option<TriggerMode>> {
    match args.get("trigger_mode") {
        None => Ok(None),
        Some(v) => match TriggerModeValue::from_value(v) {
            Some(mode) => Ok(Some(if mode.manual { TriggerMode::Manual } else { TriggerMode::Auto })),
            None => Err(args.wrong("trigger_mode", format_args!("got {}, want TriggerMode", type_name(v)))),
        },
    }
}

pub(crate) fn trigger_mode<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let Some(mode) = trigger_mode_arg(&args)? else {
        fail!("trigger_mode: missing argument for trigger_mode")
    };
    let position = call.position();
    let mut reg = call.env().reg_mut();
    if let Some((_, before)) = &reg.trigger_mode {
        fail!("trigger_mode can only be called once. It was already called at {before}");
    }
    reg.trigger_mode = Some((mode, position));
    drop(reg);
    call.none()
}

/// `links=`: URLs, `link()`s, or a list of both.
pub(super) fn links(args: &Args<'_>) -> Result<Vec<Link>> {
    let Some(value) = args.some("links") else { return Ok(Vec::new()) };
    let mut links = Vec::new();
    for item in args.one_or_many(value) {
        if let Some(url) = item.unpack_str() {
            links.push(make_link(url, "").map_err(|e| args.wrong("links", e))?);
        } else if let Some(made) = LinkValue::from_value(item) {
            links.push(made.link.clone());
        } else {
            // the backquote has no fellow in Tilt either
            return Err(args.wrong(
                "links",
                format_args!(
                    "`Want a string, a link, or a sequence of these; found {} (type: {})",
                    go_repr(item),
                    go_type(item)
                ),
            ));
        }
    }
    Ok(links)
}

fn make_link(written: &str, name: &str) -> std::result::Result<Link, String> {
    match url::link(written) {
        Ok(url) => Ok(Link { url, name: name.to_owned() }),
        Err(e) => Err(format!("validating URL {}: {e}", go_quote(written))),
    }
}

pub(crate) fn link<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let link = make_link(&args.text("url")?, &args.text("name")?).map_err(Failure::new)?;
    Ok(call.alloc(LinkValue { link }))
}

pub(crate) fn probe<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let wrong = |name: &str, want: &str| {
        let got = args.get(name).map(go_type).unwrap_or_default();
        args.wrong(name, format_args!("got {got}, want {want}"))
    };
    let seconds = |name: &str| args.int32(name);
    let (initial_delay_secs, timeout_secs) = (seconds("initial_delay_secs")?, seconds("timeout_secs")?);
    let (period_secs, success_threshold) = (seconds("period_secs")?, seconds("success_threshold")?);
    let failure_threshold = seconds("failure_threshold")?;
    let mut handlers = Vec::new();
    if let Some(v) = args.some("exec") {
        let action = ExecActionValue::from_value(v).map(|a| a.handler.clone());
        handlers.push(action.ok_or_else(|| wrong("exec", "ExecAction"))?);
    }
    if let Some(v) = args.some("http_get") {
        let action = HttpGetActionValue::from_value(v).map(|a| a.handler.clone());
        handlers.push(action.ok_or_else(|| wrong("http_get", "HTTPGetAction"))?);
    }
    if let Some(v) = args.some("tcp_socket") {
        let action = TcpSocketActionValue::from_value(v).map(|a| a.handler.clone());
        handlers.push(action.ok_or_else(|| wrong("tcp_socket", "TCPSocketAction"))?);
    }
    let Ok([handler]) = <[ProbeHandler; 1]>::try_from(handlers) else {
        fail!("exactly one of exec, http_get, or tcp_socket must be specified");
    };
    let probe = Probe {
        handler,
        initial_delay_secs,
        timeout_secs,
        period_secs,
        success_threshold,
        failure_threshold,
    };
    Ok(call.alloc(ProbeValue { probe }))
}

pub(crate) fn exec_action<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let value = args.get("command").expect("it is required");
    let Some(items) = values::go_sequence(value, call.heap()) else {
        let (shown, kind) = (go_repr(value), go_type(value));
        return Err(args.wrong("command", format_args!("'{shown}' is a {kind}, not a sequence")));
    };
    let command = sequence_strings(&items).map_err(|e| args.wrong("command", e))?;
    Ok(call.alloc(ExecActionValue { handler: ProbeHandler::Exec { command } }))
}

pub(crate) fn http_get_action<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let handler = ProbeHandler::HttpGet {
        port: args.int32("port")?,
        host: args.text("host")?,
        scheme: args.text("scheme")?,
        path: args.text("path")?,
    };
    Ok(call.alloc(HttpGetActionValue { handler }))
}

pub(crate) fn tcp_socket_action<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let handler = ProbeHandler::TcpSocket { port: args.int32("port")?, host: args.text("host")? };
    Ok(call.alloc(TcpSocketActionValue { handler }))
}

/// The probe that `probe()` made.
fn probe_of(args: &Args<'_>, v: Value<'_>) -> Result<Probe> {
    match ProbeValue::from_value(v) {
        Some(value) => Ok(value.probe.clone()),
        None => Err(args.wrong("readiness_probe", format_args!("got {}, want Probe", go_type(v)))),
    }
}
