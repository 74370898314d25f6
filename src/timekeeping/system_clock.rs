//! The system clock as the reference: what the timescale follows where another daemon owns the clock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jaudiosync_hw::clocks::{ClockPair, Clocks, NS_PER_S};
use jaudiosync_hw::kernel_clock::{KernelClockEstimate, read_estimate};
use jaudiosync_hw::system_clock::MAX_FREQUENCY_PPB;

use super::Timescale;
use super::references::system::judge as judge_system_clock;
use super::source::UtcSource;
use super::status::{Estimate, TimeState, TimeStatus};
use super::trust::EARLIEST_UTC_S;

/// How often the kernel is asked how good it takes its clock to be.
const ASK_NS: i64 = NS_PER_S;

/// Readings are kept this far apart, and for this long: a reading is good to some 0.1 µs, so that over 8 s the rate
/// is known to some 0.02 ppm, while a change of the rate, which a time daemon makes at most every few seconds, is
/// soon followed.
const SPACING_NS: i64 = 250_000_000;
const WINDOW_NS: i64 = 8_000_000_000;

/// A rate is only taken from readings at least this far apart; before, the raw clock's own rate has to do.
const MIN_BASELINE_NS: i64 = 500_000_000;

/// A reading this far from where the last ones lead is a step of the system clock, and the past tells nothing more.
const STEP_NS: i64 = 1_000_000;

/// Follows the system clock wherever it goes, also where it goes wrong: it is the reference.
#[derive(Debug, Default, Clone)]
pub struct SystemClockFollower {
    readings: VecDeque<ClockPair>,
    steps: u64,
}

impl SystemClockFollower {
    /// Takes a reading in and gives the map that goes through it. To be called a few times a second or more often.
    pub fn update(&mut self, reading: ClockPair) -> Timescale {
        let off_ns = reading.utc.ns() - self.extrapolate(reading.raw.ns()).unwrap_or(reading.utc.ns());
        if off_ns.abs() > STEP_NS {
            self.readings.clear();
            self.steps += 1;
        }
        if self.readings.back().is_none_or(|last| reading.raw.ns() - last.raw.ns() >= SPACING_NS) {
            self.readings.push_back(reading);
        }
        while self.readings.front().is_some_and(|first| reading.raw.ns() - first.raw.ns() > WINDOW_NS) {
            self.readings.pop_front();
        }
        self.map_through(reading)
    }

    /// How often the system clock was stepped.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    fn map_through(&self, reading: ClockPair) -> Timescale {
        // No oscillator and no time daemon makes a rate beyond the kernel's own limit.
        let rate_ppb = self.rate_ppb(reading).unwrap_or(0.0).clamp(-MAX_FREQUENCY_PPB, MAX_FREQUENCY_PPB);
        Timescale { raw_ns: reading.raw.ns(), utc_ns: reading.utc.ns(), rate_ppb }
    }

    /// The rate over the window that ends with `reading`.
    fn rate_ppb(&self, reading: ClockPair) -> Option<f64> {
        let first = self.readings.front()?;
        let raw_ns = reading.raw.ns() - first.raw.ns();
        let utc_ns = reading.utc.ns() - first.utc.ns();
        (raw_ns >= MIN_BASELINE_NS).then(|| (utc_ns - raw_ns) as f64 / raw_ns as f64 * 1e9)
    }

    fn extrapolate(&self, raw_ns: i64) -> Option<i64> {
        let last = *self.readings.back()?;
        Some(self.map_through(last).utc_ns(raw_ns))
    }
}

/// Follows the system clock, which another daemon keeps. It is its own reference, however wrong: nobody here can tell how
/// far, but for what the daemon has told the kernel. Until it has told so once, the clock may still show when the box was
/// last switched off.
pub struct SystemClockSource {
    clocks: Arc<dyn Clocks>,
    followed: Mutex<Followed>,
}

#[derive(Default)]
struct Followed {
    follower: SystemClockFollower,
    kernel: Option<KernelClockEstimate>,
    next_ask_raw_ns: i64,
    /// Whether the kernel has called it synchronized since this program runs, or an owner does.
    was_kept: bool,
}

impl SystemClockSource {
    /// Follows the system clock of these clocks once a daemon has synchronized it.
    pub fn new(clocks: Arc<dyn Clocks>) -> Self {
        Self { clocks, followed: Mutex::default() }
    }

    /// Follows the system clock of these clocks, and takes it for right as it is.
    pub fn taken_for_right(clocks: Arc<dyn Clocks>) -> Self {
        Self { clocks, followed: Mutex::new(Followed { was_kept: true, ..Followed::default() }) }
    }

    fn read(&self) -> Reading {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = ClockPair::read(self.clocks.as_ref());
        if pair.raw.ns() >= followed.next_ask_raw_ns {
            followed.next_ask_raw_ns = pair.raw.ns().saturating_add(ASK_NS);
            followed.kernel = read_estimate().ok();
        }
        followed.was_kept |= followed.kernel.is_some_and(|kernel| kernel.synchronized);
        let timescale = followed.follower.update(pair);
        Reading { pair, timescale, kernel: followed.kernel, was_kept: followed.was_kept }
    }

