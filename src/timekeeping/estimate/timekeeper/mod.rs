//! The timekeeper: puts the RTC, its calibration and the references together into one estimate of
//! UTC.
//!
//! Two flywheels carry the time, the RTC and the Pi's crystal, and every sample of a believed
//! reference calibrates both. The RTC is used wherever possible; the crystal bridges the time until
//! the RTC's edges are found, or while the RTC is being set. Nothing here may read a clock or a
//! register: every observation is passed in.
//!
//! - `rtc`, `edges` and `samples` absorb observations, `report` makes the status;
//! - `upkeep` is what is to be written to the RTC, `variant` whether that is a DS3231M;
//! - `flywheel` is the RTC and what bridges it;
//! - `group` is the time that boxes which hear each other have agreed on, where they have.

mod edges;
mod flywheel;
mod group;
mod learning;
mod report;
mod rtc;
mod samples;
mod upkeep;
mod variant;

use jaudiosync_hw::rtc::{Chip, ChipMark};
use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

pub use self::edges::Seen;
use self::flywheel::{Best, RtcState};
pub use self::group::TimeView;
pub use self::rtc::FoundChip;
pub use self::upkeep::Upkeep;
use super::calibration::{Calibrated, Calibration};
use super::group::GroupClock;
use super::selection::{Selection, Verdict};
use crate::timekeeping::notice::{Inexact, Notice};
use crate::timekeeping::references::Source;
use crate::timekeeping::saved::SavedTime;
use crate::timekeeping::status::{BOUND_SIGMAS, Estimate, Flywheel, TimeState};

/// The time counts as referenced for this long after a sample: the longest interval between samples
/// of NTP, and a little more.
const REFERENCED: Span = Span::from_seconds(1200);

/// Combines the RTC, the crystal and the references into one estimate.
#[derive(Debug, Clone)]
pub struct Timekeeper {
    rtc: Option<RtcState>,
    crystal: Option<Calibration<Raw>>,
    saved: Option<SavedTime>,
    selection: Selection,
    believed: Option<Believed>,
    refused: Vec<(Source, Verdict)>,
    troubles: Vec<(Source, String)>,
    /// When each source last sent a sample.
    heard: Vec<(Source, Instant<Raw>)>,
    notices: Vec<Notice>,
    /// When the RTC was last set, or that was put off.
    rtc_set_at: Option<Instant<Raw>>,
    /// Since when a reference has been believed without a long pause.
    heard_from: Option<Instant<Raw>>,
    /// The chip that answers at the RTC's address and is not used, and why.
    refused_chip: Option<(Chip, String)>,
    group: Option<GroupClock>,
    /// Since when the box has been off by more than others can bear, without a pause.
    inexact_since: Option<Instant<Raw>>,
    /// Why, as it was noticed last.
    noticed_inexact: Option<Inexact>,
}

/// The last sample that was believed.
#[derive(Debug, Clone)]
struct Believed {
    source: Source,
    at: Instant<Raw>,
    utc: Instant<Utc>,
}

impl Timekeeper {
    /// Begins with what was saved.
    pub fn new(saved: Option<SavedTime>) -> Self {
        Self {
            rtc: None,
            crystal: None,
            saved,
            selection: Selection::default(),
            believed: None,
            refused: Vec::new(),
            troubles: Vec::new(),
            heard: Vec::new(),
            notices: Vec::new(),
            rtc_set_at: None,
            heard_from: None,
            refused_chip: None,
            group: None,
            inexact_since: None,
            noticed_inexact: None,
        }
    }

    /// Carries the calibrations on to a moment, and returns the best estimate there. `fallback`,
    /// the system clock, is the estimate while nothing is known.
    pub fn update(&mut self, now: Instant<Raw>, fallback: &ClockMap<Raw, Utc>) -> Estimate {
        if let Some(rtc) = &mut self.rtc {
            rtc.advance(now);
        }
        if let Some(crystal) = &mut self.crystal {
            crystal.advance(now, None);
        }
        let best = self.best(now);
        self.note_inexact(best.as_ref(), now);
        let own = Estimate {
            utc: best.map_or(*fallback, |best| best.utc),
            bound: best.map(|best| Span::from_ns_f64(best.bound.ns())),
            agreement: best.as_ref().map(agreement),
            state: self.state(best.as_ref(), now),
        };
        self.update_group(now, &own)
    }

