//! Names in playlists from elsewhere, and the files that they mean: through the binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;
use support::{Sandbox, mp3_bytes};

/// Makes music of one second each, under these names.
fn music(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    let mp3 = mp3_bytes(44_100, "");
    names.iter().for_each(|name| sandbox.write(name, &mp3));
    sandbox
}

/// Returns the files that are found for a playlist, within the Music folder; `None` is silence.
fn found(sandbox: &Sandbox, list: impl AsRef<[u8]>) -> Vec<Option<String>> {
    sandbox.playlist(list);
    files(sandbox, &sandbox.list(&[]))
}

fn files(sandbox: &Sandbox, list: &Value) -> Vec<Option<String>> {
    let music = sandbox.music().canonicalize().unwrap();
    let file = |track: &Value| {
        assert_eq!(track["file"].is_null(), !track["problem"].is_null(), "{track}");
        Some(track["file"].as_str()?.strip_prefix(music.to_str().unwrap())?[1..].to_owned())
    };
    list["tracks"].as_array().unwrap().iter().map(file).collect()
}

#[track_caller]
fn assert_all_found(sandbox: &Sandbox, list: impl AsRef<[u8]>, names: &[&str]) {
    let names: Vec<Option<String>> = names.iter().map(|name| Some((*name).to_owned())).collect();
    assert_eq!(found(sandbox, list), names);
}

#[test]
fn windows_1252_is_found_as_bytes_and_in_percents() {
    let names = ["Don’t – “stop”.mp3", "5 € Œuvre Ÿ.mp3", "Déjà vu/Ça.mp3"];
    let sandbox = music(&names);
    let list = b"Don\x92t \x96 \x93stop\x94.mp3\r\n5 \x80 \x8Cuvre \x9F.mp3\r\nD\xE9j\xE0 vu\\\xC7a.mp3\r\n";
    assert_all_found(&sandbox, list, &names);
    let list = "Don%92t%20%96%20%93stop%94.mp3\n5%20%80%20%8Cuvre%20%9F.mp3\nfile:///C:/Music/D%E9j%E0%20vu/%C7a.mp3\n";
    assert_all_found(&sandbox, list, &names);
    let list = "Don%E2%80%99t%20–%20“stop”.mp3\n";
    assert_all_found(&sandbox, list, &names[..1]);
    // Code pages of other countries, found by name and by the files that exist.
    let names = ["Песня/Один.mp3", "Zażółć.mp3"];
    let sandbox = music(&names);
    let list = b"#EXTENC: windows-1251\r\n\xCF\xE5\xF1\xED\xFF\\\xCE\xE4\xE8\xED.mp3\r\nZa\xBF\xF3\xB3\xE6.mp3\r\n";
    assert_all_found(&sandbox, list, &names);
}

#[test]
fn lists_of_a_playlists_folder_are_found_by_tails_and_never_outside() {
    let sandbox = music(&["a.mp3", "Rock/x.mp3"]);
    fs::write(sandbox.path().join("b.mp3"), mp3_bytes(44_100, "")).unwrap();
    assert_all_found(
        &sandbox,
        "..\\Music\\a.mp3\n../Rock/x.mp3\n..\\..\\Music\\Rock\\x.mp3\n",
        &["a.mp3", "Rock/x.mp3", "Rock/x.mp3"],
    );
    sandbox.playlist("a.mp3\n../b.mp3\n../Music/../../b.mp3\n/etc/passwd\n");
    let run = sandbox.run(&["list"]);
    assert!(run.succeeds().stderr.contains("line 2: ../b.mp3: it leads out of the Music folder"), "{run:?}");
    assert_eq!(run.stderr.matches("leads out").count(), 2, "{run:?}");
    // A list in a folder of the Music folder means paths from there.
    sandbox.write("Playlists/Ride.m3u8", "../Rock/x.mp3\n../a.mp3\n..\\Music\\a.mp3\nRock/x.mp3\n");
    let list = sandbox.list(&["--playlist-name", "Playlists/Ride"]);
    let names = [Some("Rock/x.mp3"), Some("a.mp3"), Some("a.mp3"), None];
    assert_eq!(files(&sandbox, &list), names.map(|name| name.map(str::to_owned)));
    assert_eq!(list["tracks"][0]["departures"], serde_json::json!([]), "as it is written");
}

