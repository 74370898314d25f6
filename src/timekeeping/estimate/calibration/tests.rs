use super::*;

use jaudiosync_time::{Raw, Rtc};
use proptest::prelude::*;

const START: Instant<Rtc> = Instant::from_second(1_790_000_000);

fn uncompared(sigma_ns: f64) -> Calibration<Rtc> {
    Calibration::uncompared(FlywheelModel::DS3231, START, sigma_ns)
}

/// Returns true UTC: the RTC's time and an offset in ns.
fn utc(at: Instant<Rtc>, offset_ns: f64) -> Instant<Utc> {
    ClockMap::with_offset(at, Span::from_ns(offset_ns as i64), Rate::ZERO).to
}

/// Makes what a reference says that has these errors, and is within four times both.
fn says(utc: Instant<Utc>, sigma_ns: f64, bias_sigma_ns: f64) -> Correction {
    Correction { utc, sigma_ns, bias_sigma_ns, bound_ns: 4.0 * (sigma_ns + bias_sigma_ns) }
}

/// Simulates a box that meets a reference once a day for some days with an RTC of this rate,
/// followed by hours of holdover. Returns the error and its sigma, in ns.
fn holdover(rate_ppb: f64, days: i64, hours: i64) -> (f64, f64) {
    let truth_ns = |at: Instant<Rtc>| 5e6 + (at - START).seconds() * rate_ppb;
    let mut calibration = uncompared(1e9);
    for day in 0..=days {
        let at = START + Span::DAY * day;
        calibration.advance(at, Some(22.0));
        calibration.correct(at, says(utc(at, truth_ns(at)), 500_000.0, 0.0));
    }
    let mut at = START + Span::DAY * days;
    for _ in 0..hours * 60 {
        at += Span::MINUTE;
        calibration.advance(at, Some(22.0));
    }
    let known = calibration.at(at);
    (known.map.offset().ns_f64() - truth_ns(at), known.sigma_ns)
}

#[test]
fn contacts_once_a_day_teach_the_rate() {
    let (error_ns, sigma_ns) = holdover(-700.0, 3, 4);
    assert!(error_ns.abs() < 300_000.0, "{error_ns}");
    assert!(sigma_ns > 300_000.0 && sigma_ns < 1_200_000.0, "{sigma_ns}");
}

#[test]
fn an_uncalibrated_clock_knows_that_it_is_one() {
    let (error_ns, sigma_ns) = holdover(900.0, 0, 4);
    assert!((error_ns + 900.0 * 14_400.0).abs() < 1e6, "{error_ns}");
    assert!(error_ns.abs() < 4.0 * sigma_ns && sigma_ns < 10e6, "{sigma_ns}");
}

#[test]
fn a_rate_that_follows_the_temperature_is_learnt_and_carried_into_the_cold() {
    let rate_ppb = |temperature_c: f64| 300.0 - 6.0 * (temperature_c - 25.0);
    let mut calibration = uncompared(1e9);
    let mut offset_ns = 2e6;
    let mut at = START;
    // A week beside a GPS, day and night.
    for minute in 0..7 * 1440 {
        let temperature_c = 18.0 + 12.0 * (f64::from(minute) / 1440.0 * std::f64::consts::TAU).sin();
        at += Span::MINUTE;
        offset_ns += 60.0 * rate_ppb(temperature_c);
        calibration.advance(at, Some(temperature_c));
        if minute % 10 == 0 {
            calibration.correct(at, says(utc(at, offset_ns), 10_000.0, 0.0));
        }
    }
    for _ in 0..240 {
        at += Span::MINUTE;
        offset_ns += 60.0 * rate_ppb(5.0);
        calibration.advance(at, Some(5.0));
    }
    let error_ns = calibration.at(at).map.offset().ns_f64() - offset_ns;
    // Without learning, 20 °C would cost 1.7 ms.
    assert!(error_ns.abs() < 250_000.0, "{error_ns}");
}

#[test]
fn what_is_saved_comes_back_and_nonsense_does_not() {
    let mut calibration = Calibration::new(FlywheelModel::DS3231, START, utc(START, 77.0), 1e6);
    let later = START + Span::SECOND * 3;
    calibration.advance(later, Some(20.0));
    calibration.correct(later, says(utc(later, 500.0), 1e5, 1e4));
    let saved = calibration.save();
    assert_eq!(Calibration::restore(FlywheelModel::DS3231, &saved), Some(calibration));
    for nonsense in [f64::NAN, f64::INFINITY, -1.0] {
        let mut broken = saved.clone();
        broken.covariance[1][1] = nonsense;
        assert_eq!(Calibration::<Rtc>::restore(FlywheelModel::DS3231, &broken), None);
    }
}

