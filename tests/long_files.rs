//! A set of three hours on a slow card is joined anywhere: heard soon, without interruption, after
//! little reading.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::cell::RefCell;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jaudiosync::control::protocol::PlayState;
use jaudiosync_measure::{Recorder, Recording, Sink, VirtualCard, best_lag};
use support::fault::Fault;
use support::odd_mp3::{Info, frames, info_frame, lame};
use support::playing::{Playing, bursts, lag_ms, named};
use support::service_process::{Make, ServiceProcess};
use support::undisturbed::undisturbed;
use support::{Sandbox, Signal, now_s};

const RATE_HZ: u32 = 44_100;

/// The set repeats the frames of this many seconds of music.
const REPEATED_S: usize = 60;
const HOURS: usize = 3;

/// The speed of an SD card of class 10 on a Raspberry Pi.
const CARD_MB_S: f64 = 20.0;

/// It is heard within this time, not counting reading and the time for which other programs have
/// the processors.
const HEARD_S: f64 = 1.5;

/// A pair of places is joined at most this often.
const JOINS: usize = 3;

/// The most that a join reads until it is heard, including what is decoded ahead.
const JOIN_BYTES: u64 = 1 << 20;

/// How long joined processes are listened to.
const LISTENED_S: f64 = 3.0;

/// How long systemd waits (`WatchdogSec` of the unit) before it ends the service.
const FED_WITHIN: Duration = Duration::from_secs(10);

/// The most memory that the program may use.
const MEMORY_KIB: u64 = 20_000;

/// The bound on a shared machine, in ms.
const BOUND_MS: f64 = 1.0;

/// A Music folder with a set of three hours, and the music that is repeated in it.
struct Stage {
    sandbox: Sandbox,
    card: VirtualCard,
    fault: Fault,
    music: Signal,
    period_frames: usize,
}

impl Stage {
    fn new() -> Self {
        Self::with_seconds(HOURS * 3600)
    }

    fn with_seconds(seconds: usize) -> Self {
        Self::encoded(seconds, &["-b", "320"])
    }

    fn encoded(seconds: usize, options: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        let music = bursts(77, RATE_HZ, REPEATED_S, [1.0, 0.8]);
        let frames = frames(&lame(&music, options));
        let rounds = seconds / REPEATED_S;
        let body = frames.concat();
        let bytes = (body.len() * rounds) as u32;
        let info = |bytes| Info {
            tag: b"Info",
            frames: (frames.len() * rounds) as u32,
            bytes: Some(bytes),
            delay_padding: Some((576, 1000)),
        };
        let head = info_frame(&frames[0], &info(0));
        let head = info_frame(&frames[0], &info(bytes + head.len() as u32));
        let file = [head, body.repeat(rounds)].concat();
        fs::write(sandbox.music().join("set.mp3"), file).unwrap();
        sandbox.playlist("set.mp3\n");
        let card = VirtualCard::start().unwrap();
        Self { sandbox, card, fault: Fault::new(), music, period_frames: frames.len() * 1152 }
    }

    fn count_file(&self, sink: Sink) -> PathBuf {
        self.sandbox.path().join(format!("count-{}", sink.name()))
    }

    /// Returns the bytes read so far, and how long that took, in seconds.
    fn read(&self, sink: Sink) -> (u64, f64) {
        let text = fs::read_to_string(self.count_file(sink)).unwrap();
        let (bytes, took_ms) = text.split_once(' ').unwrap();
        (bytes.parse().unwrap(), took_ms.parse::<f64>().unwrap() / 1e3)
    }

    /// Starts a player that joins the set at a place, as if the set had begun that long ago.
    fn join(&self, sink: Sink, place_s: i64) -> Joined {
        let started_s = now_s();
        let anchor_utc_s = started_s as i64 - place_s;
        let mut command = self.sandbox.command();
        command.args(["play", "-l", "-t", &named(anchor_utc_s)]);
        let count = self.count_file(sink);
        let _ = fs::remove_file(&count);
        let rate = CARD_MB_S.to_string();
        let what = [("FAULT_SLOW", ".mp3"), ("FAULT_MB_S", rate.as_str()), ("FAULT_COUNT", count.to_str().unwrap())];
        self.fault.add_to(&mut command, &what);
        let heard = Heard { sink, place_s, started_s, anchor_utc_s, read_bytes: 0, read_s: 0.0, kept_waiting_s: 0.0 };
        Joined { playing: Playing::spawn(command, &self.card, sink), heard }
    }

