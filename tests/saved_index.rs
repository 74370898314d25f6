//! What is saved beside a playlist: the maps of long files, each with its own file, even if other
//! programs write the index meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, SystemTime};

use jaudiosync::playlist::Playlist;
use jaudiosync::service::mapper::{MapCommand, MapperTask};
use jaudiosync::service::playlists::{PlaylistReport, PlaylistSource, PlaylistTask};
use jaudiosync::worker::Task;
use serde_json::Value;
use support::fault::Fault;
use support::odd_mp3::{Info, info_frame, noise_frames};
use support::process::{Process, wait_until};
use support::pty::Pty;
use support::{Sandbox, mp3_bytes};

/// Makes a file of some 24 MB that repeats ten seconds of noise. Its info frame gives its length,
/// so that only its map needs a reading of the whole file.
fn long_mp3_with_header(seed: u64, rounds: usize) -> Vec<u8> {
    let frames = noise_frames(10.0, 44_100, 2, seed, &["-b", "320", "-t"]);
    let body = frames.concat().repeat(rounds);
    let info = |bytes: usize| {
        let info =
            Info { tag: b"Info", frames: (frames.len() * rounds) as u32, bytes: Some(bytes as u32), ..Info::default() };
        info_frame(&frames[0], &info)
    };
    let head = info(body.len() + info(0).len());
    [head, body].concat()
}

/// The threads of a box that read the playlist and map long files, without the threads: the test
/// makes every step.
struct Reading {
    reader: PlaylistTask,
    mapper: MapperTask,
    news: Receiver<PlaylistReport>,
    commands: Receiver<MapCommand>,
    source: PlaylistSource,
}

impl Reading {
    fn new(sandbox: &Sandbox) -> Self {
        let (sender, news) = mpsc::channel();
        let (command_maps, commands) = mpsc::channel();
        let send = Box::new(move |event| sender.send(event).unwrap());
        let reader = PlaylistTask::new(send, Box::new(move |command| command_maps.send(command).unwrap()), None);
        let source = PlaylistSource { folders: vec![sandbox.music()], name: "Playlist".to_owned(), sticks: None };
        Self { reader, mapper: MapperTask::default(), news, commands, source }
    }

    /// Reads the playlist as a reload does, and requests its maps.
    fn load(&mut self) -> Arc<Playlist> {
        self.reader.command(self.source.clone());
        self.reader.step();
        let command = self.commands.try_recv().unwrap();
        self.mapper.command(command);
        match self.news.try_iter().last() {
            Some(PlaylistReport::Loaded(playlist, _)) => playlist,
            other => panic!("{other:?}"),
        }
    }

    /// Maps for this many more steps.
    fn map(&mut self, steps: usize) {
        (0..steps).for_each(|_| _ = self.mapper.step());
    }

    /// Maps to the end. Returns in how many steps.
    fn map_all(&mut self) -> usize {
        (1..).find(|_| self.mapper.step() > Duration::from_secs(60)).unwrap()
    }
}

fn index_of(sandbox: &Sandbox) -> Value {
    serde_json::from_slice(&fs::read(sandbox.index()).unwrap()).unwrap()
}

/// Returns the map of every track in the index.
fn maps(sandbox: &Sandbox) -> Vec<Option<String>> {
    let index = index_of(sandbox);
    let tracks = index["tracks"].as_array().unwrap().iter();
    tracks.map(|track| track["map"].as_str().map(str::to_owned)).collect()
}

/// Returns the maps in the index that `index` makes of the files as they are.
fn made_by_index(sandbox: &Sandbox) -> Vec<Option<String>> {
    fs::remove_file(sandbox.index()).unwrap();
    sandbox.run(&["index"]).succeeds();
    let maps = maps(sandbox);
    assert!(maps.iter().all(Option::is_some), "{maps:?}");
    maps
}

