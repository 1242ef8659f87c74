//! Points in time as the API writes them, and ages as kubectl prints them.

/// `2026-11-23T10:00:00Z`, with `digits` of a second's fraction.
pub(crate) fn format(seconds: i64, nanos: u32, digits: usize) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let fraction =
        if digits == 0 { String::new() } else { format!(".{nanos:09}")[..=digits.min(9)].to_string() };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Seconds since 1970 of an RFC 3339 text.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let mark =
        |at: usize, wanted: &[u8]| text.as_bytes().get(at).filter(|byte| wanted.contains(byte)).map(|_| ());
    mark(4, b"-")?;
    mark(7, b"-")?;
    mark(10, b"Tt")?;
    mark(13, b":")?;
    mark(16, b":")?;
    let days = days(number(0..4)?, number(5..7)?, number(8..10)?);
    let clock = number(11..13)? * 3_600 + number(14..16)? * 60 + number(17..19)?;
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), ..] if zone.len() == 6 => {
            let part = |range: std::ops::Range<usize>| zone.get(range)?.parse::<i64>().ok();
            let seconds = part(1..3)? * 3_600 + part(4..6)? * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    Some(days * 86_400 + clock - offset)
}

/// Days since 1970 of a date of the Gregorian calendar: years begin in March, eras have 400 of them.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// `45s`, `2m30s`, `12m`, `3h25m`, `9h`, `2d5h`, `9d`, `2y10d`: the fewer digits, the longer ago.
pub(crate) fn human(seconds: i64) -> String {
    let pair = |large: i64, a: &str, small: i64, b: &str| {
        if small == 0 { format!("{large}{a}") } else { format!("{large}{a}{small}{b}") }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        ..-1 => "<invalid>".into(),
        -1 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 => pair(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => pair(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip() {
        for text in
            ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2026-11-23T10:20:30Z", "1969-12-31T23:59:59Z"]
        {
            assert_eq!(format(parse(text).expect("a time"), 0, 0), text);
        }
        assert_eq!(parse("2026-11-23T12:20:30.123456+02:00"), parse("2026-11-23T10:20:30Z"));
        assert_eq!(format(0, 123_456_789, 6), "1970-01-01T00:00:00.123456Z");
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn ages() {
        let ages =
            [(-5, "<invalid>"), (0, "0s"), (119, "119s"), (150, "2m30s"), (600, "10m"), (10_000, "166m")];
        for (seconds, text) in
            ages.into_iter().chain([(12_300, "3h25m"), (90_000, "25h"), (190_000, "2d4h"), (900_000, "10d")])
        {
            assert_eq!(human(seconds), text, "{seconds}");
        }
        assert_eq!(human(3 * 365 * 86_400), "3y");
    }
}
