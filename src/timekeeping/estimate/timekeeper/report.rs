//! What the timekeeper reports of itself.

use jaudiosync_hw::rtc::Chip;
use jaudiosync_time::{Instant, Raw, Span};

use super::flywheel::Best;
use super::{Timekeeper, agreement};
use crate::format::approximately;
use crate::timekeeping::notice::refusal;
use crate::timekeeping::published::Output;
use crate::timekeeping::rtc::trust::CENTURY_BIT;
use crate::timekeeping::status::{Flywheel, IN_SYNC_BOUND, NO_TRUSTWORTHY_TIME, TimeStatus};

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
            agreement_ms: output.estimate.agreement.map(|agreement| agreement.ms()),
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
        match refused.or_else(used)? {
            Chip::Ds3231 if self.rtc.as_ref().is_some_and(|rtc| rtc.variant.is_ds3231m()) => Some("DS3231M".to_owned()),
            chip => Some(chip.to_string()),
        }
    }

    /// Returns by how much the box may be off, if that is more than others can bear, and why.
    fn inexact(&self, best: &Best) -> Option<String> {
        let is_stamped = self.rtc.as_ref().is_some_and(|rtc| rtc.stamped.is_some());
        if agreement(best) < IN_SYNC_BOUND && (best.was_compared || is_stamped) {
            return None;
        }
        let off = approximately(Span::from_ns_f64(best.bound.ns()));
        Some(match best.flywheel {
            _ if self.believed.is_some() => format!("this box may be up to {off} off: its references are not better"),
            Flywheel::Rtc if is_stamped => format!(
                "this box may be up to {off} off: it has lost its RTC's calibration, and the RTC was set from a reference \
                 some time ago"
            ),
            Flywheel::Rtc if !best.was_compared => format!(
                "this box may be up to {off} off: its RTC was never compared with a reference, and is only as right as it \
                 was set"
            ),
            _ => format!("this box may be up to {off} off: it was last compared with a reference too long ago"),
        })
    }

    fn warnings(&self, best: Option<&Best>) -> Vec<String> {
        let mut warnings = Vec::new();
        if best.is_none() {
            warnings.push(NO_TRUSTWORTHY_TIME.to_owned());
        }
        warnings.extend(best.and_then(|best| self.inexact(best)));
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
