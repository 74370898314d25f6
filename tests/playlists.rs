//! Playlists from elsewhere, the saved index, and the fingerprint, through the binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::time::{Duration, SystemTime};

use support::{Sandbox, Signal, short_mp3};

#[test]
fn a_playlist_from_a_laptop_is_understood() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.music().join("Rock")).unwrap();
    short_mp3(&sandbox.music().join("Rock/one two.mp3"), 44_100, "One");
    short_mp3(&sandbox.music().join("plain.mp3"), 44_100, "");
    let list = "\u{feff}#EXTM3U\r\n#EXTINF:-1,x\r\nC:\\Users\\me\\Music\\Rock\\one two.mp3\r\n\r\n\
                file:///home/me/Music/Rock/one%20two.mp3\r\n# comment\r\nplain.mp3";
    sandbox.playlist(list);
    let list = sandbox.list(&[]);
    let tracks = list["tracks"].as_array().unwrap();
    assert_eq!(tracks.len(), 3);
    assert_eq!(tracks[0]["title"], "One");
    assert_eq!(tracks[0]["line"], 3);
    assert_eq!(tracks[1]["file"], tracks[0]["file"]);
    assert_eq!(tracks[2]["title"], "plain", "without tags its name is shown");
    assert!(tracks.iter().all(|track| track["problem"].is_null()));
}

#[test]
fn without_a_playlist_all_mp3s_are_played_in_the_order_of_their_names() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.music().join("System Volume Information")).unwrap();
    fs::create_dir(sandbox.music().join("B-sides")).unwrap();
    for file in ["10 ten.mp3", "2 two.mp3", "B-sides/#1.mp3", "._2 two.mp3", "System Volume Information/a.mp3"] {
        short_mp3(&sandbox.music().join(file), 44_100, "");
    }
    let run = sandbox.run(&["list", "--json"]);
    assert!(run.succeeds().stderr.contains("all 3 MP3s of the Music folder are played"), "{run:?}");
    let list = sandbox.list(&[]);
    let titles: Vec<&str> =
        list["tracks"].as_array().unwrap().iter().filter_map(|track| track["title"].as_str()).collect();
    assert_eq!(titles, ["2 two", "10 ten", "#1"]);
    assert_eq!(sandbox.list(&[]), list, "with the saved index as without it");
    sandbox.run(&["list", "--playlist-name", "Ride"]).fails(3, &["no playlist Music/Ride.m3u8"]);
    sandbox.playlist("10 ten.mp3\n");
    assert_eq!(sandbox.list(&[])["tracks"].as_array().unwrap().len(), 1, "a playlist counts");
}

#[test]
fn a_folder_that_was_copied_with_its_playlist_is_found() {
    let sandbox = Sandbox::new();
    for folder in ["Ride", ".Trashes", "Covers"] {
        fs::create_dir(sandbox.music().join(folder)).unwrap();
    }
    short_mp3(&sandbox.music().join("Ride/a.mp3"), 44_100, "A");
    fs::write(sandbox.music().join("Ride/playlist.m3u8"), "a.mp3\n").unwrap();
    fs::write(sandbox.music().join(".Trashes/Playlist.m3u8"), "b.mp3\n").unwrap();
    let list = sandbox.list(&[]);
    assert_eq!(list["tracks"][0]["title"], "A", "{list}");
    fs::write(sandbox.music().join("Covers/Playlist.m3u8"), "b.mp3\n").unwrap();
    let words = ["several folders", "Covers/Playlist.m3u8, Ride/playlist.m3u8", "--playlist-name"];
    sandbox.run(&["list"]).fails(3, &words);
    let one = sandbox.run(&["list", "--playlist-name", "Ride/playlist"]);
    assert!(one.succeeds().stdout.contains('A'), "{one:?}");
}

#[test]
fn the_index_is_used_until_a_file_changes() {
    let sandbox = Sandbox::new();
    let file = sandbox.music().join("a.mp3");
    short_mp3(&file, 44_100, "First");
    sandbox.playlist("a.mp3\n");
    let first = sandbox.run(&["index"]);
    assert!(first.stdout.contains("1 track (1 read"), "{first:?}");
    assert!(sandbox.run(&["index"]).stdout.contains("(0 read"), "an unchanged file is not read again");
    short_mp3(&file, 2 * 44_100, "Second");
    let changed = sandbox.run(&["index"]);
    assert!(changed.stdout.contains("(1 read"), "{changed:?}");
    let list = sandbox.list(&[]);
    assert_eq!(list["tracks"][0]["title"], "Second");
}

