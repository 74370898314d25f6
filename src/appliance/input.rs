//! What comes in.

use std::sync::Arc;

use super::contacts::ContactEvent;
use super::settings::Settings;
use super::state::{PlaylistInfo, SavedPosition, Session};

/// Now. All of it is taken from one reading, so that UTC and the trust in it belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// `CLOCK_MONOTONIC_RAW`, in ns.
    pub raw_ns: i64,
    /// The timescale's UTC, in ns since the Unix epoch; the best guess there is where it is not trusted.
    pub utc_ns: i64,
    /// Whether that UTC is good enough to play in sync with others.
    pub is_trusted: bool,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// What was kept on disk, read once at power-on; before it is told nothing is played by itself.
    Restored(SavedState),
    /// A button or the jumper. A box without any gets `JumperAtPowerOn(false)`.
    Contacts(ContactEvent),
    /// A command came.
    Command(Command),
    /// The player tells something.
    Player(PlayerEvent),
    /// The playlist was read, or has changed.
    Playlist(PlaylistEvent),
    /// The Pi could not be shut down, for this reason.
    ShutDownFailed(String),
    /// The owner has chosen otherwise.
    Settings(Settings),
    /// Time has passed. At least each 100 ms.
    Tick,
}

/// What was kept on disk when the box was last on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SavedState {
    /// The session that ran.
    pub session: Option<Session>,
    /// Where this playlist was stopped.
    pub position: Option<SavedPosition>,
    /// The volume, in percent, where it is to be remembered.
    pub volume_percent: Option<u8>,
}

/// A command, from the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Play. With nothing said it does what a short press of Start does.
    Start {
        /// When the first track begins, in seconds since the Unix epoch. What lies in the past is joined under way.
        at_utc_s: Option<i64>,
        /// With which track; naming one begins afresh.
        first_track: Option<FirstTrack>,
        /// Afresh, even if Start means the common timetable.
        fresh: bool,
    },
    /// Stop.
    Stop,
    /// Go on with the track that was stopped, at the next slot of the start grid.
    Resume,
    /// Louder or quieter.
    Volume(VolumeChange),
    /// Read the playlist anew and take it over now.
    Reload,
}

/// Which track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstTrack {
    /// This one, from 0.
    Number(usize),
    /// The one that was stopped.
    Resume,
}

/// How the volume is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeChange {
    /// To so many percent.
    To(u8),
    /// By so many percent.
    By(i8),
}

/// What the player reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlayerEvent {
    /// The sound card went away, for this reason.
    DeviceLost(String),
    /// It is back.
    DeviceBack,
    /// How what is heard compares with the timetable.
    Delivery(Delivery),
}

/// How what is heard compares with a timetable that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// What should be: a track, or nothing between two.
    #[default]
    AsPlanned,
    /// Nothing yet: the track is being opened.
    Opening,
    /// Nothing: the track cannot be played.
    Silence,
}

/// What became of the playlist.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaylistEvent {
    /// It was read.
    Loaded(Arc<PlaylistInfo>),
    /// It cannot be read, for this reason.
    Failed(String),
    /// The files are no longer what was read.
    Changed,
    /// They are again what was read last.
    Unchanged,
}
