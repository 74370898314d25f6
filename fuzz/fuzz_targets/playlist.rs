//! Any bytes as a playlist: what it says, and which files of a Music folder it means.
//!
//! The Music folder is made once, with names that are hard to tell apart, and links that lead out
//! of it and around in it. What must hold:
//!
//! - No panic, whatever the encoding.
//! - Entries have no marks, zeros or white space around them, and stay within their bounds; their
//!   lines are in order.
//! - A list that is written from what was read means the same.
//! - Every entry is one track; it has either a file or a problem; its file is inside the Music
//!   folder.
//! - Everything that is shown of it fits on one line.
//! - It is the same playlist from the index that was written, on the first reading and on every
//!   other.
//! - A playlist whose name is the first line is either found in the folder or not, and nothing else
//!   happens.

#![no_main]

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::LazyLock;

use jaudiosync::playlist::{LoadError, LoadOptions, M3u8, ParseError, Playlist, load, parse, playlist_name};
use jaudiosync_fuzz::{How, MusicFolder};
use libfuzzer_sys::fuzz_target;

/// As `MAX_ENTRY_BYTES` in the program.
const MOST_ENTRY_BYTES: usize = 4096;

/// The most characters that are shown, with the mark that shows that text was cut.
const MOST_SHOWN_CHARS: usize = 201;

/// A day, as `MAX_EXTINF_S` in the program.
const MOST_EXTINF_S: f64 = 86_400.0;

/// Files of the Music folder.
const FILES: [&str; 14] = [
    "a.mp3",
    "b.mp3",
    "a b.mp3",
    "#1 Hit.mp3",
    "CD1/01.mp3",
    "CD2/01.mp3",
    "Same.mp3",
    "SAME.mp3",
    "Rock/de\u{301}jà vu.mp3",
    "Rock/\u{301}.mp3",
    "песня.mp3",
    "日本/曲.mp3",
    "don\u{2019}t.mp3",
    "50%25.mp3",
];

static MUSIC: LazyLock<(MusicFolder, HashSet<PathBuf>)> = LazyLock::new(|| {
    use std::os::unix::fs::symlink;
    let music = MusicFolder::new();
    // Layer I, 32 kbit/s, 48 kHz, silence: every file has another length.
    for (number, name) in FILES.iter().enumerate() {
        let frame = [&[0xFF, 0xFF, 0x14, 0xC4][..], &[0; 28]].concat();
        music.write(name, &frame.repeat(4 + number));
    }
    let link = |target: &str, name: &str| symlink(target, music.path().join(name)).expect("links can be made");
    link("/etc/passwd", "outside.mp3");
    link("/etc", "outside");
    link(".", "round");
    link("CD1", "Cd1");
    let files = FILES.iter().map(|name| music.path().join(name).canonicalize().expect("it was written"));
    let files = files.collect();
    (music, files)
});

fuzz_target!(|data: &[u8]| {
    let list = parse(data);
    if let Ok(list) = &list {
        look_at(list);
        rewrite(list);
    }
    let (music, files) = &*MUSIC;
    music.write("Playlist.m3u8", data);
    music.forget_index();
    let first = match (music.load(How::UseIndex), list) {
        (Ok(loaded), Ok(list)) => {
            assert_eq!(loaded.playlist.tracks.len(), list.entries.len());
            loaded
        }
        (Err(LoadError::Empty(_)), Ok(list)) if list.entries.is_empty() => return find(data),
        (Err(LoadError::NotAPlaylist(_, error)), Err(expected)) if error == expected => return find(data),
        (loaded, list) => panic!("{loaded:?} of {list:?}"),
    };
    assert!(first.index_error.is_none(), "{:?}", first.index_error);
    assert!(first.warnings.iter().all(|warning| fits_a_line(warning, 20 * MOST_SHOWN_CHARS)), "{:?}", first.warnings);
    check(&first.playlist, files);
    for how in [How::UseIndex, How::Rebuild] {
        let again = music.load(how).expect("it was loaded before");
        assert_eq!(again.playlist, first.playlist, "{how:?}");
        assert_eq!(again.warnings, first.warnings, "{how:?}");
    }
    let trusted = music.load(How::TrustIndex).expect("it was loaded before").playlist;
    assert_eq!(trusted.lengths(), first.playlist.lengths());
    assert_eq!(trusted.fingerprint(), first.playlist.fingerprint());
});

