//! What is written down of a box each second.

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
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BoxSample {
    /// True UTC, in ns since the Unix epoch.
    pub true_ns: i64,
    /// How much later than on the timetable a frame is heard; none in silence.
    pub dac_error_ns: Option<f64>,
    /// What the timescale shows beside UTC; none while there is none.
    pub timescale_error_ns: Option<f64>,
    /// What the policy would take for UTC if it knew the RTC's edges exactly, beside UTC: the error
    /// of the RTC and of its calibration.
    pub rtc_error_ns: Option<f64>,
    /// What is added from there to the timescale: finding edges, and smoothing.
    pub edge_error_ns: Option<f64>,
    /// How far the phase lock has left the music from where its models want it, in time.
    pub servo_error_ns: Option<f64>,
    /// What is added by not knowing exactly when frames are heard.
    pub dac_clock_error_ns: Option<f64>,
    /// The bound of the timescale's error that the box states.
    pub stated_bound_ns: Option<f64>,
    /// What the box says of its time.
    pub state: TimeState,
    /// Temperature at the box, in °C.
    pub temperature_c: f64,
}

impl BoxSample {
    /// A second in which the box is off.
    pub fn off(true_ns: i64, temperature_c: f64) -> Self {
        Self {
            true_ns,
            dac_error_ns: None,
            timescale_error_ns: None,
            rtc_error_ns: None,
            edge_error_ns: None,
            servo_error_ns: None,
            dac_clock_error_ns: None,
            stated_bound_ns: None,
            state: TimeState::Off,
            temperature_c,
        }
    }
}
