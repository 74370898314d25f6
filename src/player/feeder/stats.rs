//! The feeder's current figures.

use jaudiosync_time::Span;

use crate::timetable::Start;

/// Current figures, for monitoring.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FeederStats {
    /// The track that the newest block holds, and how far into it, in seconds; `None` in silence.
    pub playing: Option<(Start, f64)>,
    /// Target minus actual place, in ns; positive when the music is late.
    pub phase_error_ns: f64,
    /// Standard deviation of the model of the DAC's clock, in ns.
    pub phase_sigma_ns: f64,
    /// Speed relative to nominal, minus one, in ppb.
    pub speed_ppb: f64,
    /// By how much the DAC is slower than nominal, in ppb.
    pub dac_rate_ppb: f64,
    /// Standard deviation of one observation of the DAC, in ns.
    pub observation_noise_ns: f64,
    /// Audio that waits in the ring and in the device.
    pub buffered: Span,
    /// Drop-outs of the device.
    pub xruns: u64,
    /// Frames that came too late to be heard.
    pub late_frames: u64,
    /// How many times playing has jumped because the phase error was too large to slew, since the
    /// start.
    pub reseeks: u64,
    /// How many times the model of the device's clock had to start over.
    pub restarts: u64,
}
