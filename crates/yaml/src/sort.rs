//! The order of map keys in go-yaml's output: letters after everything else, runs of digits by their number.

use std::cmp::Ordering;

/// Compares two keys as go-yaml's encoder does. Digit runs make it no strict total order, so do not hand it to the
/// standard library's sorts, which may panic then; [`sort_keys`] copes.
pub fn compare_keys(a: &str, b: &str) -> Ordering {
    let common: usize = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    let (before, a, b) = (&a[..common], &a[common..], &b[common..]);
    let (Some(first_a), Some(first_b)) = (a.chars().next(), b.chars().next()) else {
        return a.len().cmp(&b.len());
    };
    match (first_a.is_alphabetic(), first_b.is_alphabetic()) {
        (true, true) => return first_a.cmp(&first_b),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let lead = if first_a == '0' || first_b == '0' { leading_one(before) } else { 0 };
    run(a, lead).cmp(&run(b, lead)).then(first_a.cmp(&first_b))
}

/// A zero inside a number counts: with digits other than zeros before it, both runs are read as if a one led them.
fn leading_one(before: &str) -> i64 {
    i64::from(before.bytes().rev().take_while(u8::is_ascii_digit).any(|b| b != b'0'))
}

/// The number that a text begins with, and how many digits it has.
fn run(text: &str, start: i64) -> (i64, usize) {
    let digits = text.bytes().take_while(u8::is_ascii_digit);
    digits.fold((start, 0), |(number, count), digit| {
        (number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')), count + 1)
    })
}

/// So few are sorted by insertion, as in Go, whose sort this is.
const FEW: usize = 12;

/// Insertion and merge sort: stable, and free of the demand that the order be total.
pub(crate) fn sort_keys<T>(items: &mut Vec<T>, key: impl Fn(&T) -> &str + Copy) {
    if items.len() <= FEW {
        for end in 1..items.len() {
            let mut at = end;
            while at > 0 && compare_keys(key(&items[at]), key(&items[at - 1])) == Ordering::Less {
                items.swap(at, at - 1);
                at -= 1;
            }
        }
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
