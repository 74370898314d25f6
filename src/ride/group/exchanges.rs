//! Comparing the time with one neighbour by questions and answers: four stamps each.
//!
//! Queues only ever make a way longer, and each way has its own. NTP's clock filter takes the
//! exchange with the shortest round trip, as it keeps few and its clock may drift between them. Here
//! there are many, and the clocks are known to run alike to a ppm: so the quickest question and the
//! quickest answer are sought separately. Of n exchanges on a busy network the error is then n times
//! smaller than the spread, and not the root of n (as the hulls of Paxson, "On calibrating
//! measurements of packet transit times", SIGMETRICS 1998).

use jaudiosync_time::{ClockMap, Instant, Raw, Span, Utc};

/// The first comparison is made of this many exchanges; then it is made of more and more.
const FIRST: usize = 8;
const MOST: usize = 128;

/// A comparison is made of fewer once the first of them is this old: whoever is one of many asks
/// seldom, and whoever is not followed is asked seldom.
const LEAST: usize = 3;
const LONGEST_WAIT: Span = Span::MINUTE;

/// Exchanges older than this are dropped: the clocks may have drifted apart since.
const LIFE: Span = Span::from_seconds(90);

/// A longer round trip says too little.
const LONGEST: Span = Span::SECOND;

/// Stamps of user space and of the kernel, in ns: a standard deviation.
const STAMPS_NS: f64 = 10_000.0;

/// By how much the mean of n distances between delays is too small, multiplied by n: see
/// [`quickest`].
const CHANCE: f64 = 0.6;

/// Where both ways are as quick as they can be they may still differ, by this part of what the
/// round trip could hide: a standard deviation, as for NTP.
const BIAS_PART: f64 = 1.0 / 16.0;

/// A question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// This box's raw clock when the question was sent.
    pub asked: Instant<Raw>,
    /// The neighbour's time when it came.
    pub received: Instant<Utc>,
    /// The neighbour's time when the answer was sent.
    pub answered: Instant<Utc>,
    /// This box's raw clock when it came.
    pub heard: Instant<Raw>,
}

/// What exchanges say: the neighbour's time at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// The moment.
    pub raw: Instant<Raw>,
    /// The neighbour's time then.
    pub utc: Instant<Utc>,
    /// What differs from comparison to comparison: a standard deviation, in ns. By exchanges, large
    /// errors are more frequent than with a normal distribution: one in a thousand exceeds six.
    pub sigma_ns: f64,
    /// What does not: a standard deviation, in ns.
    pub bias_sigma_ns: f64,
    /// How far it can be wrong if the neighbour is honest: half the shortest possible round trip.
    pub bound: Span,
}

/// The last exchanges with a neighbour.
#[derive(Debug, Clone, Default)]
pub struct Exchanges {
    last: Vec<Exchange>,
    /// Of how many the next comparison is made.
    wanted: usize,
    shortest: Option<Span>,
}

impl Exchanges {
    /// Notes an exchange. One that cannot have happened is dropped.
    pub fn push(&mut self, exchange: Exchange) {
        let away = exchange.heard - exchange.asked;
        let held = exchange.answered - exchange.received;
        if held < Span::ZERO || away < held || away - held > LONGEST || self.last.len() >= MOST {
            return;
        }
        self.shortest = Some(self.shortest.map_or(away - held, |shortest| shortest.min(away - held)));
        self.last.push(exchange);
    }

    /// Forgets all that was measured, because either clock was moved.
    pub fn clear(&mut self) {
        *self = Self { shortest: self.shortest, ..Self::default() };
    }

    /// Returns the shortest round trip so far.
    pub fn round_trip(&self) -> Option<Span> {
        self.shortest
    }

    /// Returns what all exchanges so far say, and keeps them.
    pub fn peek(&self, map: &ClockMap<Raw, Utc>) -> Option<Compared> {
        compare(&self.last, map)
    }

