//! The columns of custom resources: `additionalPrinterColumns`.

use crate::link::Table;
use api::Object;
use serde_json::{Value, json};

/// The columns of a kind by its CustomResourceDefinition; without any, name and age.
pub(crate) fn table(definition: Option<&Value>, api_version: &str, objects: &[Object]) -> Table {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let versions = definition.and_then(|definition| definition["spec"]["versions"].as_array());
    let version = versions.and_then(|all| all.iter().find(|known| known["name"] == version));
    let own = version.and_then(|version| version["additionalPrinterColumns"].as_array()).cloned();
    let own = own.unwrap_or_else(|| {
        vec![json!({ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" })]
    });
    let mut columns = vec![json!({
        "name": "Name", "type": "string", "format": "name",
        "description": "Name must be unique within a namespace.", "priority": 0,
    })];
    columns.extend(own.iter().map(|column| {
        json!({
            "name": column["name"], "type": column["type"], "format": column["format"].as_str().unwrap_or_default(),
            "description": column["description"].as_str().unwrap_or_default(),
            "priority": column["priority"].as_i64().unwrap_or(0),
        })
    }));
    let now = jiff::Timestamp::now();
    let rows = objects.iter().map(|object| {
        let mut cells = vec![object["metadata"]["name"].clone()];
        cells.extend(own.iter().map(|column| cell(object, column, now)));
        cells
    });
    Table { columns, rows: rows.collect() }
}

fn cell(object: &Value, column: &Value, now: jiff::Timestamp) -> Value {
    let found = find(object, column["jsonPath"].as_str().unwrap_or_default());
    let kind = column["type"].as_str().unwrap_or_default();
    match (kind, found.as_slice()) {
        (_, []) => Value::Null,
        ("date", [Value::String(time), ..]) => age(time, now).into(),
        ("string", [Value::String(text)]) => text.clone().into(),
        ("string", many) => {
            let texts: Vec<String> = many
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_string))
                .collect();
            texts.join(",").into()
        }
        (_, [first, ..]) => (*first).clone(),
    }
}

/// `5m`, `3h12m`, `14d`, as upstream rounds ages.
fn age(time: &str, now: jiff::Timestamp) -> String {
    let Ok(time) = time.parse::<jiff::Timestamp>() else { return "<invalid>".into() };
    let seconds = now.as_second() - time.as_second();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let with = |whole: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{small}") }
    };
    match seconds {
        ..-1 => "<invalid>".into(),
        -1..0 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 => with(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => with(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => with(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => with(days / 365, "y", days % 365, "d"),
    }
}

/// The JSONPath of printer columns: `.a.b`, `['a.b']`, `[0]`, `[*]`, `[?(@.type=="Ready")]`.
fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![object];
    let mut rest = path.trim_start_matches(['{', '$']).trim_end_matches('}');
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[') {
            Some(inner) => match inner.split_once(']') {
                Some((step, after)) => (step, after),
                None => return Vec::new(),
            },
            None => {
                let name = rest.trim_start_matches('.');
                let end = end_of_name(name);
                (&name[..end], &name[end..])
            }
        };
        found = found.into_iter().flat_map(|value| select(value, step)).collect();
        rest = after;
    }
    found.retain(|value| !value.is_null());
    found
}

/// A dot that follows a backslash belongs to the name.
fn end_of_name(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends =
        |at: &usize| bytes[*at] == b'[' || (bytes[*at] == b'.' && (*at == 0 || bytes[at - 1] != b'\\'));
    (0..bytes.len()).find(ends).unwrap_or(bytes.len())
}

fn select<'a>(value: &'a Value, step: &str) -> Vec<&'a Value> {
    if step == "*" {
        return match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(fields) => fields.values().collect(),
            _ => Vec::new(),
        };
    }
    if let Some(filter) = step.strip_prefix("?(").and_then(|step| step.strip_suffix(')')) {
        let Some((path, wanted)) = filter.split_once("==") else { return Vec::new() };
        let path = path.trim().trim_start_matches('@');
        let wanted = wanted.trim().trim_matches(['"', '\'']);
        let items = value.as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        return items.filter(|item| find(item, path).first().is_some_and(|v| text(v) == wanted)).collect();
    }
    if let Ok(index) = step.parse::<i64>() {
        let Some(items) = value.as_array() else { return Vec::new() };
        let index = if index < 0 { index + items.len() as i64 } else { index };
        return usize::try_from(index).ok().and_then(|index| items.get(index)).into_iter().collect();
    }
    let name = step.trim_matches(['"', '\'']).replace("\\.", ".");
    value.get(name.as_str()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_printer_columns() {
        let object = json!({ "metadata": { "annotations": { "a.b/c": "x" } },
            "status": { "conditions": [{ "type": "A", "status": "False" }, { "type": "Ready", "status": "True" }] } });
        for (path, expected) in [
            (".status.conditions[?(@.type==\"Ready\")].status", "[\"True\"]"),
            (".status.conditions[?(@.type=='Ready')].status", "[\"True\"]"),
            (".status.conditions[0].type", "[\"A\"]"),
            (".status.conditions[-1].type", "[\"Ready\"]"),
            (".status.conditions[*].type", "[\"A\",\"Ready\"]"),
            (".metadata.annotations.a\\.b/c", "[\"x\"]"),
            (".metadata.annotations['a\\.b/c']", "[\"x\"]"),
            (".spec.nothing", "[]"),
        ] {
            assert_eq!(json!(find(&object, path)).to_string(), expected, "{path}");
        }
    }

    #[test]
    fn ages() {
        let now: jiff::Timestamp = "2026-01-02T00:00:00Z".parse().expect("a time");
        for (time, expected) in [
            ("2026-01-01T23:59:01Z", "59s"),
            ("2026-01-01T23:55:30Z", "4m30s"),
            ("2026-01-01T22:00:00Z", "120m"),
            ("2026-01-01T20:30:00Z", "3h30m"),
            ("2026-01-01T00:00:00Z", "24h"),
            ("2025-12-30T12:00:00Z", "2d12h"),
            ("2025-12-01T00:00:00Z", "32d"),
            ("nonsense", "<invalid>"),
        ] {
            assert_eq!(age(time, now), expected, "{time}");
        }
    }
}
