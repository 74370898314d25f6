//! The RTC as a flywheel: its edges, its calibration, and what bridges it while its new phase is
//! being found.

use jaudiosync_hw::rtc::RtcStatus;
use jaudiosync_time::{ClockMap, Instant, Raw, Rtc, Utc};

use super::FoundChip;
use super::variant::Variant;
use crate::timekeeping::estimate::calibration::{Calibrated, Calibration, ErrorBound};
use crate::timekeeping::estimate::group::RtcView;
use crate::timekeeping::rtc::edge_tracker::EdgeTracker;
use crate::timekeeping::rtc::second::DateReading;
use crate::timekeeping::rtc::stamp::Stamp;
use crate::timekeeping::rtc::trust::Distrust;
use crate::timekeeping::status::{Flywheel, RtcReport};

/// The RTC and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct RtcState {
    pub(super) tracker: EdgeTracker,
    pub(super) calibration: Calibration<Rtc>,
    /// Whether the calibration has seen a reference, in this run or an earlier one.
    pub(super) was_compared: bool,
    /// Where it was not compared: its stamp says that it was right then.
    pub(super) stamped: Option<Stamp>,
    pub(super) variant: Variant,
    pub(super) distrusted: Option<Distrust>,
    /// The RTC was set or has jumped: until its new edges are known, the old ones or the crystal
    /// carry the time, and then give the RTC its new offset.
    pub(super) rebasing: Option<Rebasing>,
    pub(super) status: RtcStatus,
    pub(super) date: Option<DateReading>,
    pub(super) found: FoundChip,
    pub(super) answers: bool,
    /// It shows the next century, and is read without that.
    pub(super) has_century_bit: bool,
}

/// What carries the time while the RTC's new phase is being found.
#[derive(Debug, Clone)]
pub(super) enum Rebasing {
    /// The RTC's old edges and calibration. The calibration holds for the new edges only if the chip
    /// is the same.
    FromOldEdges {
        /// Edges and calibration as they were before.
        old: Box<(EdgeTracker, Calibration<Rtc>)>,
        /// Whether the RTC is what it was, apart from its time.
        is_same_chip: bool,
    },
    /// The crystal.
    FromCrystal,
}

/// An estimate and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Best {
    pub(super) utc: ClockMap<Raw, Utc>,
    /// The standard deviation where networks are no more asymmetric than usual, in ns.
    pub(super) sigma_ns: f64,
    /// How far it can be wrong.
    pub(super) bound: ErrorBound,
    pub(super) was_compared: bool,
    pub(super) flywheel: Flywheel,
}

impl RtcState {
    /// Keeps what was known of the RTC before a jump, to carry the time until its new phase is
    /// known. If it jumps again meanwhile, the time is still carried from before the first jump.
    pub(super) fn begin_rebasing(&mut self, before: EdgeTracker, is_same_chip: bool) {
        if self.rebasing.is_none() {
            let old = (before, self.calibration.clone());
            self.rebasing = Some(Rebasing::FromOldEdges { old: Box::new(old), is_same_chip });
        }
    }

    /// Carries the calibration on to a moment, with the last temperature of the chip.
    pub(super) fn advance(&mut self, now: Instant<Raw>) {
        if let Some(map) = self.tracker.map() {
            self.calibration.advance(map.apply(now), Some(self.status.temperature_c));
        }
    }

    /// Returns what the calibration says of a moment, if RTC time is known.
    pub(super) fn calibrated(&self, at: Instant<Raw>) -> Option<Calibrated<Rtc>> {
        self.tracker.map().map(|map| self.calibration.at(map.apply(at)))
    }

    pub(super) fn best(&self, at: Instant<Raw>) -> Option<Best> {
        let RtcView { map, sigma_ns, calibration, .. } = self.view(at)?;
        let known = calibration.at(map.to);
        Some(Best {
            utc: map.then(&known.map),
            sigma_ns: known.sigma_ns.hypot(sigma_ns),
            bound: known.bound.read_with(sigma_ns),
            was_compared: self.was_compared,
            flywheel: Flywheel::Rtc,
        })
    }

    /// Returns the RTC as it carries the time at this moment: by its old edges while its new phase
    /// is being found.
    pub(super) fn view(&self, at: Instant<Raw>) -> Option<RtcView<'_>> {
        let (tracker, calibration) = match &self.rebasing {
            None => (&self.tracker, &self.calibration),
            Some(Rebasing::FromOldEdges { old, .. }) => (&old.0, &old.1),
            Some(Rebasing::FromCrystal) => return None,
        };
        let map = tracker.map()?.anchored_at(at);
        let sigma_ns = tracker.sigma_ns(at);
        Some(RtcView { map, sigma_ns, temperature_c: self.status.temperature_c, calibration })
    }

    pub(super) fn report(&self, now: Instant<Raw>) -> RtcReport {
        let known = self.calibrated(now);
        RtcReport {
            answers: self.answers,
            has_century_bit: self.has_century_bit,
            distrusted: self.distrusted,
            offset_ms: known.map(|known| known.map.offset().ms()),
            offset_sigma_ms: known.map(|known| known.sigma_ns * 1e-6),
            offset_bound_ms: known.map(|known| known.bound.ns() * 1e-6),
            rate_ppb: known.map(|known| known.map.rate.ppb()),
            rate_sigma_ppb: known.map(|known| known.rate_sigma_ppb),
            edge_sigma_ms: known.map(|_| self.tracker.sigma_ns(now) * 1e-6),
            temperature_c: Some(self.status.temperature_c),
            oscillator_stopped: Some(self.status.oscillator_stopped),
            aging_offset: Some(self.status.aging_offset),
            samples: self.calibration.samples(),
            is_writable: self.found.is_writable,
        }
    }
}
