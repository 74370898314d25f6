//! The normal distribution.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// Returns the normal distribution's density at `z` divided by its integral up to there.
pub(super) fn density_over_probability(z: f64) -> f64 {
    let density = (-0.5 * z * z).exp() / TAU.sqrt();
    let probability = 0.5 * libm::erfc(-z * FRAC_1_SQRT_2);
    density / probability
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_hazard_rate_of_tables_and_nearly_the_distance_far_out() {
        // Abramowitz and Stegun, Handbook of Mathematical Functions, table 26.1: Z(0) = 0.398942,
        // P(0) = 0.5; Z(1) = 0.241971, P(1) = 0.841345.
        assert!((density_over_probability(0.0) - 0.797_885).abs() < 1e-5);
        assert!((density_over_probability(1.0) - 0.287_600).abs() < 1e-5);
        // Their 26.2.12: -z + 1 / -z up to a term of 1 / z³.
        assert!((density_over_probability(-20.0) - 20.05).abs() < 1e-3);
    }
}
