//! Whether boxes agree as well as they say.

use serde::Serialize;

use super::figures::percentile;
use super::{NS_PER_MS, Seconds, within};
use crate::sample::BoxSample;

/// What boxes say of how far apart they can be, against how far apart they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Seconds, of all pairs of boxes that both stated something.
    pub samples: usize,
    /// The part of them in which two timescales were no further apart than what both boxes stated,
    /// added up, 0 to 1.
    pub covered: f64,
    /// Median of what two boxes stated, added up, in ms.
    pub median_ms: f64,
    /// What they stated as a multiple of the 95th percentile of how far apart they were.
    pub to_p95_apart: Option<f64>,
}

/// The figures of all pairs over a stretch of the ride; `None` if nothing was stated.
pub(super) fn agreement(fleet: &[Vec<BoxSample>], seconds: Seconds) -> Option<Agreement> {
    let (mut apart, mut stated) = (Vec::new(), Vec::new());
    for (index, first) in fleet.iter().enumerate() {
        for second in fleet.iter().skip(index + 1) {
            for (a, b) in within(first, seconds.clone()).iter().zip(within(second, seconds.clone())) {
                let of_both = a.stated_agreement.zip(b.stated_agreement);
                let errors = a.timescale_error.zip(b.timescale_error);
                // Of two that have never met nobody says how far apart they are.
                if let (Some(of_both), Some(errors), true) = (of_both, errors, a.group == b.group) {
                    apart.push((errors.0 - errors.1).abs().ns_f64());
                    stated.push((of_both.0 + of_both.1).ns_f64());
                }
            }
        }
    }
    let samples = stated.len();
    let held = apart.iter().zip(&stated).filter(|(apart, stated)| apart <= stated).count();
    let median_ms = percentile(&mut stated, 0.5)? / NS_PER_MS;
    let p95_apart_ms = percentile(&mut apart, 0.95)? / NS_PER_MS;
    Some(Agreement {
        samples,
        covered: held as f64 / samples as f64,
        median_ms,
        to_p95_apart: (p95_apart_ms > 0.0).then(|| median_ms / p95_apart_ms),
    })
}
