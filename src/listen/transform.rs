//! Real Fourier transforms of one length, with the buffers that they need.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, FftNum, RealFftPlanner, RealToComplex};

/// Forward and inverse transforms of one length.
pub(super) struct Transform<T> {
    length: usize,
    forward: Arc<dyn RealToComplex<T>>,
    inverse: Arc<dyn ComplexToReal<T>>,
}

impl<T: FftNum> Transform<T> {
    /// Plans both transforms; `length` is even.
    pub(super) fn new(length: usize) -> Self {
        let mut planner = RealFftPlanner::<T>::new();
        Self { length, forward: planner.plan_fft_forward(length), inverse: planner.plan_fft_inverse(length) }
    }

    /// Returns the number of bins of a spectrum.
    pub(super) fn bins(&self) -> usize {
        self.length / 2 + 1
    }

    /// Returns the spectrum of `signal`, which is followed by zeros if it is shorter.
    pub(super) fn spectrum(&self, signal: &[T]) -> Vec<Complex<T>> {
        let mut padded = signal[..signal.len().min(self.length)].to_vec();
        padded.resize(self.length, T::zero());
        let mut spectrum = vec![Complex::new(T::zero(), T::zero()); self.bins()];
        // It fails only where the lengths differ.
        let _ = self.forward.process(&mut padded, &mut spectrum);
        spectrum
    }

    /// Returns the signal of a spectrum, multiplied by the length. Bins that are missing are 0.
    pub(super) fn signal(&self, mut spectrum: Vec<Complex<T>>) -> Vec<T> {
        spectrum.resize(self.bins(), Complex::new(T::zero(), T::zero()));
        // These two are real in every real signal, and the inverse insists on it.
        spectrum[0].im = T::zero();
        spectrum[self.length / 2].im = T::zero();
        let mut signal = vec![T::zero(); self.length];
        let _ = self.inverse.process(&mut spectrum, &mut signal);
        signal
    }
}
