//! How far this box may have got from the rest of its group while it did not hear from it.
//!
//! The filter's own figure is of one temperature: what it learnt while the boxes stood together.
//! Apart, the temperature changes, and the rates of all boxes with it. Whoever begins to lead while
//! others are out of reach is as far from those as if it were alone.

use jaudiosync_time::{Instant, Raw, Span};

/// The rates of two boxes differ by more than was learnt, once they are apart. A standard deviation
/// in ppb, for this long, in s.
const APART_PPB: f64 = 50.0;
const LONGEST_S: f64 = 5_400.0;

/// How far this box may be from the group, besides what its filter says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Apart {
    /// A standard deviation at the time below, in ns.
    sigma_ns: f64,
    /// When this box last was in step; `None` if never, or before it was switched on.
    since: Option<Instant<Raw>>,
    /// How far the neighbour that was followed could be from the group then.
    way: Span,
}

impl Apart {
    /// Returns what a box that was off for so long begins with.
    pub fn after(off: Span) -> Self {
        Self { sigma_ns: grown_ns(off), ..Self::default() }
    }

    /// Returns the standard deviation at a moment, in ns.
    pub fn sigma_ns(&self, now: Instant<Raw>) -> f64 {
        (self.sigma_ns + self.since.map_or(0.0, |since| grown_ns(now - since))).min(APART_PPB * LONGEST_S)
    }

    /// Returns how far the neighbour that was followed last could be from the group then.
    pub fn way(&self) -> Span {
        self.way
    }

    /// Notes that a sample of the group has been learnt from. It leaves this part of what was
    /// uncertain before, 0 to 1.
    pub fn learn(&mut self, now: Instant<Raw>, left: f64, way: Span) {
        *self = Self { sigma_ns: self.sigma_ns(now) * left.clamp(0.0, 1.0), since: Some(now), way };
    }

    /// Notes that the group is where this box is.
    pub fn in_step(&mut self, now: Instant<Raw>) {
        *self = Self { sigma_ns: 0.0, since: Some(now), way: Span::ZERO };
    }
}

fn grown_ns(apart: Span) -> f64 {
    APART_PPB * apart.seconds().clamp(0.0, LONGEST_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_a_box_is_alone_and_goes_as_samples_are_learnt_from() {
        let at = Instant::from_second;
        let mut apart = Apart::default();
        apart.in_step(at(100));
        assert_eq!(apart.sigma_ns(at(100)), 0.0);
        assert_eq!(apart.sigma_ns(at(700)), 30_000.0);
        apart.learn(at(700), 0.5, Span::MICROSECOND);
        assert_eq!((apart.sigma_ns(at(700)), apart.way()), (15_000.0, Span::MICROSECOND));
        assert_eq!(Apart::after(Span::from_seconds(86_400)).sigma_ns(at(0)), 270_000.0);
        assert_eq!(apart.sigma_ns(at(1_000_000)), 270_000.0);
    }
}
