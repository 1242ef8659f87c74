//! The options of requests: what of them upstream refuses, in its words.

use crate::query::Query;
use api::{ApiError, DeleteOptions, FieldValidation, Propagation, Result, Warnings, WriteOptions};
use http::HeaderMap;
use serde_json::Value;

const LONGEST_MANAGER: usize = 128;

/// Which options a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    Create,
    Update,
    Patch,
    Apply,
}

/// What is wrong with the options, each with its field.
#[derive(Default)]
struct Causes(Vec<(String, String, String)>);

impl Causes {
    fn add(&mut self, field: &str, reason: &str, message: impl Into<String>) {
        self.0.push((field.to_string(), reason.to_string(), message.into()));
    }

    fn forbidden(&mut self, field: &str, why: &str) {
        self.add(field, "FieldValueForbidden", format!("Forbidden: {why}"));
    }

    fn invalid(&mut self, field: &str, value: &str, why: &str) {
        self.add(field, "FieldValueInvalid", format!("Invalid value: {value:?}: {why}"));
    }

    /// `value` as JSON.
    fn unsupported(&mut self, field: &str, value: &Value, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        self.add(field, "FieldValueNotSupported", message);
    }

    fn dry_run(&mut self, values: &[&str]) {
        if values.iter().any(|value| *value != "All") {
            self.unsupported("dryRun", &Value::from(values), &["All"]);
        }
    }

    fn none(self, kind: &str) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(ApiError::invalid("meta.k8s.io/options", kind, "", &self.0))
    }
}

/// The options of a write.
pub(crate) fn of_write(query: &Query, headers: &HeaderMap, writes: Writes) -> Result<WriteOptions> {
    let mut causes = Causes::default();
    let manager = query.text("fieldManager");
    match writes {
        Writes::Patch if query.has("force") => {
            causes.forbidden("force", "may not be specified for non-apply patch");
        }
        Writes::Apply if manager.is_empty() => {
            let message = "Required value: is required for apply patch";
            causes.add("fieldManager", "FieldValueRequired", message);
        }
        _ => {}
    }
    if manager.len() > LONGEST_MANAGER {
        let message = format!("Too long: may not be more than {LONGEST_MANAGER} bytes");
        causes.add("fieldManager", "FieldValueTooLong", message);
    }
    for (at, c) in manager.char_indices().filter(|(_, c)| !is_printable(*c)) {
        let why = format!("invalid character U+{:04X} (at position {at})", u32::from(c));
        causes.invalid("fieldManager", manager, &why);
    }
    causes.dry_run(&query.all("dryRun"));
    let field_validation = match query.text("fieldValidation") {
        "" | "Warn" => FieldValidation::Warn,
        "Ignore" => FieldValidation::Ignore,
        "Strict" => FieldValidation::Strict,
        other => {
            let supported = ["", "Ignore", "Strict", "Warn"];
            causes.unsupported("fieldValidation", &Value::from(other), &supported);
            FieldValidation::Warn
        }
    };
    causes.none(match writes {
        Writes::Create => "CreateOptions",
        Writes::Update => "UpdateOptions",
        Writes::Patch | Writes::Apply => "PatchOptions",
    })?;
    Ok(WriteOptions {
        field_manager: manager_of(query, headers),
        dry_run: query.dry_run(),
        field_validation,
        warnings: Warnings::default(),
        ..WriteOptions::default()
    })
}

/// Upstream takes the program's name from the User-Agent when the client does not say.
fn manager_of(query: &Query, headers: &HeaderMap) -> String {
    let given = query.text("fieldManager");
    if !given.is_empty() {
        return given.to_string();
    }
    let agent =
        headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    agent.split('/').next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_string()
}

/// As Go has it: letters, marks, numbers, punctuation, symbols and the space.
fn is_printable(c: char) -> bool {
    // Behind a letter marks are not escaped.
    let shown: String = format!("a{c}").escape_debug().collect();
    matches!(c, '"' | '\'' | '\\') || !shown.starts_with("a\\")
}

/// Of a list, and of what deletes all of it.
pub(crate) fn check_list(query: &Query, watch: bool) -> Result<()> {
    const FIELD: &str = "resourceVersionMatch";
    let mut causes = Causes::default();
    let (matching, version) = (query.text(FIELD), query.text("resourceVersion"));
    let continues = !query.text("continue").is_empty();
    let initial = query.has("sendInitialEvents");
    if watch {
        if initial && matching != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            causes.forbidden(FIELD, why);
        }
        if !matching.is_empty() && !initial {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.forbidden(FIELD, why);
        }
        if !matching.is_empty() && matching != "NotOlderThan" {
            causes.unsupported(FIELD, &Value::from(matching), &["NotOlderThan"]);
        }
    } else if !matching.is_empty() && version.is_empty() {
        causes.forbidden(FIELD, "resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if !matching.is_empty() && continues {
        causes.forbidden(FIELD, "resourceVersionMatch is forbidden when continue is provided");
    }
    if !watch {
        if !matches!(matching, "" | "Exact" | "NotOlderThan") {
            causes.unsupported(FIELD, &Value::from(matching), &["Exact", "NotOlderThan", ""]);
        }
        if matching == "Exact" && version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            causes.forbidden(FIELD, why);
        }
        if initial {
            causes.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
        }
    }
    causes.none("ListOptions")
}

