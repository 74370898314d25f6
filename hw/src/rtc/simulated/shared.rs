//! What the simulated bus and the handle share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jaudiosync_time::Span;

use super::chip::Chip;

/// The chip, its faults and its traffic. It is never locked while time passes, so whatever happens
/// meanwhile may use the handle.
pub(super) struct Shared {
    pub(super) chip: Chip,
    pub(super) faults: Faults,
    pub(super) traffic: Traffic,
}

/// What is wrong with the bus now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// How many more transfers are not acknowledged.
    pub(super) unanswered_transfers: u32,
    pub(super) is_silent: bool,
    /// After how long each transfer fails.
    pub(super) stuck_for: Option<Span>,
    /// How long each transfer takes on the wires.
    pub(super) transfer: Option<Span>,
    /// The power fails once seconds were written.
    pub(super) cut_after_seconds: bool,
}

/// What went over the bus.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    pub(super) transfers: u64,
    pub(super) busy: Span,
}

pub(super) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // A panic elsewhere leaves the chip as it was, which is all a simulation needs.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
