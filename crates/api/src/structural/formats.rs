//! The formats of texts that upstream checks in custom resources.
//!
//! `isbn`, `creditcard` and `rgbcolor` are taken as they are; `email`, `hostname` and `uri` are read generously.

use super::nodes;
use regex::Regex;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::LazyLock;

/// Whether a text is of a format. Formats that nobody knows take everything.
pub(super) fn fits(format: &str, text: &str) -> bool {
    match format.replace('-', "").as_str() {
        "datetime" => is_time(text),
        "date" => is_date(text),
        "duration" => is_duration(text),
        "ipv4" => text.contains('.') && text.parse::<IpAddr>().is_ok(),
        "ipv6" => text.contains(':') && text.parse::<IpAddr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uuid" => is_uuid(text, None, false),
        "uuid3" => is_uuid(text, Some('3'), false),
        "uuid4" => is_uuid(text, Some('4'), true),
        "uuid5" => is_uuid(text, Some('5'), true),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        "ssn" => is_like(text, "ddd-dd-dddd") || is_like(text, "ddd dd dddd") || is_like(text, "ddddddddd"),
        "byte" => is_base64(text),
        "uri" => is_uri(text),
        "email" => text.rsplit_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()),
        "hostname" => text.len() <= 255 && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label),
        "quantity" => schema::quantity::Quantity::parse(text).is_some(),
        "k8sshortname" => is_name(text, 63) && !text.contains('.'),
        "k8slongname" => is_name(text, 253),
        _ => true,
    }
}

/// Whether upstream knows a format of a type; others are as if they were not there.
pub(super) fn is_known(ty: &str, format: &str) -> bool {
    const OF_TEXTS: [&str; 27] = [
        "bsonobjectid",
        "uri",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "cidr",
        "mac",
        "uuid",
        "uuid3",
        "uuid4",
        "uuid5",
        "isbn",
        "isbn10",
        "isbn13",
        "creditcard",
        "ssn",
        "hexcolor",
        "rgbcolor",
        "byte",
        "password",
        "date",
        "duration",
        "datetime",
        "quantity",
        "k8sshortname",
        "k8slongname",
    ];
    match ty {
        "" | "string" => OF_TEXTS.contains(&format.replace('-', "").as_str()),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    }
}

/// What is said of the formats of a definition that nobody knows.
pub(crate) fn warnings(definition: &Value) -> Vec<String> {
    let mut found = Vec::new();
    nodes::each(definition, &mut |schema, _| {
        let ty = schema["type"].as_str().unwrap_or_default();
        let format = schema["format"].as_str().unwrap_or_default();
        if !format.is_empty() && !is_known(ty, format) {
            found.push(format!("unrecognized format {format:?}"));
        }
    });
    found
}

/// `d` stands for a digit.
fn is_like(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

fn is_date(text: &str) -> bool {
    is_like(text, "dddd-dd-dd") && text.parse::<jiff::civil::Date>().is_ok()
}

/// A date, `T`, and a time of day with an offset.
fn is_time(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let Some((date, time)) = text.split_once('t') else { return false };
    let Some((clock, rest)) = time.split_at_checked(8) else { return false };
    let clock_fits =
        is_like(clock, "dd:dd:dd") && &clock[..2] <= "23" && &clock[3..5] <= "59" && &clock[6..] <= "59";
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if offset.len() == fraction.len() {
                return false;
            }
            offset
        }
        None => rest,
    };
    is_date(date) && clock_fits && (offset == "z" || is_like(offset, "+dd:dd") || is_like(offset, "-dd:dd"))
}

