//! Reads playlists, and notices when their files have changed: on a thread of its own, as there may
//! be many files and the card may be slow.
//!
//! Changes are found by checking sizes and times every two seconds, which works on every file
//! system and for files that appear later. A change counts once the files have stayed the same for
//! one check, and once they make a different playlist: while music is being copied, or if only
//! times have changed, nothing is reported. A change that is undone, for example when a card
//! dropped out and came back, is taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::mapper::MapCommand;
use crate::playlist::{LoadError, LoadOptions, Loaded, Playlist, load};
use crate::worker::Task;

/// How often the files are checked: 500 of them take about 2 ms.
const LOOK: Duration = Duration::from_secs(2);

/// Which playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaylistSource {
    /// The Music folder.
    pub music: PathBuf,
    /// The playlist's name, with or without `.m3u8` or `.m3u`.
    pub name: String,
}

/// What happened to a playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaylistReport {
    /// It was read, as commanded. The second part lists what went wrong.
    Loaded(Arc<Playlist>, Vec<String>),
    /// It cannot be read, for this reason.
    Failed(String),
    /// The files now make a different playlist, or one where none was.
    Changed,
    /// The files had changed, and are again the playlist that was loaded.
    Unchanged,
}

/// Where reports go.
pub type ReportPlaylist = Box<dyn Fn(PlaylistReport) + Send>;

/// Where commands to map long files go.
pub type OrderMaps = Box<dyn FnMut(MapCommand) + Send>;

/// Reads a playlist when it is commanded to, and then watches its files.
pub struct PlaylistTask {
    report: ReportPlaylist,
    command_maps: OrderMaps,
    /// Where the index is saved if the music can only be read.
    index_folder: Option<PathBuf>,
    source: Option<PlaylistSource>,
    is_commanded: bool,
    /// What was last loaded by a command.
    loaded: Option<Arc<Playlist>>,
    /// Whether that is a playlist of its source. If it is gone, as while music is being copied, it stays
    /// what is played: all MP3s would be out of sync with the other boxes.
    has_list: bool,
    /// What the files are, as last reported, so that only a difference is reported.
    reported: Option<Arc<Playlist>>,
    /// The files as they were when they were last read, and as they were at the last check.
    read_stamps: Stamps,
    seen_stamps: Stamps,
}

/// Size and time of each file and folder that matters; `None` if it does not exist.
type Stamps = BTreeMap<PathBuf, Option<(u64, SystemTime)>>;

impl PlaylistTask {
    /// Returns a task that waits for its first command. `index_folder` is where the index is saved if
    /// the music can only be read.
    pub fn new(report: ReportPlaylist, command_maps: OrderMaps, index_folder: Option<PathBuf>) -> Self {
        Self {
            report,
            command_maps,
            index_folder,
            source: None,
            is_commanded: false,
            loaded: None,
            has_list: false,
            reported: None,
            read_stamps: Stamps::new(),
            seen_stamps: Stamps::new(),
        }
    }

    fn read(&mut self, source: &PlaylistSource) {
        self.is_commanded = false;
        let news = match self.read_files(source) {
            Ok(Loaded { mut playlist, warnings, index, has_list, .. }) => {
                self.has_list = has_list;
                // If nothing can be written the index has none of them.
                if let Some(loaded) = &self.loaded {
                    playlist.take_maps_of(loaded);
                }
                let playlist = Arc::new(playlist);
                (self.command_maps)(MapCommand { playlist: Arc::clone(&playlist), index });
                self.loaded = Some(Arc::clone(&playlist));
                self.reported = Some(Arc::clone(&playlist));
                PlaylistReport::Loaded(playlist, warnings)
            }
            Err(reason) => {
                // What was loaded before continues to play.
                self.reported = None;
                PlaylistReport::Failed(reason)
            }
        };
        self.remember(source);
        (self.report)(news);
    }

    fn look(&mut self, source: &PlaylistSource) {
        let stamps = self.stamps(source);
        let rests = stamps == self.seen_stamps;
        let differs = stamps != self.read_stamps;
        self.seen_stamps = stamps;
        if !(rests && differs) {
            return;
        }
        // This also brings the saved index up to date, so that a reload takes little time.
        let now = self.read_files(source).ok().map(|loaded| loaded.playlist);
        self.remember(source);
        if now.as_ref() != self.reported.as_deref() {
            let is_as_loaded = now.is_some() && now.as_ref() == self.loaded.as_deref();
            self.reported = now.map(Arc::new);
            (self.report)(if is_as_loaded { PlaylistReport::Unchanged } else { PlaylistReport::Changed });
        }
    }

    fn read_files(&self, source: &PlaylistSource) -> Result<Loaded, String> {
        read(source, self.index_folder.as_deref(), !self.has_list)
    }

    fn remember(&mut self, source: &PlaylistSource) {
        self.read_stamps = self.stamps(source);
        self.seen_stamps.clone_from(&self.read_stamps);
    }

    /// Returns the stamps to watch. While there is nothing to read, the files of what was loaded
    /// show when they are back.
    fn stamps(&self, source: &PlaylistSource) -> Stamps {
        stamps(source, self.reported.as_deref().or(self.loaded.as_deref()))
    }
}