/// Asserts that the list is within its bounds.
fn look_at(list: &M3u8) {
    let is_trimmed = |text: &[u8]| {
        let mark = b"\xEF\xBB\xBF";
        text.trim_ascii() == text && !text.starts_with(mark) && !text.ends_with(mark)
    };
    for entry in &list.entries {
        let location = &entry.location;
        assert!(!location.is_empty() && location.len() <= MOST_ENTRY_BYTES && location[0] != b'#');
        assert!(!location.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r')));
        assert!(entry.is_too_long || is_trimmed(location));
        assert!(!entry.is_too_long || location.len() == MOST_ENTRY_BYTES);
        let Some(extinf) = &entry.extinf else { continue };
        assert!(extinf.length().is_none_or(|length| length.seconds() <= MOST_EXTINF_S));
        assert!(extinf.title.as_deref().is_none_or(|title| fits_a_line(title, MOST_SHOWN_CHARS)));
    }
    assert!(list.entries.is_sorted_by_key(|entry| entry.line));
    assert!(list.comments.iter().all(|(_, text)| text.starts_with(b"#") && is_trimmed(text)));
}

/// Asserts that a list of the entries alone names the same files, however its lines end.
fn rewrite(list: &M3u8) {
    let locations = |list: &M3u8| list.entries.iter().map(|entry| entry.location.clone()).collect::<Vec<_>>();
    let before = locations(list);
    if list.entries.iter().any(|entry| entry.is_too_long) {
        return;
    }
    for line_end in [&b"\n"[..], b"\r\n", b"\r"] {
        let rewritten = [b"#EXTM3U", line_end, &before.join(line_end)].concat();
        match parse(&rewritten) {
            Ok(again) => assert_eq!(locations(&again), before),
            // Marks of another format may have moved nearer to the beginning.
            Err(error) => assert!(matches!(error, ParseError::Foreign(_)), "{error:?}"),
        }
    }
}

/// Asserts that every track is a file of the Music folder, or has a problem.
fn check(playlist: &Playlist, files: &HashSet<PathBuf>) {
    for track in &playlist.tracks {
        assert_eq!(track.path.is_some(), track.problem.is_none(), "{track:?}");
        assert_eq!(track.path.is_some(), track.content.is_some(), "{track:?}");
        assert!(track.path.is_none() || track.length.is_some(), "{track:?}");
        if let Some(path) = &track.path {
            assert!(files.contains(&path.canonicalize().expect("it is there")), "{track:?}");
        }
        assert!(!track.title.is_empty() && fits_a_line(&track.title, MOST_SHOWN_CHARS), "{track:?}");
        assert!(fits_a_line(&track.location, MOST_SHOWN_CHARS), "{track:?}");
    }
    assert!(playlist.runtime_s() >= playlist.tracks.len() as i64);
    let problems: Vec<String> = playlist.problems(3, |_| String::new()).collect();
    assert!(
        problems.len() <= 4 && problems.iter().all(|line| fits_a_line(line, 20 * MOST_SHOWN_CHARS)),
        "{problems:?}"
    );
}

fn fits_a_line(text: &str, most_chars: usize) -> bool {
    text.chars().count() <= most_chars && !text.chars().any(char::is_control)
}

/// Looks for a playlist whose name is the first line.
fn find(data: &[u8]) {
    let name = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(name) = String::from_utf8(name.to_vec()) else { return };
    // Outside the folder there may be anything.
    if name.contains(['/', '\0']) {
        return;
    }
    let shown = playlist_name(&name);
    let music = MUSIC.0.path().to_owned();
    let options = LoadOptions {
        folders: vec![music],
        name,
        index_elsewhere: None,
        every_mp3: true,
        trust_index: false,
        rebuild: true,
        make_maps: false,
    };
    if let Ok(loaded) = load(&options, &|_, _| {}) {
        assert_eq!(loaded.playlist.name, shown);
    }
}
