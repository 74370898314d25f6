//! The system clock set once from the RTC, to the second, early at boot and before anything else
//! goes by it. What steers it from then on is the servo.

use jaudiosync_hw::rtc::{RtcStatus, RtcTime};
use jaudiosync_time::{Instant, Span, Utc};

use crate::timekeeping::rtc::trust::{Distrust, Reading, judge};

/// What the RTC shows began up to a second ago, on average half of one.
const MEAN_AGE: Span = Span::from_ms(500);

/// A clock that is off by no more than this is left alone: the reading is no better.
const RIGHT_WITHIN: Span = Span::SECOND;

/// Returns by how much the system clock has to be moved; `None` if it is right to the second.
/// `last_saved_utc_s` is the last time that the box saved, if it did, and `system_utc` what the
/// system clock shows when the RTC is read.
///
/// # Errors
/// Why the RTC is not believed. The service does not believe it either.
pub fn first_setting(
    time: RtcTime,
    status: &RtcStatus,
    last_saved_utc_s: Option<i64>,
    system_utc: Instant<Utc>,
) -> Result<Option<Span>, Distrust> {
    let rtc_s = judge(Reading::new(time).time, status, last_saved_utc_s)?;
    let by = Instant::from_second(rtc_s) + MEAN_AGE - system_utc;
    let is_right = by.abs() <= RIGHT_WITHIN;
    Ok((!is_right).then_some(by))
}

#[cfg(test)]
mod tests {
    use jaudiosync_hw::rtc::{ChipMark, ChipStamp};

    use super::*;
    use crate::timekeeping::rtc::trust::EARLIEST_UTC_S;

    const NOW_UTC_S: i64 = EARLIEST_UTC_S + 20_000_000;

    fn set_to(rtc_s: i64, oscillator_stopped: bool, system_utc_s: i64) -> Result<Option<Span>, Distrust> {
        let status = RtcStatus {
            oscillator_stopped,
            temperature_c: 20.0,
            aging_offset: 0,
            mark: ChipMark([0; 4]),
            stamp: ChipStamp::default(),
        };
        let saved = Some(NOW_UTC_S - 3600);
        first_setting(RtcTime::Valid { rtc_s }, &status, saved, Instant::from_second(system_utc_s))
    }

    #[test]
    fn a_clock_that_starts_months_ago_is_moved_to_the_rtcs_second() {
        let by = set_to(NOW_UTC_S, false, EARLIEST_UTC_S).unwrap().unwrap();
        assert_eq!(by, Span::from_seconds(20_000_000) + MEAN_AGE);
        let by = set_to(NOW_UTC_S, false, NOW_UTC_S + 7200).unwrap().unwrap();
        assert_eq!(by, MEAN_AGE - Span::from_seconds(7200));
    }

    #[test]
    fn a_clock_that_is_right_is_left_alone() {
        for system_utc_s in [NOW_UTC_S, NOW_UTC_S + 1] {
            assert_eq!(set_to(NOW_UTC_S, false, system_utc_s), Ok(None));
        }
        assert!(set_to(NOW_UTC_S, false, NOW_UTC_S + 2).unwrap().is_some());
    }

    #[test]
    fn an_rtc_that_the_service_does_not_believe_sets_nothing() {
        assert_eq!(set_to(NOW_UTC_S, true, EARLIEST_UTC_S), Err(Distrust::OscillatorStopped));
        assert_eq!(set_to(EARLIEST_UTC_S - 1, false, EARLIEST_UTC_S), Err(Distrust::BeforeBuild));
        assert_eq!(set_to(NOW_UTC_S - 7200, false, EARLIEST_UTC_S), Err(Distrust::BeforeLastSaved));
    }
}
