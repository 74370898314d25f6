//! What is known of a card's crystal: it outlives a stream.

/// A card's crystal, and how well the card reports its position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crystal {
    /// By how much a frame lasts longer than nominal, as a fraction.
    pub longer: f64,
    /// Standard deviation of that.
    pub longer_sigma: f64,
    /// Variance of a single observation, in ns².
    pub noise_variance: f64,
}

/// After a restart the rate is still known to this at best.
const SIGMA_AFTER_RESTART: f64 = 1e-6;

/// What is opened under the same name may be another card. Then the rate is wrong by up to ten
/// times this, which some seconds of observations correct.
const SIGMA_AFTER_REOPENING: f64 = 20e-6;

impl Crystal {
    /// Returns what is left of the knowledge after a restart of the same stream.
    #[must_use]
    pub fn after_restart(self) -> Self {
        Self { longer_sigma: self.longer_sigma.max(SIGMA_AFTER_RESTART), ..self }
    }

    /// Returns what is left of the knowledge for a stream that is opened after this one.
    #[must_use]
    pub fn after_reopening(self) -> Self {
        Self { longer_sigma: self.longer_sigma.max(SIGMA_AFTER_REOPENING), ..self }
    }
}
