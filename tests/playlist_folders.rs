//! Several Music folders, and what laptops leave in one, through the binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jaudiosync_measure::{Sink, VirtualCard};
use nix::unistd::Uid;
use serde_json::Value;
use support::service_process::{Make, ServiceProcess};
use support::{Run, Sandbox, copy_program, short_mp3};

/// Makes a folder with an MP3 of this title, and a playlist if it is to have one.
fn folder(sandbox: &Sandbox, name: &str, title: &str, has_list: bool) -> PathBuf {
    let folder = sandbox.path().join(name);
    fs::create_dir_all(&folder).unwrap();
    short_mp3(&folder.join("a.mp3"), 44_100, title);
    if has_list {
        fs::write(folder.join("Playlist.m3u8"), "a.mp3\n").unwrap();
    }
    folder
}

fn listed(sandbox: &Sandbox, folders: &[&str]) -> Value {
    let named: Vec<&str> = folders.iter().flat_map(|folder| ["--music", folder]).collect();
    sandbox.list(&named)
}

#[test]
fn the_first_folder_with_a_playlist_is_taken_and_without_any_the_first_with_mp3s() {
    let sandbox = Sandbox::new();
    folder(&sandbox, "card", "Card", false);
    folder(&sandbox, "disk", "Disk", true);
    folder(&sandbox, "spare", "Spare", true);
    let list = listed(&sandbox, &["nowhere", "card", "disk", "spare"]);
    assert_eq!((list["folder"].as_str(), list["tracks"][0]["title"].as_str()), (Some("disk"), Some("Disk")));
    let others: Vec<&str> =
        list["passed_over"].as_array().unwrap().iter().filter_map(|other| other["why"].as_str()).collect();
    let expected = ["there is no such folder", "it has MP3s without a playlist, and disk has one", "disk comes first"];
    assert_eq!(others, expected);
    let words = sandbox.run(&["list", "--music", "nowhere", "--music", "disk"]);
    for line in ["from disk", "not from nowhere: there is no such folder"] {
        assert!(words.succeeds().stdout.lines().any(|said| said == line), "no {line:?} in {words:?}");
    }
    for list in ["disk", "spare"] {
        fs::remove_file(sandbox.path().join(list).join("Playlist.m3u8")).unwrap();
    }
    assert_eq!(listed(&sandbox, &["nowhere", "card", "disk"])["tracks"][0]["title"], "Card");
    let none = sandbox.run(&["list", "--music", "nowhere", "--music", "Music"]);
    none.fails(3, &["nowhere: there is no such folder", "Music: it has no Playlist.m3u8", ".m3u8 file"]);
}

#[test]
fn a_playlist_that_is_broken_gives_way_to_the_next_folder_and_is_named() {
    let sandbox = Sandbox::new();
    folder(&sandbox, "disk", "Disk", true);
    for (name, contents, words) in [("empty", &b"\n"[..], "is empty"), ("other", b"{\"a\": 1}", "cannot be used")] {
        let broken = folder(&sandbox, name, "Broken", false);
        fs::write(broken.join("Playlist.m3u8"), contents).unwrap();
        let list = listed(&sandbox, &[name, "disk"]);
        assert_eq!(list["tracks"][0]["title"], "Disk");
        assert!(list["passed_over"][0]["why"].as_str().unwrap().contains(words), "{list}");
    }
}

#[test]
fn a_box_says_which_folder_it_has_taken_and_takes_a_better_one_when_told_to() {
    let sandbox = Sandbox::new();
    let card = sandbox.path().join("card");
    let disk = folder(&sandbox, "disk", "Disk", true);
    let config = format!("[time]\nsource = \"system\"\n[playlist]\nfolder = [{card:?}, {disk:?}]\n");
    let sound = VirtualCard::start().unwrap();
    let make = Make { config: &config, ..Make::default() };
    let mut made = ServiceProcess::switch_on(&sandbox, &sound, Sink::Left, &make);
    made.wait_for(&format!("it is from {}", disk.display()));
    made.wait_for(&format!("not taken: {}: there is no such folder", card.display()));
    let made = made.ready();
    let playlist = made.status().playlist.unwrap();
    assert_eq!((Path::new(&playlist.folder), playlist.passed_over.len()), (disk.as_path(), 1));
    let socket = made.socket().to_str().unwrap();
    let words = sandbox.run(&["status", "--socket", socket]);
    for line in [format!("from {}", disk.display()), format!("not from {}: there is no such", card.display())] {
        assert!(words.succeeds().stdout.contains(&line), "no {line:?} in {words:?}");
    }
    let toml = sandbox.path().join("box.toml");
    let toml = toml.to_str().unwrap();
    let shown = sandbox.run(&["config", "--config", toml]);
    let key = format!("folder = [{card:?}, {disk:?}]");
    assert!(shown.succeeds().stdout.contains(&key), "no {key} in {shown:?}");
    let doctor = sandbox.run(&["doctor", "--config", toml, "--socket", socket]);
    for words in [format!("from {}", disk.display()), format!("not taken: {}: there is no", card.display())] {
        assert!(doctor.stdout.contains(&words), "no {words:?} in {doctor:?}");
    }
    // A playlist in a folder that comes first is a change, as any other.
    folder(&sandbox, "card", "Card", true);
    let changed = |status: &jaudiosync::control::Status| status.playlist.as_ref().is_some_and(|list| list.changed);
    made.wait_until("changed", changed);
    sandbox.run(&["reload", "--socket", socket]).succeeds();
    assert_eq!(Path::new(&made.status().playlist.unwrap().folder), card);
    assert_eq!(made.end().code(), Some(0));
}

