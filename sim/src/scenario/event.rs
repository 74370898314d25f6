//! What happens during a ride, and when.

use serde::{Deserialize, Serialize};

/// A kind of reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// Time servers.
    Ntp,
    /// The GPS receiver's pulse.
    Gps,
}

/// What can be wrong with a real-time clock while the box is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RtcFault {
    /// It does not acknowledge.
    Nack,
    /// The bus is held down, and each transfer ends after a second's wait.
    Stuck,
    /// Each transfer takes 50 ms.
    Slow,
    /// Registers hold digits that are none.
    Garbage,
}

/// Something that happens. Times are in minutes since the ride began; `box` counts from 1, and
/// without it the event is everybody's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A reference comes into reach.
    ReferenceComes {
        /// When.
        at_minutes: f64,
        /// Whose.
        #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
        number: Option<usize>,
        /// Which.
        source: ReferenceKind,
    },
    /// A reference goes out of reach.
    ReferenceGoes {
        /// When.
        at_minutes: f64,
        /// Whose.
        #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
        number: Option<usize>,
        /// Which.
        source: ReferenceKind,
    },
    /// A reference gives a wrong time; one that jumps by hours is off by 3.6e6 ms an hour.
    ReferenceLies {
        /// When.
        at_minutes: f64,
        /// Whose.
        #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
        number: Option<usize>,
        /// Which.
        source: ReferenceKind,
        /// The one server that lies, counted from 1; all without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<usize>,
        /// By so much it is ahead of UTC, in ms.
        by_ms: f64,
        /// For how long.
        for_minutes: f64,
    },
    /// The power is cut and comes back.
    PowerCut {
        /// When.
        at_minutes: f64,
        /// Whose.
        #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
        number: Option<usize>,
        /// For how long, in seconds.
        off_s: f64,
        /// The RTC's battery is out meanwhile, so that it loses the time.
        #[serde(default)]
        without_battery: bool,
    },
    /// The box is switched on late: it is off from the beginning of the ride until then.
    BootsLate {
        /// When it is switched on.
        at_minutes: f64,
        /// Whose.
        #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
        number: Option<usize>,
    },
    /// The RTC, or the way to it, is faulty.
    RtcFault {
        /// When.
        at_minutes: f64,
        /// Whose.
        #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
        number: Option<usize>,
        /// How.
        fault: RtcFault,
        /// For how long, in seconds.
        for_s: f64,
    },
    /// A box gives its neighbours a wrong time, and states that it is sure of it.
    NeighbourLies {
        /// When.
        at_minutes: f64,
        /// Which box.
        #[serde(rename = "box")]
        number: usize,
        /// By so much it is ahead of what it should say, in ms.
        by_ms: f64,
        /// For how long.
        for_minutes: f64,
    },
}

impl Event {
    /// When it begins, in minutes since the ride began.
    pub fn at_minutes(&self) -> f64 {
        match self {
            Self::ReferenceComes { at_minutes, .. }
            | Self::ReferenceGoes { at_minutes, .. }
            | Self::ReferenceLies { at_minutes, .. }
            | Self::PowerCut { at_minutes, .. }
            | Self::BootsLate { at_minutes, .. }
            | Self::RtcFault { at_minutes, .. }
            | Self::NeighbourLies { at_minutes, .. } => *at_minutes,
        }
    }

    /// The one box it happens to, counted from 1; `None` for all.
    pub fn number(&self) -> Option<usize> {
        match self {
            Self::ReferenceComes { number, .. }
            | Self::ReferenceGoes { number, .. }
            | Self::ReferenceLies { number, .. }
            | Self::PowerCut { number, .. }
            | Self::BootsLate { number, .. }
            | Self::RtcFault { number, .. } => *number,
            Self::NeighbourLies { number, .. } => Some(*number),
        }
    }

    /// Whether it happens to a box, counted from 0.
    pub fn concerns(&self, index: usize) -> bool {
        self.number().is_none_or(|number| number == index + 1)
    }

    /// How long it lasts, in minutes; 0 for what is a moment.
    pub fn lasts_minutes(&self) -> f64 {
        match self {
            Self::ReferenceLies { for_minutes, .. } | Self::NeighbourLies { for_minutes, .. } => *for_minutes,
            Self::PowerCut { off_s, .. } => off_s / 60.0,
            Self::RtcFault { for_s, .. } => for_s / 60.0,
            Self::ReferenceComes { .. } | Self::ReferenceGoes { .. } | Self::BootsLate { .. } => 0.0,
        }
    }

    /// In a few words, for the plot and the report.
    pub fn words(&self) -> String {
        let source = |source: &ReferenceKind| match source {
            ReferenceKind::Ntp => "NTP",
            ReferenceKind::Gps => "GPS",
        };
        let what = match self {
            Self::ReferenceComes { source: kind, .. } => format!("{} comes", source(kind)),
            Self::ReferenceGoes { source: kind, .. } => format!("{} goes", source(kind)),
            Self::ReferenceLies { source: kind, server, by_ms, .. } => {
                let server = server.map_or(String::new(), |number| format!(" server {number}"));
                format!("{}{server} lies by {}", source(kind), span(*by_ms))
            }
            Self::PowerCut { off_s, without_battery, .. } => {
                let battery = if *without_battery { ", no battery" } else { "" };
                format!("power cut, {}{battery}", span(off_s * 1e3))
            }
            Self::BootsLate { .. } => "boots".to_owned(),
            Self::NeighbourLies { by_ms, .. } => format!("lies to its neighbours by {}", span(*by_ms)),
            Self::RtcFault { fault, for_s, .. } => {
                let fault = match fault {
                    RtcFault::Nack => "RTC silent",
                    RtcFault::Stuck => "bus stuck",
                    RtcFault::Slow => "bus slow",
                    RtcFault::Garbage => "RTC garbage",
                };
                format!("{fault}, {}", span(for_s * 1e3))
            }
        };
        self.number().map_or(what.clone(), |number| format!("box {number}: {what}"))
    }
}

/// A span of time in the unit that suits it.
fn span(ms: f64) -> String {
    match ms.abs() {
        from_an_hour if from_an_hour >= 3.6e6 => format!("{} h", ms / 3.6e6),
        from_a_minute if from_a_minute >= 60e3 => format!("{} min", ms / 60e3),
        from_a_second if from_a_second >= 1e3 => format!("{} s", ms / 1e3),
        _ => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_what_happens_to_whom() {
        let number = Some(3);
        let cut = Event::PowerCut { at_minutes: 1.0, number, off_s: 90.0, without_battery: true };
        assert_eq!(cut.words(), "box 3: power cut, 1.5 min, no battery");
        assert!(cut.concerns(2) && !cut.concerns(3));
        let source = ReferenceKind::Ntp;
        let lie = Event::ReferenceLies {
            at_minutes: 1.0,
            number: None,
            source,
            server: None,
            by_ms: 7.2e6,
            for_minutes: 9.0,
        };
        assert_eq!(lie.words(), "NTP lies by 2 h");
        assert!(lie.concerns(0) && lie.concerns(99));
    }
}
