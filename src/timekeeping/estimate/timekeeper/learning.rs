//! How much a calibration learns from a sample.

use jaudiosync_time::{Axis, Instant, Utc};

use crate::timekeeping::estimate::calibration::{Calibration, Correction};

/// A sample this many standard deviations off means that the calibration is too sure of itself, and
/// it loses confidence.
const SURPRISE_SIGMAS: f64 = 4.0;

/// A path that can hide this many times as much as those before teaches too little to follow it.
const MUCH_WORSE: f64 = 2.0;

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
    /// Whether it is the first sample after a long pause, and so may have come by another path.
    pub(super) is_new_contact: bool,
}

/// Absorbs a sample into a calibration. A surprising one shows that the calibration was too sure of
/// itself, and so gets more weight than the calibration would have given it.
pub(super) fn absorb<F: Axis>(calibration: &mut Calibration<F>, at: Instant<F>, observed: Observed) {
    let Observed { utc, sigma_ns, bias_sigma_ns, bound_ns, repeated, is_new_contact } = observed;
    // What the samples of a worse source have in common teaches nothing to a calibration that knows
    // a better one.
    let own_bias_ns = if calibration.samples() == 0 { bias_sigma_ns } else { calibration.bias_sigma_ns() };
    let extra = (bias_sigma_ns.powi(2) - own_bias_ns.powi(2)).max(0.0) * repeated;
    let variance = sigma_ns * sigma_ns + extra;
    if is_new_contact && bias_sigma_ns < MUCH_WORSE * own_bias_ns {
        calibration.change_path(bound_ns);
    }
    let known = calibration.at(at);
    let innovation_ns = (utc - known.map.to).ns_f64();
    let surprise = innovation_ns.abs() / (known.sigma_ns * known.sigma_ns + variance).sqrt();
    if surprise > SURPRISE_SIGMAS {
        calibration.lose_confidence((surprise / SURPRISE_SIGMAS).powi(2).min(1e6));
    }
    calibration.correct(at, Correction { utc, sigma_ns: variance.sqrt(), bias_sigma_ns, bound_ns });
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::{ClockMap, Rate, Rtc, Span};

    use super::*;
    use crate::timekeeping::estimate::calibration::FlywheelModel;

    const START: Instant<Rtc> = Instant::from_second(1_790_000_000);
    const RATE_PPB: f64 = 400.0;

    /// Lets a calibration meet a server for an hour, by a line that is wrong by this and may hide
    /// 13 ms.
    fn contact(calibration: &mut Calibration<Rtc>, from: Instant<Rtc>, line_ns: f64, says_new: bool) {
        for minute in (0..60).step_by(4) {
            let at = from + Span::MINUTE * minute;
            let truth_ns = (at - START).seconds() * RATE_PPB;
            let utc = ClockMap::with_offset(at, Span::from_ns_f64(truth_ns + line_ns), Rate::ZERO).to;
            let (sigma_ns, bound_ns) = (3e6, 13e6);
            let bias_sigma_ns = bound_ns / 16.0;
            let is_new_contact = minute == 0 && says_new;
            calibration.advance(at, Some(22.0));
            let observed = Observed { utc, sigma_ns, bias_sigma_ns, bound_ns, repeated: 15.0, is_new_contact };
            absorb(calibration, at, observed);
        }
    }

    fn rate_ppb(calibration: &Calibration<Rtc>) -> f64 {
        calibration.at(calibration.carried_to()).map.rate.ppb()
    }

    /// Lets a box meet one line on four days, and then another, which is wrong by as much the other
    /// way. Returns by how much its rate moved.
    fn moved_ppb(says_new: bool) -> f64 {
        let mut calibration = Calibration::uncompared(FlywheelModel::DS3231, START, 0.5e9);
        for day in 0..4 {
            contact(&mut calibration, START + Span::DAY * day, 4e6, says_new);
        }
        let learnt_ppb = rate_ppb(&calibration);
        assert!((learnt_ppb - RATE_PPB).abs() < 10.0, "{learnt_ppb}");
        contact(&mut calibration, START + Span::DAY * 4, -4e6, says_new);
        let known = calibration.at(calibration.carried_to());
        let error_ns = known.map.offset().ns_f64() - (calibration.carried_to() - START).seconds() * RATE_PPB;
        assert!(error_ns.abs() < 6e6 && error_ns.abs() < known.bound.ns(), "{error_ns} {known:?}");
        rate_ppb(&calibration) - learnt_ppb
    }

    #[test]
    fn after_a_restart_another_line_makes_utc_less_certain() {
        let mut calibration = Calibration::uncompared(FlywheelModel::DS3231, START, 0.5e9);
        contact(&mut calibration, START, 4e6, true);
        let at = calibration.carried_to();
        let utc = ClockMap::with_offset(at, Span::ZERO, Rate::ZERO).to;
        calibration.restart(at, utc, 2e6, 40e6);
        let before_ns = calibration.at(at).sigma_ns;
        calibration.change_path(13e6);
        assert!(calibration.at(at).sigma_ns > before_ns);
        // What the line has in common still counts as a whole, however many samples come.
        contact(&mut calibration, at, 4e6, true);
        let after = calibration.at(calibration.carried_to());
        assert!(after.sigma_ns >= 13e6 / 16.0, "{after:?}");
    }

    #[test]
    fn little_of_what_differs_from_one_line_to_another_is_taken_for_a_rate() {
        let (with, without) = (moved_ppb(true), moved_ppb(false));
        println!("8 ms from one day to the next, or 93 ppb, move the rate by {with:.1} ppb; {without:.1} if untold");
        assert!(with.abs() < 30.0 && with.abs() < 0.8 * without.abs(), "{with} {without}");
    }
}
