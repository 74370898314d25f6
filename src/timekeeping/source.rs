//! Where the player and everything else take UTC from.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jaudiosync_hw::clocks::{ClockPair, Clocks};

use super::Timescale;
use super::status::{Estimate, TimeState};

/// Knows UTC.
pub trait UtcSource: Send + Sync {
    /// UTC as it is known now.
    fn estimate(&self) -> Estimate;

    /// Whether UTC may be stepped now: nothing is being played.
    fn allow_steps(&self, allowed: bool);

    /// Makes a correction that waits until nothing is being played: what plays is not in sync in any case.
    fn step(&self);
}

/// What the clock's thread has found, for all others to read.
///
/// A large correction waits here until nothing plays, so that a gap of a second between two tracks is long enough for
/// it, whenever the clock's thread comes round.
pub struct SharedEstimate {
    published: Mutex<Published>,
}

#[derive(Debug, Clone, Copy)]
struct Published {
    estimate: Estimate,
    /// What it shall be once UTC may be stepped.
    corrected: Option<Estimate>,
    may_step: bool,
    was_stepped: bool,
}

impl SharedEstimate {
    /// An estimate that says nothing yet, but for what the system clock shows.
    pub fn unset(clocks: &dyn Clocks) -> Self {
        let ClockPair { raw, utc } = ClockPair::read(clocks);
        let timescale = Timescale { raw_ns: raw.ns(), utc_ns: utc.ns(), rate_ppb: 0.0 };
        let estimate = Estimate { timescale, bound_ns: f64::INFINITY, state: TimeState::Unset };
        let published = Published { estimate, corrected: None, may_step: true, was_stepped: false };
        Self { published: Mutex::new(published) }
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shares a newer estimate, and what it shall be once UTC may be stepped.
    pub fn set(&self, estimate: Estimate, corrected: Option<Estimate>) {
        let mut published = self.published();
        (published.estimate, published.corrected) = (estimate, corrected);
        if published.may_step {
            published.step();
        }
    }

    /// Whether UTC may be stepped now.
    pub fn may_step(&self) -> bool {
        self.published().may_step
    }

    /// Whether the correction was made since the last call.
    pub fn take_step(&self) -> bool {
        std::mem::take(&mut self.published().was_stepped)
    }
}

impl Published {
    fn step(&mut self) {
        if let Some(corrected) = self.corrected.take() {
            self.estimate = corrected;
            self.was_stepped = true;
        }
    }
}

impl UtcSource for SharedEstimate {
    fn estimate(&self) -> Estimate {
        self.published().estimate
    }

    fn allow_steps(&self, allowed: bool) {
        let mut published = self.published();
        published.may_step = allowed;
        if allowed {
            published.step();
        }
    }

    fn step(&self) {
        self.published().step();
    }
}
