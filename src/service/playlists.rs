//! Reads playlists, and notices when their files have changed: on a thread of its own, as there may
//! be many files and the card may be slow.
//!
//! Changes are found by checking sizes and times every two seconds, which works on every file
//! system and for files that appear later. A change counts once the files have stayed the same for
//! one check, and once they make a different playlist: while music is being copied, or if only
//! times have changed, nothing is reported. A change that is undone, for example when a card
//! dropped out and came back, is taken back.
//!
//! `source` is where the music may be, `sticks` are those that were put in, `stamps` what is compared.

mod source;
mod stamps;
mod sticks;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::source::{PlaylistSource, Read, Reading, in_words};
use self::stamps::{Stamps, stamps};
pub use self::sticks::StickReport;
use self::sticks::{change, is_awaited};
use super::mapper::MapCommand;
use crate::appliance::PlaylistChange;
use crate::playlist::{Loaded, PassedOver, Playlist};
use crate::worker::Task;

/// How often the files are checked: 500 of them take about 2 ms.
const LOOK: Duration = Duration::from_secs(2);

/// How often it is checked whether a stick that is in has been mounted, and how many times: 10 s.
const STICK_LOOK: Duration = Duration::from_millis(200);
const STICK_LOOKS: u32 = 50;

/// What is known of a playlist that was read, beside itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadedFrom {
    /// The folder that it was taken from.
    pub folder: PathBuf,
    /// The stick that this is, if it is one.
    pub stick: Option<String>,
    /// The other folders.
    pub passed_over: Vec<PassedOver>,
    /// What went wrong.
    pub warnings: Vec<String>,
}

/// What happened to a playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaylistReport {
    /// It was read, as commanded.
    Loaded(Arc<Playlist>, LoadedFrom),
    /// It cannot be read, for this reason.
    Failed(String),
    /// The files now make a different playlist, or one where none was.
    Changed(PlaylistChange),
    /// The files had changed, and are again the playlist that was loaded.
    Unchanged,
    /// The sticks that are in are no longer those that were last reported; at first there are none.
    Sticks(Vec<StickReport>),
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
    state_folder: Option<PathBuf>,
    source: Option<PlaylistSource>,
    is_commanded: bool,
    /// How many times a stick was awaited: at power-on alone.
    stick_looks: u32,
    /// What was last loaded by a command.
    loaded: Option<Arc<Playlist>>,
    /// The stick that it was loaded from, if it was.
    loaded_stick: Option<String>,
    /// Whether what was last loaded of the folders is a playlist. If it is gone, as while music is being
    /// copied, it stays what is played: all MP3s would be out of sync with the other boxes.
    has_list: bool,
    /// What the files are, as last reported, so that only a difference is reported.
    reported: Option<Arc<Playlist>>,
    sticks: Vec<StickReport>,
    /// The files as they were when they were last read, and as they were at the last check.
    read_stamps: Stamps,
    seen_stamps: Stamps,
}

impl PlaylistTask {
    /// Returns a task that waits for its first command. The index is saved in `state_folder` if the
    /// music can only be read.
    pub fn new(report: ReportPlaylist, command_maps: OrderMaps, state_folder: Option<PathBuf>) -> Self {
        Self {
            report,
            command_maps,
            state_folder,
            source: None,
            is_commanded: false,
            stick_looks: 0,
            loaded: None,
            loaded_stick: None,
            has_list: false,
            reported: None,
            sticks: Vec::new(),
            read_stamps: Stamps::new(),
            seen_stamps: Stamps::new(),
        }
    }

    fn read(&mut self, source: &PlaylistSource) {
        self.is_commanded = false;
        let Read { sticks, loaded, stick } = self.read_files(source);
        self.follow_sticks(sticks);
        let news = match loaded {
            Ok(Loaded { mut playlist, folder, passed_over, warnings, index, has_list, .. }) => {
                if stick.is_none() {
                    self.has_list = has_list;
                }
                // If nothing can be written the index has none of them.
                if let Some(loaded) = &self.loaded {
                    playlist.take_maps_of(loaded);
                }
                let playlist = Arc::new(playlist);
                (self.command_maps)(MapCommand { playlist: Arc::clone(&playlist), index });
                self.loaded = Some(Arc::clone(&playlist));
                self.reported = Some(Arc::clone(&playlist));
                self.loaded_stick.clone_from(&stick);
                PlaylistReport::Loaded(playlist, LoadedFrom { folder, stick, passed_over, warnings })
            }
            Err(error) => {
                // What was loaded before continues to play.
                self.reported = None;
                PlaylistReport::Failed(in_words(&error))
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
        let Read { sticks, loaded, stick } = self.read_files(source);
        self.follow_sticks(sticks);
        let now = loaded.ok().map(|loaded| loaded.playlist);
        self.remember(source);
        if now.as_ref() != self.reported.as_deref() {
            let is_as_loaded = now.is_some() && now.as_ref() == self.loaded.as_deref();
            let tracks = now.as_ref().map_or(0, |playlist| playlist.tracks.len());
            let change = change(self.loaded_stick.as_deref(), stick.as_deref().map(|stick| (stick, tracks)));
            self.reported = now.map(Arc::new);
            (self.report)(if is_as_loaded { PlaylistReport::Unchanged } else { PlaylistReport::Changed(change) });
        }
    }

    fn read_files(&self, source: &PlaylistSource) -> Read {
        let state_folder = self.state_folder.as_deref();
        source.read(Reading { state_folder, every_mp3: !self.has_list, ..Reading::default() }, &|_, _| {})
    }

    fn follow_sticks(&mut self, sticks: Vec<StickReport>) {
        if self.sticks != sticks {
            self.sticks.clone_from(&sticks);
            (self.report)(PlaylistReport::Sticks(sticks));
        }
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

    /// Returns whether the first reading waits for a stick: one that was in at power-on is to count
    /// before the box begins to play by itself.
    fn waits_for_stick(&mut self, source: &PlaylistSource) -> bool {
        let is_first = self.loaded.is_none() && self.read_stamps.is_empty() && self.stick_looks < STICK_LOOKS;
        let waits = is_first && source.sticks.as_ref().is_some_and(|place| is_awaited(place, Path::new("/")));
        self.stick_looks += u32::from(waits);
        waits
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
            if !self.is_commanded {
                self.look(&source);
            } else if self.waits_for_stick(&source) {
                return STICK_LOOK;
            } else {
                self.read(&source);
            }
        }
        LOOK
    }
}

#[cfg(test)]
mod tests;
