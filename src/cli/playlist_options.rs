//! The options that name a playlist, and how it is loaded, with a progress bar and messages.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, output};
use crate::format;
use crate::playlist::{LoadOptions, Loaded, Playlist, Track, load};

/// Up to this many bytes a progress bar would only flicker: some 20 files, or part of a long one.
const SILENT_BYTES: u64 = 1_500_000;

/// How many silent tracks are named; the others are counted.
const NAMED_TRACKS: usize = 20;

#[derive(Debug, Args)]
pub(super) struct PlaylistOptions {
    /// Folder that holds the music and the playlist
    #[arg(long, value_name = "DIR", default_value = "Music")]
    pub music: PathBuf,

    /// Name of the playlist in the Music folder, with or without .m3u8 or .m3u
    #[arg(long, value_name = "NAME", default_value = "Playlist")]
    pub playlist_name: String,
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
        let options = LoadOptions {
            music: self.music.clone(),
            name: self.playlist_name.clone(),
            index_folder: None,
            every_mp3: true,
            trust_index: how == How::TrustIndex,
            rebuild: how == How::Rebuild,
            make_maps: matches!(how, How::Rebuild | How::WithMaps),
        };
        let bar = ProgressBar::hidden();
        let loaded = load(&options, &|done, of| {
            if of > SILENT_BYTES {
                show_progress(&bar, done, of);
            }
        })?;
        bar.finish_and_clear();
        loaded.warnings.iter().for_each(output::warn);
        report_problems(&loaded.playlist);
        Ok(loaded)
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
