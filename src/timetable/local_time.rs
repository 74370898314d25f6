//! The times that riders name: local time of day, today. They become UTC here and nowhere else.

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use jaudiosync_time::{self as axis, Instant};

/// A start time as a rider names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedTime {
    /// A time of day, today.
    OfDay(NaiveTime),
    /// A date and a time, for a start on another day.
    OnDate(NaiveDateTime),
}

/// Why a named time cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamedTimeError {
    /// It cannot be read.
    #[error(
        "\"{0}\" is not a time: write HH:MM or HH:MM:SS, such as 18:30:05, and for another day the date before it, such as \
         2026-11-30T18:30:05 or \"2026-11-30 18:30\""
    )]
    Unreadable(String),
    /// The clocks go forward over it.
    #[error("{0} does not exist here: the clocks go forward over it; name a time an hour later")]
    Skipped(NaiveDateTime),
}

impl std::str::FromStr for NamedTime {
    type Err = NamedTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // chrono accepts 60 for a leap second; a box has none.
        let leap = text.ends_with(":60");
        let of_day =
            |text: &str| ["%H:%M:%S", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok());
        let on_date = || {
            let (date, time) = text.split_once(['T', 't', ' '])?;
            Some(NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?.and_time(of_day(time.trim_start())?))
        };
        let named = of_day(text).map(Self::OfDay).or_else(|| on_date().map(Self::OnDate));
        named.filter(|_| !leap).ok_or_else(|| NamedTimeError::Unreadable(text.to_owned()))
    }
}

impl NamedTime {
    /// Returns the instant, in whole seconds of UTC, given the time zone and the present. A time
    /// that comes twice, when the clocks go back, is the first of the two, on every box.
    ///
    /// # Errors
    /// When the clocks of the zone go forward over the time.
    pub fn to_utc_s<Zone: TimeZone>(self, zone: &Zone, now: Instant<axis::Utc>) -> Result<i64, NamedTimeError> {
        let local = match self {
            Self::OfDay(time) => {
                DateTime::<Utc>::from_timestamp_nanos(now.ns()).with_timezone(zone).date_naive().and_time(time)
            }
            Self::OnDate(local) => local,
        };
        match zone.from_local_datetime(&local) {
            LocalResult::Single(instant) => Ok(instant.timestamp()),
            LocalResult::Ambiguous(first, second) => Ok(first.timestamp().min(second.timestamp())),
            LocalResult::None => Err(NamedTimeError::Skipped(local)),
        }
    }

    /// Returns how to name the same time of day one day later, for the message that the time has
    /// passed.
    pub fn a_day_later<Zone: TimeZone>(self, zone: &Zone, now: Instant<axis::Utc>) -> Option<String> {
        let local = match self {
            Self::OfDay(time) => {
                DateTime::<Utc>::from_timestamp_nanos(now.ns()).with_timezone(zone).date_naive().and_time(time)
            }
            Self::OnDate(local) => local,
        };
        Some(local.checked_add_days(Days::new(1))?.format("%Y-%m-%dT%H:%M:%S").to_string())
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Berlin;
    use chrono_tz::Tz;

    use super::*;

    fn utc(text: &str) -> Instant<axis::Utc> {
        Instant::from_ns(text.parse::<DateTime<Utc>>().unwrap().timestamp_nanos_opt().unwrap())
    }

    fn resolve(named: &str, zone: Tz, now: &str) -> Result<String, NamedTimeError> {
        let utc_s = named.parse::<NamedTime>()?.to_utc_s(&zone, utc(now))?;
        Ok(DateTime::from_timestamp(utc_s, 0).unwrap().format("%FT%TZ").to_string())
    }

    #[test]
    fn a_time_of_day_is_local_and_today() {
        let resolved = resolve("18:30:05", Berlin, "2026-11-22T12:00:00Z");
        assert_eq!(resolved.as_deref(), Ok("2026-11-22T17:30:05Z"));
        // In the evening of 21 November UTC it is already the 22nd in Berlin.
        let resolved = resolve("00:10:05", Berlin, "2026-11-21T23:30:00Z");
        assert_eq!(resolved.as_deref(), Ok("2026-11-21T23:10:05Z"));
    }

    #[test]
    fn midnight_is_bridged_by_naming_the_date() {
        let now = "2026-11-22T22:59:50Z"; // ten seconds before midnight in Berlin
        assert_eq!(resolve("00:00:05", Berlin, now).as_deref(), Ok("2026-11-21T23:00:05Z"));
        assert_eq!(resolve("2026-11-23T00:00:05", Berlin, now).as_deref(), Ok("2026-11-22T23:00:05Z"));
        let named: NamedTime = "00:00:05".parse().unwrap();
        assert_eq!(named.a_day_later(&Berlin, utc(now)).as_deref(), Some("2026-11-23T00:00:05"));
    }

    #[test]
    fn clocks_going_forward_skip_an_hour() {
        let now = "2026-03-29T00:00:00Z";
        assert!(matches!(resolve("02:30:05", Berlin, now), Err(NamedTimeError::Skipped(_))));
        assert_eq!(resolve("03:00:05", Berlin, now).as_deref(), Ok("2026-03-29T01:00:05Z"));
    }

    #[test]
    fn in_an_hour_that_comes_twice_the_first_is_meant_before_and_after() {
        for now in ["2026-10-25T00:00:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:45:00Z"] {
            assert_eq!(resolve("02:30:05", Berlin, now).as_deref(), Ok("2026-10-25T00:30:05Z"));
        }
    }

    #[test]
    fn a_date_and_a_time_may_be_written_in_every_usual_way() {
        let expected = Ok("2026-11-30T17:30:00Z");
        for named in
            ["2026-11-30T18:30:00", "2026-11-30 18:30:00", "2026-11-30T18:30", "2026-11-30 18:30", "2026-11-30t18:30"]
        {
            assert_eq!(resolve(named, Berlin, "2026-11-22T12:00:00Z").as_deref(), expected, "{named}");
        }
        assert_eq!(resolve("18:30", Berlin, "2026-11-30T12:00:00Z").as_deref(), expected);
        assert_eq!(resolve(" 2026-11-30  18:30 ", Berlin, "2026-11-22T12:00:00Z").as_deref(), expected);
    }

    #[test]
    fn nonsense_is_named() {
        for nonsense in [
            "25:00:00",
            "12:60:00",
            "12:00:60",
            "noon",
            "",
            "-1:00:00",
            "12:00:00:00",
            "2026-11-30",
            "2026-11-30 18",
            "2026-11-31 18:30",
            "2026-11-30 18:60",
            "2026-11-30 18:30:60",
            "30.11.2026 18:30",
            "2026-11-30 18:30 x",
        ] {
            assert!(nonsense.parse::<NamedTime>().is_err(), "{nonsense}");
        }
    }
}
