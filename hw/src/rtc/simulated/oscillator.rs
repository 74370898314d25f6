//! The chip's oscillator: how far it has run since its countdown chain was reset, as a function of true time.

use super::model::Ds3231Model;

const NS_PER_S: i64 = 1_000_000_000;
const NS_PER_DAY: f64 = 86_400e9;
/// The chip measures its temperature and trims itself each 64 s (datasheet, "Temperature Sensor").
const CONVERSION_NS: i64 = 64 * NS_PER_S;
/// How long a conversion that was asked for takes, typically (datasheet, tCONV).
const ASKED_CONVERSION_NS: i64 = 125_000_000;
/// One step of the trim, and of the aging register, in ppb (datasheet, "Aging Offset").
const TRIM_STEP_PPB: f64 = 100.0;

/// Its rate is constant from one conversion to the next, so what it gained is a sum over conversions: exact to far below a
/// nanosecond, however long it goes on.
pub(super) struct Oscillator {
    model: Ds3231Model,
    /// When the chip was made, for its aging.
    made_ns: i64,
    /// When the countdown chain was reset.
    reset_ns: i64,
    /// Since when the rate is what it is, and what had been gained from the reset until then.
    since_ns: i64,
    gained_ns: f64,
    rate_ppb: f64,
    next_conversion_ns: i64,
    asked_conversion_ns: Option<i64>,
    /// When the surroundings' temperature was last looked at, and what it was.
    seen_ns: i64,
    seen_c: f64,
    /// The temperature register, in quarters of a degree.
    quarter_degrees: i16,
}

impl Oscillator {
    /// One that has run for `elapsed_ns` since its reset, and whose next conversion comes `to_conversion_ns` from now.
    pub(super) fn new(
        model: Ds3231Model,
        now_ns: i64,
        elapsed_ns: i64,
        to_conversion_ns: i64,
        temperature_c: f64,
    ) -> Self {
        let mut oscillator = Self {
            model,
            made_ns: now_ns,
            reset_ns: now_ns - elapsed_ns,
            since_ns: now_ns,
            gained_ns: 0.0,
            rate_ppb: 0.0,
            next_conversion_ns: now_ns + to_conversion_ns,
            asked_conversion_ns: None,
            seen_ns: now_ns,
            seen_c: temperature_c,
            quarter_degrees: 0,
        };
        oscillator.convert(now_ns, temperature_c, 0);
        oscillator
    }

    /// When the next conversion is due.
    pub(super) fn next_conversion_ns(&self) -> i64 {
        self.asked_conversion_ns.map_or(self.next_conversion_ns, |asked_ns| asked_ns.min(self.next_conversion_ns))
    }

    /// Makes the conversions that have been due until now. If nobody looked for long, the temperature is taken to have
    /// changed evenly meanwhile.
    pub(super) fn convert_until(&mut self, now_ns: i64, temperature_c: f64, aging_offset: i8) {
        let (seen_ns, seen_c) = (self.seen_ns, self.seen_c);
        let slope_c_per_ns = (temperature_c - seen_c) / (now_ns - seen_ns).max(1) as f64;
        while self.next_conversion_ns() <= now_ns {
            let at_ns = self.next_conversion_ns();
            self.convert(at_ns, seen_c + slope_c_per_ns * (at_ns - seen_ns) as f64, aging_offset);
            if self.asked_conversion_ns == Some(at_ns) {
                self.asked_conversion_ns = None;
            }
            if at_ns == self.next_conversion_ns {
                self.next_conversion_ns += CONVERSION_NS;
            }
        }
        (self.seen_ns, self.seen_c) = (now_ns, temperature_c);
    }

    fn convert(&mut self, at_ns: i64, temperature_c: f64, aging_offset: i8) {
        self.gained_ns = self.gained_until_ns(at_ns);
        self.since_ns = at_ns;
        self.quarter_degrees = (temperature_c * 4.0).round() as i16;
        let residual_ppb = self.model.residual.at(f64::from(self.quarter_degrees) / 4.0);
        let days = (at_ns - self.made_ns) as f64 / NS_PER_DAY;
        self.rate_ppb = self.model.rate_ppb
            + (residual_ppb / TRIM_STEP_PPB).round() * TRIM_STEP_PPB
            + self.model.aging_ppb_per_day * days
            - f64::from(aging_offset) * TRIM_STEP_PPB;
    }

    /// What it gained on true time since the reset.
    fn gained_until_ns(&self, now_ns: i64) -> f64 {
        self.gained_ns + (now_ns - self.since_ns) as f64 * self.rate_ppb * 1e-9
    }

    /// How long it has run since the reset, by itself.
    pub(super) fn elapsed_ns(&self, now_ns: i64) -> i64 {
        now_ns - self.reset_ns + self.gained_until_ns(now_ns).floor() as i64
    }

    /// When it will have run for so long, if its rate stays as it is: the first true nanosecond.
    pub(super) fn true_ns_at(&self, elapsed_ns: i64) -> i64 {
        let left_ns = elapsed_ns - (self.since_ns - self.reset_ns);
        let true_ns = (left_ns as f64 - self.gained_ns) / (1.0 + self.rate_ppb * 1e-9);
        self.since_ns + true_ns.ceil() as i64
    }

