//! Constraints on a version: `>=1.2.0 <2.0.0 || 3.x`, as in `version_settings(constraint=…)`.

use crate::call::{Result, fail, go_quote};
use std::cmp::Ordering;

type Version = [u64; 3];

/// The version fulfils the constraint: one of its alternatives, and of that every part.
pub(crate) fn satisfies(version: &str, constraint: &str) -> Result<bool> {
    let version = match numbers(version).as_slice() {
        [Some(a), Some(b), Some(c)] => [*a, *b, *c],
        _ => fail!("{version:?} is not a version"),
    };
    let mut any = false;
    for alternative in constraint.split("||") {
        let parts = parts(alternative);
        if parts.is_empty() {
            let place = if alternative.as_ptr() == constraint.as_ptr() { "First" } else { "Last" };
            fail!("error parsing version constraint: {place} element in range is '||'");
        }
        let mut all = true;
        for part in parts {
            let Some(fits) = fits(&version, &part) else {
                fail!("error parsing version constraint: {}", problem(&part));
            };
            all &= fits;
        }
        any |= all;
    }
    Ok(any)
}

/// `>= 1.0` is one part, `>=1.0<2` are two.
fn parts(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut after_operator = false;
    for word in text.split_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            let operator = rest.find(|c| !is_operator(c)).unwrap_or(rest.len());
            let number = rest[operator..].find(is_operator).map_or(rest.len(), |i| operator + i);
            match parts.last_mut() {
                Some(last) if after_operator && operator == 0 => last.push_str(&rest[..number]),
                _ => parts.push(rest[..number].to_owned()),
            }
            after_operator = number == operator;
            rest = &rest[number..];
        }
    }
    parts
}

fn is_operator(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '!')
}

/// Up to three numbers; a wildcard is `None`.
fn numbers(text: &str) -> Vec<Option<u64>> {
    let text = text.split(['-', '+']).next().unwrap_or_default();
    text.split('.').map(|n| n.parse().ok()).collect()
}

/// Why a part is none, as the library says that Tilt uses.
fn problem(part: &str) -> String {
    let Some(digit) = part.find(|c: char| c.is_ascii_digit()) else {
        return format!("Could not get version from string: {}", go_quote(part));
    };
    let (operator, text) = part.split_at(digit);
    let why = if matches!(operator, "" | "=" | "==" | "!" | "!=" | ">" | ">=" | "<" | "<=") {
        format!("Could not parse version {} in {}: {}", go_quote(text), go_quote(part), bad_version(text))
    } else {
        format!("Could not parse comparator {} in {}", go_quote(operator), go_quote(part))
    };
    format!("Could not parse Range {}: {why}", go_quote(part))
}

fn bad_version(text: &str) -> String {
    let numbers: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, patch] = numbers.as_slice() else {
        return "No Major.Minor.Patch elements found".to_owned();
    };
    let patch = patch.split(['-', '+']).next().unwrap_or_default();
    for (what, number) in [("major", *major), ("minor", *minor), ("patch", patch)] {
        if !number.bytes().all(|c| c.is_ascii_digit()) {
            return format!("Invalid character(s) found in {what} number {}", go_quote(number));
        }
        if number.len() > 1 && number.starts_with('0') {
            let which =
                ["Major", "Minor", "Patch"][usize::from(what == "minor") + 2 * usize::from(what == "patch")];
            return format!("{which} number must not contain leading zeroes {}", go_quote(number));
        }
    }
    format!("strconv.ParseUint: parsing {}: invalid syntax", go_quote(text))
}

fn fits(version: &Version, part: &str) -> Option<bool> {
    let split = part.find(|c| !is_operator(c))?;
    let (operator, text) = part.split_at(split);
    let is_number = |n: &str| matches!(n, "x" | "X" | "*") || n.parse::<u64>().is_ok();
    let plain = text.split(['-', '+']).next().unwrap_or_default();
    if !plain.split('.').all(is_number) || plain.split('.').count() > 3 {
        return None;
    }
    let given = numbers(text);
    let whole = given.iter().take_while(|n| n.is_some()).count();
    let low: Vec<u64> = given.iter().map(|n| n.unwrap_or(0)).chain([0, 0]).take(3).collect();
    let order = version.as_slice().cmp(&low);
    // with a wildcard a range is meant: 1.2.x is every 1.2
    let inside = given[..whole].iter().zip(version).all(|(g, v)| *g == Some(*v));
    Some(match operator {
        "" | "=" | "==" => inside && (whole == given.len() && whole == 3 || whole < 3),
        "!" | "!=" => !inside,
        ">" => order == Ordering::Greater && !(whole < 3 && inside),
        ">=" => order != Ordering::Less,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater || (whole < 3 && inside),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints() {
        for (constraint, want) in [
            ("0.37.6", Some(true)),
            ("=0.37.6", Some(true)),
            ("= 0.37.6", Some(true)),
            ("!0.37.6", Some(false)),
            (">0.4.1", Some(true)),
            ("<=0.3.0", Some(false)),
            (">=0.30.0 <0.40.0", Some(true)),
            (">=0.30.0<0.31.0", Some(false)),
            ("<0.1.0 || >=0.37.0", Some(true)),
            ("0.37.x", Some(true)),
            ("0.36.x", Some(false)),
            (">0.37.x", Some(false)),
            ("<=0.37.x", Some(true)),
            ("banana", None),
            ("", None),
            ("1.2.3.4", None),
            (">=", None),
        ] {
            assert_eq!(satisfies("0.37.6", constraint).ok(), want, "{constraint}");
        }
    }
}
