//! The time that a box gives to others, and how far that can be from UTC.

use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

use crate::timekeeping::estimate::group::GroupEstimate;
use crate::timekeeping::estimate::timekeeper::TimeView;

/// Returns the time that a box gives to others: the group's, or its own while it is in none.
pub(super) fn time(view: &TimeView, now: Instant<Raw>) -> ClockMap<Raw, Utc> {
    match (&view.group, &view.own) {
        (Some(GroupEstimate { utc, .. }), _) => *utc,
        (None, Some((own, _))) => *own,
        (None, None) => ClockMap { from: now, to: Instant::from_ns(now.ns()), rate: Rate::ZERO },
    }
}

/// Returns how far the group's time, as this box has it, can be from UTC.
pub(super) fn utc_bound(view: &TimeView, now: Instant<Raw>) -> Option<Span> {
    let by_own = by_own_knowledge(view, now)?;
    Some(view.group.and_then(|group| group.utc_bound).map_or(by_own, |stated| stated.min(by_own)))
}

/// Returns the same by what this box knows itself, whatever others have stated.
pub(super) fn by_own_knowledge(view: &TimeView, now: Instant<Raw>) -> Option<Span> {
    let (own, bound) = view.own?;
    let apart = view.group.map_or(Span::ZERO, |group| (group.utc.apply(now) - own.apply(now)).abs());
    Some(bound + apart)
}
