//! The playlist that is loaded.

use std::sync::Arc;

use crate::appliance::PlaylistInfo;
use crate::format::counted;
use crate::playlist::Playlist;
use crate::service::playlists::LoadedFrom;

/// This many silent tracks are named in the log; the others are counted.
const NAMED_TRACKS: usize = 20;

/// The playlist, and what every status reports of it.
pub(super) struct CurrentPlaylist {
    pub(super) playlist: Arc<Playlist>,
    /// What the machine knows of it.
    pub(super) info: Arc<PlaylistInfo>,
    pub(super) silent_tracks: usize,
    pub(super) from: LoadedFrom,
}

impl CurrentPlaylist {
    /// Logs where it is from and what is wrong with it, once.
    pub(super) fn new(playlist: Arc<Playlist>, from: LoadedFrom) -> Self {
        from.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let silent_tracks = playlist.tracks.iter().filter(|track| track.problem.is_some()).count();
        for problem in playlist.problems(NAMED_TRACKS, |_| "its slot stays silent".to_owned()) {
            log::warn!("{problem}");
        }
        let info = Arc::new(PlaylistInfo {
            name: playlist.name.clone(),
            lengths: playlist.lengths().into(),
            fingerprint: playlist.fingerprint().to_string(),
        });
        let current = Self { playlist, info, silent_tracks, from };
        log::info!("{}; it is from {}", current.describe(), current.from.folder.display());
        current.from.passed_over.iter().for_each(|other| log::info!("not taken: {other}"));
        current
    }

    pub(super) fn describe(&self) -> String {
        let PlaylistInfo { name, lengths, fingerprint } = self.info.as_ref();
        format!("the playlist {name} has {}, fingerprint {fingerprint}", counted(lengths.len(), "track"))
    }
}

impl std::ops::Deref for CurrentPlaylist {
    type Target = Playlist;

    fn deref(&self) -> &Playlist {
        &self.playlist
    }
}
