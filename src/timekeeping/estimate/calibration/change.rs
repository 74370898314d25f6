//! What happens to the flywheel itself: it is set, or turns out to be of another kind.

use jaudiosync_time::{Axis, Span};

use super::{Calibration, FlywheelModel, State};

impl<F: Axis> Calibration<F> {
    /// Follows a flywheel that was set: it shows `by` more than before, which is known to a standard
    /// deviation. UTC does not change by that, and nothing that is known of it is lost.
    pub fn shift(&mut self, by: Span, sigma_ns: f64) {
        self.at += by;
        self.add_variance(State::Utc, sigma_ns * sigma_ns);
    }

    /// Moves UTC by this from now on, because that was decided, and not because it was measured:
    /// nothing is learnt from it.
    pub fn slew(&mut self, by: Span) {
        self.filter.advance(by, 0.0);
    }

    /// Notes that samples from now on may differ from those before by a constant of this standard
    /// deviation, in ns: that is no drift, and so teaches nothing of the rates.
    pub fn change_reference(&mut self, sigma_ns: f64) {
        self.filter.kalman_mut().add_variance(State::Utc, sigma_ns * sigma_ns);
    }

    /// Returns what the flywheel is taken for.
    pub fn model(&self) -> FlywheelModel {
        self.model
    }

    /// Takes the flywheel for another kind from now on. Its rates become as uncertain as if that had
    /// been known from the beginning; UTC and the rates themselves do not change.
    pub fn set_model(&mut self, model: FlywheelModel) {
        let old = std::mem::replace(&mut self.model, model);
        let [linear, quadratic] = old.temperature_sigma_ppb.map(|sigma| sigma * sigma);
        let [new_linear, new_quadratic] = model.temperature_sigma_ppb.map(|sigma| sigma * sigma);
        let priors = [
            (State::Rate, old.rate_sigma_ppb.powi(2), model.rate_sigma_ppb.powi(2)),
            (State::Linear, linear, new_linear),
            (State::Quadratic, quadratic, new_quadratic),
            (State::Wander, old.wander_sigma_ppb.powi(2), model.wander_sigma_ppb.powi(2)),
        ];
        for (state, before, after) in priors {
            let known = self.filter.kalman().variance(state);
            // What the samples have taught is worth the difference of the inverse variances.
            let taught = (1.0 / known - 1.0 / before).max(0.0);
            let added = 1.0 / (taught + 1.0 / after) - known;
            if added.is_finite() && added > 0.0 {
                self.add_variance(state, added);
            }
        }
    }
}
