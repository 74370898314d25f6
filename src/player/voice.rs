//! One track being played: what the loader has decoded of it, resampler and phase lock together.

use super::decoder::DecodeError;
use super::library::Library;
use super::loader::{Order, OrderLoader};
use super::pcm_queue::{FeederEnd, Holds, Opening, pcm_queue};
use super::phase_lock::{Steering, steer};
use super::resampler::{ResampleError, Resampler};
use super::ring::BLOCK_FRAMES;
use crate::timetable::Start;
use jaudiosync_hw::dac::CHANNELS;
use std::sync::Arc;

/// The samples of one block.
type BlockSamples = [f32; BLOCK_FRAMES * CHANNELS];

/// By how much earlier than a place the loader is asked to begin, in ns: what the resampler's filter needs before it.
const BEFORE_NS: i64 = 20_000_000;

/// Where in a track the DAC's next frames belong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    /// Of the next frame, in seconds since the slot began.
    pub now_s: f64,
    /// By how much faster than the DAC's nominal rate the place moves on, as a fraction.
    pub drift: f64,
}

/// A slot's track, which is being opened, is open, or plays.
pub(super) struct Voice {
    pub slot: Start,
    queue: FeederEnd,
    order_loader: OrderLoader,
    open: Option<Open>,
    /// The place is to be taken anew, because the phase error was this, in ns.
    pub left_at_ns: Option<f64>,
}

/// What is there of a track that is open.
struct Open {
    rate_hz: u32,
    channels: usize,
    resampler: Box<Resampler>,
    fade_in: bool,
}

/// Whether a voice can begin to play somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Readiness {
    /// At once.
    Ready,
    /// It is being opened, or the place is being looked for.
    Opening,
    /// Never: the track is known to be silence.
    Silent,
    /// Never, for this reason.
    Failed(String),
}

/// What a block did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BlockReport {
    /// Target minus actual place, in ns, at the block's first frame; positive when the music is late.
    pub phase_error_ns: f64,
    /// Speed relative to nominal.
    pub speed: f64,
}

impl Voice {
    /// Have a slot's track opened, of which `wanted_s` (seconds since its beginning) is wanted first.
    pub(super) fn open(
        slot: Start,
        library: Arc<dyn Library>,
        device_rate_hz: u32,
        wanted_s: f64,
        order_loader: OrderLoader,
    ) -> Self {
        let (feeder_end, queue) = pcm_queue(wanted_ns(wanted_s));
        order_loader(Order::Open { library, track: slot.track, device_rate_hz, queue });
        Self { slot, queue: feeder_end, order_loader, open: None, left_at_ns: None }
    }

    /// Say which place will be wanted next, in seconds since the track's beginning.
    pub(super) fn want(&self, place_s: f64) {
        self.queue.want(wanted_ns(place_s));
    }

    /// Whether playing can begin at a place, in seconds since the track's beginning.
    pub(super) fn readiness(&mut self, place_s: f64) -> Readiness {
        if let Some(reason) = self.queue.failure() {
            return Readiness::Failed(reason.to_owned());
        }
        if self.open.is_none() {
            let (rate_hz, channels) = match self.queue.opening() {
                None => return Readiness::Opening,
                Some(Opening::Silent) => return Readiness::Silent,
                Some(Opening::Failed(reason)) => return Readiness::Failed(reason.clone()),
                Some(Opening::Opened(opened)) => (opened.rate_hz, opened.channels),
            };
            let Some(resampler) = self.queue.take_resampler() else { return Readiness::Opening };
            self.open = Some(Open { rate_hz, channels, resampler, fade_in: false });
        }
        let Some(open) = &self.open else { return Readiness::Opening };
        let needed = open.resampler.needed_to_start(place_s * f64::from(open.rate_hz));
        match self.queue.holds(needed.start, needed.end) {
            Holds::All => Readiness::Ready,
            Holds::NotYet => Readiness::Opening,
            Holds::SentBack => {
                (self.order_loader)(Order::Look);
                Readiness::Opening
            }
        }
    }

    /// Prepare so that the next block begins at this place, which is ready. `fade_in` where it is not the track's beginning.
    pub(super) fn start_at(&mut self, place_s: f64, fade_in: bool) -> Result<(), ResampleError> {
        let open = self.open.as_mut().ok_or_else(not_open)?;
        open.resampler.start_at(place_s * f64::from(open.rate_hz), &mut self.queue)?;
        open.fade_in = fade_in;
        Ok(())
    }

    /// Why the track cannot be read on, if so.
    pub(super) fn failure(&self) -> Option<&str> {
        self.queue.failure()
    }

    /// Whether the track is open: the place that is wanted may still be looked for.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.queue.opening(), Some(Opening::Opened(_)))
    }

    /// Whether the track cannot be opened or read.
    pub(super) fn has_failed(&self) -> bool {
        self.queue.failure().is_some() || matches!(self.queue.opening(), Some(Opening::Failed(_)))
    }

    /// Whether the next block can be made: the loader has brought what it needs.
    pub(super) fn has_next_block(&mut self) -> bool {
        let Some(open) = &self.open else { return false };
        self.queue.ready_frames() >= open.resampler.needed_for_a_block()
    }

    /// Make the next block, and steer it towards the target. Where it is too far off, the block fades out, and
    /// [`left_at_ns`](Self::left_at_ns) says that the place is to be taken anew.
    pub(super) fn next_block(&mut self, target: Target, out: &mut BlockSamples) -> Result<BlockReport, ResampleError> {
        let open = self.open.as_mut().ok_or_else(not_open)?;
        let error_s = target.now_s - open.resampler.position() / f64::from(open.rate_hz);
        let mut fade = if std::mem::take(&mut open.fade_in) { Fade::In } else { Fade::None };
        let speed = match steer(error_s, target.drift) {
            Steering::Speed(speed) => speed,
            Steering::Reseek => {
                self.left_at_ns = Some(error_s * 1e9);
                fade = if fade == Fade::In { Fade::Silent } else { Fade::Out };
                1.0
            }
        };
        let block = open.resampler.next_block(speed, &mut self.queue)?;
        let source = block.chunks_exact(open.channels);
        for (index, (frame, source)) in out.chunks_exact_mut(CHANNELS).zip(source).enumerate() {
            let gain = fade.gain(index);
            for (channel, sample) in frame.iter_mut().enumerate() {
                *sample = gain * source.get(channel).or(source.first()).copied().unwrap_or(0.0);
            }
        }
        Ok(BlockReport { phase_error_ns: error_s * 1e9, speed })
    }
}

fn wanted_ns(place_s: f64) -> i64 {
    ((place_s * 1e9) as i64).saturating_sub(BEFORE_NS)
}

/// A mistake of this program: it asks first.
fn not_open() -> ResampleError {
    ResampleError::Decode(DecodeError::Format("the track is not open".to_owned()))
}

/// A fade lasts one block: some 5 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fade {
    None,
    In,
    Out,
    Silent,
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
            Self::Silent => 0.0,
        }
    }
}