fn set_modified(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn files_of_one_name_in_several_folders_have_maps_of_their_own() {
    let sandbox = Sandbox::new();
    for (name, seed, rounds) in [("set.mp3", 1, 52), ("CD1/set.mp3", 2, 60), ("Old/CD1/set.mp3", 3, 56)] {
        sandbox.write(name, long_mp3_with_header(seed, rounds));
    }
    sandbox.playlist("set.mp3\nCD1/set.mp3\nOld/CD1/set.mp3\nset.mp3\n");
    let mut reading = Reading::new(&sandbox);
    let playlist = reading.load();
    assert_eq!(maps(&sandbox), [None, None, None]);
    reading.map_all();
    let kept = maps(&sandbox);
    assert_eq!(kept, made_by_index(&sandbox));
    // Every line that names a file has its map. The index has the files in the order of their last
    // lines.
    let known: Vec<String> = playlist.tracks.iter().map(|track| track.map.get().unwrap().to_string()).collect();
    assert_eq!(known[3], known[0]);
    assert_eq!(known[1..].iter().cloned().map(Some).collect::<Vec<_>>(), kept);
}

#[test]
fn a_copy_with_another_time_keeps_the_map_that_travels_with_the_music() {
    let sandbox = Sandbox::new();
    sandbox.write("set.mp3", long_mp3_with_header(4, 52));
    sandbox.playlist("set.mp3\n");
    sandbox.run(&["index"]).succeeds();
    let made = maps(&sandbox);
    assert!(made[0].is_some());
    // As copied by a program that does not preserve times, or onto a disk with local times.
    let path = sandbox.music().join("set.mp3");
    set_modified(&path, SystemTime::now() - Duration::from_secs(3600));
    sandbox.list(&[]);
    assert_eq!(maps(&sandbox), made);
    // In another file it would lead astray.
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1_000_000).unwrap();
    sandbox.list(&[]);
    assert_ne!(maps(&sandbox), made);
}

#[test]
fn a_copy_that_was_cut_off_is_reported_every_time() {
    let sandbox = Sandbox::new();
    let whole = mp3_bytes(441_000, "Whole");
    sandbox.write("whole.mp3", &whole);
    sandbox.write("part.mp3", &whole[..whole.len() / 4]);
    sandbox.playlist("whole.mp3\npart.mp3\n");
    for arguments in [&["list"][..], &["list"], &["list", "-l"], &["index", "--rebuild"]] {
        let run = sandbox.run(arguments);
        let reported: Vec<&str> = run.stderr.lines().filter(|line| line.contains("was cut off")).collect();
        assert_eq!(reported.len(), 1, "{arguments:?}: {run:?}");
        assert!(
            reported[0].contains("line 2: part.mp3 was cut off") && reported[0].contains("copy it again"),
            "{run:?}"
        );
    }
}

#[test]
fn a_file_that_is_replaced_while_it_is_mapped_gets_no_map_of_the_old_one() {
    let time = SystemTime::now() - Duration::from_secs(1000);
    let (old, same_size, shorter) =
        (long_mp3_with_header(1, 60), long_mp3_with_header(2, 60), long_mp3_with_header(3, 55));
    assert_eq!(old.len(), same_size.len());
    for (what, new, is_renamed) in [
        ("another, put in its place", &shorter, true),
        ("one of the same size and time, put in its place", &same_size, true),
        ("another, written over it", &shorter, false),
    ] {
        let sandbox = Sandbox::new();
        let path = sandbox.music().join("set.mp3");
        fs::write(&path, &old).unwrap();
        set_modified(&path, time);
        sandbox.playlist("set.mp3\n");
        let mut reading = Reading::new(&sandbox);
        let playlist = reading.load();
        // The pause at first, opening, and two parts of it.
        reading.map(4);
        if is_renamed {
            let beside = sandbox.path().join("new.mp3");
            fs::write(&beside, new).unwrap();
            set_modified(&beside, time);
            fs::rename(beside, &path).unwrap();
        } else {
            fs::write(&path, new).unwrap();
        }
        // The change is seen, and read once the file has not changed for a while.
        (0..3).for_each(|_| _ = reading.reader.step());
        reading.map_all();
        assert_eq!(maps(&sandbox), [None], "{what}");
        assert_eq!(playlist.tracks[0].map.get(), None, "{what}");
        // The new one is mapped once it is loaded.
        reading.load();
        reading.map_all();
        assert_eq!(maps(&sandbox), made_by_index(&sandbox), "{what}");
    }
}

