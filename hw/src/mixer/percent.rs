//! Percent of the range of a control without decibels, exactly as amixer counts it there, with and
//! without `-M`, so that 50 % here is its 50 %.
//!
//! Source: `convert_prange` and `convert_prange1` of alsa-utils' amixer.c, which round half to even
//! (`rint`).

/// Returns the control's value for a percentage of its range; more than 100 counts as 100. As with
/// amixer, 1 % is never silence: if it rounds to the lowest value, it becomes the next one.
pub fn raw_from_percent(percent: u8, min: i64, max: i64) -> i64 {
    let percent = percent.min(100);
    let range = range(min, max);
    let above_min = (f64::from(percent) * range as f64 * 0.01).round_ties_even() as i64;
    let audible = i64::from(percent > 0).min(range);
    min.saturating_add(above_min.clamp(audible, range))
}

/// Returns how much of its range a control's value is, in percent: 0 to 100.
pub fn percent_from_raw(raw: i64, min: i64, max: i64) -> u8 {
    let range = range(min, max);
    if range == 0 {
        return 0;
    }
    let above_min = raw.saturating_sub(min).clamp(0, range);
    (above_min as f64 / range as f64 * 100.0).round_ties_even() as u8
}

/// Returns the size of a control's range. A driver that reports its bounds the wrong way round has
/// no range.
fn range(min: i64, max: i64) -> i64 {
    max.saturating_sub(min).max(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percents_are_those_of_amixer() {
        // Each value was computed with amixer's own expression, for ranges of real controls.
        assert_eq!(raw_from_percent(50, 0, 207), 104);
        assert_eq!(raw_from_percent(50, 0, 37), 18, "18.5 goes to the even one");
        assert_eq!(raw_from_percent(50, 0, 151), 76);
        assert_eq!(raw_from_percent(50, -10_239, 400), -4919, "5319.5 too");
        assert_eq!(raw_from_percent(1, 0, 37), 1, "never silence");
        assert_eq!(raw_from_percent(0, -10_239, 400), -10_239);
        assert_eq!(percent_from_raw(18, 0, 37), 49);
        assert_eq!(percent_from_raw(-4919, -10_239, 400), 50);
    }

    #[test]
    fn a_control_without_a_range_does_no_harm() {
        for (min, max) in [(3, 3), (5, -5)] {
            assert_eq!(raw_from_percent(50, min, max), min);
            assert_eq!(percent_from_raw(4, min, max), 0);
        }
    }

    proptest! {
        #[test]
        fn a_percentage_stays_in_range_and_more_is_never_less(
            percent in 0_u8..=u8::MAX, min: i64, max: i64, raw: i64,
        ) {
            let value = raw_from_percent(percent, min, max);
            prop_assert!(max < min || (min..=max).contains(&value));
            prop_assert!(raw_from_percent(percent.saturating_add(1), min, max) >= value);
            prop_assert!(percent_from_raw(raw, min, max) <= 100);
        }

        #[test]
        fn a_fine_control_gives_back_what_was_set(
            percent in 0_u8..=100, min in -100_000_i64..100_000, range in 100_i64..100_000,
        ) {
            prop_assert_eq!(percent_from_raw(raw_from_percent(percent, min, min + range), min, min + range), percent);
        }
    }
}
