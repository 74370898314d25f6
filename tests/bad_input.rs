//! Bad input of every kind gets a clear message and an exit code, and nothing is lost. Driven
//! through the binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use support::{Run, Sandbox, short_mp3};

/// Makes a sandbox whose playlist has two good tracks.
fn two_tracks() -> Sandbox {
    let sandbox = Sandbox::new();
    short_mp3(&sandbox.music().join("a.mp3"), 44_100, "A");
    short_mp3(&sandbox.music().join("b.mp3"), 88_200, "B");
    sandbox.playlist("#EXTM3U\na.mp3\nb.mp3\n");
    sandbox
}

#[test]
fn no_music_folder() {
    let sandbox = Sandbox::new();
    fs::remove_dir(sandbox.music()).unwrap();
    for command in ["play", "list", "index"] {
        sandbox.run(&[command]).fails(3, &["no Music folder at Music", "--music"]);
    }
}

#[test]
fn a_missing_playlist_lists_those_that_exist() {
    let sandbox = Sandbox::new();
    sandbox.run(&["play"]).fails(3, &["no playlist Music/Playlist.m3u8", ".m3u8 file there"]);
    sandbox.playlist("a.mp3");
    sandbox.run(&["play", "--playlist-name", "Ride"]).fails(3, &["Music/Ride.m3u8", "--playlist-name: Playlist"]);
}

#[test]
fn a_calibration_is_forgotten_on_disk_and_one_that_cannot_be_reached_is_named() {
    let sandbox = Sandbox::new();
    let state = sandbox.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("time.json"), "{}").unwrap();
    let mut command = sandbox.command();
    command.env("STATE_DIRECTORY", &state).args(["time", "forget", "--rtc", "/dev/i2c-99"]);
    let run = Run::of(command.output().unwrap());
    assert!(run.succeeds().stdout.contains("The calibration was forgotten"), "{run:?}");
    assert!(run.stderr.contains("/dev/i2c-99") && run.stderr.contains("was not forgotten"), "{run:?}");
    let run = Run::of(command.output().unwrap());
    assert!(
        run.succeeds().stdout.contains("no calibration to forget") && run.stderr.contains("/dev/i2c-99"),
        "{run:?}"
    );
}

#[test]
fn the_system_clock_is_set_from_no_rtc_that_is_simulated_missing_or_not_ours_to_set_it_by() {
    let sandbox = Sandbox::new();
    let config = sandbox.path().join("config.toml");
    let config = config.to_str().unwrap();
    let set = |rtc: &str, more: &[&str]| {
        let options = ["time", "set-system", "--config", config, "--rtc", rtc, "--wait", "0"];
        sandbox.run(&[&options[..], more].concat())
    };
    fs::write(config, "").unwrap();
    set("simulated", &[]).fails(2, &["a simulated RTC", "--dry-run"]);
    set("none", &[]).fails(2, &["no RTC", "--rtc /dev/i2c-1"]);
    set("/dev/i2c-99", &[]).fails(1, &["left alone", "/dev/i2c-99"]);
    set("simulated:ds1307", &["--dry-run"]).fails(1, &["left alone", "DS1307"]);
    let right = set("simulated", &["--dry-run"]);
    assert!(right.succeeds().stdout.contains("right, to the second"), "{right:?}");
    let off = set("simulated:offset=-7000ms", &["--dry-run"]);
    assert!(off.succeeds().stdout.contains("would be moved by -"), "{off:?}");
    fs::write(config, "[time]\nset_system_clock = false\n").unwrap();
    set("/dev/i2c-99", &[]).fails(2, &["to another program", "time.set_system_clock"]);
}

#[test]
fn empty_playlist() {
    for empty in ["", "#EXTM3U\n\n# nothing here\n", "\u{feff}"] {
        Sandbox::new().playlist(empty).run(&["play"]).fails(3, &["is empty"]);
    }
}

#[test]
fn only_missing_files_are_each_reported_once_with_their_line() {
    let sandbox = Sandbox::new();
    sandbox.playlist("#EXTM3U\n#EXTINF:12,A\nmissing one.mp3\n\nmissing two.mp3\n");
    let run = sandbox.run(&["play"]);
    run.fails(3, &["line 3: missing one.mp3", "slot of 0:12", "line 5: missing two.mp3", "none of the 2 tracks"]);
    assert_eq!(run.stderr.matches("missing one.mp3").count(), 1);
}

#[test]
fn a_playlist_of_ten_thousand_lines() {
    let sandbox = two_tracks();
    let mut list = String::from("#EXTM3U\n");
    for number in 0..10_000 {
        list.push_str(if number % 2 == 0 { "a.mp3\n" } else { "b.mp3\n" });
    }
    sandbox.playlist(list);
    let list = sandbox.list(&[]);
    assert_eq!(list["tracks"].as_array().unwrap().len(), 10_000);
    assert_eq!(list["runtime_s"], 5000 * 2 + 5000 * 3);
}

#[test]
fn random_bytes_as_a_playlist() {
    let mut random = SmallRandom(0x5EED);
    for length in [1_usize, 10, 1000, 100_000] {
        let bytes: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        let run = Sandbox::new().playlist(&bytes).run(&["play"]);
        assert_eq!(run.code, Some(3), "seed 0x5EED, {length} bytes: {run:?}");
        run.does_not_panic();
    }
}

