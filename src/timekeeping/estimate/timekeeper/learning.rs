//! How much a calibration learns from a sample.

use jaudiosync_time::{Axis, Instant, Utc};

use crate::timekeeping::estimate::calibration::{Calibration, Correction};

/// A sample this many standard deviations off means that the calibration is too sure of itself, and
/// it loses confidence.
const SURPRISE_SIGMAS: f64 = 4.0;

/// UTC according to a reference, and how far it can be off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    pub(super) utc: Instant<Utc>,
    /// What differs from sample to sample.
    pub(super) sigma_ns: f64,
    /// What samples of its source have in common.
    pub(super) bias_sigma_ns: f64,
    /// The largest possible error, in ns.
    pub(super) bound_ns: f64,
    /// How many samples share it.
    pub(super) repeated: f64,
}

/// Absorbs a sample into a calibration. A surprising one shows that the calibration was too sure of
/// itself, and so gets more weight than the calibration would have given it.
pub(super) fn absorb<F: Axis>(calibration: &mut Calibration<F>, at: Instant<F>, observed: Observed) {
    let Observed { utc, sigma_ns, bias_sigma_ns, bound_ns, repeated } = observed;
    // What the samples of a worse source have in common teaches nothing to a calibration that knows
    // a better one.
    let own_bias_ns = if calibration.samples() == 0 { bias_sigma_ns } else { calibration.bias_sigma_ns() };
    let extra = (bias_sigma_ns.powi(2) - own_bias_ns.powi(2)).max(0.0) * repeated;
    let variance = sigma_ns * sigma_ns + extra;
    let known = calibration.at(at);
    let innovation_ns = (utc - known.map.to).ns_f64();
    let surprise = innovation_ns.abs() / (known.sigma_ns * known.sigma_ns + variance).sqrt();
    if surprise > SURPRISE_SIGMAS {
        calibration.lose_confidence((surprise / SURPRISE_SIGMAS).powi(2).min(1e6));
    }
    calibration.correct(at, Correction { utc, sigma_ns: variance.sqrt(), bias_sigma_ns, bound_ns });
}
