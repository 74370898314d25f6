//! Who is let through: a limit for each source of datagrams, so that a flood of forged ones costs
//! little and does not drown those of neighbours. Pure.
//!
//! Verifying a signature costs a small Pi some 20 µs. So only this much is verified:
//!
//! | source | datagrams a second | at once |
//! | --- | --- | --- |
//! | a neighbour whose messages were authentic | 200 | 200 |
//! | any other address | 10 | 20 |
//! | all other addresses together | 50 | 100 |
//!
//! Everything else is dropped before anybody looks into it. A source is an IP address; its port can
//! be anything. Somebody who forges the address of a neighbour uses up that neighbour's share, and
//! no other's.

use std::collections::HashMap;
use std::net::IpAddr;

use jaudiosync_time::{Instant, Raw, Span};

/// A neighbour sends a beacon a second, and now and then a burst of questions for the time.
pub(super) const NEIGHBOUR: Limit = Limit { per_second: 200, at_once: 200 };

/// What a newcomer needs to show that it has the key.
pub(super) const STRANGER: Limit = Limit { per_second: 10, at_once: 20 };

/// Forged datagrams may come from any number of addresses.
pub(super) const ALL_STRANGERS: Limit = Limit { per_second: 50, at_once: 100 };

/// A neighbour whose last authentic message is this old is a stranger again.
const NEIGHBOUR_LASTS: Span = Span::from_seconds(120);

/// A ride has fewer boxes. If there are more, the one that was not heard for longest is forgotten.
const MOST_NEIGHBOURS: usize = 256;

/// How much may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// Datagrams per second in the long run.
    pub per_second: u32,
    /// Datagrams at once after a silence.
    pub at_once: u32,
}

/// A token bucket: allows a number of datagrams per second, and some more after a silence.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    limit: Limit,
    /// How many datagrams may come, at `at`.
    tokens: f64,
    at: Instant<Raw>,
}

/// Decides who is let through.
#[derive(Debug)]
pub(super) struct Admission {
    /// By address: the share, and when a message was last authentic.
    neighbours: HashMap<IpAddr, (Bucket, Instant<Raw>)>,
    /// Those of the last seconds. They are few, as each has taken a share of all strangers'.
    strangers: HashMap<IpAddr, Bucket>,
    all_strangers: Bucket,
}

impl Bucket {
    fn new(limit: Limit, now: Instant<Raw>) -> Self {
        Self { limit, tokens: f64::from(limit.at_once), at: now }
    }

    fn fill(&mut self, now: Instant<Raw>) {
        let elapsed_s = (now - self.at).seconds().max(0.0);
        let tokens = self.tokens + elapsed_s * f64::from(self.limit.per_second);
        self.tokens = tokens.min(f64::from(self.limit.at_once));
        self.at = self.at.max(now);
    }

    fn has_one(&mut self, now: Instant<Raw>) -> bool {
        self.fill(now);
        self.tokens >= 1.0
    }

    fn take(&mut self, now: Instant<Raw>) -> bool {
        let has_one = self.has_one(now);
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }

    /// Returns whether it is as if nothing had come.
    fn is_full(&mut self, now: Instant<Raw>) -> bool {
        self.fill(now);
        self.tokens >= f64::from(self.limit.at_once)
    }
}

impl Admission {
    /// Knows nobody yet.
    pub(super) fn new(now: Instant<Raw>) -> Self {
        Self { neighbours: HashMap::new(), strangers: HashMap::new(), all_strangers: Bucket::new(ALL_STRANGERS, now) }
    }

    /// Returns whether a datagram from there may be looked into, and counts it if so.
    pub(super) fn admits(&mut self, source: IpAddr, now: Instant<Raw>) -> bool {
        if let Some((bucket, authentic)) = self.neighbours.get_mut(&source) {
            if now - *authentic <= NEIGHBOUR_LASTS {
                return bucket.take(now);
            }
            self.neighbours.remove(&source);
        }
        // One who sends too much takes nothing from the share of the others.
        if self.strangers.get_mut(&source).is_some_and(|bucket| !bucket.has_one(now)) {
            return false;
        }
        if !self.all_strangers.take(now) {
            return false;
        }
        if self.strangers.len() >= 2 * ALL_STRANGERS.at_once as usize {
            self.strangers.retain(|_, bucket| !bucket.is_full(now));
        }
        self.strangers.entry(source).or_insert_with(|| Bucket::new(STRANGER, now)).take(now)
    }

