//! How the crystals of a fleet differ from each other.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::oscillator::CrystalModel;
use super::randomness::normal;

/// How the crystals of a fleet differ. Standard deviations of normal distributions, cut off at the
/// limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrystalSpread {
    /// Standard deviation of the rate, in ppm.
    pub rate_sigma_ppm: f64,
    /// No crystal is further off than this, in ppm.
    pub rate_limit_ppm: f64,
    /// Turning point of the parabola over temperature, in °C; boxes differ by a standard deviation
    /// of 3 °C.
    pub turnover_c: f64,
    /// The parabola, in ppm per square degree.
    pub parabola_ppm_per_c2: f64,
    /// Standard deviation of the slope over temperature, in ppm per degree.
    pub slope_sigma_ppm_per_c: f64,
    /// White frequency noise over one second, in ppm.
    pub white_fm_ppm: f64,
    /// Random walk of the rate, in ppm per square root of a second.
    pub walk_fm_ppm: f64,
    /// Standard deviation of the aging, in ppb a day.
    pub aging_sigma_ppb_per_day: f64,
}

impl CrystalSpread {
    /// A perfect crystal.
    pub const IDEAL: Self = Self {
        rate_sigma_ppm: 0.0,
        rate_limit_ppm: 0.0,
        turnover_c: 25.0,
        parabola_ppm_per_c2: 0.0,
        slope_sigma_ppm_per_c: 0.0,
        white_fm_ppm: 0.0,
        walk_fm_ppm: 0.0,
        aging_sigma_ppb_per_day: 0.0,
    };

    /// The Pi's 19.2 MHz crystal: within ±20 ppm.
    pub const PI: Self = Self {
        rate_sigma_ppm: 8.0,
        rate_limit_ppm: 20.0,
        turnover_c: 27.0,
        parabola_ppm_per_c2: -0.01,
        slope_sigma_ppm_per_c: 0.05,
        white_fm_ppm: 0.002,
        walk_fm_ppm: 0.0003,
        aging_sigma_ppb_per_day: 5.0,
    };

    /// A DAC's crystal: within ±100 ppm, and cheap ones wander.
    pub const DAC: Self = Self {
        rate_sigma_ppm: 40.0,
        rate_limit_ppm: 100.0,
        turnover_c: 27.0,
        parabola_ppm_per_c2: -0.03,
        slope_sigma_ppm_per_c: 0.1,
        white_fm_ppm: 0.005,
        walk_fm_ppm: 0.003,
        aging_sigma_ppb_per_day: 10.0,
    };

    /// One crystal of the fleet.
    pub fn draw(&self, random: &mut Rng) -> CrystalModel {
        let limit = self.rate_limit_ppm.abs();
        CrystalModel {
            rate_ppm: (self.rate_sigma_ppm * normal(random)).clamp(-limit, limit),
            turnover_c: self.turnover_c + 3.0 * normal(random),
            parabola_ppm_per_c2: self.parabola_ppm_per_c2,
            slope_ppm_per_c: self.slope_sigma_ppm_per_c * normal(random),
            white_fm_ppm: self.white_fm_ppm,
            walk_fm_ppm: self.walk_fm_ppm,
            aging_ppb_per_day: self.aging_sigma_ppb_per_day * normal(random),
            grid_s: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::randomness::{Purpose, stream};
    use super::*;

    #[test]
    fn the_spread_of_a_thousand_crystals_is_the_one_stated() {
        let mut random = stream(3, None, Purpose::PiCrystal);
        let rates: Vec<f64> = (0..1000).map(|_| CrystalSpread::PI.draw(&mut random).rate_ppm).collect();
        let sigma = (rates.iter().map(|rate| rate * rate).sum::<f64>() / 1000.0).sqrt();
        assert!((sigma - 8.0).abs() < 0.6, "{sigma}");
        assert!(rates.iter().all(|rate| rate.abs() <= 20.0));
    }
}
