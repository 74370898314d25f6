//! How the timekeeper handles the RTC's edges: all that the tracker absorbs comes through here.

use jaudiosync_hw::rtc::RtcTime;
use jaudiosync_time::{ClockMap, Instant, Raw, Rtc, Span, Utc};

use super::Timekeeper;
use super::flywheel::{Best, Rebasing, RtcState};
use crate::timekeeping::estimate::group::GroupClock;
use crate::timekeeping::notice::Notice;
use crate::timekeeping::rtc::edge_search::{Outcome, Search, SearchPlan};
use crate::timekeeping::rtc::edge_tracker::{Edge, EdgeVerdict, Probe};
use crate::timekeeping::rtc::second::{DateReading, is_expected, second_of_edge, second_of_probe};

/// Whether the RTC shows what is expected of it.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It does, or nothing is expected.
    Plausible,
    /// It shows another second: another program has set it. Its date should be read next.
    Doubtful,
}

impl Timekeeper {
    /// Plans the search for the next edge; returns `None` while there is no RTC.
    pub fn plan(&self, now: Instant<Raw>) -> Option<SearchPlan> {
        self.rtc.as_ref().map(|rtc| rtc.tracker.plan(now))
    }

    /// Absorbs what a search found. `ended` is when it did; `plan` is what it carried out.
    pub fn searched(&mut self, ended: Instant<Raw>, plan: &SearchPlan, search: &Search) -> Seen {
        if let Some(rtc) = &mut self.rtc {
            rtc.tracker.searched(ended, search);
        }
        match search.outcome {
            Outcome::Failed(_) => Seen::Plausible,
            Outcome::Missed => {
                self.missed();
                Seen::Plausible
            }
            Outcome::Edge { second, at, half_width } => self.edge(second, at, half_width),
            Outcome::Probe { second, latched, uncertainty } => self.probe(second, latched, uncertainty, plan.begins()),
        }
    }

    /// Notes that a search found no edge.
    pub fn missed(&mut self) {
        if let Some(rtc) = &mut self.rtc {
            rtc.tracker.missed();
        }
    }

    /// Absorbs an edge: the seconds register after it, and the middle and half the width of its
    /// bracket.
    pub fn edge(&mut self, register: u8, at: Instant<Raw>, half_width: Span) -> Seen {
        let Some(rtc) = &mut self.rtc else { return Seen::Plausible };
        let expected = rtc.tracker.rough_map().filter(|_| !rtc.tracker.is_in_doubt());
        let Some(second) = second_of_edge(register, at, expected, rtc.date) else { return rtc.doubt() };
        rtc.answers = true;
        let before = rtc.tracker.clone();
        if let EdgeVerdict::Jumped { by } = rtc.tracker.edge(Edge { second, at, half_width }) {
            rtc.begin_rebasing(before, true);
            self.notices.push(Notice::RtcJumped { by });
        }
        self.end_rebasing(at);
        Seen::Plausible
    }

    /// Absorbs the answer to a probe that was to begin at `planned`.
    pub fn probe(&mut self, register: u8, latched: Instant<Raw>, uncertainty: Span, planned: Instant<Raw>) -> Seen {
        let Some(rtc) = &mut self.rtc else { return Seen::Plausible };
        let expected = rtc.tracker.rough_map();
        // The latch fell before the edge, or after it: any other second is a jump.
        let seen = expected.and_then(|map| second_of_probe(register, latched, &map));
        let Some((second, has_begun)) = seen else { return rtc.doubt() };
        rtc.tracker.probe(Probe { second, has_begun, latched, uncertainty, planned });
        rtc.answers = true;
        Seen::Plausible
    }

    /// Notes the date that the RTC shows.
    pub fn rtc_date(&mut self, time: RtcTime, at: Instant<Raw>) {
        let Some(rtc) = &mut self.rtc else { return };
        // A clock without a date still has seconds: any date will do to count from.
        let date = DateReading { second: if let RtcTime::Valid { rtc_s } = time { rtc_s } else { 0 }, at };
        rtc.date = Some(date);
        if matches!(time, RtcTime::Valid { .. })
            && let Some(map) = rtc.tracker.map()
            && !is_expected(date, &map)
        {
            rtc.tracker.doubt();
        }
    }

    /// Takes the RTC's offset from what has bridged its edges, once the new ones are known.
    fn end_rebasing(&mut self, at: Instant<Raw>) {
        let is_known = self.rtc.as_ref().is_some_and(|rtc| rtc.rebasing.is_some() && rtc.tracker.map().is_some());
        if !is_known {
            return;
        }
        let Some(Best { utc, sigma_ns, bound, was_compared, .. }) = self.best(at) else { return };
        let Some(rtc) = &mut self.rtc else { return };
        let Some(map) = rtc.tracker.map() else { return };
        let bridge = match rtc.rebasing.take() {
            Some(Rebasing::FromOldEdges { old, is_same_chip: true }) => old.0.map().map(|old_map| (old, old_map)),
            _ => None,
        };
        match bridge {
            // The RTC shows another time and goes on as before: so does its calibration.
            Some((old, old_map)) => {
                let (tracker, mut calibration) = *old;
                calibration.advance(old_map.apply(at), Some(rtc.status.temperature_c));
                let sigma_ns = tracker.sigma_ns(at).hypot(rtc.tracker.sigma_ns(at));
                let by = map.apply(at) - old_map.apply(at);
                calibration.shift(by, sigma_ns);
                rtc.calibration = calibration;
                self.group.iter_mut().for_each(|group| group.rtc_shifted(by, sigma_ns));
            }
            None => {
                rtc.calibration.restart(map.apply(at), utc.apply(at), sigma_ns, bound.ns());
                self.group.iter_mut().for_each(GroupClock::rtc_lost);
            }
        }
        rtc.was_compared |= was_compared;
    }

    /// Returns RTC time as a function of the raw clock, if it is known.
    pub fn rtc_map(&self) -> Option<ClockMap<Raw, Rtc>> {
        self.rtc.as_ref().and_then(|rtc| rtc.tracker.map())
    }

    /// Returns UTC when the RTC shows `at`, according to the calibration: for reports.
    pub fn calibrated_utc(&self, at: Instant<Rtc>) -> Option<Instant<Utc>> {
        let rtc = self.rtc.as_ref().filter(|rtc| rtc.rebasing.is_none())?;
        Some(rtc.calibration.at(at).map.to)
    }
}

impl RtcState {
    fn doubt(&mut self) -> Seen {
        self.tracker.doubt();
        Seen::Doubtful
    }
}
