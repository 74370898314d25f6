//! Clock maps: what one clock shows, as a function of another.

use crate::instant::{Axis, Instant};
use crate::rate::Rate;
use crate::span::Span;

/// An affine relation between two clocks: when `From` shows `from`, `To` shows `to`, and from there
/// on `To` runs faster by `rate`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockMap<From: Axis, To: Axis> {
    /// A reading of the first clock.
    pub from: Instant<From>,
    /// What the second clock shows then.
    pub to: Instant<To>,
    /// By how much the second clock runs faster than the first.
    pub rate: Rate,
}

impl<From: Axis, To: Axis> ClockMap<From, To> {
    /// Makes the map of two clocks that count from the same epoch, of which the second is ahead by
    /// `offset` when the first shows `from`.
    pub fn with_offset(from: Instant<From>, offset: Span, rate: Rate) -> Self {
        Self { from, to: Instant::from_ns(from.ns()) + offset, rate }
    }

    /// Returns by how much the second clock is ahead of the first at the map's own reading. That
    /// has a meaning only where both count from the same epoch.
    pub fn offset(&self) -> Span {
        Span::from_ns(self.to.ns()) - Span::from_ns(self.from.ns())
    }

    /// Returns what the second clock shows when the first shows `from`. Exact to a nanosecond while
    /// that is within days of the map's own reading.
    pub fn apply(&self, from: Instant<From>) -> Instant<To> {
        let since = from - self.from;
        self.to + since + since.scaled(self.rate.fraction())
    }

    /// Returns the map from the second clock to the first.
    pub fn inverse(&self) -> ClockMap<To, From> {
        ClockMap { from: self.to, to: self.from, rate: self.rate.inverse() }
    }

    /// Returns the map from this one's first clock to the next one's second: the only place where
    /// rates are composed.
    pub fn then<Last: Axis>(&self, next: &ClockMap<To, Last>) -> ClockMap<From, Last> {
        ClockMap { from: self.from, to: next.apply(self.to), rate: self.rate.then(next.rate) }
    }

    /// Returns the same relation, given from another reading of the first clock.
    pub fn anchored_at(&self, from: Instant<From>) -> Self {
        Self { from, to: self.apply(from), rate: self.rate }
    }

    /// Returns a map on which the second clock shows this much more.
    pub fn shifted(&self, by: Span) -> Self {
        Self { to: self.to + by, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::instant::{Raw, Rtc, Utc};

    prop_compose! {
        fn any_map()(
            from_ns in 0_i64..1_000_000_000_000_000,
            to_ns in 0_i64..4_000_000_000_000_000_000,
            ppb in -500_000.0..500_000.0_f64,
        ) -> ClockMap<Raw, Utc> {
            let (from, to) = (Instant::from_ns(from_ns), Instant::from_ns(to_ns));
            ClockMap { from, to, rate: Rate::from_ppb(ppb) }
        }
    }

    proptest! {
        #[test]
        fn there_and_back_again(map in any_map(), ahead_ns in -86_400_000_000_000_i64..86_400_000_000_000) {
            let from = map.from + Span::from_ns(ahead_ns);
            let back = map.inverse().apply(map.apply(from));
            prop_assert!((back - from).abs() <= Span::from_ns(2));
        }

        #[test]
        fn two_maps_composed_are_the_one_after_the_other(
            first in any_map(),
            ppb in -500_000.0..500_000.0_f64,
            offset_ns in -1_000_000_000_i64..1_000_000_000,
            ahead_ns in -3_600_000_000_000_i64..3_600_000_000_000,
        ) {
            let first = ClockMap::<Raw, Rtc> { from: first.from, to: Instant::from_ns(first.to.ns()), rate: first.rate };
            let to = Instant::<Utc>::from_ns(first.to.ns() + offset_ns);
            let second = ClockMap { from: first.to + Span::HOUR, to, rate: Rate::from_ppb(ppb) };
            let raw = first.from + Span::from_ns(ahead_ns);
            let apart = first.then(&second).apply(raw) - second.apply(first.apply(raw));
            prop_assert!(apart.abs() <= Span::from_ns(3), "{apart:?}");
        }

        #[test]
        fn an_offset_is_what_it_was_made_of(from in 0_i64..4_000_000_000_000_000_000, offset in -1_000_000_000_000_i64..1_000_000_000_000) {
            let map = ClockMap::<Rtc, Utc>::with_offset(Instant::from_ns(from), Span::from_ns(offset), Rate::ZERO);
            prop_assert_eq!(map.offset(), Span::from_ns(offset));
            prop_assert_eq!(map.apply(map.from).ns(), from + offset);
        }

        #[test]
        fn another_anchor_changes_nothing(map in any_map(), at_ns in 0_i64..86_400_000_000_000, ns in 0_i64..86_400_000_000_000) {
            let moved = map.anchored_at(map.from + Span::from_ns(at_ns));
            let from = map.from + Span::from_ns(ns);
            prop_assert!((moved.apply(from) - map.apply(from)).abs() <= Span::from_ns(2));
        }

        #[test]
        fn nothing_overflows(from_ns: i64, to_ns: i64, ppb: f64, at_ns: i64) {
            let (from, to) = (Instant::from_ns(from_ns), Instant::from_ns(to_ns));
            let map = ClockMap::<Raw, Utc> { from, to, rate: Rate::from_ppb(ppb) };
            let _ = map.inverse().apply(map.apply(Instant::from_ns(at_ns)));
        }
    }
}
