//! What is to be written to the RTC: its time where that is wrong, and the stamp that says when it
//! was right.

use jaudiosync_hw::rtc::{ChipMark, ChipStamp};
use jaudiosync_time::{Instant, Raw, Rtc, Span};

use super::flywheel::RtcState;
use super::{Best, Timekeeper, agreement};
use crate::timekeeping::rtc::stamp::{Quality, STAMP_SPAN, Stamp};

/// An RTC that is wrong by more than this is set as soon as boxes agree as below.
const FAR_OFF: Span = Span::from_ms(500);
const FAR_OFF_AGREEMENT: Span = Span::from_ms(100);

/// An RTC that is wrong by more than this is set now and then, so that a box that loses what it saved
/// is hardly wrong. A chip within the datasheet's 2 ppm takes 17 min to become that wrong.
const KEPT_RIGHT: Span = Span::from_ms(2);
const KEEP_INTERVAL: Span = Span::from_seconds(1800);

/// For that boxes that are compared with the same references must agree to this at once, or to the
/// larger figure once the references were heard for a while and do not make it better.
const GOOD_AGREEMENT: Span = Span::from_ms(5);
const FAIR_AGREEMENT: Span = Span::from_ms(20);
const PATIENCE: Span = Span::from_seconds(600);

/// A stamp is renewed after this time.
const STAMP_AGE: Span = Span::from_seconds(6 * 3600);

/// What is to be written to the RTC now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// Nothing.
    Nothing,
    /// The time, as a second begins. With it the stamp that holds until the new edges are known.
    Time {
        /// How right the RTC will be.
        quality: Option<Quality>,
        /// Whether it is as right as that already.
        was_right: bool,
        /// Whether it was wrong by so little that the second must be met exactly.
        is_fine: bool,
        /// By how much it is wrong, if that is known.
        off: Option<Span>,
    },
    /// The stamp alone: none if the RTC turns out not to be as right as its stamp says.
    Stamp(ChipStamp),
}

impl Timekeeper {
    /// Returns what is to be written to the RTC. It is set if it is not believed, is off, or shows
    /// the next century, or if the user asks for it; all that only while a reference gives the time.
    pub fn upkeep(&self, now: Instant<Raw>, is_wished: bool) -> Upkeep {
        let is_free = |rtc: &&RtcState| rtc.found.is_writable && rtc.answers && rtc.rebasing.is_none();
        let Some(rtc) = self.rtc.as_ref().filter(is_free).filter(|_| self.is_referenced(now)) else {
            return Upkeep::Nothing;
        };
        let Some(best) = self.best(now) else { return Upkeep::Nothing };
        let (agreement, bound) = (agreement(&best), Span::from_ns_f64(best.bound.ns()));
        let off = rtc.ahead_of(&best, now).map(Span::abs);
        let is_wrong = rtc.distrusted.is_some() || rtc.has_century_bit || off.is_some_and(|off| off > FAR_OFF);
        if agreement < FAR_OFF_AGREEMENT && (is_wished || is_wrong) {
            // Until the new edges are known it may be off by as much as a busy machine delays it.
            let quality = Quality::of_errors_ns((bound * 2).ns_f64(), 0.0).map(|_| Quality::Rough);
            return Upkeep::Time { quality, was_right: false, is_fine: false, off };
        }
        let Some(off) = off.filter(|_| rtc.was_compared && self.is_good(agreement, now)) else {
            return Upkeep::Nothing;
        };
        let quality = Quality::of_errors_ns((off + bound).ns_f64(), (off + agreement).ns_f64());
        let may_be_set = self.rtc_set_at.is_none_or(|set_at| now - set_at >= KEEP_INTERVAL);
        if off > KEPT_RIGHT && may_be_set {
            let will_be = Quality::of_errors_ns(bound.ns_f64(), agreement.ns_f64()).map(|_| Quality::Rough);
            return Upkeep::Time { quality: will_be, was_right: quality.is_some(), is_fine: true, off: Some(off) };
        }
        self.stamp_upkeep(rtc, quality, now)
    }

