//! How the timekeeper handles samples of references.

use super::flywheel::Rebasing;
use super::learning::{Observed, absorb};
use super::{Believed, Timekeeper};
use crate::timekeeping::estimate::calibration::{BIAS_PART, Calibration, FlywheelModel};

use crate::timekeeping::estimate::selection::{OwnEstimate, Verdict};
use crate::timekeeping::notice::Notice;
use crate::timekeeping::references::{Sample, Source};
use crate::timekeeping::status::BOUND_SIGMAS;

impl Timekeeper {
    /// Notes that a reference has no sample, and why.
    pub fn trouble(&mut self, source: Source, reason: String) {
        self.troubles.retain(|(other, _)| *other != source);
        self.troubles.push((source, reason));
    }

    /// Judges a sample of a reference, and learns from it if it is believed.
    pub fn sample(&mut self, sample: &Sample) {
        let own = self.best(sample.raw).map(|best| OwnEstimate {
            utc: best.utc.apply(sample.raw),
            bound: best.bound,
            was_compared: best.was_compared,
        });
        let verdict = self.selection.judge(sample, own);
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
        if self.believed.as_ref().is_none_or(|believed| believed.source != sample.source) {
            self.notices.push(Notice::Believed(sample.source.clone()));
        }
        if !self.is_referenced(sample.raw) {
            self.heard_from = Some(sample.raw);
        }
        self.believed = Some(Believed { source: sample.source.clone(), at: sample.raw, utc: sample.utc });
    }

    /// Starts both flywheels over with this sample, because what was known is wrong.
    fn forget_offsets(&mut self, sample: &Sample) {
        self.crystal = None;
        self.heard.clear();
        if let Some(rtc) = &mut self.rtc
            && let Some(map) = rtc.tracker.map()
        {
            rtc.calibration.restart(map.apply(sample.raw), sample.utc, sample.bound_ns, sample.bound_ns);
        }
    }

    fn learn(&mut self, sample: &Sample) {
        let sigma_ns = sample.sigma_ns.clamp(100.0, 1e9);
        let bound_ns = sample.bound_ns.clamp(100.0, 1e10);
        let bias_sigma_ns = bound_ns * BIAS_PART;
        let is_new_contact = self.is_new_contact(sample);
        let repeated = self.repeated(sample);
        let observed = Observed { utc: sample.utc, sigma_ns, bias_sigma_ns, bound_ns, repeated, is_new_contact };
        let crystal = self
            .crystal
            .get_or_insert_with(|| Calibration::new(FlywheelModel::CRYSTAL, sample.raw, sample.utc, sample.bound_ns));
        crystal.advance(sample.raw, None);
        absorb(crystal, sample.raw, observed);
        let Some(rtc) = self.rtc.as_mut().filter(|rtc| rtc.rebasing.is_none()) else { return };
        if let Some(map) = rtc.tracker.map() {
            rtc.advance(sample.raw);
            let reading_sigma_ns = rtc.tracker.sigma_ns(sample.raw);
            let sigma_ns = sigma_ns.hypot(reading_sigma_ns);
            let bound_ns = bound_ns + BOUND_SIGMAS * reading_sigma_ns;
            absorb(&mut rtc.calibration, map.apply(sample.raw), Observed { sigma_ns, bound_ns, ..observed });
            rtc.was_compared = true;
        } else if !rtc.was_compared && rtc.distrusted.is_none() {
            // Its edges are still being searched for. Then it continues from here, and not from what
            // somebody has set it to.
            rtc.rebasing = Some(Rebasing::FromCrystal);
        }
    }

    /// Returns whether no source was heard for so long that the box may be in another network now.
    fn is_new_contact(&self, sample: &Sample) -> bool {
        let pause_s = sample.source.kind.correlation_s();
        self.heard.iter().all(|(_, at)| (sample.raw - *at).seconds() > pause_s)
    }

    /// Returns how many samples of a source fall within the time in which its errors stay alike,
    /// see `SourceKind::correlation_s`: what they have in common counts once.
    fn repeated(&mut self, sample: &Sample) -> f64 {
        let last = self.heard.iter().find(|(source, _)| *source == sample.source).map(|(_, at)| *at);
        self.heard.retain(|(source, _)| *source != sample.source);
        self.heard.push((sample.source.clone(), sample.raw));
        let Some(last) = last else { return 1.0 };
        let since_s = (sample.raw - last).seconds();
        (sample.source.kind.correlation_s() / since_s.max(1.0)).max(1.0)
    }
}
