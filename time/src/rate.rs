//! Rates: by how much one clock runs faster than another.

/// By how much a clock runs faster than another one, in parts per billion; negative where it is
/// slower.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
#[repr(transparent)]
pub struct Rate(f64);

impl Rate {
    /// Both run alike.
    pub const ZERO: Self = Self(0.0);

    /// Makes a rate of so many parts per billion.
    pub const fn from_ppb(ppb: f64) -> Self {
        Self(ppb)
    }

    /// Makes a rate of a fraction: 1e-6 is 1,000 ppb.
    pub fn from_fraction(fraction: f64) -> Self {
        Self(fraction * 1e9)
    }

    /// Returns the rate in parts per billion.
    pub const fn ppb(self) -> f64 {
        self.0
    }

    /// Returns the rate as a fraction: 1,000 ppb is 1e-6.
    pub fn fraction(self) -> f64 {
        self.0 * 1e-9
    }

    /// Returns the rate of the second clock against the first one of all, where `self` is that of
    /// the clock between.
    pub fn then(self, next: Self) -> Self {
        Self::from_fraction((1.0 + self.fraction()) * (1.0 + next.fraction()) - 1.0)
    }

    /// Returns the rate seen from the other clock.
    pub fn inverse(self) -> Self {
        Self::from_fraction(-self.fraction() / (1.0 + self.fraction()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_rate_and_its_inverse_cancel(ppb in -500_000.0..500_000.0_f64) {
            let rate = Rate::from_ppb(ppb);
            prop_assert!(rate.then(rate.inverse()).ppb().abs() < 1e-6);
            prop_assert!((rate.inverse().inverse().ppb() - ppb).abs() < 1e-6);
        }
    }
}
