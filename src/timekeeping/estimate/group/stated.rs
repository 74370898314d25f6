//! How far the group's time can be from UTC, as its leader states.
//!
//! A leader that lies states a small bound as well, and it takes a while until the others have
//! measured that its time is not what they know. So what becomes worse counts at once, and what
//! becomes better only once it was stated for longer than that takes.

use jaudiosync_time::{Instant, Raw, Span};

/// How fast the group's time may leave UTC, once nobody who knows it leads, in ppb: the rate of a
/// calibrated RTC, and what the temperature adds.
const DRIFTS_PPB: f64 = 300.0;

/// A smaller bound counts once it was stated for this long. Whoever lies is found out within 90 s,
/// after which no exchange with it is older than the lie (`ride::group::exchanges`).
const FOUND_OUT: Span = Span::from_seconds(120);

/// What is stated.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct StatedBound {
    /// The bound, and when that was stated; `None` if before this box was switched on.
    counts: Option<(Span, Option<Instant<Raw>>)>,
    /// The largest of the smaller bounds that were stated since, and since when.
    smaller: Option<(Span, Instant<Raw>)>,
}

impl StatedBound {
    /// Returns what a box begins with that was off for so long and knew this bound.
    pub fn after(off: Span, bound: Span) -> Self {
        Self { counts: Some((bound + drift(off), None)), smaller: None }
    }

    /// Returns the bound as it was stated.
    pub fn last(&self) -> Option<Span> {
        self.counts.map(|(bound, _)| bound)
    }

    /// Returns the bound at a moment: it grows while nobody states it again.
    pub fn at(&self, now: Instant<Raw>) -> Option<Span> {
        let (bound, at) = self.counts?;
        Some(bound + at.map_or(Span::ZERO, |at| drift(now - at)))
    }

    /// Returns the same for a box that knows nothing itself, and so cannot find out whether that is
    /// true.
    pub fn unproven(&self, now: Instant<Raw>) -> Option<Span> {
        self.at(now).or_else(|| self.smaller.map(|(bound, _)| bound))
    }

    /// Follows what the leader states.
    pub fn follow(&mut self, now: Instant<Raw>, stated: Option<Span>) {
        let Some(bound) = stated else {
            self.forget();
            return;
        };
        if self.at(now).is_some_and(|known| bound >= known) {
            *self = Self { counts: Some((bound, Some(now))), smaller: None };
            return;
        }
        let (largest, since) = self.smaller.map_or((bound, now), |(largest, since)| (largest.max(bound), since));
        self.smaller = Some((largest, since));
        if now - since >= FOUND_OUT {
            *self = Self { counts: Some((largest, Some(now))), smaller: None };
        }
    }

    /// Follows what this box knows itself while it leads: what was stated before counts until this
    /// is better.
    pub fn lead(&mut self, now: Instant<Raw>, own: Option<Span>) {
        let is_better = own.is_some_and(|own| self.at(now).is_none_or(|known| own < known));
        if is_better {
            *self = Self { counts: own.map(|own| (own, Some(now))), smaller: None };
        }
    }

    /// Forgets it: whoever has stated it is not believed.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Returns how far the group's time may drift from UTC while nobody steers it.
fn drift(since: Span) -> Span {
    Span::from_ns_f64(DRIFTS_PPB * since.seconds().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Span = Span::MILLISECOND;

    fn at(second: i64) -> Instant<Raw> {
        Instant::from_second(second)
    }

    #[test]
    fn what_becomes_worse_counts_at_once_and_what_becomes_better_once_a_liar_would_be_found_out() {
        let mut stated = StatedBound::default();
        stated.follow(at(-120), Some(MS * 9));
        assert_eq!((stated.at(at(-120)), stated.unproven(at(-120))), (None, Some(MS * 9)));
        stated.follow(at(0), Some(MS * 9));
        assert_eq!(stated.at(at(0)), Some(MS * 9));
        stated.follow(at(1), Some(MS * 15));
        assert_eq!(stated.at(at(1)), Some(MS * 15));
        for second in 2..122 {
            stated.follow(at(second), Some(if second == 60 { MS * 2 } else { MS }));
            assert!(stated.at(at(second)) >= Some(MS * 15), "after {second} s");
        }
        stated.follow(at(122), Some(MS));
        assert_eq!(stated.at(at(122)), Some(MS * 2), "the largest that was stated in the meantime");
        stated.follow(at(123), None);
        assert_eq!(stated.at(at(123)), None);
    }

    #[test]
    fn a_lie_that_ends_in_time_leaves_nothing() {
        let mut stated = StatedBound::after(Span::ZERO, MS * 14);
        stated.follow(at(0), Some(MS * 15));
        (1..100).for_each(|second| stated.follow(at(second), Some(Span::from_us(20))));
        stated.follow(at(100), Some(MS * 15 + Span::from_us(30)));
        (101..200).for_each(|second| stated.follow(at(second), Some(Span::from_us(20))));
        assert!(stated.at(at(200)) >= Some(MS * 15));
    }

    #[test]
    fn a_leader_goes_on_with_what_was_stated_which_becomes_worse() {
        let mut stated = StatedBound::after(Span::from_seconds(1_000), MS);
        assert_eq!(stated.last(), Some(MS + Span::from_us(300)));
        stated.follow(at(0), Some(MS * 2));
        stated.lead(at(1_000), Some(MS * 3));
        assert_eq!(stated.at(at(1_000)), Some(MS * 2 + Span::from_us(300)));
        stated.lead(at(1_000), None);
        stated.lead(at(10_000), Some(MS * 3));
        assert_eq!(stated.at(at(10_000)), Some(MS * 3));
        stated.forget();
        assert_eq!(stated, StatedBound::default());
    }
}
