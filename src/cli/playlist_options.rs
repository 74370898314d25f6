//! The options that name a playlist, and how it is loaded, with a progress bar and messages.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, output};
use crate::config;
use crate::format;
use crate::playlist::{Loaded, Playlist, Track, USUAL_NAME};
use crate::service::playlists::{PlaylistSource, Reading};
use crate::service::settings::playlist_source;
use crate::storage::service_state_folder;

/// Up to this many bytes a progress bar would only flicker: some 20 files, or part of a long one.
const SILENT_BYTES: u64 = 1_500_000;

/// How many silent tracks are named; the others are counted.
const NAMED_TRACKS: usize = 20;

/// The Music folder where none is named, if it is there.
const HERE: &str = "Music";

#[derive(Debug, Args)]
pub(super) struct PlaylistOptions {
    /// Folder that holds the music and the playlist; can be given several times: the first that has
    /// a playlist is taken [default: Music, or where there is none, as configured]
    #[arg(long, value_name = "DIR")]
    pub music: Vec<PathBuf>,

    /// Name of the playlist in the Music folder, with or without .m3u8 or .m3u [default: Playlist,
    /// or where there is no folder Music, as configured]
    #[arg(long, value_name = "NAME")]
    pub playlist_name: Option<String>,
}

/// Which of a playlist's files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// None: the index is trusted.
    TrustIndex,
    /// Those that the index does not know.
    New,
    /// Those that the index does not know, and long files, to map their frames.
    WithMaps,
    /// All.
    Rebuild,
}

impl How {
    pub(super) fn quick(trust_index: bool) -> Self {
        if trust_index { Self::TrustIndex } else { Self::New }
    }
}

impl PlaylistOptions {
    /// Loads the playlist. Its problems are printed on standard error, once each.
    pub(super) fn load(&self, how: How) -> Result<Loaded, Failure> {
        let (source, state_folder) = self.source();
        let reading = Reading {
            state_folder: state_folder.as_deref(),
            every_mp3: true,
            trust_index: how == How::TrustIndex,
            rebuild: how == How::Rebuild,
            make_maps: matches!(how, How::Rebuild | How::WithMaps),
        };
        let bar = ProgressBar::hidden();
        let read = source.read(reading, &|done, of| {
            if of > SILENT_BYTES {
                show_progress(&bar, done, of);
            }
        });
        let loaded = read.loaded?;
        bar.finish_and_clear();
        loaded.warnings.iter().for_each(output::warn);
        report_problems(&loaded.playlist);
        Ok(loaded)
    }

    /// Returns what to load, and where its index is saved if the music can only be read. Without a
    /// Music folder it is what the box plays.
    fn source(&self) -> (PlaylistSource, Option<PathBuf>) {
        let named = self.playlist_name.clone();
        if self.music.is_empty() && !Path::new(HERE).is_dir() {
            let layers = config::load(None);
            let configured = playlist_source(layers.config());
            if configured.folders.iter().chain(&configured.sticks).any(|place| place.is_dir()) {
                let state_folder = service_state_folder(layers.config().state.folder());
                let name = named.unwrap_or_else(|| configured.name.clone());
                return (PlaylistSource { name, ..configured }, state_folder);
            }
        }
        let folders = if self.music.is_empty() { vec![PathBuf::from(HERE)] } else { self.music.clone() };
        (PlaylistSource { folders, name: named.unwrap_or_else(|| USUAL_NAME.to_owned()), sticks: None }, None)
    }

    /// Loads a playlist for playing: at least one track must be playable.
    pub(super) fn load_playable(&self, trust_index: bool) -> Result<Loaded, Failure> {
        let loaded = self.load(How::quick(trust_index))?;
        let tracks = &loaded.playlist.tracks;
        if tracks.iter().all(|track| track.problem.is_some()) {
            return Err(Failure::NothingPlayable(tracks.len()));
        }
        Ok(loaded)
    }
}

fn show_progress(bar: &ProgressBar, done: u64, of: u64) {
    if bar.length() != Some(of) {
        bar.set_length(of);
        if let Ok(style) = ProgressStyle::with_template("Indexing {bar:40} {percent} %, {eta} left") {
            bar.set_style(style);
        }
        // indicatif draws only on a terminal.
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    }
    bar.set_position(done);
}

fn report_problems(playlist: &Playlist) {
    let slot = |track: &Track| match track.length {
        Some(length) => format!("its slot of {} stays silent", format::duration(length.seconds().ceil() as i64)),
        None => "its length is unknown, so this box will be out of step with boxes that have it".to_owned(),
    };
    playlist.problems(NAMED_TRACKS, slot).for_each(output::warn);
}
