//! The start grid: the seconds of a minute at which a playlist may begin.

use jaudiosync_time::{Instant, Span, Utc};

/// Starts fall on seconds 5, 20, 35 and 50 of every minute: far from the full minute, when
/// scheduled jobs keep a small computer busy, and close enough together that the wait is short.
const GRID_SPACING_S: i64 = 15;
const GRID_OFFSET_S: i64 = 5;

/// A start takes the next grid slot that is at least this far ahead, so that two riders who press
/// within the same few seconds get the same one, and so that the sound card is running by then.
pub const START_LEAD_S: i64 = 5;

/// Returns the first instant of the start grid at least [`START_LEAD_S`] after `now`, in seconds
/// since the Unix epoch.
///
/// Unix minutes begin at multiples of 60 s, so the grid is the same in every time zone of whole
/// quarter minutes.
pub fn next_grid_slot(now: Instant<Utc>) -> i64 {
    let earliest_s = now.second() + i64::from(now.since_second() > Span::ZERO) + START_LEAD_S;
    let since_grid_s = (earliest_s - GRID_OFFSET_S).rem_euclid(GRID_SPACING_S);
    if since_grid_s == 0 { earliest_s } else { earliest_s + GRID_SPACING_S - since_grid_s }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exactly_five_seconds_ahead_is_enough() {
        assert_eq!(next_grid_slot(Instant::ZERO), 5);
        assert_eq!(next_grid_slot(Instant::from_ns(1)), 20);
        assert_eq!(next_grid_slot(Instant::from_second(45)), 50);
        assert_eq!(next_grid_slot(Instant::from_second(46)), 65);
    }

    proptest! {
        #[test]
        fn a_slot_is_on_the_grid_and_near(now_utc_ns in -4_000_000_000_000_000_000_i64..4_000_000_000_000_000_000) {
            let slot_s = next_grid_slot(Instant::from_ns(now_utc_ns));
            prop_assert!([5, 20, 35, 50].contains(&slot_s.rem_euclid(60)));
            let ahead_ns = i128::from(slot_s) * 1_000_000_000 - i128::from(now_utc_ns);
            prop_assert!((5_000_000_000..20_000_000_000).contains(&ahead_ns));
        }
    }
}
