//! The RTC as a flywheel: its edges, its calibration, and what bridges it while its phase is being found anew.

use jaudiosync_hw::rtc::RtcStatus;

use crate::timekeeping::Timescale;
use crate::timekeeping::calibration::Calibration;
use crate::timekeeping::edge_tracker::EdgeTracker;
use crate::timekeeping::status::RtcReport;
use crate::timekeeping::trust::Distrust;

/// The RTC and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct RtcState {
    pub(super) tracker: EdgeTracker,
    pub(super) calibration: Calibration,
    /// Whether the calibration has seen a reference, in this run or an earlier one.
    pub(super) was_compared: bool,
    pub(super) distrusted: Option<Distrust>,
    /// The RTC was set or has jumped: until its new edges are known, the old ones carry on, or the crystal; its new
    /// offset is then taken from them.
    pub(super) rebasing: Option<Rebasing>,
    pub(super) status: RtcStatus,
    pub(super) is_writable: bool,
    pub(super) answers: bool,
    /// It shows the next century, and is read without that.
    pub(super) has_century_bit: bool,
}

/// What carries the time on while the RTC's new phase is being found.
#[derive(Debug, Clone)]
pub(super) enum Rebasing {
    /// The RTC's old edges and calibration.
    FromOldEdges(Box<(EdgeTracker, Calibration)>),
    /// The crystal.
    FromCrystal,
}

/// An estimate and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Best {
    pub(super) timescale: Timescale,
    pub(super) sigma_ns: f64,
    pub(super) was_compared: bool,
    pub(super) flywheel: &'static str,
}

impl RtcState {
    /// What was known of the RTC before a jump carries on until its new phase is known. One that jumps again meanwhile
    /// is still carried on from before the first.
    pub(super) fn begin_rebasing(&mut self, before: EdgeTracker) {
        if self.rebasing.is_none() {
            let old = (before, self.calibration.clone());
            self.rebasing = Some(Rebasing::FromOldEdges(Box::new(old)));
        }
    }

    pub(super) fn best(&self, raw_ns: i64) -> Option<Best> {
        let (tracker, calibration) = match &self.rebasing {
            None => (&self.tracker, &self.calibration),
            Some(Rebasing::FromOldEdges(old)) => (&old.0, &old.1),
            Some(Rebasing::FromCrystal) => return None,
        };
        let map = tracker.map()?;
        let rtc_ns = map.utc_ns(raw_ns);
        let known = calibration.at(rtc_ns);
        let rate = (1.0 + map.rate_ppb * 1e-9) * (1.0 + known.rate_ppb * 1e-9) - 1.0;
        let utc_ns = rtc_ns.saturating_add(known.offset_ns);
        Some(Best {
            timescale: Timescale { raw_ns, utc_ns, rate_ppb: rate * 1e9 },
            sigma_ns: known.sigma_ns.hypot(tracker.sigma_ns(raw_ns)),
            was_compared: self.was_compared,
            flywheel: "RTC",
        })
    }

    pub(super) fn report(&self, now_raw_ns: i64) -> RtcReport {
        let known = self.tracker.map().map(|map| self.calibration.at(map.utc_ns(now_raw_ns)));
        RtcReport {
            answers: self.answers,
            has_century_bit: self.has_century_bit,
            distrusted: self.distrusted,
            offset_ms: known.map(|known| known.offset_ns as f64 * 1e-6),
            offset_sigma_ms: known.map(|known| known.sigma_ns * 1e-6),
            rate_ppb: known.map(|known| known.rate_ppb),
            rate_sigma_ppb: known.map(|known| known.rate_sigma_ppb),
            edge_sigma_ms: known.map(|_| self.tracker.sigma_ns(now_raw_ns) * 1e-6),
            temperature_c: Some(self.status.temperature_c),
            oscillator_stopped: Some(self.status.oscillator_stopped),
            aging_offset: Some(self.status.aging_offset),
            samples: self.calibration.samples(),
            is_writable: self.is_writable,
        }
    }
}
