//! Maps the frames of long files of which the saved index has no map, and saves the maps there: in
//! the background, so slowly that neither the music nor a laptop that copies files is disturbed.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::mp3::count::Count;
use crate::panics;
use crate::playlist::{FileStamp, FileState, KnownMap, Playlist, persist_map, wants_map};
use crate::worker::Task;

/// A box that was just switched on has other things to do first.
const FIRST: Duration = Duration::from_secs(10);

/// Frames that are read in one step, about 1 MiB at the highest bit rate: 50 ms of a card's time.
const FRAMES_PER_STEP: usize = 1000;

/// The pause after a step: it leaves the card to others for three quarters of the time.
const PAUSE: Duration = Duration::from_millis(150);

/// A playlist whose long files are to be mapped.
pub struct MapCommand {
    /// The playlist.
    pub playlist: Arc<Playlist>,
    /// Where its index is.
    pub index: PathBuf,
}

/// Maps one file after another.
#[derive(Default)]
pub struct MapperTask {
    index: PathBuf,
    waiting: VecDeque<Wanted>,
    mapping: Option<Mapping>,
    is_new: bool,
}

/// A file that needs a map.
struct Wanted {
    path: PathBuf,
    /// The maps of all tracks that are this file.
    maps: Vec<KnownMap>,
}

struct Mapping {
    wanted: Wanted,
    file: File,
    /// The file's state when it was opened.
    state: FileState,
    count: Count<File>,
}

impl Wanted {
    /// Returns the files of a playlist that need a map, each once.
    fn of(playlist: &Playlist) -> VecDeque<Self> {
        let mut all: VecDeque<Self> = VecDeque::new();
        for track in playlist.tracks.iter().filter(|track| wants_map(track)) {
            let Some(path) = &track.path else { continue };
            match all.iter_mut().find(|wanted| wanted.path == *path) {
                Some(wanted) => wanted.maps.push(track.map.clone()),
                None => all.push_back(Self { path: path.clone(), maps: vec![track.map.clone()] }),
            }
        }
        all
    }

    fn stamp(&self) -> FileStamp {
        self.maps.first().map(KnownMap::stamp).unwrap_or_default()
    }

    /// Opens the file; returns `None` if it is no longer the one that the playlist was read with,
    /// or has no frames.
    fn open(self) -> io::Result<Option<Mapping>> {
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        if !FileStamp::of(&metadata).agrees_with(&self.stamp()) {
            log::debug!("{} is not mapped: it has changed since the playlist was read", self.path.display());
            return Ok(None);
        }
        let count = Count::begin(file.try_clone()?)?;
        Ok(count.map(|count| Mapping { wanted: self, file, state: FileState::of(&metadata), count }))
    }
}

impl Mapping {
    /// Returns whether the file is still in its place, and as it was when it was opened.
    fn is_still_right(&self) -> bool {
        let states = [self.file.metadata(), fs::metadata(&self.wanted.path)];
        states.into_iter().all(|metadata| metadata.is_ok_and(|metadata| FileState::of(&metadata) == self.state))
    }
}

impl MapperTask {
    fn begin(&mut self) {
        let Some(wanted) = self.waiting.pop_front() else { return };
        let path = wanted.path.clone();
        match wanted.open() {
            Ok(mapping) => self.mapping = mapping,
            Err(error) => log::debug!("{} is not mapped: {error}", path.display()),
        }
    }

    fn go_on(&mut self) {
        let Some(mut mapping) = self.mapping.take() else { return };
        match mapping.count.go_on(FRAMES_PER_STEP) {
            Ok(true) => self.mapping = Some(mapping),
            Ok(false) => self.keep(mapping),
            Err(error) => log::debug!("{} is not mapped: {error}", mapping.wanted.path.display()),
        }
    }

    fn keep(&self, mapping: Mapping) {
        let is_right = mapping.is_still_right();
        let Mapping { wanted: Wanted { path, maps }, count, .. } = mapping;
        if !is_right {
            log::info!("{} changed while it was being mapped; it has no map until the next reload", path.display());
            return;
        }
        let Ok(Some(map)) = count.finish().map(|survey| survey.and_then(|survey| survey.map)) else { return };
        let map = Arc::new(map);
        maps.iter().for_each(|known| known.set(Arc::clone(&map)));
        let Some(known) = maps.first() else { return };
        let (path, index) = (path.display(), self.index.display());
        match persist_map(&self.index, known) {
            Ok(true) => log::info!("mapped {path}: joining it is quick from now on"),
            Ok(false) => log::info!("mapped {path}; the map is not saved, as {index} no longer has this file"),
            Err(error) => log::info!("mapped {path}; the map cannot be saved in {index}: {error}"),
        }
    }
}

impl Task for MapperTask {
    type Command = MapCommand;

    fn command(&mut self, command: MapCommand) {
        self.waiting = Wanted::of(&command.playlist);
        self.index = command.index;
        // Continue a file that is half mapped already.
        self.mapping = self.mapping.take().and_then(|mapping| {
            let is_same = |wanted: &Wanted| {
                wanted.path == mapping.wanted.path && wanted.stamp().agrees_with(&mapping.wanted.stamp())
            };
            let wanted = self.waiting.remove(self.waiting.iter().position(is_same)?)?;
            Some(Mapping { wanted, ..mapping })
        });
        self.is_new = true;
    }

    fn step(&mut self) -> Duration {
        if std::mem::take(&mut self.is_new) {
            return FIRST;
        }
        // A file can make a library panic. It then stays without a map.
        let stepped = panics::catch(|| if self.mapping.is_some() { self.go_on() } else { self.begin() });
        if let Err(panic) = stepped {
            log::debug!("a file is not mapped: {panic}");
            self.mapping = None;
        }
        match (&self.mapping, self.waiting.is_empty()) {
            (None, true) => Duration::from_secs(3600),
            _ => PAUSE,
        }
    }
}
