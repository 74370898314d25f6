//! Commands to the whole ride, as real services with real sockets on a virtual Wi-Fi: what is heard
//! begins and ends on the same frame everywhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../measure/tests/virtual_air/rights.rs"]
mod rights;
mod support;

use std::time::{Duration, Instant};

use jaudiosync_measure::Recording;
use jaudiosync_measure::air::{AirModel, Link};
use serde_json::Value;
use support::neighbours::{MadeRtc, Neighbours};
use support::now_s;
use support::service_process::ServiceProcess;
use support::undisturbed::undisturbed;

/// By how much the RTCs are ahead, in ms, and how much they gain, in ppm.
const RTCS: [(f64, f64); 4] = [(-3.5, -1.0), (3.5, 1.0), (1.0, 0.4), (-2.0, -0.6)];

/// What begins or ends on the same frame is this close together, in ms, in the recording. The issue
/// wants 0.1 ms; twice that is asserted, as this runs on shared machines. The figure is printed.
const SAME_FRAME_MS: f64 = 0.2;

/// Commands that wait for nobody are over after this time, in s, and those that wait for a box that
/// is off soon after 5 s.
const MOST_S: f64 = 4.5;
const PATIENCE_S: f64 = 7.5;

/// A sample above this is sound.
const AUDIBLE: f32 = 0.004;

/// What is heard ends with a fade of 10 ms. That and the 10 ms before are compared, in s.
const ENDING_S: f64 = 0.020;

fn socket(service: &ServiceProcess) -> String {
    service.socket().to_str().unwrap().to_owned()
}

/// Has a box command the ride, and returns the table and the exit code.
fn command(ride: &Neighbours, from: usize, arguments: &[&str]) -> (Vec<Value>, i32, f64) {
    let socket = socket(&ride.boxes[&from]);
    let began = Instant::now();
    let run = ride.sandbox.run(&[&["ride"], arguments, &["--json", "--socket", &socket]].concat());
    let seconds = began.elapsed().as_secs_f64();
    println!("ride {}: exit code {:?} after {seconds:.2} s", arguments.join(" "), run.code);
    let table: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_eq!(table["over"], true, "{table}");
    (table["boxes"].as_array().unwrap().clone(), run.code.unwrap(), seconds)
}

fn wait_until(what: &str, longest_s: f64, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed().as_secs_f64() < longest_s, "not within {longest_s} s: {what}");
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Waits until a point in time, in s of UTC.
fn wait_until_utc(utc_s: f64) {
    std::thread::sleep(Duration::from_secs_f64((utc_s - now_s()).max(0.0)));
}

/// Returns the frames on which something begins, or ends, in the boxes' channels.
fn places(recording: &Recording, boxes: &[usize], place: impl Fn(&[f32]) -> Option<usize>) -> Vec<usize> {
    let channels = boxes.iter().map(|number| (number, recording.channel(*number).unwrap()));
    channels.map(|(number, channel)| place(channel).unwrap_or_else(|| panic!("box{} is silent", number + 1))).collect()
}

/// Returns by how much frames differ, in ms.
fn spread_ms(places: &[usize], rate_hz: u32) -> f64 {
    println!("frames {places:?}");
    (places.iter().max().unwrap() - places.iter().min().unwrap()) as f64 * 1000.0 / f64::from(rate_hz)
}

/// Returns by how much the ends of the boxes' music differ, in ms. Its last audible sample says
/// little, as it may be in another wave, or even burst, where one box is louder by a thousandth. So
/// the ends are compared by when a fifth, two fifths and so on of their energy have been heard.
fn ends_apart_ms(recording: &Recording, boxes: &[usize]) -> f64 {
    let last = |channel: &[f32]| channel.iter().rposition(|sample| sample.abs() > AUDIBLE);
    let to = *places(recording, boxes, last).iter().max().unwrap() + 1;
    let from = to - (ENDING_S * f64::from(recording.rate_hz)) as usize;
    let energy = |samples: &[f32]| samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    let mut spreads: Vec<f64> = [0.2, 0.4, 0.6, 0.8]
        .iter()
        .map(|part| {
            let reached = |channel: &[f32]| {
                let whole = energy(&channel[from..to]);
                (from..to).find(|frame| energy(&channel[from..*frame]) >= part * whole)
            };
            spread_ms(&places(recording, boxes, reached), recording.rate_hz)
        })
        .collect();
    spreads.sort_by(f64::total_cmp);
    f64::midpoint(spreads[1], spreads[2])
}

