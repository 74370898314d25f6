//! Makes a track fit the DAC's rate, and knows to a fraction of a frame which place in the track
//! each output frame is.
//!
//! The filter is rubato's windowed sinc with a ratio that may change at every block. Two things are
//! added: the place in the track is counted exactly, and playing can begin at any place between two
//! of the track's frames.

use std::ops::Range;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler as _, ResamplerConstructionError, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use super::library::{DecodeError, FrameSource};
use super::ring::BLOCK_FRAMES;

/// Length of the filter in the track's frames. With this window its edge is at 18.8 kHz for
/// 44.1 kHz (0.85 of half the rate, by rubato's `calculate_cutoff`), and aliases are below -94 dB,
/// which the tests assert. Twice the length would take twice the processor time for one kilohertz
/// that no loudspeaker on a bike reproduces.
const FILTER_FRAMES: usize = 64;

/// How far the ratio may leave nominal: the phase lock needs 300 ppm; beginning between two frames
/// needs half a frame over one block.
const MAX_RELATIVE_RATIO: f64 = 1.05;

/// Filters that rubato makes for places between two frames. Places between those are interpolated
/// linearly, which is wrong by at most (pi / phases)^2 / 8 of full scale, -106 dB, at the highest
/// frequency.
const FILTER_PHASES: usize = 512;

/// Where rubato's first output lies relative to its first input, in input frames, minus one step.
/// Its index begins at `1 - length` (`init_last_index` in rubato's asynchro_sinc.rs), and the
/// filter of index 0 has its centre one phase after tap `length / 2 - 1` (`make_sincs` in sinc.rs).
const FIRST_OUTPUT_OFFSET: f64 = 1.0 / FILTER_PHASES as f64 - (FILTER_FRAMES / 2) as f64;

/// A track on its way to the DAC's rate.
pub struct Resampler {
    inner: Async<f32>,
    channels: usize,
    /// The track's frames in one of the DAC's, nominally.
    nominal_step: f64,
    /// The place, in the track's frames, of the next output frame if the step stays as it was.
    position: f64,
    step: f64,
    input: Vec<f32>,
    output: Vec<f32>,
}

/// Why a track cannot be resampled any further.
#[derive(Debug, thiserror::Error)]
pub enum ResampleError {
    /// The decoder failed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The filter refused; that would be a mistake of this program.
    #[error("the resampler failed: {0}")]
    Filter(String),
}

impl Resampler {
    /// Makes one for a track of this rate and number of channels (1 or 2) on a DAC of this rate.
    ///
    /// # Errors
    /// When rubato cannot convert between the two.
    pub fn new(track_rate_hz: u32, device_rate_hz: u32, channels: usize) -> Result<Self, ResamplerConstructionError> {
        let nominal_step = f64::from(track_rate_hz) / f64::from(device_rate_hz);
        let parameters = SincInterpolationParameters {
            sinc_len: FILTER_FRAMES,
            f_cutoff: None,
            oversampling_factor: FILTER_PHASES,
            interpolation: SincInterpolationType::Linear,
            window: WindowFunction::Blackman2,
        };
        let inner = Async::new_sinc(
            1.0 / nominal_step,
            MAX_RELATIVE_RATIO,
            &parameters,
            BLOCK_FRAMES,
            channels,
            FixedAsync::Output,
        )?;
        let input = vec![0.0; inner.input_frames_max() * channels];
        let output = vec![0.0; BLOCK_FRAMES * channels];
        Ok(Self { inner, channels, nominal_step, position: 0.0, step: nominal_step, input, output })
    }

    /// Returns the place, in frames of the track, of the next output frame.
    pub fn position(&self) -> f64 {
        self.position
    }

    /// Returns the frames of the track that [`start_at`](Self::start_at) and the block after it
    /// read, at most.
    pub(super) fn needed_to_start(&self, position: f64) -> Range<i64> {
        let (begin, _) = self.begin(position);
        let blocks = self.blocks_before_start() + 1;
        begin.round() as i64..begin.round() as i64 + (blocks * self.needed_for_a_block()) as i64
    }