    /// Returns what the exchanges since the last comparison say, once there are enough. `map` is
    /// this box's own time, whose rate is that of the neighbour to a ppm.
    pub fn take(&mut self, now: Instant<Raw>, map: &ClockMap<Raw, Utc>) -> Option<Compared> {
        self.last.retain(|exchange| now - exchange.heard <= LIFE);
        let has_waited = self.last.first().is_some_and(|first| now - first.heard >= LONGEST_WAIT);
        let wanted = if has_waited { LEAST } else { self.wanted.max(FIRST) };
        if self.last.len() < wanted {
            return None;
        }
        let compared = compare(&self.last, map);
        self.wanted = (self.last.len() * 2).min(MOST);
        self.last.clear();
        compared
    }
}

fn compare(exchanges: &[Exchange], map: &ClockMap<Raw, Utc>) -> Option<Compared> {
    let there = quickest(exchanges.iter().map(|exchange| exchange.received - map.apply(exchange.asked)))?;
    let back = quickest(exchanges.iter().map(|exchange| map.apply(exchange.heard) - exchange.answered))?;
    let raw = exchanges.last()?.heard;
    let ahead = (there.least - back.least) / 2;
    // Half of what both ways together take at least.
    let bound = ((there.least + back.least) / 2).max(Span::ZERO) + Span::from_ns_f64(STAMPS_NS);
    let sigma_ns = (there.excess_ns.hypot(back.excess_ns) / 2.0).hypot(STAMPS_NS);
    Some(Compared { raw, utc: map.apply(raw) + ahead, sigma_ns, bias_sigma_ns: bound.ns_f64() * BIAS_PART, bound })
}

/// The quickest of one way.
struct Quickest {
    least: Span,
    /// How much quicker it could have been, as a standard deviation in ns.
    excess_ns: f64,
}

