//! The chip's oscillator: what its countdown chain has counted, as a function of true time.

use fastrand::Rng;
use jaudiosync_time::{Axis, Instant, Span, True};

use super::model::Ds3231Model;
use crate::randomness::normal;

/// The chip measures its temperature and trims itself every 64 s (datasheet, "Temperature Sensor").
const CONVERSION_INTERVAL: Span = Span::from_seconds(64);
/// A DS3231M does so every second (datasheet, "Temperature Sensor"), here with this noise, in °C.
const DS3231M_CONVERSION_INTERVAL: Span = Span::SECOND;
const DS3231M_NOISE_C: f64 = 0.1;
/// How the rate of a DS3231M wanders: a standard deviation in ppb, and a correlation time in s.
const DS3231M_WANDER_PPB: f64 = 100.0;
const DS3231M_WANDER_S: f64 = 3_600.0;
/// How long a conversion on command takes, typically (datasheet, tCONV).
const COMMANDED_CONVERSION: Span = Span::from_ms(125);
/// One step of the trim, and of the aging register, in ppb (datasheet, "Aging Offset").
const TRIM_STEP_PPB: f64 = 100.0;

/// How long the oscillator has run by its own count since its countdown chain was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Chain;

impl Axis for Chain {
    const NAME: &'static str = "countdown chain";
}

/// Its rate is constant between conversions, so what it has gained is a sum over conversions: exact
/// to far below a nanosecond, however long it runs. Hence that sum is an `f64`.
pub(super) struct Oscillator {
    model: Ds3231Model,
    /// When the chip was made, for its aging.
    made: Instant<True>,
    /// When the countdown chain was reset.
    reset: Instant<True>,
    /// Since when the rate is what it is, and what had been gained from the reset until then.
    rate_since: Instant<True>,
    gained_ns_f64: f64,
    rate_ppb: f64,
    next_regular_conversion: Instant<True>,
    commanded_conversion: Option<Instant<True>>,
    /// When the surroundings' temperature was last looked at, and what it was.
    seen: Instant<True>,
    seen_c: f64,
    /// The temperature register, in quarters of a degree.
    quarter_degrees: i16,
    /// By how much the rate has wandered, in ppb.
    wander_ppb: f64,
    random: Rng,
}

impl Oscillator {
    /// Makes one that has run for `elapsed` since its reset, and whose next conversion comes
    /// `to_conversion` from now.
    pub(super) fn new(
        model: Ds3231Model,
        now: Instant<True>,
        elapsed: Span,
        to_conversion: Span,
        temperature_c: f64,
    ) -> Self {
        let mut oscillator = Self {
            model,
            made: now,
            reset: now - elapsed,
            rate_since: now,
            gained_ns_f64: 0.0,
            rate_ppb: 0.0,
            next_regular_conversion: now + to_conversion,
            commanded_conversion: None,
            seen: now,
            seen_c: temperature_c,
            quarter_degrees: 0,
            wander_ppb: 0.0,
            // Of each chip its own.
            random: Rng::with_seed(model.rate_ppb.to_bits()),
        };
        oscillator.convert(now, temperature_c, 0);
        oscillator
    }

    /// Returns when the next conversion is due.
    pub(super) fn next_conversion(&self) -> Instant<True> {
        let regular = self.next_regular_conversion;
        self.commanded_conversion.map_or(regular, |commanded| commanded.min(regular))
    }

    /// Makes the conversions that have come due until now. After a long gap the temperature is
    /// taken to have changed evenly since it was last looked at.
    pub(super) fn convert_until(&mut self, now: Instant<True>, temperature_c: f64, aging_offset: i8) {
        let (seen, seen_c) = (self.seen, self.seen_c);
        let slope_c_per_ns = (temperature_c - seen_c) / (now - seen).ns_f64().max(1.0);
        while self.next_conversion() <= now {
            let due = self.next_conversion();
            self.convert(due, seen_c + slope_c_per_ns * (due - seen).ns_f64(), aging_offset);
            if self.commanded_conversion == Some(due) {
                self.commanded_conversion = None;
            }
            if due == self.next_regular_conversion {
                self.next_regular_conversion += self.model.conversion_interval();
            }
        }
        (self.seen, self.seen_c) = (now, temperature_c);
    }

