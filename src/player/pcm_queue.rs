//! The queue of decoded blocks from the loader's thread to the feeder's: an `rtrb` ring, on which
//! neither side waits.
//!
//! The loader makes it, as its memory (1.6 MB) must not be allocated or freed on the feeder's
//! thread.

use rtrb::{Consumer, Producer, RingBuffer};

use super::library::{DecodeError, FrameSource};

/// Samples of a block.
pub(super) const BLOCK_SAMPLES: usize = 2048;

/// Blocks of a queue: more than 4 s of stereo at 48 kHz.
const QUEUE_BLOCKS: usize = 192;

/// Frames before the wanted place that stay in the queue: the place may be corrected by a little.
pub(super) const MARGIN_FRAMES: i64 = 2048;

/// Frames of a track in a row.
pub(super) struct PcmBlock {
    /// The command to go elsewhere to which it belongs.
    pub first_frame: i64,
    /// Which command to go elsewhere it obeys.
    pub generation: u32,
    /// How many frames it holds.
    pub frames: usize,
    /// The frames, interleaved.
    pub samples: [f32; BLOCK_SAMPLES],
}

impl PcmBlock {
    pub(super) fn end_frame(&self) -> i64 {
        self.first_frame + self.frames as i64
    }
}

/// Whether frames are in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// All of them.
    All,
    /// Not yet, but they will be.
    NotYet,
    /// Never: they lie before everything that is there, and were thrown away.
    Passed,
}

/// The feeder's end.
pub(super) struct PcmQueue {
    blocks: Consumer<PcmBlock>,
    /// Blocks of another generation are thrown away.
    pub generation: u32,
    /// The next frame to be read.
    position: i64,
    channels: usize,
}

/// Makes both ends of a queue for a track of this many channels.
pub(super) fn pcm_queue(channels: usize) -> (Producer<PcmBlock>, PcmQueue) {
    let (producer, blocks) = RingBuffer::new(QUEUE_BLOCKS);
    (producer, PcmQueue { blocks, generation: 0, position: i64::MIN, channels: channels.max(1) })
}

impl PcmQueue {
    /// Returns whether all frames from `from` up to `to` are here. Throws away what lies well
    /// before `from`.
    pub(super) fn holds(&mut self, from: i64, to: i64) -> Holds {
        while let Ok(block) = self.blocks.peek() {
            if block.generation == self.generation && block.end_frame() > from.saturating_sub(MARGIN_FRAMES) {
                break;
            }
            let _ = self.blocks.pop();
        }
        // The first block is of this generation now, and so are all those after it.
        let Some(begin) = self.blocks.peek().ok().map(|block| block.first_frame) else { return Holds::NotYet };
        if begin > from {
            return Holds::Passed;
        }
        if self.is_contiguous(from, to) { Holds::All } else { Holds::NotYet }
    }

    /// Returns whether this many frames are here, from the next one on.
    pub(super) fn has_next(&mut self, frames: usize) -> bool {
        self.is_contiguous(self.position, self.position.saturating_add(frames as i64))
    }

    /// Returns whether the frames from `from` up to `to` are here without a gap.
    fn is_contiguous(&mut self, from: i64, to: i64) -> bool {
        let count = self.blocks.slots();
        let Ok(chunk) = self.blocks.read_chunk(count) else { return false };
        let (first, second) = chunk.as_slices();
        let mut end = from;
        // Seldom more than the first two: the others are not even looked at.
        for block in first.iter().chain(second) {
            if end >= to {
                break;
            }
            if block.generation == self.generation && block.first_frame <= end {
                end = end.max(block.end_frame());
            }
        }
        end >= to
    }
}

impl FrameSource for PcmQueue {
    fn seek(&mut self, frame: i64) -> Result<(), DecodeError> {
        self.position = frame;
        Ok(())
    }

    /// Reads frames. The caller has checked that they are here; missing ones are silence.
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
