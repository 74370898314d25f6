//! The timescale: UTC as an affine function of `CLOCK_MONOTONIC_RAW`.

/// At `raw_ns` it is `utc_ns`, and UTC runs `rate_ppb` faster than the raw clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timescale {
    /// A reading of the raw clock, in ns.
    pub raw_ns: i64,
    /// UTC at that reading, in ns since the Unix epoch.
    pub utc_ns: i64,
    /// By how much UTC runs faster than the raw clock, in parts per billion.
    pub rate_ppb: f64,
}

impl Timescale {
    /// UTC at a reading of the raw clock, in ns. Fractions of a nanosecond are kept while it is within days of the
    /// map's own reading.
    pub fn utc_ns(&self, raw_ns: i64) -> i64 {
        let since_ns = raw_ns.saturating_sub(self.raw_ns);
        self.utc_ns.saturating_add(since_ns).saturating_add((since_ns as f64 * self.rate_ppb * 1e-9).round() as i64)
    }

    /// The reading of the raw clock at which it will be `utc_ns`.
    pub fn raw_ns(&self, utc_ns: i64) -> i64 {
        let since_ns = utc_ns.saturating_sub(self.utc_ns);
        let slower = self.rate_ppb * 1e-9 / (1.0 + self.rate_ppb * 1e-9);
        self.raw_ns.saturating_add(since_ns).saturating_sub((since_ns as f64 * slower).round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn there_and_back_again(
            raw_ns in 0_i64..1_000_000_000_000_000,
            utc_ns in 0_i64..4_000_000_000_000_000_000,
            rate_ppb in -500_000.0..500_000.0_f64,
            ahead_ns in -86_400_000_000_000_i64..86_400_000_000_000,
        ) {
            let scale = Timescale { raw_ns, utc_ns, rate_ppb };
            let there = scale.utc_ns(raw_ns + ahead_ns);
            prop_assert!((scale.raw_ns(there) - (raw_ns + ahead_ns)).abs() <= 2);
        }
    }
}
