//! A playlist that is read, and watched.

use std::fs;
use std::sync::mpsc::{self, Receiver};
use std::time::SystemTime;

use super::*;

const CHANGED: PlaylistReport = PlaylistReport::Changed(PlaylistChange::Files);

fn source(music: &Path) -> PlaylistSource {
    PlaylistSource { folders: vec![music.to_owned()], name: "Playlist".to_owned(), sticks: None }
}

fn watching(music: &Path) -> (PlaylistTask, Receiver<PlaylistReport>) {
    let (sender, news) = mpsc::channel();
    let mut task = PlaylistTask::new(Box::new(move |report| sender.send(report).unwrap()), Box::new(|_| {}), None);
    task.command(source(music));
    task.step();
    (task, news)
}

fn looks(task: &mut PlaylistTask, news: &Receiver<PlaylistReport>) -> Vec<PlaylistReport> {
    (0..4).for_each(|_| _ = task.step());
    news.try_iter().collect()
}

#[test]
fn another_playlist_is_reported_once_and_touched_files_are_not() {
    let music = tempfile::tempdir().unwrap();
    let list = music.path().join("Playlist.m3u8");
    fs::write(&list, "a.mp3\n").unwrap();
    fs::write(music.path().join("a.mp3"), "no music").unwrap();
    let (mut task, news) = watching(music.path());
    assert!(matches!(news.try_recv(), Ok(PlaylistReport::Loaded(playlist, _)) if playlist.tracks.len() == 1));
    assert_eq!(looks(&mut task, &news), []);
    fs::write(music.path().join("unrelated.txt"), "x").unwrap();
    fs::File::open(&list).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(looks(&mut task, &news), []);
    fs::write(&list, "a.mp3\nb.mp3\n").unwrap();
    assert_eq!(looks(&mut task, &news), [CHANGED]);
    assert_eq!(looks(&mut task, &news), []);
    // The missing file appears.
    fs::write(music.path().join("b.mp3"), "no music either").unwrap();
    assert_eq!(looks(&mut task, &news), [CHANGED]);
    fs::remove_file(&list).unwrap();
    assert_eq!(looks(&mut task, &news), [CHANGED]);
}

#[test]
fn what_was_away_and_is_back_as_it_was_is_not_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let (music, away) = (folder.path().join("Music"), folder.path().join("away"));
    fs::create_dir(&music).unwrap();
    fs::write(music.join("Playlist.m3u8"), "a.mp3\n").unwrap();
    fs::write(music.join("a.mp3"), "no music").unwrap();
    let (mut task, news) = watching(&music);
    assert!(matches!(news.try_recv(), Ok(PlaylistReport::Loaded(..))));
    for _ in 0..2 {
        fs::rename(&music, &away).unwrap();
        assert_eq!(looks(&mut task, &news), [CHANGED]);
        fs::rename(&away, &music).unwrap();
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Unchanged]);
        assert_eq!(looks(&mut task, &news), []);
    }
    // Another playlist, and back again by hand.
    fs::write(music.join("Playlist.m3u8"), "a.mp3\nb.mp3\n").unwrap();
    assert_eq!(looks(&mut task, &news), [CHANGED]);
    fs::write(music.join("Playlist.m3u8"), "a.mp3\n").unwrap();
    assert_eq!(looks(&mut task, &news), [PlaylistReport::Unchanged]);
    // Away, and back as something else.
    fs::rename(&music, &away).unwrap();
    assert_eq!(looks(&mut task, &news), [CHANGED]);
    fs::write(away.join("Playlist.m3u8"), "c.mp3\n").unwrap();
    fs::rename(&away, &music).unwrap();
    assert_eq!(looks(&mut task, &news), [CHANGED]);
}

#[test]
fn what_was_loaded_stays_when_an_order_fails() {
    let music = tempfile::tempdir().unwrap();
    let list = music.path().join("Playlist.m3u8");
    fs::write(&list, "a.mp3\n").unwrap();
    let (mut task, news) = watching(music.path());
    news.try_recv().unwrap();
    fs::remove_file(&list).unwrap();
    task.command(source(music.path()));
    task.step();
    assert!(matches!(news.try_recv(), Ok(PlaylistReport::Failed(_))));
    fs::write(&list, "a.mp3\n").unwrap();
    assert_eq!(looks(&mut task, &news), [PlaylistReport::Unchanged]);
}

