//! What is not as it should be, and why a request is not carried out: in words, for people.

use jaudiosync_hw::buttons::Button;

use super::gesture::IgnoredBecause;
use super::input::PlaylistChange;
use crate::format::counted;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// It plays without knowing the time.
    #[error("the time is not trusted, so this box is not in sync; connect it to a network or a GPS receiver once")]
    NotInSync,
    /// The playlist cannot be read: a sentence of its own.
    #[error("{0}")]
    PlaylistFailed(String),
    /// The playlist's files have changed.
    #[error("the playlist has changed; it is taken over at the next start, or by `jaudiosync reload`")]
    PlaylistChanged,
    /// A stick with music is in.
    #[error(
        "the stick {name} is offered, with {}; it is taken at the next start, or by `jaudiosync reload`",
        counted(*.tracks, "track")
    )]
    StickOffered {
        /// What it is called.
        name: String,
        /// How many tracks it has.
        tracks: usize,
    },
    /// The stick that was played is no longer in.
    #[error(
        "the stick {0} is gone: its music is silence until it is back; the box's own music is taken at the next start, \
         or by `jaudiosync reload`"
    )]
    StickGone(String),
    /// The track that was to be the first is no longer there.
    #[error("the playlist no longer has track {0}; beginning with track 0")]
    TrackGone(usize),
    /// The sound card has gone.
    #[error("the sound card is gone: {0}; playing resumes when it is back")]
    DeviceLost(String),
    /// The sound card is not taken yet, as a better one may appear.
    #[error("no sound card plays yet: {0}")]
    DeviceAwaited(String),
    /// A button is ignored.
    #[error("the {0} button is ignored until it is released: {1}")]
    ButtonIgnored(Button, IgnoredBecause),
    /// The buttons cannot be read.
    #[error("the buttons cannot be read: {0}; `jaudiosync start` and `stop` still work")]
    InputsUnreadable(String),
    /// The Pi does not shut down.
    #[error("the Pi cannot be shut down: {0}")]
    ShutDownFailed(String),
}

impl From<PlaylistChange> for Warning {
    fn from(change: PlaylistChange) -> Self {
        match change {
            PlaylistChange::Files => Self::PlaylistChanged,
            PlaylistChange::StickIn { name, tracks } => Self::StickOffered { name, tracks },
            PlaylistChange::StickOut { name } => Self::StickGone(name),
        }
    }
}

/// Why a request is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such track.
    #[error("there is no track {track}; the playlist's tracks are 0 to {last}")]
    NoSuchTrack {
        /// The track asked for.
        track: usize,
        /// The playlist's last track.
        last: usize,
    },
    /// The playlist that was to begin then is over by now.
    #[error("a playlist that began then is over by now; name a later time")]
    AlreadyOver,
    /// A sound check without a trusted time.
    #[error("the time is not trusted yet, so this box would not take its own turn; see: jaudiosync status")]
    NoTimeForSoundCheck,
    /// Nothing has been stopped yet.
    #[error("no position is saved yet; it is saved when playing is stopped")]
    NoPosition,
    /// The Pi shuts down.
    #[error("the box is shutting down")]
    ShuttingDown,
}