/// Of a deletion: the body, or the query of a request without one.
pub(crate) fn of_delete(query: &Query, body: &Value) -> Result<DeleteOptions> {
    if body.is_null() {
        return checked(Deletion {
            policy: query.has("propagationPolicy").then(|| query.text("propagationPolicy")),
            orphan: query.optional_flag("orphanDependents"),
            dry_run: query.all("dryRun"),
            options: DeleteOptions {
                grace_seconds: query.integer("gracePeriodSeconds")?,
                ..DeleteOptions::default()
            },
        });
    }
    let text = |value: &Value| value.as_str().map(str::to_string);
    let preconditions = &body["preconditions"];
    checked(Deletion {
        policy: body["propagationPolicy"].as_str(),
        orphan: body["orphanDependents"].as_bool(),
        dry_run: body["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
        options: DeleteOptions {
            uid: text(&preconditions["uid"]),
            resource_version: text(&preconditions["resourceVersion"]),
            grace_seconds: body["gracePeriodSeconds"].as_i64(),
            ..DeleteOptions::default()
        },
    })
}

struct Deletion<'a> {
    policy: Option<&'a str>,
    /// The older way to say the same.
    orphan: Option<bool>,
    dry_run: Vec<&'a str>,
    options: DeleteOptions,
}

fn checked(given: Deletion<'_>) -> Result<DeleteOptions> {
    const FIELD: &str = "propagationPolicy";
    let mut causes = Causes::default();
    if let (Some(policy), Some(_)) = (given.policy, given.orphan) {
        causes.invalid(FIELD, policy, "orphanDependents and deletionPropagation cannot be both set");
    }
    let propagation = match given.policy {
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Background") => Some(Propagation::Background),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(other) => {
            let supported = ["Foreground", "Background", "Orphan", "nil"];
            causes.unsupported(FIELD, &Value::from(other), &supported);
            None
        }
        None => given.orphan.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
    };
    causes.dry_run(&given.dry_run);
    causes.none("DeleteOptions")?;
    Ok(DeleteOptions { propagation, dry_run: !given.dry_run.is_empty(), ..given.options })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    fn told<T>(done: Result<T>) -> String {
        match done {
            Ok(_) => "fine".into(),
            Err(error) => format!("{} {} {}", error.code, error.reason, error.message),
        }
    }

    #[test]
    fn writes() {
        let long = format!("fieldManager={}", "x".repeat(129));
        let mut lines = Vec::new();
        for (writes, query) in [
            (Writes::Create, ""),
            (Writes::Create, "fieldManager=kubectl&dryRun=All&fieldValidation=Strict"),
            (Writes::Create, "dryRun=Some&dryRun=All"),
            (Writes::Create, "dryRun="),
            (Writes::Update, "fieldValidation=warn"),
            (Writes::Update, "fieldManager=a%07b%E2%80%8B"),
            (Writes::Update, "fieldManager=%C3%A9+%22%5C%27"),
            (Writes::Update, long.as_str()),
            (Writes::Patch, "force=false"),
            (Writes::Apply, "force=true&fieldManager=x"),
            (Writes::Apply, "dryRun=None"),
        ] {
            let done = of_write(&Query::parse(query), &HeaderMap::new(), writes);
            lines.push(format!("{writes:?} {}: {}", &query[..query.len().min(60)], told(done)));
        }
        expect![[r#"
            Create : fine
            Create fieldManager=kubectl&dryRun=All&fieldValidation=Strict: fine
            Create dryRun=Some&dryRun=All: 422 Invalid CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some","All"]: supported values: "All"
            Create dryRun=: 422 Invalid CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: [""]: supported values: "All"
            Update fieldValidation=warn: 422 Invalid UpdateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "warn": supported values: "", "Ignore", "Strict", "Warn"
            Update fieldManager=a%07b%E2%80%8B: 422 Invalid UpdateOptions.meta.k8s.io "" is invalid: [fieldManager: Invalid value: "a\u{7}b\u{200b}": invalid character U+0007 (at position 1), fieldManager: Invalid value: "a\u{7}b\u{200b}": invalid character U+200B (at position 3)]
            Update fieldManager=%C3%A9+%22%5C%27: fine
            Update fieldManager=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: 422 Invalid UpdateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes
            Patch force=false: 422 Invalid PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch
            Apply force=true&fieldManager=x: fine
            Apply dryRun=None: 422 Invalid PatchOptions.meta.k8s.io "" is invalid: [fieldManager: Required value: is required for apply patch, dryRun: Unsupported value: ["None"]: supported values: "All"]
        "#]].assert_eq(&(lines.join("\n") + "\n"));
    }

    #[test]
    fn lists_and_watches() {
        let mut lines = Vec::new();
        for (watch, query) in [
            (false, ""),
            (false, "resourceVersion=5&resourceVersionMatch=Exact"),
            (false, "resourceVersionMatch=Exact"),
            (false, "resourceVersionMatch=Exact&resourceVersion=0"),
            (false, "resourceVersionMatch=Some&resourceVersion=1&continue=x"),
            (false, "sendInitialEvents=false"),
            (true, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
            (true, "sendInitialEvents=true"),
            (true, "resourceVersionMatch=NotOlderThan"),
            (true, "sendInitialEvents=true&resourceVersionMatch=Exact"),
            (true, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x"),
        ] {
            let verb = if watch { "watch" } else { "list" };
            lines.push(format!("{verb} {query}: {}", told(check_list(&Query::parse(query), watch))));
        }
        expect![[r#"
            list : fine
            list resourceVersion=5&resourceVersionMatch=Exact: fine
            list resourceVersionMatch=Exact: 422 Invalid ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided
            list resourceVersionMatch=Exact&resourceVersion=0: 422 Invalid ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"
            list resourceVersionMatch=Some&resourceVersion=1&continue=x: 422 Invalid ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided, resourceVersionMatch: Unsupported value: "Some": supported values: "Exact", "NotOlderThan", ""]
            list sendInitialEvents=false: 422 Invalid ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list
            watch sendInitialEvents=true&resourceVersionMatch=NotOlderThan: fine
            watch sendInitialEvents=true: 422 Invalid ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan
            watch resourceVersionMatch=NotOlderThan: 422 Invalid ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided
            watch sendInitialEvents=true&resourceVersionMatch=Exact: 422 Invalid ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]
            watch sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x: 422 Invalid ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided
        "#]].assert_eq(&(lines.join("\n") + "\n"));
    }

    #[test]
    fn deletions() {
        let mut lines = Vec::new();
        for (query, body) in [
            ("", json!(null)),
            ("propagationPolicy=Orphan&gracePeriodSeconds=-1&dryRun=All", json!(null)),
            ("propagationPolicy=Sideways", json!(null)),
            ("orphanDependents=true", json!(null)),
            ("orphanDependents=false&propagationPolicy=Foreground", json!(null)),
            ("gracePeriodSeconds=soon", json!(null)),
            ("propagationPolicy=Sideways", json!({ "propagationPolicy": "Foreground" })),
            ("", json!({ "orphanDependents": true, "propagationPolicy": "Back", "dryRun": ["x"] })),
            ("", json!({ "preconditions": { "uid": "u", "resourceVersion": "7" }, "gracePeriodSeconds": 3 })),
        ] {
            let done = of_delete(&Query::parse(query), &body);
            let shown = done.as_ref().map_or(String::new(), |o| {
                let conditions = [&o.uid, &o.resource_version];
                format!(" {conditions:?} {:?} {:?} dry: {}", o.grace_seconds, o.propagation, o.dry_run)
            });
            lines.push(format!("{query} {body}: {}{shown}", told(done)));
        }
        expect![[r#"
             null: fine [None, None] None None dry: false
            propagationPolicy=Orphan&gracePeriodSeconds=-1&dryRun=All null: fine [None, None] Some(-1) Some(Orphan) dry: true
            propagationPolicy=Sideways null: 422 Invalid DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"
            orphanDependents=true null: fine [None, None] None Some(Orphan) dry: false
            orphanDependents=false&propagationPolicy=Foreground null: 422 Invalid DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Foreground": orphanDependents and deletionPropagation cannot be both set
            gracePeriodSeconds=soon null: 400 BadRequest gracePeriodSeconds: strconv.ParseInt: parsing "soon": invalid syntax
            propagationPolicy=Sideways {"propagationPolicy":"Foreground"}: fine [None, None] None Some(Foreground) dry: false
             {"orphanDependents":true,"propagationPolicy":"Back","dryRun":["x"]}: 422 Invalid DeleteOptions.meta.k8s.io "" is invalid: [propagationPolicy: Invalid value: "Back": orphanDependents and deletionPropagation cannot be both set, propagationPolicy: Unsupported value: "Back": supported values: "Foreground", "Background", "Orphan", "nil", dryRun: Unsupported value: ["x"]: supported values: "All"]
             {"preconditions":{"uid":"u","resourceVersion":"7"},"gracePeriodSeconds":3}: fine [Some("u"), Some("7")] Some(3) None dry: false
        "#]].assert_eq(&(lines.join("\n") + "\n"));
    }
}
