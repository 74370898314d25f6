//! Crystals: what a clock shows at an instant of true time, and at which instant it shows
//! something.
//!
//! A crystal's rate is drawn anew on a grid and is constant in between, so the clock is piecewise
//! linear and can be inverted exactly. Whole nanoseconds and fractions are kept apart, so that
//! nothing is lost over days.

use std::sync::Arc;

use fastrand::Rng;

use super::randomness::normal;

const NS_PER_S: i64 = 1_000_000_000;

/// No crystal here is further off; it keeps clocks monotone whatever a scenario says.
const MAX_RATE: f64 = 1e-3;

/// Temperature in degrees Celsius at an instant of true time in ns.
pub type Temperature = Arc<dyn Fn(i64) -> f64 + Send + Sync>;

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
    /// The rate is drawn anew each so many seconds, at least 1.
    pub grid_s: i64,
}

/// From here on the rate is this, until the next knot.
#[derive(Debug, Clone, Copy)]
struct Knot {
    clock_ns: i64,
    /// 0 to 1.
    fraction_ns: f64,
    rate: f64,
}

/// A clock that a crystal drives, since an instant at which it was started.
pub struct Crystal {
    model: CrystalModel,
    temperature: Temperature,
    random: Rng,
    start_true_ns: i64,
    grid_ns: i64,
    knots: Vec<Knot>,
    walked_ppm: f64,
}

impl Crystal {
    /// A clock that shows `clock_ns` at `start_true_ns`.
    pub fn start(
        model: CrystalModel,
        temperature: Temperature,
        random: Rng,
        start_true_ns: i64,
        clock_ns: i64,
    ) -> Self {
        let grid_ns = model.grid_s.max(1).saturating_mul(NS_PER_S);
        let mut crystal =
            Self { model, temperature, random, start_true_ns, grid_ns, knots: Vec::new(), walked_ppm: 0.0 };
        let rate = crystal.draw_rate(start_true_ns);
        crystal.knots.push(Knot { clock_ns, fraction_ns: 0.0, rate });
        crystal
    }

    /// Starts the clock anew, as a power cut does: the same crystal, which has wandered no further
    /// meanwhile.
    pub fn restart(&mut self, start_true_ns: i64, clock_ns: i64) {
        self.start_true_ns = start_true_ns;
        self.knots.clear();
        let rate = self.draw_rate(start_true_ns);
        self.knots.push(Knot { clock_ns, fraction_ns: 0.0, rate });
    }

    /// What the clock shows at an instant, in ns. Before its start it runs backwards from there.
    pub fn reading_ns(&mut self, true_ns: i64) -> i64 {
        let since_ns = true_ns.saturating_sub(self.start_true_ns);
        let index = usize::try_from(since_ns.div_euclid(self.grid_ns)).unwrap_or(0);
        self.extend_to(index);
        self.knot(index).reading_ns(since_ns - index as i64 * self.grid_ns)
    }

    /// The first instant at which the clock shows this, in ns of true time.
    pub fn true_ns(&mut self, reading_ns: i64) -> i64 {
        // The clock's own time is a guess of the knot, a few off at most after days.
        let guess = reading_ns.saturating_sub(self.knot(0).clock_ns).div_euclid(self.grid_ns);
        let mut index = usize::try_from(guess).unwrap_or(0);
        self.extend_to(index + 1);
        while index > 0 && self.knot(index).clock_ns >= reading_ns {
            index -= 1;
        }
        while self.knot(index + 1).clock_ns < reading_ns {
            index += 1;
            self.extend_to(index + 1);
        }
        let knot = self.knot(index);
        let ahead_ns = reading_ns.saturating_sub(knot.clock_ns);
        // First order is exact to a nanosecond or so over a grid step; the rest is searched.
        let mut since_ns = ahead_ns - ((ahead_ns as f64 * knot.rate + knot.fraction_ns) / (1.0 + knot.rate)) as i64;
        while knot.reading_ns(since_ns) < reading_ns {
            since_ns += 1;
        }
        while knot.reading_ns(since_ns - 1) >= reading_ns {
            since_ns -= 1;
        }
        self.start_true_ns + index as i64 * self.grid_ns + since_ns
    }

    /// By how much the clock is fast at an instant, as a fraction.
    pub fn rate(&mut self, true_ns: i64) -> f64 {
        let index = usize::try_from(true_ns.saturating_sub(self.start_true_ns).div_euclid(self.grid_ns)).unwrap_or(0);
        self.extend_to(index);
        self.knot(index).rate
    }

    fn knot(&self, index: usize) -> Knot {
        // There is always a first one, and the others were made by `extend_to`.
        self.knots.get(index).copied().unwrap_or(Knot { clock_ns: 0, fraction_ns: 0.0, rate: 0.0 })
    }

    fn extend_to(&mut self, index: usize) {
        while self.knots.len() <= index {
            let last = self.knot(self.knots.len() - 1);
            let gained_ns = last.fraction_ns + self.grid_ns as f64 * last.rate;
            let whole_ns = gained_ns.floor();
            let clock_ns = last.clock_ns.saturating_add(self.grid_ns).saturating_add(whole_ns as i64);
            let true_ns = self.start_true_ns.saturating_add((self.knots.len() as i64).saturating_mul(self.grid_ns));
            let rate = self.draw_rate(true_ns);
            self.knots.push(Knot { clock_ns, fraction_ns: gained_ns - whole_ns, rate });
        }
    }

