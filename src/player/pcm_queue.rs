//! What travels between the loader's thread and the feeder's: finished blocks of a track one way, the place that is wanted the
//! other. All of it lock-free, so that the feeder waits neither for a file nor for the loader.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rtrb::{Consumer, Producer, RingBuffer};

use super::decoder::DecodeError;
use super::library::FrameSource;
use super::resampler::Resampler;

/// Samples of a block.
pub(super) const BLOCK_SAMPLES: usize = 2048;

/// Blocks of a queue: more than 4 s of stereo at 48 kHz.
const QUEUE_BLOCKS: usize = 192;

/// Frames before the place that is wanted that are kept: it may be corrected by a little.
pub(super) const MARGIN_FRAMES: i64 = 2048;

/// Frames of a track in a row.
pub(super) struct PcmBlock {
    /// The frame of the track with which it begins.
    pub first_frame: i64,
    /// Which order to go elsewhere it obeys.
    pub generation: u32,
    /// How many frames there are.
    pub frames: usize,
    /// Interleaved.
    pub samples: [f32; BLOCK_SAMPLES],
}

impl PcmBlock {
    pub(super) fn end_frame(&self) -> i64 {
        self.first_frame + self.frames as i64
    }
}

/// A track that was opened.
pub(super) struct Opened {
    pub rate_hz: u32,
    pub channels: usize,
    /// Made by the loader, as that takes its time; taken by the feeder once.
    pub resampler: Mutex<Option<Box<Resampler>>>,
}

/// What became of opening a track.
pub(super) enum Opening {
    /// It can be played.
    Opened(Opened),
    /// It is known to be silence.
    Silent,
    /// It should be there and cannot be read, for this reason.
    Failed(String),
}

/// Whether frames are in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// All of them.
    All,
    /// They will be.
    NotYet,
    /// They were thrown away; the loader was just asked to bring them again.
    SentBack,
}

/// What both sides see.
pub(super) struct Shared {
    /// The result of opening, once there is one.
    pub opening: OnceLock<Opening>,
    /// Why reading has ended, if it has.
    pub failure: OnceLock<String>,
    /// The place that is wanted next, in ns since the track's beginning. What lies before it is of no use.
    wanted_ns: AtomicI64,
    /// Counts the orders to go to that place even if it lies behind.
    generation: AtomicU32,
    /// The feeder has no more use for the track.
    is_abandoned: AtomicBool,
}

impl Shared {
    /// The newest order to go elsewhere, and the place that is wanted.
    pub(super) fn wanted(&self) -> (u32, i64) {
        let generation = self.generation.load(Ordering::Acquire);
        (generation, self.wanted_ns.load(Ordering::Relaxed))
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }
}

/// The loader's end.
pub struct LoaderEnd {
    pub(super) blocks: Producer<PcmBlock>,
    pub(super) shared: Arc<Shared>,
}

/// The feeder's end. Dropping it tells the loader that the track is of no more use.
pub(super) struct FeederEnd {
    blocks: Consumer<PcmBlock>,
    shared: Arc<Shared>,
    generation: u32,
    /// The next frame to be read.
    position: i64,
    channels: usize,
}

/// Make both ends for a track that is to be opened, of which this place is wanted first.
pub(super) fn pcm_queue(wanted_ns: i64) -> (FeederEnd, LoaderEnd) {
    let (producer, consumer) = RingBuffer::new(QUEUE_BLOCKS);
    let shared = Arc::new(Shared {
        opening: OnceLock::new(),
        failure: OnceLock::new(),
        wanted_ns: AtomicI64::new(wanted_ns),
        generation: AtomicU32::new(0),
        is_abandoned: AtomicBool::new(false),
    });
    let feeder =
        FeederEnd { blocks: consumer, shared: Arc::clone(&shared), generation: 0, position: i64::MIN, channels: 1 };
    (feeder, LoaderEnd { blocks: producer, shared })
}

