//! A Kalman filter of a few states whose observations are single numbers: no matrix needs to be inverted. It serves all
//! that follows one clock by another: the DAC's, the RTC's edges, the calibration.

/// A square matrix.
pub(crate) type Matrix<const N: usize> = [[f64; N]; N];

/// The estimate and its covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Kalman<const N: usize> {
    pub(crate) state: [f64; N],
    pub(crate) covariance: Matrix<N>,
}

impl<const N: usize> Kalman<N> {
    /// States that are known to these standard deviations, independently of each other.
    pub(crate) fn new(state: [f64; N], sigmas: [f64; N]) -> Self {
        let mut covariance = [[0.0; N]; N];
        for (index, sigma) in sigmas.iter().enumerate() {
            covariance[index][index] = sigma * sigma;
        }
        Self { state, covariance }
    }

    /// Lets time pass: the state is multiplied with `transition`, and grows uncertain by `noise`.
    pub(crate) fn predict(&mut self, transition: &Matrix<N>, noise: &Matrix<N>) {
        let mut moved = [[0.0; N]; N];
        for (row, moved) in moved.iter_mut().enumerate() {
            for (column, element) in moved.iter_mut().enumerate() {
                *element = (0..N).map(|inner| transition[row][inner] * self.covariance[inner][column]).sum();
            }
        }
        let state = self.state;
        for row in 0..N {
            self.state[row] = (0..N).map(|inner| transition[row][inner] * state[inner]).sum();
            for column in 0..N {
                let element: f64 = (0..N).map(|inner| moved[row][inner] * transition[column][inner]).sum();
                self.covariance[row][column] = element + noise[row][column];
            }
        }
    }

    /// The variance of a weighted sum of the states.
    pub(crate) fn variance_of(&self, weights: &[f64; N]) -> f64 {
        let mut variance = 0.0;
        for row in 0..N {
            for column in 0..N {
                variance += weights[row] * self.covariance[row][column] * weights[column];
            }
        }
        variance.max(0.0)
    }

    /// Takes an observation of a weighted sum of the states in: by how much it differs from what was expected, and its
    /// own variance.
    pub(crate) fn correct(&mut self, weights: &[f64; N], innovation: f64, variance: f64) {
        let expected = self.variance_of(weights) + variance;
        self.correct_by_likelihood(weights, innovation / expected, 1.0 / expected);
    }

    /// Takes anything in that tells of a weighted sum of the states: `slope` and `curvature` are the first derivative and
    /// the negative second one of the logarithm of its probability with respect to that sum.
    pub(crate) fn correct_by_likelihood(&mut self, weights: &[f64; N], slope: f64, curvature: f64) {
        let mut gains = [0.0; N];
        for (row, gain) in gains.iter_mut().enumerate() {
            *gain = (0..N).map(|inner| self.covariance[row][inner] * weights[inner]).sum::<f64>();
        }
        for row in 0..N {
            self.state[row] += gains[row] * slope;
            for column in 0..=row {
                // Symmetric by construction: it keeps its mirror.
                let element = self.covariance[row][column] - gains[row] * gains[column] * curvature;
                self.covariance[row][column] = element;
                self.covariance[column][row] = element;
            }
            self.covariance[row][row] = self.covariance[row][row].max(0.0);
        }
    }
}

impl Kalman<2> {
    /// The weights that pick the phase.
    pub(crate) const PHASE: [f64; 2] = [1.0, 0.0];

    /// Lets time pass for a phase that grows by a rate: `elapsed` in units of phase by rate, while the rate walks at random
    /// by this variance.
    pub(crate) fn drift(&mut self, elapsed: f64, rate_variance: f64) {
        // The walk's integral (Maybeck, Stochastic Models, 4.11).
        let cross = elapsed * rate_variance / 2.0;
        let noise = [[elapsed * elapsed * rate_variance / 3.0, cross], [cross, rate_variance]];
        self.predict(&[[1.0, elapsed], [0.0, 1.0]], &noise);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_noisy_points_is_found_and_its_uncertainty_is_that_of_least_squares() {
        let mut filter = Kalman::new([0.0, 0.0], [1e6, 1e6]);
        let step = [[1.0, 1.0], [0.0, 1.0]];
        for index in 0..100_i32 {
            if index > 0 {
                filter.predict(&step, &[[0.0; 2]; 2]);
            }
            let noise = f64::from(index * 37 % 11 - 5);
            let observed = 7.0 + 3.0 * f64::from(index) + noise;
            let innovation = observed - filter.state[0];
            filter.correct(&[1.0, 0.0], innovation, 10.0);
        }
        assert!((filter.state[1] - 3.0).abs() < 0.05, "{:?}", filter.state);
        // Least squares: variance of the slope is 12 sigma² / n³.
        let slope_variance = 12.0 * 10.0 / 1e6;
        assert!((filter.covariance[1][1] / slope_variance - 1.0).abs() < 0.01, "{}", filter.covariance[1][1]);
    }
}
