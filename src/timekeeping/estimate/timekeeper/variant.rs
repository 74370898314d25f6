//! Whether the RTC is a DS3231M, which has the same registers as a DS3231 and is less exact.

use jaudiosync_hw::rtc::Chip;
use jaudiosync_time::{Instant, Raw, Span};

use super::Timekeeper;
use super::flywheel::{Rebasing, RtcState};
use crate::timekeeping::estimate::calibration::FlywheelModel;
use crate::timekeeping::notice::Notice;

/// A DS3231 measures its temperature every 64 s, a DS3231M every second (datasheets, "Temperature
/// Sensor"). A temperature that changes again within this time was measured by the latter.
const QUICK: Span = Span::from_seconds(48);

/// So many changes are that quick before it counts: a transfer may have been disturbed.
const QUICK_CHANGES: u32 = 3;

/// A rate beyond this is more than a DS3231 has from the factory, though not more than its datasheet
/// allows. Of ten that were measured for five months, the DS3231SN were within 0.7 ppm, and the
/// DS3231M beyond 1.6 (blog.heypete.com, 2018-02-04).
const LARGEST_RATE_PPB: f64 = 1_200.0;

/// The rate must be beyond that by this many standard deviations.
const RATE_SIGMAS: f64 = 2.0;

/// After this time the temperature is no longer watched closely.
const WATCH: Span = Span::from_seconds(7_200);

/// What the RTC is, and what was seen of that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Variant {
    /// Whether its temperature was seen to change as that of a DS3231M does.
    is_ds3231m: bool,
    /// Whether it drifts as a DS3231M does.
    drifts: bool,
    /// Whether an earlier run has watched this very chip.
    was_known: bool,
    begun: Instant<Raw>,
    seen: Option<(f64, Instant<Raw>)>,
    changed: Option<Instant<Raw>>,
    quick_changes: u32,
}

impl Variant {
    /// Begins with what is known from an earlier run, or from the chip's stamp.
    pub(super) fn new(is_ds3231m: bool, drifts: bool, was_known: bool, now: Instant<Raw>) -> Self {
        Self { is_ds3231m, drifts, was_known, begun: now, seen: None, changed: None, quick_changes: 0 }
    }

    pub(super) fn is_ds3231m(self) -> bool {
        self.is_ds3231m
    }

    /// Returns whether it may drift as a DS3231M does.
    pub(super) fn drifts(self) -> bool {
        self.is_ds3231m || self.drifts
    }

    /// Returns what its rate can be expected to be.
    pub(super) fn model(self) -> FlywheelModel {
        if self.drifts() { FlywheelModel::DS3231M } else { FlywheelModel::DS3231 }
    }

    /// Absorbs a temperature that was read. Returns whether it has become clear that the chip is a
    /// DS3231M.
    fn see(&mut self, temperature_c: f64, at: Instant<Raw>) -> bool {
        let Some((last_c, _)) = self.seen.replace((temperature_c, at)) else { return false };
        if temperature_c == last_c || self.is_ds3231m {
            return false;
        }
        let is_quick = self.changed.replace(at).is_some_and(|changed| at - changed < QUICK);
        self.quick_changes += u32::from(is_quick);
        self.is_ds3231m = self.quick_changes >= QUICK_CHANGES;
        self.is_ds3231m
    }
}

impl Timekeeper {
    /// Returns whether the RTC's temperature should be read every few seconds, to find out what it
    /// is.
    pub fn watches_temperature(&self, now: Instant<Raw>) -> bool {
        self.rtc.as_ref().is_some_and(|rtc| !rtc.variant.is_ds3231m && now - rtc.variant.begun < WATCH)
    }

    /// Returns whether it is not known yet whether the RTC is a DS3231SN or a DS3231M: neither from an
    /// earlier run nor by watching its temperature.
    pub(super) fn may_be_ds3231m(&self, now: Instant<Raw>) -> bool {
        let Some(rtc) = self.rtc.as_ref().filter(|rtc| rtc.answers && rtc.found.chip == Chip::Ds3231) else {
            return false;
        };
        !rtc.variant.was_known && self.refused_chip.is_none() && self.watches_temperature(now)
    }

