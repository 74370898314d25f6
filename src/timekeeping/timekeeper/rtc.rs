//! What the timekeeper does with the RTC: whether it is believed, whose calibration it goes on with, and when it is to be
//! set.

use crate::timekeeping::status::BOUND_SIGMAS;
use jaudiosync_hw::clocks::NS_PER_S;
use jaudiosync_hw::rtc::{ChipMark, RtcStatus, RtcTime};

use super::Timekeeper;
use super::flywheel::{Best, Rebasing, RtcState};
use crate::timekeeping::Timescale;
use crate::timekeeping::calibration::{Calibration, FlywheelModel, Offset};
use crate::timekeeping::edge_tracker::{Edge, EdgeTracker, EdgeVerdict};
use crate::timekeeping::notice::Notice;
use crate::timekeeping::trust::{Distrust, judge};

/// An RTC that is wrong by more than this is set.
const SET_RTC_NS: f64 = 0.5e9;

/// The RTC is only set by somebody who knows the time to this.
const SET_RTC_BOUND_NS: f64 = 0.1e9;

/// An RTC that was never compared is taken to be right to this: whoever set it did so by hand, or to the second.
const UNCOMPARED_SIGMA_NS: f64 = 0.5e9;

impl Timekeeper {
    /// The RTC answered for the first time.
    pub fn rtc_appeared(&mut self, time: RtcTime, status: RtcStatus, is_writable: bool) {
        let last_saved_utc_s = self.saved.as_ref().map(|saved| saved.utc_s);
        let judged = judge(time, &status, last_saved_utc_s);
        if let Err(distrust) = judged {
            self.notices.push(Notice::RtcDistrusted(distrust));
        }
        let rtc_ns = match time {
            RtcTime::Valid { utc_s } => utc_s.saturating_mul(NS_PER_S),
            RtcTime::Invalid { .. } => 0,
        };
        let kept = if judged.is_ok() { self.kept_calibration(&status, rtc_ns) } else { None };
        let was_compared = kept.is_some();
        let fresh = || Calibration::new(FlywheelModel::DS3231, rtc_ns, 0, UNCOMPARED_SIGMA_NS);
        self.rtc = Some(RtcState {
            tracker: EdgeTracker::default(),
            calibration: kept.unwrap_or_else(fresh),
            was_compared,
            distrusted: judged.err(),
            rebasing: None,
            status,
            is_writable,
            answers: true,
            has_century_bit: false,
        });
    }

    /// Whether the RTC shows the next century, as its date is read now; it is read without that.
    pub fn rtc_century(&mut self, has_century_bit: bool) {
        let Some(rtc) = &mut self.rtc else { return };
        if has_century_bit && !rtc.has_century_bit {
            self.notices.push(Notice::RtcCenturyBit);
        }
        rtc.has_century_bit = has_century_bit;
    }

    /// The calibration of the last run, if it is still this chip's.
    fn kept_calibration(&mut self, status: &RtcStatus, rtc_ns: i64) -> Option<Calibration> {
        let saved = self.saved.as_ref()?;
        let kept = saved.calibration.as_ref()?;
        if saved.mark.is_some_and(|mark| ChipMark(mark) != status.mark) {
            self.notices.push(Notice::CalibrationReset("this is another clock chip than the one that was calibrated"));
            return None;
        }
        let Some(calibration) = Calibration::restore(FlywheelModel::DS3231, kept) else {
            self.notices.push(Notice::CalibrationReset("the kept calibration is damaged"));
            return None;
        };
        if calibration.flywheel_ns() > rtc_ns.saturating_add(2 * NS_PER_S) {
            self.notices.push(Notice::CalibrationReset("the clock was set back since it was calibrated"));
            return None;
        }
        if saved.aging_offset != status.aging_offset {
            self.notices.push(Notice::CalibrationReset("the clock's aging register was changed"));
            let Offset { offset_ns, sigma_ns, .. } = calibration.at(calibration.flywheel_ns());
            return Some(Calibration::new(FlywheelModel::DS3231, calibration.flywheel_ns(), offset_ns, sigma_ns));
        }
        Some(calibration)
    }

    /// What the RTC tells of itself, each minute or so.
    pub fn rtc_status(&mut self, raw_ns: i64, status: RtcStatus) {
        let Some(rtc) = &mut self.rtc else { return };
        rtc.answers = true;
        if status.oscillator_stopped && !rtc.status.oscillator_stopped && rtc.distrusted.is_none() {
            rtc.distrusted = Some(Distrust::OscillatorStopped);
            self.notices.push(Notice::RtcDistrusted(Distrust::OscillatorStopped));
        }
        rtc.status = status;
        if let Some(map) = rtc.tracker.map() {
            rtc.calibration.advance(map.utc_ns(raw_ns), Some(status.temperature_c));
        }
    }

    /// The RTC answers.
    pub fn rtc_answered(&mut self) {
        if let Some(rtc) = &mut self.rtc {
            rtc.answers = true;
        }
    }