    /// Notes that a message from there was authentic.
    pub(super) fn authentic(&mut self, source: IpAddr, now: Instant<Raw>) {
        if let Some((_, authentic)) = self.neighbours.get_mut(&source) {
            *authentic = now;
            return;
        }
        if self.neighbours.len() >= MOST_NEIGHBOURS {
            let oldest = self.neighbours.iter().min_by_key(|(_, (_, authentic))| *authentic);
            if let Some(oldest) = oldest.map(|(source, _)| *source) {
                self.neighbours.remove(&oldest);
            }
        }
        self.strangers.remove(&source);
        self.neighbours.insert(source, (Bucket::new(NEIGHBOUR, now), now));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    fn at(ms: i64) -> Instant<Raw> {
        Instant::ZERO + Span::from_ms(ms)
    }

    /// Counts how many datagrams of a source are let through, one every millisecond.
    fn admitted(admission: &mut Admission, source: IpAddr, from_ms: i64, to_ms: i64) -> u32 {
        (from_ms..to_ms).map(|ms| u32::from(admission.admits(source, at(ms)))).sum()
    }

    #[test]
    fn a_flood_from_one_address_leaves_the_share_of_the_other_strangers() {
        let mut admission = Admission::new(at(0));
        let mut of_newcomer = 0;
        let mut of_flood = 0;
        for ms in 0..10_000 {
            of_flood += u32::from(admission.admits(address(1), at(ms)));
            if ms % 500 == 0 {
                of_newcomer += u32::from(admission.admits(address(2), at(ms)));
            }
        }
        assert_eq!(of_newcomer, 20, "all of them");
        assert!((110..=121).contains(&of_flood), "{of_flood}");
    }

    #[test]
    fn a_neighbour_is_heard_in_a_flood_from_any_number_of_addresses() {
        let mut admission = Admission::new(at(0));
        admission.authentic(address(0), at(0));
        let (mut of_neighbour, mut of_flood) = (0, 0);
        for ms in 0..10_000 {
            of_flood += u32::from(admission.admits(address(1 + ms as u32), at(ms)));
            if ms % 100 == 0 {
                of_neighbour += u32::from(admission.admits(address(0), at(ms)));
                admission.authentic(address(0), at(ms));
            }
        }
        assert_eq!(of_neighbour, 100, "all of them");
        assert!((590..=601).contains(&of_flood), "{of_flood}");
    }

    #[test]
    fn a_flood_in_the_name_of_a_neighbour_is_limited_too_and_ends_with_its_trust() {
        let mut admission = Admission::new(at(0));
        admission.authentic(address(0), at(0));
        let of_flood = admitted(&mut admission, address(0), 0, 10_000);
        assert!((2_100..=2_201).contains(&of_flood), "{of_flood}");
        // No message was authentic.
        let later = NEIGHBOUR_LASTS.whole_ms() + 1;
        let of_flood = admitted(&mut admission, address(0), later, later + 10_000);
        assert!((110..=121).contains(&of_flood), "{of_flood}");
    }

    #[test]
    fn the_number_of_neighbours_is_bounded_and_the_oldest_goes() {
        let mut admission = Admission::new(at(0));
        for number in 0..1_000 {
            admission.authentic(address(number), at(number.into()));
        }
        assert_eq!(admission.neighbours.len(), MOST_NEIGHBOURS);
        assert!(admission.neighbours.contains_key(&address(999)) && !admission.neighbours.contains_key(&address(0)));
    }

    proptest! {
        /// Datagrams from few or many sources, some of which are authentic, at any times.
        #[test]
        fn no_limit_is_ever_exceeded_and_memory_is_bounded(
            datagrams in prop::collection::vec((0_u32..400, 0_i64..40, prop::bool::weighted(0.05)), 1..3_000),
        ) {
            let mut admission = Admission::new(at(0));
            let mut ms = 0;
            let mut strangers = 0_u32;
            let mut admitted: HashMap<IpAddr, Vec<i64>> = HashMap::new();
            for (source, gap_ms, is_authentic) in datagrams {
                // Half of them at the same moment.
                ms += (gap_ms - 20).max(0);
                let source = address(source % (1 + source / 2));
                let is_neighbour = admission.neighbours.contains_key(&source);
                if admission.admits(source, at(ms)) {
                    admitted.entry(source).or_default().push(ms);
                    strangers += u32::from(!is_neighbour);
                    if is_authentic {
                        admission.authentic(source, at(ms));
                    }
                }
                prop_assert!(admission.strangers.len() <= 3 * ALL_STRANGERS.at_once as usize);
                prop_assert!(admission.neighbours.len() <= MOST_NEIGHBOURS);
            }
            let elapsed_s = ms as f64 / 1e3;
            let most = |limit: Limit| f64::from(limit.at_once) + elapsed_s * f64::from(limit.per_second);
            prop_assert!(f64::from(strangers) <= most(ALL_STRANGERS) + 1e-6, "{} in {} s", strangers, elapsed_s);
            for times in admitted.values() {
                let most = most(STRANGER) + most(NEIGHBOUR);
                prop_assert!(times.len() as f64 <= most + 1e-6, "{} in {} s", times.len(), elapsed_s);
            }
        }

        #[test]
        fn one_who_keeps_within_the_limit_is_always_heard(
            gaps_ms in prop::collection::vec(100_i64..2_000, 1..200), flood in 0_u32..3,
        ) {
            let mut admission = Admission::new(at(0));
            let mut ms = 0;
            for gap_ms in gaps_ms {
                // Up to three others send as fast as they can: less than the share of all.
                for step in ms..ms + gap_ms {
                    (0..flood).for_each(|number| _ = admission.admits(address(1 + number), at(step)));
                }
                ms += gap_ms;
                prop_assert!(admission.admits(address(0), at(ms)), "at {} ms", ms);
            }
        }

        #[test]
        fn times_that_run_backwards_or_far_ahead_do_no_harm(times in prop::collection::vec(any::<i64>(), 1..50)) {
            let mut admission = Admission::new(at(0));
            for ns in times {
                admission.admits(address(1), Instant::from_ns(ns));
                admission.authentic(address(2), Instant::from_ns(ns));
            }
        }
    }
}
