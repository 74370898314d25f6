//! How late a box sounds, as it was measured by ear.

use serde::{Deserialize, Serialize};

use super::Persistent;

/// The output latency that a recording of a sound check has shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredLatency {
    /// In ms; in the place of the configuration's `sound.output_latency_ms`.
    pub ms: f64,
    /// What was configured when it was measured, in ms: it counts only as long as that is so.
    pub configured_ms: f64,
    /// Which recording showed it last: one of them counts once.
    pub measurement: Option<u64>,
}

impl Persistent for MeasuredLatency {
    const FILE: &'static str = "measured-latency.json";
    const VERSION: u32 = 1;
}
