//! Recordings of a sound check that a phone uploads to a box: what it hears, what it refuses, and
//! that nothing is left of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::page_box::Box;
use support::phone::Phone;
use support::sweeps::{Late, recording, wav};

/// The true offsets, in ms, to those of box 1.
const BOXES: [Late; 3] = [(1, 1, 0.0), (2, 2, 3.7), (5, 3, -1.25)];
/// What is heard is that near to the truth, in ms.
const WITHIN_MS: f64 = 0.02;
/// What the service may take at any other time, in kB. This is not the release build.
const MOST_MEMORY_KB: u64 = 27_000;
/// What hearing takes, by `listen::analyse`: 20 MB, and 0.3 MB for each second.
const fn hearing_kb(seconds: u64) -> u64 {
    20_000 + 300 * seconds
}

fn bike() -> Box {
    Box::with("[sound_check]\nnumber = 1")
}

fn friend(bike: &Box) -> Phone {
    let mut phone = bike.phone(2);
    phone.give_pin(&bike.pin);
    phone
}

/// Waits until the recording is heard, and returns what is said of it.
fn heard(phone: &Phone) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let heard = phone.get("/recording").json();
        if !["receiving", "hearing"].contains(&heard["state"].as_str().unwrap()) {
            return heard;
        }
        assert!(Instant::now() < deadline, "{heard}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Nothing is left: no file in the folder, and none without a name that is still open.
#[track_caller]
fn assert_nothing_left(bike: &Box) {
    assert_eq!(std::fs::read_dir(bike.sandbox.path().join("temporary")).unwrap().count(), 0);
    let open = std::fs::read_dir(format!("/proc/{}/fd", bike.service.pid())).unwrap();
    let files: Vec<String> = open
        .filter_map(|link| std::fs::read_link(link.ok()?.path()).ok())
        .map(|file| file.to_string_lossy().into_owned())
        .filter(|file| file.contains("(deleted)") && file.contains("temporary"))
        .collect();
    assert!(files.is_empty(), "{files:?}");
}

#[test]
fn a_recording_says_how_late_each_box_is_and_sets_this_one_once() {
    let bike = bike();
    let phone = friend(&bike);
    assert_eq!(phone.get("/recording").json(), json!({ "state": "nothing" }));
    let before_kb = bike.memory_kb("VmRSS");
    let seconds = 65;
    let file = wav(&bike.sandbox, "take.wav", &[&recording(&BOXES, seconds as f64, 63.0)]);
    let bytes = std::fs::read(&file).unwrap();
    let began = Instant::now();
    let answer = phone.upload(&bytes);
    assert_eq!(answer.status, 202, "{answer:?}");
    let other = friend(&bike);
    assert_eq!(other.get("/state").status, 200, "the page answers others meanwhile");
    let heard_it = heard(&phone);
    println!("{} kB were heard within {:?}", bytes.len() / 1000, began.elapsed());

    let boxes = heard_it["boxes"].as_array().unwrap();
    assert_eq!(boxes.len(), 3, "{heard_it}");
    // Box 1 is the one in the middle: the others are compared with it.
    for ((number, _, truth_ms), shown) in BOXES.into_iter().zip(boxes) {
        assert_eq!(shown["number"], number);
        let (ms, stated) = (shown["offset_ms"].as_f64().unwrap(), shown["plus_minus_ms"].as_f64().unwrap());
        println!("box {number}: {ms:+.4} ms, \u{b1}{stated:.4} ms; it is {truth_ms} ms");
        assert!((ms - truth_ms).abs() < WITHIN_MS && (ms - truth_ms).abs() <= stated + 1e-9, "{shown}");
    }
    assert_eq!(boxes[0]["name"], "bike-1");
    assert_eq!((&boxes[0]["worth"], &boxes[1]["worth"]), (&json!(false), &json!(true)));

    let (most_kb, after_kb) = (bike.memory_kb("VmHWM"), bike.memory_kb("VmRSS"));
    println!("{before_kb} kB before, {most_kb} kB at most, {after_kb} kB after it");
    assert!(most_kb < before_kb + hearing_kb(seconds), "{before_kb} kB, then {most_kb} kB");
    assert!(after_kb <= MOST_MEMORY_KB, "{before_kb} kB, then {after_kb} kB");
    assert_nothing_left(&bike);

    // This box stays as it is, and box 2 is not heard by it.
    let set = |recording: &Value, number: u8| {
        phone.post("/recording/set", &json!({ "recording": recording, "box": number }).to_string())
    };
    let answer = set(&heard_it["recording"], 1);
    assert_eq!((answer.status, answer.body.contains("stays as it is")), (409, true), "{answer:?}");
    let answer = set(&heard_it["recording"], 2);
    assert_eq!((answer.status, answer.body.contains("no box 2 is heard")), (409, true), "{answer:?}");
    assert_eq!(set(&json!("0123456789abcdef"), 2).status, 409, "another recording");
    assert_eq!(set(&json!(7), 2).status, 400);
    assert_eq!(bike.phone(9).post("/recording/set", "{}").status, 401, "without the PIN");

    // In this one, box 1 is late, and is set once, by the page or by `listen --apply`.
    let late = recording(&[(1, 1, 2.5), (2, 2, 0.0), (5, 3, 0.1)], 45.0, -20.0);
    let file = wav(&bike.sandbox, "late.wav", &[&late]);
    assert_eq!(phone.upload(&std::fs::read(&file).unwrap()).status, 202);
    let heard_it = heard(&phone);
    let by_ms = heard_it["boxes"][0]["offset_ms"].as_f64().unwrap();
    let answer = set(&heard_it["recording"], 1);
    assert_eq!((answer.status, answer.json()), (200, json!({ "set": "set" })), "{answer:?}");
    bike.service.wait_until("is set", |status| (status.dac.output_latency_ms - by_ms).abs() < 0.001);
    assert_eq!(set(&heard_it["recording"], 1).json(), json!({ "set": "before" }));
    assert_eq!(phone.get("/recording").json()["boxes"][0]["is_set"], true);
    let socket = bike.service.socket().to_str().unwrap();
    let run = bike.sandbox.run(&["listen", &file, "--apply", "--socket", socket]);
    assert!(run.stdout.contains("applied before"), "{}", run.stdout);
    assert!((bike.service.status().dac.output_latency_ms - by_ms).abs() < 0.001);
}

#[test]
fn what_is_no_recording_is_refused_in_words_and_nothing_is_left() {
    let bike = bike();
    let stranger = bike.phone(3);
    assert_eq!(stranger.upload(b"RIFF").status, 401, "without the PIN");
    assert_eq!(stranger.get("/recording").status, 401);
    let phone = friend(&bike);
    let json_type = "Content-Type: application/json\r\n";
    assert_eq!(phone.request("POST", "/recording", json_type, "{}").status, 403, "what another page could send");

    let mut random = fastrand::Rng::with_seed(3);
    let garbage: Vec<u8> = (0..200_000).map(|_| random.u8(..)).collect();
    let wav_of = |samples: &[f32]| std::fs::read(wav(&bike.sandbox, "take.wav", &[samples])).unwrap();
    let quiet: Vec<f32> = (0..48_000 * 20).map(|_| 0.001 * (random.f32() - 0.5)).collect();
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("nothing", Vec::new(), "format"),
        ("garbage", garbage, "format"),
        ("silence", wav_of(&quiet), "no_sweeps"),
        ("one box", wav_of(&recording(&BOXES[..1], 45.0, 0.0)), "alone"),
        ("too long", wav_of(&vec![0.0; 48_000 * 301]), "too_long"),
    ];
    for (what, bytes, kind) in cases {
        assert_eq!(phone.upload(&bytes).status, 202, "{what}");
        let heard = heard(&phone);
        let said = if heard["state"] == "boxes" { &heard["boxes"][0]["no_answer"] } else { &heard["kind"] };
        assert_eq!(said, kind, "{what}: {heard}");
        assert_nothing_left(&bike);
    }

    let largest = 30_000_000;
    let answer = phone.raw(phone.upload_head(largest + 1).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("30 MB"), "{answer}");
    // One that does not say how long it is.
    let length = format!("Content-Length: {largest}");
    let head = phone.upload_head(largest).replace(&length, "Transfer-Encoding: chunked");
    let mut stream = phone.connect().unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let piece = [b"100000\r\n".as_slice(), &[0; 0x10_0000], b"\r\n"].concat();
    let taken = (0..40).take_while(|_| stream.write_all(&piece).is_ok()).count();
    assert!(taken < 40, "it is not read to its end");
    assert_eq!(heard(&phone)["kind"], "cut_off");
    assert_nothing_left(&bike);

    // One that is cut off, and another one meanwhile.
    let mut stream = phone.connect().unwrap();
    stream.write_all(phone.upload_head(1_000_000).as_bytes()).unwrap();
    stream.write_all(&[0; 50_000]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while phone.get("/recording").json()["state"] != "receiving" {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    let answer = phone.upload(b"RIFF");
    assert_eq!((answer.status, answer.body.contains("another recording")), (409, true), "{answer:?}");
    stream.shutdown(Shutdown::Both).unwrap();
    assert_eq!(heard(&phone)["kind"], "cut_off");
    assert_nothing_left(&bike);
    assert_eq!(phone.get("/").status, 200, "the page answers");
    assert_eq!(bike.service.status().dac.output_latency_ms, 0.0);
}
