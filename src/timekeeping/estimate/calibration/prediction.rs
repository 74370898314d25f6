//! How the filter's states move on their own.

use jaudiosync_time::{Axis, Matrix, Span, StateName};

use super::{Calibration, MIDDLE_C, SPAN_C, STATES, State};

/// After a pause longer than this the temperature in between is not known: the box was off.
const PAUSE: Span = Span::from_seconds(600);

/// How far the mean temperature of a pause may be from that at its ends, as a standard deviation in
/// °C.
const PAUSE_SIGMA_C: f64 = 3.0;

impl<F: Axis> Calibration<F> {
    /// Returns transition and noise over a time that ends with a temperature.
    pub(super) fn step(&self, elapsed: Span, temperature_c: Option<f64>) -> (Matrix<STATES>, Matrix<STATES>) {
        use State::{Linear, Quadratic, Rate, Utc, Wander};
        let [utc, rate, linear, quadratic, wander] = [Utc, Rate, Linear, Quadratic, Wander].map(State::index);
        let s = elapsed.seconds();
        let now_c = temperature_c.unwrap_or(MIDDLE_C);
        let mean_c = 0.5 * (now_c + self.temperature_c.unwrap_or(now_c));
        let warmth = (mean_c - MIDDLE_C) / SPAN_C;
        let lasting = self.model.wander_s;
        let decay = (-s / lasting).exp();

        let mut transition = [[0.0; STATES]; STATES];
        for (index, row) in transition.iter_mut().enumerate() {
            row[index] = 1.0;
        }
        transition[utc][rate] = s;
        transition[utc][linear] = warmth * s;
        transition[utc][quadratic] = warmth * warmth * s;
        transition[utc][wander] = lasting * (1.0 - decay);
        transition[wander][wander] = decay;

        let mut noise = [[0.0; STATES]; STATES];
        noise[utc][utc] += self.model.phase_walk_ns.powi(2) * s;
        // The constant rate walks: aging.
        let walk = self.model.aging_ppb.powi(2) / 86_400.0;
        noise[utc][utc] += walk * s.powi(3) / 3.0;
        noise[utc][rate] = walk * s * s / 2.0;
        noise[rate][rate] = walk * s;
        // The wandering rate is a Gauss-Markov process, here with its integral (Maybeck, Stochastic
        // Models, 4.11).
        let variance = self.model.wander_sigma_ppb.powi(2);
        let ratio = s / lasting;
        // For short times the sum of exponentials loses all its digits; its series begins with 2/3
        // of the cube.
        let integral =
            if ratio < 1e-3 { 2.0 / 3.0 * ratio.powi(3) } else { 2.0 * ratio - 3.0 + 4.0 * decay - decay * decay };
        noise[utc][utc] += variance * lasting * lasting * integral;
        noise[utc][wander] = variance * lasting * (1.0 - decay).powi(2);
        noise[wander][wander] = variance * (1.0 - decay * decay);
        if elapsed > PAUSE {
            // How warm it was while the box was off is not known.
            let kalman = self.filter.kalman();
            let per_span = kalman.get(State::Linear).powi(2) + kalman.variance(State::Linear);
            noise[utc][utc] += per_span * (PAUSE_SIGMA_C / SPAN_C * s).powi(2);
        }
        noise[rate][utc] = noise[utc][rate];
        noise[wander][utc] = noise[utc][wander];
        (transition, noise)
    }
}
