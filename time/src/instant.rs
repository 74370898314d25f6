//! Instants: moments on one clock.

use core::fmt::{Debug, Formatter, Result};
use core::hash::Hash;
use core::marker::PhantomData;
use core::ops::{Add, AddAssign, Sub, SubAssign};

use crate::span::Span;

/// A clock that instants can belong to.
pub trait Axis: Debug + Copy + Eq + Ord + Hash + Default + Send + Sync + 'static {
    /// The clock's name, for messages.
    const NAME: &'static str;
}

macro_rules! axis {
    ($(#[$doc:meta])* $axis:ident, $name:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $axis;

        impl Axis for $axis {
            const NAME: &'static str = $name;
        }
    };
}

axis!(
    /// `CLOCK_MONOTONIC_RAW`: nanoseconds since some moment before the start, never stepped and
    /// never slewed. Everything is scheduled on it.
    Raw,
    "raw clock"
);
axis!(
    /// What the RTC shows, in nanoseconds since the Unix epoch.
    Rtc,
    "RTC"
);
axis!(
    /// UTC as a box knows it, in nanoseconds since the Unix epoch, leap seconds not counted.
    Utc,
    "UTC"
);
axis!(
    /// UTC as it really is: only a simulation knows it.
    True,
    "true time"
);

/// A moment on the clock `A`, in whole nanoseconds. All arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Instant<A> {
    ns: i64,
    axis: PhantomData<A>,
}

impl<A: Axis> Instant<A> {
    /// The zero of the axis: the Unix epoch for all but [`Raw`].
    pub const ZERO: Self = Self::from_ns(0);
    /// The earliest moment.
    pub const MIN: Self = Self::from_ns(i64::MIN);
    /// The latest moment.
    pub const MAX: Self = Self::from_ns(i64::MAX);

    /// Makes an instant of a reading in nanoseconds. Together with [`ns`](Self::ns) this is the
    /// seam to files, protocols and system calls; nothing else needs it.
    pub const fn from_ns(ns: i64) -> Self {
        Self { ns, axis: PhantomData }
    }

    /// Makes the instant at which a whole second begins.
    pub const fn from_second(second: i64) -> Self {
        Self::from_ns(second.saturating_mul(1_000_000_000))
    }

    /// Returns the reading in nanoseconds.
    pub const fn ns(self) -> i64 {
        self.ns
    }

    /// Returns the second that it lies in.
    pub const fn second(self) -> i64 {
        self.ns.div_euclid(1_000_000_000)
    }

    /// Returns the second whose beginning is nearest.
    pub const fn nearest_second(self) -> i64 {
        self.ns.saturating_add(500_000_000).div_euclid(1_000_000_000)
    }

    /// Returns how far it lies behind the beginning of its second, from 0 to 1 s.
    pub const fn since_second(self) -> Span {
        Span::from_ns(self.ns.rem_euclid(1_000_000_000))
    }
}

impl<A: Axis> Debug for Instant<A> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        write!(formatter, "{} ns of {}", self.ns, A::NAME)
    }
}

impl<A: Axis> Sub for Instant<A> {
    type Output = Span;

    fn sub(self, earlier: Self) -> Span {
        Span::from_ns(self.ns.saturating_sub(earlier.ns))
    }
}

impl<A: Axis> Add<Span> for Instant<A> {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self::from_ns(self.ns.saturating_add(span.ns()))
    }
}

impl<A: Axis> AddAssign<Span> for Instant<A> {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl<A: Axis> Sub<Span> for Instant<A> {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self::from_ns(self.ns.saturating_sub(span.ns()))
    }
}

impl<A: Axis> SubAssign<Span> for Instant<A> {
    fn sub_assign(&mut self, span: Span) {
        *self = *self - span;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn seconds_of_moments_before_the_epoch_are_rounded_down() {
        let before = Instant::<Utc>::ZERO - Span::from_ns(1);
        assert_eq!(before.second(), -1);
        assert_eq!(before.since_second(), Span::from_ns(999_999_999));
        assert_eq!(before.nearest_second(), 0);
        assert_eq!(Instant::<Utc>::from_second(7).second(), 7);
    }

    #[test]
    fn the_ends_of_time_saturate() {
        assert_eq!(Instant::<Raw>::MAX + Span::SECOND, Instant::MAX);
        assert_eq!(Instant::<Raw>::MIN - Span::SECOND, Instant::MIN);
        assert_eq!(Instant::<Raw>::MAX - Instant::MIN, Span::MAX);
        assert_eq!(Instant::<Rtc>::from_second(i64::MAX), Instant::MAX);
        assert_eq!(Instant::<Rtc>::MAX.nearest_second(), i64::MAX / 1_000_000_000);
    }

    #[test]
    fn an_instant_is_as_small_as_its_number_and_says_its_clock() {
        assert_eq!(size_of::<Instant<Utc>>(), size_of::<i64>());
        assert_eq!(std::format!("{:?}", Instant::<Rtc>::from_ns(5)), "5 ns of RTC");
    }
}