#[test]
fn four_boxes_start_and_stop_on_the_same_frame_and_one_that_is_off_is_named() {
    undisturbed(|| {
        let Some(air) = rights::start(AirModel::hotspot()) else { return };
        let mut ride = Neighbours::new(air, RTCS.len());
        for (number, (offset_ms, rate_ppm)) in RTCS.into_iter().enumerate() {
            ride.switch_on_with(number, &MadeRtc::never_compared(offset_ms, rate_ppm), false, "");
        }
        let four = ride.numbers();
        let agrees = |number: &usize| {
            let status = ride.ride(*number);
            let close = |ahead: Option<f64>| ahead.is_some_and(|ahead_ms| ahead_ms.abs() < 0.1);
            let others = &status.neighbours;
            others.len() == 3 && others.iter().all(|other| other.in_group && close(other.ahead_ms))
        };
        wait_until("they agree on the time", 90.0, || four.iter().all(agrees));
        ride.print("agreed");

        // All begin afresh.
        drop(ride.recorded());
        let (boxes, code, seconds) = command(&ride, 1, &["start", "--fresh"]);
        assert_eq!((boxes.len(), code), (4, 0), "{boxes:?}");
        assert!(seconds < MOST_S, "{seconds}");
        let from_s = boxes[0]["heard_from_utc_s"].as_i64().unwrap();
        assert!(boxes.iter().all(|one| one["heard_from_utc_s"] == from_s && one["outcome"] == "done"), "{boxes:?}");
        wait_until_utc(from_s as f64 + 4.0);
        let recording = ride.recorded();
        let begins = |channel: &[f32]| channel.iter().position(|sample| sample.abs() > AUDIBLE);
        let apart_ms = spread_ms(&places(&recording, &four, begins), recording.rate_hz);
        println!("all four begin within {apart_ms:.4} ms");
        assert!(apart_ms <= SAME_FRAME_MS);
        let heard = ride.listen(8.0);
        let largest = heard.iter().filter_map(|heard| heard.apart_ms(&four)).fold(0.0, f64::max);
        println!("and play within {largest:.4} ms");
        assert!(largest > 0.0 && largest <= SAME_FRAME_MS);

        // The volume of all, by two boxes: what it was is the same on all.
        let (boxes, code, _) = command(&ride, 0, &["volume", "20"]);
        assert_eq!(code, 0);
        assert!(boxes.iter().all(|one| one["volume_percent"] == 20), "{boxes:?}");
        for number in &four {
            ride.boxes[number].wait_until("quieter", |status| status.volume.percent == 20);
        }
        // Box 3 has not sent that, and knows it by beacons alone.
        let hears = |number: usize, percent: u8, of: usize| {
            ride.boxes[&number].wait_until("their beacons say so", |status| {
                let neighbours = status.ride.iter().flat_map(|ride| &ride.neighbours);
                neighbours.filter(|other| other.volume_percent == Some(percent)).count() == of
            });
        };
        hears(2, 20, 3);
        command(&ride, 2, &["volume", "60", "box1"]);
        ride.boxes[&0].wait_until("louder alone", |status| status.volume.percent == 60);
        hears(3, 60, 1);
        let (boxes, ..) = command(&ride, 3, &["volume", "30"]);
        let percents: Vec<i64> = boxes.iter().map(|one| one["volume_percent"].as_i64().unwrap()).collect();
        assert_eq!(percents, [30, 10, 10, 10], "the ratios stay");
        command(&ride, 3, &["volume", "50", "--equal"]);
        std::thread::sleep(Duration::from_secs(1));

        // All stop.
        drop(ride.recorded());
        let (boxes, code, _) = command(&ride, 3, &["stop"]);
        assert_eq!((boxes.len(), code), (4, 0), "{boxes:?}");
        std::thread::sleep(Duration::from_secs(2));
        let recording = ride.recorded();
        let apart_ms = ends_apart_ms(&recording, &four);
        println!("all four end within {apart_ms:.4} ms");
        assert!(apart_ms <= SAME_FRAME_MS);
        let stopped: Vec<_> =
            four.iter().map(|number| ride.boxes[number].status().play.stopped_at.unwrap().number).collect();
        assert_eq!(stopped, [0; 4], "every one has saved where it was");

        // A box that nobody has, and one that is off.
        let socket_of_first = socket(&ride.boxes[&0]);
        let run = ride.sandbox.run(&["ride", "stop", "box9", "--socket", &socket_of_first]);
        run.fails(2, &["no box \"box9\" is heard", "box4"]);
        ride.cut_power(2);
        let (boxes, code, seconds) = command(&ride, 0, &["identify"]);
        assert_eq!(code, 5, "as nobody answers");
        assert!((4.5..PATIENCE_S).contains(&seconds), "{seconds}");
        let outcomes: Vec<&str> = boxes.iter().map(|one| one["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["done", "done", "no_answer", "done"], "{boxes:?}");

        // A laptop that has the key and nothing else.
        let key_file = ride.sandbox.path().join("laptop.key");
        std::fs::write(&key_file, &ride.key).unwrap();
        let laptop = ride.stranger();
        let on_laptop = |arguments: &[&str]| {
            let mut command = laptop.command(env!("CARGO_BIN_EXE_jaudiosync"));
            command.args(["ride"]).args(arguments).arg("--key").arg(&key_file).current_dir(ride.sandbox.path());
            let output = command.output().unwrap();
            println!("{}", String::from_utf8_lossy(&output.stderr));
            (String::from_utf8(output.stdout).unwrap(), output.status.code())
        };
        let (text, code) = on_laptop(&["status"]);
        assert_eq!(code, Some(0));
        assert!(["box1", "box2", "box4"].iter().all(|name| text.contains(name)), "{text}");
        let (text, code) = on_laptop(&["volume", "-5", "box1", "box2"]);
        println!("{text}");
        assert_eq!((code, text.matches("45 %").count()), (Some(0), 2), "{text}");
        ride.boxes[&1].wait_until("quieter", |status| status.volume.percent == 45);
        assert_eq!(ride.boxes[&3].status().volume.percent, 50, "it was not named");

        // Somebody with another key.
        let other_key = ride.sandbox.run(&["ride", "new-key"]).succeeds().stdout.clone();
        std::fs::write(&key_file, other_key).unwrap();
        let before = ride.ride(0).refused.signature;
        let (text, code) = on_laptop(&["status", "--json"]);
        assert_eq!((text.contains("\"neighbours\": []"), code), (true, Some(5)), "{text}");
        let (_, code) = on_laptop(&["stop"]);
        assert_eq!(code, Some(5));
        assert_eq!(ride.ride(0).refused.signature, before, "it heard nobody, so it sent nothing");
    });
}

#[test]
fn a_box_that_comes_later_takes_over_what_the_ride_plays_if_it_is_to() {
    let Some(air) = rights::start(AirModel::hotspot()) else { return };
    let mut ride = Neighbours::new(air, 3);
    for (number, (offset_ms, rate_ppm)) in RTCS.into_iter().enumerate().take(2) {
        ride.switch_on_with(number, &MadeRtc::never_compared(offset_ms, rate_ppm), false, "");
    }
    let pair = ride.numbers();
    let is_together = |number: &usize| {
        let status = ride.ride(*number);
        !status.neighbours.is_empty() && status.neighbours.iter().all(|other| other.in_group)
    };
    wait_until("they are together", 60.0, || pair.iter().all(is_together));
    let (boxes, code, _) = command(&ride, 0, &["start", "--fresh"]);
    assert_eq!((boxes.len(), code), (2, 0), "{boxes:?}");
    let anchor_s = boxes[0]["heard_from_utc_s"].as_i64();
    ride.switch_on_with(2, &MadeRtc::never_compared(RTCS[2].0, RTCS[2].1), false, "follow = true\n");
    wait_until("it plays the same", 60.0, || ride.boxes[&2].status().play.anchor_utc_s == anchor_s);
    assert_eq!(ride.boxes[&2].status().play.commanded_utc_s, ride.boxes[&0].status().play.commanded_utc_s);
    command(&ride, 0, &["stop"]);
    ride.boxes[&2].wait_until("it stops with them", |status| status.play.anchor_utc_s.is_none());
}

/// Boxes of a large ride, and how often one of them commands all.
const CROWD: usize = 20;
const COMMANDS: usize = 40;
/// What the air loses.
const LOSS: f64 = 0.3;
const SEED: u64 = 23;
/// A command is over after this time, in s, whoever answers: 5 s, and what a busy machine adds.
const OVER_S: f64 = 6.5;

#[test]
#[ignore = "takes three minutes: see docs/measurements.md"]
fn where_the_air_loses_three_in_ten_every_box_does_each_command_once_or_is_named() {
    let model = AirModel::hotspot();
    let link = Link { loss: LOSS, group_loss: LOSS, ..model.link };
    let Some(air) = rights::start(AirModel { link, ..model }) else { return };
    let mut ride = Neighbours::new(air, CROWD);
    for number in 0..CROWD {
        ride.switch_on_with(number, &MadeRtc::never_compared(0.1 * number as f64, 0.0), false, "");
    }
    let all = ride.numbers();
    let hears_all = |number: &usize| ride.ride(*number).neighbours.len() == CROWD - 1;
    wait_until("all hear all", 120.0, || all.iter().all(hears_all));
    let volumes = || -> Vec<u8> { all.iter().map(|number| ride.boxes[number].status().volume.percent).collect() };
    command(&ride, 0, &["volume", "50", "--equal"]);
    wait_until("all have the same volume", 30.0, || volumes().iter().all(|percent| *percent == 50));

    let mut random = fastrand::Rng::with_seed(SEED);
    println!("seed {SEED}");
    let (mut done, mut unanswered, mut unanswered_but_done, mut longest_s) = (0, 0, 0, 0.0_f64);
    for number in 0..COMMANDS {
        let before = volumes();
        // By so much of the loudest that its sender knows of; the others keep their ratio to it.
        let by = if number % 2 == 0 { "+10" } else { "-10" };
        let (boxes, _, seconds) = command(&ride, random.usize(..CROWD), &["volume", by]);
        longest_s = longest_s.max(seconds);
        assert!(seconds < OVER_S, "{seconds}");
        assert_eq!(boxes.len(), CROWD, "every box is in the table");
        // Whatever is repeated has come by now.
        std::thread::sleep(Duration::from_secs(1));
        for (number, after) in volumes().into_iter().enumerate() {
            let name = format!("box{}", number + 1);
            let row = boxes.iter().find(|row| row["name"] == *name).unwrap();
            let before = before[number];
            match row["outcome"].as_str().unwrap() {
                "done" => {
                    done += 1;
                    // What is done a second time is another volume than its answer says.
                    assert_eq!(row["volume_percent"], after, "{name} had {before}: {row}");
                    assert_ne!(after, before, "{name}: {row}");
                }
                "no_answer" => {
                    unanswered += 1;
                    unanswered_but_done += usize::from(after != before);
                    assert!(after.abs_diff(before) < 16, "{name} from {before} to {after}: {row}");
                }
                other => panic!("{other}: {row}"),
            }
        }
    }
    println!(
        "{COMMANDS} commands to {CROWD} boxes, {:.0} % lost: {done} done, {unanswered} not answered, of which \
         {unanswered_but_done} were done all the same; the longest took {longest_s:.2} s",
        100.0 * LOSS
    );
}
