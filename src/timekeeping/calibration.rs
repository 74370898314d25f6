//! The calibration: UTC as a function of the flywheel's own time, learnt from references over days.
//!
//! The flywheel is the RTC, or the Pi's crystal where there is none. Its rate has a constant part, a part that depends on
//! the temperature (a straight line and a parabola around 25 °C, as of a compensated crystal's residual), and a part that
//! wanders for reasons nobody can tell. A Kalman filter of five states learns them from samples of references, and knows
//! what it does not know: that is the error bound in holdover.

use serde::{Deserialize, Serialize};

use crate::kalman::{Kalman, Matrix};

/// The states: offset of UTC from the flywheel in ns; rate in ppb at 25 °C; rate in ppb per 10 °C; rate in ppb per
/// (10 °C)²; the wandering rate in ppb.
const STATES: usize = 5;
const OFFSET: [f64; STATES] = [1.0, 0.0, 0.0, 0.0, 0.0];

/// The temperature around which the rate is described, and the unit of what depends on it, in °C.
const MIDDLE_C: f64 = 25.0;
const SPAN_C: f64 = 10.0;

/// After a pause longer than this the temperature in between is not known: the box was off.
const PAUSE_NS: i64 = 600_000_000_000;

/// How far the mean temperature of a pause may be from that at its ends, as a standard deviation in °C.
const PAUSE_SIGMA_C: f64 = 3.0;

/// What is known beforehand of a flywheel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlywheelModel {
    /// Standard deviation of the rate over all specimens, in ppb.
    pub rate_sigma_ppb: f64,
    /// The same of what depends on the temperature: ppb per 10 °C, and ppb per (10 °C)².
    pub temperature_sigma_ppb: [f64; 2],
    /// Standard deviation of the wandering rate, in ppb, and for how long it stays alike, in s.
    pub wander_sigma_ppb: f64,
    /// See [`wander_sigma_ppb`](Self::wander_sigma_ppb).
    pub wander_s: f64,
    /// Random walk of the constant rate, in ppb per square root of a day: aging.
    pub aging_ppb: f64,
}

impl FlywheelModel {
    /// A DS3231: within ±2 ppm from 0 to 40 °C, ±1 ppm in its first year (datasheet, "Timekeeping accuracy", "Aging"),
    /// compensated in steps of about 0.1 ppm each 64 s, which leaves some tens of ppb that depend on the temperature.
    pub const DS3231: Self = Self {
        rate_sigma_ppb: 600.0,
        temperature_sigma_ppb: [45.0, 15.0],
        wander_sigma_ppb: 30.0,
        wander_s: 5_400.0,
        aging_ppb: 5.0,
    };

    /// The crystal of a Raspberry Pi, whose temperature nobody knows.
    pub const CRYSTAL: Self = Self {
        rate_sigma_ppb: 15_000.0,
        temperature_sigma_ppb: [0.0, 0.0],
        wander_sigma_ppb: 1_000.0,
        wander_s: 1_800.0,
        aging_ppb: 50.0,
    };
}

/// What the calibration says of a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offset {
    /// UTC minus the flywheel's time, in ns.
    pub offset_ns: i64,
    /// Its standard deviation, in ns.
    pub sigma_ns: f64,
    /// By how much UTC runs faster than the flywheel now, in ppb.
    pub rate_ppb: f64,
    /// Its standard deviation, in ppb.
    pub rate_sigma_ppb: f64,
}

/// The calibration of one flywheel.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    model: FlywheelModel,
    filter: Kalman<STATES>,
    /// A whole part of the offset, so that the filter's own stays small and exact.
    base_offset_ns: i64,
    flywheel_ns: i64,
    temperature_c: Option<f64>,
    samples: u64,
    /// What all samples may have in common, however many there are: an asymmetric network. A standard deviation, in ns.
    bias_sigma_ns: f64,
}

/// A calibration as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedCalibration {
    /// The flywheel's time of the state, in ns.
    pub flywheel_ns: i64,
    /// The whole part of the offset, in ns.
    pub base_offset_ns: i64,
    /// The state: ns, ppb, ppb per 10 °C, ppb per (10 °C)², ppb.
    pub state: [f64; STATES],
    /// Its covariance.
    pub covariance: [[f64; STATES]; STATES],
    /// The temperature at that time, in °C.
    pub temperature_c: Option<f64>,
    /// How many samples of references it is made of.
    pub samples: u64,
    /// What all samples may have in common, in ns.
    pub bias_sigma_ns: f64,
}

