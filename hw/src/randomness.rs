//! Random numbers of the distributions that simulations need.

use std::f64::consts::TAU;

use fastrand::Rng;

/// Draws a standard normal variate, by Box and Muller's transform.
pub fn normal(random: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (TAU * random.f64()).cos()
}

/// Draws an exponential variate of this mean.
pub fn exponential(random: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - random.f64()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_variates_have_mean_zero_variance_one_and_the_right_tails() {
        let mut random = Rng::with_seed(1);
        let values: Vec<f64> = (0..100_000).map(|_| normal(&mut random)).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let beyond_two = values.iter().filter(|value| value.abs() > 2.0).count() as f64 / count;
        assert!((beyond_two - 0.0455).abs() < 0.003, "{beyond_two}");
    }

    #[test]
    fn exponential_variates_have_their_mean() {
        let mut random = Rng::with_seed(2);
        let mean = (0..100_000).map(|_| exponential(&mut random, 3.0)).sum::<f64>() / 100_000.0;
        assert!((mean - 3.0).abs() < 0.05, "{mean}");
    }
}