    fn convert(&mut self, at: Instant<True>, temperature_c: f64, aging_offset: i8) {
        self.gained_ns_f64 = self.gained_until_ns_f64(at);
        self.rate_since = at;
        let mut temperature_c = temperature_c;
        if self.model.is_ds3231m {
            temperature_c += DS3231M_NOISE_C * normal(&mut self.random);
            let kept = (-DS3231M_CONVERSION_INTERVAL.seconds() / DS3231M_WANDER_S).exp();
            let step_ppb = DS3231M_WANDER_PPB * (1.0 - kept * kept).sqrt();
            self.wander_ppb = kept * self.wander_ppb + step_ppb * normal(&mut self.random);
        }
        self.quarter_degrees = (temperature_c * 4.0).round() as i16;
        let residual_ppb = self.model.residual.at(f64::from(self.quarter_degrees) / 4.0);
        let days = (at - self.made).ns_f64() / Span::DAY.ns_f64();
        self.rate_ppb = self.model.rate_ppb
            + (residual_ppb / TRIM_STEP_PPB).round() * TRIM_STEP_PPB
            + self.model.aging_ppb_per_day * days
            + self.wander_ppb
            - f64::from(aging_offset) * TRIM_STEP_PPB;
    }

    /// Returns what it has gained on true time since the reset.
    fn gained_until_ns_f64(&self, now: Instant<True>) -> f64 {
        self.gained_ns_f64 + (now - self.rate_since).ns_f64() * self.rate_ppb * 1e-9
    }

    /// Returns how long it has run since the reset, by its own count.
    pub(super) fn chain_at(&self, now: Instant<True>) -> Instant<Chain> {
        let gained = Span::from_ns_f64(self.gained_until_ns_f64(now).floor());
        Instant::ZERO + (now - self.reset) + gained
    }

    /// Returns the first true nanosecond at which it will have counted that far if its rate stays
    /// as it is.
    pub(super) fn true_time_at(&self, chain: Instant<Chain>) -> Instant<True> {
        let left = (chain - Instant::ZERO) - (self.rate_since - self.reset);
        let true_ns_f64 = (left.ns_f64() - self.gained_ns_f64) / (1.0 + self.rate_ppb * 1e-9);
        self.rate_since + Span::from_ns_f64(true_ns_f64.ceil())
    }

    /// Resets the countdown chain.
    pub(super) fn reset(&mut self, now: Instant<True>) {
        self.reset = now;
        self.rate_since = now;
        self.gained_ns_f64 = 0.0;
    }

    /// Restarts it after it stood still.
    pub(super) fn start(&mut self, now: Instant<True>, temperature_c: f64, aging_offset: i8) {
        self.reset(now);
        self.commanded_conversion = None;
        (self.seen, self.seen_c) = (now, temperature_c);
        self.convert(now, temperature_c, aging_offset);
        self.next_regular_conversion = now + self.model.conversion_interval();
    }

    /// Starts a conversion on command, in addition to the regular ones.
    pub(super) fn command_conversion(&mut self, now: Instant<True>) {
        self.commanded_conversion.get_or_insert(now + COMMANDED_CONVERSION);
    }

    pub(super) fn is_converting(&self) -> bool {
        self.commanded_conversion.is_some()
    }

    pub(super) fn rate_ppb(&self) -> f64 {
        self.rate_ppb
    }

    pub(super) fn quarter_degrees(&self) -> i16 {
        self.quarter_degrees
    }
}

