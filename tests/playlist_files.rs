//! Playlist files as they come: their names, encodings, damage and other formats, and their bounds;
//! through the binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use support::{Cost, Sandbox, mp3_bytes, short_mp3};

/// Makes two tracks, and no playlist yet.
fn two_tracks() -> Sandbox {
    let sandbox = Sandbox::new();
    short_mp3(&sandbox.music().join("a.mp3"), 44_100, "A");
    short_mp3(&sandbox.music().join("é.mp3"), 88_200, "B");
    sandbox
}

const LIST: &str = "#EXTM3U\r\n#EXTINF:1,A\r\na.mp3\r\n#EXTINF:2,B\r\né.mp3\r\n";

fn utf16_le(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn utf16_be(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[track_caller]
fn assert_has_both(sandbox: &Sandbox, warning: &str) {
    let run = sandbox.run(&["list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&run.succeeds().stdout).unwrap();
    assert_eq!(list["runtime_s"], 2 + 3, "{run:?}");
    assert!(list["tracks"].as_array().unwrap().iter().all(|track| track["problem"].is_null()), "{run:?}");
    match warning {
        "" => assert_eq!(run.stderr, ""),
        words => assert!(run.stderr.contains(words) && run.stderr.lines().count() == 1, "{run:?}"),
    }
}

#[test]
fn a_playlist_may_be_named_m3u_and_in_any_case() {
    for name in ["Playlist.m3u", "Playlist.M3U8", "playlist.m3u8", "PLAYLIST.M3U"] {
        let sandbox = two_tracks();
        sandbox.write(name, LIST);
        sandbox.write("._Playlist.m3u8", b"\0\x05\x16\x07");
        assert_has_both(&sandbox, "");
        assert_eq!(sandbox.list(&[])["playlist"], "Playlist", "its state is saved under this name");
    }
    // Latin-1, as in most `.m3u` lists; the file name is UTF-8.
    let sandbox = two_tracks();
    sandbox.write("Playlist.m3u", b"a.mp3\r\n\xE9.mp3\r\n");
    assert_has_both(&sandbox, "in another text encoding (line 2: é.mp3 is é.mp3)");
    // An .m3u8 comes first, and an .m3u can be named.
    sandbox.playlist("a.mp3\n");
    assert_eq!(sandbox.list(&[])["runtime_s"], 2);
    assert_eq!(sandbox.list(&["--playlist-name", "Playlist.m3u"])["runtime_s"], 5);
    sandbox.run(&["list", "--playlist-name", "Ride"]).fails(3, &["--playlist-name: Playlist.m3u, Playlist"]);
    // An extension that Windows hides, and a format that another program saved.
    let sandbox = two_tracks();
    sandbox.write("Playlist.m3u8.txt", LIST);
    sandbox.run(&["play"]).fails(3, &["no playlist Music/Playlist.m3u8; Playlist.m3u8.txt", "ends in .m3u8"]);
    let sandbox = two_tracks();
    sandbox.write("Playlist.pls", "[playlist]");
    sandbox.run(&["play"]).fails(3, &["Playlist.pls is in another format"]);
    let sandbox = two_tracks();
    sandbox.write("playlist.m3u8", LIST);
    sandbox.write("PLAYLIST.m3u8", LIST);
    sandbox.run(&["play"]).fails(3, &["PLAYLIST.m3u8, playlist.m3u8", "rename one"]);
}

#[test]
fn utf_16_is_read() {
    let sandbox = two_tracks();
    let marked = format!("\u{feff}{LIST}");
    for bytes in [utf16_le(&marked), utf16_be(&marked)] {
        sandbox.playlist(&bytes);
        assert_has_both(&sandbox, "");
        sandbox.playlist([&bytes[..], &[0; 1001]].concat());
        assert_has_both(&sandbox, "at its end are ignored");
    }
    for bytes in [utf16_le(LIST), utf16_be(LIST)] {
        sandbox.playlist(&bytes);
        assert_has_both(&sandbox, "seems to be UTF-16 without a byte order mark");
    }
}

#[test]
fn zeros_after_a_power_cut_are_ignored_with_a_warning() {
    let sandbox = two_tracks();
    for zeros in [1, 511, 4096] {
        sandbox.playlist([LIST.as_bytes(), &vec![0; zeros]].concat());
        assert_has_both(&sandbox, &format!("{zeros} zero bytes at its end are ignored, as a power cut leaves them"));
    }
    sandbox.playlist([0; 4096]);
    sandbox.run(&["list"]).fails(3, &["nothing but zero bytes", "copy it again"]);
    sandbox.playlist(b"a.mp3\n\0\0\0\0b.mp3\n");
    sandbox.run(&["list"]).fails(3, &["zero bytes", "damaged"]);
}

#[test]
fn other_formats_are_named_with_what_to_do() {
    let sandbox = two_tracks();
    let mp3 = fs::read(sandbox.music().join("a.mp3")).unwrap();
    let cases: [(&[u8], &str, &str); 14] = [
        (b"[playlist]\r\nFile1=a.mp3\r\nNumberOfEntries=1\r\n", "a PLS playlist", "M3U8"),
        (
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\">\n",
            "XSPF",
            "M3U8",
        ),
        (b"<?wpl version=\"1.0\"?>\r\n<smil><body><seq><media src=\"a.mp3\"/></seq></body></smil>", "WPL", "M3U"),
        (b"<asx version=\"3.0\"><entry><ref href=\"a.mp3\"/></entry></asx>", "ASX", "M3U8"),
        (b"{\n  \"tracks\": [{\"file\": \"a.mp3\"}]\n}\n", "JSON", "M3U8"),
        (b"\n<!DOCTYPE html>\n<html><body><p>a.mp3</p></body></html>", "a web page", "M3U8"),
        (
            b"<?xml version=\"1.0\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\">",
            "iTunes",
            "M3U8",
        ),
        (b"<?xml version=\"1.0\"?>\n<DJ_PLAYLISTS Version=\"1.0.0\">", "Rekordbox", "m3u8"),
        (b"<?xml version=\"1.0\"?>\n<NML VERSION=\"19\">", "Traktor", "M3U"),
        (b"{\\rtf1\\ansi\\ansicpg1252\n\\f0 a.mp3\\\n}", "rich text", "Plain Text"),
        (b"FILE \"a.mp3\" MP3\n  TRACK 01 AUDIO\n", "a cue sheet", "one MP3 file name per line"),
        (
            b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n1.ts\n",
            "HLS",
            "one MP3 file name per line",
        ),
        (b"Name\tArtist\tComposer\tAlbum\tGrouping\nA\tB\tC\tD\tE\n", "a table of tracks", "Export Playlist"),
        (&mp3, "an MP3", "one MP3 file name per line"),
    ];
    for (bytes, name, advice) in cases {
        for bytes in [bytes.to_vec(), [b"\xEF\xBB\xBF", bytes].concat()] {
            sandbox.playlist(bytes);
            sandbox.run(&["list"]).fails(3, &["Playlist.m3u8 cannot be used: it is ", name, advice]);
        }
    }
    sandbox.playlist(utf16_le("\u{feff}#\tArtwork\tTrack Title\tArtist\tAlbum\r\n"));
    sandbox.run(&["list"]).fails(3, &["a table of tracks"]);
}

#[test]
fn a_line_that_is_too_long_keeps_its_slot_and_costs_no_time() {
    let sandbox = two_tracks();
    let deep = "a/".repeat(8000);
    let wide = "b\\".repeat(1900);
    let list =
        format!("a.mp3\n#EXTINF:10,Deep\n{deep}a.mp3\n#EXTINF:20,Wide\n{wide}a.mp3\n{}\né.mp3\n", "c".repeat(100_000));
    sandbox.playlist(list);
    let (run, cost) = sandbox.measure(&["list"]);
    assert!(cost.processor_s < 3.0, "{cost:?}");
    assert_eq!(run.succeeds().stderr.matches("the line is longer than any path").count(), 3, "{run:?}");
    assert!(run.stderr.lines().all(|line| line.len() < 500), "{run:?}");
    let list = sandbox.list(&[]);
    let slots: Vec<i64> =
        list["tracks"].as_array().unwrap().iter().map(|track| track["slot_s"].as_i64().unwrap()).collect();
    assert_eq!(slots, [2, 11, 21, 1, 3]);
}

#[test]
fn a_list_with_more_tracks_or_bytes_than_any_is_refused_in_little_time_and_memory() {
    let sandbox = two_tracks();
    sandbox.playlist("a.mp3\n");
    let plain_kb = sandbox.measure(&["list"]).1.peak_kb;
    let lines = |count: usize| (0..count).map(|number| format!("Some folder/file {number}.mp3\n")).collect::<String>();
    let huge_line = "x".repeat(20_000_000);
    for (list, words) in [
        (lines(400_000), "more than 50000 tracks"),
        (huge_line, "larger than 16 MiB"),
        ("\r\n".repeat(10_000_000), "larger than 16 MiB"),
    ] {
        sandbox.playlist(list);
        let (run, cost) = sandbox.measure(&["list"]);
        run.fails(3, &[words]);
        assert!(cost.processor_s < 5.0 && cost.peak_kb < plain_kb + 30_000, "{cost:?}, against {plain_kb} kB");
    }
    sandbox.playlist(lines(50_000));
    let (run, Cost { peak_kb, .. }) = sandbox.measure(&["index"]);
    assert!(run.succeeds().stdout.contains("50000 tracks (0 read, 50000 silent)"), "{run:?}");
    assert!(peak_kb < plain_kb + 60_000, "{peak_kb} kB, against {plain_kb} kB");
}

#[test]
fn an_extinf_makes_a_slot_of_a_day_at_most() {
    let sandbox = two_tracks();
    sandbox.playlist(
        "#EXTINF:9999999999,Long\nmissing.mp3\n#EXTINF:1e300,x\nmissing too.mp3\n#EXTINF:9999999999,A\na.mp3\n",
    );
    let run = sandbox.run(&["list"]);
    assert!(run.succeeds().stderr.contains("line 2: missing.mp3: its #EXTINF is longer than a day"), "{run:?}");
    assert!(run.stderr.contains("(2 such lines)"), "{run:?}");
    let list = sandbox.list(&[]);
    assert_eq!(list["tracks"][0]["slot_s"], 86_401);
    assert_eq!(list["tracks"][2]["slot_s"], 2, "a file that is there has its own length");
}

/// Makes a frame of ID3v2.3.
fn frame(id: &[u8], flags: u8, content: &[u8]) -> Vec<u8> {
    [id, &(content.len() as u32).to_be_bytes(), &[0, flags], content].concat()
}

fn tagged(flags: u8, frames: &[Vec<u8>], audio: &[u8]) -> Vec<u8> {
    let body = frames.concat();
    let body = if flags & 0x80 == 0 { body } else { unsynchronised(&body) };
    let size = [21, 14, 7, 0].map(|shift| (body.len() >> shift & 0x7F) as u8);
    [b"ID3\x03\0", &[flags][..], &size, &body, audio].concat()
}

fn unsynchronised(body: &[u8]) -> Vec<u8> {
    body.iter().flat_map(|&byte| [byte, 0].into_iter().take(if byte == 0xFF { 2 } else { 1 })).collect()
}

/// Compresses this many megabytes of one letter.
fn inflating(megabytes: usize) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(b"\0").unwrap();
    (0..megabytes).for_each(|_| encoder.write_all(&[b'y'; 1_000_000]).unwrap());
    let compressed = encoder.finish().unwrap();
    [&(megabytes as u32 * 1_000_000).to_be_bytes()[..], &compressed].concat()
}

#[test]
fn tags_of_any_size_are_read_in_little_memory_and_cut() {
    let sandbox = Sandbox::new();
    // Without a tag of its own, and with a header that gives its length.
    sandbox.write("a.mp3", mp3_bytes(44_100, "A"));
    let mp3 = fs::read(sandbox.music().join("a.mp3")).unwrap();
    let audio = &mp3[..mp3.len() - 128];
    let artist = || frame(b"TPE1", 0, b"\0Artist");
    let title = || frame(b"TIT2", 0, b"\0Title");
    sandbox.write("a.mp3", tagged(0, &[title(), artist()], audio));
    sandbox.playlist("a.mp3\n");
    let plain_kb = sandbox.measure(&["index", "--rebuild"]).1.peak_kb;
    let long = |letter: &str| letter.repeat(200) + "…";
    let cover = || frame(b"APIC", 0, &vec![0xFF; 60_000_000]);
    let cases: [(&str, Vec<u8>, &str); 5] = [
        (
            "a title of 12 MB",
            tagged(0, &[frame(b"TIT2", 0, &[&[0][..], &vec![b'x'; 12_000_000]].concat()), artist()], audio),
            &long("x"),
        ),
        (
            "a text that inflates to 600 MB",
            tagged(0, &[frame(b"TIT2", 0x80, &inflating(600)), artist()], audio),
            &long("y"),
        ),
        ("a cover of 60 MB before the title", tagged(0, &[cover(), title(), artist()], audio), "Title"),
        ("a cover of 60 MB, unsynchronised", tagged(0x80, &[title(), artist(), cover()], audio), "Title"),
        ("a tag of 200 MB", tagged(0, &[title(), artist(), frame(b"PRIV", 0, &vec![0; 200_000_000])], audio), "Title"),
    ];
    for (what, bytes, title) in cases {
        sandbox.write("a.mp3", bytes);
        let (run, Cost { peak_kb, processor_s }) = sandbox.measure(&["index", "--rebuild"]);
        run.succeeds();
        println!("{what}: {peak_kb} kB, {processor_s:.3} s of a processor; a plain file: {plain_kb} kB");
        assert!(peak_kb < plain_kb + 4_000, "{what}: {peak_kb} kB, against {plain_kb} kB");
        let list = sandbox.list(&["-l"]);
        let track = &list["tracks"][0];
        assert_eq!((&track["title"], &track["artist"]), (&title.into(), &"Artist".into()), "{what}");
    }
}

/// Runs the tests without root's rights: nobody else may read the folder.
#[test]
fn unreadable_files_are_not_reported_as_missing() {
    let sandbox = Sandbox::new();
    sandbox.write("Rock/a.mp3", mp3_bytes(44_100, "A"));
    sandbox.playlist("Rock/a.mp3\nmissing.mp3\n");
    let program = sandbox.path().join("jaudiosync");
    support::copy_program(&program);
    let allow = |path: &Path, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let listed = || {
        let plain = sandbox.command();
        let is_root = nix::unistd::geteuid().is_root();
        let mut command = Command::new(if is_root { "setpriv" } else { "env" });
        command.args(if is_root { &["--reuid=65534", "--clear-groups"][..] } else { &[] }).arg(&program);
        command.args(["list"]).envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.current_dir(sandbox.path()).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    allow(sandbox.path(), 0o755);
    allow(&sandbox.music().join("Rock"), 0o000);
    let words = listed();
    assert!(words.contains("Rock/a.mp3: the file cannot be read: Permission denied"), "{words}");
    assert!(words.contains("missing.mp3: the file is missing"), "{words}");
    allow(&sandbox.music(), 0o000);
    let words = listed();
    assert!(words.contains("the Music folder") && words.contains("cannot be read: Permission denied"), "{words}");
    allow(&sandbox.music(), 0o755);
    allow(&sandbox.music().join("Rock"), 0o755);
}

#[test]
fn an_index_that_is_a_pipe_holds_nothing_up() {
    let sandbox = Sandbox::new();
    sandbox.write("a.mp3", mp3_bytes(44_100, "A"));
    sandbox.playlist("a.mp3\n");
    nix::unistd::mkfifo(&sandbox.index(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let run = sandbox.run(&["list"]);
    assert!(run.stderr.contains("is rebuilt"), "{run:?}");
    run.succeeds();
}