#[test]
fn of_several_folders_the_first_that_has_a_playlist_is_taken_and_the_others_are_watched() {
    let folder = tempfile::tempdir().unwrap();
    let places = ["card", "disk"].map(|name| folder.path().join(name));
    fs::create_dir(&places[1]).unwrap();
    fs::write(places[1].join("Playlist.m3u8"), "a.mp3\n").unwrap();
    let (sender, news) = mpsc::channel();
    let mut task = PlaylistTask::new(Box::new(move |report| sender.send(report).unwrap()), Box::new(|_| {}), None);
    let source = PlaylistSource { folders: places.to_vec(), ..source(&places[0]) };
    let read = |task: &mut PlaylistTask| {
        task.command(source.clone());
        task.step();
        match news.try_recv() {
            Ok(PlaylistReport::Loaded(_, from)) => from,
            other => panic!("{other:?}"),
        }
    };
    let from = read(&mut task);
    assert_eq!(from.folder, places[1]);
    assert!(from.passed_over[0].to_string().ends_with("card: there is no such folder"), "{from:?}");
    // The other one appears with a folder, into which a playlist is copied later.
    fs::create_dir_all(places[0].join("Ride")).unwrap();
    assert_eq!(looks(&mut task, &news), []);
    fs::write(places[0].join("Ride/Playlist.m3u8"), "b.mp3\nc.mp3\n").unwrap();
    assert_eq!(looks(&mut task, &news), [CHANGED]);
    let read = |task: &mut PlaylistTask| {
        task.command(source.clone());
        task.step();
        news.try_recv().unwrap()
    };
    assert!(
        matches!(read(&mut task), PlaylistReport::Loaded(list, from) if list.tracks.len() == 2 && from.folder == places[0])
    );
    fs::remove_dir_all(&places[0]).unwrap();
    assert_eq!(looks(&mut task, &news), [CHANGED]);
}

/// Puts a stick in: its files appear at once, as when it is mounted.
fn put_in(place: &Path, name: &str, files: &[(&str, &str)]) {
    let prepared = place.with_file_name("prepared");
    fs::create_dir_all(&prepared).unwrap();
    for (file, contents) in files {
        fs::write(prepared.join(file), contents).unwrap();
    }
    fs::create_dir_all(place).unwrap();
    fs::rename(prepared, place.join(name)).unwrap();
}

fn pull_out(place: &Path, name: &str) {
    fs::remove_dir_all(place.join(name)).unwrap();
}

fn is_in(name: &str, tracks: usize) -> StickReport {
    StickReport { name: name.to_owned(), tracks: Some(tracks), trouble: None }
}