/// Returns the quickest of one way. If delays above the least possible one are spread evenly near
/// it, the quickest of n exceeds that by as much as it is exceeded by the next, on average; several
/// are taken, as a single distance is a matter of chance.
///
/// What is exceeded has an exponential distribution, and so has every distance. Few distances are
/// often small by chance, so that the root mean square of errors divided by the mean of two
/// distances is 1.3, of four 1.1, and of eight 1.06.
fn quickest(ways: impl Iterator<Item = Span>) -> Option<Quickest> {
    let mut ways: Vec<Span> = ways.collect();
    ways.sort_unstable();
    let least = *ways.first()?;
    let steps = (ways.len() / 4).clamp(1, 8);
    let excess_ns = match ways.get(steps) {
        Some(other) => (*other - least).ns_f64() / steps as f64 * (1.0 + CHANCE / steps as f64),
        None => LONGEST.ns_f64() / 100.0,
    };
    Some(Quickest { least, excess_ns })
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::Rate;
    use proptest::prelude::*;

    use super::*;

    const AHEAD: Span = Span::from_us(-7_300);

    fn own() -> ClockMap<Raw, Utc> {
        ClockMap { from: Instant::ZERO, to: Instant::from_second(1_800_000_000), rate: Rate::from_ppb(12_000.0) }
    }

    /// Makes exchanges, four a second, on a network whose ways take 2 ms and a random time on top.
    fn exchanges(count: usize, random: &mut fastrand::Rng, on_top: impl Fn(&mut fastrand::Rng) -> f64) -> Exchanges {
        let mut exchanges = Exchanges::default();
        for number in 0..count {
            let asked = Instant::ZERO + Span::from_ms(250) * number as i64;
            let [there, back] = [(); 2].map(|()| Span::from_ns_f64(2e6 + on_top(random)));
            let received = own().apply(asked + there) + AHEAD;
            let answered = received + Span::from_us(200);
            let heard = asked + there + Span::from_us(200) + back;
            exchanges.push(Exchange { asked, received, answered, heard });
        }
        exchanges
    }

    fn error_ns(compared: &Compared) -> f64 {
        (compared.utc - own().apply(compared.raw) - AHEAD).ns_f64()
    }

    proptest! {
        #[test]
        fn the_error_is_within_the_bound(seed: u64, count in 2_usize..=128) {
            let mut random = fastrand::Rng::with_seed(seed);
            let busy = exchanges(count, &mut random, |random| random.f64() * 18e6);
            let compared = busy.peek(&own()).unwrap();
            prop_assert!(error_ns(&compared).abs() <= compared.bound.ns_f64(), "{compared:?}");
        }
    }

    /// The errors of one way are distributed exponentially, which no number of sigmas bounds. So what
    /// is true of a standard deviation is asserted of many comparisons.
    #[test]
    fn sigma_is_the_standard_deviation_of_the_errors_and_few_exceed_it_by_far() {
        let mut random = fastrand::Rng::with_seed(7_210_149_780_063_973_195);
        let spreads: [fn(&mut fastrand::Rng) -> f64; 2] =
            [|random| random.f64() * 18e6, |random| -4e6 * (1.0 - random.f64()).ln()];
        for (count, spread) in [FIRST, 16, 32, MOST].into_iter().flat_map(|count| spreads.map(|spread| (count, spread)))
        {
            let mut sigmas: Vec<f64> = (0..4_000)
                .map(|_| {
                    let compared = exchanges(count, &mut random, spread).peek(&own()).unwrap();
                    error_ns(&compared).abs() / compared.sigma_ns
                })
                .collect();
            sigmas.sort_by(f64::total_cmp);
            let rms = (sigmas.iter().map(|sigmas| sigmas * sigmas).sum::<f64>() / sigmas.len() as f64).sqrt();
            let beyond = |limit: f64| sigmas.iter().filter(|sigmas| **sigmas > limit).count();
            println!("{count}: rms {rms:.2}, beyond 2: {}, beyond 6: {}", beyond(2.0), beyond(6.0));
            assert!((0.75..1.15).contains(&rms), "of {count}: {rms}");
            assert!(beyond(2.0) <= 320 && beyond(6.0) <= 20, "of {count}: {} {}", beyond(2.0), beyond(6.0));
        }
    }

    #[test]
    fn of_many_exchanges_on_a_busy_network_the_error_is_a_tenth_of_a_millisecond() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut errors_ns: Vec<f64> = (0..500)
            .map(|_| {
                let busy = exchanges(128, &mut random, |random| random.f64() * 18e6);
                error_ns(&busy.peek(&own()).unwrap()).abs()
            })
            .collect();
        errors_ns.sort_by(f64::total_cmp);
        println!("median {:.0} ns, 95 % within {:.0} ns", errors_ns[250], errors_ns[475]);
        assert!(errors_ns[250] < 100e3 && errors_ns[475] < 300e3);
    }

    #[test]
    fn of_a_box_that_is_asked_seldom_few_exchanges_are_enough() {
        let mut made = Exchanges::default();
        let mut compared = 0;
        for number in 0..40 {
            let asked = Instant::ZERO + Span::from_seconds(20) * number;
            let received = own().apply(asked + Span::MILLISECOND);
            let heard = asked + Span::from_ms(2);
            made.push(Exchange { asked, received, answered: received, heard });
            compared += usize::from(made.take(heard, &own()).is_some());
        }
        assert!(compared >= 10, "{compared} comparisons in 800 s");
    }

    #[test]
    fn what_cannot_have_happened_is_dropped_and_what_is_taken_grows() {
        let mut random = fastrand::Rng::with_seed(2);
        let mut made = exchanges(7, &mut random, |_| 0.0);
        let now = Instant::from_second(2);
        assert_eq!(made.take(now, &own()), None);
        let at = |ms| Instant::ZERO + Span::from_ms(ms);
        let utc = |ms| own().apply(at(ms));
        made.push(Exchange { asked: at(0), received: utc(2), answered: utc(9), heard: at(5) });
        made.push(Exchange { asked: at(0), received: utc(2), answered: utc(1), heard: at(5) });
        made.push(Exchange { asked: at(0), received: utc(2), answered: utc(3), heard: at(1_500) });
        assert_eq!(made.take(now, &own()), None);
        made.push(Exchange { asked: at(0), received: utc(2) + AHEAD, answered: utc(2) + AHEAD, heard: at(4) });
        assert!(made.take(now, &own()).is_some());
        assert_eq!(made.round_trip(), Some(Span::from_ms(4)));
    }
}