impl Task for PlaylistTask {
    type Command = PlaylistSource;

    fn command(&mut self, command: PlaylistSource) {
        // Of another one nothing was read.
        self.has_list &= self.source.as_ref() == Some(&command);
        self.source = Some(command);
        self.is_commanded = true;
    }

    fn step(&mut self) -> Duration {
        if let Some(source) = self.source.clone() {
            if self.is_commanded { self.read(&source) } else { self.look(&source) }
        }
        LOOK
    }
}

/// Reads a playlist, or all MP3s if they may take its place; `index_folder` is where its index is saved
/// if the music can only be read. Errors name the key of the configuration to check.
///
/// # Errors
/// When there is no usable playlist.
pub fn read(source: &PlaylistSource, index_folder: Option<&Path>, every_mp3: bool) -> Result<Loaded, String> {
    let options = LoadOptions {
        music: source.music.clone(),
        name: source.name.clone(),
        index_folder: index_folder.map(Path::to_owned),
        every_mp3,
        trust_index: false,
        rebuild: false,
        make_maps: false,
    };
    load(&options, &|_, _| {}).map_err(|error| match error {
        // Here these come from the configuration, and not from a command line.
        LoadError::NoMusic(folder) => {
            format!("there is no Music folder at {}; make one, or set playlist.folder", folder.display())
        }
        LoadError::NoPlaylist { path, others } if !others.0.is_empty() => {
            format!("there is no playlist {}; set playlist.name to one of: {}", path.display(), others.0.join(", "))
        }
        LoadError::InSeveralFolders { path, files } => {
            format!("there is no playlist {}; set playlist.name to one of: {files}", path.display())
        }
        error => error.to_string(),
    })
}

/// Returns the stamps of everything that matters. That of a folder shows new files in it; the saved
/// index beside the playlist does not count, because this program writes it.
fn stamps(source: &PlaylistSource, playlist: Option<&Playlist>) -> Stamps {
    let tracks = playlist.map_or(&[][..], |playlist| &playlist.tracks);
    let files = tracks.iter().filter_map(|track| track.path.clone());
    // A file in other letter case, or a new one, shows in its folder.
    let names = ["", ".m3u8", ".m3u"].map(|extension| format!("{}{extension}", source.name));
    let folders = tracks.iter().filter_map(|track| track.path.as_deref().and_then(Path::parent).map(Path::to_owned));
    let folders: BTreeSet<PathBuf> = folders.chain([source.music.clone()]).collect();
    // The playlist may be in one of the folders, beside its tracks.
    let lists = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
    files.chain(lists).chain(folders.iter().cloned()).map(|path| (path.clone(), stamp(&path))).collect()
}

fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = path.metadata().ok()?;
    Some((if metadata.is_dir() { 0 } else { metadata.len() }, metadata.modified().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::{self, Receiver};

    use super::*;

    fn watching(music: &Path) -> (PlaylistTask, Receiver<PlaylistReport>) {
        let (sender, news) = mpsc::channel();
        let mut task = PlaylistTask::new(Box::new(move |report| sender.send(report).unwrap()), Box::new(|_| {}), None);
        task.command(PlaylistSource { music: music.to_owned(), name: "Playlist".to_owned() });
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
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Changed]);
        assert_eq!(looks(&mut task, &news), []);
        // The missing file appears.
        fs::write(music.path().join("b.mp3"), "no music either").unwrap();
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Changed]);
        fs::remove_file(&list).unwrap();
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Changed]);
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
            assert_eq!(looks(&mut task, &news), [PlaylistReport::Changed]);
            fs::rename(&away, &music).unwrap();
            assert_eq!(looks(&mut task, &news), [PlaylistReport::Unchanged]);
            assert_eq!(looks(&mut task, &news), []);
        }
        // Another playlist, and back again by hand.
        fs::write(music.join("Playlist.m3u8"), "a.mp3\nb.mp3\n").unwrap();
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Changed]);
        fs::write(music.join("Playlist.m3u8"), "a.mp3\n").unwrap();
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Unchanged]);
        // Away, and back as something else.
        fs::rename(&music, &away).unwrap();
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Changed]);
        fs::write(away.join("Playlist.m3u8"), "c.mp3\n").unwrap();
        fs::rename(&away, &music).unwrap();
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Changed]);
    }

    #[test]
    fn what_was_loaded_stays_when_an_order_fails() {
        let music = tempfile::tempdir().unwrap();
        let list = music.path().join("Playlist.m3u8");
        fs::write(&list, "a.mp3\n").unwrap();
        let (mut task, news) = watching(music.path());
        news.try_recv().unwrap();
        fs::remove_file(&list).unwrap();
        task.command(PlaylistSource { music: music.path().to_owned(), name: "Playlist".to_owned() });
        task.step();
        assert!(matches!(news.try_recv(), Ok(PlaylistReport::Failed(_))));
        fs::write(&list, "a.mp3\n").unwrap();
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Unchanged]);
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
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Changed]);
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
        assert_eq!(looks(&mut task, &news), [PlaylistReport::Changed]);
    }
}
