//! The options that name a playlist, and loading it with a progress bar and messages.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, output};
use crate::format;
use crate::playlist::{LoadOptions, Loaded, Playlist, Track, load};

/// Bytes that are read so quickly that a bar would only flicker: some 20 files, or a part of a long one.
const SILENT_BYTES: u64 = 1_500_000;

/// So many silent tracks are named; the others are counted.
const NAMED_TRACKS: usize = 20;

#[derive(Debug, Args)]
pub(super) struct PlaylistOptions {
    /// Folder with the music and the playlist
    #[arg(long, value_name = "DIR", default_value = "Music")]
    pub music: PathBuf,

    /// Which playlist of the Music folder, with or without .m3u8 or .m3u
    #[arg(long, value_name = "NAME", default_value = "Playlist")]
    pub playlist_name: String,
}

/// How much of a playlist's files is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// None: the index is trusted.
    TrustIndex,
    /// What the index does not know.
    New,
    /// The same, and long files are gone through to map their frames.
    WithMaps,
    /// Everything.
    Rebuild,
}

impl How {
    pub(super) fn quick(trust_index: bool) -> Self {
        if trust_index { Self::TrustIndex } else { Self::New }
    }
}

impl PlaylistOptions {
    /// Load the playlist. What is wrong with it is said on standard error, each thing once.
    pub(super) fn load(&self, how: How) -> Result<Loaded, Failure> {
        let options = LoadOptions {
            music: self.music.clone(),
            name: self.playlist_name.clone(),
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

    /// Load a playlist that is to be played: some track must be playable.
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
        // On anything but a terminal indicatif draws nothing.
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    }
    bar.set_position(done);
}

fn report_problems(playlist: &Playlist) {
    let slot = |track: &Track| match track.length {
        Some(length) => format!("its slot of {} stays silent", format::duration(length.seconds().ceil() as i64)),
        None => "its length is unknown, so that boxes which have it will be elsewhere".to_owned(),
    };
    playlist.problems(NAMED_TRACKS, slot).for_each(output::warn);
}
