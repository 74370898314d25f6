//! `jaudiosync index`: makes the saved index, with the maps of long files.

use crate::format;
use clap::Args;
use serde_json::json;

use super::playlist_options::{How, PlaylistOptions};
use super::{Failure, output};

/// Make the saved index of a playlist
///
/// The index keeps tags and exact lengths in one readable file beside the playlist. It travels with the music, so that
/// all boxes agree. `play` and `list` use it for every file that has not changed since, and make it where there is
/// none.
///
/// This command also maps files over 20 MB, such as sets of hours: it notes which part of the music lies where. Each such file is
/// read as a whole for that, once (0.6 s for 400 MB from a fast disk). A set that is joined in the middle is then heard after a
/// moment; without its map, the box first has to read the file up to that place.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  jaudiosync index\n  jaudiosync index --rebuild --music /media/usb/Music")]
pub(super) struct IndexCommand {
    #[command(flatten)]
    playlist: PlaylistOptions,

    /// Look into every file, whatever the present index says
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
                "{}: {} tracks ({} looked into, {silent} silent), {}, fingerprint {}",
                loaded.index.display(),
                playlist.tracks.len(),
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
