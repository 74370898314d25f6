//! The DAC: where frames become sound, and the only place that knows when they do.
//!
//! A [`Dac`] opens a stream that pulls stereo frames from a [`Renderer`] for as long as it lives,
//! and reports with every buffer when its first frame will be heard. What the frames hold is up to
//! the renderer.

pub mod alsa;
pub mod cards;
mod chosen;
mod sample_format;
mod simulated;
mod sound_card;
mod sound_server;

use std::sync::mpsc::Sender;

use jaudiosync_time::{Instant, Raw, Span};

pub use chosen::{Backend, ChosenDac, SinkOptions};
pub use simulated::{Heard, Imperfections, SimulatedDac};
pub use sound_card::SoundCard;
pub use sound_server::SoundServer;

/// Rates to open a stream with, best first. The music is resampled in any case.
const RATES_HZ: [u32; 4] = [48_000, 44_100, 96_000, 88_200];

/// Channels of every stream: left and right, interleaved.
pub const CHANNELS: usize = 2;

/// When a frame was heard or will be, as the device reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// How many frames it lies before the first one of the buffer that is being filled.
    pub frames_before: u64,
    /// When it reaches the output.
    pub heard: Instant<Raw>,
}

/// What is known of the timing of a buffer that is being filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferTiming {
    /// When this was read.
    pub raw: Instant<Raw>,
    /// When some frame is heard; `None` where the device has nothing new to say, as while it is not
    /// running yet (at the start and after an xrun).
    pub observed: Option<Observed>,
    /// Xruns of the device since the stream was opened. After each one, positions start over.
    pub xruns: u64,
}

/// What fills the device's buffers. It runs on the device's own thread: no lock, allocation, log or
/// I/O.
pub trait Renderer: Send {
    /// Fills `output` (interleaved stereo, full scale is ±1.0), whose timing is known as `timing`
    /// says.
    fn render(&mut self, timing: BufferTiming, output: &mut [f32]);
}

/// What a stream was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamFormat {
    /// Frames per second, nominally; the device's crystal decides.
    pub rate_hz: u32,
    /// What the device's own timing leaves out.
    pub hardware_latency: HardwareLatency,
}

/// How long a frame is in hardware of which the driver reports nothing, as far as that is known.
/// What is known is part of every [`Observed::heard`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HardwareLatency {
    /// The known part.
    pub known: Span,
    /// Whether that is all of it.
    pub is_complete: bool,
}

impl HardwareLatency {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { known: Span::ZERO, is_complete: false };

    /// The device's timing leaves out nothing.
    pub const NONE: Self = Self { known: Span::ZERO, is_complete: true };

    /// Returns the known part in ms, to the microsecond; `None` if nothing is known.
    pub fn known_ms(self) -> Option<f64> {
        (self != Self::UNKNOWN).then(|| (self.known.ms() * 1e3).round() * 1e-3)
    }
}

/// Makes the renderer once the format is known.
pub type MakeRenderer<'a> = Box<dyn FnOnce(StreamFormat) -> Box<dyn Renderer> + 'a>;

/// An open stream. Dropping it closes the device.
pub trait DacStream: Send {
    /// Returns what it was opened with.
    fn format(&self) -> StreamFormat;
}

/// A device that can play.
pub trait Dac: Send {
    /// Returns the name to show and to reopen it by.
    fn name(&self) -> String;

    /// Opens the device and starts to pull from the renderer. A fault that ends the stream later is
    /// sent to `faults`; the stream is useless after that.
    ///
    /// # Errors
    /// When there is no such device, it is busy, or it plays none of the known formats.
    fn open(&self, make_renderer: MakeRenderer<'_>, faults: Sender<DacError>) -> Result<Box<dyn DacStream>, DacError>;
}

/// Why a device cannot play, or no longer can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DacError {
    /// There is no device of that name, and these cards are there.
    #[error(transparent)]
    NoSuchOutput(#[from] cards::NoSuchOutput),
    /// None is named, and none of the cards may be taken.
    #[error(transparent)]
    NothingToTake(#[from] cards::NothingToTake),
    /// There is no device of that name.
    #[error("no sound output named \"{0}\"; `jaudiosync devices` lists what there is")]
    NotFound(String),
    /// The device was there and went away, or cannot be opened now.
    #[error("the sound output \"{name}\" cannot be used: {reason}")]
    Unavailable {
        /// The device.
        name: String,
        /// What the system reports.
        reason: String,
    },
    /// The card is there, but something better may still appear.
    #[error("{card} is taken {after_s} s after power-on, if no HAT or USB card has appeared by then")]
    NotTakenYet {
        /// The card's id.
        card: String,
        /// When it will be taken, in seconds after power-on.
        after_s: i64,
    },
    /// The device plays none of the known sample formats.
    #[error("the sound output \"{0}\" offers no usable stereo format")]
    NoFormat(String),
}
