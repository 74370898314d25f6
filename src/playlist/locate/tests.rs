use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

/// Makes files of these names in a Music folder beside a secret.
fn music(names: &[&[u8]]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let music = folder.path().join("Music");
    fs::create_dir(&music).unwrap();
    for name in names {
        let path = music.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    fs::write(folder.path().join("secret"), "x").unwrap();
    folder
}

/// Returns where an entry of a playlist in `folder` of the Music folder leads.
fn locate_from(around: &tempfile::TempDir, folder: &str, location: &[u8]) -> Located {
    let music = around.path().join("Music");
    fs::create_dir_all(music.join(folder)).unwrap();
    let mut locator = Locator::new(&music, &music.join(folder).join("x.m3u8"), None).unwrap();
    // Read as a playlist of this line alone.
    locator.choose_base([location].into_iter());
    match locator.locate(location) {
        Located::File(found) => {
            let path = found.path.strip_prefix(&locator.root).unwrap().to_owned();
            Located::File(Found { path, ..found })
        }
        other => other,
    }
}

#[track_caller]
fn assert_finds(around: &tempfile::TempDir, location: &[u8], name: &[u8], departures: &[Departure]) {
    match locate_from(around, "", location) {
        Located::File(found) => {
            assert_eq!(found.path.as_os_str().as_bytes(), name);
            assert_eq!(found.departures.into_iter().collect::<Vec<_>>(), departures);
        }
        other => panic!("{}: {other:?}", String::from_utf8_lossy(location)),
    }
}

use Departure::{Accents, Encoding, LetterCase, Notation, Spaces, Tail};

#[test]
fn entries_made_elsewhere_are_found() {
    let around = music(&[b"plain.mp3", b"Rock/a b.mp3"]);
    symlink("Rock/a b.mp3", around.path().join("Music/inner.mp3")).unwrap();
    assert_finds(&around, b"plain.mp3", b"plain.mp3", &[]);
    assert_finds(&around, b"./Rock/../plain.mp3", b"plain.mp3", &[]);
    assert_finds(&around, b"inner.mp3", b"inner.mp3", &[]);
    for notation in [&b"Rock\\a b.mp3"[..], b"Rock/a%20b.mp3", b"\"Rock/a b.mp3\"", b".\\Rock\\a%20b.mp3"] {
        assert_finds(&around, notation, b"Rock/a b.mp3", &[Notation]);
    }
    assert_finds(&around, b"/home/me/Music/Rock/a b.mp3", b"Rock/a b.mp3", &[Tail]);
    for elsewhere in [
        &b"C:\\Users\\me\\Music\\Rock\\a b.mp3"[..],
        b"\\\\nas\\share\\Music\\Rock\\a b.mp3",
        b"file:///home/me/Music/Rock/a%20b.mp3",
        b"smb://nas/Music/Rock/a%20b.mp3",
        b"..\\Music\\Rock\\a b.mp3",
        b"..\\Rock\\a b.mp3",
    ] {
        assert_finds(&around, elsewhere, b"Rock/a b.mp3", &[Notation, Tail]);
    }
    assert_finds(&around, b"../Rock/a b.mp3", b"Rock/a b.mp3", &[Tail]);
    assert_finds(&around, b"file://laptop/C:/Music/plain.mp3", b"plain.mp3", &[Notation, Tail]);
}

#[test]
fn names_are_bytes_before_they_are_text() {
    let around = music(&[b"\xFFraw.mp3", b"100%25.mp3", b"100%.mp3", b"back\\slash.mp3", b"back/slash.mp3"]);
    for name in [&b"\xFFraw.mp3"[..], b"100%25.mp3", b"100%.mp3", b"back\\slash.mp3", b"back/slash.mp3"] {
        assert_finds(&around, name, name, &[]);
    }
}

#[test]
fn code_pages_are_understood() {
    let names = ["Don’t – “stop” € Œ Ÿ.mp3", "Ärger.mp3", "Zażółć.mp3", "Песня.mp3", "音楽/歌.mp3"];
    let around = music(&names.map(str::as_bytes));
    let windows = b"Don\x92t \x96 \x93stop\x94 \x80 \x8C \x9F.mp3";
    assert_finds(&around, windows, names[0].as_bytes(), &[Encoding]);
    let in_percents = b"Don%92t%20%96%20%93stop%94%20%80%20%8C%20%9F.mp3";
    assert_finds(&around, in_percents, names[0].as_bytes(), &[Notation, Encoding]);
    assert_finds(&around, b"\xC4rger.mp3", names[1].as_bytes(), &[Encoding]);
    assert_finds(&around, b"\xE4RGER.mp3", names[1].as_bytes(), &[LetterCase]);
    for (page, name) in [
        (encoding_rs::WINDOWS_1250, names[2]),
        (encoding_rs::WINDOWS_1251, names[3]),
        (encoding_rs::MACINTOSH, names[1]),
        (encoding_rs::SHIFT_JIS, names[4]),
    ] {
        assert_finds(&around, &page.encode(name).0, name.as_bytes(), &[Notation, Encoding]);
    }
    // UTF-8 that was mistaken for Windows-1252, and a file whose own name is in a code page.
    assert_finds(&around, "Ã„rger.mp3".as_bytes(), names[1].as_bytes(), &[Notation, Encoding]);
    let around = music(&[b"D\xE9j\xE0.mp3"]);
    assert_finds(&around, "Déjà.mp3".as_bytes(), b"D\xE9j\xE0.mp3", &[Encoding]);
}

#[test]
fn of_two_code_pages_the_more_common_one_counts() {
    let around = music(&["Faè.mp3".as_bytes(), "Fač.mp3".as_bytes(), "Faи.mp3".as_bytes()]);
    assert_finds(&around, b"Fa\xE8.mp3", "Faè.mp3".as_bytes(), &[Encoding]);
}

#[test]
fn accents_are_compared_part_by_part() {
    let (composed, decomposed) = ("Café", "Cafe\u{301}");
    for (folder, file) in [(composed, decomposed), (decomposed, composed), (decomposed, decomposed)] {
        let around = music(&[format!("{folder}/{file}.mp3").as_bytes()]);
        let name = format!("{folder}/{file}.mp3");
        for location in [format!("{composed}/{composed}.mp3"), format!("{file}/{folder}.mp3")] {
            if location != name {
                assert_finds(&around, location.as_bytes(), name.as_bytes(), &[Accents]);
            }
        }
    }
}

#[test]
fn another_case_is_found_where_only_one_file_fits() {
    let around = music(&["Rock/Ärger.mp3".as_bytes(), b"a.mp3", b"A.mp3", b"Live /b.mp3"]);
    for location in ["rock/ärger.MP3", "ROCK/ÄRGER.mp3", "Rock/Ärger.MP3", "rock/a\u{308}rger.mp3"] {
        let Located::File(found) = locate_from(&around, "", location.as_bytes()) else { panic!("{location}") };
        assert!(found.departures.contains(&LetterCase), "{location}");
    }
    assert_finds(&around, b"A.mp3", b"A.mp3", &[]);
    assert_finds(&around, b"Live/b.mp3", b"Live /b.mp3", &[Spaces]);
    let Located::Ambiguous(mut files) = locate_from(&around, "", b"a.MP3") else { panic!("one was chosen") };
    files.sort();
    assert_eq!(files, ["A.mp3", "a.mp3"]);
    // A folder, too, may exist in two spellings; but a file by two names is one file.
    let around = music(&[b"rock/a.mp3", b"ROCK/b.mp3"]);
    assert_finds(&around, b"Rock/b.mp3", b"ROCK/b.mp3", &[LetterCase]);
    symlink("rock", around.path().join("Music/Rock")).unwrap();
    assert!(matches!(locate_from(&around, "", b"RocK/A.mp3"), Located::File(_)));
}

#[test]
fn a_relative_path_never_means_another_file_of_the_same_name() {
    let around = music(&[b"01.mp3", b"CD1/01.mp3"]);
    for location in [&b"CD2/01.mp3"[..], b"CD2\\01.mp3", b"./CD2/01.mp3", b"CD2/%30%31.mp3", b"CD1/CD1/01.mp3"] {
        assert_eq!(locate_from(&around, "", location), Located::Missing, "{}", String::from_utf8_lossy(location));
    }
    assert_finds(&around, b"/music/CD2/01.mp3", b"01.mp3", &[Tail]);
}

#[test]
fn where_other_lines_show_the_music_folder_a_bare_name_is_not_enough() {
    let around = music(&[b"01.mp3", b"CD1/01.mp3"]);
    let music = around.path().join("Music");
    let mut locator = Locator::new(&music, &music.join("x.m3u8"), None).unwrap();
    let mut dropped = |location: &[u8]| match locator.locate(location) {
        Located::File(found) => found.dropped,
        other => panic!("{other:?}"),
    };
    let (deeper, beside) = (dropped(b"C:\\Music\\CD2\\01.mp3").unwrap(), dropped(b"c:/music/01.mp3").unwrap());
    let other = dropped(b"/home/me/CD2/01.mp3").unwrap();
    assert_eq!(dropped(b"C:\\Music\\CD1\\01.mp3"), None);
    assert!(locator.lies_deeper(&deeper));
    assert!(!locator.lies_deeper(&beside) && !locator.lies_deeper(&other));
}

#[test]
fn a_playlist_in_a_folder_of_its_own_means_paths_from_there() {
    let around = music(&[b"Rock/a.mp3", b"b.mp3", b"Playlists/b.mp3", b"c.mp3"]);
    let found = |location: &[u8]| match locate_from(&around, "Playlists", location) {
        Located::File(found) => {
            (found.path.to_str().unwrap().to_owned(), found.departures.into_iter().collect::<Vec<_>>())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(found(b"../Rock/a.mp3"), ("Rock/a.mp3".to_owned(), vec![]));
    assert_eq!(found(b"..\\Rock\\A.mp3"), ("Rock/a.mp3".to_owned(), vec![Notation, LetterCase]));
    assert_eq!(found(b"b.mp3"), ("Playlists/b.mp3".to_owned(), vec![]));
    assert_eq!(found(b"c.mp3"), ("c.mp3".to_owned(), vec![Departure::MusicFolder]));
    assert_eq!(found(b"../Music/c.mp3"), ("c.mp3".to_owned(), vec![Tail]));
    assert_eq!(found(b"../../Music/Rock/a.mp3"), ("Rock/a.mp3".to_owned(), vec![Tail]));
    assert_eq!(locate_from(&around, "Playlists", b"../../secret"), Located::Outside);
}

#[test]
fn nothing_outside_is_reached() {
    let around = music(&[b"Rock/a.mp3"]);
    symlink("../secret", around.path().join("Music/link.mp3")).unwrap();
    symlink("..", around.path().join("Music/up")).unwrap();
    for location in [&b"../secret"[..], b"../../etc/passwd", b"Rock/../../secret", b"%2e%2e/secret", b"..\\secret"] {
        assert_eq!(locate_from(&around, "", location), Located::Outside, "{}", String::from_utf8_lossy(location));
    }
    for link in [&b"link.mp3"[..], b"LINK.mp3", b"up/secret"] {
        assert_eq!(locate_from(&around, "", link), Located::Outside, "{}", String::from_utf8_lossy(link));
    }
    assert_eq!(locate_from(&around, "", b"/etc/passwd"), Located::Missing);
    assert_eq!(locate_from(&around, "", b"UP/SECRET"), Located::Missing, "folders outside are not looked into");
    assert_eq!(locate_from(&around, "", b"https://example.org/a.mp3"), Located::Remote);
    assert_eq!(locate_from(&around, "", b"Rock"), Located::Missing);
    assert_eq!(locate_from(&around, "", &b"a/".repeat(2000)), Located::TooLong);
    assert_eq!(locate_from(&around, "", &b"a\\".repeat(2000)), Located::TooLong);
}

/// Entries made of the pieces that matter, in any order.
fn locations() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 18] = [
        b"..",
        b"/",
        b"\\",
        b".",
        b"Rock",
        b"rock",
        b"a.mp3",
        b"secret",
        b"up",
        b"link.mp3",
        b"file://",
        b"C:",
        b"%2e",
        b"%2f",
        b"\xE9",
        b"~",
        b"\"",
        b"Music",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_an_entry_says_what_is_found_lies_inside(location in prop_oneof![locations(), any::<Vec<u8>>()]) {
        let around = music(&[b"Rock/a.mp3", b"a.mp3"]);
        symlink("../secret", around.path().join("Music/link.mp3")).unwrap();
        symlink("..", around.path().join("Music/up")).unwrap();
        if let Located::File(found) = locate_from(&around, "", &location) {
            let path = around.path().join("Music").join(found.path).canonicalize().unwrap();
            prop_assert!(path.starts_with(around.path().join("Music").canonicalize().unwrap()), "{path:?}");
        }
    }
}
