use proptest::prelude::*;

use super::*;

const UTC_NS: i64 = 1_790_000_000_000_000_000;

/// An exchange at this raw time whose ways took so long, with a server that is right to the nanosecond.
fn exchange(raw_ns: i64, there_ns: i64, back_ns: i64) -> Exchange {
    let error_ns = (there_ns - back_ns) / 2;
    Exchange { raw_ns, utc_ns: UTC_NS + raw_ns + error_ns, delay_ns: there_ns + back_ns, root_distance_ns: 0 }
}

#[test]
fn the_quickest_answer_is_taken() {
    let exchanges = [
        exchange(0, 3_000_000, 9_000_000),
        exchange(150_000_000, 2_100_000, 1_900_000),
        exchange(300_000_000, 40_000_000, 2_000_000),
    ];
    let estimate = estimate(&exchanges, 0).unwrap();
    assert_eq!((estimate.raw_ns, estimate.utc_ns), (150_000_000, UTC_NS + 150_100_000));
    assert!((2_000_000.0..2_010_000.0).contains(&estimate.bound_ns), "{estimate:?}");
}

#[test]
fn the_servers_own_distance_belongs_to_the_bound() {
    let near = exchange(0, 1_000_000, 1_000_000);
    let far = Exchange { root_distance_ns: 30_000_000, ..near };
    let more_ns = estimate(&[far], 0).unwrap().bound_ns - estimate(&[near], 0).unwrap().bound_ns;
    assert!((more_ns - 30_000_000.0).abs() < 1.0, "{more_ns}");
}

#[test]
fn a_restless_path_has_a_larger_sigma_than_a_calm_one() {
    let calm: Vec<_> = (0..8).map(|i| exchange(i * 150_000_000, 5_000_000 + i, 5_000_000)).collect();
    let restless: Vec<_> = (0..8).map(|i| exchange(i * 150_000_000, 5_000_000 + i * 2_000_000, 5_000_000)).collect();
    let (calm, restless) = (estimate(&calm, 0).unwrap(), estimate(&restless, 0).unwrap());
    assert!(restless.sigma_ns > 1.3 * calm.sigma_ns, "{calm:?} {restless:?}");
    assert_eq!(restless.bound_ns, calm.bound_ns);
}

#[test]
fn a_lone_answer_is_trusted_less() {
    let one = exchange(0, 5_000_000, 5_000_000);
    let again = exchange(150_000_000, 5_000_000, 5_000_000);
    assert!(estimate(&[one], 0).unwrap().sigma_ns > 1.5 * estimate(&[one, again], 0).unwrap().sigma_ns);
}

#[test]
fn nonsense_is_refused_by_name() {
    let good = exchange(0, 1_000_000, 1_000_000);
    assert_eq!(estimate(&[], 0), Err(BurstError::Empty));
    assert_eq!(estimate(&[exchange(0, 900_000_000, 100_000_001)], 0), Err(BurstError::TooSlow));
    assert_eq!(estimate(&[Exchange { delay_ns: 1_000, ..good }], 0), Err(BurstError::TooFast));
    assert_eq!(estimate(&[Exchange { delay_ns: i64::MIN, ..good }], 0), Err(BurstError::TooFast));
    for root_distance_ns in [1_500_000_001, i64::MAX, -1] {
        assert_eq!(estimate(&[Exchange { root_distance_ns, ..good }], 0), Err(BurstError::TooFarFromRoot));
    }
    assert_eq!(estimate(&[Exchange { utc_ns: 0, ..good }], 1), Err(BurstError::TooOld));
}

#[test]
fn a_clock_that_is_set_within_a_burst_is_noticed() {
    let before = exchange(0, 1_000_000, 1_000_000);
    let mut after = exchange(150_000_000, 1_000_000, 1_000_000);
    after.utc_ns += 5_000_000;
    assert_eq!(estimate(&[before, after], 0), Err(BurstError::Contradiction));
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
        let utc_ns = |raw_ns: i64| UTC_NS + raw_ns + (raw_ns as f64 * rate_ppm * 1e-6) as i64;
        let exchanges: Vec<Exchange> = ways.iter().enumerate().map(|(index, &(there_ns, back_ns))| {
            let raw_ns = index as i64 * 1_000_000_000;
            let asymmetry_ns = (there_ns - back_ns) / 2;
            Exchange {
                raw_ns,
                utc_ns: utc_ns(raw_ns) + asymmetry_ns + server_error_ns,
                delay_ns: there_ns + back_ns,
                root_distance_ns: server_error_ns.abs(),
            }
        }).collect();
        let estimate = estimate(&exchanges, 0).unwrap();
        let error_ns = (estimate.utc_ns - utc_ns(estimate.raw_ns)) as f64;
        prop_assert!(error_ns.abs() <= estimate.bound_ns, "{} {:?}", error_ns, estimate);
        prop_assert!(estimate.sigma_ns > 0.0 && estimate.sigma_ns <= estimate.bound_ns);
    }

    #[test]
    fn no_foreign_figure_makes_it_panic(
        figures in prop::collection::vec((any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>()), 0..9)
    ) {
        let exchanges: Vec<Exchange> = figures.into_iter()
            .map(|(raw_ns, utc_ns, delay_ns, root_distance_ns)| Exchange { raw_ns, utc_ns, delay_ns, root_distance_ns })
            .collect();
        let _ = estimate(&exchanges, 0);
    }
}
