//! The query of a URL.

use api::{ApiError, Result};
use percent_encoding::percent_decode_str;

#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(n, v)| (decode(n), decode(v)))
                .collect(),
        )
    }

    /// Empty if absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// As Go parses booleans.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.optional_flag(name).unwrap_or(false)
    }

    pub(crate) fn optional_flag(&self, name: &str) -> Option<bool> {
        let given = self.0.iter().any(|(known, _)| known == name);
        // As upstream reads it: whatever is not a no is a yes.
        given.then(|| !(self.text(name) == "0" || self.text(name).eq_ignore_ascii_case("false")))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// A number, or why it is none in the words of Go.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|error| {
            ApiError::bad_request(format!("{name}: strconv.ParseInt: parsing {text:?}: {}", go_words(&error)))
        })
    }

    /// `resourceVersion`, or why it is none. Nothing and zero are the same.
    pub(crate) fn version(&self) -> std::result::Result<Option<u64>, String> {
        let text = self.text("resourceVersion");
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = |error: std::num::ParseIntError| {
            let why = go_words(&error);
            format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}")
        };
        text.parse().map(|version| Some(version).filter(|version| *version > 0)).map_err(wrong)
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.all("dryRun").contains(&"All")
    }
}

fn go_words(error: &std::num::ParseIntError) -> &'static str {
    match error.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

#[cfg(test)]
#[test]
fn queries() {
    let query = Query::parse("labelSelector=a%3Db%2Cc+in+%28d%29&watch=1&limit=5&dryRun=All");
    assert_eq!(query.text("labelSelector"), "a=b,c in (d)");
    assert!(query.flag("watch") && !query.flag("follow"));
    assert_eq!(query.integer("limit").expect("a number"), Some(5));
    assert!(query.dry_run());
    let wrong = Query::parse("limit=many").integer("limit").expect_err("no number");
    assert_eq!(wrong.message, "limit: strconv.ParseInt: parsing \"many\": invalid syntax");
    for (text, expected) in [("", Ok(None)), ("0", Ok(None)), ("7", Ok(Some(7)))] {
        assert_eq!(Query::parse(&format!("resourceVersion={text}")).version(), expected);
    }
    let huge = Query::parse("resourceVersion=99999999999999999999").version().expect_err("too large");
    assert!(huge.ends_with("value out of range"), "{huge}");
}
