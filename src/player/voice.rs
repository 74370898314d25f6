//! One track being played: decoder, resampler and phase lock together.

use super::decoder::DecodeError;
use super::library::TrackSource;
use super::phase_lock::{Steering, steer};
use super::resampler::{ResampleError, Resampler};
use super::ring::BLOCK_FRAMES;
use jaudiosync_hw::dac::CHANNELS;

/// The samples of one block.
type BlockSamples = [f32; BLOCK_FRAMES * CHANNELS];

/// Where in a track the DAC's next frames belong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    /// Of the next frame, in seconds since the slot began.
    pub now_s: f64,
    /// By how much faster than the DAC's nominal rate the place moves on, as a fraction.
    pub drift: f64,
}

/// A track that is open, and may be playing.
pub(super) struct Voice {
    source: Box<dyn TrackSource>,
    resampler: Resampler,
    fade_in: bool,
    fade_out_then_reseek: bool,
}

/// What a block did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BlockReport {
    /// Where the music should have been less where it was, in ns, at the block's first frame.
    pub phase_error_ns: f64,
    /// Speed relative to nominal.
    pub speed: f64,
    /// The place was taken anew, because the phase error was this, in ns.
    pub reseeked_from_ns: Option<f64>,
}

impl Voice {
    pub(super) fn new(source: Box<dyn TrackSource>, device_rate_hz: u32) -> Result<Self, ResampleError> {
        let resampler = Resampler::new(source.rate_hz(), device_rate_hz, source.channels())
            .map_err(|error| ResampleError::Decode(DecodeError::Format(error.to_string())))?;
        Ok(Self { source, resampler, fade_in: false, fade_out_then_reseek: false })
    }

    /// Prepares so that the next block begins at this place. `fade_in` where the place is not the track's beginning.
    pub(super) fn start_at(&mut self, target_s: f64, fade_in: bool) -> Result<(), ResampleError> {
        let position = target_s * f64::from(self.source.rate_hz());
        self.resampler.start_at(position, self.source.as_mut())?;
        self.fade_in = fade_in;
        Ok(())
    }

    /// Seconds since the track's beginning, of the next frame.
    pub(super) fn position_s(&self) -> f64 {
        self.resampler.position() / f64::from(self.source.rate_hz())
    }

    /// Makes the next block, and steers it towards the target.
    pub(super) fn next_block(&mut self, target: Target, out: &mut BlockSamples) -> Result<BlockReport, ResampleError> {
        let error_s = target.now_s - self.position_s();
        let mut reseeked_from_ns = None;
        let mut fade = if std::mem::take(&mut self.fade_in) { Fade::In } else { Fade::None };
        let speed = match steer(error_s, target.drift) {
            Steering::Speed(speed) => speed,
            // One block fades out where it is, the next one fades in where it should be.
            Steering::Reseek if !self.fade_out_then_reseek && fade == Fade::None => {
                self.fade_out_then_reseek = true;
                fade = Fade::Out;
                1.0
            }
            Steering::Reseek => {
                self.start_at(target.now_s, true)?;
                self.fade_in = false;
                reseeked_from_ns = Some(error_s * 1e9);
                fade = Fade::In;
                1.0
            }
        };
        if fade != Fade::Out {
            self.fade_out_then_reseek = false;
        }
        let channels = self.source.channels();
        let block = self.resampler.next_block(speed, self.source.as_mut())?;
        for (index, (frame, source)) in out.chunks_exact_mut(CHANNELS).zip(block.chunks_exact(channels)).enumerate() {
            let gain = fade.gain(index);
            for (channel, sample) in frame.iter_mut().enumerate() {
                *sample = gain * source.get(channel).or(source.first()).copied().unwrap_or(0.0);
            }
        }
        let phase_error_ns = if reseeked_from_ns.is_some() { 0.0 } else { error_s * 1e9 };
        Ok(BlockReport { phase_error_ns, speed, reseeked_from_ns })
    }
}

/// A fade lasts one block: some 5 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fade {
    None,
    In,
    Out,
}

impl Fade {
    /// A raised cosine over one block: it has no corner that could click.
    fn gain(self, index: usize) -> f32 {
        let phase = (index as f32 + 0.5) / BLOCK_FRAMES as f32;
        let rising = 0.5 - 0.5 * (std::f32::consts::PI * phase).cos();
        match self {
            Self::None => 1.0,
            Self::In => rising,
            Self::Out => 1.0 - rising,
        }
    }
}
