//! The thin face of ALSA that playing needs. Behind it is the kernel, or a script.

use jaudiosync_time::{Instant, Raw, Span};

use super::encoding::Encoding;

/// What a device was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// Frames per second, nominally.
    pub rate_hz: u32,
    /// How samples are stored.
    pub encoding: Encoding,
    /// Frames after which the device wakes its program.
    pub period_frames: usize,
    /// Frames that the device's buffer holds.
    pub buffer_frames: usize,
}

/// How much of what was written the device still has to take from its buffer, and when that was so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Frames in the buffer.
    pub queued_frames: u64,
    /// When the kernel read the position.
    pub stamp: Instant<Raw>,
}

/// What a running device reports of its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// What hardware's driver knows.
    Hardware(HardwarePosition),
    /// What a plugin of ALSA's makes of what it knows: frames until one that is written now is
    /// heard, as of `stamp`. It may be too many or too few.
    Estimate {
        /// Those frames.
        delay_frames: u64,
        /// When it was asked.
        stamp: Instant<Raw>,
        /// Frames that may be written.
        room_frames: u64,
    },
}

/// The position of hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HardwarePosition {
    /// As the kernel noted it last by itself: in the interrupt at the end of a period. `None` where
    /// that is not to be had, as with ALSA's plugins.
    pub noted: Option<Pair>,
    /// As the driver answers now.
    pub now: Pair,
    /// Frames that have left the buffer and are not yet heard, as the driver estimates them now;
    /// negative where it knows that it has played some of the buffer already.
    pub in_flight_frames: i64,
}

/// Why a device does not play.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PcmError {
    /// It ran out of frames, or the machine was suspended: it plays again once it is prepared.
    #[error("it ran out of frames")]
    Xrun,
    /// It is of no use until it is opened again.
    #[error("{0}")]
    Failed(String),
}

/// An opened device. It plays interleaved stereo.
pub trait Pcm: Send {
    /// Returns what it was opened with.
    fn granted(&self) -> Granted;

    /// Reads the raw clock.
    fn now(&self) -> Instant<Raw>;

    /// Waits until there is room for a period, or `patience` is over.
    ///
    /// # Errors
    /// When the device has stopped or failed.
    fn wait(&mut self, patience: Span) -> Result<(), PcmError>;

    /// Waits regardless of the device.
    fn sleep(&mut self, span: Span);

    /// Returns the position of a running device.
    ///
    /// # Errors
    /// When the device has stopped or failed.
    fn position(&mut self) -> Result<Position, PcmError>;

    /// Puts whole frames into the buffer, and returns how many it took.
    ///
    /// # Errors
    /// When the device has stopped or failed.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PcmError>;

    /// Starts to play what was written.
    ///
    /// # Errors
    /// When the device cannot.
    fn start(&mut self) -> Result<(), PcmError>;

    /// Empties the buffer and stops, ready to be written to and started.
    ///
    /// # Errors
    /// When the device cannot.
    fn prepare(&mut self) -> Result<(), PcmError>;
}
