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
    /// Which recordings have shown it, at most the last [`MOST_REMEMBERED`]: each of them counts
    /// once.
    pub measurements: Vec<u64>,
}

/// So many recordings are remembered.
const MOST_REMEMBERED: usize = 64;

impl MeasuredLatency {
    /// Returns whether this recording was applied already.
    pub fn knows(&self, measurement: u64) -> bool {
        self.measurements.contains(&measurement)
    }

    /// Returns what follows from a further recording.
    #[must_use]
    pub fn after(before: Option<&Self>, ms: f64, configured_ms: f64, measurement: u64) -> Self {
        let known = before.map_or(&[][..], |before| &before.measurements);
        let known = known.get((known.len() + 1).saturating_sub(MOST_REMEMBERED)..).unwrap_or_default();
        Self { ms, configured_ms, measurements: [known, &[measurement]].concat() }
    }
}

impl Persistent for MeasuredLatency {
    const FILE: &'static str = "measured-latency.json";
    const VERSION: u32 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_counts_once_also_after_others() {
        let first = MeasuredLatency::after(None, 1.0, 0.0, 7);
        let second = MeasuredLatency::after(Some(&first), 2.0, 0.0, 8);
        assert!(second.knows(7) && second.knows(8) && !second.knows(9));
        let many = (100..1_000).fold(second, |before, number| MeasuredLatency::after(Some(&before), 2.0, 0.0, number));
        assert_eq!(many.measurements.len(), MOST_REMEMBERED);
        assert!(many.knows(999) && !many.knows(7));
    }
}
