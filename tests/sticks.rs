//! USB sticks with music, through the binary: plain folders stand for what is mounted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use jaudiosync::control::Status;
use jaudiosync::control::protocol::{PlayState, StickStatus};
use jaudiosync_measure::{Sink, VirtualCard};
use support::service_process::{Make, ServiceProcess};
use support::{Sandbox, short_mp3};

/// Where sticks are put in.
struct Sticks {
    place: PathBuf,
}

impl Sticks {
    fn of(sandbox: &Sandbox) -> Self {
        let place = sandbox.path().join("sticks");
        fs::create_dir(&place).unwrap();
        Self { place }
    }

    /// Makes a stick with these tracks, and a playlist of them if it is to have one; it is not in yet.
    fn make(&self, name: &str, tracks: &[&str], has_list: bool) {
        let stick = self.place.with_file_name(name);
        fs::create_dir(&stick).unwrap();
        for track in tracks {
            short_mp3(&stick.join(format!("{track}.mp3")), 44_100 * 20, track);
        }
        if has_list {
            let lines: Vec<String> = tracks.iter().map(|track| format!("{track}.mp3\n")).collect();
            fs::write(stick.join("Playlist.m3u8"), lines.concat()).unwrap();
        }
    }

    fn put_in(&self, name: &str) {
        fs::rename(self.place.with_file_name(name), self.place.join(name)).unwrap();
    }

    fn pull_out(&self, name: &str) {
        fs::rename(self.place.join(name), self.place.with_file_name(name)).unwrap();
    }

    fn config(&self) -> String {
        format!("[time]\nsource = \"system\"\n[playlist]\nstick = {:?}\n", self.place)
    }
}

fn stick<'a>(status: &'a Status, name: &str) -> Option<&'a StickStatus> {
    status.sticks.iter().find(|stick| stick.name == name)
}

fn takes(status: &Status, name: &str) -> bool {
    stick(status, name).is_some_and(|stick| stick.taken)
}

fn folder(status: &Status) -> &Path {
    Path::new(&status.playlist.as_ref().unwrap().folder)
}

#[test]
fn a_stick_is_taken_and_given_back_while_nothing_plays() {
    let sandbox = Sandbox::with_one_track();
    let sticks = Sticks::of(&sandbox);
    sticks.make("RIDE", &["one", "two"], false);
    let card = VirtualCard::start().unwrap();
    let config = sticks.config();
    let made = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &Make { config: &config, ..Make::default() });
    let mut made = made.ready();
    sticks.put_in("RIDE");
    made.wait_for("the stick RIDE is in, with 2 tracks");
    let status = made.wait_until("taken", |status| takes(status, "RIDE"));
    assert_eq!((folder(&status), status.sticks.len()), (sticks.place.join("RIDE").as_path(), 1));
    let words = sandbox.run(&["status", "--socket", made.socket().to_str().unwrap()]);
    assert!(words.succeeds().stdout.contains("RIDE is taken, with 2 tracks"), "{words:?}");
    sticks.pull_out("RIDE");
    let status = made.wait_until("given back", |status| status.sticks.is_empty() && folder(status) == sandbox.music());
    assert!(!status.warnings.iter().any(|warning| warning.contains("stick")), "{:?}", status.warnings);
    made.wait_for("the stick RIDE is gone");
    assert_eq!(made.end().code(), Some(0));
}

