//! Boxes that meet, as real services with real sockets on a virtual Wi-Fi: each begins with an RTC
//! that is wrong in its own way, and what is heard of all of them is compared.
//!
//! Figures are printed: `cargo test --test neighbours -- --nocapture`. How to listen for an hour is in
//! docs/measurements.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/ride_threads.rs"]
mod ride_threads;
#[path = "../measure/tests/virtual_air/rights.rs"]
mod rights;
mod support;

use std::time::Duration;

use jaudiosync::control::Status;
use jaudiosync::ride::key::RideKey;
use jaudiosync_measure::air::{AirModel, Station};
use jaudiosync_time::Span;
use ride_threads::Measured;
use support::neighbours::{Apart, MadeRtc, Neighbours};
use support::now_s;
use support::undisturbed::undisturbed;

/// RTCs that were never compared with anything: 7 ms and 2 ppm apart.
const NEVER_COMPARED: [MadeRtc; 4] = [
    MadeRtc::never_compared(-3.5, -1.0),
    MadeRtc::never_compared(3.5, 1.0),
    MadeRtc::never_compared(1.0, 0.4),
    MadeRtc::never_compared(-2.0, -0.6),
];

/// RTCs that show anything, and whose boxes know that, by their homes' lines.
const FROM_HOME: [MadeRtc; 3] = [from_home(40.0, 1.2, 0.03), from_home(-30.0, -0.8, -0.03), from_home(5.0, 0.3, 0.0)];
/// That of a box that comes later. It plays from its start on, as it knows the time well enough, and
/// a difference below 5 ms is slewed, at 100 ppm: 3 ms in half a minute.
const LATECOMER: MadeRtc = from_home(-60.0, 1.5, 3.0);

const fn from_home(offset_ms: f64, rate_ppm: f64, home_ms: f64) -> MadeRtc {
    MadeRtc { offset_ms, rate_ppm, home_ms: Some(home_ms) }
}

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
fn four_boxes_agree_within_a_minute_and_forged_messages_move_nothing() {
    undisturbed(|| {
        let Some(air) = rights::start(AirModel::hotspot()) else { return };
        let mut ride = Neighbours::new(air, NEVER_COMPARED.len());
        switch_on(&mut ride, &NEVER_COMPARED);
        let four = ride.numbers();

        let leader = ride.leader().expect("one leader");
        let follower = four.iter().copied().find(|number| *number != leader).unwrap();
        let (before, from) = (ride.used(follower), ride.heard.len());
        let flood = ride.flood(&ride.stranger(), &[leader, follower], FORGED_PER_S);
        ride.listen(8.0);
        let (percent, _) = ride.used(follower).since(&before);
        let sent = flood.end();
        let refused = ride.ride(follower).refused;
        println!("{sent} forged messages in 8 s: {percent:.2} % of a core, {refused:?}");
        check("forged messages", &ride, from, &four);
        // On a busy machine the air's queue loses some.
        assert!(refused.flood + refused.signature > sent / 4, "{refused:?} of {sent}");
        assert!(refused.signature > 0 && refused.flood > refused.signature, "most are not even looked into");
    });
}

#[test]
fn a_box_that_comes_later_joins_and_that_the_leader_goes_is_not_heard() {
    undisturbed(|| {
        let Some(air) = rights::start(AirModel::hotspot()) else { return };
        let mut ride = Neighbours::new(air, FROM_HOME.len() + 1);
        switch_on(&mut ride, &FROM_HOME);
        let three = ride.numbers();

        let from = ride.heard.len();
        ride.switch_on(FROM_HOME.len(), &LATECOMER);
        let on_s = now_s();
        let four = ride.numbers();
        let agreed_s = ride.listen_until_agreed(&four, AGREED_MS, AGREED_WITHIN_S + 12.0);
        ride.print("with one that came later");
        let agreed_s = agreed_s.unwrap_or_else(|| panic!("never agreed: {:#?}", &ride.heard[from..])) - on_s;
        println!("it agrees {agreed_s:.1} s after it was switched on");
        assert!(agreed_s <= AGREED_WITHIN_S);
        check("while it comes", &ride, from, &three);

        let before = four.iter().map(|number| ride.used(*number)).collect::<Vec<_>>();
        let from = ride.heard.len();
        let leader = ride.leader().expect("one leader");
        ride.cut_power(leader);
        let gone_s = now_s();
        let rest = ride.numbers();
        ride.boxes[&rest[0]].wait_until("a new leader", |_| ride.leader().is_some());
        println!("box{} leads within {:.1} s", ride.leader().unwrap() + 1, now_s() - gone_s);
        ride.listen(4.0);
        ride.print("without the leader");
        check("without the leader", &ride, from, &rest);
        for (number, before) in four.iter().zip(&before).filter(|(number, _)| rest.contains(number)) {
            let (percent, bytes_per_s) = ride.used(*number).since(before);
            println!("box{}: {bytes_per_s:.0} bytes/s, {percent:.2} % of a core", number + 1);
            assert!(bytes_per_s <= MOST_BYTES_PER_S && percent <= MOST_PROCESSOR_PERCENT);
        }
    });
}

