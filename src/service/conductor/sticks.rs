//! The sticks that are in: what the log and the status say of them.

use super::Conductor;
use crate::control::protocol::StickStatus;
use crate::format::counted;
use crate::service::playlists::StickReport;

impl Conductor {
    /// Takes in which sticks are in now, and logs what has changed.
    pub(super) fn follow_sticks(&mut self, sticks: Vec<StickReport>) {
        for stick in sticks.iter().filter(|stick| !self.sticks.contains(stick)) {
            match (&stick.tracks, &stick.trouble) {
                (Some(tracks), _) => log::info!("the stick {} is in, with {}", stick.name, counted(*tracks, "track")),
                (None, Some(why)) => log::warn!("the stick {} is not taken: {why}", stick.name),
                (None, None) => {}
            }
        }
        let is_in = |gone: &&StickReport| sticks.iter().any(|stick| stick.name == gone.name);
        for gone in self.sticks.iter().filter(|stick| !is_in(stick)) {
            log::info!("the stick {} is gone", gone.name);
        }
        self.sticks = sticks;
    }

    pub(super) fn stick_statuses(&self) -> Vec<StickStatus> {
        let taken = self.playlist.as_ref().and_then(|playlist| playlist.from.stick.as_deref());
        let status = |stick: &StickReport| StickStatus {
            name: stick.name.clone(),
            tracks: stick.tracks,
            taken: taken == Some(stick.name.as_str()),
            offered: stick.tracks.is_some() && taken != Some(stick.name.as_str()),
            trouble: stick.trouble.clone(),
        };
        self.sticks.iter().map(status).collect()
    }

    /// Returns which sticks are not taken, and why.
    pub(super) fn stick_warnings(&self) -> impl Iterator<Item = String> {
        self.sticks.iter().filter_map(|stick| {
            let why = stick.trouble.as_ref()?;
            Some(format!("the stick {} is not taken: {why}", stick.name))
        })
    }
}
