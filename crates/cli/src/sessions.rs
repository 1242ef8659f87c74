//! What can be asked of a session that runs: arguments, states, triggers, buttons.

use crate::args::{ArgsArgs, ButtonArgs, DisableArgs, EnableArgs, OfTiltfile, StatusArgs, TriggerArgs};
use crate::failure::{Done, Failure, OURS, USAGE, YOURS};
use crate::printer::Printer;
use crate::{clusters, up};
use session::{ButtonLine, Control, ControlError, Reply, Request, ResourceLine, SessionArgs};
use std::path::{Path, PathBuf};

/// Where the session of a Tiltfile is reached.
pub fn control(tiltfile: &Path) -> Result<Control, Failure> {
    Ok(Control::of(&sessions_dir()?, tiltfile))
}

fn ask(session: &OfTiltfile, request: &Request) -> Result<Reply, Failure> {
    match control(&up::tiltfile_path(&session.file)?)?.ask(request)? {
        Reply::Refused { message, hint } => Err(Failure { hint, ..Failure::new(YOURS, message) }),
        reply => Ok(reply),
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NoSession { .. } => {
                Self::of(USAGE, &error).hint("`coracle up` starts one; -f names another Tiltfile")
            }
            ControlError::Broken { .. } => Self::of(OURS, &error),
        }
    }
}

pub fn trigger(args: TriggerArgs, printer: &Printer) -> Done {
    let resource = args.resource;
    ask(&args.session, &Request::Trigger { resource: resource.clone() })?;
    printer.done("triggered", &resource, None);
    Ok(())
}

pub fn enable(args: EnableArgs, printer: &Printer) -> Done {
    let shown = if args.all { "all resources".into() } else { args.resources.join(", ") };
    let resources = (!args.all).then_some(args.resources);
    ask(&args.session, &Request::Enable { resources, only: args.only })?;
    printer.done("enabled", &shown, None);
    Ok(())
}

pub fn disable(args: DisableArgs, printer: &Printer) -> Done {
    let shown = if args.all { "all resources".into() } else { args.resources.join(", ") };
    let resources = (!args.all).then_some(args.resources);
    ask(&args.session, &Request::Disable { resources })?;
    printer.done("disabled", &shown, None);
    Ok(())
}

pub fn status(args: &StatusArgs, printer: &Printer) -> Done {
    let Reply::Status { resources } = ask(&args.session, &Request::Status)? else { return Ok(()) };
    if args.output.is_some() {
        let text = serde_json::to_string_pretty(&resources).map_err(|e| Failure::of(OURS, &e))?;
        printer.data(&format!("{text}\n"));
        return Ok(());
    }
    let cells = |r: &ResourceLine| {
        let detail = r.detail.lines().next().unwrap_or_default().to_owned();
        [r.name.clone(), r.update.replace('_', " "), r.runtime.replace('_', " "), detail]
    };
    let rows: Vec<[String; 4]> = resources.iter().map(cells).collect();
    printer.data(&table(["RESOURCE", "UPDATE", "RUNTIME", ""], &rows));
    Ok(())
}

pub fn button(args: ButtonArgs, printer: &Printer) -> Done {
    let Some(name) = args.name else { return buttons(&args.session, printer) };
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Failure::new(USAGE, format!("{text:?} is no input with a value"))
            .hint("it has the form INPUT=VALUE; `coracle button` lists the inputs")),
    };
    let inputs = args.inputs.iter().map(pair).collect::<Result<_, _>>()?;
    ask(&args.session, &Request::Press { button: name.clone(), inputs })?;
    printer.done("done", &name, None);
    Ok(())
}

fn buttons(session: &OfTiltfile, printer: &Printer) -> Done {
    let Reply::Buttons { buttons } = ask(session, &Request::Buttons)? else { return Ok(()) };
    if buttons.is_empty() {
        printer.info("the session has no buttons");
        return Ok(());
    }
    let cells = |b: &ButtonLine| {
        [b.name.clone(), b.resource.clone().unwrap_or_default(), b.text.clone(), b.inputs.join(" ")]
    };
    let rows: Vec<[String; 4]> = buttons.iter().map(cells).collect();
    printer.data(&table(["BUTTON", "RESOURCE", "TEXT", "INPUTS"], &rows));
    Ok(())
}

/// Columns as kubectl prints them. Texts come from a Tiltfile.
fn table(head: [&str; 4], rows: &[[String; 4]]) -> String {
    let shown = |text: &str| crate::printer::escape(&text.replace('\n', " "), false);
    let rows: Vec<[String; 4]> = std::iter::once(head.map(str::to_owned))
        .chain(rows.iter().map(|row| row.each_ref().map(|cell| shown(cell))))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), 0];
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:<width$}   "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// `coracle args`: shows or changes the arguments of the session that runs.
pub fn arguments(args: &ArgsArgs, printer: &Printer) -> Done {
    let tiltfile = up::tiltfile_path(&args.file)?;
    let file = SessionArgs::of(&sessions_dir()?, &tiltfile);
    let missing = || Failure::from(ControlError::NoSession { tiltfile: tiltfile.clone() });
    let current = file.read().ok_or_else(missing)?;
    if args.args.is_empty() && !args.clear {
        if current.is_empty() {
            printer.info("the session has no arguments");
        }
        current.iter().for_each(|a| printer.data(&format!("{a}\n")));
        return Ok(());
    }
    if args.args == current {
        printer.info("the session has these arguments already");
        return Ok(());
    }
    file.write(&args.args).map_err(|e| Failure {
        causes: vec![e.to_string()],
        ..Failure::new(OURS, "cannot tell the session")
    })?;
    printer.done("changed the arguments", "the session reads its Tiltfile again", None);
    Ok(())
}

/// Where sessions keep what others may change.
pub fn sessions_dir() -> Result<PathBuf, Failure> {
    Ok(clusters::data_dir()?.path().join("sessions"))
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn tables() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned);
        let rows =
            [row(["web", "ok", "pending", "no pod yet"]), row(["a-long-name", "error", "", "\x1b[2Jx\ny"])];
        assert_eq!(
            table(["RESOURCE", "UPDATE", "RUNTIME", ""], &rows),
            "RESOURCE      UPDATE   RUNTIME\nweb           ok       pending   no pod yet\na-long-name   error              \\u{1b}[2Jx y\n"
        );
    }
}
