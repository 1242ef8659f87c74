//! The timestamps that go-yaml knows.

/// `2006-1-2`, with an optional time (`T` and an offset, or a blank and none), as RFC 3339. `None`: no timestamp.
pub(crate) fn as_rfc3339(text: &str) -> Option<String> {
    let mut at = Scanner { rest: text };
    if text.bytes().take_while(u8::is_ascii_digit).count() != 4 || text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let year = at.digits(4, 4)?;
    at.literal('-')?;
    let month = at.digits(1, 2)?;
    at.literal('-')?;
    let day = at.digits(1, 2)?;
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if at.rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let zoned = !at.rest.starts_with(' ');
    at.any_of("Tt ")?;
    let hour = at.digits(1, 2)?;
    at.literal(':')?;
    let minute = at.digits(1, 2)?;
    at.literal(':')?;
    let second = at.digits(1, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = at.fraction()?;
    let zone = if zoned { at.zone()? } else { "Z".to_string() };
    at.rest.is_empty().then(|| format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let count = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        digits.parse().ok()
    }

    fn literal(&mut self, c: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }

    fn any_of(&mut self, set: &str) -> Option<()> {
        let first = self.rest.chars().next().filter(|c| set.contains(*c))?;
        self.literal(first)
    }

    /// An optional fraction of a second, without its trailing zeros.
    fn fraction(&mut self) -> Option<String> {
        if self.literal('.').is_none() {
            return Some(String::new());
        }
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return None;
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        let digits = digits[..count.min(9)].trim_end_matches('0');
        Some(if digits.is_empty() { String::new() } else { format!(".{digits}") })
    }

    fn zone(&mut self) -> Option<String> {
        if self.literal('Z').is_some() {
            return Some("Z".to_string());
        }
        let sign = self.rest.chars().next().filter(|c| "+-".contains(*c))?;
        self.literal(sign)?;
        let hours = self.digits(2, 2)?;
        self.literal(':')?;
        let minutes = self.digits(2, 2)?;
        if hours > 24 || minutes > 60 {
            return None;
        }
        Some(if hours == 0 && minutes == 0 {
            "Z".to_string()
        } else {
            format!("{sign}{hours:02}:{minutes:02}")
        })
    }
}
