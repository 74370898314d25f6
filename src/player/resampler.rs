//! Makes a track fit the DAC's rate, and knows to a fraction of a frame which place of the track each output frame is.
//!
//! The filter is rubato's windowed sinc with a ratio that may change at every block. Two things are added: the place
//! in the track is counted exactly, and playing can begin at any place between two of the track's frames.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler as _, ResamplerConstructionError, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use super::decoder::{DecodeError, Decoder};
use super::ring::BLOCK_FRAMES;

/// Length of the filter in the track's frames.
const FILTER_FRAMES: usize = 128;

/// How far the ratio may leave nominal: the phase lock needs 300 ppm; beginning between two frames needs half a frame
/// over one block.
const MAX_RELATIVE_RATIO: f64 = 1.05;

/// Where rubato's first output lies relative to its first input, in input frames, less one step. The filter begins
/// with its last tap on the first frame (`init_last_index` in rubato's asynchro_sinc.rs) and its centre is the middle.
const FIRST_OUTPUT_OFFSET: f64 = 1.0 - (FILTER_FRAMES / 2) as f64;

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

/// Why a track cannot be resampled on.
#[derive(Debug, thiserror::Error)]
pub enum ResampleError {
    /// The decoder gave up.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The filter refused; that would be a mistake of this program.
    #[error("the resampler failed: {0}")]
    Filter(String),
}

impl Resampler {
    /// For a track of this rate and number of channels (1 or 2) on a DAC of this rate.
    ///
    /// # Errors
    /// When rubato cannot convert between the two.
    pub fn new(track_rate_hz: u32, device_rate_hz: u32, channels: usize) -> Result<Self, ResamplerConstructionError> {
        let nominal_step = f64::from(track_rate_hz) / f64::from(device_rate_hz);
        let parameters = SincInterpolationParameters {
            sinc_len: FILTER_FRAMES,
            f_cutoff: None,
            oversampling_factor: 256,
            interpolation: SincInterpolationType::Quadratic,
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

    /// The place, in frames of the track, of the next output frame.
    pub fn position(&self) -> f64 {
        self.position
    }

    /// Prepares so that the next output frame is exactly the track's place `position` (in its frames; negative ones
    /// lie before the track).
    ///
    /// One block is made and thrown away, at a speed that leads from a whole frame, where reading has to begin, to the
    /// place in between.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn start_at(&mut self, position: f64, decoder: &mut Decoder) -> Result<(), ResampleError> {
        self.inner.reset();
        let steps = BLOCK_FRAMES as f64;
        let exact_begin = position - FIRST_OUTPUT_OFFSET - (steps + 1.0) * self.nominal_step;
        let begin = exact_begin.round();
        decoder.seek(begin as i64)?;
        self.position = begin + FIRST_OUTPUT_OFFSET + self.nominal_step;
        self.step = self.nominal_step;
        // The last step, behind the block, is a nominal one.
        self.make_block(self.nominal_step + (exact_begin - begin) / steps, decoder)?;
        self.position += self.nominal_step - self.step;
        self.step = self.nominal_step;
        Ok(())
    }

    /// Makes the next [`BLOCK_FRAMES`] frames, interleaved, at `speed` times the nominal speed.
    ///
    /// # Errors
    /// When the file cannot be read. What was read is lost then; begin anew with [`start_at`](Self::start_at).
    pub fn next_block(&mut self, speed: f64, decoder: &mut Decoder) -> Result<&[f32], ResampleError> {
        self.make_block(self.nominal_step * speed, decoder)?;
        Ok(&self.output)
    }

    fn make_block(&mut self, step: f64, decoder: &mut Decoder) -> Result<(), ResampleError> {
        let failed = |error: rubato::ResampleError| ResampleError::Filter(error.to_string());
        self.inner.set_resample_ratio(1.0 / step, false).map_err(failed)?;
        let frames = self.inner.input_frames_next();
        let input = self.input.get_mut(..frames * self.channels).unwrap_or_default();
        decoder.read(input)?;
        let wrong_size = |error| ResampleError::Filter(format!("{error:?}"));
        let input = InterleavedSlice::new(input, self.channels, frames).map_err(wrong_size)?;
        let mut output =
            InterleavedSlice::new_mut(&mut self.output, self.channels, BLOCK_FRAMES).map_err(wrong_size)?;
        self.inner.process_into_buffer(&input, &mut output, None).map_err(failed)?;
        // The position was that of the next frame at the old step; the new step took effect with that very frame.
        self.position += step - self.step + BLOCK_FRAMES as f64 * step;
        self.step = step;
        Ok(())
    }
}
