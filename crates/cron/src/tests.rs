use super::*;

/// Schedule, zone, from, and the next times.
const CASES: &[(&str, &str, &str, &[&str])] = &[
    ("* * * * *", "", "2026-01-01T00:00:00Z", &["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"]),
    ("* * * * *", "", "2026-01-01T00:00:59.5Z", &["2026-01-01T00:01:00Z"]),
    ("*/15 * * * *", "", "2026-01-01T00:14:59Z", &["2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"]),
    (
        "5/20 * * * *",
        "",
        "2026-01-01T00:00:00Z",
        &["2026-01-01T00:05:00Z", "2026-01-01T00:25:00Z", "2026-01-01T00:45:00Z", "2026-01-01T01:05:00Z"],
    ),
    ("0 9-17/4 * * MON-FRI", "", "2026-01-02T14:00:00Z", &["2026-01-02T17:00:00Z", "2026-01-05T09:00:00Z"]),
    ("0 0 1,15 * *", "", "2026-01-02T00:00:00Z", &["2026-01-15T00:00:00Z", "2026-02-01T00:00:00Z"]),
    // Both days given: either will do. With a star, also one with a step, both must fit.
    (
        "0 0 13 * fri",
        "",
        "2026-01-01T00:00:00Z",
        &["2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"],
    ),
    ("0 0 * * fri", "", "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z"]),
    ("0 0 29 2 *", "", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z"]),
    ("0 0 30 feb *", "", "2026-01-01T00:00:00Z", &[]),
    ("0 0 31 12 ?", "", "2026-01-01T00:00:00Z", &["2026-12-31T00:00:00Z"]),
    ("@hourly", "", "2026-01-01T00:30:00Z", &["2026-01-01T01:00:00Z"]),
    ("@weekly", "", "2026-01-01T00:30:00Z", &["2026-01-04T00:00:00Z"]),
    ("@yearly", "", "2026-01-01T00:00:00Z", &["2027-01-01T00:00:00Z"]),
    ("@every 1h30m", "", "2026-01-01T00:00:00.7Z", &["2026-01-01T01:30:00Z", "2026-01-01T03:00:00Z"]),
    ("@every 1ms", "", "2026-01-01T00:00:00Z", &["2026-01-01T00:00:01Z"]),
    (
        "30 2 * * *",
        "Europe/Berlin",
        "2026-01-01T00:00:00Z",
        &["2026-01-01T01:30:00Z", "2026-01-02T01:30:00Z"],
    ),
    // The clocks go from 2 to 3 on 2026-03-29: half past two is not there on that day.
    ("30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", &["2026-03-30T00:30:00Z"]),
    // They go from 3 to 2 on 2026-10-25: it comes twice.
    (
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T12:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"],
    ),
    ("0 0 * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", &["2026-01-01T18:30:00Z"]),
    (
        "15 * * * *",
        "Asia/Kathmandu",
        "2026-01-01T00:00:00Z",
        &["2026-01-01T00:30:00Z", "2026-01-01T01:30:00Z"],
    ),
];

#[test]
fn next_times() {
    for (text, name, from, want) in CASES {
        let schedule = Schedule::parse(text).expect(text);
        let zone = zone(name).expect(name);
        let mut at: Timestamp = from.parse().expect("a time");
        let count = want.len().max(1);
        let mut found = Vec::new();
        for _ in 0..count {
            let Some(next) = schedule.next(at, &zone) else { break };
            found.push(next.to_string());
            at = next;
        }
        assert_eq!(found, *want, "{text} in {name:?} from {from}");
    }
}

#[test]
fn errors() {
    for (text, want) in [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* 24 * * *", "end of range (24) above maximum (23): 24"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * 13 *", "end of range (13) above maximum (12): 13"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "too many slashes: */2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
        ("-1 * * * *", "failed to parse int from : strconv.Atoi: parsing \"\": invalid syntax"),
        (
            "* * * * monday",
            "failed to parse int from monday: strconv.Atoi: parsing \"monday\": invalid syntax",
        ),
        ("@daly", "unrecognized descriptor: @daly"),
        ("@every", "unrecognized descriptor: @every"),
        ("@every 5", "failed to parse duration @every 5: time: missing unit in duration \"5\""),
        ("@every 5x", "failed to parse duration @every 5x: time: unknown unit \"x\" in duration \"5x\""),
        ("@every x", "failed to parse duration @every x: time: invalid duration \"x\""),
    ] {
        assert_eq!(Schedule::parse(text).expect_err(text).to_string(), want);
    }
}

#[test]
fn zones() {
    assert_eq!(zone("").expect("the default"), TimeZone::UTC);
    for name in ["Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/UTC", "UTC"] {
        assert!(zone(name).is_ok(), "{name}");
    }
    for name in ["Mars/Olympus", "europe/berlin", "Local"] {
        assert_eq!(zone(name).expect_err(name).to_string(), format!("unknown time zone {name}"));
    }
}
