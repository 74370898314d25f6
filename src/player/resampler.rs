//! Makes a track fit the DAC's rate, and knows exactly which place in the track each output frame
//! is. The speed may change with every block, and playing can begin at any place between two of the
//! track's frames.

use std::ops::Range;

use super::library::{DecodeError, FrameSource};
use super::polyphase::{FRACTION_BITS, PolyphaseFilter};
use super::ring::BLOCK_FRAMES;

/// How far the speed may leave nominal; the phase lock needs 300 ppm.
const MAX_SPEED: f64 = 1.05;

/// The largest ratio of the two rates that is obeyed. Those of MPEG audio and of sound cards are
/// below 12; a card that reports 1 Hz must cost neither memory nor the program.
const MAX_NOMINAL_STEP: f64 = 64.0;

/// The parts of which a frame of the track has `1 << FRACTION_BITS`.
const PARTS_PER_FRAME: f64 = (1_u64 << FRACTION_BITS) as f64;

/// A track on its way to the DAC's rate.
pub struct Resampler {
    filter: PolyphaseFilter,
    channels: usize,
    /// The track's frames in one of the DAC's, nominally.
    nominal_step: f64,
    /// The first frame of the track on which the next output frame depends.
    first_frame: i64,
    /// The place of the next output frame, in parts of a frame since the one that is in the middle
    /// of the filter.
    place: u64,
    /// The track's samples from `first_frame` on, for each channel.
    window: [Vec<f32>; 2],
    /// How many frames of the window are filled.
    held: usize,
    /// Frames as they were read.
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Resampler {
    /// Makes one for a track of this rate and number of channels (1 or 2) on a DAC of this rate. A
    /// track that has more than 64 times the DAC's rate, or a rate of 0, is played too slowly.
    pub fn new(track_rate_hz: u32, device_rate_hz: u32, channels: usize) -> Self {
        let ratio = f64::from(track_rate_hz) / f64::from(device_rate_hz.max(1));
        let nominal_step = ratio.min(MAX_NOMINAL_STEP);
        let filter = PolyphaseFilter::new(nominal_step);
        let channels = channels.clamp(1, 2);
        let window_frames = filter.taps() + block_frames_max(nominal_step);
        let window = || vec![0.0; window_frames];
        Self {
            channels,
            nominal_step,
            first_frame: 0,
            place: 0,
            window: if channels == 1 { [window(), Vec::new()] } else { [window(), window()] },
            held: 0,
            input: vec![0.0; window_frames * channels],
            output: vec![0.0; BLOCK_FRAMES * channels],
            filter,
        }
    }

    /// Returns the place, in frames of the track, of the next output frame.
    pub fn position(&self) -> f64 {
        self.first_frame.saturating_add(self.frames_before()) as f64 + self.place as f64 / PARTS_PER_FRAME
    }

    /// Returns the frames of the track that the block after [`start_at`](Self::start_at) reads at
    /// most.
    pub(super) fn needed_to_start(&self, position: f64) -> Range<i64> {
        let first_frame = (position.floor() as i64).saturating_sub(self.frames_before());
        first_frame..first_frame.saturating_add(self.window[0].len() as i64)
    }

    /// Returns how many frames of the track [`next_block`](Self::next_block) reads at most.
    pub(super) fn needed_for_next_block(&self) -> usize {
        self.window[0].len() - self.held
    }

    /// Returns how many frames lie between the first on which an output depends and the one in the
    /// middle of the filter.
    fn frames_before(&self) -> i64 {
        self.filter.taps() as i64 / 2 - 1
    }

    /// Prepares so that the next output frame is exactly the track's place `position` (in its
    /// frames; negative ones lie before the track).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn start_at(&mut self, position: f64, source: &mut dyn FrameSource) -> Result<(), DecodeError> {
        self.first_frame = self.needed_to_start(position).start;
        self.place = parts(position - position.floor());
        self.held = 0;
        source.seek(self.first_frame)
    }

    /// Makes the next [`BLOCK_FRAMES`] frames, interleaved, at `speed` times the nominal speed,
    /// which is limited to 5 % more.
    ///
    /// # Errors
    /// When the file cannot be read. What was read is lost then; begin again with
    /// [`start_at`](Self::start_at).
    pub fn next_block(&mut self, speed: f64, source: &mut dyn FrameSource) -> Result<&[f32], DecodeError> {
        let step = parts(self.nominal_step * speed.min(MAX_SPEED));
        let last = whole_frames(self.place + (BLOCK_FRAMES as u64 - 1) * step);
        self.hold(last + self.filter.taps(), source)?;
        let [left, right] = &self.window;
        if self.channels == 1 {
            self.filter.run([left], self.place, step, self.output.as_chunks_mut().0);
        } else {
            self.filter.run([left, right], self.place, step, self.output.as_chunks_mut().0);
        }
        self.place += BLOCK_FRAMES as u64 * step;
        self.drop_passed();
        Ok(&self.output)
    }