    fn draw_rate(&mut self, true_ns: i64) -> f64 {
        let model = &self.model;
        let grid_s = self.grid_ns as f64 * 1e-9;
        let off_c = (self.temperature)(true_ns) - model.turnover_c;
        let (mut walk_ppm, mut white_ppm) = (0.0, 0.0);
        if model.walk_fm_ppm > 0.0 {
            walk_ppm = model.walk_fm_ppm * grid_s.sqrt() * normal(&mut self.random);
        }
        if model.white_fm_ppm > 0.0 {
            white_ppm = model.white_fm_ppm / grid_s.sqrt() * normal(&mut self.random);
        }
        self.walked_ppm += walk_ppm;
        // Days since the epoch of the simulated world would do as well; only differences matter.
        let days = true_ns.saturating_sub(crate::ride_start::RIDE_START_NS) as f64 / 86_400e9;
        let ppm = model.rate_ppm
            + model.slope_ppm_per_c * off_c
            + model.parabola_ppm_per_c2 * off_c * off_c
            + model.aging_ppb_per_day * 1e-3 * days
            + self.walked_ppm
            + white_ppm;
        (ppm * 1e-6).clamp(-MAX_RATE, MAX_RATE)
    }
}

impl Knot {
    fn reading_ns(&self, since_ns: i64) -> i64 {
        let gained_ns = (self.fraction_ns + since_ns as f64 * self.rate).floor();
        self.clock_ns.saturating_add(since_ns).saturating_add(gained_ns as i64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, proptest};

    use fastrand::Rng;

    use super::super::crystal_spread::CrystalSpread;
    use super::*;

    const START_NS: i64 = 1_790_000_000_000_000_000;

    fn steady(rate_ppm: f64) -> CrystalModel {
        CrystalModel { rate_ppm, grid_s: 1, ..CrystalSpread::IDEAL.draw(&mut Rng::with_seed(0)) }
    }

    fn started(model: CrystalModel, seed: u64) -> Crystal {
        Crystal::start(model, Arc::new(|_| 25.0), Rng::with_seed(seed), START_NS, 77)
    }

    #[test]
    fn a_steady_crystal_gains_what_its_rate_says_over_days() {
        let mut crystal = started(steady(-17.3), 1);
        let days_ns = 10 * 86_400 * NS_PER_S;
        let gained_ns = crystal.reading_ns(START_NS + days_ns) - 77 - days_ns;
        assert!((gained_ns as f64 + days_ns as f64 * 17.3e-6).abs() < 2.0, "{gained_ns}");
    }

    #[test]
    fn the_random_walk_grows_as_it_should() {
        let model = CrystalModel { walk_fm_ppm: 0.01, ..steady(0.0) };
        let square_sum: f64 =
            (0..300).map(|seed| (started(model, seed).rate(START_NS + 400 * NS_PER_S) * 1e6).powi(2)).sum();
        // 0.01 ppm times the root of 400 s.
        let sigma_ppm = (square_sum / 300.0).sqrt();
        assert!((sigma_ppm - 0.2).abs() < 0.03, "{sigma_ppm}");
    }

    #[test]
    fn temperature_moves_the_rate_along_the_parabola() {
        let model = CrystalModel { parabola_ppm_per_c2: -0.034, turnover_c: 25.0, ..steady(2.0) };
        let mut crystal = Crystal::start(model, Arc::new(|_| 5.0), Rng::with_seed(1), START_NS, 0);
        assert!((crystal.rate(START_NS) * 1e6 - (2.0 - 0.034 * 400.0)).abs() < 1e-9);
    }

    #[test]
    fn a_restarted_clock_begins_where_it_is_told_and_keeps_its_rate() {
        let mut crystal = started(steady(50.0), 1);
        crystal.reading_ns(START_NS + 100 * NS_PER_S);
        crystal.restart(START_NS + 200 * NS_PER_S, 5);
        assert_eq!(crystal.reading_ns(START_NS + 200 * NS_PER_S), 5);
        let gained_ns = crystal.reading_ns(START_NS + 300 * NS_PER_S) - 5 - 100 * NS_PER_S;
        assert!((gained_ns - 5_000_000).abs() <= 1, "{gained_ns}");
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
                let reading_ns = crystal.reading_ns(START_NS + offset_ns);
                let true_ns = crystal.true_ns(reading_ns);
                prop_assert!(true_ns <= START_NS + offset_ns && true_ns >= START_NS + offset_ns - 2);
                prop_assert!(crystal.reading_ns(true_ns) >= reading_ns);
                prop_assert!(crystal.reading_ns(true_ns - 1) < reading_ns);
            }
        }

        #[test]
        fn no_clock_runs_backwards(seed: u64, from_ns in 0_i64..3_600_000_000_000) {
            let model = CrystalModel { white_fm_ppm: 5.0, walk_fm_ppm: 1.0, ..steady(90.0) };
            let mut crystal = started(model, seed);
            let around_a_knot_ns = START_NS + from_ns / NS_PER_S * NS_PER_S - 3;
            let readings: Vec<i64> = (0..7).map(|step| crystal.reading_ns(around_a_knot_ns + step)).collect();
            prop_assert!(readings.is_sorted(), "{readings:?}");
        }
    }
}
