//! The clocks of the machine: the raw monotonic clock, on which everything is scheduled, and the
//! operating system's idea of UTC.

use std::sync::atomic::{AtomicI64, Ordering};

use jaudiosync_time::{Axis, Instant, Raw, Span, Utc};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::bracketed::bracketed;

/// Reads clocks; a trait so that tests and simulations decide what time it is.
pub trait Clocks: Send + Sync {
    /// Reads `CLOCK_MONOTONIC_RAW`: never stepped and never slewed, so everything else is measured
    /// against it.
    fn raw(&self) -> Instant<Raw>;

    /// Reads `CLOCK_REALTIME`: what the operating system takes for UTC.
    fn system_utc(&self) -> Instant<Utc>;

    /// Waits until the raw clock shows `due`; returns at once if that has passed. It returns late
    /// by however long the scheduler takes to wake the thread.
    fn sleep_until(&self, due: Instant<Raw>);
}

/// What both clocks showed at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPair {
    /// The raw clock: the middle of the two readings around the other clock's.
    pub raw: Instant<Raw>,
    /// The system's UTC.
    pub utc: Instant<Utc>,
}

impl ClockPair {
    /// Reads both clocks now.
    pub fn read(clocks: &(impl Clocks + ?Sized)) -> Self {
        let (raw, utc) = bracketed(|| clocks.raw(), || clocks.system_utc());
        Self { raw, utc }
    }
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineClocks;

impl Clocks for MachineClocks {
    fn raw(&self) -> Instant<Raw> {
        instant(clock_gettime(ClockId::MonotonicRaw))
    }

    fn system_utc(&self) -> Instant<Utc> {
        instant(clock_gettime(ClockId::Realtime))
    }

    fn sleep_until(&self, due: Instant<Raw>) {
        if let Some(left) = (due - self.raw()).to_duration() {
            // Sleep goes by CLOCK_MONOTONIC, which is slewed: over the few seconds slept here that
            // makes microseconds.
            std::thread::sleep(left);
        }
    }
}

/// Makes an instant of what the kernel says of the clock `A`.
pub(crate) fn instant<A: Axis>(time: Timespec) -> Instant<A> {
    Instant::from_second(time.tv_sec) + Span::from_ns(time.tv_nsec)
}

/// Clocks that stand still until a test sets or advances them.
#[derive(Debug, Default)]
pub struct SimulatedClocks {
    raw_ns: AtomicI64,
    system_utc_ns: AtomicI64,
}

impl SimulatedClocks {
    /// Makes clocks that show these times.
    pub fn new(raw: Instant<Raw>, system_utc: Instant<Utc>) -> Self {
        Self { raw_ns: raw.ns().into(), system_utc_ns: system_utc.ns().into() }
    }

    /// Sets both clocks.
    pub fn set(&self, raw: Instant<Raw>, system_utc: Instant<Utc>) {
        self.raw_ns.store(raw.ns(), Ordering::Relaxed);
        self.system_utc_ns.store(system_utc.ns(), Ordering::Relaxed);
    }

    /// Moves both clocks forward by `span`.
    pub fn advance(&self, span: Span) {
        self.raw_ns.fetch_add(span.ns(), Ordering::Relaxed);
        self.system_utc_ns.fetch_add(span.ns(), Ordering::Relaxed);
    }
}

impl Clocks for SimulatedClocks {
    fn raw(&self) -> Instant<Raw> {
        Instant::from_ns(self.raw_ns.load(Ordering::Relaxed))
    }

    fn system_utc(&self) -> Instant<Utc> {
        Instant::from_ns(self.system_utc_ns.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, due: Instant<Raw>) {
        self.advance((due - self.raw()).max(Span::ZERO));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_clock_never_runs_backwards() {
        let clocks = MachineClocks;
        let readings: Vec<Instant<Raw>> = (0..1000).map(|_| clocks.raw()).collect();
        assert!(readings.is_sorted());
    }

    #[test]
    fn simulated_clocks_move_only_when_told() {
        let clocks = SimulatedClocks::new(Instant::from_ns(10), Instant::from_ns(20));
        assert_eq!((clocks.raw().ns(), clocks.system_utc().ns()), (10, 20));
        clocks.advance(Span::from_ns(5));
        assert_eq!((clocks.raw().ns(), clocks.system_utc().ns()), (15, 25));
        clocks.sleep_until(Instant::from_ns(12));
        assert_eq!(clocks.raw().ns(), 15, "that has passed");
        clocks.sleep_until(Instant::from_ns(20));
        let expected = ClockPair { raw: Instant::from_ns(20), utc: Instant::from_ns(30) };
        assert_eq!(ClockPair::read(&clocks), expected);
    }
}
