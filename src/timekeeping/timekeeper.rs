//! The timekeeper: puts the RTC, its calibration and the references together into one estimate of UTC.
//!
//! Two flywheels carry the time on, the RTC and the Pi's crystal, and each is calibrated by every sample of a reference that
//! is believed. The RTC is used wherever it can be; the crystal bridges the time until its edges are found, or while it is
//! being set. Nothing here reads a clock or a register: all that is seen is passed in.

use jaudiosync_hw::clocks::NS_PER_S;
use jaudiosync_hw::rtc::{ChipMark, RtcStatus, RtcTime};

use super::Timescale;
use super::calibration::{Calibration, FlywheelModel, Offset};
use super::edge_tracker::{Edge, EdgeTracker, EdgeVerdict};
use super::presentation::{Presentation, STEP_NS, Shown};
use super::references::{Sample, Source};
use super::saved::SavedTime;
use super::selection::{Claim, Selection, Verdict};
use super::status::{Estimate, RtcReport, TimeState, TimeStatus};
use super::trust::{Distrust, judge};

/// The error bound is so many standard deviations.
const BOUND_SIGMAS: f64 = 4.0;

/// An RTC that was never compared is taken to be right to this: whoever set it did so by hand, or to the second.
const UNCOMPARED_SIGMA_NS: f64 = 0.5e9;

/// The time counts as referenced for so long after a sample: the longest interval between samples of NTP, and a little.
const REFERENCED_NS: i64 = 1_200_000_000_000;

/// An RTC that is wrong by more than this is set.
const SET_RTC_NS: f64 = 0.5e9;

/// The RTC is only set by somebody who knows the time to this.
const SET_RTC_BOUND_NS: f64 = 0.1e9;

/// What all samples of a source may have in common is a standard deviation of this part of what is possible at all. For NTP
/// that is half the way there and back: networks are seldom as asymmetric as they could be.
const BIAS_PART: f64 = 1.0 / 16.0;

/// A sample so many standard deviations off means that the calibration is too sure of itself, and it loses confidence.
const SURPRISE_SIGMAS: f64 = 4.0;

/// Of a sample that was taken: whether the player has to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A source is believed from now on that was not heard before, or is back.
    Believed(Source),
    /// A source is not believed.
    Refused(Source, Verdict),
    /// The RTC was set by somebody else, or restarted.
    RtcJumped {
        /// By how much it is ahead of where it was, in ns.
        by_ns: i64,
    },
    /// The RTC is not believed.
    RtcDistrusted(Distrust),
    /// The calibration of another chip, or of before a change of the battery or the aging register, is given up.
    CalibrationReset(&'static str),
    /// What everybody takes for UTC was stepped.
    Stepped {
        /// In ns.
        by_ns: i64,
    },
}

/// The RTC and what is known of it.
#[derive(Debug, Clone)]
struct RtcState {
    tracker: EdgeTracker,
    calibration: Calibration,
    /// Whether the calibration has seen a reference, in this run or an earlier one.
    was_compared: bool,
    distrusted: Option<Distrust>,
    /// The RTC was set or has jumped: until its new edges are known, the old ones carry on, or the crystal; its new
    /// offset is then taken from them.
    rebasing: Option<Rebasing>,
    status: RtcStatus,
    is_writable: bool,
    answers: bool,
}

