//! What is wrong with one simulated chip and its bus.

use fastrand::Rng;
use jaudiosync_time::Span;

use crate::randomness::{exponential, normal};

/// A chip as it was made. The default is ideal, and set exactly to true UTC.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ds3231Model {
    /// Rate error at 25 °C when new, in ppb; positive is fast.
    pub rate_ppb: f64,
    /// Change of the rate by aging, in ppb per day.
    pub aging_ppb_per_day: f64,
    /// What the chip's own temperature compensation leaves.
    pub residual: TemperatureResidual,
    /// It is a DS3231M: it measures its temperature every second, and its rate wanders.
    pub is_ds3231m: bool,
    /// The chip's time minus true UTC at the start.
    pub offset: Span,
    /// The bus it is on.
    pub bus: BusModel,
}

/// Largest rate error over 0 to 40 °C, in ppb (datasheet, "Electrical Characteristics": ±2 ppm),
/// minus half a step of the trim.
const LARGEST_RATE_PPB: f64 = 2_000.0 - 50.0;
/// Largest change over -10 to 50 °C relative to 25 °C, in ppb.
const LARGEST_RESIDUAL_PPB: f64 = 500.0;
/// Largest aging in the first year, in ppb per day (datasheet: ±1 ppm).
const LARGEST_AGING_PPB_PER_DAY: f64 = 1_000.0 / 365.0;

impl Ds3231Model {
    /// Draws one of the many chips that the datasheet allows: the rates spread by 0.5 ppm (one
    /// sigma), and over temperature each stays within ±2 ppm.
    pub fn from_datasheet(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let residual = TemperatureResidual::random(&mut random);
        let largest_ppb = LARGEST_RATE_PPB - residual.largest_ppb();
        Self {
            rate_ppb: normal_within(&mut random, 500.0, largest_ppb),
            aging_ppb_per_day: normal_within(&mut random, 1.0, LARGEST_AGING_PPB_PER_DAY),
            residual,
            ..Self::default()
        }
    }

    /// Draws a DS3231M: the datasheet allows ±5 ppm; three that were measured were 1.6 to 3.1 ppm slow
    /// (blog.heypete.com, 2018-02-04).
    pub fn ds3231m(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let residual = TemperatureResidual::random(&mut random);
        let rate_ppb = -2_300.0 + normal_within(&mut random, 800.0, 2_500.0);
        Self { rate_ppb, residual, is_ds3231m: true, ..Self::default() }
    }
}

/// A smooth curve of the rate over temperature: a polynomial of third degree that is 0 at 25 °C.
/// Outside -10 to 50 °C it stays level. The default is 0 everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TemperatureResidual {
    /// Linear, quadratic and cubic part, in ppb at 35 degrees above 25 °C.
    pub coefficients_ppb: [f64; 3],
}

impl TemperatureResidual {
    /// Draws a curve whose largest value over -10 to 50 °C lies between 0.1 and 0.5 ppm.
    pub fn random(random: &mut Rng) -> Self {
        let mut curve = Self { coefficients_ppb: [(); 3].map(|()| random.f64() * 2.0 - 1.0) };
        let scale = (100.0 + random.f64() * (LARGEST_RESIDUAL_PPB - 100.0)) / curve.largest_ppb().max(1e-3);
        curve.coefficients_ppb = curve.coefficients_ppb.map(|coefficient| coefficient * scale);
        curve
    }

    /// Returns the rate at this temperature minus that at 25 °C, in ppb.
    pub fn at(&self, temperature_c: f64) -> f64 {
        let x = (temperature_c.clamp(-10.0, 50.0) - 25.0) / 35.0;
        let [linear, quadratic, cubic] = self.coefficients_ppb;
        ((cubic * x + quadratic) * x + linear) * x
    }

    fn largest_ppb(&self) -> f64 {
        (-10..=50).map(|degrees| self.at(f64::from(degrees)).abs()).fold(0.0, f64::max)
    }
}

/// The bus, and the kernel between it and the program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BusModel {
    /// Clock of the bus in Hz.
    pub frequency_hz: u32,
    /// The shortest delay before and after each transfer.
    pub shortest_delay: Span,
    /// The longest of the usual delays.
    pub usual_delay: Span,
    /// The share of delays during which the thread is preempted for longer.
    pub long_delay_probability: f64,
    /// For how long on average (exponentially distributed).
    pub mean_long_delay: Span,
}

impl Default for BusModel {
    fn default() -> Self {
        Self {
            frequency_hz: 100_000,
            shortest_delay: Span::from_us(5),
            usual_delay: Span::from_us(40),
            long_delay_probability: 0.005,
            mean_long_delay: Span::MILLISECOND,
        }
    }
}

impl BusModel {
    /// Draws how long the kernel takes this time.
    pub(super) fn delay(&self, random: &mut Rng) -> Span {
        let spread = (self.usual_delay - self.shortest_delay).max(Span::ZERO);
        let usual = self.shortest_delay + Span::from_ns(random.i64(0..=spread.ns()));
        if random.f64() < self.long_delay_probability {
            usual + Span::from_ns(exponential(random, self.mean_long_delay.ns_f64()) as i64)
        } else {
            usual
        }
    }
}

/// Draws from the normal distribution around 0, again until the value is within ±`largest`.
fn normal_within(random: &mut Rng, sigma: f64, largest: f64) -> f64 {
    loop {
        let value = sigma * normal(random);
        if value.abs() <= largest {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_spread_as_the_datasheet_allows() {
        let chips: Vec<Ds3231Model> = (0..2_000).map(Ds3231Model::from_datasheet).collect();
        for (seed, chip) in chips.iter().enumerate() {
            for degrees in -10..=50 {
                let residual_ppb = chip.residual.at(f64::from(degrees));
                assert!(residual_ppb.abs() <= 500.0 + 1e-6, "seed {seed}: {residual_ppb} ppb at {degrees} °C");
                assert!((chip.rate_ppb + residual_ppb).abs() <= 1_950.0 + 1e-6, "seed {seed}");
            }
            assert_eq!(chip.residual.at(25.0), 0.0);
            assert!(chip.aging_ppb_per_day.abs() <= 2.74, "seed {seed}");
        }
        let sigma_ppb = (chips.iter().map(|chip| chip.rate_ppb.powi(2)).sum::<f64>() / chips.len() as f64).sqrt();
        assert!((450.0..550.0).contains(&sigma_ppb), "{sigma_ppb}");
    }

    #[test]
    fn delays_are_short_but_for_a_few() {
        let mut random = Rng::with_seed(1);
        let delays: Vec<Span> = (0..100_000).map(|_| BusModel::default().delay(&mut random)).collect();
        assert!(delays.iter().all(|delay| *delay >= Span::from_us(5)));
        let long = delays.iter().filter(|delay| **delay > Span::from_us(40)).count();
        assert!((300..700).contains(&long), "{long}");
        assert!(delays.iter().any(|delay| *delay > Span::from_ms(2)));
    }
}
