//! The calibration: UTC as a function of a flywheel's own time, learnt from references over days.
//!
//! The flywheel is the RTC, or the Pi's crystal where there is none. Its rate has a constant part,
//! a part that depends on the temperature (a straight line and a parabola around 25 °C, like the
//! residual of a compensated crystal), and a part that wanders for unknown reasons. A Kalman filter
//! of five states estimates them from samples of references, and knows how uncertain each is: this
//! weighs the samples, and says how the error grows in holdover. How far UTC can be wrong in all is
//! counted apart from it, as what a network hides cannot be averaged: see `anchor`.

mod anchor;
mod change;
mod correction;
mod prediction;

use jaudiosync_time::{Axis, ClockMap, Instant, Kalman, PhaseFilter, Rate, Span, StateName, Utc};
use serde::{Deserialize, Serialize};

use self::anchor::Anchor;
pub use self::anchor::ErrorBound;
pub use self::correction::{BIAS_PART, Correction};

/// The filter's states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// UTC, in ns.
    Utc,
    /// By how much UTC runs faster than the flywheel at 25 °C, in ppb.
    Rate,
    /// What the temperature adds to that, in ppb per 10 °C.
    Linear,
    /// What the square of the temperature adds, in ppb per (10 °C)².
    Quadratic,
    /// The wandering rate, in ppb.
    Wander,
}

const STATES: usize = 5;

impl StateName for State {
    const PHASE: Self = Self::Utc;

    fn index(self) -> usize {
        self as usize
    }
}

/// The weights that pick UTC.
const PHASE: [f64; STATES] = Kalman::<State, STATES>::PHASE;

/// The temperature around which the rate is described, and the unit of what depends on it, in °C.
const MIDDLE_C: f64 = 25.0;
const SPAN_C: f64 = 10.0;

/// How far two flywheels that are compared closely walk apart besides what the other states say, in
/// ns per square root of a second. A step of 0.1 ppm lasts for many minutes; without this it would
/// be taken for a slope over temperature, and carried on to temperatures that nobody has seen.
const PAIR_WALK_NS: f64 = 1_000.0;

/// A rate beyond this many standard deviations belongs to no specimen.
const PLAUSIBLE_SIGMAS: f64 = 10.0;

/// What is known of a flywheel beforehand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlywheelModel {
    /// Standard deviation of the rate over all specimens, in ppb.
    pub rate_sigma_ppb: f64,
    /// Standard deviations of what depends on the temperature: ppb per 10 °C, and ppb per (10 °C)².
    pub temperature_sigma_ppb: [f64; 2],
    /// Standard deviation of the wandering rate, in ppb.
    pub wander_sigma_ppb: f64,
    /// How long the wandering rate stays correlated, in s.
    pub wander_s: f64,
    /// Random walk of the constant rate, in ppb per square root of a day: aging.
    pub aging_ppb: f64,
    /// Random walk of the phase, in ns per square root of a second: what the rate does for minutes,
    /// such as the steps of a compensation, and what is alike in the errors of many samples.
    pub phase_walk_ns: f64,
}

impl FlywheelModel {
    /// A DS3231: within ±2 ppm from 0 to 40 °C, ±1 ppm in its first year (datasheet, "Timekeeping
    /// accuracy", "Aging"), compensated in steps of about 0.1 ppm every 64 s, which leaves some
    /// tens of ppb that depend on the temperature.
    pub const DS3231: Self = Self {
        rate_sigma_ppb: 600.0,
        temperature_sigma_ppb: [45.0, 15.0],
        wander_sigma_ppb: 30.0,
        wander_s: 5_400.0,
        aging_ppb: 5.0,
        phase_walk_ns: 0.0,
    };

    /// A DS3231M, whose resonator is silicon: within ±5 ppm (datasheet, "Timekeeping accuracy"). Three
    /// that were measured for five months were 1.6 to 3.1 ppm slow, seven DS3231SN beside them within
    /// 0.7 (blog.heypete.com, 2018-02-04). It compensates every second; what that leaves is taken to
    /// wander more.
    pub const DS3231M: Self = Self {
        rate_sigma_ppb: 2_000.0,
        temperature_sigma_ppb: [150.0, 50.0],
        wander_sigma_ppb: 150.0,
        wander_s: 5_400.0,
        aging_ppb: 10.0,
        phase_walk_ns: 0.0,
    };