/// What carries the time on while the RTC's new phase is being found.
#[derive(Debug, Clone)]
enum Rebasing {
    /// The RTC's old edges and calibration.
    FromOldEdges(Box<(EdgeTracker, Calibration)>),
    /// The crystal.
    FromCrystal,
}

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
        });
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
            let offset_ns = calibration.offset_ns(calibration.flywheel_ns());
            let sigma_ns = calibration.at(calibration.flywheel_ns()).sigma_ns;
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
        rtc.status = status;
    }

    /// The chip was marked.
    pub fn rtc_was_marked(&mut self, mark: ChipMark) {
        if let Some(rtc) = &mut self.rtc {
            rtc.status.mark = mark;
        }
    }

    /// A reference has nothing to tell, and why.
    pub fn trouble(&mut self, source: Source, reason: String) {
        self.troubles.retain(|(other, _)| *other != source);
        self.troubles.push((source, reason));
    }

    /// A reference tells the time.
    pub fn sample(&mut self, sample: &Sample) {
        let claim = self.best(sample.raw_ns).map(|best| Claim {
            utc_ns: best.timescale.utc_ns(sample.raw_ns),
            bound_ns: BOUND_SIGMAS * best.sigma_ns,
            was_compared: best.was_compared,
        });
        let verdict = self.selection.judge(sample, claim);
        self.refused.retain(|(source, _)| *source != sample.source);
        self.troubles.retain(|(source, _)| *source != sample.source);
        match verdict {
            Verdict::Agrees => self.learn(sample),
            Verdict::Overrules => {
                self.forget_offsets(sample);
                self.learn(sample);
            }
            _ => {
                self.notices.push(Notice::Refused(sample.source.clone(), verdict));
                self.refused.push((sample.source.clone(), verdict));
                return;
            }
        }
        if self.believed.as_ref().is_none_or(|(source, ..)| *source != sample.source) {
            self.notices.push(Notice::Believed(sample.source.clone()));
        }
        self.believed = Some((sample.source.clone(), sample.raw_ns, sample.utc_ns));
    }

    /// What was known is wrong: both flywheels begin anew with this sample.
    fn forget_offsets(&mut self, sample: &Sample) {
        self.crystal = None;
        self.heard.clear();
        if let Some(rtc) = &mut self.rtc
            && let Some(map) = rtc.tracker.map()
        {
            let rtc_ns = map.utc_ns(sample.raw_ns);
            rtc.calibration.restart_offset(rtc_ns, sample.utc_ns.saturating_sub(rtc_ns), sample.bound_ns);
        }
    }

    fn learn(&mut self, sample: &Sample) {
        let sigma_ns = sample.sigma_ns.clamp(100.0, 1e9);
        let bias_sigma_ns = sample.bound_ns.clamp(100.0, 1e10) * BIAS_PART;
        let repeated = self.repeated(sample);
        let crystal = self.crystal.get_or_insert_with(|| {
            let offset_ns = sample.utc_ns.saturating_sub(sample.raw_ns);
            Calibration::new(FlywheelModel::CRYSTAL, sample.raw_ns, offset_ns, sample.bound_ns)
        });
        crystal.advance(sample.raw_ns, None);
        let reading = Observed { sigma_ns, bias_sigma_ns, repeated };
        take(crystal, sample.raw_ns, sample.utc_ns, reading);
        if let Some(rtc) = &mut self.rtc
            && rtc.rebasing.is_none()
            && let Some(map) = rtc.tracker.map()
        {
            let rtc_ns = map.utc_ns(sample.raw_ns);
            rtc.calibration.advance(rtc_ns, Some(rtc.status.temperature_c));
            let sigma_ns = sigma_ns.hypot(rtc.tracker.sigma_ns(sample.raw_ns));
            take(&mut rtc.calibration, rtc_ns, sample.utc_ns, Observed { sigma_ns, bias_sigma_ns, repeated });
            rtc.was_compared = true;
        }
    }

    /// How many samples of a source fall within the time in which its errors stay alike, see
    /// `SourceKind::correlation_s`: what they have in common counts once.
    fn repeated(&mut self, sample: &Sample) -> f64 {
        let last = self.heard.iter().find(|(source, _)| *source == sample.source).map(|(_, raw_ns)| *raw_ns);
        self.heard.retain(|(source, _)| *source != sample.source);
        self.heard.push((sample.source.clone(), sample.raw_ns));
        let Some(last_raw_ns) = last else { return 1.0 };
        let since_s = sample.raw_ns.saturating_sub(last_raw_ns) as f64 * 1e-9;
        (sample.source.kind.correlation_s() / since_s.max(1.0)).max(1.0)
    }

    /// Whether the RTC should be set: it is not believed, or far off, or it is wished, and somebody trustworthy has told the
    /// time.
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
        BOUND_SIGMAS * best.sigma_ns < SET_RTC_BOUND_NS && (is_wished || rtc.distrusted.is_some() || is_far_off)
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
        let sigma_ns = best.map_or(f64::INFINITY, |best| best.sigma_ns);
        self.bound_ns = BOUND_SIGMAS * sigma_ns + (shown.behind_ns as f64).abs();
        let state = self.state(now_raw_ns);
        let corrected = Estimate { timescale, bound_ns: BOUND_SIGMAS * sigma_ns, state };
        Update {
            estimate: Estimate { timescale: shown.timescale, bound_ns: self.bound_ns, state },
            corrected: (shown.behind_ns.abs() > STEP_NS).then_some(corrected),
        }
    }

    fn state(&self, now_raw_ns: i64) -> TimeState {
        match self.best(now_raw_ns) {
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
        let Offset { sigma_ns, rate_ppb, .. } = crystal.at(raw_ns);
        let utc_ns = raw_ns.saturating_add(crystal.offset_ns(raw_ns));
        Some(Best {
            timescale: Timescale { raw_ns, utc_ns, rate_ppb },
            sigma_ns,
            was_compared: true,
            flywheel: "the Pi's crystal",
        })
    }

    /// RTC time as a function of the raw clock, where it is known.
    pub fn rtc_map(&self) -> Option<Timescale> {
        self.rtc.as_ref().and_then(|rtc| rtc.tracker.map())
    }

    /// UTC when the RTC shows this, as the calibration has it: for reports.
    pub fn calibrated_utc_ns(&self, rtc_ns: i64) -> Option<i64> {
        let rtc = self.rtc.as_ref().filter(|rtc| rtc.rebasing.is_none())?;
        Some(rtc_ns.saturating_add(rtc.calibration.offset_ns(rtc_ns)))
    }

    /// What has happened since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
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

    /// Everything that is to be told.
    pub fn status(&self, now_raw_ns: i64) -> TimeStatus {
        let best = self.best(now_raw_ns);
        let shown_utc_ns = self.shown.map_or(0, |shown| shown.timescale.utc_ns(now_raw_ns));
        let behind_ms = self.shown.map_or(0.0, |shown| shown.behind_ns as f64 * 1e-6);
        let age_s = match &self.believed {
            Some((_, raw_ns, _)) => Some(now_raw_ns.saturating_sub(*raw_ns) as f64 * 1e-9),
            None => self
                .saved
                .as_ref()
                .and_then(|saved| saved.reference_utc_s)
                .map(|reference_utc_s| shown_utc_ns.div_euclid(NS_PER_S).saturating_sub(reference_utc_s) as f64),
        };
        TimeStatus {
            state: self.state(now_raw_ns),
            utc_ns: shown_utc_ns,
            bound_ms: self.bound_ns.is_finite().then_some(self.bound_ns * 1e-6),
            flywheel: best.as_ref().map_or("the system clock", |best| best.flywheel),
            reference: self.believed.as_ref().map(|(source, ..)| source.to_string()),
            reference_age_s: age_s,
            waiting_correction_ms: (behind_ms.abs() * 1e6 > STEP_NS as f64).then_some(behind_ms),
            rtc: self.rtc.as_ref().map(|rtc| rtc.report(now_raw_ns)),
            warnings: self.warnings(best.as_ref()),
        }
    }

    fn warnings(&self, best: Option<&Best>) -> Vec<String> {
        let mut warnings = Vec::new();
        if best.is_none() {
            warnings.push("no trustworthy time: this box is not in sync with the others".to_owned());
        } else if best.is_some_and(|best| !best.was_compared) {
            warnings.push(
                "the clock was never compared with a reference: it is as right as whoever set it, to a second or so"
                    .to_owned(),
            );
        }
        if let Some(rtc) = &self.rtc {
            warnings.extend(rtc.distrusted.map(|distrust| distrust.to_string()));
            if !rtc.answers {
                warnings.push("the clock does not answer on the bus; going on without it".to_owned());
            }
            if !rtc.is_writable {
                warnings.push("the kernel's RTC driver owns the clock; remove dtoverlay=i2c-rtc".to_owned());
            }
        }
        warnings.extend(self.troubles.iter().map(|(source, reason)| format!("{source}: {reason}")));
        warnings.extend(self.refused.iter().map(|(source, verdict)| refusal(source, *verdict)));
        warnings
    }
}

