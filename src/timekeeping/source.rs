//! Where the player and everything else take UTC from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jaudiosync_hw::clocks::{ClockPair, Clocks};

use super::status::{Estimate, TimeState};
use super::{SystemClockFollower, Timescale};

/// Knows UTC.
pub trait UtcSource: Send + Sync {
    /// UTC as it is known now.
    fn estimate(&self) -> Estimate;

    /// Whether UTC may be stepped now: nothing is being played.
    fn allow_steps(&self, allowed: bool);
}

/// Follows the system clock, which somebody else keeps.
pub struct SystemClockSource {
    clocks: Arc<dyn Clocks>,
    follower: Mutex<SystemClockFollower>,
}

impl SystemClockSource {
    /// Follows the system clock of these clocks.
    pub fn new(clocks: Arc<dyn Clocks>) -> Self {
        Self { clocks, follower: Mutex::default() }
    }
}

impl UtcSource for SystemClockSource {
    fn estimate(&self) -> Estimate {
        let mut follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        let timescale = follower.update(ClockPair::read(self.clocks.as_ref()));
        // It is its own reference, however wrong: nobody here can tell how far.
        Estimate { timescale, bound_ns: f64::INFINITY, state: TimeState::Referenced }
    }

    fn allow_steps(&self, _: bool) {}
}

/// What the clock's thread has found, for all others to read.
pub struct SharedEstimate {
    estimate: Mutex<Estimate>,
    may_step: AtomicBool,
}

impl SharedEstimate {
    /// Shares an estimate.
    pub fn new(estimate: Estimate) -> Self {
        Self { estimate: Mutex::new(estimate), may_step: AtomicBool::new(true) }
    }

    /// An estimate that says nothing yet, but for what the system clock shows.
    pub fn unset(clocks: &dyn Clocks) -> Self {
        let ClockPair { raw_ns, utc_ns } = ClockPair::read(clocks);
        let timescale = Timescale { raw_ns, utc_ns, rate_ppb: 0.0 };
        Self::new(Estimate { timescale, bound_ns: f64::INFINITY, state: TimeState::Unset })
    }

    /// Shares a newer one.
    pub fn set(&self, estimate: Estimate) {
        *self.estimate.lock().unwrap_or_else(PoisonError::into_inner) = estimate;
    }

    /// Whether UTC may be stepped now.
    pub fn may_step(&self) -> bool {
        self.may_step.load(Ordering::Relaxed)
    }
}

impl UtcSource for SharedEstimate {
    fn estimate(&self) -> Estimate {
        *self.estimate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allow_steps(&self, allowed: bool) {
        self.may_step.store(allowed, Ordering::Relaxed);
    }
}
