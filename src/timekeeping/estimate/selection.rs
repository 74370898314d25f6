//! Which sources are believed: compares each sample of a reference with the other sources and with
//! what the box itself knows.
//!
//! - A sample that agrees with what the box knows is absorbed.
//! - A box that was never compared with a reference knows little: three samples of one source that
//!   agree overrule it.
//! - A box that was compared believes itself more than any single source that contradicts it: only
//!   two sources or more that agree, and are more than half of all, overrule it.
//!   `jaudiosync time forget` ends that.
//! - Among three sources or more, one that the majority contradicts is a falseticker, whatever it
//!   says of the box.

use std::collections::BTreeMap;

use jaudiosync_time::{Instant, Raw, Span, Utc};

use crate::timekeeping::estimate::calibration::ErrorBound;
use crate::timekeeping::references::{Sample, Source, SourceKind};
use crate::timekeeping::rtc::trust::{EARLIEST_UTC_S, LATEST_UTC_S};
use crate::timekeeping::status::BOUND_SIGMAS;

/// A source counts for this long after its last sample: twice the longest interval between samples
/// of NTP.
const SAMPLE_LIFE: Span = Span::from_seconds(2_200);

/// By how much the raw clock may drift between two samples that are compared: crystals are within
/// 20 ppm, and warm up.
const RAW_DRIFT: f64 = 50e-6;

/// What the box knows may be wrong by this much more than it reports before a source contradicts
/// it: a chip may be outside its datasheet, and so drift by a multiple of what is expected. Beyond
/// that, one of them is wrong.
const OWN_FACTOR: f64 = 3.0;
const OWN_MARGIN_NS: f64 = 50e6;

/// This many samples of a source must agree with each other before it may overrule what the box
/// knows.
const SAMPLES_TO_OVERRULE: u32 = 3;

/// What the box itself knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OwnEstimate {
    /// UTC at the sample's reading of the raw clock.
    pub utc: Instant<Utc>,
    /// How far that can be wrong.
    pub bound: ErrorBound,
    /// Whether it was ever compared with a reference.
    pub was_compared: bool,
}

/// What happens to a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// It agrees with what is known: absorb it.
    Agrees,
    /// The box knew nothing, or what it knew is wrong: start over with this sample.
    Overrules,
    /// It contradicts what the box knows by this much (positive: the source is ahead), and is not
    /// believed.
    Contradicts {
        /// The difference in ns.
        by_ns: f64,
    },
    /// Most other sources contradict it, by this much.
    Falseticker {
        /// The difference to one of them in ns.
        by_ns: f64,
    },
    /// It gives a time at which this program did not exist yet, or no longer will.
    Impossible,
}

/// The last sample of a source.
#[derive(Debug, Clone, Copy)]
struct LastSample {
    raw: Instant<Raw>,
    utc: Instant<Utc>,
    bound_ns: f64,
    /// Samples in a row that agree with the one before.
    steady: u32,
}

impl LastSample {
    /// Returns by how much another sample is ahead of this one, and how much may lie between two
    /// honest ones, in ns.
    fn difference(&self, other: &Self) -> (f64, f64) {
        let elapsed = other.raw - self.raw;
        let by = other.utc - self.utc - elapsed;
        (by.ns_f64(), self.bound_ns + other.bound_ns + elapsed.abs().ns_f64() * RAW_DRIFT)
    }

    fn agrees(&self, other: &Self) -> bool {
        let (by_ns, allowed_ns) = self.difference(other);
        by_ns.abs() <= allowed_ns
    }
}

/// The sources and their last samples.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    sources: BTreeMap<Source, LastSample>,
}

impl Selection {
    /// Judges a sample against what the box knows at that moment.
    pub fn judge(&mut self, sample: &Sample, own: Option<OwnEstimate>) -> Verdict {
        if !(EARLIEST_UTC_S..LATEST_UTC_S).contains(&sample.utc.second()) {
            return Verdict::Impossible;
        }
        self.sources.retain(|_, last| sample.raw - last.raw < SAMPLE_LIFE);
        let mut new = LastSample { raw: sample.raw, utc: sample.utc, bound_ns: sample.bound_ns, steady: 1 };
        if let Some(last) = self.sources.get(&sample.source).filter(|last| last.agrees(&new)) {
            new.steady = last.steady.saturating_add(1);
        }
        self.sources.insert(sample.source.clone(), new);

        let others = || self.sources.iter().filter(|(source, _)| **source != sample.source);
        let agreeing = 1 + others().filter(|(_, other)| other.agrees(&new)).count();
        let is_majority = 2 * agreeing > self.sources.len();
        if self.sources.len() >= 3 && !is_majority {
            let against =
                others().map(|(_, other)| other.difference(&new).0).max_by(|a, b| a.abs().total_cmp(&b.abs()));
            return Verdict::Falseticker { by_ns: against.unwrap_or(0.0) };
        }
        let Some(own) = own else {
            // Nothing is known: of two that contradict each other the better one is believed.
            let better =
                others().find(|(source, other)| !other.agrees(&new) && source.kind.rank() < sample.source.kind.rank());
            return better
                .map_or(Verdict::Overrules, |(_, other)| Verdict::Falseticker { by_ns: other.difference(&new).0 });
        };
        let by_ns = (sample.utc - own.utc).ns_f64();
        let ErrorBound { anchored_ns, growth_sigma_ns } = own.bound;
        let drift_ns = OWN_FACTOR * BOUND_SIGMAS * growth_sigma_ns;
        if by_ns.abs() <= anchored_ns + drift_ns + OWN_MARGIN_NS + sample.bound_ns {
            return Verdict::Agrees;
        }
        let is_steady = new.steady >= SAMPLES_TO_OVERRULE;
        let overrules = if own.was_compared { agreeing >= 2 && is_majority && is_steady } else { is_steady };
        if overrules { Verdict::Overrules } else { Verdict::Contradicts { by_ns } }
    }
}