impl FeederEnd {
    /// What became of opening the track; none yet.
    pub(super) fn opening(&self) -> Option<&Opening> {
        self.shared.opening.get()
    }

    /// Why the track cannot be read on, if so.
    pub(super) fn failure(&self) -> Option<&str> {
        self.shared.failure.get().map(String::as_str)
    }

    /// Take the resampler that the loader has made, once. From then on blocks are read.
    pub(super) fn take_resampler(&mut self) -> Option<Box<Resampler>> {
        let Some(Opening::Opened(opened)) = self.shared.opening.get() else { return None };
        self.channels = opened.channels.max(1);
        // The loader has let go of it before it said that the track is open.
        opened.resampler.try_lock().ok()?.take()
    }

    /// Say which place will be wanted next, in ns since the track's beginning.
    pub(super) fn want(&self, wanted_ns: i64) {
        self.shared.wanted_ns.store(wanted_ns, Ordering::Relaxed);
    }

    /// Whether all frames from `from` up to `to` are here. What lies well before `from` is thrown away. Where `from` itself was
    /// thrown away already, the loader is sent back to the place that is wanted.
    pub(super) fn holds(&mut self, from: i64, to: i64) -> Holds {
        while let Ok(block) = self.blocks.peek() {
            if block.generation == self.generation && block.end_frame() > from.saturating_sub(MARGIN_FRAMES) {
                break;
            }
            let _ = self.blocks.pop();
        }
        // The first block is of this generation now, and so are all behind it.
        let Some(begin) = self.blocks.peek().ok().map(|block| block.first_frame) else { return Holds::NotYet };
        if begin > from {
            self.generation = self.generation.wrapping_add(1);
            self.shared.generation.store(self.generation, Ordering::Release);
            return Holds::SentBack;
        }
        if self.contiguous_end(from) >= to { Holds::All } else { Holds::NotYet }
    }

    /// How many frames are here from the next one on.
    pub(super) fn ready_frames(&mut self) -> usize {
        let end = self.contiguous_end(self.position);
        usize::try_from(end.saturating_sub(self.position)).unwrap_or(0)
    }

    /// The end of what is here without a gap from a frame on.
    fn contiguous_end(&mut self, from: i64) -> i64 {
        let count = self.blocks.slots();
        let Ok(chunk) = self.blocks.read_chunk(count) else { return from };
        let (first, second) = chunk.as_slices();
        first
            .iter()
            .chain(second)
            .filter(|block| block.generation == self.generation)
            .fold(from, |end, block| if block.first_frame <= end { end.max(block.end_frame()) } else { end })
    }
}

impl FrameSource for FeederEnd {
    fn seek(&mut self, frame: i64) -> Result<(), DecodeError> {
        self.position = frame;
        Ok(())
    }

    /// Whoever reads has asked before whether there is as much. What is not here is silence.
    fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError> {
        let mut filled = 0;
        while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let Ok(block) = self.blocks.peek() else { break };
            let offset = self.position.saturating_sub(block.first_frame);
            let is_passed = block.generation != self.generation || self.position >= block.end_frame();
            if is_passed {
                let _ = self.blocks.pop();
                continue;
            }
            let Some(from) = usize::try_from(offset).ok().map(|offset| offset * self.channels) else { break };
            let source = block.samples.get(from..block.frames * self.channels).unwrap_or_default();
            let count = source.len().min(rest.len());
            rest[..count].copy_from_slice(&source[..count]);
            filled += count;
            self.position += (count / self.channels) as i64;
        }
        if let Some(rest) = out.get_mut(filled..) {
            rest.fill(0.0);
            self.position += (rest.len() / self.channels) as i64;
        }
        Ok(())
    }
}

impl Drop for FeederEnd {
    fn drop(&mut self) {
        self.shared.is_abandoned.store(true, Ordering::Relaxed);
    }
}
