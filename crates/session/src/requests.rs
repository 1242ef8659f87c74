//! What a session does when it is asked through its [`crate::control`].

use crate::control::{Asked, ButtonLine, Reply, Request, ResourceLine};
use crate::driver::Session;
use crate::output::LogSource;
use devloop::{Change, ChangeKind, Event};
use std::collections::BTreeMap;
use std::path::Path;
use tiltfile::plan::{Button, InputKind};
use tokio::sync::oneshot;

/// The Tiltfile's own name among the resources, as in Tilt.
const TILTFILE: &str = "(Tiltfile)";

impl Session {
    /// Answers; gives the event that follows, if one does.
    pub(crate) fn answer(&mut self, asked: Asked) -> Option<Event> {
        let Asked { request, reply } = asked;
        let (answer, event) = match request {
            Request::Press { button, inputs } => {
                self.press(&button, &inputs, reply);
                return None;
            }
            Request::Status => (Reply::Status { resources: self.lines() }, None),
            Request::Buttons => (Reply::Buttons { buttons: self.buttons().iter().map(line).collect() }, None),
            Request::Trigger { resource } => self.trigger(resource),
            Request::Enable { resources, only } => self.enable(resources, true, only),
            Request::Disable { resources } => self.enable(resources, false, false),
        };
        // who asked may be gone
        let _ = reply.send(answer);
        event
    }

    fn lines(&self) -> Vec<ResourceLine> {
        let state = self.state();
        state
            .statuses()
            .into_iter()
            .map(|(name, status)| ResourceLine::new(name, state.is_enabled(name), status))
            .collect()
    }

    fn buttons(&self) -> Vec<Button> {
        let tiltfile = &self.config().tiltfile;
        self.plan().buttons(tiltfile.parent().unwrap_or(Path::new("/")))
    }

    fn unknown(&self, what: &str, name: &str, known: impl Iterator<Item = String>) -> Reply {
        let known: Vec<String> = known.collect();
        let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Reply::refused(format!("there is no {what} {name:?}"), Some(format!("there are: {list}")))
    }

    fn unknown_resource(&self, name: &str) -> Reply {
        self.unknown("resource", name, self.plan().resources.iter().map(|r| r.name.clone()))
    }

    fn trigger(&self, resource: String) -> (Reply, Option<Event>) {
        if resource == TILTFILE {
            let path = self.config().tiltfile.clone();
            let changes = vec![Change { path, kind: ChangeKind::Written }];
            return (Reply::Done, Some(Event::FilesChanged { changes }));
        }
        if self.plan().resource(&resource).is_none() {
            return (self.unknown_resource(&resource), None);
        }
        if !self.state().is_enabled(&resource) {
            let hint = format!("`coracle enable {resource}` enables it");
            return (Reply::refused(format!("the resource {resource:?} is disabled"), Some(hint)), None);
        }
        (Reply::Done, Some(Event::Trigger { resource }))
    }

    fn enable(&mut self, names: Option<Vec<String>>, enabled: bool, only: bool) -> (Reply, Option<Event>) {
        let all: Vec<String> = self.plan().resources.iter().map(|r| r.name.clone()).collect();
        let names = names.unwrap_or_else(|| all.clone());
        if let Some(name) = names.iter().find(|name| !all.contains(name)) {
            return (self.unknown_resource(name), None);
        }
        let wanted = |name: &String| match (names.contains(name), only) {
            (true, _) => enabled,
            (false, true) => false,
            (false, false) => self.state().is_enabled(name),
        };
        let resources: Vec<String> = all.iter().filter(|name| wanted(name)).cloned().collect();
        self.remember_enabled(all.iter().map(|name| (name.clone(), resources.contains(name))).collect());
        (Reply::Done, Some(Event::EnabledChanged { resources }))
    }

    /// Runs a button's commands; those of an earlier press that still run end first.
    fn press(&mut self, name: &str, inputs: &BTreeMap<String, String>, reply: oneshot::Sender<Reply>) {
        let buttons = self.buttons();
        let Some(button) = buttons.iter().find(|b| b.name == name) else {
            let _ = reply.send(self.unknown("button", name, buttons.iter().map(|b| b.name.clone())));
            return;
        };
        if button.disabled {
            let _ = reply.send(Reply::refused(format!("the button {name:?} is disabled"), None));
            return;
        }
        let environment = match button.environment(inputs) {
            Ok(environment) => environment,
            Err(error) => {
                let _ = reply.send(Reply::refused(error.to_string(), error.hint()));
                return;
            }
        };
        let stop = self.pressed(name);
        let (programs, output) = (self.config().programs.clone(), self.output());
        let place = button.resource.clone().unwrap_or_else(|| button.name.clone());
        let mut commands = button.commands.clone();
        commands.iter_mut().for_each(|command| command.env.extend(environment.iter().cloned()));
        tokio::spawn(async move {
            let mut answer = Reply::Done;
            for command in &commands {
                let work = programs.run(&output, &place, LogSource::Local, command);
                match stop.run_until_cancelled(work).await {
                    Some(Ok(())) => {}
                    Some(Err(problem)) => answer = Reply::refused(problem, None),
                    None => answer = Reply::refused("it was pressed again before it ended", None),
                }
            }
            let _ = reply.send(answer);
        });
    }
}

fn line(button: &Button) -> ButtonLine {
    let inputs = button.inputs.iter().filter_map(|input| {
        let value = match &input.kind {
            InputKind::Text { default } => default.clone(),
            InputKind::Bool { default, .. } => default.to_string(),
            InputKind::Choice { choices } => choices.join("|"),
            InputKind::Hidden { .. } => return None,
        };
        Some(format!("{}={value}", input.name))
    });
    ButtonLine {
        name: button.name.clone(),
        text: button.text.clone(),
        resource: button.resource.clone(),
        inputs: inputs.collect(),
    }
}
