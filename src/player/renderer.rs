//! The audio callback: copies each block to its place in the DAC's stream. It runs on the sound
//! card's thread, where nothing may wait: no lock, no allocation, no log, no I/O.

use std::sync::atomic::Ordering;

use jaudiosync_hw::dac::{BufferTiming, CHANNELS, Renderer, StreamFormat};
use jaudiosync_time::{Instant, Raw, Span};

use super::ring::{BLOCK_FRAMES, Block, RendererEnds, RendererReport};
use super::tone::TonePlayer;

/// How long the fade-out of a stop takes: short enough to be prompt, long enough not to click.
const FADE_S: f32 = 0.010;

/// A device that should have run dry this long ago has dropped out, whatever it reports. That is
/// longer than the bursts by which delays are misread.
const DRY_MARGIN: Span = Span::from_ns(20_000_000);

/// Fills the sound card's buffers from the ring, with silence wherever the ring has nothing.
pub struct RingRenderer {
    ends: RendererEnds,
    /// The next frame of the stream.
    frame: u64,
    /// A block whose place is not yet reached, or not yet passed.
    waiting: Option<Block>,
    /// The first frame of the block that was begun in the last buffer.
    begun: Option<u64>,
    gain: f32,
    fade_step: f32,
    frame_ns: f64,
    volume: f32,
    tone: TonePlayer,
    xruns: u64,
    /// When the device will have played all it was given, as far as it reports.
    runs_dry: Option<Instant<Raw>>,
}

impl RingRenderer {
    /// Makes a renderer at the beginning of a stream.
    pub fn new(ends: RendererEnds, format: StreamFormat) -> Self {
        let volume = f32::from_bits(ends.shared.volume.load(Ordering::Relaxed));
        Self {
            ends,
            frame: 0,
            waiting: None,
            begun: None,
            gain: 1.0,
            fade_step: 1.0 / (FADE_S * format.rate_hz as f32),
            frame_ns: 1e9 / f64::from(format.rate_hz),
            volume,
            tone: TonePlayer::new(format.rate_hz),
            xruns: 0,
            runs_dry: None,
        }
    }

    /// Begins a new epoch after a drop-out. What waits in the ring would be heard from where it
    /// stopped, which is the wrong place; the new epoch throws it away. The device reports a
    /// drop-out; a process that was stopped recognizes it by the time.
    fn notice_drop_out(&mut self, timing: BufferTiming, frames: usize) {
        let is_dry = self.runs_dry.is_some_and(|runs_dry| timing.raw - runs_dry > DRY_MARGIN);
        if timing.xruns != self.xruns || is_dry {
            self.xruns = timing.xruns;
            self.runs_dry = None;
            self.ends.shared.epoch.fetch_add(1, Ordering::AcqRel);
        }
        let span = |frames: u64| Span::from_ns((frames as f64 * self.frame_ns) as i64);
        let frames = frames as u64;
        // A card may be observed once in many buffers: the others follow it.
        self.runs_dry = match timing.observed {
            Some(observed) => Some(observed.heard + span(observed.frames_before + frames)),
            None => self.runs_dry.map(|runs_dry| runs_dry + span(frames)),
        };
    }

    fn copy_blocks(&mut self, output: &mut [f32]) {
        let start = self.frame;
        let end = start + (output.len() / CHANNELS) as u64;
        let epoch = self.ends.shared.epoch.load(Ordering::Acquire);
        let mut heard_until = start;
        loop {
            let Some(block) = self.waiting.take().or_else(|| self.ends.blocks.pop().ok()) else { return };
            if block.epoch != epoch {
                continue;
            }
            if block.first_frame >= end {
                self.waiting = Some(block);
                return;
            }
            // What lies before the buffer should have been heard by now, except a block that was
            // begun.
            let block_end = block.first_frame + BLOCK_FRAMES as u64;
            let from = block.first_frame.max(heard_until);
            let to = block_end.min(end);
            if block.first_frame < start && self.begun != Some(block.first_frame) {
                self.ends.shared.late_frames.fetch_add(start.min(block_end) - block.first_frame, Ordering::Relaxed);
            }
            if from < to {
                let source = range(from - block.first_frame, to - block.first_frame);
                let target = range(from - start, to - start);
                if let (Some(source), Some(target)) = (block.samples.get(source), output.get_mut(target)) {
                    target.copy_from_slice(source);
                }
                heard_until = to;
            }
            if block_end > end {
                self.begun = Some(block.first_frame);
                self.waiting = Some(block);
                return;
            }
        }
    }

    fn fade(&mut self, output: &mut [f32]) {
        let fade_from = match self.ends.shared.fade_out.load(Ordering::Relaxed) {
            true => 0,
            false => self.ends.shared.fade_from_frame.load(Ordering::Relaxed),
        };
        let end = self.frame + (output.len() / CHANNELS) as u64;
        if fade_from >= end && self.gain >= 1.0 {
            return;
        }
        let is_fading_out = fade_from <= self.frame;
        if is_fading_out && self.gain <= 0.0 && self.ends.shared.silent_from_frame.load(Ordering::Relaxed) == 0 {
            // A fade that begins before the last one has been taken back.
            self.ends.shared.silent_from_frame.store(self.frame.max(1), Ordering::Release);
        }
        for (index, frame) in output.chunks_exact_mut(CHANNELS).enumerate() {
            let step = if self.frame + index as u64 >= fade_from { -self.fade_step } else { self.fade_step };
            let was_audible = self.gain > 0.0;
            self.gain = (self.gain + step).clamp(0.0, 1.0);
            if was_audible && self.gain <= 0.0 {
                self.ends.shared.silent_from_frame.store(self.frame + index as u64, Ordering::Release);
            }
            frame.iter_mut().for_each(|sample| *sample *= self.gain);
        }
    }

