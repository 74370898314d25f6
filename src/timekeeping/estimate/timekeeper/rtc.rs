//! How the timekeeper handles the RTC itself: whether it is believed, whose calibration it
//! continues, and when it is to be set.

use jaudiosync_hw::rtc::{Chip, ChipMark, RtcStatus, RtcTime};
use jaudiosync_time::{Instant, Raw, Rtc, Span};

use super::flywheel::{Rebasing, RtcState};
use super::{Timekeeper, agreement};
use crate::timekeeping::estimate::calibration::{Calibration, FlywheelModel};
use crate::timekeeping::notice::Notice;
use crate::timekeeping::rtc::edge_tracker::EdgeTracker;
use crate::timekeeping::rtc::trust::{Distrust, Reading, judge};

/// An RTC that is wrong by more than this is set.
const SET_RTC: Span = Span::from_ms(500);

/// The RTC is set only if boxes that were compared with the same reference agree to this.
const SET_RTC_AGREEMENT: Span = Span::from_ms(100);

/// An RTC that was never compared is taken to be right to this: it was set by hand, or to the
/// second.
const UNCOMPARED_SIGMA_NS: f64 = 0.5e9;

/// The RTC may be this much behind what was saved before it counts as set back.
const SET_BACK_MARGIN: Span = Span::from_seconds(2);

/// What was found out about the chip when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundChip {
    /// Which one it is: a DS3231, or a stand-in for one.
    pub chip: Chip,
    /// Whether it may be written to.
    pub is_writable: bool,
}

impl Timekeeper {
    /// Absorbs what the RTC shows when it answers for the first time, or again.
    pub fn rtc_found(&mut self, found: FoundChip, reading: Reading, status: RtcStatus, at: Instant<Raw>) {
        if self.rtc.is_none() {
            self.rtc = Some(self.first_seen(found, reading.time, status));
        }
        self.refused_chip = None;
        self.rtc_read(reading, status, at);
    }

    /// Notes that the chip at the RTC's address is not one that can be used, and why.
    pub fn rtc_refused(&mut self, chip: Chip, reason: String) {
        self.refused_chip = Some((chip, reason));
    }

    /// Absorbs what the RTC shows, every minute or so.
    pub fn rtc_read(&mut self, reading: Reading, status: RtcStatus, at: Instant<Raw>) {
        self.rtc_date(reading.time, at);
        let Some(rtc) = &mut self.rtc else { return };
        rtc.answers = true;
        if status.oscillator_stopped && !rtc.status.oscillator_stopped && rtc.distrusted.is_none() {
            rtc.distrusted = Some(Distrust::OscillatorStopped);
            self.notices.push(Notice::RtcDistrusted(Distrust::OscillatorStopped));
        }
        rtc.status = status;
        rtc.advance(at);
        if reading.has_century_bit && !rtc.has_century_bit {
            self.notices.push(Notice::RtcCenturyBit);
        }
        rtc.has_century_bit = reading.has_century_bit;
    }

    fn first_seen(&mut self, found: FoundChip, time: RtcTime, status: RtcStatus) -> RtcState {
        let last_saved_utc_s = self.saved.as_ref().map(|saved| saved.utc_s);
        let judged = judge(time, &status, last_saved_utc_s);
        if let Err(distrust) = judged {
            self.notices.push(Notice::RtcDistrusted(distrust));
        }
        let shown = match time {
            RtcTime::Valid { rtc_s } => Instant::from_second(rtc_s),
            RtcTime::Invalid { .. } => Instant::ZERO,
        };
        let saved = if judged.is_ok() { self.saved_calibration(&status, shown) } else { None };
        let was_compared = saved.is_some();
        let fresh = || Calibration::uncompared(FlywheelModel::DS3231, shown, UNCOMPARED_SIGMA_NS);
        RtcState {
            tracker: EdgeTracker::default(),
            calibration: saved.unwrap_or_else(fresh),
            was_compared,
            distrusted: judged.err(),
            rebasing: None,
            status,
            date: None,
            found,
            answers: true,
            has_century_bit: false,
        }
    }

    /// Returns the calibration of the last run, if it still belongs to this chip.
    fn saved_calibration(&mut self, status: &RtcStatus, shown: Instant<Rtc>) -> Option<Calibration<Rtc>> {
        let saved = self.saved.as_ref()?;
        let calibration = saved.calibration.as_ref()?;
        if saved.mark.is_some_and(|mark| ChipMark(mark) != status.mark) {
            self.notices.push(Notice::CalibrationReset("this is not the RTC chip that was calibrated"));
            return None;
        }
        let Some(calibration) = Calibration::restore(FlywheelModel::DS3231, calibration) else {
            self.notices.push(Notice::CalibrationReset("the saved calibration is damaged"));
            return None;
        };
        let last = calibration.carried_to();
        if last > shown + SET_BACK_MARGIN {
            self.notices.push(Notice::CalibrationReset("the RTC was set back since it was calibrated"));
            return None;
        }
        if saved.aging_offset != status.aging_offset {
            self.notices.push(Notice::CalibrationReset("the RTC's aging register was changed"));
            let known = calibration.at(last);
            let fresh = Calibration::new(FlywheelModel::DS3231, last, known.map.to, known.sigma_ns);
            return Some(fresh.with_bound(known.bound.ns()));
        }
        Some(calibration)
    }

    /// Notes that the RTC does not answer: its last edges carry the time.
    pub fn rtc_silent(&mut self) {
        if let Some(rtc) = &mut self.rtc {
            rtc.answers = false;
        }
    }

    /// Notes that the RTC was set and marked: it is believed from now on, and has new edges.
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
            // What happened to it is not known: a new battery, another chip.
            rtc.calibration = Calibration::uncompared(FlywheelModel::DS3231, Instant::ZERO, UNCOMPARED_SIGMA_NS);
        }
        rtc.distrusted = None;
        rtc.has_century_bit = false;
        rtc.status = status;
    }

    /// Notes that the chip was marked.
    pub fn rtc_was_marked(&mut self, mark: ChipMark) {
        if let Some(rtc) = &mut self.rtc {
            rtc.status.mark = mark;
        }
    }

    /// Returns whether the RTC should be set: it is not believed, or far off, or shows the next
    /// century, or the user asks for it, and the time is known well from a reference.
    pub fn wants_to_set_rtc(&self, now: Instant<Raw>, is_wished: bool) -> bool {
        let Some(rtc) = &self.rtc else { return false };
        if !rtc.found.is_writable || !rtc.answers || rtc.rebasing.is_some() || !self.is_referenced(now) {
            return false;
        }
        let Some(best) = self.best(now) else { return false };
        let is_far_off = rtc.tracker.map().is_some_and(|map| {
            let rtc_to_utc = map.inverse().then(&best.utc);
            rtc_to_utc.anchored_at(map.apply(now)).offset().abs() > SET_RTC
        });
        let is_wrong = rtc.distrusted.is_some() || rtc.has_century_bit || is_far_off;
        agreement(&best) < SET_RTC_AGREEMENT && (is_wished || is_wrong)
    }

    /// Returns the mark of the chip, from which a new one is made.
    pub fn mark(&self) -> Option<ChipMark> {
        self.rtc.as_ref().map(|rtc| rtc.status.mark)
    }

    /// Returns whether the chip carries the mark of the calibration that was saved.
    pub fn is_marked(&self) -> bool {
        let saved = self.saved.as_ref().and_then(|saved| saved.mark);
        saved.is_some() && self.mark().map(|mark| mark.0) == saved
    }
}
