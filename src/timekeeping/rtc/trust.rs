//! Whether an RTC is believed when the box starts, and the message if it is not.

use jaudiosync_hw::rtc::{RtcStatus, RtcTime};
use jaudiosync_time::{Instant, Utc};
use serde::Serialize;

/// The earliest time that can be right, in seconds since the Unix epoch: a day before this program
/// was built, as `build.rs` knows it.
pub const EARLIEST_UTC_S: i64 = include!(concat!(env!("OUT_DIR"), "/earliest_utc_s"));

/// [`EARLIEST_UTC_S`] as an instant.
pub const EARLIEST: Instant<Utc> = Instant::from_second(EARLIEST_UTC_S);

/// The end of the times that can be right: half a century later.
pub const LATEST_UTC_S: i64 = EARLIEST_UTC_S + 50 * 31_557_600;

/// What was last saved may be a little ahead of the RTC, by as much as it was wrong.
const LAST_SAVED_MARGIN_S: i64 = 5;

/// From any instant of the years 2000 (from March on) to 2099 to the same date and time a century
/// later: 2100 is not a leap year.
const CENTURY_S: i64 = 36_524 * 86_400;

/// The message about an RTC whose century bit is set where it must not be, and how to correct that.
pub const CENTURY_BIT: &str = "the RTC shows a year of the next century: an old kernel or another program has set its \
                               century bit. It is read without it. The service clears it with the next reference; by \
                               hand: jaudiosync time set-rtc";

/// What an RTC shows, and whether a century was taken off it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What it is taken to show.
    pub time: RtcTime,
    /// Its century bit is set and must not be.
    pub has_century_bit: bool,
}

impl Reading {
    /// Makes a reading of what the RTC shows. If that is an implausibly late time, and a plausible
    /// one without the century bit, the bit is wrong: Linux before its option
    /// RTC_DRV_DS1307_CENTURY (2016) and some libraries set it for the years from 2000 on
    /// (adafruit/RTClib#71). Nothing is written to correct it here.
    pub fn new(time: RtcTime) -> Self {
        let as_is = Self { time, has_century_bit: false };
        let RtcTime::Valid { rtc_s } = time else { return as_is };
        let rtc_s = rtc_s.saturating_sub(CENTURY_S);
        if (EARLIEST_UTC_S..LATEST_UTC_S).contains(&rtc_s) {
            return Self { time: RtcTime::Valid { rtc_s }, has_century_bit: true };
        }
        as_is
    }
}

/// Why an RTC's time is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Distrust {
    /// The oscillator stop flag is set.
    #[error("the RTC has stood still: its battery is empty or was changed. Set it with: jaudiosync time set-rtc")]
    OscillatorStopped,
    /// The registers hold no date.
    #[error("the RTC holds no valid date. Set it with: jaudiosync time set-rtc")]
    InvalidRegisters,
    /// It begins where a chip without a battery begins.
    #[error("the RTC shows the year 2000: it was never set, or lost its battery. Set it with: jaudiosync time set-rtc")]
    NeverSet,
    /// It shows a time before the program was built.
    #[error("the RTC shows a time before this program was built. Set it with: jaudiosync time set-rtc")]
    BeforeBuild,
    /// It shows a time before one that the box has already passed.
    #[error("the RTC went back to before the last time this box ran. Set it with: jaudiosync time set-rtc")]
    BeforeLastSaved,
    /// It shows an implausibly late time.
    #[error("the RTC shows a time decades ahead. Set it with: jaudiosync time set-rtc")]
    FarFuture,
}

/// Judges what the RTC shows at the start. `last_saved_utc_s` is the last time that the box saved,
/// if it did.
///
/// # Errors
/// Why it is not believed.
pub fn judge(time: RtcTime, status: &RtcStatus, last_saved_utc_s: Option<i64>) -> Result<i64, Distrust> {
    if status.oscillator_stopped {
        return Err(Distrust::OscillatorStopped);
    }
    let RtcTime::Valid { rtc_s } = time else { return Err(Distrust::InvalidRegisters) };
    judge_second(rtc_s, last_saved_utc_s)
}

