//! The one place that writes to the terminal: narration to stderr, data and container output to stdout.
//!
//! Text from containers and builds may hold anything; what could move the cursor or change the terminal's state is
//! shown, not obeyed. Colours (SGR sequences) pass where colours are on.

use devloop::{Hold, Line, Mark, ResourceStatus, RuntimeStatus};
use parking_lot::Mutex;
use session::{LogSource, Output};
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

pub struct Printer {
    colour: bool,
    quiet: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Widest resource name so far: log prefixes line up.
    width: usize,
    urls: Vec<(String, String)>,
    statuses: HashMap<String, ResourceStatus>,
    /// An unfinished line of a resource's build output.
    partial: HashMap<String, String>,
}

#[derive(Debug, Clone, Copy)]
enum Colour {
    Green,
    Red,
    Yellow,
    Dim,
    Cyan,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Self::Green => "32",
            Self::Red => "31",
            Self::Yellow => "33",
            Self::Dim => "2",
            Self::Cyan => "36",
        }
    }
}

impl Printer {
    pub fn new(quiet: bool) -> Self {
        let colour = std::io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            && std::env::var("TERM").is_ok_and(|t| t != "dumb");
        Self { colour, quiet, state: Mutex::default() }
    }

    pub fn is_coloured(&self) -> bool {
        self.colour
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", colour.code()) } else { text.to_string() }
    }

    /// A line on stderr. A reader that went away is no reason to fail.
    fn narrate(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Data on stdout.
    pub fn data(&self, text: &str) {
        let mut out = std::io::stdout();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    pub fn done(&self, what: &str, detail: &str, took: Option<Duration>) {
        if self.quiet {
            return;
        }
        let time = took.map(|t| self.paint(Colour::Dim, &format!("  {}", seconds(t)))).unwrap_or_default();
        let detail = if detail.is_empty() { String::new() } else { format!("  {detail}") };
        self.narrate(&format!("{} {what}{detail}{time}", self.paint(Colour::Green, "✓")));
    }

    pub fn info(&self, text: &str) {
        if !self.quiet {
            self.narrate(&format!("  {}", indent(text)));
        }
    }

    pub fn warn(&self, text: &str) {
        self.narrate(&format!("{} {}", self.paint(Colour::Yellow, "warning:"), indent(text)));
    }

    /// `error: …`, its causes, and `hint: …`.
    pub fn error(&self, message: &str, causes: &[String], hint: Option<&str>) {
        self.narrate(&format!("{} {}", self.paint(Colour::Red, "error:"), escape(message, false)));
        for cause in causes {
            self.narrate(&format!("{} {}", self.paint(Colour::Dim, "caused by:"), escape(cause, false)));
        }
        if let Some(hint) = hint {
            self.narrate(&format!("{} {hint}", self.paint(Colour::Cyan, "hint:")));
        }
    }

    /// The addresses that a session has opened, in the order of opening.
    pub fn urls(&self) -> Vec<(String, String)> {
        self.state.lock().urls.clone()
    }

    fn prefix(&self, resource: &str) -> String {
        let mut state = self.state.lock();
        state.width = state.width.max(resource.chars().count());
        format!("{resource:>width$} │ ", width = state.width)
    }
}

impl Output for Printer {
    fn line(&self, line: &Line) {
        if self.quiet && !matches!(line.mark, Mark::Failed | Mark::Warning) {
            return;
        }
        let mark = match line.mark {
            Mark::Info => self.paint(Colour::Dim, "·"),
            Mark::Done => self.paint(Colour::Green, "✓"),
            Mark::Failed => self.paint(Colour::Red, "✗"),
            Mark::Warning => self.paint(Colour::Yellow, "!"),
        };
        let place = if line.resource.is_empty() { String::new() } else { format!("{}: ", line.resource) };
        self.narrate(&format!("{mark} {place}{}", indent(&escape(&line.text, false))));
    }

    fn log(&self, resource: &str, source: LogSource, text: &str) {
        if self.quiet && source != LogSource::Container {
            return;
        }
        let mut whole = self.state.lock().partial.remove(resource).unwrap_or_default();
        whole.push_str(text);
        let rest = whole.rfind('\n').map_or(whole.as_str(), |end| &whole[end + 1..]).to_string();
        let complete = &whole[..whole.len() - rest.len()];
        if !rest.is_empty() {
            self.state.lock().partial.insert(resource.to_string(), rest);
        }
        if complete.is_empty() {
            return;
        }
        let name = if resource.is_empty() { "(Tiltfile)" } else { resource };
        let prefix = self.paint(Colour::Cyan, &self.prefix(name));
        let mut out = String::new();
        for line in complete.lines() {
            out.push_str(&format!("{prefix}{}\n", escape(line, self.colour)));
        }
        if source == LogSource::Container {
            self.data(&out);
        } else {
            let _ = std::io::stderr().write_all(out.as_bytes());
        }
    }

    fn status(&self, resource: &str, status: &ResourceStatus) {
        let old = {
            let mut state = self.state.lock();
            // known before the first line of its log: the prefixes need not move then
            state.width = state.width.max(resource.chars().count());
            state.statuses.insert(resource.to_string(), status.clone())
        };
        let waits_for = |s: &ResourceStatus| match &s.hold {
            Some(Hold::Dependencies { names }) => Some(names.join(", ")),
            _ => None,
        };
        let waits = waits_for(status);
        let broken = |s: &ResourceStatus| match &s.runtime {
            RuntimeStatus::Error { message } => Some(message.clone()),
            _ => None,
        };
        if let Some(message) = broken(status).filter(|m| Some(m) != old.as_ref().and_then(broken).as_ref()) {
            self.narrate(&format!(
                "{} {resource}: {}",
                self.paint(Colour::Red, "✗"),
                indent(&escape(&message, false))
            ));
        }
        if !self.quiet && waits.is_some() && waits != old.as_ref().and_then(waits_for) {
            let text = format!(
                "{} {resource}: waits for {}",
                self.paint(Colour::Dim, "·"),
                waits.unwrap_or_default()
            );
            self.narrate(&escape(&text, self.colour));
        }
    }

    fn forwarding(&self, resource: &str, url: &str) {
        self.state.lock().urls.push((resource.to_string(), url.to_string()));
    }
}

pub fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

fn indent(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

/// Control characters become visible; colour sequences pass if `colours`. Tabs and line ends stay.
pub fn escape(text: &str, colours: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = sgr_length(rest) {
            if colours {
                out.push_str(&rest[..length]);
            }
            rest = &rest[length..];
            continue;
        }
        match c {
            '\t' | '\n' => out.push(c),
            '\r' => {}
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    if colours && out.contains('\x1b') {
        out.push_str("\x1b[0m");
    }
    out
}

/// The length of a `ESC [ 0-9; m` sequence at the start.
fn sgr_length(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\x1b[")?;
    let end = body.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    body[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_text_cannot_drive_the_terminal() {
        let cases = [
            ("plain", false, "plain"),
            ("\x1b[31mred\x1b[0m", true, "\x1b[31mred\x1b[0m\x1b[0m"),
            ("\x1b[31mred\x1b[0m", false, "red"),
            ("\x1b[2Jgone", true, "\\u{1b}[2Jgone"),
            ("\x1b]0;title\x07", true, "\\u{1b}]0;title\\u{7}"),
            ("a\rb\tc", true, "ab\tc"),
        ];
        for (text, colours, want) in cases {
            assert_eq!(escape(text, colours), want);
        }
    }
}