    /// Resets the countdown chain.
    pub(super) fn reset(&mut self, now_ns: i64) {
        self.reset_ns = now_ns;
        self.since_ns = now_ns;
        self.gained_ns = 0.0;
    }

    /// Starts it again after it stood still.
    pub(super) fn start(&mut self, now_ns: i64, temperature_c: f64, aging_offset: i8) {
        self.reset(now_ns);
        self.asked_conversion_ns = None;
        (self.seen_ns, self.seen_c) = (now_ns, temperature_c);
        self.convert(now_ns, temperature_c, aging_offset);
        self.next_conversion_ns = now_ns + CONVERSION_NS;
    }

    /// Asks for a conversion beside those of each 64 s.
    pub(super) fn ask_for_conversion(&mut self, now_ns: i64) {
        self.asked_conversion_ns.get_or_insert(now_ns + ASKED_CONVERSION_NS);
    }

    pub(super) fn is_conversion_asked(&self) -> bool {
        self.asked_conversion_ns.is_some()
    }

    pub(super) fn rate_ppb(&self) -> f64 {
        self.rate_ppb
    }

    pub(super) fn quarter_degrees(&self) -> i16 {
        self.quarter_degrees
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::rtc::TemperatureResidual;

    fn oscillator(model: Ds3231Model) -> Oscillator {
        Oscillator::new(model, 0, 0, CONVERSION_NS, 25.0)
    }

    #[test]
    fn four_weeks_are_counted_to_a_nanosecond() {
        let mut oscillator = oscillator(Ds3231Model { rate_ppb: 1_234.567, ..Ds3231Model::default() });
        let end_ns = 28 * 86_400 * NS_PER_S;
        // In uneven steps, as reads come.
        let mut now_ns = 0;
        while now_ns < end_ns {
            now_ns = (now_ns + 61_234_567_891).min(end_ns);
            oscillator.convert_until(now_ns, 25.0, 0);
        }
        // 2,419,200 s times 1,234.567 ppb.
        let gained_ns = oscillator.elapsed_ns(end_ns) - end_ns;
        assert!((gained_ns - 2_986_664_486).abs() <= 1, "{gained_ns}");
    }

    #[test]
    fn where_a_second_begins_is_the_inverse_of_how_long_it_ran() {
        for rate_ppb in [-2_000.0, -0.3, 0.0, 0.7, 1_999.0] {
            let mut oscillator = oscillator(Ds3231Model { rate_ppb, ..Ds3231Model::default() });
            oscillator.convert_until(86_400 * NS_PER_S, 25.0, 0);
            let elapsed_ns = 86_401 * NS_PER_S;
            let true_ns = oscillator.true_ns_at(elapsed_ns);
            assert!(oscillator.elapsed_ns(true_ns + 1) >= elapsed_ns, "{rate_ppb}");
            assert!(oscillator.elapsed_ns(true_ns - 1) < elapsed_ns, "{rate_ppb}");
        }
    }

    #[test]
    fn temperature_counts_from_the_next_conversion_on_and_in_steps() {
        let residual = TemperatureResidual { coefficients_ppb: [490.0, 0.0, 0.0] };
        let mut oscillator = oscillator(Ds3231Model { residual, ..Ds3231Model::default() });
        oscillator.convert_until(63 * NS_PER_S, 45.0, 0);
        assert_eq!(oscillator.rate_ppb(), 0.0);
        oscillator.convert_until(64 * NS_PER_S, 45.0, 0);
        assert_eq!(oscillator.rate_ppb(), 300.0, "280 ppb in steps of 100");
        assert_eq!(oscillator.quarter_degrees(), 180);
    }

    #[test]
    fn a_long_gap_is_filled_evenly() {
        let residual = TemperatureResidual { coefficients_ppb: [3_500.0, 0.0, 0.0] };
        let mut oscillator = oscillator(Ds3231Model { residual, ..Ds3231Model::default() });
        // From 25 to 45 °C at 100 ppb a degree: 1000 ppb on average over 6400 s.
        oscillator.convert_until(6_400 * NS_PER_S, 45.0, 0);
        let gained_ns = oscillator.elapsed_ns(6_400 * NS_PER_S) - 6_400 * NS_PER_S;
        assert!((gained_ns - 6_400_000).abs() < 100_000, "{gained_ns}");
    }

    #[test]
    fn the_aging_register_slows_it_by_a_tenth_ppm_a_step() {
        let mut oscillator = oscillator(Ds3231Model::default());
        oscillator.ask_for_conversion(0);
        oscillator.convert_until(124_999_999, 25.0, 3);
        assert_eq!(oscillator.rate_ppb(), 0.0, "not before it has been converted");
        oscillator.convert_until(125_000_000, 25.0, 3);
        assert_eq!(oscillator.rate_ppb(), -300.0);
        assert_eq!(oscillator.next_conversion_ns(), CONVERSION_NS, "the cycle of 64 s stays as it was");
    }

    #[test]
    fn it_ages() {
        let mut oscillator = oscillator(Ds3231Model { aging_ppb_per_day: 2.0, ..Ds3231Model::default() });
        oscillator.convert_until(100 * 86_400 * NS_PER_S, 25.0, 0);
        assert!((oscillator.rate_ppb() - 200.0).abs() < 0.01, "{}", oscillator.rate_ppb());
    }
}