    /// Returns by how much later than its place in the set something is heard, in ms; `None` in
    /// silence.
    fn late_ms(&self, recording: &Recording, channel: &[f32], anchor_utc_s: i64, from_utc_s: f64) -> Option<f64> {
        let rate_hz = f64::from(recording.rate_hz);
        let from = recording.frame_at_utc_ns(from_utc_s * 1e9).round() as usize;
        let sound = channel.get(from..from + (0.5 * rate_hz) as usize)?;
        let place_s = from_utc_s - anchor_utc_s as f64;
        // The music as it comes from the repeated frames, at the recording's rate. The encoder's
        // delay is skipped once, at the beginning of the set.
        let expected: Vec<f32> = (0..sound.len())
            .map(|index| {
                let at = (place_s + index as f64 / rate_hz) * f64::from(RATE_HZ);
                let whole = at.floor();
                let sample = |frame: f64| {
                    let frame = frame.rem_euclid(self.period_frames as f64) as usize;
                    self.music.samples.get(2 * frame).copied().unwrap_or(0.0)
                };
                sample(whole) + (at - whole) as f32 * (sample(whole + 1.0) - sample(whole))
            })
            .collect();
        let lag = best_lag(&expected, sound, (0.05 * rate_hz) as usize)?;
        Some(lag.frames * 1000.0 / rate_hz)
    }
}

/// A player that has joined.
struct Joined {
    playing: Playing,
    heard: Heard,
}

/// What is judged of it.
#[derive(Clone, Copy)]
struct Heard {
    sink: Sink,
    place_s: i64,
    started_s: f64,
    anchor_utc_s: i64,
    /// What was read of the file until it was heard, and how long that took.
    read_bytes: u64,
    read_s: f64,
    /// How long its threads had waited for a processor by then.
    kept_waiting_s: f64,
}

impl Joined {
    fn finish(self) -> (Heard, String) {
        (self.heard, self.playing.finish())
    }
}

impl Heard {
    /// Judges what was heard for a while. Returns how long after its start that began.
    fn judge(&self, stage: &Stage, recording: &Recording, words: &str) -> f64 {
        let channel = if self.sink == Sink::Left { &recording.left } else { &recording.right };
        let heard_s = first_heard_s(recording, channel, self.started_s);
        let after_s = heard_s - self.started_s;
        println!(
            "joined at {} s: heard after {after_s:.2} s, of which {:.2} s waiting for a processor; {} bytes read in {:.2} s",
            self.place_s, self.kept_waiting_s, self.read_bytes, self.read_s
        );
        let parts = (LISTENED_S / 0.5) as usize;
        let late_ms: Vec<Option<f64>> = (0..parts)
            .map(|part| stage.late_ms(recording, channel, self.anchor_utc_s, heard_s + 0.05 + 0.5 * part as f64))
            .collect();
        let worst_ms = late_ms.iter().map(|late| late.map_or(f64::INFINITY, f64::abs)).fold(0.0, f64::max);
        assert!(worst_ms < BOUND_MS, "at {} s: {late_ms:?}: {words}", self.place_s);
        assert!(!words.contains("underrun") && !words.contains("not read fast"), "{words}");
        after_s
    }
}

/// Returns when a channel is first heard, from an instant on.
fn first_heard_s(recording: &Recording, channel: &[f32], from_utc_s: f64) -> f64 {
    let from = recording.frame_at_utc_ns(from_utc_s * 1e9).max(0.0) as usize;
    let first = channel[from..].iter().position(|sample| sample.abs() > 1e-3).expect("silent for ever");
    recording.utc_ns_of_frame((from + first) as f64) * 1e-9
}

/// Joins at two places at a time, and judges each by what is heard. Returns how long that took, not
/// counting the time in which the card was read.
fn join_at(stage: &Stage, places_s: &[i64], reading_s: impl Fn(&Heard) -> f64) -> Vec<f64> {
    let took_s = RefCell::new(Vec::new());
    for pair in places_s.chunks(2) {
        undisturbed(|| {
            // A busy machine makes the sound server's reports late, and the player waits until it
            // knows the card's clock: that is never quicker than the program is, and so the quickest
            // of some counts.
            let joins = (0..JOINS).map(|_| join_pair(stage, pair, &reading_s));
            let is_soon = |pair_s: &[f64]| pair_s.iter().all(|took_s| *took_s < HEARD_S);
            let mut too_late = Vec::new();
            for pair_s in joins {
                if is_soon(&pair_s) {
                    return took_s.borrow_mut().extend(pair_s);
                }
                too_late.push(pair_s);
            }
            panic!("heard after {too_late:.2?} s");
        });
    }
    took_s.into_inner()
}