#[test]
fn a_flywheel_that_is_set_moves_nothing() {
    let mut calibration = Calibration::new(FlywheelModel::DS3231, START, utc(START, 77.0), 1e6);
    let later = START + Span::MINUTE;
    calibration.advance(later, Some(20.0));
    calibration.correct(later, says(utc(later, 40e6), 1e5, 2e4));
    let before = calibration.at(later + Span::SECOND);
    let by = Span::from_ms(40);
    calibration.shift(by, 0.0);
    let after = calibration.at(later + Span::SECOND + by);
    assert_eq!((after.map.to, after.map.rate), (before.map.to, before.map.rate));
    assert_eq!((after.sigma_ns, calibration.bias_sigma_ns()), (before.sigma_ns, 2e4));
}

#[test]
fn another_model_makes_it_less_sure_and_moves_nothing() {
    for samples in [0, 5] {
        let mut calibration = uncompared(1e9);
        for day in 0..samples {
            let at = START + Span::DAY * day;
            calibration.advance(at, Some(22.0));
            calibration.correct(at, says(utc(at, 86_400.0 * 300.0 * day as f64), 500_000.0, 0.0));
        }
        let now = calibration.carried_to();
        let before = calibration.at(now);
        calibration.set_model(FlywheelModel::DS3231M);
        let after = calibration.at(now);
        assert_eq!((after.map, after.sigma_ns), (before.map, before.sigma_ns));
        if samples == 0 {
            assert!((2_000.0..2_020.0).contains(&after.rate_sigma_ppb), "{}", after.rate_sigma_ppb);
        } else {
            // Most of it is the wander, which no sample can teach.
            assert!((100.0..200.0).contains(&after.rate_sigma_ppb), "{}", after.rate_sigma_ppb);
        }
        let later = |calibration: &Calibration<Rtc>| calibration.at(now + Span::HOUR * 4).sigma_ns;
        let mut crystal = calibration.clone();
        crystal.model = FlywheelModel::DS3231;
        assert!(later(&calibration) > later(&crystal));
    }
}

#[test]
fn an_offset_of_half_a_century_keeps_its_nanoseconds() {
    // The crystal's own time begins at 0 when the machine starts.
    let start = Instant::<Raw>::ZERO;
    let known = Instant::from_second(1_790_000_000) + Span::from_ns(123);
    let mut calibration = Calibration::new(FlywheelModel::CRYSTAL, start, known, 1e6);
    let later = start + Span::SECOND * 10;
    calibration.advance(later, None);
    assert_eq!(calibration.at(later).map.to, known + Span::SECOND * 10);
}

/// Makes what a time server says whose path hides this part of all that it can hide, in ns.
fn by_path(utc: Instant<Utc>, part: f64, bound_ns: f64) -> Correction {
    let utc = utc + Span::from_ns_f64(part * bound_ns);
    Correction { utc, sigma_ns: bound_ns / 3.0, bias_sigma_ns: bound_ns / 16.0, bound_ns }
}

#[test]
fn what_a_path_can_hide_stays_in_the_bound_however_many_samples_there_are() {
    let mut calibration = uncompared(0.5e9);
    assert!((calibration.at(START).bound.ns() - 2e9).abs() < 1.0, "nobody has compared it");
    let mut at = START;
    for _ in 0..1000 {
        at += Span::MINUTE;
        calibration.advance(at, Some(22.0));
        calibration.correct(at, by_path(utc(at, 0.0), 0.4, 22.5e6));
    }
    let known = calibration.at(at);
    assert!((known.map.offset().ns_f64() - 9e6).abs() < 0.2e6, "{known:?}");
    assert!(known.sigma_ns < 3e6, "the weights know that samples repeat themselves: {known:?}");
    assert!((22.0e6..24e6).contains(&known.bound.ns()), "{known:?}");
    // One sample of a near server leaves no more than that one can hide.
    calibration.correct(at, by_path(utc(at, 0.0), 0.0, 0.5e6));
    let known = calibration.at(at);
    assert!(known.map.offset().ns_f64().abs() <= known.bound.ns() && known.bound.ns() < 1e6, "{known:?}");
    // A distant one afterwards takes nothing away from that.
    calibration.correct(at, by_path(utc(at, 0.0), 1.0, 100e6));
    let known = calibration.at(at);
    assert!(known.map.offset().ns_f64().abs() <= known.bound.ns() && known.bound.ns() < 1e6, "{known:?}");
}

