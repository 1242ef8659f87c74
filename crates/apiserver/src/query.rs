//! The query of a URL.

use api::{ApiError, FieldValidation, Result, Warnings, WriteOptions};
use http::HeaderMap;
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

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| {
            ApiError::bad_request(format!("{name}: strconv.ParseInt: parsing {text:?}: invalid syntax"))
        })
    }

    pub(crate) fn dry_run(&self) -> Result<bool> {
        match self.all("dryRun").as_slice() {
            [] | [""] => Ok(false),
            all if all.iter().all(|value| *value == "All") => Ok(true),
            other => {
                Err(ApiError::bad_request(format!("invalid dryRun: {other:?}: supported values: \"All\"")))
            }
        }
    }

    pub(crate) fn write_options(&self, headers: &HeaderMap) -> Result<WriteOptions> {
        let field_validation = match self.text("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                return Err(ApiError::bad_request(format!(
                    "fieldValidation: Unsupported value: {other:?}: supported values: \"\", \"Ignore\", \"Warn\", \"Strict\""
                )));
            }
        };
        Ok(WriteOptions {
            field_manager: self.field_manager(headers),
            dry_run: self.dry_run()?,
            field_validation,
            warnings: Warnings::default(),
            ..WriteOptions::default()
        })
    }

    /// Upstream takes the program's name from the User-Agent when the client does not say.
    fn field_manager(&self, headers: &HeaderMap) -> String {
        let given = self.text("fieldManager");
        if !given.is_empty() {
            return given.to_string();
        }
        let agent =
            headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        agent.split('/').next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_string()
    }
}

#[cfg(test)]
#[test]
fn queries() {
    let query = Query::parse("labelSelector=a%3Db%2Cc+in+%28d%29&watch=1&limit=5&dryRun=All");
    assert_eq!(query.text("labelSelector"), "a=b,c in (d)");
    assert!(query.flag("watch") && !query.flag("follow"));
    assert_eq!(query.number::<u64>("limit").expect("a number"), Some(5));
    assert!(query.dry_run().expect("known"));
    assert!(Query::parse("dryRun=Some").dry_run().is_err());
}
