//! All MP3s of a Music folder in the order of their names, which are played where there is no
//! playlist. The same files make the same list on every box, whatever file system they are on.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use super::m3u8::{Entry, M3u8, MAX_ENTRIES};

/// How deep folders are searched.
const MAX_DEPTH: usize = 8;

/// What Windows, Android and Linux leave on every disk, beside what begins with a dot.
const OF_SYSTEMS: [&[u8]; 6] =
    [b"System Volume Information", b"$RECYCLE.BIN", b"RECYCLER", b"Recycled", b"LOST.DIR", b"lost+found"];

/// In `FOUND.000` and so on Windows puts what it has found when it checked a disk, also folders of MP3s.
const FOUND: &[u8] = b"found.";

/// Returns whether a file or folder of this name belongs to an operating system: `._a.mp3`, in which
/// macOS keeps its notes about `a.mp3`, is no music.
pub(super) fn is_of_a_system(name: &[u8]) -> bool {
    let is_found = |name: &[u8]| {
        let number = name.to_ascii_lowercase().strip_prefix(FOUND).map(<[u8]>::to_vec);
        number.is_some_and(|number| number.len() == 3 && number.iter().all(u8::is_ascii_digit))
    };
    name.starts_with(b".") || OF_SYSTEMS.iter().any(|known| known.eq_ignore_ascii_case(name)) || is_found(name)
}

/// Returns the MP3s of a Music folder as a playlist, and folders in it after their names as well;
/// at most as many as a playlist may name.
pub(super) fn every_mp3(music: &Path) -> M3u8 {
    let mut found = Vec::new();
    search(music, &mut Vec::new(), &mut found);
    found.sort();
    found.truncate(MAX_ENTRIES);
    let entry = |(number, (_, location)): (usize, (Vec<String>, Vec<u8>))| Entry {
        line: number + 1,
        location,
        is_too_long: false,
        extinf: None,
    };
    M3u8 { entries: found.into_iter().enumerate().map(entry).collect(), ..M3u8::default() }
}

/// Adds the MP3s below a folder, each with the keys of its path, by which they are sorted.
fn search(music: &Path, parts: &mut Vec<Vec<u8>>, found: &mut Vec<(Vec<String>, Vec<u8>)>) {
    let within = parts.iter().fold(music.to_owned(), |path, part| path.join(std::ffi::OsStr::from_bytes(part)));
    for entry in fs::read_dir(&within).into_iter().flatten().flatten() {
        let name = entry.file_name().as_bytes().to_vec();
        // A link to a folder could lead back to where it is.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_of_a_system(&name) || found.len() > MAX_ENTRIES {
            continue;
        }
        parts.push(name);
        if is_folder && parts.len() < MAX_DEPTH {
            search(music, parts, found);
        } else if is_mp3(parts.last().map_or(&[], Vec::as_slice)) && entry.path().is_file() {
            found.push((parts.iter().map(|part| sort_key(part)).collect(), parts.join(&b'/')));
        }
        parts.pop();
    }
}

fn is_mp3(name: &[u8]) -> bool {
    name.len() > 4 && name.to_ascii_lowercase().ends_with(b".mp3")
}

/// Returns by what a name is sorted: as people count, without regard to letter case and to how
/// accents are composed.
fn sort_key(name: &[u8]) -> String {
    /// Digits of the largest number that is compared as one.
    const DIGITS: usize = 20;
    let mut key = String::new();
    let mut number = String::new();
    let text = String::from_utf8_lossy(name);
    for letter in text.nfc().flat_map(char::to_lowercase).chain(['\0']) {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        if !number.is_empty() {
            key.push_str(&format!("{number:0>DIGITS$}"));
            number.clear();
        }
        key.push(letter);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(files: &[&str]) -> Vec<String> {
        let music = tempfile::tempdir().unwrap();
        for file in files {
            let path = music.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let list = every_mp3(music.path());
        list.entries.into_iter().map(|entry| String::from_utf8(entry.location).unwrap()).collect()
    }

    #[test]
    fn mp3s_come_in_the_order_of_their_names_as_people_count() {
        let files =
            ["10 j.mp3", "2 b.MP3", "B/1.mp3", "a/2.mp3", "a/10.mp3", "Zoo.mp3", "cafe\u{301} 2.mp3", "Café 1.mp3"];
        let sorted =
            ["2 b.MP3", "10 j.mp3", "a/2.mp3", "a/10.mp3", "B/1.mp3", "Café 1.mp3", "cafe\u{301} 2.mp3", "Zoo.mp3"];
        assert_eq!(listed(&files), sorted);
    }

    #[test]
    fn what_systems_leave_on_a_disk_is_no_music() {
        let files = [
            "a.mp3",
            "._a.mp3",
            ".Trashes/b.mp3",
            "System Volume Information/c.mp3",
            "$Recycle.Bin/d.mp3",
            "FOUND.000/DIR0000.CHK/e.mp3",
            "found.012/f.mp3",
            "RECYCLER/g.mp3",
            "LOST.DIR/h.mp3",
            ".Spotlight-V100/i.mp3",
            "notes.txt",
            ".mp3",
        ];
        assert_eq!(listed(&files), ["a.mp3"]);
        assert_eq!(listed(&["Found.mp3", "found.it/a.mp3"]).len(), 2);
    }
}
