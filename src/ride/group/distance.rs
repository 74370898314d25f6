//! How far a neighbour's time is from this box's, by all comparisons of the last minute. Pure.

use std::collections::VecDeque;

use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

use super::exchanges::Compared;
use crate::timekeeping::status::BOUND_SIGMAS;

/// Comparisons of this time are averaged.
const AVERAGED: Span = Span::MINUTE;
/// At most this many are remembered.
const MOST: usize = 32;

/// How fast two clocks drift apart of which nobody has compared the rates, in ns per s.
const DRIFT_NS_PER_S: f64 = 1_000.0;

/// The last comparisons with a neighbour.
#[derive(Debug, Clone, Default)]
pub(super) struct Distance {
    last: VecDeque<Compared>,
}

impl Distance {
    /// Notes a comparison.
    pub(super) fn push(&mut self, compared: Compared) {
        if self.last.len() >= MOST {
            self.last.pop_front();
        }
        self.last.push_back(compared);
    }

    /// Forgets all that was measured, because either clock was moved.
    pub(super) fn clear(&mut self) {
        self.last.clear();
    }

    /// Returns by how much the neighbour's time is ahead of `map`, and how far that can be wrong;
    /// `None` until there was a comparison.
    pub(super) fn ahead(&self, map: &ClockMap<Raw, Utc>, now: Instant<Raw>) -> Option<(Span, Span)> {
        let newest = self.last.back()?;
        let recent = self.last.iter().filter(|compared| newest.raw - compared.raw <= AVERAGED);
        let (mut sum, mut weights, mut bias_ns, mut hard_bound) = (0.0, 0.0, 0.0, newest.bound);
        for compared in recent {
            let weight = compared.sigma_ns.max(1.0).powi(-2);
            sum += weight * (compared.utc - map.apply(compared.raw)).ns_f64();
            bias_ns += weight * compared.bias_sigma_ns;
            weights += weight;
            hard_bound = hard_bound.min(compared.bound);
        }
        let sigma_ns = (1.0 / weights).sqrt().hypot(bias_ns / weights);
        let bound = Span::from_ns_f64(BOUND_SIGMAS * sigma_ns).min(hard_bound);
        let drift = Span::from_ns_f64(DRIFT_NS_PER_S * (now - newest.raw).seconds().max(0.0));
        Some((Span::from_ns_f64(sum / weights), bound + drift))
    }
}

/// Returns how far two boxes are apart of which it is known that they are within `known`, and which
/// were measured as well: what both leave open, by its middle and half its width. If they contradict
/// each other, what was measured.
pub fn agreed(measured: (Span, Span), known: Span) -> (Span, Span) {
    let (ahead, bound) = measured;
    let (least, most) = ((ahead - bound).max(Span::ZERO - known), (ahead + bound).min(known));
    if least > most { measured } else { ((least + most) / 2, (most - least) / 2) }
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::Rate;
    use proptest::prelude::*;

    use super::*;

    fn map() -> ClockMap<Raw, Utc> {
        ClockMap { from: Instant::ZERO, to: Instant::from_second(1_800_000_000), rate: Rate::ZERO }
    }

    fn normal(random: &mut fastrand::Rng) -> f64 {
        (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
    }

    #[test]
    fn many_comparisons_say_more_than_one_and_what_they_state_covers_the_error() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut covered, mut bounds) = (0, Vec::new());
        for _ in 0..1_000 {
            let ahead_ns = 40_000.0 + 15_000.0 * normal(&mut random);
            let mut distance = Distance::default();
            assert_eq!(distance.ahead(&map(), Instant::ZERO), None);
            for step in 0..15 {
                let raw = Instant::ZERO + Span::from_seconds(4) * step;
                let utc = map().apply(raw) + Span::from_ns_f64(ahead_ns + 20_000.0 * normal(&mut random));
                let (sigma_ns, bias_sigma_ns, bound) = (20_000.0, 15_000.0, Span::from_us(500));
                distance.push(Compared { raw, utc, sigma_ns, bias_sigma_ns, bound });
            }
            let (ahead, bound) = distance.ahead(&map(), Instant::from_second(57)).unwrap();
            covered += usize::from((ahead - Span::from_us(40)).abs() <= bound);
            bounds.push(bound);
        }
        assert!(covered >= 995, "{covered} of 1,000");
        assert!(bounds.iter().all(|bound| *bound < Span::from_us(90)), "{:?}", bounds[0]);
    }

    #[test]
    fn an_old_comparison_becomes_worse_and_one_of_before_a_jump_does_not_count() {
        let mut distance = Distance::default();
        let (raw, utc) = (Instant::ZERO, map().apply(Instant::ZERO));
        distance.push(Compared { raw, utc, sigma_ns: 1e3, bias_sigma_ns: 1e3, bound: Span::from_us(500) });
        let bound = |distance: &Distance, s| distance.ahead(&map(), Instant::from_second(s)).map(|(_, bound)| bound);
        assert!(bound(&distance, 100) >= bound(&distance, 0).map(|bound| bound + Span::from_us(100)));
        distance.clear();
        assert_eq!(bound(&distance, 100), None);
    }

    proptest! {
        #[test]
        fn what_is_agreed_covers_what_both_cover(
            ahead_us in -300_i64..300, bound_us in 0_i64..300, known_us in 0_i64..300, true_us in -300_i64..300,
        ) {
            let [ahead, bound, known, truth] = [ahead_us, bound_us, known_us, true_us].map(Span::from_us);
            let (middle, width) = agreed((ahead, bound), known);
            let covers = |middle: Span, width: Span| (truth - middle).abs() <= width + Span::from_ns(1);
            prop_assert!(width <= bound);
            if covers(ahead, bound) && covers(Span::ZERO, known) {
                prop_assert!(covers(middle, width) && width <= known);
            }
        }
    }
}