fn join_pair(stage: &Stage, places_s: &[i64], reading_s: impl Fn(&Heard) -> f64) -> Vec<f64> {
    let recorder = Recorder::start(&stage.card).unwrap();
    let mut joined: Vec<Joined> =
        [Sink::Left, Sink::Right].into_iter().zip(places_s).map(|(sink, place_s)| stage.join(sink, *place_s)).collect();
    for joined in &mut joined {
        joined.playing.wait_for("Playing: ");
        (joined.heard.read_bytes, joined.heard.read_s) = stage.read(joined.heard.sink);
        joined.heard.kept_waiting_s = joined.playing.kept_waiting_s();
    }
    std::thread::sleep(Duration::from_secs_f64(LISTENED_S + 1.0));
    joined.iter().for_each(|joined| joined.playing.signal("-INT"));
    let joined: Vec<(Heard, String)> = joined.into_iter().map(Joined::finish).collect();
    let recording = recorder.finish().unwrap();
    joined
        .into_iter()
        .map(|(heard, words)| heard.judge(stage, &recording, &words) - heard.kept_waiting_s - reading_s(&heard))
        .collect()
}

/// Returns places from the first to the last minutes.
fn places_s(count: usize) -> Vec<i64> {
    let mut random = fastrand::Rng::with_seed(12);
    (0..count).map(|_| random.i64(30..(HOURS * 3600 - 60) as i64)).collect()
}

#[test]
fn a_set_of_three_hours_is_joined_anywhere() {
    let stage = Stage::new();
    // Made on the laptop.
    stage.sandbox.run(&["index"]).succeeds();
    let indexed = fs::read_to_string(stage.sandbox.index()).unwrap();
    assert!(indexed.contains("\"map\": \"frames-2 "), "no map is saved");
    let took_s = join_at(&stage, &places_s(10), |heard| {
        assert!(heard.read_bytes <= JOIN_BYTES, "{} bytes were read", heard.read_bytes);
        0.0
    });
    println!("with the index heard after {took_s:.2?} s");

    // A box that has the index without its maps reads up to the place.
    fs::remove_file(stage.sandbox.index()).unwrap();
    stage.sandbox.list(&[]);
    assert!(!fs::read_to_string(stage.sandbox.index()).unwrap().contains("frames-2"), "a quick look makes no map");
    let took_s = join_at(&stage, &places_s(4), |heard| heard.read_s);
    println!("without it heard after {took_s:.2?} s and the time of reading");
}

/// Switches on a box with the jumper fitted, in the middle of the set.
fn box_in_the_middle(stage: &Stage, place_s: i64, prepare: impl FnOnce(&mut Command)) -> ServiceProcess {
    let anchor = chrono::DateTime::from_timestamp(now_s() as i64 - place_s, 0).unwrap().to_rfc3339();
    let config = format!("start.anchor = \"{anchor}\"\n[time]\nsource = \"system\"\n");
    let make = Make { name: "box", jumper: true, config: &config };
    ServiceProcess::switch_on_prepared(&stage.sandbox, &stage.card, Sink::Left, &make, prepare)
}

#[test]
fn a_box_reports_that_it_opens_the_file_until_it_is_heard_and_feeds_its_watchdog() {
    let stage = Stage::new();
    stage.sandbox.list(&[]);
    let watchdog = Watchdog::watch(stage.sandbox.path().join("notify"));
    // 48 MB at this speed take 24 s: longer than the watchdog waits, and than the box opens the
    // file ahead.
    let mut made = box_in_the_middle(&stage, 1200, |command| {
        stage.fault.add_to(command, &[("FAULT_SLOW", ".mp3"), ("FAULT_MB_S", "2")]);
        command.env("NOTIFY_SOCKET", &watchdog.address);
    });
    made.wait_for("opening track 0");
    let status = made.status();
    assert_eq!(status.play.state, PlayState::Opening, "{status:#?}");
    assert!(status.phase.is_none() && status.play.summary().starts_with("Opening track 0"), "{status:#?}");
    // Half a second on, half a second off: about to play.
    let mut seen = [false; 2];
    let status = made.wait_until("playing", |status| {
        if status.play.state == PlayState::Opening {
            seen[usize::from(status.board.led == Some(true))] = true;
        }
        status.play.state == PlayState::Playing
    });
    assert_eq!(seen, [true; 2], "the LED says so, too");
    assert_eq!(status.play.track.unwrap().number, 0);
    made.wait_for("playing track 0");
    made.wait_until("in phase", |status| status.phase.is_some());
    assert!(made.end().success());
    let longest = watchdog.longest_pause();
    println!("the watchdog was fed at least every {longest:.1?}");
    assert!(longest < FED_WITHIN, "the watchdog was not fed for {longest:?}");
}

/// systemd's side of the watchdog.
struct Watchdog {
    address: PathBuf,
    fed: JoinHandle<Vec<Instant>>,
}

