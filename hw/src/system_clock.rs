//! The system clock as an output: stepped and slewed so that the rest of the machine has the time as well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock_steering::unix::{Error, UnixClock};
use clock_steering::{Clock, LeapIndicator, TimeOffset};

use crate::clocks::NS_PER_S;

/// The kernel slews by no more than ±500 ppm (`MAXFREQ` in include/linux/timex.h, applied in kernel/time/ntp.c).
pub const MAX_FREQUENCY_PPB: f64 = 500_000.0;

/// Sets and slews a clock.
pub trait SystemClock: Send {
    /// Moves the clock by `by_ns` at once, forwards when positive.
    ///
    /// # Errors
    /// When the clock may not be set, or not to that.
    fn step(&mut self, by_ns: i64) -> Result<(), SystemClockError>;

    /// Lets the clock run faster by `ppb` than it would by itself, or slower when negative, from now on. Not in addition to
    /// what was set before.
    ///
    /// # Errors
    /// When the clock may not be set, or `ppb` is not within ±[`MAX_FREQUENCY_PPB`].
    fn set_frequency_ppb(&mut self, ppb: f64) -> Result<(), SystemClockError>;
}

/// Why the system clock cannot be set.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq)]
pub enum SystemClockError {
    /// The privilege is missing.
    #[error("the system clock may not be set; run as root or with CAP_SYS_TIME (AmbientCapabilities= in the unit)")]
    NotPermitted,
    /// Faster or slower than the kernel can.
    #[error("the system clock can be slewed by ±500,000 ppb, not by {0}")]
    FrequencyOutOfRange(f64),
    /// The kernel does not accept the new time, such as one before it was booted.
    #[error("the kernel refuses this time or frequency of the system clock")]
    Refused,
    /// There is no clock that can be set.
    #[error("this system has no clock that can be set")]
    NotSupported,
}

impl From<Error> for SystemClockError {
    fn from(error: Error) -> Self {
        match error {
            Error::NoPermission | Error::NoAccess => Self::NotPermitted,
            Error::Invalid => Self::Refused,
            Error::NoDevice | Error::NotSupported => Self::NotSupported,
        }
    }
}

/// `CLOCK_REALTIME` of this machine, through adjtimex. It needs CAP_SYS_TIME.
///
/// The kernel's flag STA_UNSYNC stays set, so that the kernel never writes this clock to an RTC of its own accord (its
/// "11-minute mode").
#[derive(Debug)]
pub struct MachineSystemClock(UnixClock);

impl MachineSystemClock {
    /// Takes the clock over from whoever steered it: the kernel's own control loops (PLL, FLL, PPS) are switched off, a leap
    /// second that was announced is called off, and a step of 0 ends what was still to be slewed (`ntp_clear` in
    /// kernel/time/ntp.c). The frequency that was set stays until another is.
    ///
    /// Another daemon that still runs can take it back at any time: there must be none.
    ///
    /// # Errors
    /// When the clock may not be set.
    pub fn take_over() -> Result<Self, SystemClockError> {
        let mut clock = Self(UnixClock::CLOCK_REALTIME);
        clock.0.disable_kernel_ntp_algorithm()?;
        clock.0.set_leap_seconds(LeapIndicator::Unknown)?;
        clock.step(0)?;
        Ok(clock)
    }
}

impl SystemClock for MachineSystemClock {
    fn step(&mut self, by_ns: i64) -> Result<(), SystemClockError> {
        self.0.step_clock(time_offset(by_ns))?;
        Ok(())
    }

    fn set_frequency_ppb(&mut self, ppb: f64) -> Result<(), SystemClockError> {
        self.0.set_frequency(checked_frequency_ppb(ppb)? / 1000.0)?;
        Ok(())
    }
}

/// Whole seconds, and nanoseconds forwards from them.
fn time_offset(by_ns: i64) -> TimeOffset {
    TimeOffset { seconds: by_ns.div_euclid(NS_PER_S) as _, nanos: by_ns.rem_euclid(NS_PER_S) as u32 }
}

/// The library would clamp without a word.
fn checked_frequency_ppb(ppb: f64) -> Result<f64, SystemClockError> {
    if ppb.abs() <= MAX_FREQUENCY_PPB { Ok(ppb) } else { Err(SystemClockError::FrequencyOutOfRange(ppb)) }
}

/// A system clock that follows a simulated raw clock. Clones are the same clock: one is steered, another read.
#[derive(Clone)]
pub struct SimulatedSystemClock {
    raw_clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    line: Arc<Mutex<Line>>,
}

/// The clock as it runs since it was last steered.
#[derive(Clone, Copy)]
struct Line {
    raw_ns: i64,
    utc_ns: i64,
    frequency_ppb: f64,
}

impl Line {
    fn utc_ns(&self, raw_ns: i64) -> i64 {
        let passed_ns = raw_ns - self.raw_ns;
        self.utc_ns + passed_ns + (passed_ns as f64 * self.frequency_ppb * 1e-9).round() as i64
    }
}

