//! `jaudiosync index`: builds the saved index, with the maps of long files.

use clap::Args;
use serde_json::json;

use super::playlist_options::{How, PlaylistOptions};
use super::{Failure, output};
use crate::format;

/// Build the saved index of a playlist
///
/// The index holds tags and exact lengths, in one readable file beside the playlist. It travels
/// with the music, so that all boxes agree. `play` and `list` use it for every file that has not
/// changed since, and build it if there is none.
///
/// This command also maps files over 20 MB, such as sets of several hours: it records where in the
/// file each part of the music lies. That takes one pass over the whole file (0.6 s for 400 MB from
/// a fast disk). A box that joins such a set in the middle then plays within a moment; without the
/// map it first has to read the file up to that point.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  jaudiosync index\n  jaudiosync index --rebuild --music /media/usb/Music")]
pub(super) struct IndexCommand {
    #[command(flatten)]
    playlist: PlaylistOptions,

    /// Read every file again, whatever the present index says
    #[arg(long)]
    rebuild: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl IndexCommand {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let loaded = self.playlist.load(if self.rebuild { How::Rebuild } else { How::WithMaps })?;
        let playlist = &loaded.playlist;
        let silent = playlist.tracks.iter().filter(|track| track.problem.is_some()).count();
        if self.json {
            output::say_pretty_json(&json!({
                "playlist": playlist.name,
                "index": loaded.index.to_string_lossy(),
                "tracks": playlist.tracks.len(),
                "silent": silent,
                "inspected": loaded.inspected,
                "runtime_s": playlist.runtime_s(),
                "fingerprint": playlist.fingerprint().to_string(),
            }))?;
        } else {
            output::say(format_args!(
                "{}: {} ({} read, {silent} silent), {}, fingerprint {}",
                loaded.index.display(),
                format::counted(playlist.tracks.len(), "track"),
                loaded.inspected,
                format::duration(playlist.runtime_s()),
                playlist.fingerprint(),
            ));
        }
        match loaded.index_error {
            Some(error) => Err(Failure::Other(format!("the index was not written: {error}"))),
            None => Ok(()),
        }
    }
}
