//! Whom to believe: each sample of a reference is laid beside what the others say and what the box knows itself.
//!
//! - A sample that agrees with what the box knows is taken.
//! - A box that was never compared with a reference knows little: three samples of one source that agree overrule it.
//! - A box that was compared believes itself more than any single source that contradicts it: only two sources or more that
//!   agree, and are more than half of all, overrule it. `jaudiosync time forget` ends that.
//! - Among three sources or more, one that the majority contradicts is a falseticker, whatever it says of the box.

use std::collections::BTreeMap;

use super::references::{Sample, Source, SourceKind};
use super::trust::{EARLIEST_UTC_S, LATEST_UTC_S};

/// A source has a say for so long after its last sample: twice the longest interval between samples of NTP.
const VOTE_LIFE_NS: i64 = 2_200_000_000_000;

/// By how much the raw clock may run off between two samples that are compared: crystals are within 20 ppm, and warm up.
const RAW_DRIFT: f64 = 50e-6;

/// What the box knows may be wrong by so much more than it says before a source contradicts it: a chip outside of its
/// datasheet, a bound that is too small. Beyond, somebody lies.
const CLAIM_FACTOR: f64 = 3.0;
const CLAIM_MARGIN_NS: f64 = 50e6;

/// So many samples of a source must agree with each other before it may overrule what the box knows.
const SAMPLES_TO_OVERRULE: u32 = 3;

/// What the box knows itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Claim {
    /// UTC at the sample's reading of the raw clock, in ns.
    pub utc_ns: i64,
    /// How far that can be wrong, in ns.
    pub bound_ns: f64,
    /// Whether it was ever compared with a reference.
    pub was_compared: bool,
}

/// What becomes of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// It agrees with what is known: take it.
    Agrees,
    /// What the box knew is wrong or nothing: begin anew with it.
    Overrules,
    /// It contradicts what the box knows by so much (positive: the source is ahead), and is not believed.
    Contradicts {
        /// The difference in ns.
        by_ns: f64,
    },
    /// Most other sources contradict it, by so much.
    Falseticker {
        /// The difference to one of them in ns.
        by_ns: f64,
    },
    /// It tells a time at which this program did not exist, or will not any more.
    Impossible,
}

/// The last sample of a source.
#[derive(Debug, Clone, Copy)]
struct Vote {
    raw_ns: i64,
    utc_ns: i64,
    bound_ns: f64,
    /// Samples in a row that agree with the one before.
    steady: u32,
}

impl Vote {
    /// By how much another vote is ahead of this one in ns, and how much may lie between two honest ones.
    fn difference(&self, other: &Self) -> (f64, f64) {
        let raw_ns = other.raw_ns.saturating_sub(self.raw_ns);
        let by_ns = other.utc_ns.saturating_sub(self.utc_ns).saturating_sub(raw_ns) as f64;
        (by_ns, self.bound_ns + other.bound_ns + raw_ns.abs() as f64 * RAW_DRIFT)
    }

    fn agrees(&self, other: &Self) -> bool {
        let (by_ns, allowed_ns) = self.difference(other);
        by_ns.abs() <= allowed_ns
    }
}

/// The sources and what they said last.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    votes: BTreeMap<Source, Vote>,
}

impl Selection {
    /// Judges a sample beside what the box knows at that moment.
    pub fn judge(&mut self, sample: &Sample, claim: Option<Claim>) -> Verdict {
        if !(EARLIEST_UTC_S..LATEST_UTC_S).contains(&sample.utc_ns.div_euclid(1_000_000_000)) {
            return Verdict::Impossible;
        }
        self.votes.retain(|_, vote| sample.raw_ns.saturating_sub(vote.raw_ns) < VOTE_LIFE_NS);
        let mut vote = Vote { raw_ns: sample.raw_ns, utc_ns: sample.utc_ns, bound_ns: sample.bound_ns, steady: 1 };
        if let Some(last) = self.votes.get(&sample.source).filter(|last| last.agrees(&vote)) {
            vote.steady = last.steady.saturating_add(1);
        }
        self.votes.insert(sample.source.clone(), vote);

        let others = || self.votes.iter().filter(|(source, _)| **source != sample.source);
        let agreeing = 1 + others().filter(|(_, other)| other.agrees(&vote)).count();
        let is_majority = 2 * agreeing > self.votes.len();
        if self.votes.len() >= 3 && !is_majority {
            let against =
                others().map(|(_, other)| other.difference(&vote).0).max_by(|a, b| a.abs().total_cmp(&b.abs()));
            return Verdict::Falseticker { by_ns: against.unwrap_or(0.0) };
        }
        let Some(claim) = claim else {
            // Nothing is known: of two that contradict each other the better one is believed.
            let better =
                others().find(|(source, other)| !other.agrees(&vote) && source.kind.rank() < sample.source.kind.rank());
            return better
                .map_or(Verdict::Overrules, |(_, other)| Verdict::Falseticker { by_ns: other.difference(&vote).0 });
        };
        let by_ns = sample.utc_ns.saturating_sub(claim.utc_ns) as f64;
        if by_ns.abs() <= CLAIM_FACTOR * claim.bound_ns + CLAIM_MARGIN_NS + sample.bound_ns {
            return Verdict::Agrees;
        }
        let is_steady = vote.steady >= SAMPLES_TO_OVERRULE;
        let overrules = if claim.was_compared { agreeing >= 2 && is_majority && is_steady } else { is_steady };
        if overrules { Verdict::Overrules } else { Verdict::Contradicts { by_ns } }
    }
}

