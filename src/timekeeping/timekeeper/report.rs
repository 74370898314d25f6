//! What the timekeeper says of itself.

use jaudiosync_hw::clocks::NS_PER_S;

use super::flywheel::Best;
use super::{STEP_NS, Timekeeper};
use crate::timekeeping::notice::refusal;
use crate::timekeeping::status::TimeStatus;
use crate::timekeeping::trust::CENTURY_BIT;

impl Timekeeper {
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
            state: self.state(best.as_ref(), now_raw_ns),
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
            if rtc.has_century_bit {
                warnings.push(CENTURY_BIT.to_owned());
            }
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
