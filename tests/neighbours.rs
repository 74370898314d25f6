//! Boxes that meet, as real services with real sockets on a virtual Wi-Fi: each begins with an RTC
//! that is wrong in its own way, and what is heard of all of them is compared.
//!
//! Figures are printed: `cargo test --test neighbours -- --nocapture`. How to listen for an hour is in
//! docs/measurements.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../measure/tests/virtual_air/rights.rs"]
mod rights;
mod support;

use jaudiosync_measure::air::AirModel;
use support::neighbours::{Apart, Neighbours};
use support::now_s;

/// By how much the RTCs are ahead, in ms, and how much they gain, in ppm. The last is that of the
/// box that comes later.
const RTCS: [(f64, f64); 5] = [(-3.5, -1.0), (3.5, 1.0), (1.0, 0.4), (-2.0, -0.6), (7.0, 1.5)];

/// Boxes that agree are heard within this.
const AGREED_MS: f64 = 0.1;
/// No second may be worse from then on, as this runs on shared machines; what is measured is
/// printed.
const BOUND_MS: f64 = 0.2;
/// They agree this soon after the last was switched on.
const AGREED_WITHIN_S: f64 = 60.0;

/// Messages a second of somebody who has no key.
const FORGED_PER_S: u32 = 1_000;

/// What a box may send, and its thread may use of a core. This is not the release build.
const MOST_BYTES_PER_S: f64 = 2_000.0;
const MOST_PROCESSOR_PERCENT: f64 = 3.0;

#[test]
fn four_boxes_agree_a_fifth_joins_them_and_nothing_that_happens_then_is_heard() {
    let Some(air) = rights::start(AirModel::hotspot()) else { return };
    let mut ride = Neighbours::new(air, RTCS.len());
    for (number, (offset_ms, rate_ppm)) in RTCS.into_iter().enumerate().take(4) {
        ride.switch_on(number, offset_ms, rate_ppm);
    }
    let on_s = now_s();
    let four = ride.numbers();
    let agreed_s = ride.listen_until_agreed(&four, AGREED_MS, AGREED_WITHIN_S + 12.0);
    ride.print("four boxes");
    let agreed_s = agreed_s.unwrap_or_else(|| panic!("never agreed: {:#?}", ride.heard)) - on_s;
    println!("four boxes agree {agreed_s:.1} s after the last was switched on");
    assert!(agreed_s <= AGREED_WITHIN_S);

    let from = ride.heard.len();
    ride.switch_on(4, RTCS[4].0, RTCS[4].1);
    let on_s = now_s();
    let five = ride.numbers();
    let agreed_s = ride.listen_until_agreed(&five, AGREED_MS, AGREED_WITHIN_S + 12.0);
    ride.print("a fifth box");
    let agreed_s = agreed_s.unwrap_or_else(|| panic!("never agreed: {:#?}", &ride.heard[from..])) - on_s;
    println!("a fifth box agrees {agreed_s:.1} s after it was switched on");
    assert!(agreed_s <= AGREED_WITHIN_S);
    check("while the fifth comes", &ride, from, &four);

    let before = five.iter().map(|number| ride.used(*number)).collect::<Vec<_>>();
    let from = ride.heard.len();
    ride.listen(8.0);
    check("together", &ride, from, &five);
    for (number, before) in five.iter().zip(&before) {
        let (percent, bytes_per_s) = ride.used(*number).since(before);
        println!("box{}: {bytes_per_s:.0} bytes/s, {percent:.2} % of a core", number + 1);
        assert!(bytes_per_s <= MOST_BYTES_PER_S && percent <= MOST_PROCESSOR_PERCENT);
    }

    let leader = ride.leader().expect("one leader");
    let follower = five.iter().copied().find(|number| *number != leader).unwrap();
    let (before, from) = (ride.used(follower), ride.heard.len());
    let flood = ride.flood(&ride.stranger(), &[leader, follower], FORGED_PER_S);
    ride.listen(10.0);
    let (percent, _) = ride.used(follower).since(&before);
    let sent = flood.end();
    let refused = ride.ride(follower).refused;
    println!("{sent} forged messages in 10 s: {percent:.2} % of a core, {refused:?}");
    check("forged messages", &ride, from, &five);
    // On a busy machine the air's queue loses some.
    assert!(refused.flood + refused.signature > sent / 4, "{refused:?} of {sent}");
    assert!(refused.signature > 0 && refused.flood > refused.signature, "most are not even looked into");

    let from = ride.heard.len();
    ride.cut_power(leader);
    let gone_s = now_s();
    let rest = ride.numbers();
    ride.listen(12.0);
    ride.print("without the leader");
    check("without the leader", &ride, from, &rest);
    ride.boxes[&rest[0]].wait_until("a new leader", |_| ride.leader().is_some());
    println!("box{} leads within {:.1} s", ride.leader().unwrap() + 1, now_s() - gone_s);

    let from = ride.heard.len();
    ride.air.outage(true);
    ride.listen(12.0);
    ride.print("in the outage");
    assert!(rest.iter().all(|number| ride.ride(*number).neighbours.is_empty()), "nobody hears anybody");
    ride.air.outage(false);
    ride.listen(8.0);
    ride.print("after the outage");
    check("in and after an outage", &ride, from, &rest);
}

/// How long the long test takes, in minutes, unless the environment says otherwise.
const MINUTES: f64 = 60.0;

#[test]
#[ignore = "takes an hour, or NEIGHBOURS_MINUTES: see docs/measurements.md"]
fn an_hour_together_with_an_outage() {
    let minutes = std::env::var("NEIGHBOURS_MINUTES").map_or(MINUTES, |minutes| minutes.parse().unwrap());
    let Some(air) = rights::start(AirModel::hotspot()) else { return };
    let mut ride = Neighbours::new(air, 4);
    for (number, (offset_ms, rate_ppm)) in RTCS.into_iter().enumerate().take(4) {
        ride.switch_on(number, offset_ms, rate_ppm);
    }
    let on_s = now_s();
    let four = ride.numbers();
    let agreed_s = ride.listen_until_agreed(&four, AGREED_MS, AGREED_WITHIN_S + 12.0).expect("they agree");
    println!("agreed {:.1} s after the last was switched on", agreed_s - on_s);
    let before = four.iter().map(|number| ride.used(*number)).collect::<Vec<_>>();
    let began = ride.heard.len();
    // Two thirds of it, an outage of 5 min or a twelfth, and the rest.
    let outage_s = (minutes * 5.0).min(300.0);
    let parts = [("together", minutes * 40.0, false), ("no air", outage_s, true), ("again", minutes * 15.0, false)];
    for (what, seconds, outage) in parts {
        ride.air.outage(outage);
        let from = ride.heard.len();
        ride.listen(seconds);
        Apart::of(what, &ride.heard[from..], &four);
        ride.print(what);
    }
    for (number, before) in four.iter().zip(&before) {
        let (percent, bytes_per_s) = ride.used(*number).since(before);
        println!("box{}: {bytes_per_s:.0} bytes/s, {percent:.2} % of a core", number + 1);
    }
    check("all of it", &ride, began, &four);
}

/// Asserts that these boxes are together in everything that was heard from there on.
#[track_caller]
fn check(what: &str, ride: &Neighbours, from: usize, boxes: &[usize]) {
    let heard = &ride.heard[from..];
    let apart = Apart::of(what, heard, boxes);
    assert!(apart.median_ms <= AGREED_MS && apart.largest_ms <= BOUND_MS, "{what}: {apart:?}");
}