impl Watchdog {
    /// Listens until the service reports that it ends.
    fn watch(address: PathBuf) -> Self {
        let socket = UnixDatagram::bind(&address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let listen = move || {
            let (mut fed, mut bytes) = (Vec::new(), [0; 1024]);
            while let Ok(length) = socket.recv(&mut bytes) {
                let words = String::from_utf8_lossy(&bytes[..length]);
                if words.contains("STOPPING=1") {
                    break;
                }
                if words.contains("WATCHDOG=1") {
                    fed.push(Instant::now());
                }
            }
            fed
        };
        Self { address, fed: std::thread::spawn(listen) }
    }

    fn longest_pause(self) -> Duration {
        let fed = self.fed.join().unwrap();
        fed.windows(2).map(|pair| pair[1] - pair[0]).max().expect("it was never fed")
    }
}

#[test]
fn a_box_without_maps_makes_them_in_the_background_and_saves_them() {
    // Some 24 MB.
    let stage = Stage::with_seconds(600);
    stage.sandbox.list(&[]);
    let before = fs::read_to_string(stage.sandbox.index()).unwrap();
    assert!(!before.contains("frames-2"));
    let mut made = box_in_the_middle(&stage, 300, |_| {});
    made.wait_for("playing track 0");
    // Which of the two comes first depends on the second of the minute at which it was switched on.
    made.has_or_will_say("mapped ");
    let kept = fs::read_to_string(stage.sandbox.index()).unwrap();
    assert!(kept.contains("\"map\": \"frames-2 "), "{kept}");
    // The log may be a moment ahead of the status.
    made.wait_until("playing", |status| status.play.state == PlayState::Playing);
    assert!(made.end().success());
    // It is the map that `index` makes.
    fs::remove_file(stage.sandbox.index()).unwrap();
    stage.sandbox.run(&["index"]).succeeds();
    let made_on_the_laptop = fs::read_to_string(stage.sandbox.index()).unwrap();
    assert_eq!(kept, made_on_the_laptop);
}

#[test]
fn a_file_of_eighteen_hours_needs_little_memory() {
    let stage = Stage::encoded(18 * 3600, &["-b", "64", "-m", "m"]);
    let (run, cost) = stage.sandbox.measure(&["index"]);
    run.succeeds();
    let peak_kib = cost.peak_kb;
    println!("index takes {peak_kib} KiB");
    assert!(peak_kib < MEMORY_KIB);
    assert!(fs::read_to_string(stage.sandbox.index()).unwrap().contains("\"map\": \"frames-2 "), "no map is saved");
    let mut joined = stage.join(Sink::Left, 17 * 3600);
    joined.playing.wait_for("Playing: ");
    let peak_kib = joined.playing.peak_memory_kib();
    println!("playing takes {peak_kib} KiB");
    assert!(peak_kib < MEMORY_KIB);
    joined.playing.signal("-INT");
    joined.playing.finish();
}

#[test]
fn a_card_that_stalls_for_a_second_is_not_heard() {
    let sandbox = Sandbox::new();
    for (seed, name) in [(91, "a.mp3"), (92, "b.mp3")] {
        bursts(seed, RATE_HZ, 14, [1.0, 1.0]).encode(&sandbox.music().join(name), &["-b", "320"]);
    }
    sandbox.playlist("a.mp3\nb.mp3\n");
    let card = VirtualCard::start().unwrap();
    undisturbed(|| {
        let fault = Fault::new();
        let recorder = Recorder::start(&card).unwrap();
        // Late enough for both to be ready, however busy the disk is with other tests' files.
        let start_s = now_s() as i64 + 8;
        let time = ["-t", &named(start_s)];
        let mut command = sandbox.command();
        command.arg("play").args(time);
        fault.add_to(&mut command, &[("FAULT_STALL", ".mp3"), ("FAULT_STALL_S", "1")]);
        let stalled = Playing::spawn(command, &card, Sink::Left);
        let other = Playing::start(&sandbox, &card, Sink::Right, &time);
        // The first stall begins while the first track plays. Each lasts a second, followed by a
        // second to recover in.
        while now_s() < start_s as f64 + 29.0 {
            std::thread::sleep(Duration::from_secs(2));
            if now_s() > start_s as f64 {
                fault.begin();
            }
        }
        let words = [stalled.finish(), other.finish()];
        let recording = recorder.finish().unwrap();
        for words in &words {
            assert!(!words.contains("underrun") && !words.contains("not read fast"), "{words}");
        }
        for slot_s in [start_s, start_s + 15] {
            let lags: Vec<Option<f64>> =
                (0..27).map(|part| lag_ms(&recording, slot_s as f64 + 0.5 * f64::from(part), 0.5)).collect();
            let worst = lags.iter().map(|lag| lag.map_or(f64::INFINITY, f64::abs)).fold(0.0, f64::max);
            println!("largest lag {worst:.4} ms");
            assert!(worst < BOUND_MS, "{lags:?}: {words:?}");
        }
    });
}