#[test]
fn a_stick_is_reported_when_it_is_put_in_and_pulled_out_and_comes_before_the_folders_when_read() {
    let folder = tempfile::tempdir().unwrap();
    let (music, place) = (folder.path().join("Music"), folder.path().join("sticks"));
    fs::create_dir(&music).unwrap();
    fs::write(music.join("Playlist.m3u8"), "a.mp3\n").unwrap();
    let source = PlaylistSource { sticks: Some(place.clone()), ..source(&music) };
    let (sender, news) = mpsc::channel();
    let mut task = PlaylistTask::new(Box::new(move |report| sender.send(report).unwrap()), Box::new(|_| {}), None);
    let read = |task: &mut PlaylistTask| {
        task.command(source.clone());
        task.step();
        match news.try_iter().last() {
            Some(PlaylistReport::Loaded(_, from)) => from.stick,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(read(&mut task), None);
    let stick_in =
        |name: &str, tracks| PlaylistReport::Changed(PlaylistChange::StickIn { name: name.to_owned(), tracks });
    // MP3s alone are enough, and it is taken back when it is pulled out again.
    put_in(&place, "B", &[("1.mp3", "no music"), ("2.mp3", "no music")]);
    assert_eq!(looks(&mut task, &news), [PlaylistReport::Sticks(vec![is_in("B", 2)]), stick_in("B", 2)]);
    pull_out(&place, "B");
    assert_eq!(looks(&mut task, &news), [PlaylistReport::Sticks(vec![]), PlaylistReport::Unchanged]);
    put_in(&place, "B", &[("1.mp3", "no music"), ("2.mp3", "no music")]);
    looks(&mut task, &news);
    assert_eq!(read(&mut task), Some("B".to_owned()));
    assert_eq!(looks(&mut task, &news), []);
    // A second one with a playlist counts more than one without.
    put_in(&place, "C", &[("playlist.m3u", "1.mp3\n"), ("1.mp3", "no music")]);
    let news_of_both = looks(&mut task, &news);
    let Some(PlaylistReport::Sticks(sticks)) = news_of_both.first() else { panic!("{news_of_both:?}") };
    assert!(sticks[0].trouble.as_ref().is_some_and(|why| why.contains("without a playlist")), "{sticks:?}");
    assert_eq!((sticks[1].clone(), news_of_both.last()), (is_in("C", 1), Some(&stick_in("C", 1))));
    pull_out(&place, "C");
    assert_eq!(looks(&mut task, &news).last(), Some(&PlaylistReport::Unchanged));
    // The one that plays is pulled out, put back, and pulled out for good.
    let away = folder.path().join("away");
    fs::rename(place.join("B"), &away).unwrap();
    let stick_out = PlaylistReport::Changed(PlaylistChange::StickOut { name: "B".to_owned() });
    assert_eq!(looks(&mut task, &news).last(), Some(&stick_out));
    fs::rename(&away, place.join("B")).unwrap();
    assert_eq!(looks(&mut task, &news).last(), Some(&PlaylistReport::Unchanged));
    pull_out(&place, "B");
    assert_eq!(looks(&mut task, &news).last(), Some(&stick_out));
    assert_eq!(read(&mut task), None);
}

#[test]
fn a_stick_without_music_and_one_that_cannot_be_mounted_are_named_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (music, place) = (folder.path().join("Music"), folder.path().join("sticks"));
    fs::create_dir_all(&music).unwrap();
    // The box's own music has no playlist, which counts as long as none was there.
    fs::write(music.join("a.mp3"), "no music").unwrap();
    let source = PlaylistSource { sticks: Some(place.clone()), ..source(&music) };
    let (sender, news) = mpsc::channel();
    let mut task = PlaylistTask::new(Box::new(move |report| sender.send(report).unwrap()), Box::new(|_| {}), None);
    put_in(&place, "PHOTOS", &[("1.jpg", "")]);
    fs::write(place.join("sdb1.trouble"), "it has ntfs\n").unwrap();
    task.command(source);
    task.step();
    let Ok(PlaylistReport::Sticks(sticks)) = news.try_recv() else { panic!("no sticks") };
    let whys: Vec<_> = sticks.iter().map(|stick| (stick.name.as_str(), stick.trouble.as_deref())).collect();
    assert_eq!(whys, [("PHOTOS", Some("it has no Playlist.m3u8")), ("sdb1", Some("it has ntfs"))]);
    assert!(matches!(news.try_recv(), Ok(PlaylistReport::Loaded(_, from)) if from.folder == music));
    assert_eq!(looks(&mut task, &news), []);
    // What is said is said once; with a playlist of another name it says which.
    put_in(&place, "OTHER", &[("Rock.m3u8", "1.mp3\n"), ("1.mp3", "")]);
    let news = looks(&mut task, &news);
    assert_eq!(news.len(), 1, "{news:?}");
    assert!(format!("{news:?}").contains("but Rock"), "{news:?}");
}

#[test]
fn a_playlist_that_appears_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let music = folder.path().join("Music");
    let (mut task, news) = watching(&music);
    let Ok(PlaylistReport::Failed(reason)) = news.try_recv() else { panic!("loaded") };
    assert!(reason.contains("playlist.folder"), "{reason}");
    assert_eq!(looks(&mut task, &news), []);
    fs::create_dir(&music).unwrap();
    fs::write(music.join("Playlist.m3u8"), "a.mp3\n").unwrap();
    assert_eq!(looks(&mut task, &news), [CHANGED]);
}

#[test]
fn a_playlist_that_is_still_being_written_is_left_alone() {
    let music = tempfile::tempdir().unwrap();
    let list = music.path().join("Playlist.m3u8");
    fs::write(&list, "a.mp3\n").unwrap();
    let (mut task, news) = watching(music.path());
    news.try_recv().unwrap();
    let mut text = String::new();
    for number in 0..5 {
        text.push_str(&format!("{number}.mp3\n"));
        fs::write(&list, &text).unwrap();
        task.step();
        assert!(news.try_recv().is_err(), "reported while it grows");
    }
    assert_eq!(looks(&mut task, &news), [CHANGED]);
}