    /// Absorbs the RTC's temperature.
    pub fn rtc_temperature(&mut self, temperature_c: f64, at: Instant<Raw>) {
        let Some(rtc) = &mut self.rtc else { return };
        rtc.status.temperature_c = temperature_c;
        if rtc.variant.see(temperature_c, at) {
            rtc.take_model();
            self.notices.push(Notice::RtcIsDs3231m);
        }
    }

    /// Notes whether the RTC drifts more than a DS3231 does.
    pub(super) fn judge_rate(&mut self, at: Instant<Raw>) {
        let Some(rtc) = self.rtc.as_mut().filter(|rtc| !rtc.variant.drifts && rtc.rebasing.is_none()) else { return };
        let Some(known) = rtc.calibrated(at) else { return };
        let beyond_ppb = known.map.rate.ppb().abs() - LARGEST_RATE_PPB;
        if beyond_ppb > RATE_SIGMAS * known.rate_sigma_ppb {
            rtc.variant.drifts = true;
            if !rtc.variant.is_ds3231m {
                rtc.take_model();
                self.notices.push(Notice::RtcDrifts { rate_ppb: known.map.rate.ppb() });
            }
        }
    }
}

impl RtcState {
    /// Takes the RTC for what it has turned out to be; what is known of the time does not change.
    fn take_model(&mut self) {
        self.calibration.set_model(self.variant.model());
        if let Some(Rebasing::FromOldEdges { old, is_same_chip: true }) = &mut self.rebasing {
            old.1.set_model(self.variant.model());
        }
    }
}

#[cfg(test)]
mod tests {
    use jaudiosync_hw::rtc::{ChipMark, ChipStamp, RtcStatus, RtcTime};

    use super::*;
    use crate::timekeeping::estimate::timekeeper::FoundChip;
    use crate::timekeeping::rtc::trust::Reading;

    fn changes_every(seconds: i64, reads: i64) -> Variant {
        let mut variant = Variant::new(false, false, false, Instant::ZERO);
        for read in 0..reads {
            let at = Instant::from_second(read * 8);
            // It goes up and down by a step.
            let step = (read * 8 / seconds) % 2;
            variant.see(20.0 + 0.25 * step as f64, at);
        }
        variant
    }

    #[test]
    fn only_a_temperature_that_changes_within_a_minute_is_that_of_a_ds3231m() {
        assert!(changes_every(8, 6).is_ds3231m());
        assert!(changes_every(40, 40).is_ds3231m());
        for seconds in [64, 128, 640] {
            assert!(!changes_every(seconds, 1_000).is_ds3231m(), "{seconds}");
        }
        assert_eq!(changes_every(8, 6).model(), FlywheelModel::DS3231M);
    }

    #[test]
    fn what_carries_the_time_while_new_edges_are_found_takes_the_model_as_well() {
        let status = RtcStatus {
            oscillator_stopped: false,
            temperature_c: 20.0,
            aging_offset: 0,
            mark: ChipMark([0; 4]),
            stamp: ChipStamp::default(),
        };
        let mut timekeeper = Timekeeper::new(None);
        let found = FoundChip { chip: Chip::Ds3231, is_writable: true };
        let reading = Reading::new(RtcTime::Valid { rtc_s: 2_396_131_200 });
        timekeeper.rtc_found(found, reading, status, Instant::ZERO);
        let rtc = timekeeper.rtc.as_mut().expect("it was found");
        let before = rtc.tracker.clone();
        rtc.begin_rebasing(before, true);
        rtc.variant.is_ds3231m = true;
        rtc.take_model();
        let Some(Rebasing::FromOldEdges { old, .. }) = &rtc.rebasing else { panic!("{:?}", rtc.rebasing) };
        assert_eq!(old.1, rtc.calibration);
    }

    #[test]
    fn one_disturbed_read_does_not_make_it_one() {
        let mut variant = Variant::new(false, false, false, Instant::ZERO);
        for read in 0..1_000 {
            variant.see(if read == 500 { -40.0 } else { 20.0 }, Instant::from_second(read * 8));
        }
        assert!(!variant.is_ds3231m());
    }
}