#[test]
fn setup_leaves_several_folders_as_they_are_and_can_name_them() {
    let sandbox = Sandbox::new();
    let file = sandbox.path().join("box.toml");
    fs::write(&file, "[playlist]\nfolder = [\n    \"/a\", # the card\n    \"/b\",\n]\n").unwrap();
    let setup = |arguments: &[&str]| {
        let config = ["setup", "--yes", "--config", file.to_str().unwrap()];
        sandbox.run(&[&config[..], arguments].concat()).succeeds().stdout.clone()
    };
    assert!(setup(&[]).contains("nothing to do"));
    setup(&["--music", "/c", "--music", "/d"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "[playlist]\nfolder = [\"/c\", \"/d\"]\n");
    setup(&["--music", "/c"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "[playlist]\nfolder = \"/c\"\n");
}

/// Makes what macOS and Windows leave on a FAT partition, besides the music itself.
fn leave_traces(music: &Path) {
    for (file, contents) in [
        ("._Playlist.m3u8", "\0\u{5}\u{16}\u{7}"),
        ("._a.mp3", "\0\u{5}\u{16}\u{7}"),
        (".DS_Store", "Bud1"),
        (".Trashes/._b.mp3", "x"),
        (".Trashes/501/Playlist.m3u8", "b.mp3\n"),
        (".fseventsd/fseventsd-uuid", "x"),
        (".Spotlight-V100/Store-V2/a.mp3", "x"),
        (".Trash-1000/files/Playlist.m3u8", "b.mp3\n"),
        ("System Volume Information/WPSettings.dat", "x"),
        ("System Volume Information/Playlist.m3u8", "b.mp3\n"),
        ("$RECYCLE.BIN/S-1-5/$RABC.mp3", "x"),
        ("$RECYCLE.BIN/Playlist.m3u8", "b.mp3\n"),
        ("FOUND.000/FILE0000.CHK", "x"),
        ("FOUND.000/Playlist.m3u8", "b.mp3\n"),
        ("LOST.DIR/1.mp3", "x"),
        ("desktop.ini", "[.ShellClassInfo]\r\n"),
        ("Thumbs.db", "x"),
        ("Ride/._Playlist.m3u8", "x"),
        ("Ride/._a.mp3", "x"),
        ("Ride/Thumbs.db", "x"),
    ] {
        let path = music.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
}

#[test]
fn what_laptops_leave_on_a_partition_is_no_music_and_no_playlist() {
    let sandbox = Sandbox::new();
    leave_traces(&sandbox.music());
    short_mp3(&sandbox.music().join("Ride/a.mp3"), 44_100, "A");
    // No playlist: all MP3s.
    let list = sandbox.list(&[]);
    assert_eq!((list["tracks"].as_array().unwrap().len(), &list["tracks"][0]["title"]), (1, &"A".into()), "{list}");
    // One in a folder, with another case, and names of another encoding.
    fs::write(sandbox.music().join("Ride/PLAYLIST.M3U"), b"A.MP3\r\n\xDCber.mp3\r\n").unwrap();
    short_mp3(&sandbox.music().join("Ride/u\u{308}ber.mp3"), 44_100, "Over");
    let list = sandbox.list(&[]);
    let titles: Vec<&str> =
        list["tracks"].as_array().unwrap().iter().filter_map(|track| track["title"].as_str()).collect();
    assert_eq!(titles, ["A", "Over"]);
    let problems = list["tracks"].as_array().unwrap().iter().filter(|track| !track["problem"].is_null()).count();
    assert_eq!(problems, 0, "{list}");
}

#[test]
fn the_index_of_a_playlist_in_a_folder_that_can_only_be_read_is_in_the_state_folder() {
    if !Uid::effective().is_root() {
        // Another user could not be had; the permissions then hold for this one anyway.
        return;
    }
    let sandbox = Sandbox::new();
    leave_traces(&sandbox.music());
    short_mp3(&sandbox.music().join("Ride/a.mp3"), 44_100, "A");
    fs::write(sandbox.music().join("Ride/Playlist.m3u8"), "a.mp3\n").unwrap();
    // Nobody can write to it, and reads it as the service does.
    for folder in [sandbox.path(), &sandbox.music(), &sandbox.music().join("Ride")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let state = sandbox.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    let config = sandbox.path().join("box.toml");
    fs::write(&config, format!("[board]\nkind = \"none\"\n[playlist]\nfolder = {:?}\n", sandbox.music())).unwrap();
    let program = sandbox.path().join("jaudiosync");
    copy_program(&program);
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
    command.args(["doctor", "--config"]).arg(&config).env("STATE_DIRECTORY", &state).current_dir("/");
    let run = Run::of(command.output().unwrap());
    assert!(run.stdout.contains("1 track,") && !run.stdout.contains("cannot be written"), "{run:?}");
    let index = fs::read_to_string(state.join("index.json")).unwrap();
    assert!(index.contains("a.mp3"), "{index}");
    assert!(!sandbox.music().join("Ride/Playlist.index.json").exists());
}