impl Ds3231Model {
    /// Returns how often the chip measures its temperature and trims itself.
    pub(super) fn conversion_interval(&self) -> Span {
        if self.is_ds3231m { DS3231M_CONVERSION_INTERVAL } else { CONVERSION_INTERVAL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::rtc::TemperatureResidual;

    const MADE: Instant<True> = Instant::ZERO;

    fn oscillator(model: Ds3231Model) -> Oscillator {
        Oscillator::new(model, MADE, Span::ZERO, CONVERSION_INTERVAL, 25.0)
    }

    /// What it has counted too much after it has run for `span`.
    fn gained(oscillator: &Oscillator, span: Span) -> Span {
        oscillator.chain_at(MADE + span) - Instant::ZERO - span
    }

    #[test]
    fn four_weeks_are_counted_to_a_nanosecond() {
        let mut oscillator = oscillator(Ds3231Model { rate_ppb: 1_234.567, ..Ds3231Model::default() });
        let end = Span::DAY * 28;
        // In uneven steps, as reads come.
        let mut elapsed = Span::ZERO;
        while elapsed < end {
            elapsed = (elapsed + Span::from_ns(61_234_567_891)).min(end);
            oscillator.convert_until(MADE + elapsed, 25.0, 0);
        }
        // 2,419,200 s times 1,234.567 ppb.
        let gained = gained(&oscillator, end);
        assert!((gained - Span::from_ns(2_986_664_486)).abs() <= Span::from_ns(1), "{gained:?}");
    }

    #[test]
    fn where_a_second_begins_is_the_inverse_of_how_long_it_ran() {
        for rate_ppb in [-2_000.0, -0.3, 0.0, 0.7, 1_999.0] {
            let mut oscillator = oscillator(Ds3231Model { rate_ppb, ..Ds3231Model::default() });
            oscillator.convert_until(MADE + Span::DAY, 25.0, 0);
            let edge = Instant::from_second(86_401);
            let true_time = oscillator.true_time_at(edge);
            let ns = Span::from_ns(1);
            assert!(oscillator.chain_at(true_time + ns) >= edge, "{rate_ppb}");
            assert!(oscillator.chain_at(true_time - ns) < edge, "{rate_ppb}");
        }
    }

    #[test]
    fn temperature_counts_from_the_next_conversion_on_and_in_steps() {
        let residual = TemperatureResidual { coefficients_ppb: [490.0, 0.0, 0.0] };
        let mut oscillator = oscillator(Ds3231Model { residual, ..Ds3231Model::default() });
        oscillator.convert_until(MADE + Span::from_seconds(63), 45.0, 0);
        assert_eq!(oscillator.rate_ppb(), 0.0);
        oscillator.convert_until(MADE + Span::from_seconds(64), 45.0, 0);
        assert_eq!(oscillator.rate_ppb(), 300.0, "280 ppb in steps of 100");
        assert_eq!(oscillator.quarter_degrees(), 180);
    }

    #[test]
    fn a_long_gap_is_filled_evenly() {
        let residual = TemperatureResidual { coefficients_ppb: [3_500.0, 0.0, 0.0] };
        let mut oscillator = oscillator(Ds3231Model { residual, ..Ds3231Model::default() });
        // From 25 to 45 °C at 100 ppb per degree: 1000 ppb on average over 6400 s.
        let gap = Span::from_seconds(6_400);
        oscillator.convert_until(MADE + gap, 45.0, 0);
        let gained = gained(&oscillator, gap);
        assert!((gained - Span::from_us(6_400)).abs() < Span::from_us(100), "{gained:?}");
    }

    #[test]
    fn the_aging_register_slows_it_by_a_tenth_ppm_a_step() {
        let mut oscillator = oscillator(Ds3231Model::default());
        oscillator.command_conversion(MADE);
        oscillator.convert_until(MADE + Span::from_ns(124_999_999), 25.0, 3);
        assert_eq!(oscillator.rate_ppb(), 0.0, "not before it has been converted");
        oscillator.convert_until(MADE + Span::from_ns(125_000_000), 25.0, 3);
        assert_eq!(oscillator.rate_ppb(), -300.0);
        assert_eq!(oscillator.next_conversion(), MADE + CONVERSION_INTERVAL, "the 64 s cycle stays as it was");
    }

    #[test]
    fn it_ages() {
        let mut oscillator = oscillator(Ds3231Model { aging_ppb_per_day: 2.0, ..Ds3231Model::default() });
        oscillator.convert_until(MADE + Span::DAY * 100, 25.0, 0);
        assert!((oscillator.rate_ppb() - 200.0).abs() < 0.01, "{}", oscillator.rate_ppb());
    }
}
