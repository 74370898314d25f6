//! The events of a recording, each a line of JSON.

use serde::{Deserialize, Serialize};

use super::boot::BootId;
use crate::control::protocol::TimeState;

/// No line is longer than this, in bytes.
const MAX_LINE_BYTES: usize = 2_000;

/// How a run of the service ended, by its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// systemd or a signal asked for it, as at `poweroff`.
    Asked,
    /// Stop was held: the box is switched off.
    PowerOff,
    /// A way of a later version.
    #[serde(other)]
    Other,
}

/// How the run before ended, as the next one found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviousEnd {
    /// There was none, or nothing is recorded of it.
    Unknown,
    /// It ended in an orderly way.
    Clean,
    /// The box stopped in the middle of it: a power cut, or a Pi that hung.
    PowerCut,
    /// The program ended by itself or was killed, and the box went on.
    Died,
    /// A way of a later version.
    #[serde(other)]
    Other,
}

/// How bad something that was logged is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Not as it should be.
    Warning,
    /// Something does not work.
    Error,
    /// A severity of a later version.
    #[serde(other)]
    Other,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Event {
    /// The service began to run.
    Began {
        /// The program's version.
        version: String,
        /// How the run before ended.
        previous: PreviousEnd,
        /// Why it ended, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The service ended in an orderly way.
    Ended {
        /// How.
        how: End,
    },
    /// A fault in the program.
    Panicked {
        /// The thread's name, and what it said.
        text: String,
    },
    /// How well the time is known: at intervals, and when that has changed.
    Time {
        /// How far it can be trusted.
        state: TimeState,
        /// The bound of its error, in ms; `None` if it is unknown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound_ms: Option<f64>,
        /// The largest bound since the last of these events, in ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worst_ms: Option<f64>,
        /// Where it comes from, in words.
        source: String,
        /// The processor's temperature, in °C.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        celsius: Option<f64>,
    },
    /// Music is to be heard from now on, in sync or not.
    Started {},
    /// No music is to be heard from now on.
    Stopped {},
    /// The sound was interrupted.
    DropOuts {
        /// How many times since the last of these events.
        count: u64,
    },
    /// The sound card has gone or come.
    SoundCard {
        /// Whether it is there now.
        present: bool,
    },
    /// What the firmware says of the power supply has changed.
    Power {
        /// Whether the voltage is too low now.
        low: bool,
        /// Whether it has been too low since power-on.
        was_low: bool,
        /// Whether heat has slowed down the processor since power-on.
        was_slowed: bool,
    },
    /// The processor has become hot, or has cooled down.
    Heat {
        /// Its temperature, in °C.
        celsius: f64,
        /// Whether that is hot.
        hot: bool,
    },
    /// Which other boxes of the ride are heard has changed.
    Neighbours {
        /// The names of those that are heard now.
        heard: Vec<String>,
    },
    /// A line of the log.
    Note {
        /// How bad it is.
        severity: Severity,
        /// What it says.
        text: String,
        /// How many such lines there were, besides those recorded before.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        times: u64,
    },
    /// Events that were counted and not recorded, as there were too many.
    Suppressed {
        /// How many.
        count: u64,
    },
    /// An event of a later version.
    #[serde(other)]
    Other,
}

/// An event, with when it happened: a line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The boot in which it happened.
    pub boot: BootId,
    /// The time since power-on, in s, by the raw clock.
    pub up_s: f64,
    /// UTC, in s since the Unix epoch; `None` if it was not trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_s: Option<f64>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// Returns it as a line with its newline.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        if line.is_empty() || line.len() >= MAX_LINE_BYTES {
            return String::new();
        }
        line.push('\n');
        line
    }

    /// Reads the entries of a recording, and counts the lines that are none. It may have any
    /// content: a line that a power cut has torn is skipped.
    pub fn read_all(bytes: &[u8]) -> (Vec<Self>, usize) {
        let mut unreadable = 0;
        let entries = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let entries = entries.filter_map(|line| {
            let entry = Self::from_line(line);
            unreadable += usize::from(entry.is_none());
            entry
        });
        (entries.collect(), unreadable)
    }

    fn from_line(line: &[u8]) -> Option<Self> {
        // A disk that was not synced may have put zeros in front.
        let zeros = line.iter().take_while(|byte| **byte == 0).count();
        let entry: Self = serde_json::from_slice(line.get(zeros..)?).ok()?;
        entry.is_plausible().then_some(entry)
    }

    /// Returns whether its times are ones that can be shown: at most a century of each.
    fn is_plausible(&self) -> bool {
        const CENTURY_S: f64 = 100.0 * 365.25 * 86_400.0;
        (0.0..=CENTURY_S).contains(&self.up_s)
            && self.utc_s.is_none_or(|utc_s| (0.0..=2.0 * CENTURY_S).contains(&utc_s))
    }
}

