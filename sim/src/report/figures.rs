//! Percentiles, and the hours of a ride.

use super::NS_PER_MS;

/// Percentiles of absolute errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// The figures of absolute errors in ns; `None` if there are none.
pub(super) fn figures(mut errors_ns_f64: Vec<f64>) -> Option<Figures> {
    Some(Figures {
        p50_ms: percentile(&mut errors_ns_f64, 0.5)? / NS_PER_MS,
        p99_ms: percentile(&mut errors_ns_f64, 0.99)? / NS_PER_MS,
        max_ms: percentile(&mut errors_ns_f64, 1.0)? / NS_PER_MS,
    })
}

/// The smallest of the values that is at least as large as this part of them (nearest rank); none
/// of nothing. The values change places.
pub(super) fn percentile(values: &mut [f64], part: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let rank = (part * values.len() as f64).ceil() as usize;
    let (_, value, _) = values.select_nth_unstable_by(rank.saturating_sub(1).min(last), f64::total_cmp);
    Some(*value)
}

/// Divides a number of seconds into hours; the last may be shorter.
pub(super) fn hours_of(seconds: usize) -> Vec<std::ops::Range<usize>> {
    const HOUR: usize = 3600;
    (0..seconds.div_ceil(HOUR)).map(|hour| hour * HOUR..((hour + 1) * HOUR).min(seconds)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn a_percentile_is_the_one_of_the_sorted_values(
            mut values in prop::collection::vec(-1e9..1e9_f64, 1..300),
            part in 0.0..=1.0_f64,
        ) {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let found = percentile(&mut values, part).unwrap();
            let at_most = sorted.iter().filter(|value| **value <= found).count();
            let below = sorted.iter().filter(|value| **value < found).count();
            prop_assert!(at_most as f64 >= part * sorted.len() as f64 - 1e-9);
            prop_assert!(below == 0 || (below as f64) < part * sorted.len() as f64);
            prop_assert_eq!(percentile(&mut values, 1.0), sorted.last().copied());
        }
    }

    #[test]
    fn nothing_has_no_percentile_and_a_ride_ends_with_a_part_of_an_hour() {
        assert_eq!(percentile(&mut [], 0.5), None);
        assert_eq!(hours_of(9000), [0..3600, 3600..7200, 7200..9000]);
        assert!(hours_of(0).is_empty());
    }
}
