//! What the timekeeper reports of itself.

use jaudiosync_hw::rtc::Chip;
use jaudiosync_time::{Instant, Raw};

use super::flywheel::Best;
use super::{Timekeeper, agreement};
use crate::timekeeping::notice::refusal;
use crate::timekeeping::published::Output;
use crate::timekeeping::rtc::trust::CENTURY_BIT;
use crate::timekeeping::status::{Flywheel, NO_TRUSTWORTHY_TIME, TimeStatus};

impl Timekeeper {
    /// Returns everything that is reported. `output` is the UTC that everything uses.
    pub fn status(&self, now: Instant<Raw>, output: &Output) -> TimeStatus {
        let best = self.best(now);
        let utc = output.estimate.utc.apply(now);
        let age_s = match &self.believed {
            Some(believed) => Some((now - believed.at).seconds()),
            None => self
                .saved
                .as_ref()
                .and_then(|saved| saved.reference_utc_s)
                .map(|reference_utc_s| utc.second().saturating_sub(reference_utc_s) as f64),
        };
        TimeStatus {
            state: self.state(best.as_ref(), now),
            utc_ns: utc.ns(),
            bound_ms: output.estimate.bound.map(|bound| bound.ms()),
            agreement_ms: best.as_ref().map(|best| (agreement(best) + output.behind.abs()).ms()),
            flywheel: best.as_ref().map_or(Flywheel::SystemClock, |best| best.flywheel),
            reference: self.believed.as_ref().map(|believed| believed.source.to_string()),
            reference_age_s: age_s,
            waiting_correction_ms: output.waiting.map(|by| by.ms()),
            rtc: self.rtc.as_ref().map(|rtc| rtc.report(now)),
            rtc_chip: self.chip_name(),
            warnings: self.warnings(best.as_ref()),
        }
    }

    /// Returns the name of the chip that answers.
    fn chip_name(&self) -> Option<String> {
        let refused = self.refused_chip.as_ref().map(|(chip, _)| *chip);
        let used = || self.rtc.as_ref().filter(|rtc| rtc.answers).map(|rtc| rtc.found.chip);
        refused.or_else(used).map(|chip| chip.to_string())
    }

    fn warnings(&self, best: Option<&Best>) -> Vec<String> {
        let mut warnings = Vec::new();
        if best.is_none() {
            warnings.push(NO_TRUSTWORTHY_TIME.to_owned());
        } else if best.is_some_and(|best| !best.was_compared) {
            warnings.push(
                "the RTC was never compared with a reference: it is only as right as it was set, to a second or so"
                    .to_owned(),
            );
        }
        warnings.extend(self.refused_chip.iter().map(|(_, reason)| reason.clone()));
        if let Some(rtc) = &self.rtc {
            if rtc.found.chip != Chip::Ds3231 {
                warnings
                    .push(format!("a {} stands in for the DS3231, for tests: the time is not exact", rtc.found.chip));
            }
            warnings.extend(rtc.distrusted.map(|distrust| distrust.to_string()));
            if rtc.has_century_bit {
                warnings.push(CENTURY_BIT.to_owned());
            }
            if !rtc.answers && self.refused_chip.is_none() {
                warnings.push("the RTC does not answer on the bus; continuing without it".to_owned());
            }
            if !rtc.found.is_writable {
                warnings.push("the kernel's driver owns the RTC; remove dtoverlay=i2c-rtc".to_owned());
            }
        }
        warnings.extend(self.troubles.iter().map(|(source, reason)| format!("{source}: {reason}")));
        warnings.extend(self.refused.iter().map(|(source, verdict)| refusal(source, *verdict)));
        warnings
    }
}
