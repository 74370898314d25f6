//! The system clock as an output: stepped and slewed so that the rest of the machine has the time
//! as well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock_steering::unix::{Error, UnixClock};
use clock_steering::{Clock, LeapIndicator, TimeOffset};
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

/// The kernel slews by no more than ±500 ppm (`MAXFREQ` in include/linux/timex.h, applied in
/// kernel/time/ntp.c).
pub const MAX_FREQUENCY: Rate = Rate::from_ppb(500_000.0);

/// Sets and slews a clock.
pub trait SystemClock: Send {
    /// Moves the clock at once, forwards when `by` is positive.
    ///
    /// # Errors
    /// When the clock may not be set, or not to that.
    fn step(&mut self, by: Span) -> Result<(), SystemClockError>;

    /// Makes the clock run faster by `frequency` than it would by itself, or slower when negative,
    /// from now on. It replaces what was set before.
    ///
    /// # Errors
    /// When the clock may not be set, or `frequency` is not within ±[`MAX_FREQUENCY`].
    fn set_frequency(&mut self, frequency: Rate) -> Result<(), SystemClockError>;
}

/// Why the system clock cannot be set.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq)]
pub enum SystemClockError {
    /// The process lacks the privilege.
    #[error("the system clock may not be set; run as root or with CAP_SYS_TIME (AmbientCapabilities= in the unit)")]
    NotPermitted,
    /// The kernel cannot slew that fast.
    #[error("the system clock can be slewed by ±500,000 ppb, not by {0}")]
    FrequencyOutOfRange(f64),
    /// The kernel rejects the new time, such as one before it was booted.
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

/// This machine's `CLOCK_REALTIME`, through adjtimex. It needs CAP_SYS_TIME.
///
/// The kernel's flag STA_UNSYNC stays set, so that the kernel never writes this clock to an RTC of
/// its own accord (its "11-minute mode").
#[derive(Debug)]
pub struct MachineSystemClock(UnixClock);

impl MachineSystemClock {
    /// Takes the clock over from whatever steered it: the kernel's own control loops (PLL, FLL,
    /// PPS) are switched off, an announced leap second is cancelled, and a step of 0 ends any
    /// remaining slew (`ntp_clear` in kernel/time/ntp.c). The frequency stays until another is set.
    ///
    /// No other daemon may keep the clock: it could take it back at any time.
    ///
    /// # Errors
    /// When the clock may not be set.
    pub fn take_over() -> Result<Self, SystemClockError> {
        let mut clock = Self(UnixClock::CLOCK_REALTIME);
        clock.0.disable_kernel_ntp_algorithm()?;
        clock.0.set_leap_seconds(LeapIndicator::Unknown)?;
        clock.step(Span::ZERO)?;
        Ok(clock)
    }
}

impl SystemClock for MachineSystemClock {
    fn step(&mut self, by: Span) -> Result<(), SystemClockError> {
        self.0.step_clock(time_offset(by))?;
        Ok(())
    }

    fn set_frequency(&mut self, frequency: Rate) -> Result<(), SystemClockError> {
        let ppm = checked_frequency(frequency)?.ppb() / 1000.0;
        self.0.set_frequency(ppm)?;
        Ok(())
    }
}

/// Splits a step into whole seconds, and nanoseconds forwards from them.
fn time_offset(by: Span) -> TimeOffset {
    TimeOffset { seconds: by.whole_seconds() as _, nanos: (by % Span::SECOND).ns() as u32 }
}

/// Refuses what the library would clamp silently.
fn checked_frequency(frequency: Rate) -> Result<Rate, SystemClockError> {
    let ppb = frequency.ppb();
    if ppb.abs() <= MAX_FREQUENCY.ppb() { Ok(frequency) } else { Err(SystemClockError::FrequencyOutOfRange(ppb)) }
}

/// A system clock that follows a simulated raw clock. Clones are the same clock: one is steered,
/// another read.
#[derive(Clone)]
pub struct SimulatedSystemClock {
    raw_clock: Arc<dyn Fn() -> Instant<Raw> + Send + Sync>,
    /// The clock as it runs since it was last steered; the rate is the frequency.
    map: Arc<Mutex<ClockMap<Raw, Utc>>>,
}

impl SimulatedSystemClock {
    /// Makes a clock that shows `utc` now and follows `raw_clock`, which returns the raw time. With
    /// a frequency of 0 both run alike.
    pub fn new(utc: Instant<Utc>, raw_clock: impl Fn() -> Instant<Raw> + Send + Sync + 'static) -> Self {
        let map = ClockMap { from: raw_clock(), to: utc, rate: Rate::ZERO };
        Self { raw_clock: Arc::new(raw_clock), map: Arc::new(Mutex::new(map)) }
    }

