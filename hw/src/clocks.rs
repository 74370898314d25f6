//! The clocks of the machine: the raw monotonic clock, on which everything is scheduled, and the system's idea of UTC.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds in a second.
pub const NS_PER_S: i64 = 1_000_000_000;

/// Reads clocks; a trait so that tests and simulations decide what time it is.
pub trait Clocks: Send + Sync {
    /// `CLOCK_MONOTONIC_RAW` in ns: never stepped and never slewed, so it is the axis everything else is measured on.
    fn raw_ns(&self) -> i64;

    /// `CLOCK_REALTIME` in ns since the Unix epoch: what the operating system takes for UTC.
    fn system_utc_ns(&self) -> i64;

    /// Waits until the raw clock shows `raw_ns`; returns at once if that has passed. It wakes late by what the
    /// scheduler makes of it.
    fn sleep_until_raw(&self, raw_ns: i64);
}

/// What both clocks showed at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPair {
    /// `CLOCK_MONOTONIC_RAW`, in ns: the middle of the two readings around the other clock's.
    pub raw_ns: i64,
    /// `CLOCK_REALTIME`, in ns since the Unix epoch.
    pub utc_ns: i64,
}

/// How many times the clocks are read for one pair: the tightest bracket is kept, as the thread may have been put
/// aside within any other.
const READINGS: usize = 5;

impl ClockPair {
    /// Reads both, now.
    pub fn read(clocks: &(impl Clocks + ?Sized)) -> Self {
        let (raw_ns, utc_ns) = read_between(|| clocks.raw_ns(), || clocks.system_utc_ns());
        Self { raw_ns, utc_ns }
    }
}

/// Read a clock between two readings of another, several times, and return the tightest such bracket:
/// the middle of the outer clock's readings, and the inner clock's.
pub(crate) fn read_between(outer_ns: impl Fn() -> i64, inner_ns: impl Fn() -> i64) -> (i64, i64) {
    let mut best = (i64::MAX, (0, 0));
    for _ in 0..READINGS {
        let before_ns = outer_ns();
        let inner_ns = inner_ns();
        let width_ns = outer_ns().saturating_sub(before_ns);
        if width_ns < best.0 {
            best = (width_ns, (before_ns.saturating_add(width_ns / 2), inner_ns));
        }
    }
    best.1
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineClocks;

impl Clocks for MachineClocks {
    fn raw_ns(&self) -> i64 {
        to_ns(clock_gettime(ClockId::MonotonicRaw))
    }

    fn system_utc_ns(&self) -> i64 {
        to_ns(clock_gettime(ClockId::Realtime))
    }

    fn sleep_until_raw(&self, raw_ns: i64) {
        let left_ns = raw_ns.saturating_sub(self.raw_ns());
        if let Ok(left_ns) = u64::try_from(left_ns) {
            // Sleeping goes by CLOCK_MONOTONIC, which is slewed: over the seconds slept here that is microseconds.
            std::thread::sleep(Duration::from_nanos(left_ns));
        }
    }
}

pub(crate) fn to_ns(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(NS_PER_S).saturating_add(time.tv_nsec)
}

/// Clocks that stand still until they are told what time it is.
#[derive(Debug, Default)]
pub struct SimulatedClocks {
    raw_ns: AtomicI64,
    system_utc_ns: AtomicI64,
}

impl SimulatedClocks {
    /// Clocks that show these times, in ns.
    pub fn new(raw_ns: i64, system_utc_ns: i64) -> Self {
        Self { raw_ns: raw_ns.into(), system_utc_ns: system_utc_ns.into() }
    }

    /// Sets both clocks.
    pub fn set(&self, raw_ns: i64, system_utc_ns: i64) {
        self.raw_ns.store(raw_ns, Ordering::Relaxed);
        self.system_utc_ns.store(system_utc_ns, Ordering::Relaxed);
    }

    /// Moves both clocks on by `ns`.
    pub fn advance(&self, ns: i64) {
        self.raw_ns.fetch_add(ns, Ordering::Relaxed);
        self.system_utc_ns.fetch_add(ns, Ordering::Relaxed);
    }
}

impl Clocks for SimulatedClocks {
    fn raw_ns(&self) -> i64 {
        self.raw_ns.load(Ordering::Relaxed)
    }

    fn system_utc_ns(&self) -> i64 {
        self.system_utc_ns.load(Ordering::Relaxed)
    }

    fn sleep_until_raw(&self, raw_ns: i64) {
        self.advance((raw_ns - self.raw_ns()).max(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_clock_never_runs_backwards() {
        let clocks = MachineClocks;
        let readings: Vec<i64> = (0..1000).map(|_| clocks.raw_ns()).collect();
        assert!(readings.is_sorted());
    }

    #[test]
    fn of_several_readings_the_tightest_counts() {
        let outer = std::cell::Cell::new(0);
        let waits = [400, 10, 2, 30, 90];
        let read = std::cell::Cell::new(0);
        let inner_ns = || {
            outer.set(outer.get() + waits[read.get()]);
            read.set(read.get() + 1);
            read.get() as i64
        };
        assert_eq!(read_between(|| outer.get(), inner_ns), (411, 3));
    }

    #[test]
    fn simulated_clocks_move_only_when_told() {
        let clocks = SimulatedClocks::new(10, 20);
        assert_eq!((clocks.raw_ns(), clocks.system_utc_ns()), (10, 20));
        clocks.advance(5);
        assert_eq!((clocks.raw_ns(), clocks.system_utc_ns()), (15, 25));
        clocks.sleep_until_raw(12);
        assert_eq!(clocks.raw_ns(), 15, "that has passed");
        clocks.sleep_until_raw(20);
        assert_eq!(ClockPair::read(&clocks), ClockPair { raw_ns: 20, utc_ns: 30 });
    }
}
