//! Tests: what holds of a group's time whatever its samples, its RTC and its leader are.

use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Rtc, Span, Utc};
use proptest::prelude::*;

use super::*;
use crate::timekeeping::estimate::calibration::{Calibration, FlywheelModel};
use crate::timekeeping::estimate::smoothing::Smoother;

const GROUP: GroupId = GroupId(7);
const BEGIN: Instant<Utc> = Instant::from_second(1_800_000_000);
const SIGMA_NS: f64 = 20_000.0;
const BIAS_NS: f64 = 15_000.0 * std::f64::consts::SQRT_2;
/// How well the raw clock knows what the RTC shows.
const EDGES_NS: f64 = 300.0;

fn at(second: i64) -> Instant<Raw> {
    Instant::from_second(second)
}

/// The group's time, by which the raw clock is true.
fn truth() -> ClockMap<Raw, Utc> {
    ClockMap { from: at(0), to: BEGIN, rate: Rate::ZERO }
}

/// An RTC that gains so much, and is ahead by so much; and the box's own calibration, which takes
/// its home's line for UTC.
struct Bike {
    map: ClockMap<Raw, Rtc>,
    own: Calibration<Rtc>,
}

impl Bike {
    fn new(rate_ppb: f64, ahead: Span, home: Span) -> Self {
        let rtc = Instant::from_ns(BEGIN.ns()) + ahead;
        let map = ClockMap { from: at(0), to: rtc, rate: Rate::from_ppb(rate_ppb) };
        Self { map, own: Calibration::new(FlywheelModel::DS3231, rtc, BEGIN + home, SIGMA_NS) }
    }

    fn view(&self, now: Instant<Raw>) -> RtcView<'_> {
        RtcView { map: self.map.anchored_at(now), sigma_ns: EDGES_NS, temperature_c: 20.0, calibration: &self.own }
    }
}

/// A sample whose error is this many standard deviations, and what all have in common besides.
fn sample(second: i64, sigmas: f64, bias_ns: f64) -> GroupSample {
    let error = Span::from_ns_f64(sigmas * SIGMA_NS + bias_ns);
    GroupSample { raw: at(second), utc: truth().apply(at(second)) + error, sigma_ns: SIGMA_NS, bias_sigma_ns: BIAS_NS }
}

fn follower() -> Contact {
    Contact {
        leads: false,
        is_settled: true,
        is_shared: true,
        way_bound: Span::ZERO,
        utc_bound: Some(Span::MILLISECOND),
    }
}

fn error(clock: &GroupClock, now: Instant<Raw>) -> Span {
    clock.estimate(now).map_or(Span::from_seconds(999), |estimate| estimate.utc.apply(now) - truth().apply(now))
}

