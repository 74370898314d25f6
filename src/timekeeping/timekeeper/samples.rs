//! What the timekeeper does with what references tell.

use super::Timekeeper;
use super::learning::{Observed, take};
use crate::timekeeping::calibration::{Calibration, FlywheelModel};
use crate::timekeeping::notice::Notice;
use crate::timekeeping::references::{Sample, Source};
use crate::timekeeping::selection::{Claim, Verdict};
use crate::timekeeping::status::BOUND_SIGMAS;

/// What all samples of a source may have in common is a standard deviation of this part of what is possible at all. For NTP
/// that is half the way there and back: networks are seldom as asymmetric as they could be.
const BIAS_PART: f64 = 1.0 / 16.0;

impl Timekeeper {
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
}
