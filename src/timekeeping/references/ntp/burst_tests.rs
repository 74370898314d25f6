use proptest::prelude::*;

use super::*;

/// UTC when the raw clock is at its zero.
const START: Instant<Utc> = Instant::from_second(1_790_000_000);

fn raw(ns: i64) -> Instant<Raw> {
    Instant::ZERO + Span::from_ns(ns)
}

/// Makes an exchange at this raw time whose ways took this long, with a server that is right to the
/// nanosecond.
fn exchange(raw_ns: i64, there_ns: i64, back_ns: i64) -> Exchange {
    let error_ns = (there_ns - back_ns) / 2;
    Exchange {
        raw: raw(raw_ns),
        utc: START + Span::from_ns(raw_ns + error_ns),
        delay: Span::from_ns(there_ns + back_ns),
        root_distance: Span::ZERO,
    }
}

#[test]
fn the_quickest_answer_is_taken() {
    let exchanges = [
        exchange(0, 3_000_000, 9_000_000),
        exchange(150_000_000, 2_100_000, 1_900_000),
        exchange(300_000_000, 40_000_000, 2_000_000),
    ];
    let estimate = estimate(&exchanges, Instant::MIN).unwrap();
    assert_eq!((estimate.raw, estimate.utc), (raw(150_000_000), START + Span::from_ns(150_100_000)));
    assert!((2_000_000.0..2_010_000.0).contains(&estimate.bound_ns), "{estimate:?}");
}

#[test]
fn the_servers_own_distance_belongs_to_the_bound() {
    let near = exchange(0, 1_000_000, 1_000_000);
    let far = Exchange { root_distance: Span::from_ms(30), ..near };
    let more_ns = estimate(&[far], Instant::MIN).unwrap().bound_ns - estimate(&[near], Instant::MIN).unwrap().bound_ns;
    assert!((more_ns - 30_000_000.0).abs() < 1.0, "{more_ns}");
}

#[test]
fn a_restless_path_has_a_larger_sigma_than_a_calm_one() {
    let calm: Vec<_> = (0..8).map(|i| exchange(i * 150_000_000, 5_000_000 + i, 5_000_000)).collect();
    let restless: Vec<_> = (0..8).map(|i| exchange(i * 150_000_000, 5_000_000 + i * 2_000_000, 5_000_000)).collect();
    let (calm, restless) = (estimate(&calm, Instant::MIN).unwrap(), estimate(&restless, Instant::MIN).unwrap());
    assert!(restless.sigma_ns > 1.3 * calm.sigma_ns, "{calm:?} {restless:?}");
    assert_eq!(restless.bound_ns, calm.bound_ns);
}

#[test]
fn a_lone_answer_is_trusted_less() {
    let one = exchange(0, 5_000_000, 5_000_000);
    let again = exchange(150_000_000, 5_000_000, 5_000_000);
    assert!(
        estimate(&[one], Instant::MIN).unwrap().sigma_ns
            > 1.5 * estimate(&[one, again], Instant::MIN).unwrap().sigma_ns
    );
}

#[test]
fn nonsense_is_refused_by_name() {
    let good = exchange(0, 1_000_000, 1_000_000);
    assert_eq!(estimate(&[], Instant::MIN), Err(BurstError::Empty));
    assert_eq!(estimate(&[exchange(0, 900_000_000, 100_000_001)], Instant::MIN), Err(BurstError::TooSlow));
    assert_eq!(estimate(&[Exchange { delay: Span::MICROSECOND, ..good }], Instant::MIN), Err(BurstError::TooFast));
    assert_eq!(estimate(&[Exchange { delay: Span::MIN, ..good }], Instant::MIN), Err(BurstError::TooFast));
    for ns in [1_500_000_001, i64::MAX, -1] {
        let root_distance = Span::from_ns(ns);
        assert_eq!(estimate(&[Exchange { root_distance, ..good }], Instant::MIN), Err(BurstError::TooFarFromRoot));
    }
    assert_eq!(estimate(&[Exchange { utc: Instant::ZERO, ..good }], Instant::from_ns(1)), Err(BurstError::TooOld));
}

#[test]
fn a_clock_that_is_set_within_a_burst_is_noticed() {
    let before = exchange(0, 1_000_000, 1_000_000);
    let mut after = exchange(150_000_000, 1_000_000, 1_000_000);
    after.utc += Span::from_ms(5);
    assert_eq!(estimate(&[before, after], Instant::MIN), Err(BurstError::Contradiction));
}

#[test]
fn public_servers_are_asked_gently() {
    for nearby in
        ["127.0.0.1", "192.168.43.1", "10.0.0.1", "169.254.3.4", "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1"]
    {
        assert_eq!(BurstPlan::for_server(nearby.parse().unwrap()).exchanges, 8, "{nearby}");
    }
    for public in ["192.0.2.1", "8.8.8.8", "2001:db8::1", "::ffff:8.8.8.8"] {
        assert!(BurstPlan::for_server(public.parse().unwrap()).spacing >= Duration::from_secs(2), "{public}");
    }
}

proptest! {
    #[test]
    fn the_bound_holds_whatever_the_ways_take(
        ways in prop::collection::vec((1_500_i64..400_000_000, 1_500_i64..400_000_000), 1..9),
        rate_ppm in -100.0..100.0_f64,
        server_error_ns in -20_000_000_i64..20_000_000,
    ) {
        // The raw clock runs fast or slow: so true time passes faster or slower than it.
        let utc = |since: Span| START + since + since.scaled(rate_ppm * 1e-6);
        let exchanges: Vec<Exchange> = ways.iter().enumerate().map(|(index, &(there_ns, back_ns))| {
            let since = Span::SECOND * index as i64;
            let asymmetry_ns = (there_ns - back_ns) / 2;
            Exchange {
                raw: Instant::ZERO + since,
                utc: utc(since) + Span::from_ns(asymmetry_ns + server_error_ns),
                delay: Span::from_ns(there_ns + back_ns),
                root_distance: Span::from_ns(server_error_ns.abs()),
            }
        }).collect();
        let estimate = estimate(&exchanges, Instant::MIN).unwrap();
        let error_ns = (estimate.utc - utc(estimate.raw - Instant::ZERO)).ns_f64();
        prop_assert!(error_ns.abs() <= estimate.bound_ns, "{} {:?}", error_ns, estimate);
        prop_assert!(estimate.sigma_ns > 0.0 && estimate.sigma_ns <= estimate.bound_ns);
    }

    #[test]
    fn no_foreign_figure_makes_it_panic(
        figures in prop::collection::vec((any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>()), 0..9)
    ) {
        let exchanges: Vec<Exchange> = figures.into_iter()
            .map(|(raw, utc, delay, root_distance)| Exchange {
                raw: Instant::from_ns(raw),
                utc: Instant::from_ns(utc),
                delay: Span::from_ns(delay),
                root_distance: Span::from_ns(root_distance),
            })
            .collect();
        let _ = estimate(&exchanges, Instant::MIN);
    }
}