/// Why a source is not believed, and what to do about it.
pub fn refusal(source: &Source, verdict: Verdict) -> String {
    match verdict {
        Verdict::Contradicts { by_ns } => format!(
            "{source} is not believed: it is {:+.3} s off what this box knows. If the box is wrong: jaudiosync time forget",
            by_ns * 1e-9
        ),
        Verdict::Falseticker { by_ns } => {
            format!("{source} is not believed: it is {:+.3} s off what others say", by_ns * 1e-9)
        }
        Verdict::Impossible => format!("{source} is not believed: it tells a time that cannot be"),
        Verdict::Agrees | Verdict::Overrules => format!("{source} is believed"),
    }
}

/// An estimate and where it comes from.
struct Best {
    timescale: Timescale,
    sigma_ns: f64,
    was_compared: bool,
    flywheel: &'static str,
}

/// How far a sample can be off.
#[derive(Debug, Clone, Copy)]
struct Observed {
    /// What is another with each sample.
    sigma_ns: f64,
    /// What samples of its source have in common.
    bias_sigma_ns: f64,
    /// So many samples share it.
    repeated: f64,
}

/// Corrects a calibration. One that is surprised was too sure of itself: it takes the sample for more than it believed.
fn take(calibration: &mut Calibration, flywheel_ns: i64, utc_ns: i64, observed: Observed) {
    let Observed { sigma_ns, bias_sigma_ns, repeated } = observed;
    // What a worse source has in common with itself is no news for a calibration that knows a better one.
    let own_bias_ns = if calibration.samples() == 0 { bias_sigma_ns } else { calibration.bias_sigma_ns() };
    let extra = (bias_sigma_ns.powi(2) - own_bias_ns.powi(2)).max(0.0) * repeated;
    let variance = sigma_ns * sigma_ns + extra;
    let known = calibration.at(flywheel_ns);
    let innovation_ns = utc_ns.saturating_sub(flywheel_ns).saturating_sub(calibration.offset_ns(flywheel_ns)) as f64;
    let surprise = innovation_ns.abs() / (known.sigma_ns * known.sigma_ns + variance).sqrt();
    if surprise > SURPRISE_SIGMAS {
        calibration.lose_confidence((surprise / SURPRISE_SIGMAS).powi(2).min(1e6));
    }
    calibration.correct(flywheel_ns, utc_ns, variance.sqrt(), bias_sigma_ns);
}