    /// Moves the volume to the wanted one as quickly as a fade, so that it does not click.
    fn set_volume(&mut self, output: &mut [f32]) {
        let wanted = f32::from_bits(self.ends.shared.volume.load(Ordering::Relaxed)).clamp(0.0, 1.0);
        if self.volume >= 1.0 && wanted >= 1.0 {
            return;
        }
        for frame in output.chunks_exact_mut(CHANNELS) {
            self.volume += (wanted - self.volume).clamp(-self.fade_step, self.fade_step);
            frame.iter_mut().for_each(|sample| *sample *= self.volume);
        }
    }
}

impl Renderer for RingRenderer {
    fn render(&mut self, timing: BufferTiming, output: &mut [f32]) {
        let frames = output.len() / CHANNELS;
        // A full ring means that the feeder is stopped; it will learn the time from later reports.
        let report = RendererReport { timing, first_frame: self.frame, frames: frames as u32 };
        let _ = self.ends.reports.push(report);
        self.notice_drop_out(timing, frames);
        output.fill(0.0);
        self.copy_blocks(output);
        self.fade(output);
        self.tone.add(&self.ends.shared.tone, output);
        self.set_volume(output);
        self.frame += frames as u64;
        self.ends.shared.buffers.fetch_add(1, Ordering::Relaxed);
    }
}

fn range(from: u64, to: u64) -> std::ops::Range<usize> {
    from as usize * CHANNELS..to as usize * CHANNELS
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jaudiosync_hw::dac::HardwareLatency;
    use jaudiosync_time::Instant;

    use super::super::ring::{Shared, channel};
    use super::*;

    #[test]
    fn a_second_fade_before_the_first_is_taken_back_ends_as_well() {
        let shared = Arc::new(Shared::default());
        let (_feeder, ends) = channel(Arc::clone(&shared));
        let mut renderer =
            RingRenderer::new(ends, StreamFormat { rate_hz: 48_000, hardware_latency: HardwareLatency::NONE });
        let mut buffer = vec![0.0; 1000 * CHANNELS];
        let mut render = || renderer.render(BufferTiming { raw: Instant::ZERO, observed: None, xruns: 0 }, &mut buffer);
        render();
        shared.fade_out.store(true, Ordering::Relaxed);
        render();
        let first = shared.silent_from_frame.load(Ordering::Relaxed);
        assert!((1000..2000).contains(&first), "{first}");
        // Taken back and ordered again between two buffers.
        shared.silent_from_frame.store(0, Ordering::Relaxed);
        render();
        assert_eq!(shared.silent_from_frame.load(Ordering::Relaxed), 2000);
    }

    #[test]
    fn a_fade_at_a_frame_begins_on_that_frame_in_the_middle_of_a_buffer() {
        let shared = Arc::new(Shared::default());
        let (mut feeder, ends) = channel(Arc::clone(&shared));
        let mut renderer =
            RingRenderer::new(ends, StreamFormat { rate_hz: 48_000, hardware_latency: HardwareLatency::NONE });
        shared.fade_from_frame.store(1_300, Ordering::Relaxed);
        for number in 0..12 {
            let samples = [0.5; BLOCK_FRAMES * CHANNELS];
            feeder.blocks.push(Block { first_frame: number * BLOCK_FRAMES as u64, epoch: 0, samples }).unwrap();
        }
        let mut heard = Vec::new();
        for _ in 0..3 {
            let mut buffer = vec![0.0; 1000 * CHANNELS];
            renderer.render(BufferTiming { raw: Instant::ZERO, observed: None, xruns: 0 }, &mut buffer);
            heard.extend(buffer.chunks_exact(CHANNELS).map(|frame| frame[0]));
        }
        assert!(heard[..1_300].iter().all(|sample| *sample == 0.5), "as before up to the frame");
        assert!(heard[1_300] < 0.5 && heard[1_500] > 0.0, "it begins there");
        assert!(heard[1_785..].iter().all(|sample| *sample == 0.0), "and takes 10 ms");
        let silent_from = shared.silent_from_frame.load(Ordering::Relaxed);
        assert!((1_775..1_785).contains(&silent_from), "{silent_from}");
        // Taken back, the sound returns.
        shared.fade_from_frame.store(u64::MAX, Ordering::Relaxed);
        let mut buffer = vec![0.0; 72 * CHANNELS];
        renderer.render(BufferTiming { raw: Instant::ZERO, observed: None, xruns: 0 }, &mut buffer);
        assert!(buffer[2 * CHANNELS] > 0.0);
    }
}
