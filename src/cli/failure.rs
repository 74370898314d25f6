//! Why a command failed, and its exit code.

use std::process::ExitCode;

use jaudiosync_hw::dac::DacError;

use crate::control::ClientError;
use crate::playlist::LoadError;
use crate::storage::PositionError;
use crate::timetable::TimetableError;
use crate::timetable::local_time::NamedTimeError;

/// Why a command failed. The message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// An argument makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The playlist cannot be loaded.
    #[error(transparent)]
    Playlist(#[from] LoadError),
    /// No track of the playlist can be played.
    #[error("none of the {0} tracks can be played; the messages above say why")]
    NothingPlayable(usize),
    /// The sound card cannot be used.
    #[error(transparent)]
    Device(#[from] DacError),
    /// The saved position cannot be used.
    #[error("cannot resume: {0}")]
    Resume(PositionError),
    /// The service does not answer.
    #[error(transparent)]
    Service(#[from] ClientError),
    /// Boxes of the ride have not answered.
    #[error("{0}")]
    NoAnswer(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<TimetableError> for Failure {
    fn from(error: TimetableError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<NamedTimeError> for Failure {
    fn from(error: NamedTimeError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl Failure {
    /// Returns the exit code that `--help` lists for it, 1 to 5.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Other(_) | Self::Resume(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
            Self::Playlist(_) | Self::NothingPlayable(_) => ExitCode::from(3),
            Self::Device(_) => ExitCode::from(4),
            Self::Service(_) | Self::NoAnswer(_) => ExitCode::from(5),
        }
    }
}
