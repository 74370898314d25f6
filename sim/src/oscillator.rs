//! Crystals: what a clock shows at an instant of true time, and at which instant it shows
//! something.
//!
//! A crystal's rate is drawn again on a grid and is constant in between, so the clock is piecewise
//! linear and can be inverted exactly. Whole nanoseconds and fractions are stored separately, so that
//! nothing is lost over days.

use std::sync::Arc;

use fastrand::Rng;
use jaudiosync_time::{Axis, Instant, Rate, Span, True};

use super::randomness::normal;
use crate::true_time::RIDE_START;

const NANOSECOND: Span = Span::from_ns(1);

/// No crystal here is further off; it keeps clocks monotone whatever a scenario says.
const MAX_RATE: f64 = 1e-3;

/// Temperature in degrees Celsius at an instant of true time.
pub type Temperature = Arc<dyn Fn(Instant<True>) -> f64 + Send + Sync>;

/// What one crystal is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrystalModel {
    /// By how much it is fast at the turning point of its parabola, in ppm.
    pub rate_ppm: f64,
    /// The turning point of the parabola, in °C.
    pub turnover_c: f64,
    /// The parabola: ppm per square degree away from the turning point. A tuning fork has -0.034
    /// (datasheets of 32 kHz crystals); an AT cut is flatter over the temperatures of a ride.
    pub parabola_ppm_per_c2: f64,
    /// The slope at the turning point, in ppm per degree.
    pub slope_ppm_per_c: f64,
    /// White frequency noise: standard deviation of the rate over one second, in ppm.
    pub white_fm_ppm: f64,
    /// Random walk of the rate, in ppm per square root of a second.
    pub walk_fm_ppm: f64,
    /// Steady drift of the rate, in ppb a day.
    pub aging_ppb_per_day: f64,
    /// The rate is drawn again after this many seconds, at least 1.
    pub grid_s: i64,
}

/// From here on the rate is this, until the next knot.
#[derive(Debug, Clone, Copy)]
struct Knot<A: Axis> {
    clock: Instant<A>,
    /// What the clock shows beyond that, from 0 to 1 ns.
    fraction_ns_f64: f64,
    /// By how much the clock is fast, as a fraction.
    rate: f64,
}

/// A clock that a crystal drives, since an instant at which it was started.
pub struct Crystal<A: Axis> {
    model: CrystalModel,
    temperature: Temperature,
    random: Rng,
    start: Instant<True>,
    grid: Span,
    knots: Vec<Knot<A>>,
    walked_ppm: f64,
}

impl<A: Axis> Crystal<A> {
    /// Makes a clock that shows `clock` at `start`.
    pub fn start(
        model: CrystalModel,
        temperature: Temperature,
        random: Rng,
        start: Instant<True>,
        clock: Instant<A>,
    ) -> Self {
        let grid = Span::from_seconds(model.grid_s.max(1));
        let mut crystal = Self { model, temperature, random, start, grid, knots: Vec::new(), walked_ppm: 0.0 };
        crystal.restart(start, clock);
        crystal
    }

    /// Restarts the clock, as a power cut does: the same crystal, which has wandered no further
    /// meanwhile.
    pub fn restart(&mut self, start: Instant<True>, clock: Instant<A>) {
        self.start = start;
        self.knots.clear();
        let rate = self.draw_rate(start);
        self.knots.push(Knot { clock, fraction_ns_f64: 0.0, rate });
    }

    /// Returns what the clock shows at an instant. Before its start it runs backwards from there.
    pub fn reading(&mut self, time: Instant<True>) -> Instant<A> {
        let index = self.index_at(time);
        self.knot(index).reading(time - self.knot_time(index))
    }

