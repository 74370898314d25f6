//! Turns eight pulses in a row into one sample: a straight line through them that a few wild ones
//! cannot bend. Pure.
//!
//! There is one sample every 8 s, and not every second, because the line shows how much the pulses
//! scatter, which a single pulse cannot, and because a stray pulse can be dropped here where its
//! neighbours are known.

use jaudiosync_time::{Instant, Raw, Span, Utc};

/// This many pulses make a sample.
const PULSES: usize = 8;

/// They come within this time, or the oldest are dropped.
const LONGEST: Span = Span::from_seconds(16);

/// No crystal is this far off (in ns per ns), so these are not pulses of one second.
const LARGEST_RATE: f64 = 1e-3;

/// The factor from a median absolute deviation to a standard deviation, if the distribution is
/// Gaussian.
const MAD_TO_SIGMA: f64 = 1.4826;

/// A pulse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pulse {
    /// The raw clock when it came.
    pub raw: Instant<Raw>,
    /// UTC then.
    pub utc: Instant<Utc>,
    /// How far off that may be, apart from what the pulses themselves show, in ns.
    pub bound_ns: f64,
}

/// Collects pulses.
#[derive(Debug, Default)]
pub(super) struct PulseFilter {
    pulses: Vec<Pulse>,
}

impl PulseFilter {
    /// Absorbs a pulse, and returns what the last eight say: at the raw time of one of them, the
    /// UTC of the line through all; the bound is that of the worst, plus three standard deviations
    /// of their scatter. The second value is that standard deviation, in ns.
    pub(super) fn push(&mut self, pulse: Pulse) -> Option<(Pulse, f64)> {
        if self.pulses.last().is_some_and(|last| last.raw >= pulse.raw) {
            return None;
        }
        self.pulses.push(pulse);
        self.pulses.retain(|kept| pulse.raw - kept.raw <= LONGEST);
        if self.pulses.len() < PULSES {
            return None;
        }
        let pulses = std::mem::take(&mut self.pulses);
        through(&pulses)
    }

    /// Forgets all pulses, because the fix is lost.
    pub(super) fn clear(&mut self) {
        self.pulses.clear();
    }
}

