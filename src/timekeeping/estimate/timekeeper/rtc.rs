//! How the timekeeper handles the RTC itself: whether it is believed, whose calibration it
//! continues, and what follows when it was set.

use jaudiosync_hw::rtc::{Chip, ChipMark, RtcStatus, RtcTime};
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Rtc, Span};

use super::Timekeeper;
use super::flywheel::{Rebasing, RtcState};
use super::variant::Variant;
use crate::timekeeping::estimate::calibration::{Calibration, FlywheelModel};
use crate::timekeeping::notice::Notice;
use crate::timekeeping::rtc::edge_tracker::{Edge, EdgeTracker};
use crate::timekeeping::rtc::stamp::{STAMP_SPAN, STAMPED_BOUND_NS, Stamp};
use crate::timekeeping::rtc::trust::{Distrust, Reading, judge};
use crate::timekeeping::status::BOUND_SIGMAS;

/// An RTC that was never compared, and has no stamp, is taken to be right to this: it was set by
/// hand, or to the second.
const UNCOMPARED_SIGMA_NS: f64 = 0.5e9;

/// An RTC that was set is off by no more than this until its edges are found: a busy machine writes
/// to it late.
const SET_HALF_WIDTH: Span = Span::MILLISECOND;

/// The standard deviation of a moment of which the hour is known from its middle, in seconds.
const HOUR_SIGMA_S: f64 = 3600.0 / 3.464;
const HALF_AN_HOUR: Span = Span::from_seconds(1800);

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

/// The calibration of the last run.
struct Continued {
    calibration: Calibration<Rtc>,
    /// Whether its offset still holds, and not its rates alone.
    was_compared: bool,
}