#[test]
fn a_trusted_index_needs_no_files() {
    let sandbox = Sandbox::new();
    let file = sandbox.music().join("a.mp3");
    short_mp3(&file, 44_100, "A");
    sandbox.playlist("a.mp3\n");
    let whole = sandbox.list(&[]);
    fs::remove_file(&file).unwrap();
    assert_eq!(sandbox.list(&["-l"]), whole, "-l does not look");
    let looked = sandbox.list(&[]);
    assert_eq!(looked["tracks"][0]["problem"], "the file is missing");
    assert_eq!(looked["tracks"][0]["slot_s"], whole["tracks"][0]["slot_s"], "the index keeps the slot");
    assert_ne!(looked["fingerprint"], whole["fingerprint"]);
}

#[test]
fn a_damaged_index_is_rebuilt_with_a_warning() {
    let sandbox = Sandbox::new();
    short_mp3(&sandbox.music().join("a.mp3"), 44_100, "A");
    sandbox.playlist("a.mp3\n");
    sandbox.run(&["index"]).succeeds();
    let good = fs::read_to_string(sandbox.index()).unwrap();
    for bad in ["", "{", &good.replace("44100", "44101"), &good.replace("jaudiosync-index-1", "jaudiosync-index-9")] {
        fs::write(sandbox.index(), bad).unwrap();
        let run = sandbox.run(&["list"]);
        run.succeeds();
        assert!(run.stderr.contains("rebuilt: it is damaged or of another version"), "{run:?}");
        assert_eq!(fs::read_to_string(sandbox.index()).unwrap(), good);
    }
}

#[test]
fn a_saved_index_may_not_lead_outside_either() {
    let sandbox = Sandbox::new();
    short_mp3(&sandbox.music().join("a.mp3"), 44_100, "A");
    sandbox.playlist("a.mp3\n");
    sandbox.run(&["index"]).succeeds();
    let index = fs::read_to_string(sandbox.index()).unwrap();
    fs::write(sandbox.index(), index.replace("\"file\": \"a.mp3\"", "\"file\": \"../../etc/passwd\"")).unwrap();
    // The checksum reveals it; and if it were forged, the parts that climb are dropped.
    let list = sandbox.list(&["-l"]);
    let file = list["tracks"][0]["file"].as_str().unwrap();
    assert!(file.ends_with("Music/a.mp3"), "{file}");
}

#[test]
fn equal_music_has_an_equal_fingerprint_wherever_it_lies() {
    let boxes: Vec<Sandbox> = (0..2).map(|_| Sandbox::new()).collect();
    for (number, sandbox) in boxes.iter().enumerate() {
        let file = sandbox.music().join("a.mp3");
        short_mp3(&file, 50_000, "A");
        let modified = SystemTime::now() - Duration::from_secs(1000 * number as u64);
        fs::File::open(file).unwrap().set_modified(modified).unwrap();
        sandbox.playlist(["a.mp3\n", "#EXTM3U\n#EXTINF:1,other title\n/home/x/Music/a.mp3\n"][number]);
    }
    assert_eq!(boxes[0].list(&[])["fingerprint"], boxes[1].list(&[])["fingerprint"]);
    Signal::tone(44_100, 2, 50_000, 441.0).encode(&boxes[1].music().join("a.mp3"), &["-b", "128"]);
    assert_ne!(boxes[0].list(&[])["fingerprint"], boxes[1].list(&[])["fingerprint"]);
}

#[test]
fn a_start_time_shows_the_time_of_every_slot() {
    let sandbox = Sandbox::new();
    short_mp3(&sandbox.music().join("a.mp3"), 44_100, "A");
    sandbox.playlist("a.mp3\na.mp3\n");
    let run = sandbox.run(&["list", "-t", "2026-11-22T18:30:05"]);
    run.succeeds();
    assert!(run.stdout.contains("2026-11-22 18:30:05") && run.stdout.contains("2026-11-22 18:30:07"), "{run:?}");
    for time in ["2026-11-30 18:30", "2026-11-30T18:30", "2026-11-30 18:30:00"] {
        let run = sandbox.run(&["list", "-t", time]);
        assert!(run.succeeds().stdout.contains("2026-11-30 18:30:00"), "{run:?}");
    }
    // `play` takes it as well: it reports that this one is over, and how to name the following day.
    sandbox.run(&["play", "-t", "2020-11-30 18:30"]).fails(2, &["ended at", "-t 2020-12-01T18:30:00"]);
    sandbox.run(&["play", "-t", "2026-11-30"]).fails(2, &["is not a time", "\"2026-11-30 18:30\""]);
}

#[test]
fn completions_and_help_are_there() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(sandbox.run(&["completions", shell]).succeeds().stdout.contains("jaudiosync"), "{shell}");
    }
    for command in ["play", "list", "index", "devices"] {
        assert!(sandbox.run(&[command, "--help"]).succeeds().stdout.contains("Examples:"), "{command}");
    }
}