#[test]
fn that_the_air_goes_and_comes_back_is_not_heard() {
    undisturbed(|| {
        let Some(air) = rights::start(AirModel::hotspot()) else { return };
        let mut ride = Neighbours::new(air, FROM_HOME.len());
        switch_on(&mut ride, &FROM_HOME);
        let three = ride.numbers();

        let from = ride.heard.len();
        ride.air.outage(true);
        for number in &three {
            ride.boxes[number].wait_until("nobody is heard", |status| neighbours(status) == 0);
        }
        ride.listen(6.0);
        ride.print("in the outage");
        ride.air.outage(false);
        for number in &three {
            ride.boxes[number].wait_until("both others are heard", |status| neighbours(status) == 2);
        }
        ride.listen(6.0);
        ride.print("after the outage");
        check("in and after an outage", &ride, from, &three);
    });
}

/// Switches boxes on, and waits until they agree.
#[track_caller]
fn switch_on(ride: &mut Neighbours, rtcs: &[MadeRtc]) {
    for (number, rtc) in rtcs.iter().enumerate() {
        ride.switch_on(number, rtc);
    }
    let on_s = now_s();
    let all = ride.numbers();
    for number in &all {
        ride.boxes[number].wait_until("all others are heard", |status| neighbours(status) == all.len() - 1);
    }
    let agreed_s = ride.listen_until_agreed(&all, AGREED_MS, AGREED_WITHIN_S + 12.0);
    ride.print("agreed");
    let agreed_s = agreed_s.unwrap_or_else(|| panic!("never agreed: {:#?}", ride.heard)) - on_s;
    println!("{} boxes agree {agreed_s:.1} s after the last was switched on", all.len());
    assert!(agreed_s <= AGREED_WITHIN_S);
    ride.boxes[&0].wait_until("one leader", |_| ride.leader().is_some());
}

fn neighbours(status: &Status) -> usize {
    status.ride.as_ref().map_or(0, |ride| ride.neighbours.len())
}

/// As many boxes as a ride has.
const CROWD: usize = 20;

#[test]
#[ignore = "takes two minutes: see docs/measurements.md"]
fn twenty_boxes_in_reach_send_little_and_agree() {
    let Some(air) = rights::start(AirModel::hotspot()) else { return };
    let stations: Vec<Station> = (0..CROWD).map(|number| air.station(&format!("box{}", number + 1)).unwrap()).collect();
    let (settle, measure) = (Duration::from_secs(60), Duration::from_secs(60));
    let measured: Vec<Measured> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0_i64..)
            .zip(&stations)
            .map(|(number, station)| {
                let (key, ahead) = (RideKey::from_secret([9; 18]), Span::from_us(100) * (number % 7));
                scope.spawn(move || ride_threads::run(station, key, ahead, settle, measure))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let most = |of: fn(&Measured) -> f64| measured.iter().map(of).fold(0.0, f64::max);
    let (bytes, percent) = (most(|one| one.bytes_per_s), most(|one| one.processor_percent));
    let mean = |of: fn(&Measured) -> f64| measured.iter().map(of).sum::<f64>() / CROWD as f64;
    println!(
        "{CROWD} boxes: {:.0} bytes/s, most {bytes:.0}; {:.2} % of a core, most {percent:.2} %",
        mean(|one| one.bytes_per_s),
        mean(|one| one.processor_percent)
    );
    let ahead = measured.iter().map(|one| one.ahead.unwrap());
    let apart = ahead.clone().max().unwrap() - ahead.min().unwrap();
    println!("apart: {:.3} ms", apart.ms());
    assert!(measured.iter().all(|one| one.neighbours == CROWD - 1 && one.group == measured[0].group), "{measured:#?}");
    assert!(bytes <= MOST_BYTES_PER_S && percent <= MOST_PROCESSOR_PERCENT, "{measured:#?}");
    assert!(apart.ms() <= BOUND_MS, "{measured:#?}");
}

/// How long the long test takes, in minutes, unless the environment says otherwise.
const MINUTES: f64 = 60.0;

#[test]
#[ignore = "takes an hour, or NEIGHBOURS_MINUTES: see docs/measurements.md"]
fn an_hour_together_with_an_outage() {
    let minutes = std::env::var("NEIGHBOURS_MINUTES").map_or(MINUTES, |minutes| minutes.parse().unwrap());
    let Some(air) = rights::start(AirModel::hotspot()) else { return };
    let mut ride = Neighbours::new(air, NEVER_COMPARED.len());
    switch_on(&mut ride, &NEVER_COMPARED);
    let four = ride.numbers();
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
