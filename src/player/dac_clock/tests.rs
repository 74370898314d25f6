use super::*;

const RATE_HZ: u32 = 48_000;
const PERIOD_FRAMES: u64 = 1193;

/// Observes `count` periods of a card that is this much slower than nominal, from `first` on.
fn observe(clock: &mut DacClock, first: u64, count: u64, slower_ppm: f64, shift_ns: i64) -> Vec<Outcome> {
    let period = |index: u64| {
        let frame = (first + index) * PERIOD_FRAMES;
        // Steps of a frame, as drivers report them.
        let noise_ns = (index * 7919 % 21) as i64 * 1000 - 10_000;
        let heard_ns = frame as f64 * 1e9 / f64::from(RATE_HZ) * (1.0 + slower_ppm * 1e-6);
        Observation { frame, heard: Instant::from_ns(heard_ns as i64 + noise_ns + shift_ns) }
    };
    (0..count).map(|index| clock.observe(period(index))).collect()
}

#[test]
fn phase_and_rate_are_found_and_it_is_known_how_well() {
    let mut clock = DacClock::new(RATE_HZ, None);
    assert_eq!(clock.settled(), None);
    observe(&mut clock, 0, 400, 80.0, 0);
    let line = clock.settled().unwrap();
    assert!((clock.rate_ppb() - 80_000.0).abs() < 2_000.0, "{}", clock.rate_ppb());
    let frame = 400 * PERIOD_FRAMES;
    let error_ns = line.heard(frame).ns() as f64 - frame as f64 * 1e9 / f64::from(RATE_HZ) * 1.00008;
    assert!(error_ns.abs() < 5.0 * clock.sigma_ns() && clock.sigma_ns() < 10_000.0, "{error_ns}");
    assert!((line.frame_at(line.heard(frame)) - frame as f64).abs() < 0.01);
}

#[test]
fn a_wild_value_is_ignored() {
    let mut clock = DacClock::new(RATE_HZ, None);
    observe(&mut clock, 0, 200, 0.0, 0);
    let before = clock.line();
    assert_eq!(observe(&mut clock, 200, 1, 0.0, 700_000_000), [Outcome::Outlier]);
    assert_eq!(clock.line(), before);
    assert_eq!(observe(&mut clock, 201, 1, 0.0, 0), [Outcome::Taken]);
}

#[test]
fn contradictions_that_agree_make_it_start_over_with_the_same_rate() {
    let mut clock = DacClock::new(RATE_HZ, None);
    observe(&mut clock, 0, 400, -120.0, 0);
    let outcomes = observe(&mut clock, 400, 10, -120.0, 5_000_000_000);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Restarted).count(), 1, "{outcomes:?}");
    assert_eq!(clock.restarts(), 1);
    assert!((clock.rate_ppb() + 120_000.0).abs() < 5_000.0, "{}", clock.rate_ppb());
}

#[test]
fn a_rate_that_changes_is_followed() {
    let mut clock = DacClock::new(RATE_HZ, None);
    observe(&mut clock, 0, 400, 0.0, 0);
    // From here on 100 ppm slower, without a step.
    let at_change_ns = 400.0 * PERIOD_FRAMES as f64 * 1e9 / f64::from(RATE_HZ);
    observe(&mut clock, 400, 800, 100.0, (-at_change_ns * 100e-6) as i64);
    assert!((clock.rate_ppb() - 100_000.0).abs() < 3_000.0, "{}", clock.rate_ppb());
}

#[test]
fn a_stream_after_another_knows_the_crystal() {
    let mut clock = DacClock::new(RATE_HZ, None);
    observe(&mut clock, 0, 14, 60.0, 0);
    assert_eq!((clock.settled(), clock.crystal()), (None, None), "0.35 s say little of a rate");
    observe(&mut clock, 14, 400, 60.0, 0);
    let mut after = DacClock::new(RATE_HZ, clock.crystal().map(Crystal::after_reopening));
    observe(&mut after, 0, 14, 60.0, 0);
    assert!(after.settled().is_some());
    assert!((after.rate_ppb() - 60_000.0).abs() < 10_000.0, "{}", after.rate_ppb());
    // It was another card.
    observe(&mut after, 14, 200, -60.0, 0);
    assert!((after.rate_ppb() + 60_000.0).abs() < 5_000.0, "{}", after.rate_ppb());
    after.restart();
    assert_eq!(after.settled(), None);
    observe(&mut after, 0, 14, -60.0, 0);
    assert!(after.settled().is_some());
}