#[test]
fn another_case_is_found_where_only_one_file_fits() {
    let sandbox = music(&["Rock/Ärger.mp3", "ÉTUDE/Übung.mp3", "song.mp3", "Song.mp3"]);
    let list = "rock/ärger.MP3\nétude/ÜBUNG.mp3\nC:\\MUSIC\\ROCK\\ÄRGER.MP3\nsong.mp3\nSONG.mp3\n";
    let names = ["Rock/Ärger.mp3", "ÉTUDE/Übung.mp3", "Rock/Ärger.mp3", "song.mp3"];
    let mut expected: Vec<Option<String>> = names.map(|name| Some(name.to_owned())).to_vec();
    expected.push(None);
    assert_eq!(found(&sandbox, list), expected);
    let run = sandbox.run(&["list"]);
    assert!(run.stderr.contains("line 5: SONG.mp3: it may mean several files: "), "{run:?}");
    assert!(run.stderr.contains("song.mp3") && run.stderr.contains("rename one"), "{run:?}");
}

#[test]
fn accents_may_be_composed_otherwise_in_each_part_of_a_path() {
    let (nfc, nfd) = ("Caf\u{e9}", "Cafe\u{301}");
    for (folder, file) in [(nfc, nfd), (nfd, nfc), (nfc, nfc), (nfd, nfd)] {
        let name = format!("{folder}/{file}.mp3");
        let sandbox = music(&[&name]);
        let list =
            format!("{nfc}/{nfc}.mp3\n{nfd}/{nfd}.mp3\n{nfc}/{nfd}.mp3\n{nfd}/{nfc}.mp3\n/Users/me/{nfd}/{nfc}.mp3\n");
        assert_all_found(&sandbox, list, &[name.as_str(); 5]);
    }
}

#[test]
fn a_byte_order_mark_is_not_part_of_a_name() {
    let sandbox = music(&["a.mp3", "b.mp3", "c.mp3"]);
    assert_all_found(&sandbox, "\u{feff}\u{feff}a.mp3\n\u{feff}b.mp3\nc.mp3\u{feff}\n", &["a.mp3", "b.mp3", "c.mp3"]);
    let joined = "\u{feff}#EXTM3U\r\na.mp3\r\nb.mp3\u{feff}#EXTM3U\r\n\u{feff}c.mp3\r\n\u{feff}./\u{feff}a.mp3";
    assert_all_found(&sandbox, joined, &["a.mp3", "b.mp3", "c.mp3", "a.mp3"]);
}

#[test]
fn a_missing_file_is_silence_and_no_other_of_its_name_takes_its_place() {
    let sandbox = Sandbox::new();
    sandbox.write("01.mp3", mp3_bytes(10 * 44_100, "Other"));
    sandbox.write("CD1/01.mp3", mp3_bytes(44_100, "First"));
    sandbox.playlist("CD1/01.mp3\n#EXTINF:3,Second\nCD2/01.mp3\nCD1/01.mp3\n");
    let list = sandbox.list(&[]);
    assert_eq!(files(&sandbox, &list), [Some("CD1/01.mp3".to_owned()), None, Some("CD1/01.mp3".to_owned())]);
    assert_eq!(list["tracks"][1]["problem"], "the file is missing");
    assert_eq!((&list["tracks"][1]["slot_s"], &list["tracks"][2]["offset_s"]), (&4.into(), &6.into()), "{list}");
    // The same holds if the paths are those of another computer and the other lines show where its
    // folders are.
    sandbox.playlist("C:\\Music\\CD1\\01.mp3\n#EXTINF:3,Second\nC:\\Music\\CD2\\01.mp3\nC:\\Music\\01.mp3\n");
    let list = sandbox.list(&[]);
    assert_eq!(files(&sandbox, &list), [Some("CD1/01.mp3".to_owned()), None, Some("01.mp3".to_owned())]);
    assert_eq!(list["tracks"][1]["problem"], "the file is missing; 01.mp3 is another file");
    assert_eq!(list["tracks"][2]["offset_s"], 6);
}

