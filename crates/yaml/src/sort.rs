//! The order of map keys in go-yaml's output: letters after everything else, runs of digits by their number.

use std::cmp::Ordering;

/// Compares two keys as go-yaml's encoder does. Digit runs make it no strict total order, so do not hand it to the
/// standard library's sorts, which may panic then; [`sort_keys`] copes.
pub fn compare_keys(a: &str, b: &str) -> Ordering {
    let (ar, br): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(i) = ar.iter().zip(&br).position(|(a, b)| a != b) else {
        return ar.len().cmp(&br.len());
    };
    match (ar[i].is_alphabetic(), br[i].is_alphabetic()) {
        (true, true) => return ar[i].cmp(&br[i]),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let lead = leading_one(&ar, &br, i);
    let (a_end, a_number) = run(&ar, i, lead);
    let (b_end, b_number) = run(&br, i, lead);
    a_number.cmp(&b_number).then(a_end.cmp(&b_end)).then(ar[i].cmp(&br[i]))
}

/// A zero inside a number counts: with digits other than zeros before it, both runs are read as if a one led them.
fn leading_one(a: &[char], b: &[char], at: usize) -> i64 {
    if a[at] != '0' && b[at] != '0' {
        return 0;
    }
    let before = a[..at].iter().rev().take_while(|c| c.is_ascii_digit());
    i64::from(before.into_iter().any(|c| *c != '0'))
}

fn run(text: &[char], from: usize, start: i64) -> (usize, i64) {
    let mut number = start;
    let mut at = from;
    while let Some(digit) = text.get(at).and_then(|c| c.to_digit(10)) {
        number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
        at += 1;
    }
    (at, number)
}

/// Merge sort: stable, and free of the demand that the order be total.
pub(crate) fn sort_keys<T>(items: &mut Vec<T>, key: impl Fn(&T) -> &str + Copy) {
    if items.len() < 2 {
        return;
    }
    let mut right = items.split_off(items.len() / 2);
    sort_keys(items, key);
    sort_keys(&mut right, key);
    let mut merged = Vec::with_capacity(items.len() + right.len());
    let (mut left, mut right) = (items.drain(..).peekable(), right.into_iter().peekable());
    while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
        let from_right = compare_keys(key(r), key(l)) == Ordering::Less;
        merged.extend(if from_right { right.next() } else { left.next() });
    }
    merged.extend(left);
    merged.extend(right);
    *items = merged;
}

#[cfg(test)]
mod tests {
    use super::sort_keys;

    #[test]
    fn natural_order() {
        let mut keys = vec![
            "a", "A", "1", "10", "9", "~", "_", "-", "#x", "a2", "a10", "a01", "ab", "a-b", "é", "", "1.10",
            "1.9",
        ];
        sort_keys(&mut keys, |k| k);
        assert_eq!(
            keys,
            [
                "", "#x", "-", "_", "~", "1", "1.9", "1.10", "9", "10", "A", "a", "a-b", "a01", "a2", "a10",
                "ab", "é"
            ]
        );
    }
}
