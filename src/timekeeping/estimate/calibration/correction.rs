//! What a calibration makes of what references say.

use jaudiosync_time::{Axis, Instant, Utc};

use super::anchor::Anchor;
use super::{Calibration, PHASE, State};

/// For the weight of a sample, what all samples of a source may have in common has a standard
/// deviation of this fraction of the largest error possible. For NTP the latter is half the round
/// trip: networks are seldom as asymmetric as they could be. The bound counts on nothing of the
/// kind.
pub const BIAS_PART: f64 = 1.0 / 16.0;

/// Two paths differ by this part of all that they can hide, as a standard deviation: a bound is
/// [`BOUND_SIGMAS`](crate::timekeeping::status::BOUND_SIGMAS) of these.
const PATH_PART: f64 = 0.25;

/// What a reference says of UTC, and how far it can be wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correction {
    /// UTC.
    pub utc: Instant<Utc>,
    /// The part of its error that differs from sample to sample: a standard deviation, in ns.
    pub sigma_ns: f64,
    /// The part that does not, and that averaging does not reduce: a standard deviation, in ns.
    pub bias_sigma_ns: f64,
    /// The largest possible error, in ns.
    pub bound_ns: f64,
}

impl<F: Axis> Calibration<F> {
    /// Absorbs what a reference says of the moment at which the flywheel showed `at`. Call
    /// [`advance`](Self::advance) for that time first.
    pub fn correct(&mut self, at: Instant<F>, correction: Correction) {
        let Correction { utc, sigma_ns, bias_sigma_ns, bound_ns } = correction;
        if self.samples == 0 {
            self.bias_sigma_ns = bias_sigma_ns;
        } else if bias_sigma_ns < self.bias_sigma_ns {
            // This source is better than those before: what their samples had in common is now an
            // error like any other.
            let variance = self.bias_sigma_ns.powi(2) - bias_sigma_ns.powi(2);
            self.filter.kalman_mut().add_variance(State::Utc, variance);
            self.bias_sigma_ns = bias_sigma_ns;
        }
        // A sample that is a little older than the state belongs to where the flywheel was then.
        let age = self.at - at;
        let (rate_ppb, _) = self.rate(self.filter.kalman());
        let innovation_ns = self.filter.since_phase_ns(utc + age) + rate_ppb * age.seconds();
        let before_ns = self.filter.fraction_ns();
        self.filter.kalman_mut().correct(&PHASE, innovation_ns, sigma_ns * sigma_ns);
        let moved_ns = self.filter.fraction_ns() - before_ns;
        if self.samples == 0 {
            // How far off somebody has set it is no limit to what a reference says.
            self.anchor = Anchor::new(bound_ns + (innovation_ns - moved_ns).abs(), self.filter.kalman());
        } else {
            self.anchor.correct(innovation_ns, bound_ns, moved_ns, self.filter.kalman());
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// Notes that the samples from now on come by another path than those before, the first with
    /// this bound in ns: what either path hides is no drift, and so teaches nothing of the rates.
    pub fn change_path(&mut self, bound_ns: f64) {
        if self.samples > 0 {
            let hidden_ns = PATH_PART * (self.bias_sigma_ns / BIAS_PART).hypot(bound_ns);
            self.filter.kalman_mut().add_variance(State::Utc, hidden_ns * hidden_ns);
        }
    }

    /// Multiplies all variances, because a sample lies further off than this calibration considers
    /// possible.
    pub fn lose_confidence(&mut self, factor: f64) {
        self.filter.kalman_mut().inflate(factor);
    }

    /// Sets UTC when the flywheel shows `at`, to a standard deviation and a bound, and keeps the
    /// rates.
    pub fn restart(&mut self, at: Instant<F>, utc: Instant<Utc>, sigma_ns: f64, bound_ns: f64) {
        self.at = at;
        self.filter.restart(utc, sigma_ns * sigma_ns);
        self.bias_sigma_ns = bound_ns * BIAS_PART;
        self.anchor = Anchor::new(bound_ns, self.filter.kalman());
    }
}