#[test]
fn findings_of_two_programs_at_the_same_time_are_all_saved() {
    let fault = Fault::new();
    // Bytes of the second file are read so slowly that the other program finishes meanwhile, on a
    // busy machine at the second attempt.
    for speed in ["0.02", "0.002"] {
        let sandbox = Sandbox::new();
        sandbox.write("set.mp3", long_mp3_with_header(1, 60));
        sandbox.write("b.mp3", mp3_bytes(44_100, "B"));
        sandbox.playlist("set.mp3\n");
        sandbox.list(&[]);
        assert_eq!(maps(&sandbox), [None]);
        sandbox.playlist("set.mp3\nb.mp3\n");
        let count = sandbox.path().join("count");
        let mut command = sandbox.command();
        let what = [("FAULT_SLOW", "b.mp3"), ("FAULT_MB_S", speed), ("FAULT_COUNT", count.to_str().unwrap())];
        fault.add_to(command.arg("list").stdout(Stdio::null()), &what);
        let mut slow = Process::start(&mut command);
        wait_until("read", || count.exists());
        sandbox.run(&["index"]).succeeds();
        let kept = maps(&sandbox);
        assert!(kept[0].is_some(), "{kept:?}");
        let is_in_time = slow.try_wait().unwrap().is_none();
        assert!(slow.wait_for_end().0.success());
        assert_eq!(maps(&sandbox), kept);
        if is_in_time {
            return;
        }
    }
    panic!("the slow one was never slow enough");
}

#[test]
fn maps_outlive_a_reload_if_the_index_cannot_be_written() {
    let sandbox = Sandbox::new();
    sandbox.write("set.mp3", long_mp3_with_header(1, 60));
    sandbox.write("other.mp3", long_mp3_with_header(2, 55));
    sandbox.playlist("set.mp3\n");
    // No file can be written where this folder is, not even by root.
    fs::create_dir(sandbox.index()).unwrap();
    let mut reading = Reading::new(&sandbox);
    reading.load();
    reading.map_all();
    sandbox.playlist("set.mp3\nother.mp3\n");
    let playlist = reading.load();
    assert!(playlist.tracks[0].map.get().is_some(), "the map is lost");
    assert!(playlist.tracks[1].map.get().is_none());
    // A reload in the middle of a file does not restart its mapping.
    reading.map(4);
    let again = reading.load();
    let steps = reading.map_all();
    assert!(again.tracks.iter().all(|track| track.map.get().is_some()));
    let playlist = {
        sandbox.write("other.mp3", long_mp3_with_header(3, 55));
        reading.load()
    };
    assert!(playlist.tracks[0].map.get().is_some() && playlist.tracks[1].map.get().is_none(), "another file");
    assert!(steps < reading.map_all(), "{steps} steps");
}

/// Returns length and fingerprint.
fn length(list: &Value) -> (Value, Value, Value) {
    (list["tracks"][0]["frames"].clone(), list["tracks"][0]["problem"].clone(), list["fingerprint"].clone())
}

