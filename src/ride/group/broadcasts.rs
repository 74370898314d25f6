//! Comparing the time with one neighbour by what both have received: the same datagram to all
//! reaches everybody at one instant, so that two clocks that have stamped it differ by what the
//! stamps say, whatever the sender, the queues and the access point have taken (reference
//! broadcasts: Elson, Girod, Estrin, "Fine-grained network time synchronization using reference
//! broadcasts", OSDI 2002).

use std::collections::VecDeque;

use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

use super::exchanges::Compared;

/// So many of the last beacons that were received are remembered.
const REMEMBERED: usize = 96;

/// A comparison is made of this many broadcasts, or of what has come within a time.
const WANTED: usize = 8;
const LONGEST_WAIT: Span = Span::from_seconds(4);
const LEAST: usize = 2;

/// A stamp of the kernel is late by a random time: on an idle machine some µs, and some tens where
/// the network's chip is behind SDIO or USB. A standard deviation, in ns.
const STAMP_NS: f64 = 20_000.0;

/// What two boxes differ by however often they compare: chips and drivers, 15 µs for each of the two.
/// A standard deviation, in ns.
const BIAS_NS: f64 = 15_000.0 * std::f64::consts::SQRT_2;

/// What differs from the median by more than this many spreads is a stamp that came late.
const OUTLIER_SPREADS: f64 = 4.0;

/// How far two stamps of one broadcast can be apart, unless a receiver slept.
const BOUND: Span = Span::from_us(500);

/// Which beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeaconId {
    /// The lower half of its sender's number.
    pub sender: u32,
    /// Its number.
    pub number: u32,
}

/// The beacons that this box has received, and when.
#[derive(Debug, Clone, Default)]
pub struct Received {
    last: VecDeque<(BeaconId, Instant<Raw>)>,
}

impl Received {
    /// Notes a beacon.
    pub fn push(&mut self, beacon: BeaconId, at: Instant<Raw>) {
        if self.last.len() >= REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back((beacon, at));
    }

    /// Returns when a beacon came.
    pub fn when(&self, beacon: BeaconId) -> Option<Instant<Raw>> {
        self.last.iter().rev().find(|(other, _)| *other == beacon).map(|(_, at)| *at)
    }

    /// Returns the last beacon of a sender, and when it came.
    pub fn last_of(&self, sender: u32) -> Option<(BeaconId, Instant<Raw>)> {
        self.last.iter().rev().find(|(beacon, _)| beacon.sender == sender).copied()
    }
}

/// What a neighbour and this box have both received.
#[derive(Debug, Clone, Default)]
pub struct Broadcasts {
    pairs: Vec<(Instant<Raw>, Instant<Utc>)>,
    taken: VecDeque<BeaconId>,
}

impl Broadcasts {
    /// Notes a broadcast that came here when the raw clock showed `raw`, and to the neighbour at
    /// this time of its own. It counts once.
    pub fn push(&mut self, beacon: BeaconId, raw: Instant<Raw>, utc: Instant<Utc>) {
        if self.taken.contains(&beacon) || self.pairs.len() >= 4 * WANTED {
            return;
        }
        if self.taken.len() >= REMEMBERED {
            self.taken.pop_front();
        }
        self.taken.push_back(beacon);
        self.pairs.push((raw, utc));
    }

    /// Forgets all that was measured, because either clock was moved.
    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Returns what the broadcasts since the last comparison say, once there are enough or time has
    /// passed.
    pub fn take(&mut self, now: Instant<Raw>, map: &ClockMap<Raw, Utc>) -> Option<Compared> {
        let first = self.pairs.first()?.0;
        let is_due = self.pairs.len() >= WANTED || now - first >= LONGEST_WAIT;
        if !is_due {
            return None;
        }
        let pairs = std::mem::take(&mut self.pairs);
        if pairs.len() < LEAST { None } else { compare(&pairs, map) }
    }
}

fn compare(pairs: &[(Instant<Raw>, Instant<Utc>)], map: &ClockMap<Raw, Utc>) -> Option<Compared> {
    let (raw, _) = *pairs.last()?;
    let ahead_ns: Vec<f64> = pairs.iter().map(|(raw, utc)| (*utc - map.apply(*raw)).ns_f64()).collect();
    let middle_ns = median(ahead_ns.clone())?;
    let spread_ns = median(ahead_ns.iter().map(|ns| (ns - middle_ns).abs()).collect())?.max(STAMP_NS);
    let (mut sum_ns, mut count) = (0.0, 0_usize);
    for ns in ahead_ns.iter().filter(|ns| (*ns - middle_ns).abs() <= OUTLIER_SPREADS * spread_ns) {
        sum_ns += ns;
        count += 1;
    }
    let mean_ns = sum_ns / count.max(1) as f64;
    // The spread of a normal distribution is 0.67 of its standard deviation.
    let sigma_ns = 1.5 * spread_ns / (count.max(1) as f64).sqrt();
    let utc = map.apply(raw) + Span::from_ns_f64(mean_ns);
    Some(Compared { raw, utc, sigma_ns, bias_sigma_ns: BIAS_NS, bound: BOUND })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::Rate;

    use super::*;

    #[test]
    fn what_both_have_received_compares_their_clocks_and_late_stamps_do_not_count() {
        let map = ClockMap { from: Instant::ZERO, to: Instant::from_second(1_800_000_000), rate: Rate::ZERO };
        let ahead = Span::from_us(4_200);
        let mut random = fastrand::Rng::with_seed(1);
        let (mut received, mut broadcasts) = (Received::default(), Broadcasts::default());
        for number in 0..8 {
            let beacon = BeaconId { sender: 7, number };
            let raw = Instant::ZERO + Span::from_ms(300) * i64::from(number);
            let late = if number == 3 { Span::from_ms(9) } else { Span::from_ns(random.i64(0..40_000)) };
            received.push(beacon, raw);
            let came = received.when(beacon).unwrap();
            broadcasts.push(beacon, came, map.apply(raw) + ahead + late);
            broadcasts.push(beacon, came, map.apply(raw) + ahead + late);
        }
        let compared = broadcasts.take(Instant::from_second(3), &map).unwrap();
        let error = compared.utc - map.apply(compared.raw) - ahead;
        assert!(error.abs() < Span::from_us(35), "{error:?}");
        assert!(compared.sigma_ns < 20_000.0, "{compared:?}");
        assert_eq!(broadcasts.take(Instant::from_second(30), &map), None);
        assert_eq!(received.when(BeaconId { sender: 8, number: 3 }), None);
    }
}