fn normal(random: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_box_that_joins_has_the_groups_time_at_once_and_its_bound_covers_it(
        sigmas in -3.0..3.0, rate_ppb in -5_000.0..5_000.0, ahead_us in -9_000_000_i64..9_000_000, has_rtc: bool,
    ) {
        let made = Bike::new(rate_ppb, Span::from_us(ahead_us), Span::from_ms(2));
        let rtc = has_rtc.then(|| made.view(at(100)));
        let mut clock = GroupClock::join(GROUP, &sample(100, sigmas, 0.0), rtc);
        clock.contact(at(100), Some(follower()));
        clock.update(at(100), None, rtc);
        let estimate = clock.estimate(at(100)).unwrap();
        prop_assert!((error(&clock, at(100)).ns_f64() - sigmas * SIGMA_NS).abs() <= 2.0);
        prop_assert!(error(&clock, at(100)).abs() <= estimate.bound);
        prop_assert_eq!((estimate.id, estimate.is_shared), (GROUP, true));
    }

    #[test]
    fn what_is_stated_covers_the_error_while_it_learns_and_after_the_others_have_gone(
        seed: u64, rate_ppb in -2_000.0..2_000.0, minutes in 3_i64..30,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let made = Bike::new(rate_ppb, Span::from_ms(40), Span::from_ms(2));
        let bias_ns = normal(&mut random) * BIAS_NS;
        let mut clock = GroupClock::join(GROUP, &sample(0, normal(&mut random), bias_ns), Some(made.view(at(0))));
        let (mut covered, mut steps) = (0, 0);
        let mut second = 0;
        let mut step = |clock: &mut GroupClock, now: Instant<Raw>| {
            clock.update(now, None, Some(made.view(now)));
            let estimate = clock.estimate(now).unwrap();
            steps += 1;
            covered += usize::from(error(clock, now).abs() <= estimate.bound);
        };
        while second < minutes * 60 {
            second += 4;
            clock.learn(&sample(second, normal(&mut random), bias_ns), Some(made.view(at(second))));
            clock.contact(at(second), Some(follower()));
            step(&mut clock, at(second));
        }
        clock.contact(at(second), None);
        let before = clock.estimate(at(second)).unwrap().bound;
        for _ in 0..120 {
            second += 30;
            step(&mut clock, at(second));
        }
        prop_assert!(clock.estimate(at(second)).unwrap().bound > before, "alone it becomes worse");
        // One bias for all of it: a run in which that exceeds its bound is one in a thousand.
        let is_unlikely = bias_ns.abs() > 2.5 * BIAS_NS;
        prop_assert!(is_unlikely || covered * 1_000 >= steps * 995, "{covered} of {steps}");
    }

    #[test]
    fn what_was_learnt_is_remembered_over_a_time_without_power(
        seed: u64, rate_ppb in -2_000.0..2_000.0, off_minutes in 1_i64..600,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let made = Bike::new(rate_ppb, Span::from_ms(-300), Span::from_ms(-2));
        let mut clock = GroupClock::join(GROUP, &sample(0, 0.0, 0.0), Some(made.view(at(0))));
        for second in (4..1_800).step_by(4) {
            clock.learn(&sample(second, normal(&mut random), 0.0), Some(made.view(at(second))));
            clock.contact(at(second), Some(follower()));
            clock.update(at(second), None, Some(made.view(at(second))));
        }
        let before = clock.estimate(at(1_800)).unwrap().bound;
        let saved = clock.save().unwrap();
        let saved: SavedGroup = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
        let back = at(1_800 + off_minutes * 60);
        let view = made.view(back);
        let mut clock = GroupClock::restore(&saved, FlywheelModel::DS3231, view.map.to).unwrap();
        clock.update(back, None, Some(view));
        let estimate = clock.estimate(back).unwrap();
        prop_assert_eq!(estimate.id, GROUP);
        prop_assert!(error(&clock, back).abs() <= estimate.bound, "{:?} {:?}", error(&clock, back), estimate.bound);
        prop_assert!(estimate.bound > before, "{:?} after {:?}", estimate.bound, before);
        prop_assert!(estimate.contact.is_none() && estimate.is_shared);
    }

    #[test]
    fn that_the_rtc_is_set_moves_nothing(rate_ppb in -2_000.0..2_000.0, by_us in -2_000_000_i64..2_000_000) {
        let (mut made, by) = (Bike::new(rate_ppb, Span::from_ms(90), Span::ZERO), Span::from_us(by_us));
        let mut clock = GroupClock::join(GROUP, &sample(0, 0.0, 0.0), Some(made.view(at(0))));
        for second in (4..200).step_by(4) {
            clock.learn(&sample(second, 0.0, 0.0), Some(made.view(at(second))));
            clock.update(at(second), None, Some(made.view(at(second))));
        }
        let before = error(&clock, at(200));
        made.map.to += by;
        clock.rtc_shifted(by, EDGES_NS);
        clock.update(at(200), None, Some(made.view(at(200))));
        let moved = error(&clock, at(200)) - before;
        prop_assert!(moved.abs() < Span::from_us(3), "{moved:?}");
    }

    #[test]
    fn all_follow_the_leaders_steering_at_the_same_instant_and_at_most_50_ppm(
        ahead_us in -20_000_i64..20_000, bound_us in 50_i64..3_000, late_s in 0_i64..9,
    ) {
        let (ahead, bound) = (Span::from_us(ahead_us), Span::from_us(bound_us));
        let leads = Contact { leads: true, utc_bound: Some(bound), ..follower() };
        let mut leader = GroupClock::found(GROUP, at(0), truth(), None);
        let mut other = GroupClock::join(GROUP, &sample(0, 0.0, 0.0), None);
        let mut announced: Vec<SteeringPlan> = Vec::new();
        let own = Some((truth().shifted(ahead), bound));
        let mut before = error(&leader, at(0));
        for second in 1..600 {
            leader.contact(at(second), Some(leads));
            leader.update(at(second), own, None);
            announced.push(leader.estimate(at(second)).unwrap().steering);
            if let Some(plan) = announced.len().checked_sub(1 + late_s as usize).map(|place| announced[place]) {
                other.steer(at(second), plan.from_s, plan.rate);
            }
            other.contact(at(second), Some(follower()));
            other.update(at(second), None, None);
            let moved = error(&leader, at(second)) - before;
            before = error(&leader, at(second));
            prop_assert!(moved.abs() <= Span::from_ns(50_001), "{moved:?} in a second");
            // Whoever hears of a change late catches up with it, at most one second's worth a change.
            let apart = (error(&leader, at(second)) - error(&other, at(second))).abs();
            let most = Span::from_us(50) * (late_s - 4).max(0) + Span::from_us(2);
            prop_assert!(apart <= most, "{apart:?} apart after {second} s");
        }
        prop_assert!((ahead - before).abs() <= ahead.abs().max(bound), "it moves towards UTC");
    }

    #[test]
    fn whatever_is_learnt_nothing_that_plays_jumps_or_runs_faster_than_100_ppm(
        seed: u64, rate_ppb in -3_000.0..3_000.0, ahead_us in -4_900_i64..4_900,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let made = Bike::new(rate_ppb, Span::from_ms(5), Span::ZERO);
        // What it played by before it joined.
        let mut smoother = Smoother::new(truth().shifted(Span::from_us(ahead_us)));
        let mut clock = GroupClock::join(GROUP, &sample(0, normal(&mut random), 0.0), Some(made.view(at(0))));
        for second in 1..400 {
            if second % 4 == 0 {
                // One in ten is far off: it is a surprise.
                let sigmas = if random.u8(0..10) == 0 { 30.0 } else { 1.0 } * normal(&mut random);
                clock.learn(&sample(second, sigmas, 0.0), Some(made.view(at(second))));
            }
            clock.contact(at(second), Some(follower()));
            clock.update(at(second), None, Some(made.view(at(second))));
            let before = smoother.output();
            smoother.update(at(second), clock.estimate(at(second)).unwrap().utc);
            let after = smoother.output();
            prop_assert!((after.to - before.apply(at(second))).abs() <= Span::from_ns(1));
            prop_assert!(after.rate.ppb().abs() <= 100_000.0 + 5_000.0, "{:?}", after.rate);
        }
        let left = smoother.output().apply(at(400)) - truth().apply(at(400));
        prop_assert!(left.abs() < Span::MILLISECOND, "{left:?}");
    }
}

#[test]
fn a_group_of_one_is_saved_only_once_it_was_shared() {
    let made = Bike::new(0.0, Span::ZERO, Span::ZERO);
    let mut clock = GroupClock::found(GROUP, at(0), truth(), Some(made.view(at(0))));
    assert_eq!(clock.save(), None);
    clock.contact(at(1), Some(Contact { leads: true, ..follower() }));
    assert!(clock.save().is_some());
}

#[test]
fn whoever_is_alone_steers_no_longer() {
    let mut clock = GroupClock::join(GROUP, &sample(100, 0.0, 0.0), None);
    clock.contact(at(100), Some(follower()));
    clock.update(at(100), None, None);
    clock.steer(at(100), BEGIN.second() + 105, Rate::from_ppb(40_000.0));
    for second in 101..=200 {
        clock.update(at(second), None, None);
    }
    let steered = error(&clock, at(200));
    assert!((steered - Span::from_us(3_800)).abs() < Span::from_us(300), "{steered:?}");
    clock.contact(at(200), None);
    for second in 201..=3_800 {
        clock.update(at(second), None, None);
    }
    let alone = error(&clock, at(3_800));
    assert!((alone - steered).abs() < Span::from_us(300), "{steered:?} became {alone:?}");
}
