//! What the timekeeper saves on disk from one run to the next.

use serde::{Deserialize, Serialize};

use super::estimate::calibration::SavedCalibration;
use super::estimate::group::SavedGroup;
use crate::storage::Persistent;

/// The RTC that was calibrated, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedTime {
    /// UTC when this was written, in s: no later run can be before it.
    pub utc_s: i64,
    /// UTC of the last sample of a reference, in s.
    pub reference_utc_s: Option<i64>,
    /// The mark in the chip that was calibrated.
    pub mark: Option<[u8; 4]>,
    /// The aging register at that time.
    pub aging_offset: i8,
    /// The stamp in that chip, which changes whenever the chip is set: a chip with another one was
    /// set after this was saved.
    #[serde(default)]
    pub stamp: Option<[u8; 3]>,
    /// Whether the chip is a DS3231M, as far as that is known.
    #[serde(default)]
    pub is_ds3231m: bool,
    /// Whether the chip drifts as a DS3231M does, as far as that is known.
    #[serde(default)]
    pub drifts: bool,
    /// The calibration of the RTC.
    pub calibration: Option<SavedCalibration>,
    /// The time of the boxes that were met.
    #[serde(default)]
    pub group: Option<SavedGroup>,
}

impl Persistent for SavedTime {
    const FILE: &'static str = "time.json";
    const VERSION: u32 = 1;
}