/// Go's durations (`1h30m`, `1.5s`), and those of Scala (`3 days`).
fn is_duration(text: &str) -> bool {
    static GO: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[+-]?(0|([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$")
            .expect("the pattern is well-formed")
    });
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)[0-9]+\s*(ns|nano[a-z]*|us|µs|micro[a-z]*|ms|milli[a-z]*|s|sec[a-z]*|m|min[a-z]*|h|hr|hour[a-z]*|d|day[a-z]*|w|wk|week[a-z]*)($|[^a-zµ])")
            .expect("the pattern is well-formed")
    });
    GO.is_match(text) || WORDS.is_match(text)
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.bytes().all(|byte| byte.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// 6, 8 or 20 bytes, in pairs of digits or in fours with dots.
fn is_mac(text: &str) -> bool {
    let groups = |mark: char, size: usize, counts: [usize; 3]| {
        let parts: Vec<&str> = text.split(mark).collect();
        counts.contains(&parts.len())
            && parts
                .iter()
                .all(|part| part.len() == size && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    groups(':', 2, [6, 8, 20]) || groups('-', 2, [6, 8, 20]) || groups('.', 4, [3, 4, 10])
}

/// The hyphens may be missing. `variant`: whether the fourth group begins with 8, 9, a or b.
fn is_uuid(text: &str, version: Option<char>, variant: bool) -> bool {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new("^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$")
            .expect("the pattern is well-formed")
    });
    let digits: Vec<char> = text.chars().filter(|digit| *digit != '-').collect();
    FORM.is_match(text)
        && version.is_none_or(|version| digits.get(12) == Some(&version))
        && (!variant || digits.get(16).is_some_and(|digit| "89abAB".contains(*digit)))
}

fn is_base64(text: &str) -> bool {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

/// A URI with its scheme, or an absolute path.
fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let has_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    (has_scheme || text.starts_with('/')) && !text.contains(char::is_control)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.chars().count() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && !label.contains(|c: char| c.is_whitespace() || c.is_control() || "_/:@".contains(c))
}

/// Lower-case letters, digits and hyphens between dots.
fn is_name(text: &str, most: usize) -> bool {
    text.len() <= most
        && text.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn texts_of_formats() {
        for (format, good, bad) in [
            (
                "date-time",
                ["2026-01-02T03:04:05Z", "2026-01-02t03:04:05.12+01:00"],
                ["2026-01-02", "2026-13-02T03:04:05Z"],
            ),
            ("date", ["2026-02-28", "2024-02-29"], ["2026-02-29", "28.2.2026"]),
            ("duration", ["1h30m", "3 days"], ["soon", "5 parsecs"]),
            ("ipv4", ["10.0.0.1", "::ffff:1.2.3.4"], ["::1", "10.0.0.256"]),
            ("ipv6", ["::1", "fe80::1"], ["10.0.0.1", ":::"]),
            ("cidr", ["10.0.0.0/8", "::/0"], ["10.0.0.0", "10.0.0.0/33"]),
            ("mac", ["00:11:22:33:44:55", "0011.2233.4455"], ["00:11:22:33:44", "00:11:22:33:44:5g"]),
            (
                "uuid",
                ["123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000"],
                ["1", "123e4567-e89b-12d3-a456-42661417400"],
            ),
            (
                "uuid4",
                ["123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-42d3-8456-426614174000"],
                ["123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-42d3-c456-426614174000"],
            ),
            ("byte", ["aGk=", "aGkh"], ["aGk", "a b="]),
            ("uri", ["https://example.com/a", "/a"], ["example", "exa mple:"]),
            ("hostname", ["example.com", "a"], ["-a.com", "a..b"]),
            ("hexcolor", ["#ffF", "001122"], ["#ffff", "red"]),
            ("k8s-short-name", ["a-1", "a"], ["a.b", "A"]),
            ("k8s-long-name", ["a.b", "a"], ["a..b", "A.b"]),
        ] {
            assert!(good.iter().all(|text| fits(format, text)), "{format}: {good:?}");
            assert!(!bad.iter().any(|text| fits(format, text)), "{format}: {bad:?}");
        }
        assert!(fits("anything", "at all"));
    }
}