    fn is_good(&self, agreement: Span, now: Instant<Raw>) -> bool {
        let heard_for = self.heard_from.map_or(Span::ZERO, |from| now - from);
        agreement < GOOD_AGREEMENT || agreement < FAIR_AGREEMENT && heard_for >= PATIENCE
    }

    /// Returns whether the stamp is to be written, if the RTC is this right.
    fn stamp_upkeep(&self, rtc: &RtcState, quality: Option<Quality>, now: Instant<Raw>) -> Upkeep {
        let Some(shown) = rtc.tracker.map().map(|map| map.apply(now)) else { return Upkeep::Nothing };
        // Whether it drifts must be right as well.
        let held = Stamp::decode(rtc.status.stamp, shown).filter(|held| held.drifts == rtc.variant.drifts());
        match (held, quality) {
            (Some(held), Some(Quality::Fine)) if held.quality == Quality::Fine && held.age(shown) < STAMP_AGE => {
                Upkeep::Nothing
            }
            (Some(held), Some(Quality::Rough)) if held.age(shown) < STAMP_AGE => Upkeep::Nothing,
            (_, Some(quality)) => Upkeep::Stamp(self.new_stamp(shown, quality)),
            // It was set, and not met.
            (Some(held), None) if held.age(shown) < STAMP_SPAN + Span::HOUR => Upkeep::Stamp(self.no_stamp()),
            (_, None) => Upkeep::Nothing,
        }
    }

    /// Makes a stamp for when the RTC shows `at`.
    pub fn new_stamp(&self, at: Instant<Rtc>, quality: Quality) -> ChipStamp {
        let drifts = self.rtc.as_ref().is_some_and(|rtc| rtc.variant.drifts());
        Stamp::new(at, quality, drifts, &self.other_stamps()).encode()
    }

    /// Makes what says that there is no stamp.
    pub fn no_stamp(&self) -> ChipStamp {
        Stamp::none(&self.other_stamps())
    }

    /// Returns the stamps from which the next one must differ.
    fn other_stamps(&self) -> Vec<ChipStamp> {
        let held = self.rtc.as_ref().map(|rtc| rtc.status.stamp);
        let saved = self.saved.as_ref().and_then(|saved| saved.stamp).map(ChipStamp);
        held.into_iter().chain(saved).collect()
    }

    /// Returns whether the RTC's new edges are being found, after it was set or has jumped.
    pub fn is_rebasing(&self) -> bool {
        self.rtc.as_ref().is_some_and(|rtc| rtc.rebasing.is_some())
    }

    /// Notes that the second was missed: it is tried again later.
    pub fn put_off_setting(&mut self, now: Instant<Raw>) {
        self.rtc_set_at = Some(now);
    }

    /// Returns how long before a second begins it must be written.
    pub fn write_lead(&self) -> Span {
        self.rtc.as_ref().map_or(Span::ZERO, |rtc| rtc.tracker.write_lead())
    }

    /// Notes that the chip was marked.
    pub fn rtc_was_marked(&mut self, mark: ChipMark) {
        if let Some(rtc) = &mut self.rtc {
            rtc.status.mark = mark;
        }
    }

    /// Notes that the chip was stamped.
    pub fn rtc_was_stamped(&mut self, stamp: ChipStamp) {
        if let Some(rtc) = &mut self.rtc {
            rtc.status.stamp = stamp;
        }
    }

    /// Returns the mark of the chip, from which a new one is made.
    pub fn mark(&self) -> Option<ChipMark> {
        self.rtc.as_ref().map(|rtc| rtc.status.mark)
    }

    /// Returns whether the chip carries the mark of the calibration that was saved.
    pub fn is_marked(&self) -> bool {
        let saved = self.saved.as_ref().and_then(|saved| saved.mark);
        // A chip that was never marked holds zeros, as any other does.
        saved.is_some_and(|saved| saved != [0; 4] && self.mark() == Some(ChipMark(saved)))
    }
}

impl RtcState {
    /// Returns by how much the RTC is ahead of UTC.
    fn ahead_of(&self, best: &Best, now: Instant<Raw>) -> Option<Span> {
        let map = self.tracker.map()?;
        let rtc_to_utc = map.inverse().then(&best.utc);
        Some(-rtc_to_utc.anchored_at(map.apply(now)).offset())
    }
}
