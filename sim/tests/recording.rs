//! What `jaudiosync listen` makes of recordings whose truth is known. The full number of seeds is run
//! by `cargo run --release -p jaudiosync-sim -- recording --seeds 200`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jaudiosync::listen::analysis::Known;
use jaudiosync::sound_check::schedule::BoxNumber;
use jaudiosync_sim::recording::judge::{Score, hear, verdicts};
use jaudiosync_sim::recording::scene::{Kind, Scene};

fn judge(kind: Kind, seeds: std::ops::Range<u64>) {
    let mut score = Score::new(kind);
    for seed in seeds {
        let scene = Scene::draw(kind, seed);
        let (samples, rate_hz) = scene.record();
        let heard = hear(&samples, rate_hz, &Known::default()).map(|findings| verdicts(&scene, &findings));
        let wrong = score.add(&scene, &heard);
        assert!(wrong.is_empty(), "{kind:?}, seed {seed}: {heard:?}");
    }
    println!("{score}");
    assert!(score.is_right(), "{score}");
}

#[test]
fn in_the_open_every_box_is_within_a_centimetre() {
    judge(Kind::Open, 0..4);
}

#[test]
fn in_a_room_every_box_is_within_three_centimetres() {
    judge(Kind::Room, 0..4);
}

#[test]
fn the_same_seed_is_the_same_recording() {
    let scene = Scene::draw(Kind::Open, 3);
    assert_eq!(scene, Scene::draw(Kind::Open, 3));
    assert_eq!(scene.record(), scene.record());
    assert_ne!(scene, Scene::draw(Kind::Open, 4));
}

#[test]
fn a_phone_carried_from_box_to_box_and_back_hears_each_where_it_is_near() {
    let mut scene = Scene::draw(Kind::Open, 1);
    scene.other_ride.clear();
    scene.boxes.truncate(3);
    scene.recorder = Default::default();
    scene.length_s = 250.0;
    // As loud as a street beside a speaker at 5 cm.
    scene.noise_db = Some(-15.0);
    let places: Vec<_> = scene.boxes.iter().map(|sounding| sounding.place).collect();
    // 5 cm before each speaker for 50 s, and 10 s on the way.
    let [a, b, c] = [places[0], places[1], places[2]];
    let at = |[x, y, z]: [f64; 3]| [x, y + 0.05, z];
    scene.walk = [a, b, c, a].into_iter().enumerate().map(|(n, place)| (n as f64 * 60.0, at(place))).collect();
    let (samples, rate_hz) = scene.record();
    let known = Known { reference: BoxNumber::new(scene.boxes[0].number.get()), ..Known::default() };
    let findings = hear(&samples, rate_hz, &known).unwrap();
    for (found, sounding) in findings.boxes.iter().zip(&scene.boxes) {
        let offset = found.result.unwrap();
        // All are 5 cm away, so only the latency counts.
        let truth_ms = (sounding.latency_s - scene.boxes[0].latency_s) * 1e3;
        assert!((offset.ms - truth_ms).abs() < 0.03, "box {}: {offset:?}, not {truth_ms} ms", found.number);
    }
}
