//! Sets of completion indexes, in the form in which a Job's status and its policies write them: `1,3-5`.

use std::collections::BTreeSet;

pub(super) type Indexes = BTreeSet<i64>;

/// Reads `1,3-5`, but for indexes that are not below `end`; parts that are no numbers are left out.
pub(super) fn parse(text: &str, end: i64) -> Indexes {
    let mut indexes = Indexes::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) {
            indexes.extend(first.max(0)..=last.min(end - 1));
        }
    }
    indexes
}

/// Neighbours become a range; two of them stay apart by a comma, as upstream writes them.
pub(super) fn format(indexes: &Indexes) -> String {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let shown = |(first, last): (i64, i64)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    runs.into_iter().map(shown).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (text, end, want) in [
            ("", 5, ""),
            ("0", 5, "0"),
            ("0,1", 5, "0,1"),
            ("0,1,2", 5, "0-2"),
            ("0-2,4", 5, "0-2,4"),
            ("1,3-9", 5, "1,3,4"),
            ("x,2", 5, "2"),
            ("-1", 5, ""),
        ] {
            assert_eq!(format(&parse(text, end)), want, "{text}");
        }
    }
}