    /// Returns the first instant at which the clock shows this.
    pub fn time_of(&mut self, reading: Instant<A>) -> Instant<True> {
        // The clock's own time is a guess of the knot, a few off at most after days.
        let mut index = self.whole_steps(reading - self.knot(0).clock);
        self.extend_to(index + 1);
        while index > 0 && self.knot(index).clock >= reading {
            index -= 1;
        }
        while self.knot(index + 1).clock < reading {
            index += 1;
            self.extend_to(index + 1);
        }
        let knot = self.knot(index);
        let ahead = reading - knot.clock;
        // First order is exact to a nanosecond or so over a grid step; the rest is searched.
        let gained_ns_f64 = (ahead.ns_f64() * knot.rate + knot.fraction_ns_f64) / (1.0 + knot.rate);
        let mut since = ahead - Span::from_ns(gained_ns_f64 as i64);
        while knot.reading(since) < reading {
            since += NANOSECOND;
        }
        while knot.reading(since - NANOSECOND) >= reading {
            since -= NANOSECOND;
        }
        self.knot_time(index) + since
    }

    /// Returns by how much the clock is fast at an instant.
    pub fn rate(&mut self, time: Instant<True>) -> Rate {
        let index = self.index_at(time);
        Rate::from_fraction(self.knot(index).rate)
    }

    /// Returns the last knot at or before an instant, or the first of all, and makes it if need be.
    fn index_at(&mut self, time: Instant<True>) -> usize {
        let index = self.whole_steps(time - self.start);
        self.extend_to(index);
        index
    }

    /// Returns the whole steps of the grid in a span; 0 if it points backwards.
    fn whole_steps(&self, span: Span) -> usize {
        usize::try_from(span.ns().div_euclid(self.grid.ns())).unwrap_or(0)
    }

    fn knot_time(&self, index: usize) -> Instant<True> {
        self.start + self.grid * index as i64
    }

    fn knot(&self, index: usize) -> Knot<A> {
        // There is always a first one, and the others were made by `extend_to`.
        self.knots.get(index).copied().unwrap_or(Knot { clock: Instant::ZERO, fraction_ns_f64: 0.0, rate: 0.0 })
    }

    fn extend_to(&mut self, index: usize) {
        while self.knots.len() <= index {
            let last = self.knot(self.knots.len() - 1);
            let gained_ns_f64 = last.fraction_ns_f64 + self.grid.ns_f64() * last.rate;
            let whole_ns_f64 = gained_ns_f64.floor();
            let clock = last.clock + self.grid + Span::from_ns_f64(whole_ns_f64);
            let rate = self.draw_rate(self.knot_time(self.knots.len()));
            self.knots.push(Knot { clock, fraction_ns_f64: gained_ns_f64 - whole_ns_f64, rate });
        }
    }

    fn draw_rate(&mut self, time: Instant<True>) -> f64 {
        let model = &self.model;
        let grid_s = self.grid.seconds();
        let off_c = (self.temperature)(time) - model.turnover_c;
        let (mut walk_ppm, mut white_ppm) = (0.0, 0.0);
        if model.walk_fm_ppm > 0.0 {
            walk_ppm = model.walk_fm_ppm * grid_s.sqrt() * normal(&mut self.random);
        }
        if model.white_fm_ppm > 0.0 {
            white_ppm = model.white_fm_ppm / grid_s.sqrt() * normal(&mut self.random);
        }
        self.walked_ppm += walk_ppm;
        // Days since the epoch of the simulated world would do as well; only differences matter.
        let days = (time - RIDE_START).ns_f64() / Span::DAY.ns_f64();
        let ppm = model.rate_ppm
            + model.slope_ppm_per_c * off_c
            + model.parabola_ppm_per_c2 * off_c * off_c
            + model.aging_ppb_per_day * 1e-3 * days
            + self.walked_ppm
            + white_ppm;
        (ppm * 1e-6).clamp(-MAX_RATE, MAX_RATE)
    }
}