impl SourceKind {
    /// The better of two kinds has the lower rank.
    fn rank(self) -> u8 {
        match self {
            Self::GpsPps => 0,
            Self::Ntp => 1,
            Self::System => 2,
            Self::GpsMessages => 3,
        }
    }

    /// For how long the errors of a source's samples stay alike, in seconds: an asymmetric network is as asymmetric a
    /// minute later. Samples within that time are together worth one.
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

    const S: i64 = 1_000_000_000;
    const UTC_NS: i64 = (EARLIEST_UTC_S + 1000) * S;

    fn sample(name: &str, raw_s: i64, ahead_ns: i64) -> Sample {
        let source = Source { kind: SourceKind::Ntp, name: name.into() };
        let raw_ns = raw_s * S;
        Sample { source, raw_ns, utc_ns: UTC_NS + raw_ns + ahead_ns, sigma_ns: 1e6, bound_ns: 5e6 }
    }

    fn claim(raw_s: i64, was_compared: bool) -> Option<Claim> {
        let bound_ns = if was_compared { 1e6 } else { 2e9 };
        Some(Claim { utc_ns: UTC_NS + raw_s * S, bound_ns, was_compared })
    }

    #[test]
    fn one_source_that_jumps_by_hours_is_not_believed_however_long_it_insists() {
        let mut selection = Selection::default();
        assert_eq!(selection.judge(&sample("a", 0, 0), claim(0, true)), Verdict::Agrees);
        for raw_s in 1..100 {
            let verdict = selection.judge(&sample("a", raw_s, 7200 * S), claim(raw_s, true));
            assert_eq!(verdict, Verdict::Contradicts { by_ns: 7200e9 });
        }
    }

    #[test]
    fn two_sources_that_agree_overrule_the_box_once_they_are_steady() {
        let mut selection = Selection::default();
        let verdicts: Vec<Verdict> = (0..6)
            .map(|index| {
                let name = if index % 2 == 0 { "a" } else { "b" };
                selection.judge(&sample(name, index, 3 * S), claim(index, true))
            })
            .collect();
        assert!(verdicts[..4].iter().all(|verdict| matches!(verdict, Verdict::Contradicts { .. })), "{verdicts:?}");
        assert_eq!(verdicts[4..], [Verdict::Overrules, Verdict::Overrules]);
    }

    #[test]
    fn a_box_that_was_never_compared_is_overruled_by_one_steady_source() {
        let mut selection = Selection::default();
        let verdicts: Vec<Verdict> =
            (0..3).map(|raw_s| selection.judge(&sample("a", raw_s, 3600 * S), claim(raw_s, false))).collect();
        assert!(matches!(verdicts[1], Verdict::Contradicts { .. }), "{verdicts:?}");
        assert_eq!(verdicts[2], Verdict::Overrules);
        assert_eq!(Selection::default().judge(&sample("a", 0, 3600 * S), None), Verdict::Overrules, "nothing is known");
    }

    #[test]
    fn of_three_the_one_that_lies_is_found_even_by_a_box_that_knows_little() {
        let mut selection = Selection::default();
        selection.judge(&sample("a", 0, 0), claim(0, false));
        selection.judge(&sample("b", 1, 0), claim(1, false));
        // Within the two seconds that an uncompared box allows.
        let verdict = selection.judge(&sample("liar", 2, S), claim(2, false));
        assert_eq!(verdict, Verdict::Falseticker { by_ns: 1e9 });
        assert_eq!(selection.judge(&sample("a", 3, 0), claim(3, false)), Verdict::Agrees);
    }

    #[test]
    fn of_two_that_disagree_the_better_kind_is_believed() {
        let mut selection = Selection::default();
        let mut pulse = sample("gps", 0, 0);
        pulse.source.kind = SourceKind::GpsPps;
        assert_eq!(selection.judge(&pulse, None), Verdict::Overrules);
        assert!(matches!(selection.judge(&sample("a", 1, 3 * S), None), Verdict::Falseticker { .. }));
    }

    #[test]
    fn a_time_that_cannot_be_is_refused() {
        let mut selection = Selection::default();
        assert_eq!(selection.judge(&sample("a", 0, -2_000_000 * S), None), Verdict::Impossible);
        assert_eq!(selection.judge(&sample("a", 0, -UTC_NS), None), Verdict::Impossible);
    }
}
