//! The playlist, as far as the machine knows it: being read, read, or not readable.

use std::sync::Arc;

use super::super::input::PlaylistChange;
use super::super::state::PlaylistInfo;

/// The playlist. One that was read stays in use while another is being read, or cannot be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PlaylistState {
    /// It is being read: nothing begins until that is done.
    Reading {
        /// What was read before.
        before: Option<Known>,
        /// Why it could not be read the last time.
        problem: Option<String>,
    },
    /// It was read.
    Read(Known),
    /// It cannot be read.
    Failed {
        /// What was read before.
        before: Option<Known>,
        /// Why it cannot be read.
        problem: String,
    },
}

/// A playlist that was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    info: Arc<PlaylistInfo>,
    /// What has changed since: the next start reads it again.
    change: Option<PlaylistChange>,
}

impl PlaylistState {
    /// Returns the state at power-on: it is being read already.
    pub(super) fn new() -> Self {
        Self::Reading { before: None, problem: None }
    }

    fn known(&self) -> Option<&Known> {
        match self {
            Self::Reading { before, .. } | Self::Failed { before, .. } => before.as_ref(),
            Self::Read(known) => Some(known),
        }
    }

    fn known_mut(&mut self) -> Option<&mut Known> {
        match self {
            Self::Reading { before, .. } | Self::Failed { before, .. } => before.as_mut(),
            Self::Read(known) => Some(known),
        }
    }

    /// Takes out what is known, leaving a playlist that is being read.
    fn take(&mut self) -> Option<Known> {
        match std::mem::replace(self, Self::new()) {
            Self::Reading { before, .. } | Self::Failed { before, .. } => before,
            Self::Read(known) => Some(known),
        }
    }

    /// Returns what was read last, whatever has happened since.
    pub(super) fn info(&self) -> Option<&Arc<PlaylistInfo>> {
        self.known().map(|known| &known.info)
    }

    /// Returns what can be played now, or `None` while it is being read.
    pub(super) fn playable(&self) -> Option<&Arc<PlaylistInfo>> {
        self.info().filter(|_| !self.is_being_read())
    }

    pub(super) fn is_being_read(&self) -> bool {
        matches!(self, Self::Reading { .. })
    }

    /// Returns what has changed since it was read.
    pub(super) fn change(&self) -> Option<&PlaylistChange> {
        self.known()?.change.as_ref()
    }

    /// Returns whether it is no longer as it was read.
    pub(super) fn is_stale(&self) -> bool {
        self.change().is_some()
    }

    /// Returns why it cannot be read; the reason stays until it can.
    pub(super) fn problem(&self) -> Option<&str> {
        match self {
            Self::Reading { problem, .. } => problem.as_deref(),
            Self::Read(_) => None,
            Self::Failed { problem, .. } => Some(problem),
        }
    }

    /// Notes that it is about to be read again.
    pub(super) fn read_again(&mut self) {
        let problem = self.problem().map(str::to_owned);
        let before = self.take().map(|known| Known { change: None, ..known });
        *self = Self::Reading { before, problem };
    }

    /// Notes that it was read, and returns what it was before. If it changed while it was being
    /// read it is stale already.
    pub(super) fn loaded(&mut self, info: Arc<PlaylistInfo>) -> Option<Arc<PlaylistInfo>> {
        let before = self.take();
        let change = before.as_ref().and_then(|known| known.change.clone());
        *self = Self::Read(Known { info, change });
        before.map(|known| known.info)
    }

    /// Notes that it cannot be read.
    pub(super) fn failed(&mut self, problem: String) {
        *self = Self::Failed { before: self.take(), problem };
    }

    /// Notes what has changed, and returns whether anything had been read before.
    pub(super) fn changed(&mut self, change: PlaylistChange) -> bool {
        self.known_mut().map(|known| known.change = Some(change)).is_some()
    }

    /// Notes that the files are again as they were read, and returns whether anything had been.
    pub(super) fn unchanged(&mut self) -> bool {
        let is_being_read = self.is_being_read();
        let Some(known) = self.known_mut() else { return false };
        known.change = None;
        if is_being_read {
            *self = Self::Reading { before: self.take(), problem: None };
        } else if let Some(known) = self.take() {
            *self = Self::Read(known);
        }
        true
    }
}