impl RtcState {
    /// What was known of the RTC before a jump carries on until its new phase is known. One that jumps again meanwhile
    /// is still carried on from before the first.
    fn begin_rebasing(&mut self, before: EdgeTracker) {
        if self.rebasing.is_none() {
            let old = (before, self.calibration.clone());
            self.rebasing = Some(Rebasing::FromOldEdges(Box::new(old)));
        }
    }

    fn best(&self, raw_ns: i64) -> Option<Best> {
        let (tracker, calibration) = match &self.rebasing {
            None => (&self.tracker, &self.calibration),
            Some(Rebasing::FromOldEdges(old)) => (&old.0, &old.1),
            Some(Rebasing::FromCrystal) => return None,
        };
        let map = tracker.map()?;
        let rtc_ns = map.utc_ns(raw_ns);
        let known = calibration.at(rtc_ns);
        let rate = (1.0 + map.rate_ppb * 1e-9) * (1.0 + known.rate_ppb * 1e-9) - 1.0;
        let utc_ns = rtc_ns.saturating_add(calibration.offset_ns(rtc_ns));
        Some(Best {
            timescale: Timescale { raw_ns, utc_ns, rate_ppb: rate * 1e9 },
            sigma_ns: known.sigma_ns.hypot(tracker.sigma_ns(raw_ns)),
            was_compared: self.was_compared,
            flywheel: "RTC",
        })
    }

    fn report(&self, now_raw_ns: i64) -> RtcReport {
        let known = self.tracker.map().map(|map| (map.utc_ns(now_raw_ns), self.calibration.at(map.utc_ns(now_raw_ns))));
        let offset = known.map(|(rtc_ns, known)| (self.calibration.offset_ns(rtc_ns) as f64 * 1e-6, known));
        RtcReport {
            answers: self.answers,
            distrusted: self.distrusted,
            offset_ms: offset.map(|(offset_ms, _)| offset_ms),
            offset_sigma_ms: offset.map(|(_, known)| known.sigma_ns * 1e-6),
            rate_ppb: offset.map(|(_, known)| known.rate_ppb),
            rate_sigma_ppb: offset.map(|(_, known)| known.rate_sigma_ppb),
            edge_sigma_ms: known.map(|_| self.tracker.sigma_ns(now_raw_ns) * 1e-6),
            temperature_c: Some(self.status.temperature_c),
            oscillator_stopped: Some(self.status.oscillator_stopped),
            aging_offset: Some(self.status.aging_offset),
            samples: self.calibration.samples(),
            is_writable: self.is_writable,
        }
    }
}