impl Timekeeper {
    /// Absorbs what the RTC shows when it answers for the first time, or again.
    pub fn rtc_found(&mut self, found: FoundChip, reading: Reading, status: RtcStatus, at: Instant<Raw>) {
        match self.rtc.take() {
            None => self.rtc = Some(self.first_seen(found, reading.time, status, at)),
            Some(rtc) if rtc.status.mark == status.mark => self.rtc = Some(RtcState { found, ..rtc }),
            Some(old) => {
                // Another chip was fitted. What was known of the old one carries the time until the
                // edges of the new one are found.
                let mut new = self.first_seen(found, reading.time, status, at);
                let is_better = old.was_compared || !new.was_compared;
                if is_better && old.tracker.map().is_some() && old.rebasing.is_none() {
                    new.was_compared = old.was_compared;
                    let old = Box::new((old.tracker, old.calibration));
                    new.rebasing = Some(Rebasing::FromOldEdges { old, is_same_chip: false });
                }
                self.rtc = Some(new);
            }
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
        self.rtc_temperature(status.temperature_c, at);
        self.judge_rate(at);
        let Some(rtc) = &mut self.rtc else { return };
        if reading.has_century_bit && !rtc.has_century_bit {
            self.notices.push(Notice::RtcCenturyBit);
        }
        rtc.has_century_bit = reading.has_century_bit;
    }

    fn first_seen(&mut self, found: FoundChip, time: RtcTime, status: RtcStatus, at: Instant<Raw>) -> RtcState {
        let last_saved_utc_s = self.saved.as_ref().map(|saved| saved.utc_s);
        let judged = judge(time, &status, last_saved_utc_s);
        if let Err(distrust) = judged {
            self.notices.push(Notice::RtcDistrusted(distrust));
        }
        let shown = match time {
            RtcTime::Valid { rtc_s } => Instant::from_second(rtc_s),
            RtcTime::Invalid { .. } => Instant::ZERO,
        };
        let stamp = if judged.is_ok() { Stamp::decode(status.stamp, shown) } else { None };
        let of_this_chip = self.saved.as_ref().filter(|saved| saved.mark == Some(status.mark.0));
        let is_ds3231m = of_this_chip.is_some_and(|saved| saved.is_ds3231m);
        let drifts = of_this_chip.is_some_and(|saved| saved.drifts) || stamp.is_some_and(|stamp| stamp.drifts);
        let variant = Variant::new(is_ds3231m, drifts, of_this_chip.is_some(), at);
        let model = variant.model();
        let saved = if judged.is_ok() { self.saved_calibration(model, &status, stamp, shown) } else { None };
        let was_compared = saved.as_ref().is_some_and(|saved| saved.was_compared);
        if was_compared {
            self.restore_group(model, &status, shown);
        }
        let fresh = || match stamp {
            // What a network hid then is no matter of chance.
            Some(stamp) => Calibration::uncompared(model, stamp.at().min(shown), stamp.quality.sigma_ns())
                .with_bound(STAMPED_BOUND_NS),
            None => Calibration::uncompared(model, shown, UNCOMPARED_SIGMA_NS),
        };
        RtcState {
            tracker: EdgeTracker::default(),
            calibration: saved.map_or_else(fresh, |saved| saved.calibration),
            was_compared,
            stamped: stamp.filter(|_| !was_compared),
            variant,
            // A reference has given the time already, and knows it better than who has set the RTC.
            rebasing: (self.crystal.is_some() && judged.is_ok() && !was_compared).then_some(Rebasing::FromCrystal),
            distrusted: judged.err(),
            status,
            date: None,
            found,
            answers: true,
            has_century_bit: false,
        }
    }

    /// Returns the calibration of the last run, if it still belongs to this chip.
    fn saved_calibration(
        &mut self,
        model: FlywheelModel,
        status: &RtcStatus,
        stamp: Option<Stamp>,
        shown: Instant<Rtc>,
    ) -> Option<Continued> {
        let saved = self.saved.as_ref()?;
        let calibration = saved.calibration.as_ref()?;
        if saved.mark.is_some_and(|mark| ChipMark(mark) != status.mark) {
            self.notices.push(Notice::CalibrationReset("this is not the RTC chip that was calibrated"));
            return None;
        }
        let Some(mut calibration) = Calibration::restore(model, calibration) else {
            self.notices.push(Notice::CalibrationReset("the saved calibration is damaged"));
            return None;
        };
        let mut was_compared = true;
        let is_stamp_of_saved = saved.stamp.unwrap_or_default() == status.stamp.0;
        match stamp {
            // It was set, nobody knows how well.
            None if !is_stamp_of_saved => {
                self.notices.push(Notice::RtcWasSet);
                let utc = ClockMap::with_offset(shown, Span::ZERO, Rate::ZERO).to;
                calibration.restart(shown, utc, UNCOMPARED_SIGMA_NS, BOUND_SIGMAS * UNCOMPARED_SIGMA_NS);
                was_compared = false;
            }
            // It was set, or its stamp renewed, and a power cut came before that was saved: its
            // offset follows from the stamp, and its rates are what they were.
            Some(stamp) if saved.stamp != Some(status.stamp.0) => {
                let at = (stamp.at() + HALF_AN_HOUR).min(shown);
                let rate_ppb = calibration.at(calibration.carried_to()).map.rate.ppb();
                let sigma_ns = stamp.quality.sigma_ns().hypot(rate_ppb * HOUR_SIGMA_S);
                let utc = ClockMap::with_offset(at, Span::ZERO, Rate::ZERO).to;
                // It may have been right at the other end of the stamp's span.
                let bound_ns = STAMPED_BOUND_NS + rate_ppb.abs() * STAMP_SPAN.seconds();
                calibration.restart(at, utc, sigma_ns, bound_ns);
            }
            _ => {}
        }
        let last = calibration.carried_to();
        if last > shown + SET_BACK_MARGIN {
            self.notices.push(Notice::CalibrationReset("the RTC was set back since it was calibrated"));
            return None;
        }
        if saved.aging_offset != status.aging_offset {
            self.notices.push(Notice::CalibrationReset("the RTC's aging register was changed"));
            let known = calibration.at(last);
            let fresh = Calibration::new(model, last, known.map.to, known.sigma_ns);
            calibration = fresh.with_bound(known.bound.ns());
        }
        Some(Continued { calibration, was_compared })
    }

    /// Notes that the RTC does not answer: its last edges carry the time.
    pub fn rtc_silent(&mut self) {
        if let Some(rtc) = &mut self.rtc {
            rtc.answers = false;
        }
    }

    /// Notes that the RTC was set, so that this second began about then: it is believed from now on,
    /// and has new edges.
    pub fn rtc_was_set(&mut self, status: RtcStatus, second: i64, at: Instant<Raw>) {
        self.rtc_set_at = Some(at);
        let Some(rtc) = &mut self.rtc else { return };
        let was_believed = rtc.distrusted.is_none() || rtc.was_compared;
        let before = rtc.tracker.clone();
        rtc.tracker.was_set(Edge { second, at, half_width: SET_HALF_WIDTH });
        if was_believed {
            rtc.begin_rebasing(before, rtc.distrusted.is_none());
        } else {
            rtc.rebasing = Some(Rebasing::FromCrystal);
        }
        if rtc.distrusted.is_some() {
            // What happened to it is not known: a new battery, another chip.
            rtc.calibration = Calibration::uncompared(rtc.variant.model(), Instant::ZERO, UNCOMPARED_SIGMA_NS);
        }
        rtc.distrusted = None;
        rtc.stamped = None;
        rtc.has_century_bit = false;
        rtc.status = status;
    }
}
