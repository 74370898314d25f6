//! The feeder's numbers of the moment.

use jaudiosync_time::Span;

use crate::timetable::Start;

/// Numbers of the moment, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FeederStats {
    /// The rate of the device's stream, in frames a second.
    pub rate_hz: u32,
    /// The track and its offset that the newest block holds; none in silence.
    pub playing: Option<(Start, f64)>,
    /// Target minus actual place, in ns; positive when the music is late.
    pub phase_error_ns: f64,
    /// Standard deviation of the model of the DAC's clock, in ns.
    pub phase_sigma_ns: f64,
    /// Speed relative to nominal, less one, in ppb.
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
    /// Re-seeks since the beginning.
    pub reseeks: u64,
    /// Times the device's clock had to be learnt anew.
    pub restarts: u64,
}