#[test]
fn a_list_in_a_folder_of_its_own_means_that_folder_or_as_a_whole_the_music_folder() {
    let sandbox = Sandbox::new();
    let listed = |list: &str| {
        sandbox.write("Lists/Ride.m3u8", list);
        let _ = fs::remove_file(sandbox.music().join("Lists/Ride.index.json"));
        let listed = sandbox.list(&["--playlist-name", "Lists/Ride"]);
        // The result is the same with the index as without.
        for arguments in [&["--playlist-name", "Lists/Ride"][..], &["--playlist-name", "Lists/Ride", "-l"]] {
            assert_eq!(sandbox.list(arguments)["fingerprint"], listed["fingerprint"], "{list}");
        }
        files(&sandbox, &listed)
    };
    let some = |name: &str| Some(name.to_owned());
    for (name, title) in [("01.mp3", "Root 1"), ("02.mp3", "Root 2"), ("Rock/a.mp3", "A"), ("Lists/02.mp3", "Own 2")] {
        sandbox.write(name, mp3_bytes(44_100, title));
    }
    // The second line shows where the paths begin, so the first file is missing, wherever the lines
    // are and however the second one is written.
    assert_eq!(listed("01.mp3\n02.mp3\n"), [None, some("Lists/02.mp3")]);
    assert_eq!(listed(".\\02.MP3\n01.mp3\n"), [some("Lists/02.mp3"), None]);
    assert_eq!(listed("01.mp3\n../Rock/a.mp3\n"), [None, some("Rock/a.mp3")]);
    // If no line names a file from there, all are taken from the Music folder.
    assert_eq!(listed("01.mp3\nRock/a.mp3\nRock/missing.mp3\n"), [some("01.mp3"), some("Rock/a.mp3"), None]);
    assert_eq!(listed("C:\\Music\\Rock\\a.mp3\nrock\\A.mp3\n"), [some("Rock/a.mp3"), some("Rock/a.mp3")]);
}

#[test]
fn what_other_lines_show_holds_with_a_trusted_index_too() {
    let sandbox = music(&["01.mp3", "CD1/01.mp3"]);
    sandbox.playlist("/home/me/Music/CD1/01.mp3\n/home/me/Music/CD2/01.mp3\n");
    let looked_at = sandbox.list(&[]);
    assert_eq!(files(&sandbox, &looked_at), [Some("CD1/01.mp3".to_owned()), None]);
    // The index knows the first line but not the second, which must be silence on this box as on
    // all others.
    let trusted = sandbox.list(&["--trust-index"]);
    assert_eq!(files(&sandbox, &trusted), files(&sandbox, &looked_at));
    assert_eq!(trusted["fingerprint"], looked_at["fingerprint"]);
}