    /// Returns how many frames of the track [`next_block`](Self::next_block) reads at most.
    pub(super) fn needed_for_a_block(&self) -> usize {
        self.inner.input_frames_max()
    }

    /// Returns how many blocks are made and thrown away before playing begins: until as many frames
    /// as the filter is long have gone in, it still sees the silence it began with.
    fn blocks_before_start(&self) -> usize {
        (FILTER_FRAMES as f64 / (BLOCK_FRAMES as f64 * self.nominal_step)).ceil() as usize
    }

    /// Returns where reading has to begin for the next output to be at `position` after those
    /// blocks, exactly, and how many frames of output they have.
    fn begin(&self, position: f64) -> (f64, f64) {
        let steps = (self.blocks_before_start() * BLOCK_FRAMES) as f64;
        (position - FIRST_OUTPUT_OFFSET - (steps + 1.0) * self.nominal_step, steps)
    }

    /// Prepares so that the next output frame is exactly the track's place `position` (in its
    /// frames; negative ones lie before the track).
    ///
    /// A few blocks are made and thrown away, at a speed that leads from a whole frame, where
    /// reading has to begin, to the place in between.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn start_at(&mut self, position: f64, source: &mut dyn FrameSource) -> Result<(), ResampleError> {
        self.inner.reset();
        let (exact_begin, steps) = self.begin(position);
        let begin = exact_begin.round();
        source.seek(begin as i64)?;
        self.position = begin + FIRST_OUTPUT_OFFSET + self.nominal_step;
        self.step = self.nominal_step;
        for _ in 0..self.blocks_before_start() {
            self.make_block(self.nominal_step + (exact_begin - begin) / steps, source)?;
        }
        // The last step, after these blocks, is a nominal one.
        self.position += self.nominal_step - self.step;
        self.step = self.nominal_step;
        Ok(())
    }

    /// Makes the next [`BLOCK_FRAMES`] frames, interleaved, at `speed` times the nominal speed.
    ///
    /// # Errors
    /// When the file cannot be read. What was read is lost then; begin again with
    /// [`start_at`](Self::start_at).
    pub fn next_block(&mut self, speed: f64, source: &mut dyn FrameSource) -> Result<&[f32], ResampleError> {
        self.make_block(self.nominal_step * speed, source)?;
        Ok(&self.output)
    }

    fn make_block(&mut self, step: f64, source: &mut dyn FrameSource) -> Result<(), ResampleError> {
        let failed = |error: rubato::ResampleError| ResampleError::Filter(error.to_string());
        self.inner.set_resample_ratio(1.0 / step, false).map_err(failed)?;
        let frames = self.inner.input_frames_next();
        let input = self.input.get_mut(..frames * self.channels).unwrap_or_default();
        source.read(input)?;
        let wrong_size = |error| ResampleError::Filter(format!("{error:?}"));
        let input = InterleavedSlice::new(input, self.channels, frames).map_err(wrong_size)?;
        let mut output =
            InterleavedSlice::new_mut(&mut self.output, self.channels, BLOCK_FRAMES).map_err(wrong_size)?;
        self.inner.process_into_buffer(&input, &mut output, None).map_err(failed)?;
        // The position was that of the next frame at the old step; the new step took effect with
        // that very frame.
        self.position += step - self.step + BLOCK_FRAMES as f64 * step;
        self.step = step;
        Ok(())
    }
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
                self.position += 1;
            }
            Ok(())
        }
    }

    /// Returns the largest difference between what comes out and the tone itself at the places that
    /// were counted.
    fn largest_error(track_rate_hz: u32, device_rate_hz: u32, start: f64, speeds: &[f64], tone_hz: f64) -> f64 {
        let mut tone = Tone { position: 0, cycles_per_frame: tone_hz / f64::from(track_rate_hz) };
        let mut resampler = Resampler::new(track_rate_hz, device_rate_hz, 1).unwrap();
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