fn judge_second(rtc_s: i64, last_saved_utc_s: Option<i64>) -> Result<i64, Distrust> {
    const END_OF_2000_UTC_S: i64 = 978_307_200;
    if rtc_s < END_OF_2000_UTC_S {
        Err(Distrust::NeverSet)
    } else if rtc_s < EARLIEST_UTC_S {
        Err(Distrust::BeforeBuild)
    } else if rtc_s >= LATEST_UTC_S {
        Err(Distrust::FarFuture)
    } else if last_saved_utc_s.is_some_and(|saved| rtc_s < saved.saturating_sub(LAST_SAVED_MARGIN_S)) {
        Err(Distrust::BeforeLastSaved)
    } else {
        Ok(rtc_s)
    }
}

#[cfg(test)]
mod tests {
    use jaudiosync_hw::rtc::{ChipMark, ChipStamp};

    use super::*;

    const NOW_UTC_S: i64 = EARLIEST_UTC_S + 1_000_000;

    fn status(oscillator_stopped: bool) -> RtcStatus {
        RtcStatus {
            oscillator_stopped,
            temperature_c: 20.0,
            aging_offset: 0,
            mark: ChipMark([0; 4]),
            stamp: ChipStamp::default(),
        }
    }

    fn judged(rtc_s: i64, saved: Option<i64>) -> Result<i64, Distrust> {
        judge(RtcTime::Valid { rtc_s }, &status(false), saved)
    }

    #[test]
    fn a_plausible_time_is_believed() {
        assert_eq!(judged(NOW_UTC_S, Some(NOW_UTC_S - 60)), Ok(NOW_UTC_S));
        assert_eq!(judged(NOW_UTC_S, Some(NOW_UTC_S + 2)), Ok(NOW_UTC_S), "saved by an estimate that was ahead");
        assert_eq!(judged(NOW_UTC_S, None), Ok(NOW_UTC_S));
    }

    #[test]
    fn a_century_too_much_is_taken_off_where_that_makes_it_plausible() {
        let shown = |rtc_s| Reading::new(RtcTime::Valid { rtc_s });
        let as_is = |rtc_s| Reading { time: RtcTime::Valid { rtc_s }, has_century_bit: false };
        let right = RtcTime::Valid { rtc_s: NOW_UTC_S };
        assert_eq!(shown(NOW_UTC_S + CENTURY_S), Reading { time: right, has_century_bit: true });
        assert_eq!(shown(NOW_UTC_S), as_is(NOW_UTC_S));
        // Not plausible in either century: a chip that was never set, whose bit is set all the
        // same.
        for implausible_s in [EARLIEST_UTC_S - 1, LATEST_UTC_S, 946_684_800] {
            assert_eq!(shown(implausible_s + CENTURY_S), as_is(implausible_s + CENTURY_S));
        }
        let garbage = RtcTime::Invalid { registers: [0xff; 7] };
        assert_eq!(Reading::new(garbage), Reading { time: garbage, has_century_bit: false });
        // The time that the box has already passed still counts.
        assert_eq!(judge(right, &status(false), Some(NOW_UTC_S + 3600)), Err(Distrust::BeforeLastSaved));
    }

    #[test]
    fn a_century_is_the_same_date_and_time() {
        for date in ["2026-11-01T00:00:00Z", "2028-02-29T23:59:59Z", "2075-12-31T12:00:00Z"] {
            let now: chrono::DateTime<chrono::Utc> = date.parse().unwrap();
            let then = chrono::DateTime::from_timestamp(now.timestamp() + CENTURY_S, 0).unwrap();
            let later = date.replacen("20", "21", 1);
            assert_eq!(then.format("%Y-%m-%dT%H:%M:%SZ").to_string(), later);
        }
    }

    #[test]
    fn each_reason_for_distrust_has_its_name() {
        let time = RtcTime::Valid { rtc_s: NOW_UTC_S };
        assert_eq!(judge(time, &status(true), None), Err(Distrust::OscillatorStopped));
        let garbage = RtcTime::Invalid { registers: [0xff; 7] };
        assert_eq!(judge(garbage, &status(false), None), Err(Distrust::InvalidRegisters));
        assert_eq!(judged(946_684_800 + 3600, None), Err(Distrust::NeverSet));
        assert_eq!(judged(EARLIEST_UTC_S - 1, None), Err(Distrust::BeforeBuild));
        assert_eq!(judged(NOW_UTC_S, Some(NOW_UTC_S + 3600)), Err(Distrust::BeforeLastSaved));
        assert_eq!(judged(LATEST_UTC_S, None), Err(Distrust::FarFuture));
    }
}