impl Calibration {
    /// Knows the offset of UTC from the flywheel to a standard deviation, and of the rates what the model knows.
    pub fn new(model: FlywheelModel, flywheel_ns: i64, offset_ns: i64, sigma_ns: f64) -> Self {
        let filter = Kalman::new(
            [0.0; STATES],
            [
                sigma_ns,
                model.rate_sigma_ppb,
                model.temperature_sigma_ppb[0],
                model.temperature_sigma_ppb[1],
                model.wander_sigma_ppb,
            ],
        );
        Self {
            model,
            filter,
            base_offset_ns: offset_ns,
            flywheel_ns,
            temperature_c: None,
            samples: 0,
            bias_sigma_ns: 0.0,
        }
    }

    /// Goes on with what was kept, unless that is nonsense.
    pub fn restore(model: FlywheelModel, saved: &SavedCalibration) -> Option<Self> {
        let is_finite = saved.state.iter().chain(saved.covariance.iter().flatten()).all(|number| number.is_finite());
        let is_finite = is_finite && saved.bias_sigma_ns.is_finite() && saved.bias_sigma_ns >= 0.0;
        let is_positive = (0..STATES).all(|index| saved.covariance[index][index] >= 0.0);
        // A rate that no specimen has, or a negative variance hidden in the correlations.
        let is_plausible = saved.state[1].abs() < 10.0 * model.rate_sigma_ppb;
        (is_finite && is_positive && is_plausible).then(|| Self {
            model,
            filter: Kalman { state: saved.state, covariance: saved.covariance },
            base_offset_ns: saved.base_offset_ns,
            flywheel_ns: saved.flywheel_ns,
            temperature_c: saved.temperature_c.filter(|temperature_c| temperature_c.is_finite()),
            samples: saved.samples,
            bias_sigma_ns: saved.bias_sigma_ns,
        })
    }

    /// For the disk.
    pub fn save(&self) -> SavedCalibration {
        SavedCalibration {
            flywheel_ns: self.flywheel_ns,
            base_offset_ns: self.base_offset_ns,
            state: self.filter.state,
            covariance: self.filter.covariance,
            temperature_c: self.temperature_c,
            samples: self.samples,
            bias_sigma_ns: self.bias_sigma_ns,
        }
    }

    /// Samples of references that went into it.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The flywheel's time up to which it is carried on.
    pub fn flywheel_ns(&self) -> i64 {
        self.flywheel_ns
    }

    /// Carries the calibration on to a later time of the flywheel, at which it has this temperature.
    pub fn advance(&mut self, flywheel_ns: i64, temperature_c: Option<f64>) {
        let elapsed_ns = flywheel_ns.saturating_sub(self.flywheel_ns);
        let temperature_c = temperature_c.or(self.temperature_c);
        if elapsed_ns > 0 {
            let (transition, noise) = self.step(elapsed_ns, temperature_c);
            self.filter.predict(&transition, &noise);
            let carry_ns = self.filter.state[0].round();
            self.filter.state[0] -= carry_ns;
            self.base_offset_ns = self.base_offset_ns.saturating_add(carry_ns as i64);
            self.flywheel_ns = flywheel_ns;
        }
        self.temperature_c = temperature_c;
    }

    /// What is known of a time of the flywheel at or after the last.
    pub fn at(&self, flywheel_ns: i64) -> Offset {
        let mut filter = self.filter;
        let elapsed_ns = flywheel_ns.saturating_sub(self.flywheel_ns);
        if elapsed_ns > 0 {
            let (transition, noise) = self.step(elapsed_ns, self.temperature_c);
            filter.predict(&transition, &noise);
        } else {
            filter.state[0] += self.rate(&filter).0 * elapsed_ns as f64 * 1e-9;
        }
        let (rate_ppb, rate_sigma_ppb) = self.rate(&filter);
        Offset {
            offset_ns: self.base_offset_ns.saturating_add(filter.state[0].round() as i64),
            sigma_ns: filter.variance_of(&OFFSET).sqrt().hypot(self.bias_sigma_ns),
            rate_ppb,
            rate_sigma_ppb,
        }
    }

    fn rate(&self, filter: &Kalman<STATES>) -> (f64, f64) {
        let warmth = (self.temperature_c.unwrap_or(MIDDLE_C) - MIDDLE_C) / SPAN_C;
        let weights = [0.0, 1.0, warmth, warmth * warmth, 1.0];
        let rate_ppb = weights.iter().zip(&filter.state).map(|(weight, state)| weight * state).sum();
        (rate_ppb, filter.variance_of(&weights).sqrt())
    }