#[test]
fn all_ways_to_read_a_long_file_agree_if_its_header_and_its_frames_do_not() {
    let frames = noise_frames(10.0, 44_100, 2, 5, &["-b", "320", "-t"]);
    let count = 20_700_usize;
    // 1152 samples of 320 kbit/s.
    let bytes = count * 144 * 320_000 / 44_100;
    let head = |frames_said: usize| {
        let info = |bytes: usize| Info {
            tag: b"Info",
            frames: frames_said as u32,
            bytes: Some(bytes as u32),
            ..Info::default()
        };
        let length = info_frame(&frames[0], &info(0)).len();
        info_frame(&frames[0], &info(length + bytes))
    };
    let padded = |mut body: Vec<u8>| {
        body.resize(bytes, 0);
        body
    };
    let whole = || frames.concat().repeat(60);
    let lost = [&whole()[..5_000_000], &whole()[6_000_000..22_000_000]].concat();
    let overwritten = {
        let mut body = padded(whole());
        body[3_000_000..9_000_000].fill(0);
        body
    };
    for (what, file) in [
        ("90 frames, and then zeros", [head(count), padded(frames[..90].concat())].concat()),
        ("200 frames, and then zeros", [head(count), padded(frames[..200].concat())].concat()),
        ("zeros in the middle", [head(count), overwritten].concat()),
        ("a header that promises more than there is", [head(2 * count), padded(whole())].concat()),
        ("a part cut out", [head(count), lost].concat()),
        ("no header", padded(whole())),
    ] {
        let sandbox = Sandbox::new();
        assert!(file.len() > 20_000_000, "{what}");
        sandbox.write("set.mp3", &file);
        sandbox.playlist("set.mp3\n");
        let listed = length(&sandbox.list(&[]));
        assert!(listed.0.is_u64() && listed.1.is_null(), "{what}: {listed:?}");
        fs::remove_file(sandbox.index()).unwrap();
        sandbox.run(&["index"]).succeeds();
        assert_eq!(length(&sandbox.list(&["-l"])), listed, "{what}, with the index");
        assert_eq!(length(&sandbox.list(&[])), listed, "{what}, with the index");
        sandbox.run(&["index", "--rebuild"]).succeeds();
        assert_eq!(length(&sandbox.list(&["-l"])), listed, "{what}, with the index rebuilt");
        fs::remove_file(sandbox.index()).unwrap();
        assert_eq!(length(&sandbox.list(&[])), listed, "{what}, without the index");
    }
}

#[test]
fn lists_that_differ_in_their_extension_alone_have_indexes_of_their_own() {
    let sandbox = Sandbox::new();
    sandbox.write("a.mp3", mp3_bytes(44_100, "A"));
    sandbox.write("b.mp3", mp3_bytes(2 * 44_100, "B"));
    sandbox.write("Ride.m3u8", "a.mp3\n");
    sandbox.write("Ride.m3u", "b.mp3\n");
    let names = ["Ride.m3u8", "Ride.m3u"];
    for name in names {
        sandbox.run(&["index", "--playlist-name", name]).succeeds();
    }
    for (name, index) in names.into_iter().zip(["Ride.index.json", "Ride.m3u.index.json"]) {
        let run = sandbox.run(&["index", "--playlist-name", name]);
        assert!(run.succeeds().stdout.contains("(0 read") && run.stdout.contains(index), "{run:?}");
        assert!(sandbox.music().join(index).is_file(), "{index}");
    }
}

#[test]
fn the_bar_moves_while_a_single_long_file_is_mapped() {
    let sandbox = Sandbox::new();
    sandbox.write("set.mp3", long_mp3_with_header(1, 60));
    sandbox.playlist("set.mp3\n");
    let fault = Fault::new();
    let mut command = sandbox.command();
    // At least a second.
    fault.add_to(command.arg("index"), &[("FAULT_SLOW", ".mp3"), ("FAULT_MB_S", "24")]);
    let mut terminal = Pty::open();
    terminal.give_to(&mut command);
    let mut index = Process::start(&mut command);
    drop(command);
    assert!(index.wait_for_end().0.success());
    let shown = terminal.into_shown();
    let mut percents: Vec<&str> = shown
        .split(" %")
        .filter_map(|before| before.rsplit(' ').next())
        .filter(|word| word.parse::<u32>().is_ok())
        .collect();
    percents.dedup();
    assert!(percents.len() > 4 && percents.is_sorted_by_key(|word| word.parse::<u32>().unwrap()), "{shown:?}");
}

#[test]
fn the_help_says_that_long_files_are_mapped_and_why() {
    let help = Sandbox::new().run(&["index", "--help"]);
    let words = help.succeeds().stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["over 20 MB", "one pass over the whole file", "joins such a set in the middle"] {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
}
