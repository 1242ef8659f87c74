//! Values of Secrets do not show up in what a session says.

use crate::output::{LogSource, Output};
use devloop::{Line, ResourceStatus};
use parking_lot::RwLock;
use std::borrow::Cow;
use std::sync::Arc;
use tiltfile::plan::SecretValue;

/// Shorter values stand in too many words.
const SHORTEST: usize = 4;

/// What to look for, and what stands there instead; the longest first.
type Replacements = Vec<(String, String)>;

/// An output that hides what it is told to.
pub(crate) struct Scrubbed {
    inner: Arc<dyn Output>,
    hidden: RwLock<Replacements>,
}

impl Scrubbed {
    pub(crate) fn new(inner: Arc<dyn Output>) -> Arc<Self> {
        Arc::new(Self { inner, hidden: RwLock::default() })
    }

    /// A value is hidden as it is, and as a manifest has it.
    pub(crate) fn hide(&self, secrets: &[SecretValue]) {
        let mut hidden = Replacements::new();
        for secret in secrets {
            let instead = format!("[redacted secret {}:{}]", secret.name, secret.key);
            for text in [secret.value.trim(), &secret.encoded()] {
                if text.len() >= SHORTEST {
                    hidden.push((text.to_owned(), instead.clone()));
                }
            }
        }
        hidden.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        *self.hidden.write() = hidden;
    }

    fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut out = Cow::Borrowed(text);
        for (hidden, instead) in self.hidden.read().iter() {
            if out.contains(hidden.as_str()) {
                out = Cow::Owned(out.replace(hidden.as_str(), instead));
            }
        }
        out
    }
}

impl Output for Scrubbed {
    fn line(&self, line: &Line) {
        match self.scrub(&line.text) {
            Cow::Borrowed(_) => self.inner.line(line),
            Cow::Owned(text) => self.inner.line(&Line { text, ..line.clone() }),
        }
    }

    fn log(&self, resource: &str, source: LogSource, text: &str) {
        self.inner.log(resource, source, &self.scrub(text));
    }

    fn status(&self, resource: &str, status: &ResourceStatus) {
        self.inner.status(resource, status);
    }

    fn forwarding(&self, resource: &str, url: &str) {
        self.inner.forwarding(resource, url);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Collector;

    #[test]
    fn values_of_secrets_are_hidden() {
        let collector = Collector::new();
        let output = Scrubbed::new(collector.output());
        let secret = |name: &str, key: &str, value: &str| {
            let [name, key, value] = [name, key, value].map(str::to_owned);
            SecretValue { name, key, value }
        };
        output.log("a", LogSource::Container, "hunter22");
        output.hide(&[
            secret("db", "user", "me"),
            secret("db", "pass", "hunter22\n"),
            secret("t", "k", "hunter22x"),
        ]);
        for text in ["login me:hunter22 ok\n", "data: aHVudGVyMjIK\n", "hunter22x hunter22", "nothing"] {
            output.log("a", LogSource::Container, text);
        }
        output.hide(&[]);
        output.log("a", LogSource::Container, "hunter22");
        assert_eq!(
            collector.logged(),
            [
                "hunter22",
                "login me:[redacted secret db:pass] ok\n",
                "data: [redacted secret db:pass]\n",
                "[redacted secret t:k] [redacted secret db:pass]",
                "nothing",
                "hunter22"
            ]
        );
    }
}