impl SimulatedSystemClock {
    /// A clock that shows `utc_ns` now and goes by `raw_clock`, which tells the raw time in ns. With a frequency of 0 it
    /// runs as fast as that.
    pub fn new(utc_ns: i64, raw_clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        let line = Line { raw_ns: raw_clock(), utc_ns, frequency_ppb: 0.0 };
        Self { raw_clock: Arc::new(raw_clock), line: Arc::new(Mutex::new(line)) }
    }

    /// What it shows now, in ns since the Unix epoch.
    pub fn utc_ns(&self) -> i64 {
        self.utc_ns_at((self.raw_clock)())
    }

    /// What it shows when the raw clock shows `raw_ns`, if it is not steered until then.
    pub fn utc_ns_at(&self, raw_ns: i64) -> i64 {
        self.line().utc_ns(raw_ns)
    }

    /// The frequency that was set, in ppb.
    pub fn frequency_ppb(&self) -> f64 {
        self.line().frequency_ppb
    }

    fn steer(&self, change: impl FnOnce(&mut Line)) {
        let raw_ns = (self.raw_clock)();
        let mut line = self.line();
        line.utc_ns = line.utc_ns(raw_ns);
        line.raw_ns = raw_ns;
        change(&mut line);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SystemClock for SimulatedSystemClock {
    fn step(&mut self, by_ns: i64) -> Result<(), SystemClockError> {
        self.steer(|line| line.utc_ns = line.utc_ns.saturating_add(by_ns));
        Ok(())
    }

    fn set_frequency_ppb(&mut self, ppb: f64) -> Result<(), SystemClockError> {
        let ppb = checked_frequency_ppb(ppb)?;
        self.steer(|line| line.frequency_ppb = ppb);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::atomic::{AtomicI64, Ordering};

    use proptest::prelude::*;

    // The machine's own clock is never set here: only what comes before the system call is tested of it, and what the
    // kernel's answers become.

    #[test]
    fn a_frequency_beyond_the_kernels_is_refused_and_not_clamped() {
        for ppb in [500_001.0, -500_001.0, f64::NAN, f64::INFINITY] {
            let error = checked_frequency_ppb(ppb).unwrap_err();
            assert!(error.to_string().contains("500,000 ppb"), "{error}");
        }
        assert_eq!(checked_frequency_ppb(-500_000.0), Ok(-500_000.0));
    }

    #[test]
    fn a_missing_privilege_says_which() {
        let error = SystemClockError::from(Error::NoPermission);
        assert!(error.to_string().contains("CAP_SYS_TIME"), "{error}");
    }

    fn simulated(utc_ns: i64) -> (SimulatedSystemClock, Arc<AtomicI64>) {
        let raw_ns = Arc::new(AtomicI64::new(1_000));
        let read = raw_ns.clone();
        (SimulatedSystemClock::new(utc_ns, move || read.load(Ordering::Relaxed)), raw_ns)
    }

    #[test]
    fn a_step_moves_the_clock_and_its_frequency_stays() {
        let (mut clock, raw_ns) = simulated(5_000);
        clock.set_frequency_ppb(100_000.0).unwrap();
        raw_ns.fetch_add(NS_PER_S, Ordering::Relaxed);
        clock.step(-700).unwrap();
        assert_eq!(clock.utc_ns(), 5_000 + NS_PER_S + 100_000 - 700);
        raw_ns.fetch_add(NS_PER_S, Ordering::Relaxed);
        assert_eq!(clock.utc_ns(), 5_000 + 2 * (NS_PER_S + 100_000) - 700);
    }

    #[test]
    fn a_frequency_counts_from_when_it_is_set_and_replaces_the_one_before() {
        let (mut clock, raw_ns) = simulated(0);
        let follower = clock.clone();
        raw_ns.fetch_add(NS_PER_S, Ordering::Relaxed);
        clock.set_frequency_ppb(50_000.0).unwrap();
        assert_eq!(follower.utc_ns(), NS_PER_S, "nothing jumps");
        raw_ns.fetch_add(NS_PER_S, Ordering::Relaxed);
        clock.set_frequency_ppb(-50_000.0).unwrap();
        raw_ns.fetch_add(NS_PER_S, Ordering::Relaxed);
        assert_eq!(follower.utc_ns(), 3 * NS_PER_S + 50_000 - 50_000);
        assert!(clock.set_frequency_ppb(600_000.0).is_err());
        assert_eq!(follower.frequency_ppb(), -50_000.0);
    }

    proptest! {
        #[test]
        fn a_step_is_split_without_loss(by_ns: i64) {
            let offset = time_offset(by_ns);
            prop_assert!(offset.nanos < 1_000_000_000);
            prop_assert_eq!(offset.seconds as i128 * 1_000_000_000 + i128::from(offset.nanos), i128::from(by_ns));
        }
    }
}