impl SourceKind {
    /// Returns the rank: the better of two kinds has the lower one.
    fn rank(self) -> u8 {
        match self {
            Self::GpsPps => 0,
            Self::Ntp => 1,
            Self::System => 2,
            Self::GpsMessages => 3,
        }
    }

    /// Returns how long the errors of a source's samples stay alike, in seconds: an asymmetric
    /// network is as asymmetric a minute later. Samples within that time together count as one.
    pub(super) fn correlation_s(self) -> f64 {
        match self {
            Self::GpsPps => 60.0,
            Self::Ntp | Self::System | Self::GpsMessages => 3600.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant<Utc> = Instant::from_second(EARLIEST_UTC_S + 1000);

    fn raw(second: i64) -> Instant<Raw> {
        Instant::from_second(second)
    }

    fn sample(name: &str, second: i64, ahead: Span) -> Sample {
        let source = Source { kind: SourceKind::Ntp, name: name.into() };
        let utc = START + Span::from_seconds(second) + ahead;
        Sample { source, raw: raw(second), utc, sigma_ns: 1e6, bound_ns: 5e6 }
    }

    fn own(second: i64, was_compared: bool) -> Option<OwnEstimate> {
        let growth_sigma_ns = if was_compared { 0.25e6 } else { 0.5e9 };
        let bound = ErrorBound { anchored_ns: 0.0, growth_sigma_ns };
        Some(OwnEstimate { utc: START + Span::from_seconds(second), bound, was_compared })
    }

    #[test]
    fn one_source_that_jumps_by_hours_is_not_believed_however_long_it_persists() {
        let mut selection = Selection::default();
        assert_eq!(selection.judge(&sample("a", 0, Span::ZERO), own(0, true)), Verdict::Agrees);
        for raw_s in 1..100 {
            let verdict = selection.judge(&sample("a", raw_s, Span::HOUR * 2), own(raw_s, true));
            assert_eq!(verdict, Verdict::Contradicts { by_ns: 7200e9 });
        }
    }

    #[test]
    fn two_sources_that_agree_overrule_the_box_once_they_are_steady() {
        let mut selection = Selection::default();
        let verdicts: Vec<Verdict> = (0..6)
            .map(|index| {
                let name = if index % 2 == 0 { "a" } else { "b" };
                selection.judge(&sample(name, index, Span::SECOND * 3), own(index, true))
            })
            .collect();
        assert!(verdicts[..4].iter().all(|verdict| matches!(verdict, Verdict::Contradicts { .. })), "{verdicts:?}");
        assert_eq!(verdicts[4..], [Verdict::Overrules, Verdict::Overrules]);
    }

    #[test]
    fn a_box_that_was_never_compared_is_overruled_by_one_steady_source() {
        let mut selection = Selection::default();
        let verdicts: Vec<Verdict> =
            (0..3).map(|raw_s| selection.judge(&sample("a", raw_s, Span::HOUR), own(raw_s, false))).collect();
        assert!(matches!(verdicts[1], Verdict::Contradicts { .. }), "{verdicts:?}");
        assert_eq!(verdicts[2], Verdict::Overrules);
        assert_eq!(
            Selection::default().judge(&sample("a", 0, Span::HOUR), None),
            Verdict::Overrules,
            "nothing is known"
        );
    }

    #[test]
    fn of_three_the_one_that_lies_is_found_even_by_a_box_that_knows_little() {
        let mut selection = Selection::default();
        selection.judge(&sample("a", 0, Span::ZERO), own(0, false));
        selection.judge(&sample("b", 1, Span::ZERO), own(1, false));
        // Within the two seconds that an uncompared box allows.
        let verdict = selection.judge(&sample("liar", 2, Span::SECOND), own(2, false));
        assert_eq!(verdict, Verdict::Falseticker { by_ns: 1e9 });
        assert_eq!(selection.judge(&sample("a", 3, Span::ZERO), own(3, false)), Verdict::Agrees);
    }

    #[test]
    fn of_two_that_disagree_the_better_kind_is_believed() {
        let mut selection = Selection::default();
        let mut pulse = sample("gps", 0, Span::ZERO);
        pulse.source.kind = SourceKind::GpsPps;
        assert_eq!(selection.judge(&pulse, None), Verdict::Overrules);
        assert!(matches!(selection.judge(&sample("a", 1, Span::SECOND * 3), None), Verdict::Falseticker { .. }));
    }

    #[test]
    fn a_time_that_cannot_be_is_refused() {
        let mut selection = Selection::default();
        assert_eq!(selection.judge(&sample("a", 0, Span::from_seconds(-2_000_000)), None), Verdict::Impossible);
        assert_eq!(selection.judge(&sample("a", 0, Instant::ZERO - START), None), Verdict::Impossible);
    }
}