#[test]
fn what_the_index_says_was_meant_is_not_replaced_by_another_file() {
    let sandbox = Sandbox::new();
    let (right, wrong) = (mp3_bytes(44_100, "Right"), mp3_bytes(44_100, "Wrong"));
    assert_eq!(right.len(), wrong.len(), "size and time alone must not distinguish them");
    for (line, file, other) in [
        ("/home/me/Music/CD2/01.mp3", "CD2/01.mp3", "01.mp3"),
        ("cd2/01.mp3", "CD2/01.mp3", "Cd2/01.mp3"),
        ("b.mp3", "B.mp3", "b.MP3"),
        ("Caf\u{e9}.mp3", "Cafe\u{301}.mp3", "CAF\u{c9}.mp3"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write(file, &right);
        sandbox.playlist(format!("{line}\n"));
        let before = sandbox.list(&[]);
        assert_eq!(files(&sandbox, &before), [Some(file.to_owned())]);
        fs::remove_file(sandbox.music().join(file)).unwrap();
        sandbox.write(other, &wrong);
        for _ in 0..2 {
            let list = sandbox.list(&[]);
            assert_eq!(files(&sandbox, &list), [None], "{line}");
            assert_eq!(list["tracks"][0]["problem"], format!("the file is missing; {other} is another file"));
            assert_eq!(list["tracks"][0]["slot_s"], 2, "with the length that the index has");
        }
        // The same file in another place may replace it, and the right one is taken again when it
        // is back.
        sandbox.write(other, &right);
        assert_eq!(files(&sandbox, &sandbox.list(&[])), [Some(other.to_owned())], "{line}");
        sandbox.write(other, &wrong);
        fs::remove_file(sandbox.music().join(other)).unwrap();
        sandbox.write(file, &right);
        let list = sandbox.list(&[]);
        assert_eq!(
            (files(&sandbox, &list), &list["fingerprint"]),
            (vec![Some(file.to_owned())], &before["fingerprint"])
        );
    }
    // A file named exactly as the line is meant, and is inspected even if size and time agree.
    let named = Sandbox::new();
    named.write("B.mp3", &right);
    named.playlist("b.mp3\n");
    named.list(&[]);
    fs::remove_file(named.music().join("B.mp3")).unwrap();
    named.write("b.mp3", &wrong);
    let list = named.list(&[]);
    assert_eq!((files(&named, &list), &list["tracks"][0]["title"]), (vec![Some("b.mp3".to_owned())], &"Wrong".into()));
    // An index of an older version, which mistook the other file for it, is not believed.
    sandbox.write("01.mp3", &wrong);
    sandbox.playlist("01.mp3\n");
    sandbox.run(&["index"]).succeeds();
    let index = fs::read_to_string(sandbox.index()).unwrap();
    sandbox.playlist("#EXTINF:7,x\nCD2/01.mp3\n");
    fs::remove_file(sandbox.index()).unwrap();
    let fresh = sandbox.list(&[]);
    fs::write(sandbox.index(), index.replace("\"entry\": \"01.mp3\"", "\"entry\": \"CD2/01.mp3\"")).unwrap();
    assert_eq!(sandbox.list(&[]), fresh);
}

#[test]
fn a_name_that_begins_with_a_number_sign_is_a_comment_and_that_is_reported() {
    let sandbox = music(&["#1 Hit.mp3", "a.mp3", "b.mp3"]);
    sandbox.playlist("#EXTM3U\na.mp3\n#1 Hit.mp3\n#b.mp3\n# just a comment\n#2 Hit.mp3\n");
    let run = sandbox.run(&["list"]);
    let warning = "line 3: #1 Hit.mp3 is a comment, as it begins with #, although there is a file of that name";
    assert!(run.succeeds().stderr.contains(warning) && run.stderr.contains("./#1 Hit.mp3"), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert_all_found(&sandbox, "a.mp3\n./#1 Hit.mp3\n", &["a.mp3", "#1 Hit.mp3"]);
    assert_eq!(sandbox.run(&["list"]).stderr, "");
}

#[test]
fn every_kind_of_departure_is_reported_once_with_a_count_and_an_example() {
    let names: Vec<String> = (0..300).map(|number| format!("Rock/{number}.mp3")).collect();
    let sandbox = music(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let lines = names.iter().map(|name| format!("C:\\Users\\me\\Music\\{}\r\n", name.replace('/', "\\")));
    let list = format!("#EXTM3U\r\n{}rock/1.mp3\r\nRock\\2.mp3\r\n", lines.collect::<String>());
    sandbox.playlist(&list);
    let run = sandbox.run(&["list"]);
    assert_eq!(run.succeeds().stderr.lines().count(), 1, "{run:?}");
    for words in [
        "301 files are found other than as written: 300 by the end of the path (line 2: C:\\Users\\me\\Music\\Rock\\0.mp3 is \
         Rock/0.mp3), ",
        "in another letter case (line 302: rock/1.mp3 is Rock/1.mp3)",
        "jaudiosync list shows each",
    ] {
        assert!(run.stderr.contains(words), "no {words} in {}", run.stderr);
    }
    assert!(run.stdout.contains("299 - Test (Rock/299.mp3, found by the end of the path)"), "{}", run.stdout);
    let list = sandbox.list(&[]);
    assert_eq!(list["tracks"][0]["departures"], serde_json::json!(["notation", "tail"]));
    assert_eq!(list["tracks"][300]["departures"], serde_json::json!(["letter_case"]));
    assert_eq!(list["tracks"][301]["departures"], serde_json::json!(["notation"]), "backslashes are not worth a word");
}

#[test]
fn the_remedy_is_reported_for_a_list_made_one_folder_further_up() {
    let sandbox = music(&["Rock/a.mp3", "b.mp3"]);
    sandbox.playlist("My Music\\Rock\\a.mp3\r\nMy Music\\b.mp3\r\n");
    sandbox.run(&["play"]).fails(3, &["remove My Music/ from the lines", "none of the 2 tracks can be played"]);
    sandbox.playlist("My Music\\Rock\\a.mp3\r\nb.mp3\r\n");
    assert!(!sandbox.run(&["list"]).stderr.contains("from the lines"));
}

#[test]
fn many_silent_lines_are_counted() {
    let sandbox = music(&["a.mp3"]);
    let missing: String = (0..500).map(|number| format!("missing {number}.mp3\n")).collect();
    sandbox.playlist(format!("a.mp3\n{missing}"));
    let run = sandbox.run(&["index"]);
    assert_eq!(run.succeeds().stderr.lines().count(), 21, "{run:?}");
    assert!(run.stderr.contains("and 480 more lines whose slots stay silent"), "{run:?}");
}

/// Exports of the programs that riders use, all of the same two files.
#[test]
fn exports_of_all_programs_are_understood() {
    let names = ["Rock/One & Two.mp3", "Ärger’s Lied.mp3"];
    let sandbox = music(&names);
    let mac_roman = |text: &str| encoding_rs::MACINTOSH.encode(text).0.into_owned();
    let windows_1252 = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let exports: [(&str, Vec<u8>); 15] = [
        ("iTunes, m3u, macOS", mac_roman("#EXTM3U\r#EXTINF:1,One - A\r/Users/me/Music/Rock/One & Two.mp3\r#EXTINF:1,x\r/Users/me/Music/Ärger’s Lied.mp3\r")),
        ("Music, m3u8, macOS", "#EXTM3U\n#EXTINF:1,One - A\n/Users/me/Music/Rock/One & Two.mp3\n#EXTINF:1,x\n/Users/me/Music/A\u{308}rger’s Lied.mp3\n".into()),
        ("iTunes, m3u8, Windows", "\u{feff}#EXTM3U\r\n#EXTINF:1,One - A\r\nC:\\Users\\me\\Music\\iTunes\\iTunes Media\\Music\\Rock\\One & Two.mp3\r\n#EXTINF:1,x\r\nC:\\Users\\me\\Music\\Ärger’s Lied.mp3\r\n".into()),
        ("Winamp, m3u", windows_1252("#EXTM3U\r\n#EXTINF:1,A - One\r\nRock\\One & Two.mp3\r\n#EXTINF:1,Ärger’s\r\n\\Music\\Ärger’s Lied.mp3\r\n")),
        ("VLC, m3u8", "#EXTM3U\n#EXTINF:1,One\n#EXTVLCOPT:start-time=3\nRock/One%20%26%20Two.mp3\nfile:///home/me/Music/%C3%84rger%E2%80%99s%20Lied.mp3\n".into()),
        ("foobar2000, m3u8", "\u{feff}#\r\nRock\\One & Two.mp3\r\nD:\\Musik\\Ärger’s Lied.mp3\r\n".into()),
        ("Rekordbox, m3u8", "#EXTM3U\n#EXTINF:1,A - One\nC:/Users/me/Music/Rock/One & Two.mp3\n#EXTINF:1,B\n/Volumes/DISK/Ärger’s Lied.mp3\n".into()),
        ("Traktor, m3u", "#EXTM3U\r\n#EXTINF:1,A - One\r\nC:\\Music\\Rock\\One & Two.mp3\r\n#EXTINF:1,B\r\nC:\\Music\\Ärger’s Lied.mp3\r\n".into()),
        ("Android", "#EXTM3U\n/storage/emulated/0/Music/Rock/One & Two.mp3\n/storage/1234-ABCD/Music/Ärger’s Lied.mp3\n".into()),
        ("Android, document", "content://com.android.externalstorage.documents/document/primary%3AMusic%2FRock%2FOne%20%26%20Two.mp3\n../Ärger’s Lied.mp3\n".into()),
        ("Windows Media Player, m3u", windows_1252("#EXTM3U\r\n\r\n#EXTINF:0,One\r\n..\\Music\\Rock\\One & Two.mp3\r\n\r\n..\\Music\\Ärger’s Lied.mp3\r\n")),
        ("MusicBee and Notepad", "\u{feff}#EXTM3U\r\nRock\\One & Two.mp3   \r\n  Ärger’s Lied.mp3\t\r\n\r\n".into()),
        ("Rhythmbox", "#EXTM3U\n#EXTINF:,One\nfile:///run/media/me/USB%20DISK/Rock/One%20&%20Two.mp3\nfile:///%C3%84rger%E2%80%99s%20Lied.mp3\n".into()),
        ("a NAS", "\\\\nas\\music\\Rock\\One & Two.mp3\r\nsmb://nas/music/%C3%84rger%E2%80%99s%20Lied.mp3\r\n".into()),
        ("dir /b, with quotation marks", "\"Rock\\One & Two.mp3\"\r\n\".\\Ärger’s Lied.mp3\"\r\n".into()),
    ];
    let plain = {
        sandbox.playlist(names.join("\n"));
        sandbox.list(&[])["fingerprint"].clone()
    };
    for (program, list) in exports {
        sandbox.playlist(&list);
        let listed = sandbox.list(&[]);
        assert_eq!(files(&sandbox, &listed), names.map(|name| Some(name.to_owned())), "{program}");
        assert_eq!(listed["fingerprint"], plain, "{program}");
        assert!(sandbox.run(&["list"]).succeeds().stderr.lines().count() <= 1, "{program}");
    }
}

#[test]
fn the_reason_why_a_line_cannot_be_played_is_plain() {
    let sandbox = music(&["a.mp3"]);
    // The notes that macOS keeps about a file on a disk that is not its own, found by `ls -a >
    // Playlist.m3u8` or `find`.
    sandbox.write("._a.mp3", [b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ", &[0_u8; 4000][..]].concat());
    sandbox.playlist("a.mp3\n._a.mp3\nhttps://example.org/a.mp3\nspotify:track:1\n");
    let run = sandbox.run(&["list"]);
    run.succeeds();
    for words in [
        "line 2: ._a.mp3: it is not music: macOS keeps notes about a file in it",
        "line 3: https://example.org/a.mp3: it is a network address",
        "line 4: spotify:track:1: it is a network address",
    ] {
        assert!(run.stderr.contains(words), "no {words} in {run:?}");
    }
}

#[test]
fn nothing_in_a_playlist_disturbs_the_terminal() {
    let sandbox = Sandbox::new();
    let name = b"x\x1B]0;title\x07\x1B[2J.mp3";
    fs::write(sandbox.music().join(OsStr::from_bytes(name)), mp3_bytes(44_100, "")).unwrap();
    sandbox.playlist(
        [
            &b"#EXTINF:5,\x1B[31mred\n"[..],
            name,
            b"\n/elsewhere/",
            name,
            b"\n\x1B[2Jmissing.mp3\n",
            &b"y".repeat(3000),
            b"\n",
        ]
        .concat(),
    );
    let run = sandbox.run(&["list"]);
    run.succeeds();
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{run:?}");
    assert!(run.stderr.lines().all(|line| line.chars().count() < 400), "{run:?}");
}
