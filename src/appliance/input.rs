//! What comes in: everything that can happen to the appliance.

use std::sync::Arc;

use jaudiosync_time::{Instant, Raw, Utc};

use super::contacts::ContactEvent;
use super::settings::Settings;
use super::state::{PlaylistInfo, SavedPosition, Session};

/// The present. All of it is from one reading, so that UTC and the trust in it belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The raw clock.
    pub raw: Instant<Raw>,
    /// UTC; the best guess there is while it is not trusted.
    pub utc: Instant<Utc>,
    /// Whether that UTC is believed: what plays follows from it, and is not decided again.
    pub is_trusted: bool,
    /// Whether it is also known well enough to say that what plays is in sync with others.
    pub is_in_sync: bool,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The state that was saved on disk, read once at power-on; before that nothing starts playing
    /// on its own.
    Restored(SavedState),
    /// A button or the jumper. A box that has neither gets `JumperAtPowerOn(false)`.
    Contacts(ContactEvent),
    /// A command came.
    Command(Command),
    /// A report of the player.
    Player(PlayerEvent),
    /// The playlist was read, or has changed.
    Playlist(PlaylistEvent),
    /// The Pi could not be shut down, for this reason.
    ShutDownFailed(String),
    /// The owner has changed the settings.
    Settings(Settings),
    /// Time has passed. It comes at least every 100 ms.
    Tick,
}

/// The state that was on disk when the box was last on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SavedState {
    /// The session that ran.
    pub session: Option<Session>,
    /// Where this playlist was stopped.
    pub position: Option<SavedPosition>,
    /// The volume, in percent, if it is to be remembered.
    pub volume_percent: Option<u8>,
}

/// A command, from the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Play. Without any fields set it does the same as a short press of Start.
    Start {
        /// When the first track begins, in seconds since the Unix epoch. A start in the past is
        /// joined under way.
        at_utc_s: Option<i64>,
        /// Which track comes first; naming one begins a new timetable.
        first_track: Option<FirstTrack>,
        /// Begin from the first track, even if Start means the common timetable.
        fresh: bool,
    },
    /// Stop.
    Stop,
    /// Join a timetable that is under way, at the next slot of the start grid.
    Join {
        /// Which; `None` for the common one, whatever a press of Start means.
        session: Option<Session>,
    },
    /// Resume the track that was stopped, at the next slot of the start grid.
    Resume,
    /// Louder or quieter.
    Volume(VolumeChange),
    /// Read the playlist again and apply it now.
    Reload,
    /// Take part in a sound check for this many minutes after the present one, 1 to
    /// [`MOST_MINUTES`](crate::sound_check::MOST_MINUTES).
    SoundCheck {
        /// How many.
        minutes: u8,
    },
    /// Show which box this is.
    Identify,
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
    /// To this many percent.
    To(u8),
    /// By this many percent.
    By(i8),
    /// By the factor that makes one volume of another, so that boxes of different volumes stay so.
    /// What rounding takes is remembered.
    Scale {
        /// What becomes `to_percent`, 0 to 100.
        from_percent: u8,
        /// What `from_percent` becomes, 0 to 100.
        to_percent: u8,
    },
}

/// What the player reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlayerEvent {
    /// The sound card went away, for this reason.
    DeviceLost(String),
    /// No sound card has been taken yet, for this reason.
    DeviceAwaited(String),
    /// It is there, or back.
    DeviceBack,
    /// How what is heard compares with the timetable.
    Delivery(Delivery),
}

/// How what is heard compares with a timetable that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// As it should be: a track, or the silence between two.
    #[default]
    AsPlanned,
    /// Nothing yet: the track is being opened.
    Opening,
    /// Nothing: the track cannot be played.
    Silence,
}

/// What has changed since a playlist was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaylistChange {
    /// Its files.
    Files,
    /// A stick was put in, which comes first.
    StickIn {
        /// What it is called.
        name: String,
        /// How many tracks it has.
        tracks: usize,
    },
    /// The stick that it was read from is gone.
    StickOut {
        /// What it is called.
        name: String,
    },
}

/// What happened to the playlist.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaylistEvent {
    /// It was read.
    Loaded(Arc<PlaylistInfo>),
    /// It cannot be read, for this reason.
    Failed(String),
    /// What is to be played is no longer as it was read.
    Changed(PlaylistChange),
    /// The files are again as they were last read.
    Unchanged,
}