impl<A: Axis> Knot<A> {
    fn reading(&self, since: Span) -> Instant<A> {
        let gained_ns_f64 = (self.fraction_ns_f64 + since.ns_f64() * self.rate).floor();
        self.clock + since + Span::from_ns(gained_ns_f64 as i64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, proptest};

    use fastrand::Rng;
    use jaudiosync_time::Raw;

    use super::super::crystal_spread::CrystalSpread;
    use super::*;

    const START: Instant<True> = Instant::from_second(1_790_000_000);
    const READING: Instant<Raw> = Instant::from_ns(77);

    fn steady(rate_ppm: f64) -> CrystalModel {
        CrystalModel { rate_ppm, grid_s: 1, ..CrystalSpread::IDEAL.draw(&mut Rng::with_seed(0)) }
    }

    fn started(model: CrystalModel, seed: u64) -> Crystal<Raw> {
        Crystal::start(model, Arc::new(|_| 25.0), Rng::with_seed(seed), START, READING)
    }

    #[test]
    fn a_steady_crystal_gains_what_its_rate_says_over_days() {
        let mut crystal = started(steady(-17.3), 1);
        let days = Span::DAY * 10;
        let gained = crystal.reading(START + days) - READING - days;
        assert!((gained.ns_f64() + days.ns_f64() * 17.3e-6).abs() < 2.0, "{gained:?}");
    }

    #[test]
    fn the_random_walk_grows_as_it_should() {
        let model = CrystalModel { walk_fm_ppm: 0.01, ..steady(0.0) };
        let rate_ppm = |seed| started(model, seed).rate(START + Span::from_seconds(400)).ppb() * 1e-3;
        let square_sum: f64 = (0..300).map(|seed| rate_ppm(seed).powi(2)).sum();
        // 0.01 ppm times the root of 400 s.
        let sigma_ppm = (square_sum / 300.0).sqrt();
        assert!((sigma_ppm - 0.2).abs() < 0.03, "{sigma_ppm}");
    }

    #[test]
    fn temperature_moves_the_rate_along_the_parabola() {
        let model = CrystalModel { parabola_ppm_per_c2: -0.034, turnover_c: 25.0, ..steady(2.0) };
        let mut crystal = Crystal::start(model, Arc::new(|_| 5.0), Rng::with_seed(1), START, READING);
        assert!((crystal.rate(START).ppb() * 1e-3 - (2.0 - 0.034 * 400.0)).abs() < 1e-9);
    }

    #[test]
    fn a_restarted_clock_begins_where_it_should_and_keeps_its_rate() {
        let mut crystal = started(steady(50.0), 1);
        crystal.reading(START + Span::from_seconds(100));
        let (restart, reading) = (START + Span::from_seconds(200), Instant::from_ns(5));
        crystal.restart(restart, reading);
        assert_eq!(crystal.reading(restart), reading);
        let later = Span::from_seconds(100);
        let gained = crystal.reading(restart + later) - reading - later;
        assert!((gained - Span::from_ms(5)).abs() <= NANOSECOND, "{gained:?}");
    }

    proptest! {
        #[test]
        fn the_inverse_is_the_first_instant_of_a_reading(
            seed: u64,
            rate_ppm in -200.0..200.0_f64,
            offsets_ns in prop::collection::vec(0_i64..200_000_000_000_000, 1..20),
        ) {
            let model = CrystalModel { white_fm_ppm: 0.05, walk_fm_ppm: 0.05, grid_s: 64, ..steady(rate_ppm) };
            let mut crystal = started(model, seed);
            for offset_ns in offsets_ns {
                let at = START + Span::from_ns(offset_ns);
                let reading = crystal.reading(at);
                let first = crystal.time_of(reading);
                prop_assert!(first <= at && first >= at - NANOSECOND * 2);
                prop_assert!(crystal.reading(first) >= reading);
                prop_assert!(crystal.reading(first - NANOSECOND) < reading);
            }
        }

        #[test]
        fn no_clock_runs_backwards(seed: u64, second in 0_i64..3_600) {
            let model = CrystalModel { white_fm_ppm: 5.0, walk_fm_ppm: 1.0, ..steady(90.0) };
            let mut crystal = started(model, seed);
            let before_a_knot = START + Span::from_seconds(second) - NANOSECOND * 3;
            let readings: Vec<Instant<Raw>> =
                (0..7).map(|step| crystal.reading(before_a_knot + NANOSECOND * step)).collect();
            prop_assert!(readings.is_sorted(), "{readings:?}");
        }
    }
}