    /// Takes in what a reference says: at `flywheel_ns` UTC was `utc_ns`. `sigma_ns` is the part of its error that is
    /// another with each sample, `bias_sigma_ns` the part that is not, of which averaging takes nothing away. Call
    /// [`advance`](Self::advance) for that time first.
    pub fn correct(&mut self, flywheel_ns: i64, utc_ns: i64, sigma_ns: f64, bias_sigma_ns: f64) {
        if self.samples == 0 {
            self.bias_sigma_ns = bias_sigma_ns;
        } else if bias_sigma_ns < self.bias_sigma_ns {
            // A better source than those before: what they had in common is now an error like any other.
            self.filter.covariance[0][0] += self.bias_sigma_ns.powi(2) - bias_sigma_ns.powi(2);
            self.bias_sigma_ns = bias_sigma_ns;
        }
        let observed_ns = utc_ns.saturating_sub(flywheel_ns).saturating_sub(self.base_offset_ns) as f64;
        // A sample that is a little older than the state belongs to where the flywheel was then.
        let age_s = self.flywheel_ns.saturating_sub(flywheel_ns) as f64 * 1e-9;
        let expected_ns = self.filter.state[0] - self.rate(&self.filter).0 * age_s;
        self.filter.correct(&OFFSET, observed_ns - expected_ns, sigma_ns * sigma_ns);
        self.samples = self.samples.saturating_add(1);
    }

    /// What all samples so far may have in common, in ns.
    pub fn bias_sigma_ns(&self) -> f64 {
        self.bias_sigma_ns
    }

    /// Multiplies all uncertainty: what was seen lies further off than this calibration holds possible.
    pub fn lose_confidence(&mut self, factor: f64) {
        for element in self.filter.covariance.iter_mut().flatten() {
            *element *= factor;
        }
    }

    /// Forgets the offset, which is now this, but not the rates.
    pub fn restart_offset(&mut self, flywheel_ns: i64, offset_ns: i64, sigma_ns: f64) {
        self.flywheel_ns = flywheel_ns;
        self.base_offset_ns = offset_ns;
        self.filter.state[0] = 0.0;
        for index in 0..STATES {
            self.filter.covariance[0][index] = 0.0;
            self.filter.covariance[index][0] = 0.0;
        }
        self.filter.covariance[0][0] = sigma_ns * sigma_ns;
        self.bias_sigma_ns = 0.0;
    }

