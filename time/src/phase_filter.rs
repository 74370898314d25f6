//! Phase filters: a Kalman filter whose phase is a moment of a clock.

use crate::instant::{Axis, Instant};
use crate::kalman::{Kalman, StateName};
use crate::span::Span;

/// A Kalman filter one of whose states is a moment on the clock `A`.
///
/// Nanoseconds since 1970 have too many digits for an `f64`, so the phase is kept in two parts: a
/// whole part, and the fraction in the filter, which is carried over whenever time passes and so
/// stays small and exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhaseFilter<A: Axis, S, const N: usize> {
    whole: Instant<A>,
    kalman: Kalman<S, N>,
}

impl<A: Axis, S: StateName, const N: usize> PhaseFilter<A, S, N> {
    /// Makes a filter whose phase is `whole` and what `kalman` has as its phase besides.
    pub const fn new(whole: Instant<A>, kalman: Kalman<S, N>) -> Self {
        Self { whole, kalman }
    }

    /// Returns the filter, whose phase is the fraction alone.
    pub const fn kalman(&self) -> &Kalman<S, N> {
        &self.kalman
    }

    /// Returns the filter, for predictions and corrections.
    pub const fn kalman_mut(&mut self) -> &mut Kalman<S, N> {
        &mut self.kalman
    }

    /// Returns the phase's whole part.
    pub const fn whole(&self) -> Instant<A> {
        self.whole
    }

    /// Returns the phase's other part, in ns.
    pub fn fraction_ns(&self) -> f64 {
        self.kalman.get(S::PHASE)
    }

    /// Returns the phase, rounded to a nanosecond.
    pub fn phase(&self) -> Instant<A> {
        self.whole + Span::from_ns_f64(self.fraction_ns())
    }

    /// Returns by how much a moment lies behind the phase, in ns: for an observation that is the
    /// innovation.
    pub fn since_phase_ns(&self, moment: Instant<A>) -> f64 {
        (moment - self.whole).ns_f64() - self.fraction_ns()
    }

    /// Moves the phase by a nominal time, after the filter itself has predicted everything beyond
    /// that, and carries whole nanoseconds over.
    pub fn advance(&mut self, nominal: Span, nominal_fraction_ns: f64) {
        self.kalman.shift(S::PHASE, nominal_fraction_ns);
        let carry_ns = libm::round(self.fraction_ns());
        self.kalman.shift(S::PHASE, -carry_ns);
        self.whole = self.whole + nominal + Span::from_ns_f64(carry_ns);
    }

    /// Forgets the phase, which is now this, to a variance in ns², and keeps everything else.
    pub fn restart(&mut self, phase: Instant<A>, variance: f64) {
        self.whole = phase;
        self.kalman.forget(S::PHASE, 0.0, variance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant::Raw;
    use crate::kalman::PhaseRate;

    #[test]
    fn half_a_million_small_steps_lose_no_fraction() {
        let kalman = Kalman::<PhaseRate, 2>::new([0.0, 0.0], [1.0, 1.0]);
        let mut filter = PhaseFilter::new(Instant::<Raw>::from_second(1_800_000_000), kalman);
        // A frame at 44.1 kHz lasts 22,675.736961 ns.
        for _ in 0..441_000 {
            filter.advance(Span::from_ns(22_675), 0.736_961_451_247_165_5);
        }
        assert_eq!(filter.phase(), Instant::from_second(1_800_000_010));
        assert!(filter.fraction_ns().abs() < 0.51);
    }

    #[test]
    fn what_lies_behind_the_phase_counts_with_its_fraction() {
        let kalman = Kalman::<PhaseRate, 2>::new([0.25, 0.0], [1.0, 1.0]);
        let filter = PhaseFilter::new(Instant::<Raw>::from_ns(100), kalman);
        assert_eq!(filter.since_phase_ns(Instant::from_ns(110)), 9.75);
        assert_eq!(filter.phase(), Instant::from_ns(100));
    }
}
