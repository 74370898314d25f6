//! Maps the frames of long files of which the saved index has no map, and keeps the maps there: in the background, so slowly
//! that neither the music nor a laptop that copies files notices.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::mp3::count::Count;
use crate::panics;
use crate::playlist::{KnownMap, Playlist, keep_map, wants_map};
use crate::worker::Task;

/// A box that comes up has other things to do first.
const FIRST: Duration = Duration::from_secs(10);

/// Frames that are gone through at once, some 1 MiB at the highest bit rate: 50 ms of a card's time.
const FRAMES_PER_STEP: usize = 1000;

/// The pause behind them: the card is left to others for three quarters of the time.
const PAUSE: Duration = Duration::from_millis(150);

/// A playlist whose long files are to be mapped.
pub struct MapOrder {
    /// The playlist.
    pub playlist: Arc<Playlist>,
    /// Where its index is.
    pub index: PathBuf,
}

/// Maps one file after the other.
#[derive(Default)]
pub struct MapperTask {
    index: PathBuf,
    waiting: VecDeque<(PathBuf, KnownMap)>,
    mapping: Option<Mapping>,
    is_new: bool,
}

struct Mapping {
    path: PathBuf,
    known: KnownMap,
    count: Count<File>,
}

impl MapperTask {
    fn begin(&mut self) {
        let Some((path, known)) = self.waiting.pop_front() else { return };
        match File::open(&path).and_then(Count::begin) {
            Ok(Some(count)) => self.mapping = Some(Mapping { path, known, count }),
            Ok(None) => {}
            Err(error) => log::debug!("{} is not mapped: {error}", path.display()),
        }
    }

    fn go_on(&mut self) {
        let Some(mut mapping) = self.mapping.take() else { return };
        match mapping.count.go_on(FRAMES_PER_STEP) {
            Ok(true) => self.mapping = Some(mapping),
            Ok(false) => self.keep(mapping),
            Err(error) => log::debug!("{} is not mapped: {error}", mapping.path.display()),
        }
    }

    fn keep(&self, Mapping { path, known, count }: Mapping) {
        let Ok(Some(map)) = count.finish().map(|survey| survey.and_then(|survey| survey.map)) else { return };
        let map = Arc::new(map);
        known.set(Arc::clone(&map));
        match keep_map(&self.index, &path, &map) {
            Ok(()) => log::info!("mapped {}: it is joined quickly from now on", path.display()),
            Err(error) => {
                log::info!("mapped {}; the map cannot be kept in {}: {error}", path.display(), self.index.display());
            }
        }
    }
}

impl Task for MapperTask {
    type Order = MapOrder;

    fn order(&mut self, order: MapOrder) {
        let long = order.playlist.tracks.iter().filter(|track| wants_map(track));
        self.waiting = long.filter_map(|track| Some((track.path.clone()?, track.map.clone()))).collect();
        self.index = order.index;
        self.mapping = None;
        self.is_new = true;
    }

    fn step(&mut self) -> Duration {
        if std::mem::take(&mut self.is_new) {
            return FIRST;
        }
        // A file can make a library panic: it goes without a map then.
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