    /// What is known of it, in the form of the timekeeper's own status.
    pub fn status(&self) -> TimeStatus {
        let reading = self.read();
        let Reading { pair, kernel, .. } = reading;
        let Estimate { bound_ns, state, .. } = judge(&reading);
        let mut warnings = Vec::new();
        if state == TimeState::Unset {
            warnings.push("no time daemon has set the system clock yet: does one run, and reach a server?".to_owned());
        } else if let Some(Err(reason)) = kernel.map(|kernel| judge_system_clock(pair, &kernel)) {
            warnings.push(reason);
        }
        TimeStatus {
            state,
            utc_ns: pair.utc.ns(),
            bound_ms: bound_ns.is_finite().then_some(bound_ns * 1e-6),
            flywheel: "the system clock",
            reference: None,
            reference_age_s: None,
            waiting_correction_ms: None,
            rtc: None,
            warnings,
        }
    }
}

impl UtcSource for SystemClockSource {
    fn estimate(&self) -> Estimate {
        judge(&self.read())
    }

    /// It is stepped by somebody else, whatever plays.
    fn allow_steps(&self, _: bool) {}

    fn step(&self) {}
}

/// What is seen of the system clock at once.
struct Reading {
    pair: ClockPair,
    timescale: Timescale,
    kernel: Option<KernelClockEstimate>,
    was_kept: bool,
}

/// A clock that was kept and no longer is runs on.
fn judge(reading: &Reading) -> Estimate {
    let Reading { pair, timescale, kernel, was_kept } = *reading;
    let told = kernel.and_then(|kernel| judge_system_clock(pair, &kernel).ok());
    let state = match &told {
        _ if pair.utc.ns() < EARLIEST_UTC_S * NS_PER_S => TimeState::Unset,
        Some(_) => TimeState::Referenced,
        None if was_kept => TimeState::Holdover,
        None => TimeState::Unset,
    };
    Estimate { timescale, bound_ns: told.map_or(f64::INFINITY, |sample| sample.bound_ns), state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jaudiosync_time::{Instant, Span};

    const EPOCH_NS: i64 = 1_790_000_000_000_000_000;

    /// Follows a clock of this rate for `seconds`, and gives the map at the end.
    fn follow(follower: &mut SystemClockFollower, from_s: f64, seconds: f64, rate_ppb: f64, step_ns: i64) -> Timescale {
        let mut map = None;
        for tick in 0..(seconds * 50.0) as i64 {
            let raw_ns = (from_s * 1e9) as i64 + tick * 20_000_000;
            let utc_ns = EPOCH_NS + step_ns + raw_ns + (raw_ns as f64 * rate_ppb * 1e-9) as i64;
            map = Some(follower.update(ClockPair { raw: Instant::from_ns(raw_ns), utc: Instant::from_ns(utc_ns) }));
        }
        map.unwrap()
    }

    #[test]
    fn the_rate_of_the_clock_is_found() {
        let map = follow(&mut SystemClockFollower::default(), 100.0, 10.0, 100_000.0, 0);
        assert!((map.rate_ppb - 100_000.0).abs() < 1.0, "{map:?}");
    }

    #[test]
    fn a_clock_that_was_never_set_is_not_trusted_and_one_that_a_daemon_keeps_has_its_bound() {
        let judged_after = |was_kept: bool, utc_s: i64, kernel| {
            let pair = ClockPair { raw: Instant::ZERO, utc: Instant::from_second(utc_s) };
            let timescale = Timescale { raw_ns: 0, utc_ns: pair.utc.ns(), rate_ppb: 0.0 };
            judge(&Reading { pair, timescale, kernel, was_kept })
        };
        let judged = |utc_s, kernel| judged_after(true, utc_s, kernel);
        let kept = KernelClockEstimate {
            synchronized: true,
            maximum_error: Span::from_ms(4),
            estimated_error: Span::from_us(1),
        };
        assert_eq!(judged(1000, Some(kept)).state, TimeState::Unset);
        let now_s = EARLIEST_UTC_S + 1000;
        assert_eq!(judged(now_s, Some(kept)).state, TimeState::Referenced);
        assert_eq!(judged(now_s, Some(kept)).bound_ns, 4_000_000.0);
        let unkept = KernelClockEstimate { synchronized: false, ..kept };
        assert_eq!(judged(now_s, Some(unkept)).state, TimeState::Holdover);
        assert_eq!(judged(now_s, Some(unkept)).bound_ns, f64::INFINITY);
        assert_eq!(judged_after(false, now_s, Some(unkept)).state, TimeState::Unset, "it shows when it was last off");
        assert_eq!(judged_after(false, now_s, None).state, TimeState::Unset);
    }

    #[test]
    fn a_step_is_followed_at_once_and_the_rate_survives_nothing_of_it() {
        let mut follower = SystemClockFollower::default();
        follow(&mut follower, 0.0, 10.0, 5_000.0, 0);
        let map = follow(&mut follower, 10.0, 5.0, 5_000.0, 70_000_000);
        assert_eq!(follower.steps(), 1);
        assert!((map.rate_ppb - 5_000.0).abs() < 1.0, "{map:?}");
        assert_eq!(map.utc_ns, EPOCH_NS + 70_000_000 + map.raw_ns + (map.raw_ns as f64 * 5e-6) as i64);
    }
}
