//! `local_resource`, links, probes, trigger modes.

use crate::call::{Args, Call, Failure, Result, argv_of, fail, one_or_many};
use crate::env::LocalDef;
use crate::plan::{Link, LocalResource, Probe, ProbeHandler, TriggerMode};
use crate::values::TriggerModeValue;
use crate::values::probe::{ExecActionValue, HttpGetActionValue, ProbeValue, TcpSocketActionValue};
use starlark::values::Value;
use starlark::values::structs::{AllocStruct, StructRef};

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
    let name = args.segment("name")?;
    let env = call.env();
    let cmd = args.command("cmd", "dir", "env")?;
    let serve_cmd = args.command("serve_cmd", "serve_dir", "serve_env")?;
    if cmd.is_none() && args.some("dir").is_some() {
        if args.some("serve_dir").is_none() && serve_cmd.is_some() {
            fail!("'dir' only affects 'cmd', not 'serve_cmd'. Did you mean to use 'serve_dir' instead?");
        }
        fail!("'dir' specified but 'cmd' is empty");
    }
    if serve_cmd.is_none() && args.some("serve_dir").is_some() {
        fail!("'serve_dir' specified but 'serve_cmd' is empty");
    }
    if cmd.is_none() && serve_cmd.is_none() {
        fail!("local_resource must have a cmd and/or a serve_cmd, but both were empty");
    }
    let mut readiness_probe = args.some("readiness_probe").map(|v| probe_of(&args, v)).transpose()?;
    if serve_cmd.is_none() && readiness_probe.take().is_some() {
        env.warn(
            format!("Ignoring readiness probe for local resource {name:?} (no serve_cmd was defined)"),
            Some(call.position()),
        );
    }
    let ignore = super::images::glob_list(&args, "ignore")?;
    let deps = args.paths("deps")?;
    let allow_parallel = args.boolean("allow_parallel", parallel)? || cmd.is_none();
    let definition = LocalDef {
        ignore,
        dir: env.dir(),
        trigger_mode: trigger_mode_arg(&args)?,
        resource_deps: args.string_list("resource_deps")?,
        auto_init: args.boolean("auto_init", true)?,
        links: links(&args)?,
        labels: args.labels("labels")?,
        local: LocalResource { cmd, serve_cmd, deps, ignores: Vec::new(), allow_parallel, readiness_probe },
        name,
    };
    let mut reg = env.reg_mut();
    if reg.locals.iter().any(|l| l.name == definition.name) {
        fail!("local_resource named {:?} already exists", definition.name);
    }
    if reg.custom_deploys.iter().any(|d| d.name == definition.name) {
        fail!("k8s_resource named {:?} already exists", definition.name);
    }
    if reg.compose.iter().flat_map(|p| &p.services).any(|s| s.resource == definition.name) {
        fail!("dc_resource named {:?} already exists", definition.name);
    }
    reg.locals.push(definition);
    drop(reg);
    call.none()
}

pub(super) fn trigger_mode_arg(args: &Args<'_>) -> Result<Option<TriggerMode>> {
    match args.some("trigger_mode") {
        None => Ok(None),
        Some(v) => match TriggerModeValue::from_value(v) {
            Some(mode) => Ok(Some(if mode.manual { TriggerMode::Manual } else { TriggerMode::Auto })),
            None => Err(args.wrong("trigger_mode", format_args!("got {}, want TriggerMode", v.get_type()))),
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
    for item in one_or_many(value) {
        if let Some(url) = item.unpack_str() {
            links.push(make_link(url, "").map_err(|e| args.wrong("links", e))?);
        } else if let Some(fields) = StructRef::from_value(item) {
            let field = |name: &str| {
                fields
                    .iter()
                    .find(|(k, _)| k.as_str() == name)
                    .and_then(|(_, v)| v.unpack_str())
                    .unwrap_or_default()
            };
            links.push(make_link(field("url"), field("name")).map_err(|e| args.wrong("links", e))?);
        } else {
            return Err(args.wrong(
                "links",
                format_args!("Want a string, a link, or a sequence of these; found {}", item.to_repr()),
            ));
        }
    }
    Ok(links)
}

fn make_link(url: &str, name: &str) -> std::result::Result<Link, String> {
    if url.is_empty() {
        return Err("url empty".to_owned());
    }
    if url.contains(char::is_whitespace) || url.starts_with("://") {
        return Err(format!("validating URL {url:?}: not a URL"));
    }
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    Ok(Link { url, name: name.to_owned() })
}

pub(crate) fn link<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let link = make_link(&args.text("url")?, &args.text("name")?).map_err(Failure::new)?;
    Ok(call.alloc(AllocStruct([("url", link.url), ("name", link.name)])))
}

pub(crate) fn probe<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    const HANDLERS: [&str; 3] = ["exec", "http_get", "tcp_socket"];
    let args = call.args()?;
    if HANDLERS.iter().filter(|h| args.some(h).is_some()).count() != 1 {
        fail!("exactly one of exec, http_get, or tcp_socket must be specified");
    }
    let wrong = |name: &str, want: &str| {
        let got = args.get(name).map(|v| v.get_type()).unwrap_or_default();
        args.wrong(name, format_args!("got {got}, want {want}"))
    };
    let handler = if let Some(v) = args.some("exec") {
        ExecActionValue::from_value(v).map(|a| a.handler.clone()).ok_or_else(|| wrong("exec", "ExecAction"))
    } else if let Some(v) = args.some("http_get") {
        let action = HttpGetActionValue::from_value(v).map(|a| a.handler.clone());
        action.ok_or_else(|| wrong("http_get", "HTTPGetAction"))
    } else {
        let value = args.get("tcp_socket").and_then(|v| TcpSocketActionValue::from_value(v));
        value.map(|a| a.handler.clone()).ok_or_else(|| wrong("tcp_socket", "TCPSocketAction"))
    }?;
    let probe = Probe {
        handler,
        initial_delay_secs: args.int32("initial_delay_secs")?,
        timeout_secs: args.int32("timeout_secs")?,
        period_secs: args.int32("period_secs")?,
        success_threshold: args.int32("success_threshold")?,
        failure_threshold: args.int32("failure_threshold")?,
    };
    Ok(call.alloc(ProbeValue { probe }))
}

pub(crate) fn exec_action<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let command = argv_of(args.get("command").expect("it is required"), call.heap()).map_err(Failure::new)?;
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
        None => Err(args.wrong("readiness_probe", format_args!("got {}, want Probe", v.get_type()))),
    }
}