    /// Returns the best estimate of UTC, not smoothed, by which the RTC is set; `None` while
    /// nothing is known.
    pub fn best_utc(&self, now: Instant<Raw>) -> Option<ClockMap<Raw, Utc>> {
        self.best(now).map(|best| best.utc)
    }

    fn state(&self, best: Option<&Best>, now: Instant<Raw>) -> TimeState {
        match best {
            None => TimeState::Unset,
            Some(_) if self.is_referenced(now) => TimeState::Referenced,
            Some(_) => TimeState::Holdover,
        }
    }

    fn is_referenced(&self, now: Instant<Raw>) -> bool {
        self.believed.as_ref().is_some_and(|believed| now - believed.at < REFERENCED)
    }

    /// Returns the estimate of the better flywheel.
    fn best(&self, at: Instant<Raw>) -> Option<Best> {
        if let Some(rtc) = &self.rtc
            && (rtc.distrusted.is_none() || rtc.was_compared)
            && let Some(best) = rtc.best(at)
        {
            return Some(best);
        }
        let known = self.crystal.as_ref()?.at(at);
        let Calibrated { map: utc, sigma_ns, bound, .. } = known;
        Some(Best { utc, sigma_ns, bound, was_compared: true, flywheel: Flywheel::Crystal })
    }

    /// Returns what has happened since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Returns whether a reference was believed since the start, so that this run calibrates the
    /// RTC.
    pub fn has_heard_reference(&self) -> bool {
        self.believed.is_some()
    }

    /// Returns what is to be saved on disk, or `None` while the time is not known, so that a wrong
    /// one is never saved.
    pub fn save(&mut self, now: Instant<Raw>) -> Option<SavedTime> {
        let saved = self.to_save(now)?;
        self.saved = Some(saved.clone());
        Some(saved)
    }

    /// Returns the same, and does not take it for saved. What was saved of an RTC that is silent or
    /// refused, or of which the new edges are being found, is kept.
    pub fn to_save(&self, now: Instant<Raw>) -> Option<SavedTime> {
        let best = self.best(now).filter(|best| best.was_compared)?;
        let reference = self.believed.as_ref().map(|believed| believed.utc.second());
        let rtc = self.rtc.as_ref().filter(|rtc| rtc.was_compared && rtc.rebasing.is_none());
        let utc_s = best.utc.to.second();
        let reference_utc_s = reference.or(self.saved.as_ref().and_then(|saved| saved.reference_utc_s));
        let is_distrusted = self.rtc.as_ref().is_some_and(|rtc| rtc.distrusted.is_some());
        if rtc.is_none()
            && !is_distrusted
            && let Some(saved) = self.saved.clone()
        {
            return Some(SavedTime { utc_s, reference_utc_s, ..saved });
        }
        Some(SavedTime {
            utc_s,
            reference_utc_s,
            mark: rtc.map(|rtc| rtc.status.mark.0),
            aging_offset: rtc.map_or(0, |rtc| rtc.status.aging_offset),
            stamp: rtc.map(|rtc| rtc.status.stamp.0),
            is_ds3231m: rtc.is_some_and(|rtc| rtc.variant.is_ds3231m()),
            drifts: rtc.is_some_and(|rtc| rtc.variant.drifts()),
            calibration: rtc.map(|rtc| rtc.calibration.save()),
            group: self.group.as_ref().filter(|_| rtc.is_some()).and_then(GroupClock::save),
        })
    }

    /// Returns what the last run saved, or this one has.
    pub fn saved(&self) -> Option<&SavedTime> {
        self.saved.as_ref()
    }

    /// Begins with this instead of what was saved, where the chip that answers now, with this mark,
    /// was not seen before. Returns whether it does.
    pub fn begin_with(&mut self, saved: SavedTime, mark: ChipMark) -> bool {
        let is_new = self.rtc.as_ref().is_none_or(|rtc| rtc.status.mark != mark);
        if is_new {
            self.saved = Some(saved);
        }
        is_new
    }
}

/// Returns how far two boxes that were compared with the same references can be apart: what a
/// network hides from all of them alike does not count.
fn agreement(best: &Best) -> Span {
    Span::from_ns_f64(BOUND_SIGMAS * best.sigma_ns)
}
