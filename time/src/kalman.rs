//! A Kalman filter of a few named states whose observations are single numbers, so that no matrix
//! needs to be inverted. It serves whatever follows one clock by another: the DAC's, the RTC's
//! edges, the calibration.

use core::marker::PhantomData;

/// A square matrix.
pub type Matrix<const N: usize> = [[f64; N]; N];

/// Names the states of a filter.
pub trait StateName: Copy {
    /// The state that is a phase: what a clock shows, in ns. Its place is 0.
    const PHASE: Self;

    /// Returns the state's place in vectors and matrices.
    fn index(self) -> usize;
}

/// The states of a clock that is followed: its phase in ns, and its rate. The user chooses the
/// rate's unit; a rate times the elapsed time must give ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseRate {
    /// What the clock shows, in ns.
    Phase,
    /// How fast that grows.
    Rate,
}

impl StateName for PhaseRate {
    const PHASE: Self = Self::Phase;

    fn index(self) -> usize {
        self as usize
    }
}

/// The estimate and its covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kalman<S, const N: usize> {
    state: [f64; N],
    covariance: Matrix<N>,
    names: PhantomData<S>,
}

impl<S: StateName, const N: usize> Kalman<S, N> {
    /// The weights that pick the phase.
    pub const PHASE: [f64; N] = {
        let mut weights = [0.0; N];
        weights[0] = 1.0;
        weights
    };

    /// Makes a filter whose states are known to these standard deviations, independently of each
    /// other.
    pub fn new(state: [f64; N], sigmas: [f64; N]) -> Self {
        let mut covariance = [[0.0; N]; N];
        for (index, sigma) in sigmas.iter().enumerate() {
            covariance[index][index] = sigma * sigma;
        }
        Self::from_parts(state, covariance)
    }

    /// Makes a filter of the state and covariance of another one, as they were saved.
    pub const fn from_parts(state: [f64; N], covariance: Matrix<N>) -> Self {
        Self { state, covariance, names: PhantomData }
    }

    /// Returns all states.
    pub const fn state(&self) -> &[f64; N] {
        &self.state
    }

    /// Returns the covariance of all states.
    pub const fn covariance(&self) -> &Matrix<N> {
        &self.covariance
    }

    /// Returns one state.
    pub fn get(&self, name: S) -> f64 {
        self.state[name.index()]
    }

    /// Returns the variance of one state.
    pub fn variance(&self, name: S) -> f64 {
        self.covariance[name.index()][name.index()]
    }

    /// Returns the standard deviation of one state.
    pub fn sigma(&self, name: S) -> f64 {
        libm::sqrt(self.variance(name).max(0.0))
    }

    /// Moves a state without any news about it: its uncertainty stays.
    pub fn shift(&mut self, name: S, by: f64) {
        self.state[name.index()] += by;
    }

    /// Sets a state and its variance; its correlations with the others stay.
    pub fn set(&mut self, name: S, value: f64, variance: f64) {
        self.state[name.index()] = value;
        self.covariance[name.index()][name.index()] = variance;
    }

    /// Makes a state more uncertain.
    pub fn add_variance(&mut self, name: S, variance: f64) {
        self.covariance[name.index()][name.index()] += variance;
    }

    /// Forgets a state, which is now `value` to this variance and independent of all others.
    pub fn forget(&mut self, name: S, value: f64, variance: f64) {
        let index = name.index();
        for other in 0..N {
            self.covariance[index][other] = 0.0;
            self.covariance[other][index] = 0.0;
        }
        self.set(name, value, variance);
    }

    /// Multiplies the variances of all states by `factor`.
    pub fn inflate(&mut self, factor: f64) {
        for element in self.covariance.iter_mut().flatten() {
            *element *= factor;
        }
    }

    /// Lets time pass: the state is multiplied by `transition`, and grows uncertain by `noise`.
    pub fn predict(&mut self, transition: &Matrix<N>, noise: &Matrix<N>) {
        let mut moved = [[0.0; N]; N];
        for (row, moved) in moved.iter_mut().enumerate() {
            for (column, element) in moved.iter_mut().enumerate() {
                let products = |inner: usize| transition[row][inner] * self.covariance[inner][column];
                *element = (0..N).map(products).sum();
            }
        }
        let state = self.state;
        for row in 0..N {
            self.state[row] = (0..N).map(|inner| transition[row][inner] * state[inner]).sum();
            for column in 0..N {
                let products = |inner: usize| moved[row][inner] * transition[column][inner];
                let element: f64 = (0..N).map(products).sum();
                self.covariance[row][column] = element + noise[row][column];
            }
        }
    }

