//! The system clock as the source of UTC, where another daemon owns it.

use std::sync::{Arc, Mutex, PoisonError};

use jaudiosync_hw::clocks::{ClockPair, Clocks};
use jaudiosync_hw::kernel_clock::{KernelClockEstimate, read_estimate};
use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

use super::SystemClockFollower;
use crate::timekeeping::estimate::calibration::BIAS_PART;
use crate::timekeeping::published::UtcSource;
use crate::timekeeping::references::system::judge as judge_system_clock;
use crate::timekeeping::rtc::trust::EARLIEST;
use crate::timekeeping::status::{BOUND_SIGMAS, Estimate, Flywheel, TimeState, TimeStatus};

/// How often the kernel is asked how accurate it considers its clock.
const ASK: Span = Span::SECOND;

/// Follows the system clock, which another daemon keeps. It is its own reference, even if it is
/// wrong: by how much cannot be known here, except from what the daemon reports to the kernel.
/// Until the daemon has reported once, the clock may still show when the box was last switched off.
pub struct SystemClockSource {
    clocks: Arc<dyn Clocks>,
    followed: Mutex<Followed>,
}

#[derive(Default)]
struct Followed {
    follower: SystemClockFollower,
    kernel: Option<KernelClockEstimate>,
    asked: Option<Instant<Raw>>,
    /// Whether the kernel has called it synchronized since this program started, or it is taken to
    /// be right.
    was_synchronized: bool,
}

impl SystemClockSource {
    /// Follows the system clock of these clocks once a daemon has synchronized it.
    pub fn new(clocks: Arc<dyn Clocks>) -> Self {
        Self { clocks, followed: Mutex::default() }
    }

    /// Follows the system clock of these clocks, and takes it to be right as it is.
    pub fn taken_for_right(clocks: Arc<dyn Clocks>) -> Self {
        Self { clocks, followed: Mutex::new(Followed { was_synchronized: true, ..Followed::default() }) }
    }

    fn read(&self) -> Reading {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = ClockPair::read(self.clocks.as_ref());
        if followed.asked.is_none_or(|asked| pair.raw - asked >= ASK) {
            followed.asked = Some(pair.raw);
            followed.kernel = read_estimate().ok();
        }
        followed.was_synchronized |= followed.kernel.is_some_and(|kernel| kernel.synchronized);
        let utc = followed.follower.update(pair);
        Reading { pair, utc, kernel: followed.kernel, was_synchronized: followed.was_synchronized }
    }

    /// Returns what is known of it, in the form of the timekeeper's own status.
    pub fn status(&self) -> TimeStatus {
        let reading = self.read();
        let Reading { pair, kernel, .. } = reading;
        let Estimate { bound, agreement, state, .. } = judge(&reading);
        let mut warnings = Vec::new();
        if state == TimeState::Unset {
            warnings.push("no time daemon has set the system clock yet: does one run, and reach a server?".to_owned());
        } else if let Some(Err(reason)) = kernel.map(|kernel| judge_system_clock(pair, &kernel)) {
            warnings.push(reason);
        }
        TimeStatus {
            state,
            utc_ns: pair.utc.ns(),
            bound_ms: bound.map(Span::ms),
            agreement_ms: agreement.map(Span::ms),
            flywheel: Flywheel::SystemClock,
            reference: None,
            reference_age_s: None,
            waiting_correction_ms: None,
            rtc: None,
            rtc_chip: None,
            rtc_may_be_ds3231m: false,
            warnings,
        }
    }
}

impl UtcSource for SystemClockSource {
    fn estimate(&self) -> Estimate {
        judge(&self.read())
    }

    /// Does nothing: its owner steps it, whatever plays.
    fn allow_steps(&self, _: bool) {}

    fn step(&self) {}
}

/// One reading of the system clock, with what is known of it.
struct Reading {
    pair: ClockPair,
    utc: ClockMap<Raw, Utc>,
    kernel: Option<KernelClockEstimate>,
    was_synchronized: bool,
}

/// Judges a reading. A clock that was synchronized and no longer is continues to run, in holdover.
fn judge(reading: &Reading) -> Estimate {
    let Reading { pair, utc, kernel, was_synchronized } = *reading;
    let sample = kernel.and_then(|kernel| judge_system_clock(pair, &kernel).ok());
    let state = match &sample {
        _ if pair.utc < EARLIEST => TimeState::Unset,
        Some(_) => TimeState::Referenced,
        None if was_synchronized => TimeState::Holdover,
        None => TimeState::Unset,
    };
    // As the timekeeper weighs its own references.
    let agreement = sample.as_ref().map(|sample| {
        let sigma_ns = sample.sigma_ns.hypot(sample.bound_ns * BIAS_PART);
        Span::from_ns_f64((BOUND_SIGMAS * sigma_ns).min(sample.bound_ns))
    });
    Estimate { utc, bound: sample.map(|sample| Span::from_ns_f64(sample.bound_ns)), agreement, state }
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::Rate;

    use crate::timekeeping::rtc::trust::EARLIEST_UTC_S;

    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_not_trusted_and_one_that_a_daemon_keeps_has_its_bound() {
        let judged_after = |was_synchronized: bool, utc_s: i64, kernel| {
            let pair = ClockPair { raw: Instant::ZERO, utc: Instant::from_second(utc_s) };
            let utc = ClockMap { from: pair.raw, to: pair.utc, rate: Rate::ZERO };
            judge(&Reading { pair, utc, kernel, was_synchronized })
        };
        let judged = |utc_s, kernel| judged_after(true, utc_s, kernel);
        let synchronized = KernelClockEstimate {
            synchronized: true,
            maximum_error: Span::from_ms(4),
            estimated_error: Span::from_us(1),
        };
        assert_eq!(judged(1000, Some(synchronized)).state, TimeState::Unset);
        let now_s = EARLIEST_UTC_S + 1000;
        assert_eq!(judged(now_s, Some(synchronized)).state, TimeState::Referenced);
        assert_eq!(judged(now_s, Some(synchronized)).bound, Some(Span::from_ms(4)));
        let unsynchronized = KernelClockEstimate { synchronized: false, ..synchronized };
        assert_eq!(judged(now_s, Some(unsynchronized)).state, TimeState::Holdover);
        assert_eq!(judged(now_s, Some(unsynchronized)).bound, None);
        let never_synchronized = judged_after(false, now_s, Some(unsynchronized));
        assert_eq!(never_synchronized.state, TimeState::Unset, "it shows when it was last off");
        assert_eq!(judged_after(false, now_s, None).state, TimeState::Unset);
    }
}
