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
    /// Those before it, the newest last.
    #[serde(default)]
    pub before: Vec<u64>,
}

impl MeasuredLatency {
    /// As many recordings before the last one are remembered.
    pub const MOST_BEFORE: usize = 64;

    /// Returns whether a recording counts in it already.
    pub fn counts(&self, measurement: u64) -> bool {
        self.measurement == Some(measurement) || self.before.contains(&measurement)
    }

    /// Returns the recordings that come before the next one, the newest last.
    pub fn until_now(&self) -> Vec<u64> {
        let all: Vec<u64> = self.before.iter().copied().chain(self.measurement).collect();
        all[all.len().saturating_sub(Self::MOST_BEFORE)..].to_vec()
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
    fn an_earlier_recording_counts_already_and_the_list_is_bounded() {
        let old = r#"{"ms": 1.5, "configured_ms": 0.0, "measurement": 7}"#;
        let mut measured: MeasuredLatency = serde_json::from_str(old).unwrap();
        for measurement in 100..300 {
            assert!(!measured.counts(measurement));
            measured = MeasuredLatency { before: measured.until_now(), measurement: Some(measurement), ..measured };
            assert!(measured.counts(measurement) && (measurement == 100 || measured.counts(measurement - 1)));
        }
        assert!(measured.counts(299 - 64) && !measured.counts(7));
        assert_eq!(measured.before.len(), MeasuredLatency::MOST_BEFORE);
    }
}