    /// Returns the variance of a weighted sum of the states.
    pub fn variance_of(&self, weights: &[f64; N]) -> f64 {
        let mut variance = 0.0;
        for row in 0..N {
            for column in 0..N {
                variance += weights[row] * self.covariance[row][column] * weights[column];
            }
        }
        variance.max(0.0)
    }

    /// Returns the standard deviation of a weighted sum of the states.
    pub fn sigma_of(&self, weights: &[f64; N]) -> f64 {
        libm::sqrt(self.variance_of(weights))
    }

    /// Absorbs an observation of a weighted sum of the states: by how much it differs from what was
    /// expected, and its own variance.
    pub fn correct(&mut self, weights: &[f64; N], innovation: f64, variance: f64) {
        let expected = self.variance_of(weights) + variance;
        self.correct_by_likelihood(weights, innovation / expected, 1.0 / expected);
    }

    /// Absorbs anything that says something about a weighted sum of the states: `slope` and
    /// `curvature` are the first derivative and the negative second one of the logarithm of its
    /// probability with respect to that sum.
    pub fn correct_by_likelihood(&mut self, weights: &[f64; N], slope: f64, curvature: f64) {
        let mut gains = [0.0; N];
        for (row, gain) in gains.iter_mut().enumerate() {
            *gain = (0..N).map(|inner| self.covariance[row][inner] * weights[inner]).sum::<f64>();
        }
        for row in 0..N {
            self.state[row] += gains[row] * slope;
            for column in 0..=row {
                // Symmetric by construction: an element and its mirror are written together.
                let element = self.covariance[row][column] - gains[row] * gains[column] * curvature;
                self.covariance[row][column] = element;
                self.covariance[column][row] = element;
            }
            self.covariance[row][row] = self.covariance[row][row].max(0.0);
        }
    }
}

impl Kalman<PhaseRate, 2> {
    /// Lets time pass for a phase that grows by a rate: `elapsed` in units of phase by rate, while
    /// the rate walks at random by this variance.
    pub fn drift(&mut self, elapsed: f64, rate_variance: f64) {
        // The walk's integral (Maybeck, Stochastic Models, 4.11).
        let cross = elapsed * rate_variance / 2.0;
        let noise = [[elapsed * elapsed * rate_variance / 3.0, cross], [cross, rate_variance]];
        self.predict(&[[1.0, elapsed], [0.0, 1.0]], &noise);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_line_through_noisy_points_is_found_and_its_uncertainty_is_that_of_least_squares() {
        let mut filter = Kalman::<PhaseRate, 2>::new([0.0, 0.0], [1e6, 1e6]);
        let step = [[1.0, 1.0], [0.0, 1.0]];
        for index in 0..100_i32 {
            if index > 0 {
                filter.predict(&step, &[[0.0; 2]; 2]);
            }
            let noise = f64::from(index * 37 % 11 - 5);
            let observed = 7.0 + 3.0 * f64::from(index) + noise;
            let innovation = observed - filter.get(PhaseRate::Phase);
            filter.correct(&[1.0, 0.0], innovation, 10.0);
        }
        assert!((filter.get(PhaseRate::Rate) - 3.0).abs() < 0.05, "{filter:?}");
        // Least squares: variance of the slope is 12 sigma² / n³.
        let slope_variance = 12.0 * 10.0 / 1e6;
        assert!((filter.variance(PhaseRate::Rate) / slope_variance - 1.0).abs() < 0.01, "{filter:?}");
    }

    #[test]
    fn a_forgotten_state_is_independent_of_the_others() {
        let mut filter = Kalman::<PhaseRate, 2>::new([1.0, 2.0], [3.0, 4.0]);
        filter.drift(5.0, 1.0);
        filter.forget(PhaseRate::Phase, 7.0, 9.0);
        assert_eq!((filter.get(PhaseRate::Phase), filter.get(PhaseRate::Rate)), (7.0, 2.0));
        assert_eq!(filter.covariance(), &[[9.0, 0.0], [0.0, 17.0]]);
        assert_eq!(filter.sigma(PhaseRate::Phase), 3.0);
    }
}
