//! What happens to the timekeeper that somebody wants to know, in words for the log and the status.

use std::fmt;

use super::references::Source;
use super::selection::Verdict;
use super::trust::{CENTURY_BIT, Distrust};

/// Something that happened.
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
    /// The RTC shows the next century, and is read without that.
    RtcCenturyBit,
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

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Believed(source) => write!(formatter, "{source} tells the time"),
            Self::Refused(source, verdict) => formatter.write_str(&refusal(source, *verdict)),
            Self::RtcJumped { by_ns } => write!(
                formatter,
                "the RTC was set by somebody else, by {:+.3} s; that is allowed for",
                *by_ns as f64 * 1e-9
            ),
            Self::RtcCenturyBit => formatter.write_str(CENTURY_BIT),
            Self::RtcDistrusted(distrust) => write!(formatter, "{distrust}"),
            Self::CalibrationReset(reason) => write!(formatter, "{reason}; its calibration begins anew"),
            Self::Stepped { by_ns } => write!(formatter, "UTC was corrected by {:+.6} s", *by_ns as f64 * 1e-9),
        }
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
