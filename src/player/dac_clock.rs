//! The DAC clock model: from noisy observations to "frame n is heard at raw time t".
//!
//! A DAC's crystal is off by up to about 150 ppm and wanders slowly; what a driver reports of its
//! position is off by far more: steps of a frame or of a millisecond, bursts of several, now and
//! then a wild value. A Kalman filter of two states, the phase (when the reference frame is heard)
//! and the rate, weighs one against the other: at first it believes every observation, later hardly
//! any, and the same mathematics says how far it can be wrong.

mod crystal;
mod line;

use jaudiosync_time::{Instant, Kalman, PhaseFilter, PhaseRate, Raw, Span};

pub use self::crystal::Crystal;
pub use self::line::DacLine;

/// When a frame was, or will be, at the output, according to one observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The frame, counted from the opening of the stream.
    pub frame: u64,
    /// When it is heard: the raw clock at the observation and the delay from there.
    pub heard: Instant<Raw>,
}

/// What an observation did to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was absorbed.
    Taken,
    /// It is too far off to be believed.
    Outlier,
    /// Observations kept contradicting the model: frames are now heard at other times than
    /// predicted (an xrun, a stopped process, a suspended machine), and the model has started over.
    Restarted,
}

/// Crystals of sound cards are within 150 ppm; the first guess of the rate is 0 with this standard
/// deviation.
const INITIAL_RATE_SIGMA: f64 = 100e-6;

/// Random walk of the rate, per square root of a second. A crystal that warms up moves by some ppm
/// in minutes; this is ten times more, because virtual cards change their rate by up to 100 ppm
/// when another stream starts or ends. The price is small: observations good to 10 µs are averaged
/// over 2 s, ones good to 0.3 ms over 12 s.
const RATE_WALK: f64 = 0.3e-6;

/// A card that reports its position more finely than this can be followed faster, at no cost in
/// steadiness: the walk is taken to be larger in that proportion, up to the limit.
const FINE_NOISE_NS: f64 = 100_000.0;
const MAX_FINENESS: f64 = 5.0;

/// The first guess of the observations' standard deviation, in ns; from then on it is estimated,
/// within the limits.
const INITIAL_NOISE_NS: f64 = 100_000.0;
const MIN_NOISE_NS: f64 = 10_000.0;
const MAX_NOISE_NS: f64 = 1_500_000.0;

/// Observations over which the noise is estimated.
const NOISE_MEMORY: f64 = 100.0;

/// An observation is an outlier beyond this many standard deviations, but never below
/// `MIN_GATE_NS`.
const GATE_SIGMAS: f64 = 5.0;
const MIN_GATE_NS: f64 = 1_000_000.0;

/// Outliers in a row, agreeing among themselves, after which the model starts over.
const OUTLIERS_TO_RESTART: u32 = 5;
const AGREEMENT_NS: f64 = 3_000_000.0;

/// The model may be used after this many observations, once it knows what is `AHEAD_S` away to
/// `SETTLED_SIGMA_NS`: as far ahead as the music is prepared. A card that reports its position too
/// coarsely for that is used after `PATIENCE_S`, as the music must not wait for ever.
const MIN_OBSERVATIONS: u32 = 12;
const AHEAD_S: f64 = 0.5;
const SETTLED_SIGMA_NS: f64 = 30_000.0;
const PATIENCE_S: f64 = 2.0;

/// The model of one open stream.
#[derive(Debug, Clone)]
pub struct DacClock {
    rate_hz: f64,
    state: Option<State>,
    /// What is known of the crystal from before.
    crystal: Option<Crystal>,
    outliers: u32,
    last_outlier_ns: f64,
    restarts: u64,
}

#[derive(Debug, Clone)]
struct State {
    first_frame: u64,
    /// The frame that the phase refers to.
    frame: u64,
    /// When that frame is heard, and by how much a frame lasts longer than nominal, as a fraction.
    filter: PhaseFilter<Raw, PhaseRate, 2>,
    noise_variance: f64,
    last_innovation_ns: Option<f64>,
    observations: u32,
}

impl DacClock {
    /// Makes the model of a stream of this nominal rate, which knows nothing yet but what may be
    /// known of the crystal.
    pub fn new(rate_hz: u32, crystal: Option<Crystal>) -> Self {
        let rate_hz = f64::from(rate_hz.max(1));
        Self { rate_hz, state: None, crystal, outliers: 0, last_outlier_ns: 0.0, restarts: 0 }
    }

    /// Forgets everything but the crystal: positions start again from 0.
    pub fn restart(&mut self) {
        self.crystal = self.crystal().map(Crystal::after_restart);
        self.state = None;
        self.outliers = 0;
        self.restarts += 1;
    }

    /// Returns how many times the model had to start over.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Absorbs an observation. They come in the order of their frames.
    pub fn observe(&mut self, observation: Observation) -> Outcome {
        let nominal_ns = 1e9 / self.rate_hz;
        let Some(state) = &mut self.state else {
            self.state = Some(State::first(observation, self.crystal));
            return Outcome::Taken;
        };
        let mut next = state.clone();
        next.advance_to(observation.frame, nominal_ns);
        let innovation_ns = next.filter.since_phase_ns(observation.heard);
        let expected_variance = next.filter.kalman().variance_of(&PHASE) + next.noise_variance;
        let gate_ns = (GATE_SIGMAS * expected_variance.sqrt()).max(MIN_GATE_NS);
        if innovation_ns.abs() > gate_ns {
            let agrees = self.outliers > 0 && (innovation_ns - self.last_outlier_ns).abs() < AGREEMENT_NS;
            self.outliers = if agrees { self.outliers + 1 } else { 1 };
            self.last_outlier_ns = innovation_ns;
            // The very first observations are the worst, and have nothing to contradict.
            let patience = OUTLIERS_TO_RESTART.min(state.observations);
            if self.outliers < patience {
                return Outcome::Outlier;
            }
            let was_of_use = self.is_settled();
            self.outliers = 0;
            self.restarts += u64::from(was_of_use);
            // The crystal is still the same one.
            let crystal = if was_of_use { Some(next.crystal().after_restart()) } else { self.crystal };
            self.state = Some(State::first(observation, crystal));
            return if was_of_use { Outcome::Restarted } else { Outcome::Outlier };
        }
        self.outliers = 0;
        next.correct(innovation_ns);
        *state = next;
        Outcome::Taken
    }