#[test]
fn of_two_that_exclude_each_other_both_stay_possible() {
    let mut calibration = uncompared(0.5e9);
    calibration.correct(START, by_path(utc(START, 0.0), 0.0, 1e6));
    calibration.correct(START, by_path(utc(START, 20e6), 0.0, 1e6));
    let known = calibration.at(START);
    for possible_ns in [-0.9e6, 20.9e6] {
        let error_ns = known.map.offset().ns_f64() - possible_ns;
        assert!(error_ns.abs() <= known.bound.ns(), "{known:?}");
    }
    // However long they quarrel, the bound stays what they differ by.
    for index in 0..1000 {
        let says_ns = if index % 2 == 0 { 0.0 } else { 20e6 };
        calibration.correct(START, by_path(utc(START, says_ns), 0.0, 1e6));
        let bound_ns = calibration.at(START).bound.ns();
        assert!(bound_ns < 30e6, "{bound_ns}");
    }
}

#[test]
fn a_clock_that_somebody_set_five_seconds_off_is_known_after_one_sample() {
    let mut calibration = uncompared(0.5e9);
    let correction = by_path(utc(START, 5e9), 0.0, 13e6);
    calibration.lose_confidence(100.0);
    calibration.correct(START, correction);
    let known = calibration.at(START);
    assert!((known.map.offset().ns_f64() - 5e9).abs() <= known.bound.ns() && known.bound.ns() < 20e6, "{known:?}");
}

#[test]
fn a_restart_changes_nothing_of_the_bound_and_a_file_of_an_earlier_version_is_read() {
    let mut calibration = uncompared(0.5e9);
    calibration.correct(START, by_path(utc(START, 0.0), 0.2, 8e6));
    let later = START + Span::HOUR;
    calibration.advance(later, Some(20.0));
    let saved = calibration.save();
    let restored = Calibration::<Rtc>::restore(FlywheelModel::DS3231, &saved).unwrap();
    assert!((restored.at(later).bound.ns() - calibration.at(later).bound.ns()).abs() < 1.0);
    let text = serde_json::to_string(&saved).unwrap().replace("bound_ns", "other");
    let earlier: SavedCalibration = serde_json::from_str(&text).unwrap();
    assert_eq!((earlier.bound_ns, earlier.samples), (None, 1));
    let restored = Calibration::<Rtc>::restore(FlywheelModel::DS3231, &earlier).unwrap();
    assert!(restored.at(later).bound.ns() > 8e6, "{:?}", restored.at(later));
    let nonsense = SavedCalibration { bound_ns: Some(f64::NAN), ..saved };
    assert_eq!(Calibration::<Rtc>::restore(FlywheelModel::DS3231, &nonsense), None);
}

proptest! {
    #[test]
    fn utc_is_within_the_bound_whatever_the_paths_hide(
        samples in prop::collection::vec((-1.0..1.0_f64, 1e5..5e7_f64, 1_i64..64), 1..40),
    ) {
        let mut calibration = uncompared(0.5e9);
        let mut at = START;
        for (part, bound_ns, after_s) in samples {
            at += Span::from_seconds(after_s);
            calibration.advance(at, Some(22.0));
            calibration.correct(at, by_path(utc(at, 0.0), part, bound_ns));
            let known = calibration.at(at);
            prop_assert!(known.map.offset().ns_f64().abs() <= known.bound.ns(), "{:?}", known);
        }
    }
}

/// Returns the rate, in ppb, at 5 °C that a calibration expects after half an hour in which it got
/// colder, from 20 to 9 °C, while the flywheel became slower by 100 ppb at 12.5 °C.
fn expected_at_5_c(model: FlywheelModel) -> f64 {
    let mut calibration = Calibration::new(model, START, utc(START, 0.0), 100.0);
    calibration.filter.kalman_mut().set(State::Rate, 0.0, 20.0_f64.powi(2));
    let (mut at, mut offset_ns) = (START, 0.0);
    for step in 0..900 {
        let temperature_c = ((20.0 - 11.0 * f64::from(step) / 900.0) * 4.0).round() / 4.0;
        at += Span::SECOND * 2;
        offset_ns += if temperature_c < 12.5 { 200.0 } else { 0.0 };
        calibration.advance(at, Some(temperature_c));
        calibration.correct(at, says(utc(at, offset_ns), 10_000.0, 0.0));
    }
    let error_ns = calibration.at(at).map.offset().ns_f64() - offset_ns;
    assert!(error_ns.abs() < 5_000.0, "{error_ns} ns");
    calibration.advance(at + Span::SECOND, Some(5.0));
    calibration.at(at + Span::SECOND).map.rate.ppb()
}

#[test]
fn a_step_of_the_compensation_is_not_taken_for_a_slope_over_temperature() {
    let model = FlywheelModel::DS3231.seen_from_another();
    let as_a_slope = expected_at_5_c(FlywheelModel { phase_walk_ns: 0.0, ..model });
    let with_walk = expected_at_5_c(model);
    println!("100 ppb in truth: {with_walk:.0} ppb, without the walk of the phase {as_a_slope:.0} ppb");
    assert!((20.0..120.0).contains(&with_walk), "{with_walk}");
    assert!(as_a_slope > 150.0, "{as_a_slope}");
}
