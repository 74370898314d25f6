//! A sound check of boxes that hear each other, as real services on a virtual Wi-Fi: they have
//! numbers of their own, begin together, and are set from one of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../measure/tests/virtual_air/rights.rs"]
mod rights;
mod support;

use std::collections::BTreeSet;

use jaudiosync::control::Command;
use jaudiosync::control::protocol::{LatencyChange, PlayState};
use jaudiosync_measure::air::AirModel;
use support::neighbours::{MadeRtc, Neighbours};

#[test]
fn boxes_of_one_name_number_themselves_begin_together_and_are_set_from_one_of_them() {
    let Some(air) = rights::start(AirModel::hotspot()) else { return };
    let mut ride = Neighbours::new(air, 3);
    // All have this machine's host name and machine ID.
    (0..3).for_each(|number| ride.switch_on(number, &MadeRtc::never_compared(0.0, 0.0)));
    let own = |ride: &Neighbours, number: usize| ride.boxes[&number].status().play.box_number.unwrap();
    let all = |ride: &Neighbours| (0..3).map(|number| own(ride, number)).collect::<BTreeSet<_>>();
    ride.boxes[&0].wait_until("numbers of their own", |_| all(&ride).len() == 3);
    let numbers: Vec<u8> = (0..3).map(|number| own(&ride, number)).collect();
    println!("the boxes have the numbers {numbers:?}");
    ride.boxes[&0].wait_until("knows the numbers of the others", |status| {
        let heard = status.ride.iter().flat_map(|ride| &ride.neighbours).filter_map(|other| other.box_number);
        heard.collect::<BTreeSet<_>>() == BTreeSet::from([numbers[1], numbers[2]])
    });
    let warnings = ride.boxes[&0].status().warnings;
    assert!(warnings.iter().all(|warning| !warning.contains("same number")), "{warnings:?}");

    // One of the others is 3.7 ms late.
    let set = |number: Option<u8>, by_us: i32, measurement: u64| {
        let change = LatencyChange { by_us, measurement, number };
        ride.boxes[&0].ask(Command::OutputLatency(change)).into_message()
    };
    let latency_ms = |number: usize| ride.boxes[&number].status().dac.output_latency_ms;
    set(Some(numbers[1]), 3_700, 7).unwrap();
    ride.boxes[&1].wait_until("set", |status| (status.dac.output_latency_ms - 3.7).abs() < 1e-9);
    // The same recording again, and one that says too much.
    set(Some(numbers[1]), 3_700, 7).unwrap();
    assert!(set(Some(numbers[1]), 100_001, 8).is_err());
    set(None, -250, 7).unwrap();
    let free = (1..=16).find(|number| !numbers.contains(number));
    assert!(set(free, 10, 9).unwrap_err().message.contains("is heard"));
    ride.boxes[&0].wait_until("set", |status| (status.dac.output_latency_ms + 0.25).abs() < 1e-9);
    assert_eq!([1, 2].map(latency_ms), [3.7, 0.0]);

    let words = ride.boxes[&0].ask(Command::SoundCheck { minutes: Some(1), all: true }).into_message().unwrap();
    assert_eq!(words.matches("done").count(), 3, "{words}");
    for made in ride.boxes.values() {
        made.wait_until("in the sound check", |status| status.play.state == PlayState::SoundCheck);
    }
    assert_eq!((0..3).map(|number| own(&ride, number)).collect::<Vec<_>>(), numbers, "the numbers stay");

    // It is kept without power.
    ride.cut_power(1);
    ride.switch_on(1, &MadeRtc::never_compared(0.0, 0.0));
    ride.boxes[&1].wait_until("set as before", |status| (status.dac.output_latency_ms - 3.7).abs() < 1e-9);
}
