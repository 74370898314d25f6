//! One track being played: what the loader has decoded of it, resampler and phase lock together.

use std::sync::Arc;

use jaudiosync_hw::dac::CHANNELS;

use super::library::Library;
use super::loader::{Order, OrderLoader};
use super::pcm_queue::Holds;
use super::phase_lock::{Steering, steer};
use super::ring::BLOCK_FRAMES;
use super::track_link::{Opening, TrackLink, TrackParts};
use crate::timetable::Start;

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

/// A file that cannot be opened or read is tried again after this long.
const RETRY_NS: i64 = 1_000_000_000;

/// A slot's track, which is being opened, is open, or plays.
///
/// It is made and dropped on the feeder's thread, and so makes and frees nothing large: that is the loader's.
pub(super) struct Voice {
    pub slot: Start,
    link: Arc<TrackLink>,
    order_loader: OrderLoader,
    /// None before the track is open, and when it is dropped.
    parts: Option<Box<TrackParts>>,
    /// When the file was last asked to be opened, on the raw clock.
    tried_raw_ns: i64,
    fades_in: bool,
    /// The place is to be taken anew, because the phase error was this, in ns.
    pub left_at_ns: Option<f64>,
    /// The resampler has refused; that would be a mistake of this program.
    mistake: Option<String>,
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
    /// Not as long as its file cannot be opened or read, for this reason.
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
        now_raw_ns: i64,
    ) -> Self {
        let link = Arc::new(TrackLink::new(wanted_ns(wanted_s)));
        order_loader(Order::Open { library, track: slot.track, device_rate_hz, link: Arc::clone(&link) });
        Self {
            slot,
            link,
            order_loader,
            parts: None,
            tried_raw_ns: now_raw_ns,
            fades_in: false,
            left_at_ns: None,
            mistake: None,
        }
    }

    /// Say which place will be wanted next, in seconds since the track's beginning.
    pub(super) fn want(&self, place_s: f64) {
        self.link.want(wanted_ns(place_s));
    }

    /// Have a file opened anew that cannot be read, once in a while.
    pub(super) fn retry_if_failed(&mut self, now_raw_ns: i64) {
        if self.link.failure().is_some() && now_raw_ns.saturating_sub(self.tried_raw_ns) >= RETRY_NS {
            self.tried_raw_ns = now_raw_ns;
            self.link.retry();
        }
    }

    /// Return whether playing can begin at a place, in seconds since the track's beginning.
    pub(super) fn readiness(&mut self, place_s: f64) -> Readiness {
        if let Some(mistake) = &self.mistake {
            return Readiness::Failed(mistake.clone());
        }
        if self.parts.is_none() {
            self.parts = self.link.take_parts();
        }
        if matches!(self.link.opening(), Some(Opening::Silent)) {
            return Readiness::Silent;
        }
        if let Some(parts) = self.parts.as_deref_mut() {
            let needed = parts.resampler.needed_to_start(place_s * f64::from(parts.rate_hz));
            match parts.queue.holds(needed.start, needed.end) {
                // Also where the file has failed meanwhile.
                Holds::All => return Readiness::Ready,
                Holds::NotYet => {}
                Holds::Passed => {
                    parts.queue.generation = self.link.send_back();
                    (self.order_loader)(Order::Look);
                }
            }
        }
        self.link.failure().map_or(Readiness::Opening, |reason| Readiness::Failed(reason.to_owned()))
    }

    /// Prepare so that the next block begins at this place, which is ready. `fade_in` where it is not the track's
    /// beginning.
    pub(super) fn start_at(&mut self, place_s: f64, fade_in: bool) -> Result<(), String> {
        let Some(parts) = self.parts.as_deref_mut() else { return Err(self.refuse(&NOT_OPEN)) };
        let started = parts.resampler.start_at(place_s * f64::from(parts.rate_hz), &mut parts.queue);
        self.fades_in = fade_in;
        started.map_err(|error| self.refuse(&error))
    }

    /// Return why the file cannot be read on, if that is so now. What was decoded before can be played all the same.
    pub(super) fn failure(&self) -> Option<&str> {
        self.link.failure()
    }

    /// Return whether the track is open: the place that is wanted may still be looked for.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.link.opening(), Some(Opening::Opened(_)))
    }

    /// Return whether the next block can be made: the loader has brought what it needs.
    pub(super) fn has_next_block(&mut self) -> bool {
        let Some(parts) = self.parts.as_deref_mut() else { return false };
        parts.queue.ready_frames() >= parts.resampler.needed_for_a_block()
    }

    /// Make the next block, and steer it towards the target. Where it is too far off, the block fades out, and
    /// [`left_at_ns`](Self::left_at_ns) says that the place is to be taken anew.
    pub(super) fn next_block(&mut self, target: Target, out: &mut BlockSamples) -> Result<BlockReport, String> {
        let Some(parts) = self.parts.as_deref_mut() else { return Err(self.refuse(&NOT_OPEN)) };
        let error_s = target.now_s - parts.resampler.position() / f64::from(parts.rate_hz);
        let mut fade = if std::mem::take(&mut self.fades_in) { Fade::In } else { Fade::None };
        let speed = match steer(error_s, target.drift) {
            Steering::Speed(speed) => speed,
            Steering::Reseek => {
                self.left_at_ns = Some(error_s * 1e9);
                fade = if fade == Fade::In { Fade::Silent } else { Fade::Out };
                1.0
            }
        };
        match parts.resampler.next_block(speed, &mut parts.queue) {
            Ok(block) => fade.copy(block, parts.channels, out),
            Err(error) => return Err(self.refuse(&error)),
        }
        Ok(BlockReport { phase_error_ns: error_s * 1e9, speed })
    }

    /// Remember a mistake of this program: the track is silent for good, instead of failing again and again.
    fn refuse(&mut self, error: &dyn std::fmt::Display) -> String {
        self.mistake.insert(error.to_string()).clone()
    }
}

impl Drop for Voice {
    /// Send everything large back to the loader, which frees it.
    fn drop(&mut self) {
        self.link.abandon();
        if let Some(parts) = self.parts.take().or_else(|| self.link.take_parts()) {
            (self.order_loader)(Order::Drop(parts));
        }
    }
}

fn wanted_ns(place_s: f64) -> i64 {
    ((place_s * 1e9) as i64).saturating_sub(BEFORE_NS)
}

/// A mistake of this program: it asks first.
const NOT_OPEN: &str = "the track is not open";

/// A fade lasts one block: some 5 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fade {
    None,
    In,
    Out,
    Silent,
}

impl Fade {
    /// Copy a block of one or two channels to both of the device's.
    fn copy(self, block: &[f32], channels: usize, out: &mut BlockSamples) {
        let frames = block.chunks_exact(channels);
        for (index, (frame, source)) in out.chunks_exact_mut(CHANNELS).zip(frames).enumerate() {
            let gain = self.gain(index);
            for (channel, sample) in frame.iter_mut().enumerate() {
                *sample = gain * source.get(channel).or(source.first()).copied().unwrap_or(0.0);
            }
        }
    }

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
