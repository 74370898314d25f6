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
                (None, Some(why)) => log::warn!("the stick {} is not the one to take: {why}", stick.name),
                (None, None) => {}
            }
        }
        let is_in = |gone: &&StickReport| sticks.iter().any(|stick| stick.name == gone.name);
        for gone in self.sticks.iter().filter(|stick| !is_in(stick)) {
            log::info!("the stick {} is gone", gone.name);
        }
        self.sticks = sticks;
    }

    fn taken_stick(&self) -> Option<&str> {
        self.playlist.as_ref()?.from.stick.as_deref()
    }

    /// Returns what the status says of the sticks.
    pub(super) fn stick_statuses(&self) -> Vec<StickStatus> {
        let taken = self.taken_stick();
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
        let taken = self.taken_stick();
        self.sticks.iter().filter_map(move |stick| {
            let why = stick.trouble.as_ref().filter(|_| taken != Some(stick.name.as_str()))?;
            Some(format!("the stick {} is not taken: {why}", stick.name))
        })
    }
}
