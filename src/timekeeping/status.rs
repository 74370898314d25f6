//! What the timekeeper reports of itself: for `jaudiosync time`, for `status`, and for the log.

use std::fmt;

use jaudiosync_time::{ClockMap, Raw, Span, Utc};
use serde::Serialize;

use super::rtc::trust::Distrust;

/// What is a matter of chance in an error bound is this many standard deviations, wherever one is
/// shown: of UTC, and of the place at which music is heard. If errors were normally distributed, 1
/// in 16,000 would lie beyond.
pub const BOUND_SIGMAS: f64 = 4.0;

/// A box whose time is known to this plays in sync: two are hardly heard apart. Once it does, it may
/// become a little less sure before the LED says otherwise, so that the LED does not waver.
pub const IN_SYNC_BOUND: Span = Span::from_ms(20);
const STILL_IN_SYNC_BOUND: Span = Span::from_ms(25);

/// The warning of a box to which no trustworthy source has given the time.
pub const NO_TRUSTWORTHY_TIME: &str = "no trustworthy time: this box is not in sync with the others";

/// How well UTC is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum TimeState {
    /// No trustworthy source has given the time yet: the box is not in sync.
    #[default]
    Unset,
    /// It is carried on from the last reference, or from the RTC as it was set.
    Holdover,
    /// A reference has given it within the last minutes.
    Referenced,
}

/// What carries the time on between references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
pub enum Flywheel {
    /// The real-time clock.
    #[serde(rename = "RTC")]
    Rtc,
    /// The crystal of the raw clock.
    #[serde(rename = "the Pi's crystal")]
    Crystal,
    /// The system clock, whatever keeps it.
    #[default]
    #[serde(rename = "the system clock")]
    SystemClock,
}

impl fmt::Display for Flywheel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rtc => "RTC",
            Self::Crystal => "the Pi's crystal",
            Self::SystemClock => "the system clock",
        })
    }
}

/// UTC as everything should use it, and how far it can be wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// UTC as a function of the raw clock.
    pub utc: ClockMap<Raw, Utc>,
    /// How far it can be wrong; `None` while nothing trustworthy is known.
    pub bound: Option<Span>,
    /// How far it can be from the time of a box that was compared with the same references and knows
    /// it well: the bound without what a network hides from both alike.
    pub agreement: Option<Span>,
    /// How well it is known.
    pub state: TimeState,
}

impl Estimate {
    /// Returns whether the time is known well enough to play in sync; `was_in_sync` is what this
    /// returned last.
    pub fn is_in_sync(&self, was_in_sync: bool) -> bool {
        let limit = if was_in_sync { STILL_IN_SYNC_BOUND } else { IN_SYNC_BOUND };
        self.state != TimeState::Unset && self.agreement.is_some_and(|agreement| agreement < limit)
    }
}

/// Everything that is reported.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TimeStatus {
    /// How well UTC is known.
    pub state: TimeState,
    /// UTC, in ns since the Unix epoch.
    pub utc_ns: i64,
    /// How far it can be wrong, in ms; `None` while nothing trustworthy is known.
    pub bound_ms: Option<f64>,
    /// How far it can be from the time of a box that was compared with the same references and
    /// knows it well, in ms: the bound without what a network hides from both alike. `None` while
    /// nothing trustworthy is known.
    pub agreement_ms: Option<f64>,
    /// What carries the time on.
    pub flywheel: Flywheel,
    /// The reference that was believed last.
    pub reference: Option<String>,
    /// How long ago that was, in s.
    pub reference_age_s: Option<f64>,
    /// A correction that waits until nothing plays, in ms.
    pub waiting_correction_ms: Option<f64>,
    /// The RTC; `None` if there is none.
    pub rtc: Option<RtcReport>,
    /// The chip that answers at the RTC's address, also one that is refused; `None` if none does.
    pub rtc_chip: Option<String>,
    /// Whether that is a DS3231 of which it is not known yet whether it is an SN or an M.
    pub rtc_may_be_ds3231m: bool,
    /// What is wrong, and what to do about it.
    pub warnings: Vec<String>,
}

/// What is known of the RTC.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RtcReport {
    /// Whether it answered the last time.
    pub answers: bool,
    /// Whether it shows the next century, by a bit that must not be set; it is read without it.
    pub has_century_bit: bool,
    /// Why its time is not believed.
    pub distrusted: Option<Distrust>,
    /// UTC minus the RTC's time, in ms.
    pub offset_ms: Option<f64>,
    /// The standard deviation of `offset_ms`, in ms, where networks are no more asymmetric than
    /// usual.
    pub offset_sigma_ms: Option<f64>,
    /// How far `offset_ms` can be wrong, in ms.
    pub offset_bound_ms: Option<f64>,
    /// By how much the RTC is slow, in ppb.
    pub rate_ppb: Option<f64>,
    /// The standard deviation of `rate_ppb`, in ppb.
    pub rate_sigma_ppb: Option<f64>,
    /// How well its seconds are known on the raw clock: a standard deviation, in ms.
    pub edge_sigma_ms: Option<f64>,
    /// The temperature, in degrees Celsius.
    pub temperature_c: Option<f64>,
    /// Whether the oscillator stop flag is set: the battery is empty or was changed.
    pub oscillator_stopped: Option<bool>,
    /// The aging register.
    pub aging_offset: Option<i8>,
    /// How many samples of references went into the calibration.
    pub samples: u64,
    /// Whether it may be written to.
    pub is_writable: bool,
}

impl RtcReport {
    /// Returns by how much the RTC is slow, in ppb; `None` as long as no sample of a reference says so.
    pub fn known_rate_ppb(&self) -> Option<f64> {
        self.rate_ppb.filter(|_| self.samples > 0)
    }
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::{Instant, Rate};

    use super::*;

    #[test]
    fn only_a_time_that_is_known_to_twenty_milliseconds_is_in_sync() {
        let utc = ClockMap { from: Instant::ZERO, to: Instant::ZERO, rate: Rate::ZERO };
        // What a network hides from all boxes alike does not count.
        let known = |agreement_ms, state| {
            let agreement = Span::from_ms(agreement_ms);
            Estimate { utc, bound: Some(agreement * 4), agreement: Some(agreement), state }
        };
        let in_sync = |agreement_ms, was| known(agreement_ms, TimeState::Holdover).is_in_sync(was);
        assert!(in_sync(19, false) && !in_sync(20, false) && !in_sync(500, false));
        // It does not waver where that does.
        assert!(in_sync(24, true) && !in_sync(25, true));
        assert!(!known(1, TimeState::Unset).is_in_sync(true));
        assert!(!Estimate { agreement: None, ..known(1, TimeState::Holdover) }.is_in_sync(true));
    }
}