fn through(pulses: &[Pulse]) -> Option<(Pulse, f64)> {
    let middle = pulses.get(pulses.len() / 2)?;
    // Each as (raw time, UTC gained on it) from the middle one, in ns.
    let points: Vec<(f64, f64)> = pulses
        .iter()
        .map(|pulse| {
            let elapsed = pulse.raw - middle.raw;
            (elapsed.ns_f64(), (pulse.utc - middle.utc - elapsed).ns_f64())
        })
        .collect();
    // The median of the slopes of all pairs (Theil 1950, Sen 1968).
    let slopes = points
        .iter()
        .enumerate()
        .flat_map(|(index, from)| points.iter().skip(index + 1).map(move |to| (to.1 - from.1) / (to.0 - from.0)));
    let slope = median(slopes.collect());
    if slope.abs() > LARGEST_RATE {
        return None;
    }
    let residuals: Vec<f64> = points.iter().map(|point| point.1 - slope * point.0).collect();
    let center_ns = median(residuals.clone());
    let scatter_ns = MAD_TO_SIGMA * median(residuals.iter().map(|residual| (residual - center_ns).abs()).collect());
    let bound_ns = pulses.iter().map(|pulse| pulse.bound_ns).fold(0.0, f64::max) + 3.0 * scatter_ns;
    let utc = middle.utc + Span::from_ns_f64(center_ns);
    Some((Pulse { raw: middle.raw, utc, bound_ns }, scatter_ns))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(below), Some(above)) if values.len().is_multiple_of(2) => (below + above) / 2.0,
        (_, Some(exact)) => *exact,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST_RAW: Instant<Raw> = Instant::from_ns(5_000_000);
    const FIRST_UTC: Instant<Utc> = Instant::from_second(1_790_000_000);

    /// The pulse of this second, on a raw clock that is 30 ppm slow, stamped this late.
    fn pulse(second: i64, late_ns: i64) -> Pulse {
        let raw = FIRST_RAW + Span::from_ns(second * 999_970_000 + late_ns);
        Pulse { raw, utc: FIRST_UTC + Span::from_seconds(second), bound_ns: 11_000.0 }
    }

    fn error_ns(found: &Pulse) -> i64 {
        (found.utc - FIRST_UTC - (found.raw - FIRST_RAW).scaled(1.0 / 0.999_97)).ns()
    }

    fn last(pulses: impl IntoIterator<Item = Pulse>) -> Option<(Pulse, f64)> {
        let mut filter = PulseFilter::default();
        pulses.into_iter().map(|pulse| filter.push(pulse)).last().flatten()
    }

    #[test]
    fn eight_good_pulses_make_an_exact_sample() {
        assert_eq!(last((0..7).map(|second| pulse(second, 0))), None);
        let (found, scatter_ns) = last((0..8).map(|second| pulse(second, 0))).unwrap();
        assert!(error_ns(&found).abs() <= 2 && scatter_ns < 2.0, "{found:?} {scatter_ns}");
        assert!((11_000.0..11_010.0).contains(&found.bound_ns));
    }

    #[test]
    fn two_wild_pulses_of_eight_do_no_harm() {
        let late_ns = |second| if second == 2 || second == 5 { 3_000_000 } else { second % 3 * 1_000 };
        let (found, _) = last((0..8).map(|second| pulse(second, late_ns(second)))).unwrap();
        assert!((error_ns(&found) as f64).abs() <= found.bound_ns && found.bound_ns < 20_000.0, "{found:?}");
    }

    #[test]
    fn a_pulse_in_the_wrong_second_does_no_harm() {
        let mut pulses: Vec<Pulse> = (0..8).map(|second| pulse(second, 0)).collect();
        pulses[4].utc += Span::SECOND;
        let (found, _) = last(pulses).unwrap();
        assert!(error_ns(&found).abs() <= 2, "{found:?}");
    }

    #[test]
    fn restless_pulses_widen_the_bound() {
        let late_ns = |second: i64| second * 37 % 8 * 50_000;
        let (found, scatter_ns) = last((0..8).map(|second| pulse(second, late_ns(second)))).unwrap();
        assert!(scatter_ns > 50_000.0 && found.bound_ns > 150_000.0, "{found:?} {scatter_ns}");
    }

    #[test]
    fn pulses_too_far_apart_are_not_put_together() {
        assert_eq!(last((0..20).map(|index| pulse(index * 3, 0))), None);
    }

    #[test]
    fn a_pulse_that_is_reported_twice_counts_once() {
        assert_eq!(last((0..8).map(|index| pulse(index.min(6), 0))), None);
    }

    #[test]
    fn the_next_sample_needs_eight_new_pulses() {
        let mut filter = PulseFilter::default();
        let samples = (0..80).filter(|&second| filter.push(pulse(second, 0)).is_some()).count();
        assert_eq!(samples, 10);
    }

    proptest! {
        #[test]
        fn no_pulse_makes_it_panic(pulses in prop::collection::vec((any::<i64>(), any::<i64>()), 0..20)) {
            let _ = last(pulses.into_iter().map(|(raw, utc)| {
                Pulse { raw: Instant::from_ns(raw), utc: Instant::from_ns(utc), bound_ns: 1.0 }
            }));
        }

        #[test]
        fn late_pulses_up_to_the_bound_stay_within_it(late_ns in prop::collection::vec(0_i64..10_000, 8)) {
            let (found, _) = last((0..8).map(|second| pulse(second, late_ns[second as usize]))).unwrap();
            prop_assert!((error_ns(&found) as f64).abs() <= found.bound_ns, "{:?}", found);
        }
    }
}
