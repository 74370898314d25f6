//! What is written down of a box every second.

use jaudiosync_time::{Instant, Span, True};
use serde::{Deserialize, Serialize};

/// What a box says of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeState {
    /// The box is off.
    Off,
    /// It has no trustworthy time, and says so.
    Unset,
    /// It runs on its RTC.
    Holdover,
    /// A reference is in reach.
    Referenced,
}

/// One second of one box. Errors are against true time: positive is ahead of UTC for clocks, and
/// late for what is heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxSample {
    /// When it was.
    pub time: Instant<True>,
    /// How much later than on the timetable a frame is heard, in ns; none in silence.
    pub dac_error_ns_f64: Option<f64>,
    /// What the timescale shows beside UTC; `None` while there is none.
    pub timescale_error: Option<Span>,
    /// What the policy would take for UTC if it knew the RTC's edges exactly, beside UTC: the error
    /// of the RTC and of its calibration.
    pub rtc_error: Option<Span>,
    /// What is added from there to the timescale: finding edges, and smoothing.
    pub edge_error: Option<Span>,
    /// How far the phase lock has left the music from where its models want it, in ns.
    pub servo_error_ns_f64: Option<f64>,
    /// What is added by not knowing exactly when frames are heard.
    pub dac_clock_error: Option<Span>,
    /// The bound of the timescale's error that the box states.
    pub stated_bound: Option<Span>,
    /// How far the box says that it can be from others that were compared with the same references.
    pub stated_agreement: Option<Span>,
    /// Which group's time it has; `None` if it is in none.
    pub group: Option<u64>,
    /// By how much the timescale has been stepped within the last second while music played in sync.
    pub stepped: Option<Span>,
    /// What the box says of its time.
    pub state: TimeState,
    /// Temperature at the box, in °C.
    pub temperature_c: f64,
}

impl BoxSample {
    /// A second in which the box is off.
    pub fn off(time: Instant<True>, temperature_c: f64) -> Self {
        Self {
            time,
            dac_error_ns_f64: None,
            timescale_error: None,
            rtc_error: None,
            edge_error: None,
            servo_error_ns_f64: None,
            dac_clock_error: None,
            stated_bound: None,
            stated_agreement: None,
            group: None,
            stepped: None,
            state: TimeState::Off,
            temperature_c,
        }
    }
}