#[test]
fn random_bytes_as_an_mp3_are_silence() {
    let sandbox = two_tracks();
    let mut random = SmallRandom(0xBAD);
    let bytes: Vec<u8> = (0..200_000).map(|_| random.byte()).collect();
    fs::write(sandbox.music().join("random.mp3"), bytes).unwrap();
    fs::write(sandbox.music().join("empty.mp3"), b"").unwrap();
    sandbox.playlist("a.mp3\n#EXTINF:30,Noise\nrandom.mp3\nempty.mp3\nb.mp3\n");
    let run = sandbox.run(&["list"]);
    run.succeeds();
    assert!(run.stderr.contains("line 3: random.mp3: the file holds no MP3 audio; its slot of 0:30"), "{run:?}");
    assert!(run.stderr.contains("line 4: empty.mp3: the file is empty"), "{run:?}");
    let list = sandbox.list(&[]);
    assert_eq!(list["tracks"][1]["slot_s"], 31);
    assert_eq!(list["tracks"][3]["offset_s"], 2 + 31 + 1);
}

#[test]
fn an_mp3_cut_in_the_middle_keeps_its_slot() {
    let sandbox = two_tracks();
    let whole = sandbox.list(&[]);
    let bytes = fs::read(sandbox.music().join("b.mp3")).unwrap();
    fs::write(sandbox.music().join("b.mp3"), &bytes[..bytes.len() / 2]).unwrap();
    let cut = sandbox.list(&[]);
    assert_eq!(cut["tracks"][1]["slot_s"], whole["tracks"][1]["slot_s"]);
    assert_ne!(cut["fingerprint"], whole["fingerprint"], "a box with a cut file does not play the same");
}

#[test]
fn an_entry_that_leads_outside_is_refused() {
    let sandbox = two_tracks();
    sandbox.playlist("a.mp3\n../../etc/passwd\n");
    let run = sandbox.run(&["list"]);
    run.succeeds();
    assert!(run.stderr.contains("line 2: ../../etc/passwd: it leads out of the Music folder"), "{run:?}");
}

#[test]
fn invalid_times_and_tracks() {
    let sandbox = two_tracks();
    sandbox.run(&["play", "-t", "25:00:00"]).fails(2, &["\"25:00:00\" is not a time", "HH:MM:SS"]);
    sandbox.run(&["play", "-t", "-1:00:00"]).fails(2, &["is not a time"]);
    sandbox.run(&["play", "-p", "99"]).fails(2, &["no track 99", "0 to 1"]);
    sandbox.run(&["play", "-p", "-1"]).fails(2, &["'-1'", "track number from 0, or res"]);
    sandbox.run(&["play", "-p", "res"]).fails(1, &["no position has been saved yet"]);
    sandbox.run(&["play", "--output-latency-ms", "NaN"]).fails(2, &["--output-latency-ms"]);
    sandbox.run(&["play", "-t", "2020-01-01T00:00:00"]).fails(2, &["ended at", "2020-01-02T00:00:00"]);
}

#[test]
fn an_unknown_device() {
    let run = two_tracks().run(&["play", "--device", "Gramophone"]);
    run.fails(4, &["no sound output named \"Gramophone\"", "jaudiosync devices"]);
}

#[test]
fn a_read_only_music_folder_works_without_an_index() {
    let sandbox = two_tracks();
    fs::set_permissions(sandbox.music(), fs::Permissions::from_mode(0o555)).unwrap();
    let list = as_plain_user(&sandbox, "list --json");
    let index = as_plain_user(&sandbox, "index");
    fs::set_permissions(sandbox.music(), fs::Permissions::from_mode(0o755)).unwrap();
    list.succeeds();
    assert!(list.stderr.contains("cannot be written"), "{list:?}");
    assert!(list.stdout.contains("\"runtime_s\": 5"), "{list:?}");
    index.fails(1, &["the index was not written"]);
}

/// Runs the binary as nobody if the test runs as root, who may write anywhere.
fn as_plain_user(sandbox: &Sandbox, arguments: &str) -> Run {
    let binary = sandbox.path().join("jaudiosync");
    support::copy_program(&binary);
    fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = format!(
        "if [ \"$(id -u)\" = 0 ]; then exec setpriv --reuid=65534 --regid=65534 --clear-groups ./jaudiosync {arguments}; \
         else exec ./jaudiosync {arguments}; fi"
    );
    Run::of(Command::new("sh").arg("-c").arg(script).current_dir(sandbox.path()).output().unwrap())
}

#[test]
fn a_full_disk_loses_nothing() {
    let sandbox = two_tracks();
    sandbox.run(&["index"]).succeeds();
    let before = fs::read(sandbox.index()).unwrap();
    // The index does not know the third track; no file may grow, as on a full disk.
    short_mp3(&sandbox.music().join("c.mp3"), 44_100, "C");
    sandbox.playlist("a.mp3\nb.mp3\nc.mp3\n");
    let script = format!("trap '' XFSZ; ulimit -f 0; exec '{}' index", env!("CARGO_BIN_EXE_jaudiosync"));
    let run = Run::of(Command::new("sh").arg("-c").arg(script).current_dir(sandbox.path()).output().unwrap());
    run.fails(1, &["the index was not written"]);
    assert_eq!(fs::read(sandbox.index()).unwrap(), before, "the old index must stay as it was");
    let left: Vec<_> = fs::read_dir(sandbox.music()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 5, "nothing half-written stays: {left:?}");
    sandbox.run(&["index"]).succeeds();
    assert_ne!(fs::read(sandbox.index()).unwrap(), before);
}

#[test]
fn a_reader_that_goes_away_is_not_an_error() {
    let sandbox = two_tracks();
    let script = format!("'{}' list | true; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_jaudiosync"));
    let run = Run::of(Command::new("bash").arg("-c").arg(script).current_dir(sandbox.path()).output().unwrap());
    run.succeeds();
    std::io::stderr().flush().unwrap();
}

/// Random enough for bytes, from a seed that the test gives.
struct SmallRandom(u64);

impl SmallRandom {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }
}
