//! How much of a sample a calibration takes for true.

use crate::timekeeping::calibration::Calibration;

/// A sample so many standard deviations off means that the calibration is too sure of itself, and it loses confidence.
const SURPRISE_SIGMAS: f64 = 4.0;

/// How far a sample can be off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    /// What is another with each sample.
    pub(super) sigma_ns: f64,
    /// What samples of its source have in common.
    pub(super) bias_sigma_ns: f64,
    /// So many samples share it.
    pub(super) repeated: f64,
}

/// Corrects a calibration. One that is surprised was too sure of itself: it takes the sample for more than it believed.
pub(super) fn take(calibration: &mut Calibration, flywheel_ns: i64, utc_ns: i64, observed: Observed) {
    let Observed { sigma_ns, bias_sigma_ns, repeated } = observed;
    // What a worse source has in common with itself is no news for a calibration that knows a better one.
    let own_bias_ns = if calibration.samples() == 0 { bias_sigma_ns } else { calibration.bias_sigma_ns() };
    let extra = (bias_sigma_ns.powi(2) - own_bias_ns.powi(2)).max(0.0) * repeated;
    let variance = sigma_ns * sigma_ns + extra;
    let known = calibration.at(flywheel_ns);
    let innovation_ns = utc_ns.saturating_sub(flywheel_ns).saturating_sub(known.offset_ns) as f64;
    let surprise = innovation_ns.abs() / (known.sigma_ns * known.sigma_ns + variance).sqrt();
    if surprise > SURPRISE_SIGMAS {
        calibration.lose_confidence((surprise / SURPRISE_SIGMAS).powi(2).min(1e6));
    }
    calibration.correct(flywheel_ns, utc_ns, variance.sqrt(), bias_sigma_ns);
}