#[test]
fn while_music_plays_a_stick_is_offered_and_the_next_start_takes_it() {
    let sandbox = Sandbox::new();
    short_mp3(&sandbox.music().join("a.mp3"), 44_100 * 60, "A");
    sandbox.playlist("a.mp3\n");
    let sticks = Sticks::of(&sandbox);
    sticks.make("RIDE", &["one", "two"], true);
    let card = VirtualCard::start().unwrap();
    let config = sticks.config();
    let make = Make { config: &config, jumper: true, ..Make::default() };
    let made = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &make).ready();
    let socket = made.socket().to_str().unwrap().to_owned();
    made.wait_until("playing", |status| status.play.state == PlayState::Playing);
    sticks.put_in("RIDE");
    let status = made.wait_until("offered", |status| stick(status, "RIDE").is_some_and(|stick| stick.offered));
    assert!(matches!(status.play.state, PlayState::Playing | PlayState::Gap), "{:?}", status.play.state);
    assert_eq!(folder(&status), sandbox.music());
    let offer = "the stick RIDE is offered, with 2 tracks";
    made.wait_until("a warning", |status| status.warnings.iter().any(|warning| warning.contains(offer)));
    let config = sandbox.path().join("box.toml");
    let doctor = sandbox.run(&["doctor", "--config", config.to_str().unwrap(), "--socket", &socket]);
    assert!(doctor.stdout.contains("RIDE is offered, with 2 tracks: the next start"), "{doctor:?}");
    // What is taken back is no longer offered.
    sticks.pull_out("RIDE");
    let speaks_of_it = |status: &Status| status.warnings.iter().any(|warning| warning.contains("stick"));
    made.wait_until("gone", |status| status.sticks.is_empty() && !speaks_of_it(status));
    sticks.put_in("RIDE");
    made.wait_until("offered", |status| status.warnings.iter().any(|warning| warning.contains(offer)));
    sandbox.run(&["start", "--socket", &socket]).succeeds();
    made.wait_until("played", |status| takes(status, "RIDE") && status.play.state == PlayState::Playing);

    // It is pulled out: silence until it is back, or until the music is stopped.
    sticks.pull_out("RIDE");
    let is_gone = |status: &Status| status.warnings.iter().any(|warning| warning.contains("the stick RIDE is gone"));
    made.wait_until("gone", |status| is_gone(status) && status.play.state != PlayState::Playing);
    sticks.put_in("RIDE");
    made.wait_until("back", |status| !is_gone(status) && status.play.state == PlayState::Playing);
    sticks.pull_out("RIDE");
    made.wait_until("gone", is_gone);
    sandbox.run(&["stop", "--socket", &socket]).succeeds();
    made.wait_until("its own", |status| folder(status) == sandbox.music() && !is_gone(status));
    assert_eq!(made.end().code(), Some(0));
}

#[test]
fn a_stick_that_was_in_at_power_on_is_what_the_jumper_starts_and_of_two_the_first_counts() {
    let sandbox = Sandbox::with_one_track();
    let sticks = Sticks::of(&sandbox);
    sticks.make("B", &["one", "two"], true);
    sticks.make("A", &["three"], true);
    sticks.make("0-EMPTY", &[], false);
    ["B", "0-EMPTY"].iter().for_each(|name| sticks.put_in(name));
    fs::write(sticks.place.join("sdc1.trouble"), "it has ntfs: format it as FAT32\n").unwrap();
    let card = VirtualCard::start().unwrap();
    let config = sticks.config();
    let make = Make { config: &config, jumper: true, ..Make::default() };
    let made = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &make).ready();
    let status = made.wait_until("playing", |status| status.play.state == PlayState::Playing);
    assert!(takes(&status, "B"), "{:?}", status.sticks);
    for warning in ["0-EMPTY is not taken: it has no Playlist.m3u8", "sdc1 is not taken: it has ntfs"] {
        assert!(status.warnings.iter().any(|said| said.contains(warning)), "no {warning:?} in {:?}", status.warnings);
    }
    // Another one, whose name comes first.
    sticks.put_in("A");
    let status = made.wait_until("offered", |status| stick(status, "A").is_some_and(|stick| stick.offered));
    let other = stick(&status, "B").unwrap();
    assert!(other.taken && other.trouble.as_deref() == Some("A comes first"), "{other:?}");
    assert_eq!(made.end().code(), Some(0));
}

#[test]
fn without_the_key_a_stick_changes_nothing_and_list_shows_what_the_box_would_play() {
    let sandbox = Sandbox::with_one_track();
    let sticks = Sticks::of(&sandbox);
    sticks.make("RIDE", &["one"], true);
    sticks.put_in("RIDE");
    let card = VirtualCard::start().unwrap();
    let made = ServiceProcess::switch_on(&sandbox, &card, Sink::Left, &Make::default()).ready();
    let status = made.status();
    assert_eq!((folder(&status), status.sticks.len()), (sandbox.music().as_path(), 0));
    let get = |text: &str| {
        let file = sandbox.path().join("get.toml");
        fs::write(&file, text).unwrap();
        let run = sandbox.run(&["config", "--config", file.to_str().unwrap(), "--get", "playlist.stick"]);
        run.succeeds().stdout.trim().to_owned()
    };
    assert_eq!(get(""), "false");
    assert_eq!(get("[playlist]\nstick = true\n"), "true");
    assert_eq!(get("[playlist]\nstick = \"/media/me\"\n"), "/media/me");
    sandbox.run(&["config", "--get", "playlist.sticks"]).fails(2, &["no key playlist.sticks", "playlist.stick"]);
    assert_eq!(made.end().code(), Some(0));
}