    /// Transition and noise over a time that ends with a temperature.
    fn step(&self, elapsed_ns: i64, temperature_c: Option<f64>) -> (Matrix<STATES>, Matrix<STATES>) {
        let s = elapsed_ns as f64 * 1e-9;
        let now_c = temperature_c.unwrap_or(MIDDLE_C);
        let mean_c = 0.5 * (now_c + self.temperature_c.unwrap_or(now_c));
        let warmth = (mean_c - MIDDLE_C) / SPAN_C;
        let lasting = self.model.wander_s;
        let decay = (-s / lasting).exp();

        let mut transition = [[0.0; STATES]; STATES];
        for (index, row) in transition.iter_mut().enumerate() {
            row[index] = 1.0;
        }
        transition[0] = [1.0, s, warmth * s, warmth * warmth * s, lasting * (1.0 - decay)];
        transition[4][4] = decay;

        let mut noise = [[0.0; STATES]; STATES];
        // The constant rate walks: aging.
        let walk = self.model.aging_ppb.powi(2) / 86_400.0;
        noise[0][0] += walk * s.powi(3) / 3.0;
        noise[0][1] = walk * s * s / 2.0;
        noise[1][1] = walk * s;
        // The wandering rate is a Gauss-Markov process, here with its integral (Maybeck, Stochastic Models, 4.11).
        let variance = self.model.wander_sigma_ppb.powi(2);
        let ratio = s / lasting;
        // For short times the sum of exponentials loses all its digits; its series is 2/3 of the cube.
        let integral =
            if ratio < 1e-3 { 2.0 / 3.0 * ratio.powi(3) } else { 2.0 * ratio - 3.0 + 4.0 * decay - decay * decay };
        noise[0][0] += variance * lasting * lasting * integral;
        noise[0][4] = variance * lasting * (1.0 - decay).powi(2);
        noise[4][4] = variance * (1.0 - decay * decay);
        if elapsed_ns > PAUSE_NS {
            // Nobody knows how warm it was while the box was off.
            let per_span = self.filter.state[2].powi(2) + self.filter.covariance[2][2];
            noise[0][0] += per_span * (PAUSE_SIGMA_C / SPAN_C * s).powi(2);
        }
        noise[1][0] = noise[0][1];
        noise[4][0] = noise[0][4];
        (transition, noise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;
    const START_NS: i64 = 1_790_000_000 * S;

    /// Contacts once a day for some days with an RTC of this rate, then hours of holdover: the error and its sigma, in ns.
    fn holdover(rate_ppb: f64, days: i64, hours: i64) -> (f64, f64) {
        let truth_ns = |flywheel_ns: i64| 5e6 + (flywheel_ns - START_NS) as f64 * rate_ppb * 1e-9;
        let mut calibration = Calibration::new(FlywheelModel::DS3231, START_NS, 0, 1e9);
        for day in 0..=days {
            let flywheel_ns = START_NS + day * 86_400 * S;
            calibration.advance(flywheel_ns, Some(22.0));
            calibration.correct(flywheel_ns, flywheel_ns + truth_ns(flywheel_ns) as i64, 500_000.0, 0.0);
        }
        let mut flywheel_ns = START_NS + days * 86_400 * S;
        for _ in 0..hours * 60 {
            flywheel_ns += 60 * S;
            calibration.advance(flywheel_ns, Some(22.0));
        }
        let offset = calibration.at(flywheel_ns);
        (offset.offset_ns as f64 - truth_ns(flywheel_ns), offset.sigma_ns)
    }

    #[test]
    fn contacts_once_a_day_teach_the_rate() {
        let (error_ns, sigma_ns) = holdover(-700.0, 3, 4);
        assert!(error_ns.abs() < 300_000.0, "{error_ns}");
        assert!(sigma_ns > 300_000.0 && sigma_ns < 1_200_000.0, "{sigma_ns}");
    }

    #[test]
    fn an_uncalibrated_clock_knows_that_it_is_one() {
        let (error_ns, sigma_ns) = holdover(900.0, 0, 4);
        assert!((error_ns + 900.0 * 14_400.0).abs() < 1e6, "{error_ns}");
        assert!(error_ns.abs() < 4.0 * sigma_ns && sigma_ns < 10e6, "{sigma_ns}");
    }

    #[test]
    fn a_rate_that_follows_the_temperature_is_learnt_and_carried_into_the_cold() {
        let rate_ppb = |temperature_c: f64| 300.0 - 6.0 * (temperature_c - 25.0);
        let mut calibration = Calibration::new(FlywheelModel::DS3231, START_NS, 0, 1e9);
        let mut offset_ns = 2e6;
        let mut flywheel_ns = START_NS;
        // A week beside a GPS, day and night.
        for minute in 0..7 * 1440 {
            let temperature_c = 18.0 + 12.0 * (f64::from(minute) / 1440.0 * std::f64::consts::TAU).sin();
            flywheel_ns += 60 * S;
            offset_ns += 60.0 * rate_ppb(temperature_c);
            calibration.advance(flywheel_ns, Some(temperature_c));
            if minute % 10 == 0 {
                calibration.correct(flywheel_ns, flywheel_ns + offset_ns as i64, 10_000.0, 0.0);
            }
        }
        for _ in 0..240 {
            flywheel_ns += 60 * S;
            offset_ns += 60.0 * rate_ppb(5.0);
            calibration.advance(flywheel_ns, Some(5.0));
        }
        let error_ns = calibration.at(flywheel_ns).offset_ns as f64 - offset_ns;
        // Unlearnt, 20 °C would be 1.7 ms.
        assert!(error_ns.abs() < 250_000.0, "{error_ns}");
    }

    #[test]
    fn what_is_kept_comes_back_and_nonsense_does_not() {
        let mut calibration = Calibration::new(FlywheelModel::DS3231, START_NS, 77, 1e6);
        calibration.advance(START_NS + 3 * S, Some(20.0));
        calibration.correct(START_NS + 3 * S, START_NS + 3 * S + 500, 1e5, 1e4);
        let saved = calibration.save();
        assert_eq!(Calibration::restore(FlywheelModel::DS3231, &saved), Some(calibration));
        for nonsense in [f64::NAN, f64::INFINITY, -1.0] {
            let mut broken = saved.clone();
            broken.covariance[1][1] = nonsense;
            assert_eq!(Calibration::restore(FlywheelModel::DS3231, &broken), None);
        }
    }

    #[test]
    fn an_offset_of_half_a_century_keeps_its_nanoseconds() {
        // The crystal's own time begins at 0 when the machine starts.
        let mut calibration = Calibration::new(FlywheelModel::CRYSTAL, 0, START_NS + 123, 1e6);
        calibration.advance(10 * S, None);
        assert_eq!(calibration.at(10 * S).offset_ns, START_NS + 123);
    }
}
