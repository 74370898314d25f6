//! Spans: signed lengths of time.

use core::fmt::{Debug, Formatter, Result};
use core::iter::Sum;
use core::ops::{Add, AddAssign, Div, Mul, Neg, Rem, Sub, SubAssign};
use core::time::Duration;

use crate::round::to_whole;

/// A signed length of time in whole nanoseconds, ±292 years. All arithmetic saturates.
///
/// It belongs to no axis: a second of the RTC and a second of UTC differ by a few
/// microseconds at most, and where that matters a [`ClockMap`](crate::ClockMap) is the right tool.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// 1,000 ns.
    pub const MICROSECOND: Self = Self(1_000);
    /// 1,000,000 ns.
    pub const MILLISECOND: Self = Self(1_000_000);
    /// 1,000,000,000 ns.
    pub const SECOND: Self = Self(1_000_000_000);
    /// 60 s.
    pub const MINUTE: Self = Self::from_seconds(60);
    /// 3,600 s.
    pub const HOUR: Self = Self::from_seconds(3_600);
    /// 86,400 s.
    pub const DAY: Self = Self::from_seconds(86_400);
    /// The longest span.
    pub const MAX: Self = Self(i64::MAX);
    /// The longest span backwards.
    pub const MIN: Self = Self(i64::MIN);

    /// Makes a span of `ns` nanoseconds.
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// Makes a span of `us` microseconds.
    pub const fn from_us(us: i64) -> Self {
        Self(us.saturating_mul(1_000))
    }

    /// Makes a span of `ms` milliseconds.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// Makes a span of `seconds`.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Makes a span of a fractional number of nanoseconds, rounded; what is not a number is zero.
    pub fn from_ns_f64(ns: f64) -> Self {
        Self(to_whole(ns))
    }

    /// Makes a span of a fractional number of seconds, rounded to a nanosecond.
    pub fn from_seconds_f64(seconds: f64) -> Self {
        Self(to_whole(seconds * 1e9))
    }

    /// Makes a span of a fractional number of milliseconds, rounded to a nanosecond.
    pub fn from_ms_f64(ms: f64) -> Self {
        Self(to_whole(ms * 1e6))
    }

    /// Returns the span in nanoseconds.
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// Returns the span in nanoseconds, for what is computed with fractions of them. Exact within
    /// 104 days.
    pub const fn ns_f64(self) -> f64 {
        self.0 as f64
    }

    /// Returns the span in milliseconds.
    pub fn ms(self) -> f64 {
        self.0 as f64 * 1e-6
    }

    /// Returns the span in seconds.
    pub fn seconds(self) -> f64 {
        self.0 as f64 * 1e-9
    }

    /// Returns the whole seconds in it, rounded down.
    pub const fn whole_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Returns the whole milliseconds in it, rounded down.
    pub const fn whole_ms(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Returns its length, whichever way it points.
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Returns whether it points backwards.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Returns the span multiplied by a fraction, rounded to a nanosecond.
    pub fn scaled(self, factor: f64) -> Self {
        Self(to_whole(self.0 as f64 * factor))
    }

    /// Returns it as a duration for the standard library; `None` where it points backwards.
    pub fn to_duration(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }

    /// Makes a span of a duration of the standard library.
    pub fn from_duration(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Debug for Span {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        write!(formatter, "{} ns", self.0)
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Span {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for Span {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for Span {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Mul<i64> for Span {
    type Output = Self;

    fn mul(self, times: i64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Div<i64> for Span {
    type Output = Self;

    /// Divides, rounded towards zero; by zero it is the longest span.
    fn div(self, by: i64) -> Self {
        if by == 0 { Self::MAX } else { Self(self.0.saturating_div(by)) }
    }
}

impl Rem for Span {
    type Output = Self;

    /// Returns what is left of the last whole `other`, never negative; nothing of a span of zero.
    fn rem(self, other: Self) -> Self {
        Self(self.0.checked_rem_euclid(other.0).unwrap_or(0))
    }
}

impl Sum for Span {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_agree() {
        assert_eq!(Span::from_seconds(2), Span::SECOND * 2);
        assert_eq!(Span::from_ms_f64(1.5), Span::from_us(1_500));
        assert_eq!(Span::from_seconds_f64(-0.25), -(Span::SECOND / 4));
        assert_eq!(Span::HOUR.seconds(), 3_600.0);
        assert_eq!(Span::from_ns(-1).whole_seconds(), -1);
        assert_eq!(Span::from_ns(-1) % Span::SECOND, Span::from_ns(999_999_999));
        assert_eq!(Span::from_ms(-2).to_duration(), None);
        assert_eq!(Span::from_ms(2).to_duration(), Some(Duration::from_millis(2)));
    }

    proptest! {
        #[test]
        fn nothing_overflows(left: i64, right: i64, factor: f64) {
            let (left, right) = (Span::from_ns(left), Span::from_ns(right));
            let (wide_left, wide_right) = (i128::from(left.ns()), i128::from(right.ns()));
            let saturated = |wide: i128| wide.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
            prop_assert_eq!((left + right).ns(), saturated(wide_left + wide_right));
            prop_assert_eq!((left - right).ns(), saturated(wide_left - wide_right));
            prop_assert_eq!((left * right.ns()).ns(), saturated(wide_left * wide_right));
            prop_assert_eq!((-left).ns(), saturated(-wide_left));
            let _ = (left / right.ns(), left % right);
            let _ = (left.abs(), left.scaled(factor));
        }
    }
}
