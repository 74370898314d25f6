//! What is wrong with one simulated chip and its bus.

use fastrand::Rng;

use crate::variates::{exponential, normal};

/// A chip as it was made. The default is ideal, and set to true UTC exactly.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ds3231Model {
    /// Rate error at 25 °C when new, in ppb; positive is fast.
    pub rate_ppb: f64,
    /// Change of the rate by aging, in ppb a day.
    pub aging_ppb_per_day: f64,
    /// What the chip's own compensation leaves over temperature.
    pub residual: TemperatureResidual,
    /// The chip's time minus UTC at the beginning, in ns.
    pub offset_ns: i64,
    /// The bus it is on.
    pub bus: BusModel,
}

/// Largest rate error over 0 to 40 °C, in ppb (datasheet, "Electrical Characteristics": ±2 ppm), less half a step of the
/// trim.
const LARGEST_RATE_PPB: f64 = 2_000.0 - 50.0;
/// Largest change over -10 to 50 °C against 25 °C, in ppb.
const LARGEST_RESIDUAL_PPB: f64 = 500.0;
/// Aging in the first year, in ppb a day (datasheet: ±1 ppm).
const LARGEST_AGING_PPB_PER_DAY: f64 = 1_000.0 / 365.0;

impl Ds3231Model {
    /// One chip of the many that the datasheet allows: its rate spreads by 0.5 ppm (one sigma), and with temperature it
    /// stays within ±2 ppm.
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
}

/// A smooth curve of the rate over temperature: a polynomial of third degree that is 0 at 25 °C. Outside -10 to 50 °C it goes
/// on level. The default is 0 everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TemperatureResidual {
    /// Linear, quadratic and cubic part, in ppb at 35 degrees from 25 °C.
    pub coefficients_ppb: [f64; 3],
}

impl TemperatureResidual {
    /// A curve whose largest value over -10 to 50 °C is anything from 0.1 to 0.5 ppm.
    pub fn random(random: &mut Rng) -> Self {
        let mut curve = Self { coefficients_ppb: [(); 3].map(|()| random.f64() * 2.0 - 1.0) };
        let scale = (100.0 + random.f64() * (LARGEST_RESIDUAL_PPB - 100.0)) / curve.largest_ppb().max(1e-3);
        curve.coefficients_ppb = curve.coefficients_ppb.map(|coefficient| coefficient * scale);
        curve
    }

    /// The rate at this temperature against that at 25 °C, in ppb.
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
    /// Before and after each transfer passes at least this, in ns.
    pub shortest_delay_ns: i64,
    /// And usually at most this, in ns.
    pub usual_delay_ns: i64,
    /// The part of delays at which the thread is put aside for longer.
    pub long_delay_probability: f64,
    /// For how long then, on average, in ns (exponentially distributed).
    pub long_delay_ns: f64,
}

impl Default for BusModel {
    fn default() -> Self {
        Self {
            frequency_hz: 100_000,
            shortest_delay_ns: 5_000,
            usual_delay_ns: 40_000,
            long_delay_probability: 0.005,
            long_delay_ns: 1_000_000.0,
        }
    }
}

impl BusModel {
    /// How long the kernel takes this time, in ns.
    pub(super) fn delay_ns(&self, random: &mut Rng) -> i64 {
        let usual_ns =
            self.shortest_delay_ns + random.i64(0..=self.usual_delay_ns.saturating_sub(self.shortest_delay_ns).max(0));
        if random.f64() < self.long_delay_probability {
            usual_ns + exponential(random, self.long_delay_ns) as i64
        } else {
            usual_ns
        }
    }
}

/// Normally distributed around 0, drawn again until it is within ±`largest`.
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
        let delays_ns: Vec<i64> = (0..100_000).map(|_| BusModel::default().delay_ns(&mut random)).collect();
        assert!(delays_ns.iter().all(|delay_ns| *delay_ns >= 5_000));
        let long = delays_ns.iter().filter(|delay_ns| **delay_ns > 40_000).count();
        assert!((300..700).contains(&long), "{long}");
        assert!(delays_ns.iter().any(|delay_ns| *delay_ns > 2_000_000));
    }
}