    /// Returns what it shows now.
    pub fn utc(&self) -> Instant<Utc> {
        self.utc_at((self.raw_clock)())
    }

    /// Returns what it shows when the raw clock shows `raw`, unless it is steered before.
    pub fn utc_at(&self, raw: Instant<Raw>) -> Instant<Utc> {
        self.map().apply(raw)
    }

    /// Returns the frequency that was set.
    pub fn frequency(&self) -> Rate {
        self.map().rate
    }

    fn steer(&self, change: impl FnOnce(ClockMap<Raw, Utc>) -> ClockMap<Raw, Utc>) {
        let now = (self.raw_clock)();
        let mut map = self.map();
        *map = change(map.anchored_at(now));
    }

    fn map(&self) -> MutexGuard<'_, ClockMap<Raw, Utc>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SystemClock for SimulatedSystemClock {
    fn step(&mut self, by: Span) -> Result<(), SystemClockError> {
        self.steer(|map| map.shifted(by));
        Ok(())
    }

    fn set_frequency(&mut self, frequency: Rate) -> Result<(), SystemClockError> {
        let rate = checked_frequency(frequency)?;
        self.steer(|map| ClockMap { rate, ..map });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    use crate::clocks::{Clocks, SimulatedClocks};

    // The machine's own clock is never set here: the tests cover what comes before the system call,
    // and what becomes of the kernel's answers.

    #[test]
    fn a_frequency_beyond_the_kernels_is_refused_and_not_clamped() {
        for ppb in [500_001.0, -500_001.0, f64::NAN, f64::INFINITY] {
            let error = checked_frequency(Rate::from_ppb(ppb)).unwrap_err();
            assert!(error.to_string().contains("500,000 ppb"), "{error}");
        }
        let slowest = Rate::from_ppb(-500_000.0);
        assert_eq!(checked_frequency(slowest), Ok(slowest));
    }

    #[test]
    fn a_missing_privilege_says_which() {
        let error = SystemClockError::from(Error::NoPermission);
        assert!(error.to_string().contains("CAP_SYS_TIME"), "{error}");
    }

    fn simulated(utc: Instant<Utc>) -> (SimulatedSystemClock, Arc<SimulatedClocks>) {
        let clocks = Arc::new(SimulatedClocks::new(Instant::from_ns(1_000), Instant::ZERO));
        let read = clocks.clone();
        (SimulatedSystemClock::new(utc, move || read.raw()), clocks)
    }

    #[test]
    fn a_step_moves_the_clock_and_its_frequency_stays() {
        let start = Instant::from_ns(5_000);
        let (mut clock, clocks) = simulated(start);
        clock.set_frequency(Rate::from_ppb(100_000.0)).unwrap();
        clocks.advance(Span::SECOND);
        clock.step(Span::from_ns(-700)).unwrap();
        assert_eq!(clock.utc() - start, Span::from_ns(1_000_100_000 - 700));
        clocks.advance(Span::SECOND);
        assert_eq!(clock.utc() - start, Span::from_ns(2_000_200_000 - 700));
    }

    #[test]
    fn a_frequency_counts_from_when_it_is_set_and_replaces_the_one_before() {
        let (mut clock, clocks) = simulated(Instant::ZERO);
        let follower = clock.clone();
        clocks.advance(Span::SECOND);
        clock.set_frequency(Rate::from_ppb(50_000.0)).unwrap();
        assert_eq!(follower.utc(), Instant::from_second(1), "nothing jumps");
        clocks.advance(Span::SECOND);
        clock.set_frequency(Rate::from_ppb(-50_000.0)).unwrap();
        assert_eq!(follower.utc(), Instant::from_second(2) + Span::from_us(50));
        clocks.advance(Span::SECOND);
        assert_eq!(follower.utc(), Instant::from_second(3), "50 µs gained, and lost again");
        assert!(clock.set_frequency(Rate::from_ppb(600_000.0)).is_err());
        assert_eq!(follower.frequency(), Rate::from_ppb(-50_000.0));
    }

    proptest! {
        #[test]
        fn a_step_is_split_without_loss(by_ns: i64) {
            let offset = time_offset(Span::from_ns(by_ns));
            prop_assert!(offset.nanos < 1_000_000_000);
            prop_assert_eq!(offset.seconds as i128 * 1_000_000_000 + i128::from(offset.nanos), i128::from(by_ns));
        }
    }
}