    /// Reads until the window holds as many frames, which are never more than fit: it was made for
    /// the longest block.
    fn hold(&mut self, frames: usize, source: &mut dyn FrameSource) -> Result<(), DecodeError> {
        let frames = frames.min(self.window[0].len());
        let missing = frames.saturating_sub(self.held);
        let input = self.input.get_mut(..missing * self.channels).unwrap_or_default();
        source.read(input)?;
        for (channel, window) in self.window.iter_mut().enumerate().take(self.channels) {
            let samples = input.iter().skip(channel).step_by(self.channels);
            let target = window.get_mut(self.held..frames).unwrap_or_default();
            target.iter_mut().zip(samples).for_each(|(target, sample)| *target = *sample);
        }
        self.held += missing;
        Ok(())
    }

    /// Drops the frames on which nothing depends any more.
    fn drop_passed(&mut self) {
        let passed = whole_frames(self.place).min(self.held);
        for window in self.window.iter_mut().take(self.channels) {
            window.copy_within(passed..self.held, 0);
        }
        self.held -= passed;
        self.first_frame = self.first_frame.saturating_add(passed as i64);
        self.place -= (passed as u64) << FRACTION_BITS;
    }
}

/// Returns how many frames of the track a block is, at most, at this many of them for one of the
/// DAC's.
fn block_frames_max(nominal_step: f64) -> usize {
    (BLOCK_FRAMES as f64 * nominal_step * MAX_SPEED).ceil() as usize + 1
}

fn parts(frames: f64) -> u64 {
    (frames * PARTS_PER_FRAME).round() as u64
}

fn whole_frames(parts: u64) -> usize {
    (parts >> FRACTION_BITS) as usize
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use proptest::prelude::*;

    use super::*;

    /// A sine that began long before the track did.
    struct Tone {
        position: i64,
        cycles_per_frame: f64,
    }

    impl FrameSource for Tone {
        fn seek(&mut self, frame: i64) -> Result<(), DecodeError> {
            self.position = frame;
            Ok(())
        }

        fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError> {
            for sample in out {
                *sample = (TAU * self.cycles_per_frame * self.position as f64).sin() as f32;
                self.position = self.position.saturating_add(1);
            }
            Ok(())
        }
    }

    /// Returns the largest difference between what comes out and the tone itself at the places that
    /// were counted.
    fn largest_error(track_rate_hz: u32, device_rate_hz: u32, start: f64, speeds: &[f64], tone_hz: f64) -> f64 {
        let mut tone = Tone { position: 0, cycles_per_frame: tone_hz / f64::from(track_rate_hz) };
        let mut resampler = Resampler::new(track_rate_hz, device_rate_hz, 1);
        resampler.start_at(start, &mut tone).unwrap();
        assert!((resampler.position() - start).abs() < 1e-6, "{} is not {start}", resampler.position());
        let mut largest = 0.0_f64;
        for &speed in speeds {
            let step = f64::from(track_rate_hz) / f64::from(device_rate_hz) * speed;
            let block = resampler.next_block(speed, &mut tone).unwrap().to_vec();
            // The block's last frame lies one step before the next one.
            let after = resampler.position();
            for (index, &sample) in block.iter().enumerate() {
                let place = after - (BLOCK_FRAMES - index) as f64 * step;
                largest = largest.max((f64::from(sample) - (TAU * tone.cycles_per_frame * place).sin()).abs());
            }
        }
        largest
    }

    #[test]
    fn every_frame_is_the_counted_place_of_the_track() {
        for track_rate_hz in [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000] {
            for device_rate_hz in [44_100, 48_000] {
                let error = largest_error(track_rate_hz, device_rate_hz, 0.0, &[1.0; 20], 997.0);
                assert!(error < 2e-5, "{track_rate_hz} to {device_rate_hz} Hz: {error:e}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_rates_and_no_place_do_harm(
            track_rate_hz in prop_oneof![any::<u32>(), 0_u32..10, Just(44_100)],
            device_rate_hz in prop_oneof![any::<u32>(), 0_u32..10, Just(48_000)],
            channels in 0_usize..4,
            start in any::<f64>(),
            speeds in prop::collection::vec(any::<f64>(), 1..4),
        ) {
            let mut tone = Tone { position: 0, cycles_per_frame: 0.01 };
            let mut resampler = Resampler::new(track_rate_hz, device_rate_hz, channels);
            resampler.start_at(start, &mut tone).unwrap();
            for speed in speeds {
                let block = resampler.next_block(speed, &mut tone).unwrap();
                prop_assert!(block.iter().all(|sample| sample.abs() < 2.0));
            }
            prop_assert!(resampler.position().is_finite());
            prop_assert!(resampler.window[0].len() < 20_000);
        }

        #[test]
        fn starting_anywhere_at_any_speed_is_exact(
            start in -5000.0..1e9_f64,
            ppm in prop::collection::vec(-300.0..300.0_f64, 1..40),
        ) {
            let speeds: Vec<f64> = ppm.iter().map(|ppm| 1.0 + ppm * 1e-6).collect();
            let error = largest_error(44_100, 48_000, start, &speeds, 441.0);
            prop_assert!(error < 2e-5, "{error:e}");
        }
    }
}
