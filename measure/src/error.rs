//! What can go wrong while measuring.

use std::io;
use std::path::PathBuf;

/// The result of anything in this crate that touches the system.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program or library of the operating system is not installed.
    #[error("{what} not found: install the package `{package}`")]
    Missing {
        /// The program or library.
        what: &'static str,
        /// Its Debian package.
        package: &'static str,
    },
    /// The private PulseAudio exited, or was not ready in time. Holds the reason and the end of its
    /// log.
    #[error("the private PulseAudio did not start: {0}")]
    Start(String),
    /// The connection to the private PulseAudio failed.
    #[error("the private PulseAudio does not answer as expected: {0}")]
    Protocol(#[from] pulseaudio::protocol::ProtocolError),
    /// The recording cannot be used.
    #[error("no usable recording: {0}")]
    Recording(&'static str),
    /// A WAV file could not be written.
    #[error("cannot write the WAV file: {0}")]
    Wav(#[from] hound::Error),
    /// A track could not be decoded.
    #[error("cannot decode {}: {reason}", path.display())]
    Track {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// This machine or this user has no network namespaces or no TAP devices. Holds which, and why.
    #[error("no virtual air here ({0}): it needs root, network namespaces and /dev/net/tun")]
    NoAir(String),
    /// The virtual air cannot do what was asked for.
    #[error("the virtual air: {0}")]
    Air(String),
    /// Any other failed call, with its purpose.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was attempted, such as "start pulseaudio".
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    /// Wraps an I/O error with what was attempted, for `map_err`.
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
