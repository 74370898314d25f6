//! What travels between the feeder's thread and the sound card's: blocks of frames one way,
//! observations the other, and a few flags. All of it is lock-free: the audio callback waits for
//! nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use jaudiosync_hw::dac::{BufferTiming, CHANNELS};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::appliance::answer::Tone;

/// Frames of a block.
pub const BLOCK_FRAMES: usize = 256;

/// The samples of a block: interleaved stereo.
pub type BlockSamples = [f32; BLOCK_FRAMES * CHANNELS];

/// Blocks that wait at most: some 0.7 s at 48 kHz, so that a slow card or a busy machine is not
/// heard.
const RING_BLOCKS: usize = 128;

/// Observations that wait at most; the feeder takes them many times a second.
const RING_OBSERVATIONS: usize = 256;

/// Frames that belong at a certain place in the DAC's stream. A simulation may put something else
/// in the place of samples.
#[derive(Debug, Clone, Copy)]
pub struct Block<S = BlockSamples> {
    /// The place of the first one, counted from the opening of the stream.
    pub first_frame: u64,
    /// Blocks of an older epoch than the shared one are thrown away.
    pub epoch: u32,
    /// What the frames are.
    pub samples: S,
}

/// What the renderer saw when it was called.
#[derive(Debug, Clone, Copy)]
pub struct RendererReport {
    /// The device's timing of the buffer.
    pub timing: BufferTiming,
    /// The first frame of the buffer.
    pub first_frame: u64,
    /// Frames of the buffer.
    pub frames: u32,
}

/// Flags that both sides see.
#[derive(Debug)]
pub struct Shared {
    /// The epoch that blocks must be of.
    pub epoch: AtomicU32,
    /// If set, the sound fades out and stays out.
    pub fade_out: AtomicBool,
    /// The frame from which on it does the same; `u64::MAX` for none.
    pub fade_from_frame: AtomicU64,
    /// The first frame that is silent after a fade-out; 0 before.
    pub silent_from_frame: AtomicU64,
    /// Frames that came too late to be heard.
    pub late_frames: AtomicU64,
    /// The volume as a factor, 0 to 1: the bits of an f32.
    pub volume: AtomicU32,
    /// The tone to sound next, as [`Tone`] numbers them; 0 for none.
    pub tone: AtomicU32,
    /// Buffers rendered so far: while this number grows the sound card is alive.
    pub buffers: AtomicU64,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            epoch: AtomicU32::new(0),
            fade_out: AtomicBool::new(false),
            fade_from_frame: AtomicU64::new(u64::MAX),
            silent_from_frame: AtomicU64::new(0),
            late_frames: AtomicU64::new(0),
            volume: AtomicU32::new(1_f32.to_bits()),
            tone: AtomicU32::new(0),
            buffers: AtomicU64::new(0),
        }
    }
}

impl Shared {
    /// Sets the volume as a factor; a value outside 0 to 1 is clamped.
    pub fn set_volume(&self, volume: f32) {
        self.volume.store(volume.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
    }

    /// Sounds a short tone, in place of one that still sounds.
    pub fn sound(&self, tone: Tone) {
        self.tone.store(tone.number(), Ordering::Relaxed);
    }
}

/// The feeder's ends.
pub struct FeederEnds<S = BlockSamples> {
    /// Where blocks go.
    pub blocks: Producer<Block<S>>,
    /// Where reports come from.
    pub reports: Consumer<RendererReport>,
    pub shared: Arc<Shared>,
}

/// The renderer's ends.
pub struct RendererEnds<S = BlockSamples> {
    /// Where blocks come from.
    pub blocks: Consumer<Block<S>>,
    /// Where reports go.
    pub reports: Producer<RendererReport>,
    pub shared: Arc<Shared>,
}

/// Makes both ends, for one opened stream.
pub fn channel<S>(shared: Arc<Shared>) -> (FeederEnds<S>, RendererEnds<S>) {
    let (block_sender, block_receiver) = RingBuffer::new(RING_BLOCKS);
    let (report_sender, report_receiver) = RingBuffer::new(RING_OBSERVATIONS);
    let feeder = FeederEnds { blocks: block_sender, reports: report_receiver, shared: Arc::clone(&shared) };
    let renderer = RendererEnds { blocks: block_receiver, reports: report_sender, shared };
    (feeder, renderer)
}