/// Returns a number of seconds to the millisecond, as the file has it.
pub(super) fn to_ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn one() -> u64 {
    1
}

fn is_one(times: &u64) -> bool {
    *times == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note(text: &str) -> Entry {
        let event = Event::Note { severity: Severity::Warning, text: text.to_owned(), times: 1 };
        Entry { boot: BootId::parse("0123456789abcdef"), up_s: 12.345, utc_s: Some(1_764_165_000.5), event }
    }

    #[test]
    fn a_line_is_one_that_people_can_read() {
        assert_eq!(
            note("no \"wire\"\nat all").to_line(),
            "{\"boot\":\"01234567\",\"up_s\":12.345,\"utc_s\":1764165000.5,\"what\":\"note\",\"severity\":\"warning\",\
             \"text\":\"no \\\"wire\\\"\\nat all\"}\n"
        );
        assert_eq!(note(&"x".repeat(MAX_LINE_BYTES)).to_line(), "");
    }

    #[test]
    fn every_event_comes_back() {
        let events = [
            Event::Began { version: "1.0".into(), previous: PreviousEnd::Died, why: Some("watchdog".into()) },
            Event::Ended { how: End::PowerOff },
            Event::Panicked { text: "thread x".into() },
            Event::Time {
                state: TimeState::Holdover,
                bound_ms: Some(1.25),
                worst_ms: None,
                source: "RTC".into(),
                celsius: Some(40.5),
            },
            Event::Started {},
            Event::Stopped {},
            Event::DropOuts { count: 3 },
            Event::SoundCard { present: false },
            Event::Power { low: true, was_low: true, was_slowed: false },
            Event::Heat { celsius: 81.0, hot: true },
            Event::Neighbours { heard: vec!["bike-2".into(), "Zoë's bike".into()] },
            Event::Note { severity: Severity::Error, text: "x".into(), times: 7 },
            Event::Suppressed { count: 9 },
        ];
        for event in events {
            let entry = Entry { event, ..note("") };
            assert_eq!(Entry::read_all(entry.to_line().as_bytes()), (vec![entry], 0));
        }
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        let line = br#"{"boot":"01234567","up_s":1.0,"what":"teleported","to":"the moon"}"#;
        let (entries, unreadable) = Entry::read_all(line);
        assert_eq!((entries[0].event.clone(), unreadable), (Event::Other, 0));
    }

    #[test]
    fn zeros_and_noise_are_lines_that_cannot_be_read() {
        assert_eq!(Entry::read_all(&[0; 5000]), (vec![], 1));
        assert_eq!(Entry::read_all(&[b'x'; 100_000]), (vec![], 1));
        assert_eq!(Entry::read_all(b"\n\n"), (vec![], 0));
        let holes = [&[0; 100][..], note("x").to_line().as_bytes()].concat();
        assert_eq!(Entry::read_all(&holes), (vec![note("x")], 0), "a line after a hole is whole");
    }

    #[test]
    fn impossible_times_are_not_believed() {
        for times in ["\"up_s\":-1.0", "\"up_s\":1e300", "\"up_s\":1.0,\"utc_s\":-5.0", "\"up_s\":1.0,\"utc_s\":1e18"] {
            let line = format!("{{\"boot\":\"01234567\",{times},\"what\":\"started\"}}");
            assert_eq!(Entry::read_all(line.as_bytes()), (vec![], 1), "{line}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_at_any_byte_loses_the_last_line_at_most(count in 1..20_usize, cut in 0..3_000_usize) {
            let entries: Vec<Entry> = (0..count).map(|number| note(&format!("note {number}"))).collect();
            let text: String = entries.iter().map(Entry::to_line).collect();
            let cut = cut.min(text.len());
            let whole = text.as_bytes()[..cut].iter().filter(|byte| **byte == b'\n').count();
            let (found, unreadable) = Entry::read_all(&text.as_bytes()[..cut]);
            // A line that lacks only its newline is whole as well.
            prop_assert!(found.len() == whole || found.len() == whole + 1 && unreadable == 0);
            prop_assert_eq!(&found[..], &entries[..found.len()]);
        }

        #[test]
        fn any_content_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let (entries, unreadable) = Entry::read_all(&bytes);
            prop_assert!(entries.len() + unreadable <= bytes.len() + 1);
        }
    }
}