    /// Returns when frames are heard, as far as that is known at all: after the first observation.
    pub fn line(&self) -> Option<DacLine> {
        self.state.as_ref().map(|state| DacLine {
            frame: state.frame,
            phase: state.filter.whole(),
            fraction_ns: state.filter.fraction_ns(),
            rate_hz: self.rate_hz,
            slower: state.longer(),
        })
    }

    /// Returns the same as [`line`](Self::line), once it may be relied upon.
    pub fn settled(&self) -> Option<DacLine> {
        self.line().filter(|_| self.is_settled())
    }

    fn is_settled(&self) -> bool {
        self.state.as_ref().is_some_and(|state| {
            let sigma_ns = state.filter.kalman().sigma_of(&[1.0, AHEAD_S * 1e9]);
            let observed_s = state.frame.saturating_sub(state.first_frame) as f64 / self.rate_hz;
            state.observations >= MIN_OBSERVATIONS && (sigma_ns < SETTLED_SIGMA_NS || observed_s > PATIENCE_S)
        })
    }

    /// Returns what is known of the crystal, for a stream that is opened after this one; `None` if
    /// the model has never been of use.
    pub fn crystal(&self) -> Option<Crystal> {
        self.state.as_ref().filter(|_| self.is_settled()).map(State::crystal).or(self.crystal)
    }

    /// Returns by how much the DAC is slower than nominal, in ppb (negative if it is faster).
    pub fn rate_ppb(&self) -> f64 {
        self.state.as_ref().map_or(0.0, |state| state.longer() * 1e9)
    }

    /// Returns the standard deviation of [`line`](Self::line) now, in ns; infinite before the first
    /// observation.
    pub fn sigma_ns(&self) -> f64 {
        self.state.as_ref().map_or(f64::INFINITY, |state| state.filter.kalman().sigma_of(&PHASE))
    }

    /// Returns the standard deviation of a single observation, as estimated, in ns.
    pub fn noise_ns(&self) -> f64 {
        self.state.as_ref().map_or(f64::INFINITY, |state| state.noise_variance.sqrt())
    }
}

const PHASE: [f64; 2] = Kalman::<PhaseRate, 2>::PHASE;

impl State {
    fn first(observation: Observation, crystal: Option<Crystal>) -> Self {
        let noise_variance = INITIAL_NOISE_NS.powi(2);
        let nothing = Crystal { longer: 0.0, longer_sigma: INITIAL_RATE_SIGMA, noise_variance };
        let Crystal { longer, longer_sigma, noise_variance } = crystal.unwrap_or(nothing);
        let kalman = Kalman::new([0.0, longer], [MAX_NOISE_NS, longer_sigma]);
        Self {
            first_frame: observation.frame,
            frame: observation.frame,
            filter: PhaseFilter::new(observation.heard, kalman),
            noise_variance,
            last_innovation_ns: None,
            observations: 0,
        }
    }

    /// Moves the reference to a later frame, and lets the uncertainty grow.
    fn advance_to(&mut self, frame: u64, nominal_ns: f64) {
        let elapsed_ns = frame.saturating_sub(self.frame) as f64 * nominal_ns;
        let elapsed_s = elapsed_ns * 1e-9;
        self.frame = frame;
        let fineness = (FINE_NOISE_NS / self.noise_variance.sqrt()).clamp(1.0, MAX_FINENESS);
        self.filter.kalman_mut().drift(elapsed_ns, (RATE_WALK * fineness).powi(2) * elapsed_s);
        let whole_ns = elapsed_ns.floor();
        self.filter.advance(Span::from_ns(whole_ns as i64), elapsed_ns - whole_ns);
    }

    fn crystal(&self) -> Crystal {
        let longer_sigma = self.filter.kalman().variance(PhaseRate::Rate).sqrt();
        Crystal { longer: self.longer(), longer_sigma, noise_variance: self.noise_variance }
    }

    /// Returns by how much a frame lasts longer than nominal, as a fraction.
    fn longer(&self) -> f64 {
        self.filter.kalman().get(PhaseRate::Rate)
    }

    fn correct(&mut self, innovation_ns: f64) {
        self.filter.kalman_mut().correct(&PHASE, innovation_ns, self.noise_variance);
        self.observations = self.observations.saturating_add(1);
        // The noise is estimated from how far successive innovations differ, not from their
        // magnitude: a model that is off has large ones, and would otherwise mistake its own error
        // for noise and never recover.
        let Some(last_ns) = self.last_innovation_ns.replace(innovation_ns) else { return };
        let noise = 0.5 * (innovation_ns - last_ns).powi(2);
        let weight = 1.0 / f64::from(self.observations).clamp(10.0, NOISE_MEMORY);
        let learnt = self.noise_variance + weight * (noise - self.noise_variance);
        self.noise_variance = learnt.clamp(MIN_NOISE_NS.powi(2), MAX_NOISE_NS.powi(2));
    }
}

#[cfg(test)]
mod tests;
