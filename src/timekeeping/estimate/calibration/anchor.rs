//! How far UTC can be wrong: what the references leave open, which no averaging reduces, and what
//! has been added since.
//!
//! A sample is off by its bound at most: half the round trip, which is all that a path can hide,
//! and the server's own root distance. At the moment of a sample UTC therefore lies in two
//! intervals, that of the sample and that of what was known before; where they overlap is what
//! remains possible (the intersection of NTP's clock select, RFC 5905, section 11.2.1). From there
//! on the error grows with what is not known of the rates, by the filter's own account.

use jaudiosync_time::{Kalman, Matrix};

use super::{BIAS_PART, PHASE, STATES, State};
use crate::timekeeping::status::BOUND_SIGMAS;

/// How far UTC can be wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorBound {
    /// What the last sample left possible, in ns. It is no matter of chance, and is never averaged.
    pub anchored_ns: f64,
    /// What was added since: a standard deviation, in ns.
    pub growth_sigma_ns: f64,
}

impl ErrorBound {
    /// Returns the largest error that has to be expected, in ns.
    pub fn ns(&self) -> f64 {
        self.anchored_ns + BOUND_SIGMAS * self.growth_sigma_ns
    }

    /// Returns the bound of what is read by way of another clock, which is known to this standard
    /// deviation in ns.
    pub fn read_with(self, sigma_ns: f64) -> Self {
        Self { growth_sigma_ns: self.growth_sigma_ns.hypot(sigma_ns), ..self }
    }
}

/// The last moment at which a reference limited the error of UTC, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Anchor {
    /// UTC could be wrong by this then, in ns.
    bound_ns: f64,
    /// What the error of UTC has grown by, and the errors of the rates: zero, with their covariance.
    growth: Kalman<State, STATES>,
}

impl Anchor {
    /// Begins with an error of UTC that is a matter of chance, as no reference has limited it.
    pub(super) fn by_chance(filter: &Kalman<State, STATES>) -> Self {
        Self { bound_ns: 0.0, growth: Kalman::from_parts([0.0; STATES], *filter.covariance()) }
    }

    /// Begins with the anchor of a calibration that an earlier version saved: it held the systematic
    /// part of the error as a fraction of the bound of the best reference.
    pub(super) fn of_earlier_version(bias_sigma_ns: f64, filter: &Kalman<State, STATES>) -> Self {
        Self { bound_ns: bias_sigma_ns / BIAS_PART, ..Self::by_chance(filter) }
    }

    /// Begins with an error of UTC up to a bound, and with what the filter knows of the rates.
    pub(super) fn new(bound_ns: f64, filter: &Kalman<State, STATES>) -> Self {
        let mut anchor = Self { bound_ns, ..Self::by_chance(filter) };
        anchor.growth.forget(State::Utc, 0.0, 0.0);
        anchor
    }

    /// Lets time pass, as for the filter.
    pub(super) fn predict(&mut self, transition: &Matrix<STATES>, noise: &Matrix<STATES>) {
        self.growth.predict(transition, noise);
    }

    /// Makes a state less certain.
    pub(super) fn add_variance(&mut self, state: State, variance: f64) {
        self.growth.add_variance(state, variance);
    }

    pub(super) fn bound(&self) -> ErrorBound {
        ErrorBound { anchored_ns: self.bound_ns, growth_sigma_ns: self.growth.sigma_of(&PHASE) }
    }

    /// Absorbs a sample that was ahead of UTC as it was known by `innovation_ns` and may be wrong by
    /// `sample_bound_ns`, by which the filter, which has absorbed it, was moved by `moved_ns`.
    pub(super) fn correct(
        &mut self,
        innovation_ns: f64,
        sample_bound_ns: f64,
        moved_ns: f64,
        filter: &Kalman<State, STATES>,
    ) {
        let known_ns = self.bound().ns();
        let sample = [innovation_ns - sample_bound_ns, innovation_ns + sample_bound_ns];
        let is_within_known = sample[0] >= -known_ns && sample[1] <= known_ns;
        let excludes_estimate = innovation_ns.abs() > sample_bound_ns;
        let [from, to] = if excludes_estimate && !is_within_known {
            // The server is wrong, or the flywheel has drifted further than was expected: nobody
            // can say which.
            [sample[0].min(-known_ns), sample[1].max(known_ns)]
        } else {
            [sample[0].max(-known_ns), sample[1].min(known_ns)]
        };
        *self = Self::new((to - moved_ns).max(moved_ns - from), filter);
    }
}
