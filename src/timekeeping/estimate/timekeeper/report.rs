//! What the timekeeper reports of itself.

use jaudiosync_hw::rtc::Chip;
use jaudiosync_time::{Instant, Raw, Span};

use super::flywheel::Best;
use super::{Timekeeper, agreement};
use crate::timekeeping::notice::{Inexact, Notice, refusal};
use crate::timekeeping::published::Output;
use crate::timekeeping::rtc::trust::CENTURY_BIT;
use crate::timekeeping::status::{Flywheel, IN_SYNC_BOUND, NO_TRUSTWORTHY_TIME, TimeStatus};

/// That the box may be off is noticed once it has lasted this long: after the start a reference may
/// answer at any moment.
const INEXACT_LASTS: Span = Span::from_seconds(10);

/// And noticed again only after the time was known this well, so that noise around the limit is not
/// logged each time.
const KNOWN_AGAIN: Span = Span::from_ms(16);

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
            rtc_may_be_ds3231m: self.may_be_ds3231m(now),
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

    /// Returns why the box may be off by more than others can bear, if so.
    fn inexact(&self, best: &Best) -> Option<Inexact> {
        let is_stamped = self.rtc.as_ref().is_some_and(|rtc| rtc.stamped.is_some());
        if agreement(best) < IN_SYNC_BOUND && (best.was_compared || is_stamped) {
            return None;
        }
        Some(match best.flywheel {
            _ if self.believed.is_some() => Inexact::References,
            Flywheel::Rtc if is_stamped => Inexact::CalibrationLost,
            Flywheel::Rtc if !best.was_compared => Inexact::NeverCompared,
            _ => Inexact::LongAgo,
        })
    }

    /// Notices that the box may be off, once for each reason.
    pub(super) fn note_inexact(&mut self, best: Option<&Best>, now: Instant<Raw>) {
        let Some(best) = best else { return };
        let Some(why) = self.inexact(best) else {
            self.inexact_since = None;
            if agreement(best) < KNOWN_AGAIN {
                self.noticed_inexact = None;
            }
            return;
        };
        let since = *self.inexact_since.get_or_insert(now);
        if self.noticed_inexact != Some(why) && now - since >= INEXACT_LASTS {
            self.noticed_inexact = Some(why);
            self.notices.push(Notice::Inexact { bound: Span::from_ns_f64(best.bound.ns()), why });
        }
    }

    fn warnings(&self, best: Option<&Best>) -> Vec<String> {
        let mut warnings = Vec::new();
        if best.is_none() {
            warnings.push(NO_TRUSTWORTHY_TIME.to_owned());
        }
        let inexact = best.and_then(|best| Some((self.inexact(best)?, Span::from_ns_f64(best.bound.ns()))));
        warnings.extend(inexact.map(|(why, bound)| Notice::Inexact { bound, why }.to_string()));
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
