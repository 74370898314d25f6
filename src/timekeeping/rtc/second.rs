//! Which second of which year the seconds register shows.

use jaudiosync_time::{ClockMap, Instant, Raw, Rtc};

/// The RTC's date and time as last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateReading {
    /// The second it showed.
    pub second: i64,
    /// When that was.
    pub at: Instant<Raw>,
}

/// Returns the second that an edge begins: the one whose last digits are `register`, if one is
/// expected; otherwise the one nearest to the date that was read. Returns `None` if another second
/// was expected, or no date was ever read.
pub fn second_of_edge(
    register: u8,
    at: Instant<Raw>,
    expected: Option<ClockMap<Raw, Rtc>>,
    date: Option<DateReading>,
) -> Option<i64> {
    let register = i64::from(register);
    if let Some(map) = expected {
        let second = map.apply(at).nearest_second();
        return (second.rem_euclid(60) == register).then_some(second);
    }
    let date = date?;
    let guess = date.second.saturating_add((at - date.at).whole_seconds());
    // From half a minute before the guess to half a minute after.
    let ahead = (register - guess.rem_euclid(60) + 30).rem_euclid(60) - 30;
    Some(guess.saturating_add(ahead))
}

/// Returns the second whose beginning a probe was aimed at, and whether it had begun. Returns
/// `None` if the register shows any other second: the RTC has then jumped.
pub fn second_of_probe(register: u8, latched: Instant<Raw>, expected: &ClockMap<Raw, Rtc>) -> Option<(i64, bool)> {
    let second = expected.apply(latched).nearest_second();
    let register = i64::from(register);
    if register == second.rem_euclid(60) {
        Some((second, true))
    } else if register == second.saturating_sub(1).rem_euclid(60) {
        Some((second, false))
    } else {
        None
    }
}

/// Returns whether a date that was read agrees with what is expected at that moment.
pub fn is_expected(date: DateReading, expected: &ClockMap<Raw, Rtc>) -> bool {
    date.second.saturating_sub(expected.apply(date.at).second()).abs() <= 1
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::{Rate, Span};
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_800_000_000;

    fn expected() -> ClockMap<Raw, Rtc> {
        ClockMap { from: Instant::ZERO, to: Instant::from_second(SECOND), rate: Rate::ZERO }
    }

    proptest! {
        #[test]
        fn an_edge_is_found_from_a_date_that_is_off_by_less_than_half_a_minute(
            off in -29_i64..30, elapsed in 0_i64..100_000,
        ) {
            let date = DateReading { second: SECOND + off, at: Instant::ZERO };
            let at = Instant::ZERO + Span::from_seconds(elapsed);
            let register = (SECOND + elapsed).rem_euclid(60) as u8;
            prop_assert_eq!(second_of_edge(register, at, None, Some(date)), Some(SECOND + elapsed));
        }
    }

    #[test]
    fn an_edge_that_was_not_expected_has_no_second() {
        let late = Instant::ZERO + Span::from_ms(7_400);
        assert_eq!(second_of_edge(7, late, Some(expected()), None), Some(SECOND + 7));
        assert_eq!(second_of_edge(8, late, Some(expected()), None), None);
        assert_eq!(second_of_edge(7, late, None, None), None);
    }

    #[test]
    fn a_probe_is_before_the_edge_or_after_it_or_a_jump() {
        let latched = Instant::ZERO + Span::from_seconds(60);
        assert_eq!(second_of_probe(0, latched, &expected()), Some((SECOND + 60, true)));
        assert_eq!(second_of_probe(59, latched, &expected()), Some((SECOND + 60, false)));
        assert_eq!(second_of_probe(1, latched, &expected()), None);
    }
}