    /// Returns what is known beforehand of a flywheel as another one of its kind sees it: both
    /// wander, and what is compared to some µs every 2 s shows every step of both compensations.
    pub fn seen_from_another(self) -> Self {
        let both = std::f64::consts::SQRT_2;
        Self {
            wander_sigma_ppb: self.wander_sigma_ppb * both,
            aging_ppb: self.aging_ppb * both,
            phase_walk_ns: PAIR_WALK_NS,
            ..self
        }
    }

    /// The crystal of a Raspberry Pi, whose temperature is not known.
    pub const CRYSTAL: Self = Self {
        rate_sigma_ppb: 15_000.0,
        temperature_sigma_ppb: [0.0, 0.0],
        wander_sigma_ppb: 1_000.0,
        wander_s: 1_800.0,
        aging_ppb: 50.0,
        phase_walk_ns: 0.0,
    };
}

/// UTC around a moment of the flywheel, and how well it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrated<F: Axis> {
    /// UTC as a function of the flywheel's time.
    pub map: ClockMap<F, Utc>,
    /// The standard deviation of UTC where networks are no more asymmetric than usual, in ns: by it
    /// samples are weighed.
    pub sigma_ns: f64,
    /// How far UTC can be wrong.
    pub bound: ErrorBound,
    /// The standard deviation of the rate, in ppb.
    pub rate_sigma_ppb: f64,
}

/// The calibration of one flywheel, whose own time is `F`.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration<F: Axis> {
    model: FlywheelModel,
    /// The flywheel's time up to which the filter is carried on.
    at: Instant<F>,
    /// UTC at that time, and the rates.
    filter: PhaseFilter<Utc, State, STATES>,
    temperature_c: Option<f64>,
    samples: u64,
    /// What all samples may have in common, however many there are, such as an asymmetric network:
    /// a standard deviation, in ns.
    bias_sigma_ns: f64,
    anchor: Anchor,
}

/// A calibration as it is saved on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedCalibration {
    /// The flywheel's time of the state, in ns.
    pub flywheel_ns: i64,
    /// The whole part of UTC minus that time, in ns.
    pub base_offset_ns: i64,
    /// The state: ns, ppb, ppb per 10 °C, ppb per (10 °C)², ppb.
    pub state: [f64; STATES],
    /// Its covariance.
    pub covariance: [[f64; STATES]; STATES],
    /// The temperature at that time, in °C.
    pub temperature_c: Option<f64>,
    /// How many samples of references went into it.
    pub samples: u64,
    /// What all samples may have in common, in ns.
    pub bias_sigma_ns: f64,
    /// How far UTC could be wrong, in ns; `None` in files of earlier versions.
    #[serde(default)]
    pub bound_ns: Option<f64>,
}

impl<F: Axis> Calibration<F> {
    /// Makes a calibration that knows UTC at a moment of the flywheel to a standard deviation, and
    /// knows no more of the rates than the model does.
    pub fn new(model: FlywheelModel, at: Instant<F>, utc: Instant<Utc>, sigma_ns: f64) -> Self {
        let kalman = Kalman::new(
            [0.0; STATES],
            [
                sigma_ns,
                model.rate_sigma_ppb,
                model.temperature_sigma_ppb[0],
                model.temperature_sigma_ppb[1],
                model.wander_sigma_ppb,
            ],
        );
        let anchor = Anchor::by_chance(&kalman);
        let filter = PhaseFilter::new(utc, kalman);
        Self { model, at, filter, temperature_c: None, samples: 0, bias_sigma_ns: 0.0, anchor }
    }

    /// Keeps what is known, and that UTC can be wrong by up to this, in ns.
    pub fn with_bound(mut self, bound_ns: f64) -> Self {
        self.anchor = Anchor::new(bound_ns, self.filter.kalman());
        self
    }

    /// Makes a calibration for a flywheel that somebody set to UTC, to a standard deviation.
    pub fn uncompared(model: FlywheelModel, at: Instant<F>, sigma_ns: f64) -> Self {
        Self::new(model, at, ClockMap::with_offset(at, Span::ZERO, Rate::ZERO).to, sigma_ns)
    }