    /// The RTC does not answer: its last edges carry on.
    pub fn rtc_silent(&mut self) {
        if let Some(rtc) = &mut self.rtc {
            rtc.answers = false;
        }
    }

    /// The tracker, for those who hunt.
    pub fn tracker(&mut self) -> Option<&mut EdgeTracker> {
        self.rtc.as_mut().map(|rtc| &mut rtc.tracker)
    }

    /// An edge was found.
    pub fn edge(&mut self, edge: Edge) {
        let Some(rtc) = &mut self.rtc else { return };
        rtc.answers = true;
        let before = rtc.tracker.clone();
        if let EdgeVerdict::Jumped { by_ns } = rtc.tracker.found(edge) {
            rtc.begin_rebasing(before);
            self.notices.push(Notice::RtcJumped { by_ns });
        }
        if rtc.tracker.map().is_some()
            && rtc.rebasing.is_some()
            && let Some(bridge) = self.best(edge.raw_ns)
        {
            self.end_rebasing(edge.raw_ns, &bridge);
        }
    }

    /// The RTC's new edges are known: its offset is what the bridge says.
    fn end_rebasing(&mut self, raw_ns: i64, bridge: &Best) {
        let Some(rtc) = &mut self.rtc else { return };
        let Some(map) = rtc.tracker.map() else { return };
        let rtc_ns = map.utc_ns(raw_ns);
        let offset_ns = bridge.timescale.utc_ns(raw_ns).saturating_sub(rtc_ns);
        rtc.calibration.restart_offset(rtc_ns, offset_ns, bridge.sigma_ns);
        rtc.was_compared |= bridge.was_compared;
        rtc.rebasing = None;
    }

    /// The RTC was set, and marked: it is to be believed, and its edges are elsewhere now.
    pub fn rtc_was_set(&mut self, status: RtcStatus) {
        let Some(rtc) = &mut self.rtc else { return };
        let was_believed = rtc.distrusted.is_none() || rtc.was_compared;
        let before = std::mem::take(&mut rtc.tracker);
        if was_believed {
            rtc.begin_rebasing(before);
        } else {
            rtc.rebasing = Some(Rebasing::FromCrystal);
        }
        if rtc.distrusted.is_some() {
            // Nobody knows what happened to it: a new battery, another chip.
            rtc.calibration = Calibration::new(FlywheelModel::DS3231, 0, 0, UNCOMPARED_SIGMA_NS);
        }
        rtc.distrusted = None;
        rtc.has_century_bit = false;
        rtc.status = status;
    }

    /// The chip was marked.
    pub fn rtc_was_marked(&mut self, mark: ChipMark) {
        if let Some(rtc) = &mut self.rtc {
            rtc.status.mark = mark;
        }
    }

    /// Whether the RTC should be set: it is not believed, or far off, or shows the next century, or it is wished, and
    /// somebody trustworthy has told the time.
    pub fn wants_to_set_rtc(&self, now_raw_ns: i64, is_wished: bool) -> bool {
        let Some(rtc) = &self.rtc else { return false };
        if !rtc.is_writable || !rtc.answers || rtc.rebasing.is_some() || !self.is_referenced(now_raw_ns) {
            return false;
        }
        let Some(best) = self.best(now_raw_ns) else { return false };
        let is_far_off = rtc.tracker.map().is_some_and(|map| {
            let off_ns = best.timescale.utc_ns(now_raw_ns).saturating_sub(map.utc_ns(now_raw_ns));
            (off_ns as f64).abs() > SET_RTC_NS
        });
        let is_wrong = rtc.distrusted.is_some() || rtc.has_century_bit || is_far_off;
        BOUND_SIGMAS * best.sigma_ns < SET_RTC_BOUND_NS && (is_wished || is_wrong)
    }

    /// The mark of the chip, for those who choose a new one.
    pub fn mark(&self) -> Option<ChipMark> {
        self.rtc.as_ref().map(|rtc| rtc.status.mark)
    }

    /// Whether the chip carries the mark of the calibration that was kept.
    pub fn is_marked(&self) -> bool {
        let kept = self.saved.as_ref().and_then(|saved| saved.mark);
        kept.is_some() && self.mark().map(|mark| mark.0) == kept
    }

    /// RTC time as a function of the raw clock, where it is known.
    pub fn rtc_map(&self) -> Option<Timescale> {
        self.rtc.as_ref().and_then(|rtc| rtc.tracker.map())
    }

    /// UTC when the RTC shows this, as the calibration has it: for reports.
    pub fn calibrated_utc_ns(&self, rtc_ns: i64) -> Option<i64> {
        let rtc = self.rtc.as_ref().filter(|rtc| rtc.rebasing.is_none())?;
        Some(rtc_ns.saturating_add(rtc.calibration.at(rtc_ns).offset_ns))
    }
}
