//! What happens to the timekeeper that the rider should know, in words for the log and the status.

use std::fmt;

use jaudiosync_time::Span;

use super::estimate::selection::Verdict;
use super::references::Source;
use super::rtc::trust::{CENTURY_BIT, Distrust};
use crate::format::approximately;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A source is believed from now on that had sent nothing before, or is back.
    Believed(Source),
    /// A source is not believed.
    Refused(Source, Verdict),
    /// Another program set the RTC, or it restarted.
    RtcJumped {
        /// By how much it is ahead of where it was.
        by: Span,
    },
    /// The RTC shows the next century, and is read without that.
    RtcCenturyBit,
    /// The RTC is not believed.
    RtcDistrusted(Distrust),
    /// The RTC is a DS3231M.
    RtcIsDs3231m,
    /// The RTC drifts more than a DS3231 does.
    RtcDrifts {
        /// Its rate, in ppb.
        rate_ppb: f64,
    },
    /// A calibration is dropped: it belongs to another chip, or to the time before a change of the
    /// battery or the aging register.
    CalibrationReset(&'static str),
    /// The RTC was set from the reference.
    RtcSet {
        /// By how much it was off; `None` if that is not known, or means nothing.
        off: Option<Span>,
    },
    /// The RTC was set since the calibration was saved, nobody knows how well.
    RtcWasSet,
    /// The box may be off by more than others can bear.
    Inexact {
        /// How far it can be off.
        bound: Span,
        /// Why.
        why: Inexact,
    },
    /// UTC, as everything uses it, was stepped.
    Stepped {
        /// By how much.
        by: Span,
    },
}

/// Why the time is not known well enough to be in sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inexact {
    /// The references are not better.
    References,
    /// The RTC's calibration is lost; only its stamp says how right it was.
    CalibrationLost,
    /// The RTC was never compared with a reference.
    NeverCompared,
    /// The last reference was too long ago.
    LongAgo,
}

impl fmt::Display for Inexact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::References => "its references are not better",
            Self::CalibrationLost => {
                "it has lost its RTC's calibration, and the RTC was set from a reference some time ago"
            }
            Self::NeverCompared => "its RTC was never compared with a reference, and is only as right as it was set",
            Self::LongAgo => "it was last compared with a reference too long ago",
        })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Believed(source) => write!(formatter, "{source} gives the time"),
            Self::Refused(source, verdict) => formatter.write_str(&refusal(source, *verdict)),
            Self::RtcJumped { by } => {
                write!(
                    formatter,
                    "another program changed the RTC by {:+.3} s; UTC takes that into account",
                    by.seconds()
                )
            }
            Self::RtcCenturyBit => formatter.write_str(CENTURY_BIT),
            Self::RtcIsDs3231m => formatter.write_str(
                "the RTC is a DS3231M, which drifts more than a DS3231SN: the time is known less well between references",
            ),
            Self::RtcDrifts { rate_ppb } => write!(
                formatter,
                "the RTC drifts by {:+.1} ppm, more than a DS3231SN usually does: the time is known less well between \
                 references",
                rate_ppb * 1e-3
            ),
            Self::RtcDistrusted(distrust) => write!(formatter, "{distrust}"),
            Self::RtcSet { off: Some(off) } => {
                write!(formatter, "the RTC was off by {}, and was set from the reference", approximately(*off))
            }
            Self::RtcSet { off: None } => formatter.write_str("the RTC was set from the reference"),
            Self::RtcWasSet => formatter
                .write_str("the RTC was set since it was calibrated; its rate is kept, and its time must be compared"),
            Self::CalibrationReset(reason) => write!(formatter, "{reason}; its calibration starts over"),
            Self::Inexact { bound, why } => {
                write!(formatter, "this box may be up to {} off: {why}", approximately(*bound))
            }
            Self::Stepped { by } => write!(formatter, "UTC was stepped by {:+.6} s", by.seconds()),
        }
    }
}

/// Returns why a source is not believed, and what to do about it.
pub fn refusal(source: &Source, verdict: Verdict) -> String {
    match verdict {
        Verdict::Contradicts { by_ns } => format!(
            "{source} is not believed: it is {:+.3} s off from what this box knows. If the box is wrong: jaudiosync time forget",
            by_ns * 1e-9
        ),
        Verdict::Falseticker { by_ns } => {
            format!("{source} is not believed: it is {:+.3} s off from what others say", by_ns * 1e-9)
        }
        Verdict::Impossible => format!("{source} is not believed: it gives an impossible time"),
        Verdict::Agrees | Verdict::Overrules => format!("{source} is believed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rtc_that_is_set_was_off_by_what_it_was_off() {
        let said = |off: Option<i64>| Notice::RtcSet { off: off.map(Span::from_ms) }.to_string();
        assert_eq!(said(Some(400)), "the RTC was off by 0.4 s, and was set from the reference");
        assert_eq!(said(Some(3)), "the RTC was off by 3 ms, and was set from the reference");
        assert_eq!(said(None), "the RTC was set from the reference");
    }
}