    /// Restores what was saved; returns `None` if that is nonsense.
    pub fn restore(model: FlywheelModel, saved: &SavedCalibration) -> Option<Self> {
        let mut numbers = saved.state.iter().chain(saved.covariance.iter().flatten());
        let is_finite = numbers.all(|number| number.is_finite());
        let is_length = |ns: f64| ns.is_finite() && ns >= 0.0;
        let is_finite = is_finite && is_length(saved.bias_sigma_ns) && saved.bound_ns.is_none_or(is_length);
        let is_positive = (0..STATES).all(|index| saved.covariance[index][index] >= 0.0);
        // A rate that no specimen has, or a negative variance hidden in the correlations.
        let is_plausible = saved.state[State::Rate.index()].abs() < PLAUSIBLE_SIGMAS * model.rate_sigma_ppb;
        let at = Instant::from_ns(saved.flywheel_ns);
        let utc = ClockMap::with_offset(at, Span::from_ns(saved.base_offset_ns), Rate::ZERO).to;
        let kalman = Kalman::from_parts(saved.state, saved.covariance);
        let anchor = match saved.bound_ns {
            Some(bound_ns) => Anchor::new(bound_ns, &kalman),
            None => Anchor::of_earlier_version(saved.bias_sigma_ns, &kalman),
        };
        (is_finite && is_positive && is_plausible).then(|| Self {
            model,
            at,
            filter: PhaseFilter::new(utc, kalman),
            anchor,
            temperature_c: saved.temperature_c.filter(|temperature_c| temperature_c.is_finite()),
            samples: saved.samples,
            bias_sigma_ns: saved.bias_sigma_ns,
        })
    }

    /// Returns it in the form that is saved on disk.
    pub fn save(&self) -> SavedCalibration {
        let whole = ClockMap { from: self.at, to: self.filter.whole(), rate: Rate::ZERO };
        SavedCalibration {
            flywheel_ns: self.at.ns(),
            base_offset_ns: whole.offset().ns(),
            state: *self.filter.kalman().state(),
            covariance: *self.filter.kalman().covariance(),
            temperature_c: self.temperature_c,
            samples: self.samples,
            bias_sigma_ns: self.bias_sigma_ns,
            bound_ns: Some(self.anchor.bound().ns()),
        }
    }

    /// Returns the number of samples of references that went into it.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Returns the flywheel's time up to which it is carried on.
    pub fn carried_to(&self) -> Instant<F> {
        self.at
    }

    /// Returns what all samples so far may have in common, in ns.
    pub fn bias_sigma_ns(&self) -> f64 {
        self.bias_sigma_ns
    }

    /// Carries the calibration on to a later time of the flywheel, at which it has this
    /// temperature.
    pub fn advance(&mut self, to: Instant<F>, temperature_c: Option<f64>) {
        let elapsed = to - self.at;
        let temperature_c = temperature_c.or(self.temperature_c);
        if elapsed > Span::ZERO {
            let (transition, noise) = self.step(elapsed, temperature_c);
            self.filter.kalman_mut().predict(&transition, &noise);
            self.anchor.predict(&transition, &noise);
            self.filter.advance(elapsed, 0.0);
            self.at = to;
        }
        self.temperature_c = temperature_c;
    }

    /// Returns what is known of UTC at a time of the flywheel, at or after the last.
    pub fn at(&self, at: Instant<F>) -> Calibrated<F> {
        let (mut filter, mut anchor) = (self.filter, self.anchor);
        let elapsed = at - self.at;
        if elapsed > Span::ZERO {
            let (transition, noise) = self.step(elapsed, self.temperature_c);
            filter.kalman_mut().predict(&transition, &noise);
            anchor.predict(&transition, &noise);
        } else {
            let (rate_ppb, _) = self.rate(filter.kalman());
            filter.kalman_mut().shift(State::Utc, rate_ppb * elapsed.seconds());
        }
        let (rate_ppb, rate_sigma_ppb) = self.rate(filter.kalman());
        Calibrated {
            map: ClockMap { from: at, to: filter.phase() + elapsed, rate: Rate::from_ppb(rate_ppb) },
            sigma_ns: filter.kalman().sigma_of(&PHASE).hypot(self.bias_sigma_ns),
            bound: anchor.bound(),
            rate_sigma_ppb,
        }
    }

    /// Returns the rate at the present temperature and its standard deviation, in ppb.
    fn rate(&self, kalman: &Kalman<State, STATES>) -> (f64, f64) {
        let warmth = (self.temperature_c.unwrap_or(MIDDLE_C) - MIDDLE_C) / SPAN_C;
        let weights = [0.0, 1.0, warmth, warmth * warmth, 1.0];
        let rate_ppb = weights.iter().zip(kalman.state()).map(|(weight, state)| weight * state).sum();
        (rate_ppb, kalman.sigma_of(&weights))
    }

    /// Makes a state less certain, and the bound with it.
    fn add_variance(&mut self, state: State, variance: f64) {
        self.filter.kalman_mut().add_variance(state, variance);
        self.anchor.add_variance(state, variance);
    }
}

#[cfg(test)]
mod tests;
