//! Reading a clock between two readings of the raw clock.

use jaudiosync_time::{Instant, Raw};

/// How often a clock is read: the tightest bracket is kept, as the thread may have been preempted
/// within any of the others.
const READINGS: usize = 5;

/// Reads another clock between two readings of the raw one, a few times, and returns the tightest:
/// the raw time halfway between its two readings, and what the other clock showed.
pub(crate) fn bracketed<T>(
    mut read_raw: impl FnMut() -> Instant<Raw>,
    mut read_other: impl FnMut() -> T,
) -> (Instant<Raw>, T) {
    let mut reading = || {
        let before = read_raw();
        let other = read_other();
        let width = read_raw() - before;
        (width, before + width / 2, other)
    };
    let mut best = reading();
    for _ in 1..READINGS {
        let next = reading();
        if next.0 < best.0 {
            best = next;
        }
    }
    (best.1, best.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_of_five_readings_counts() {
        let mut raw_ns = [0, 900, 1_000, 1_500, 2_000, 2_010, 3_000, 3_400, 4_000, 4_010].into_iter();
        let mut other = 1..;
        let read_raw = || Instant::from_ns(raw_ns.next().unwrap());
        assert_eq!(bracketed(read_raw, || other.next()), (Instant::from_ns(2_005), Some(3)));
        assert_eq!((raw_ns.next(), other.next()), (None, Some(6)), "five readings in all");
    }
}
