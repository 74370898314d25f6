//! The timekeeper: puts the RTC, its calibration and the references together into one estimate of UTC.
//!
//! Two flywheels carry the time on, the RTC and the Pi's crystal, and each is calibrated by every sample of a reference that
//! is believed. The RTC is used wherever it can be; the crystal bridges the time until its edges are found, or while it is
//! being set. Nothing here reads a clock or a register: all that is seen is passed in.
//!
//! - `rtc` and `samples` take in what is seen, `report` says how things stand;
//! - `flywheel` is the RTC and what bridges it, `learning` how much of a sample is taken for true.

mod flywheel;
mod learning;
mod report;
mod rtc;
mod samples;

use jaudiosync_hw::clocks::NS_PER_S;

use self::flywheel::{Best, RtcState};
use super::Timescale;
use super::calibration::{Calibration, Offset};
use super::notice::Notice;
use super::presentation::{Presentation, STEP_NS, Shown};
use super::references::Source;
use super::saved::SavedTime;
use super::selection::{Selection, Verdict};
use super::status::{BOUND_SIGMAS, Estimate, TimeState};

/// The time counts as referenced for so long after a sample: the longest interval between samples of NTP, and a little.
const REFERENCED_NS: i64 = 1_200_000_000_000;

/// UTC as everybody shall take it now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Moved on from what it was before without a jump.
    pub estimate: Estimate,
    /// What it shall be instead once UTC may be stepped, where it is far off.
    pub corrected: Option<Estimate>,
}

/// Puts everything together.
#[derive(Debug, Clone)]
pub struct Timekeeper {
    rtc: Option<RtcState>,
    crystal: Option<Calibration>,
    saved: Option<SavedTime>,
    selection: Selection,
    presentation: Presentation,
    /// The last sample that was believed: its source, the raw clock, UTC.
    believed: Option<(Source, i64, i64)>,
    refused: Vec<(Source, Verdict)>,
    troubles: Vec<(Source, String)>,
    /// When each source was heard last, on the raw clock.
    heard: Vec<(Source, i64)>,
    notices: Vec<Notice>,
    shown: Option<Shown>,
    bound_ns: f64,
}

impl Timekeeper {
    /// Begins with what was kept.
    pub fn new(saved: Option<SavedTime>) -> Self {
        Self {
            rtc: None,
            crystal: None,
            saved,
            selection: Selection::default(),
            presentation: Presentation::default(),
            believed: None,
            refused: Vec::new(),
            troubles: Vec::new(),
            heard: Vec::new(),
            notices: Vec::new(),
            shown: None,
            bound_ns: f64::INFINITY,
        }
    }

    /// The best estimate, not smoothed: what the RTC is set by.
    pub fn best_timescale(&self, now_raw_ns: i64) -> Option<Timescale> {
        self.best(now_raw_ns).map(|best| best.timescale)
    }

    /// The estimate at a reading of the raw clock. `fallback` is what to show while nothing is known: the system clock.
    /// `may_step` makes a large correction at once.
    pub fn update(&mut self, now_raw_ns: i64, fallback: &Timescale, may_step: bool) -> Update {
        if let Some(rtc) = &mut self.rtc
            && let Some(map) = rtc.tracker.map()
        {
            rtc.calibration.advance(map.utc_ns(now_raw_ns), Some(rtc.status.temperature_c));
        }
        if let Some(crystal) = &mut self.crystal {
            crystal.advance(now_raw_ns, None);
        }
        let best = self.best(now_raw_ns);
        let timescale = best.as_ref().map_or(*fallback, |best| best.timescale);
        let shown = self.presentation.update(now_raw_ns, &timescale, may_step);
        if let Some(by_ns) = shown.stepped_ns {
            self.notices.push(Notice::Stepped { by_ns });
        }
        self.shown = Some(shown);
        let sigma_ns = best.as_ref().map_or(f64::INFINITY, |best| best.sigma_ns);
        self.bound_ns = BOUND_SIGMAS * sigma_ns + (shown.behind_ns as f64).abs();
        let state = self.state(best.as_ref(), now_raw_ns);
        let corrected = Estimate { timescale, bound_ns: BOUND_SIGMAS * sigma_ns, state };
        Update {
            estimate: Estimate { timescale: shown.timescale, bound_ns: self.bound_ns, state },
            corrected: (shown.behind_ns.abs() > STEP_NS).then_some(corrected),
        }
    }

    fn state(&self, best: Option<&Best>, now_raw_ns: i64) -> TimeState {
        match best {
            None => TimeState::Unset,
            Some(_) if self.is_referenced(now_raw_ns) => TimeState::Referenced,
            Some(_) => TimeState::Holdover,
        }
    }

    fn is_referenced(&self, now_raw_ns: i64) -> bool {
        self.believed.as_ref().is_some_and(|(_, raw_ns, _)| now_raw_ns.saturating_sub(*raw_ns) < REFERENCED_NS)
    }

    /// The best of the two flywheels.
    fn best(&self, raw_ns: i64) -> Option<Best> {
        if let Some(rtc) = &self.rtc
            && (rtc.distrusted.is_none() || rtc.was_compared)
            && let Some(best) = rtc.best(raw_ns)
        {
            return Some(best);
        }
        let crystal = self.crystal.as_ref()?;
        let Offset { offset_ns, sigma_ns, rate_ppb, .. } = crystal.at(raw_ns);
        let utc_ns = raw_ns.saturating_add(offset_ns);
        Some(Best {
            timescale: Timescale { raw_ns, utc_ns, rate_ppb },
            sigma_ns,
            was_compared: true,
            flywheel: "the Pi's crystal",
        })
    }

    /// What has happened since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Whether a reference was believed since the start, and the RTC is therefore calibrated by this run.
    pub fn has_heard_reference(&self) -> bool {
        self.believed.is_some()
    }

    /// What is to be kept on disk; nothing while the time is not known, so that a wrong one never gets there.
    pub fn save(&mut self, now_raw_ns: i64) -> Option<SavedTime> {
        let best = self.best(now_raw_ns).filter(|best| best.was_compared)?;
        let reference = self.believed.as_ref().map(|(_, _, utc_ns)| utc_ns.div_euclid(NS_PER_S));
        let rtc = self.rtc.as_ref().filter(|rtc| rtc.was_compared && rtc.rebasing.is_none());
        let saved = SavedTime {
            utc_s: best.timescale.utc_ns.div_euclid(NS_PER_S),
            reference_utc_s: reference.or(self.saved.as_ref().and_then(|saved| saved.reference_utc_s)),
            mark: rtc.map(|rtc| rtc.status.mark.0),
            aging_offset: rtc.map_or(0, |rtc| rtc.status.aging_offset),
            calibration: rtc.map(|rtc| rtc.calibration.save()),
        };
        self.saved = Some(saved.clone());
        Some(saved)
    }
}
